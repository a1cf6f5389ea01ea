"""Runs native code in a forked process: limits on time and memory, and a report of how it ended.

A crash or an endless loop never reaches the caller. Arrays travel through shared memory, so a run
costs a fork and nothing else. What the process may do beside computing is for `sandbox` to say.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xpiler_tvm.errors import CODES, CheckError, ReadError, Span, XpilerError
from xpiler_tvm.isolation import sandbox
from xpiler_tvm.isolation.syscalls import NAMES

from . import compiler
from .arrays import Guarded

ADDRESS_SPACE = 16 << 30
"""Bytes of addresses beyond those in use; what may be filled is much less."""

_FATAL = (
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGSYS,
    signal.SIGTERM,
)
_libc = ctypes.CDLL(None)

MOST_FINDINGS = 64


class RawFinding(ctypes.Structure):
    """`XpFinding` of report.h."""

    _fields_ = (
        ("kind", ctypes.c_char * 24),
        ("line", ctypes.c_int),
        ("other_line", ctypes.c_int),
        ("times", ctypes.c_int),
        ("block", ctypes.c_uint * 3),
        ("thread", ctypes.c_uint * 3),
        ("core", ctypes.c_int),
        ("address", ctypes.c_ulonglong),
        ("bytes", ctypes.c_int),
        ("filled", ctypes.c_int),
        ("variable", ctypes.c_char * 64),
        ("offset", ctypes.c_longlong),
        ("stack", ctypes.c_ulonglong * 16),
        ("other", ctypes.c_ulonglong),
        ("message", ctypes.c_char * 256),
    )


class Report(ctypes.Structure):
    """`XpReport` of report.h: what native code leaves behind."""

    _fields_ = (
        ("code", ctypes.c_int),
        ("line", ctypes.c_int),
        ("signal", ctypes.c_int),
        ("wrote", ctypes.c_int),
        ("fault", ctypes.c_ulonglong),
        ("stack", ctypes.c_ulonglong * 2),
        ("shared", ctypes.c_ulonglong * 2),
        ("base", ctypes.c_ulonglong),
        ("trace", ctypes.c_ulonglong * 16),
        ("seconds", ctypes.c_double),
        ("message", ctypes.c_char * 1024),
        ("findings", ctypes.c_int),
        ("lost", ctypes.c_int),
        ("finding", RawFinding * MOST_FINDINGS),
    )


def run(
    task: Callable[[Report], None],
    arrays: Sequence[Guarded],
    seconds: float,
    *,
    span: Callable[[int], Span | None] = lambda line: None,
    watch: bool = True,
    before: float = 0.0,
    report: Report | None = None,
    confine: Callable[[], object] = sandbox.enter,
    addresses: int = ADDRESS_SPACE,
) -> Report:
    """Runs `task` in a forked process and returns its report.

    Parameters
    ----------
    task : called in the child; it fills the report in. An exception it raises is raised here.
    arrays : the arrays it may touch, to say which one a faulting address belongs to.
    seconds : CPU seconds after which it is killed, or after four times as much wall time.
    span : the user's source line of that number, for errors that have one.
    watch : whether to note the address of a fault, which needs a C++ compiler.
    before : CPU seconds that preparing the run may take on top; the task then calls `start_clock`.
    report : from `new_report`, for a caller who reads it after an error too.
    confine : what narrows the process before it loads anything; the task narrows it further.
    addresses : bytes of addresses that it may take beyond those in use.

    Raises
    ------
    CheckError
        XP5002 (out of bounds), XP5004 (time), XP5005 (crash), XP5006 (division by zero), XP5008
        (divergent barrier).
    """
    faults = compiler.library(_native("faults.cc")) if watch else None
    report = report or new_report()
    most = sandbox.memory_budget()
    with tempfile.TemporaryFile() as output:
        with warnings.catch_warnings():
            # Python 3.12 warns of forks in processes with threads; the child needs none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            kept = [array.extent for array in arrays]
            kept.append((ctypes.addressof(report), ctypes.addressof(report) + 1))

            def prepare() -> None:
                _prepare(seconds + before, output.fileno(), kept, addresses)

            _child(task, report, faults, prepare, confine)
        end = _wait(child, 4 * (seconds + before) + 5, most)
        output.seek(0, os.SEEK_END)
        output.seek(max(0, output.tell() - 4096))
        said = output.read().decode(errors="replace").strip()
    error = (
        _forbidden(report) or _reported(report, span) or _ended(end, seconds, said, report, arrays)
    )
    if error:
        raise error
    for array in arrays:
        array.check()
    return report


def new_report() -> Report:
    """An empty report in memory that a forked process shares."""
    return Report.from_buffer(mmap.mmap(-1, ctypes.sizeof(Report)))


def _native(name: str) -> str:
    return (compiler.HERE / name).read_text()


def _prepare(seconds: float, output: int, kept: Sequence[tuple[int, int]], addresses: int) -> None:
    """Limits for the forked process; what it prints goes to the file `output`."""
    os.setpgid(0, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sandbox.forget_inheritance(kept)
    for number in _FATAL:
        signal.signal(number, signal.SIG_DFL)
    # SIGPROF comes at a fraction of a second; the resource limit stands behind it.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    start_clock(seconds)
    sandbox.limit_resources(seconds, addresses)


def _child(
    task: Callable[[Report], None],
    report: Report,
    faults: Path | None,
    prepare: Callable[[], None],
    confine: Callable[[], object],
) -> None:
    """The forked process. Never returns."""
    try:
        prepare()
        confine()
        if faults is not None:
            ctypes.CDLL(str(faults)).xp_watch(ctypes.byref(report))
        started = time.process_time()
        task(report)
        report.seconds = report.seconds or max(time.process_time() - started, 1e-9)
    except BaseException as error:
        # What Python or TVM raised; the end of a long message says most.
        room = Report.message.size - 1
        report.message = f"{type(error).__name__}: {error}".encode()[-room:]
        report.code = 5005
    finally:
        _libc.fflush(None)  # what the kernel printed
        os._exit(0)


def start_clock(seconds: float) -> None:
    """Ends this process after that many more CPU seconds."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


@dataclass(frozen=True)
class _End:
    """How the child ended: its wait status, or why it was killed."""

    status: int = 0
    killed_for: Literal["", "time", "memory"] = ""
    most: int = 0


def _wait(child: int, wall: float, most: int) -> _End:
    """Waits for the child, for `wall` seconds and while it has at most `most` bytes of its own."""
    deadline, pause = time.monotonic() + wall, 0.0005
    why: Literal["", "time", "memory"] = "time"
    try:
        while time.monotonic() < deadline:
            # Without reaping it yet: its number stays its own until its group is gone.
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                why = ""
                break
            if sandbox.used_bytes(child)[1] > most:
                why = "memory"
                break
            time.sleep(pause)
            pause = min(1.2 * pause, 0.02)
    finally:
        # The group bears its number, once the child has made it; what it left behind goes too.
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    return _End(status, why, most)


def _forbidden(report: Report) -> CheckError | None:
    """The error where the filter of system calls stopped the run."""
    if report.signal != signal.SIGSYS:
        return None
    name = NAMES.get(report.fault, f"number {report.fault}")
    return CheckError(
        "XP5009",
        f"the kernel asked the system for {name!r}, which no kernel needs",
        hint="the call was not carried out",
    )


def _reported(report: Report, span: Callable[[int], Span | None]) -> XpilerError | None:
    """The error that native code noted."""
    if not report.code:
        return None
    code, message = f"XP{report.code}", report.message.decode(errors="replace")
    if code not in CODES:
        return CheckError("XP5005", "the kernel wrote over the memory of its own emulator")
    kind = ReadError if code.startswith("XP1") else CheckError
    return kind(code, message, span=span(report.line))


def _ended(
    end: _End, seconds: float, said: str, report: Report, arrays: Sequence[Guarded]
) -> XpilerError | None:
    """What the end of the process means."""
    ended = os.WTERMSIG(end.status) if os.WIFSIGNALED(end.status) else 0
    if end.killed_for == "memory":
        return CheckError(
            "XP5005",
            f"the run used more than {end.most / 2**30:.1f} GiB of memory",
            hint="an endless allocation, or inputs too large for this machine",
        )
    if end.killed_for or ended in (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL):
        return CheckError(
            "XP5004",
            f"the run took more than {seconds:g} s of CPU time",
            hint="an endless loop, or inputs too large to execute on a CPU",
        )
    if ended == signal.SIGSYS:
        return CheckError("XP5009", "the run asked the system for something that no kernel needs")
    if ended == signal.SIGXFSZ:
        return CheckError("XP5005", f"the run printed more than {sandbox.PRINTED_BYTES >> 20} MiB")
    if not ended:
        # Only a task that came to its end sets the time.
        return None if report.seconds else CheckError("XP5005", "the run ended its own process")
    if ended == signal.SIGFPE:
        return CheckError("XP5006", "the kernel divides an integer by zero")
    if ended == signal.SIGILL:
        return CheckError("XP5005", "the kernel uses an instruction that this processor lacks")
    if ended in (signal.SIGSEGV, signal.SIGBUS):
        return _fault(report, arrays)
    name = signal.Signals(ended).name
    return CheckError("XP5005", f"the run ended with {name}" + (f": {said[-800:]}" if said else ""))


def _fault(report: Report, arrays: Sequence[Guarded]) -> CheckError:
    fault = report.fault
    verb = {0: "reads", 1: "writes"}.get(report.wrote, "touches")
    for array in arrays:
        if array.holds(fault):
            return CheckError("XP5002", f"the kernel {verb} {array.describe(fault)}")
    if report.shared[0] <= fault < report.shared[1]:
        over = fault - report.shared[0]
        return CheckError(
            "XP5002",
            f"the kernel {verb} byte {over} behind the end of its dynamic shared memory",
            hint="the launch's shared_bytes says how large it is",
        )
    if report.stack[0] <= fault < report.stack[1]:
        return CheckError(
            "XP5005",
            "a thread overflowed its stack",
            hint="endless recursion, or large local arrays",
        )
    return CheckError("XP5005", f"the kernel {verb} address {fault:#x}, which belongs to no array")
