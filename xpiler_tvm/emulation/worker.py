"""Runs native code in a forked process: limits on time and memory, and a report of how it ended.

A crash or an endless loop never reaches the caller. Arrays travel through shared memory, so a run
costs a fork and nothing else.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import resource
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from xpiler_tvm.errors import CODES, CheckError, ReadError, Span, XpilerError

from . import compiler
from .arrays import Guarded

ADDRESS_SPACE = 16 << 30


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

    Raises
    ------
    CheckError
        XP5002 (out of bounds), XP5004 (time), XP5005 (crash), XP5006 (division by zero), XP5008
        (divergent barrier).
    """
    faults = compiler.library(_native("faults.cc")) if watch else None
    report = report or new_report()
    with tempfile.TemporaryFile() as output:
        with warnings.catch_warnings():
            # Python 3.12 warns of forks in processes with threads; the child needs none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            _child(task, report, faults, lambda: _prepare(seconds + before, output.fileno()))
        status = _wait(child, 4 * (seconds + before) + 5)
        output.seek(0)
        said = output.read()[-4096:].decode(errors="replace").strip()
    error = _reported(report, span) or _ended(status, seconds, said, report, arrays)
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


def _prepare(seconds: float, output: int) -> None:
    """Limits for the forked process; what it prints goes to the file `output`."""
    os.setpgid(0, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT):
        signal.signal(number, signal.SIG_DFL)
    # SIGPROF comes at a fraction of a second; the resource limit stands behind it.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    start_clock(seconds)
    limit = math.ceil(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()


def _child(
    task: Callable[[Report], None],
    report: Report,
    faults: Path | None,
    prepare: Callable[[], None],
) -> None:
    """The forked process. Never returns."""
    try:
        prepare()
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
        os._exit(0)


def start_clock(seconds: float) -> None:
    """Ends this process after that many more CPU seconds."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    with suppress(OSError, ValueError):
        with open("/proc/self/statm") as statm:
            used = int(statm.read().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE, used + ADDRESS_SPACE))


def _wait(child: int, wall: float) -> int | None:
    """The child's wait status; `None` if it took more than `wall` seconds and was killed."""
    deadline, pause = time.monotonic() + wall, 0.0005
    ended, status = 0, 0
    try:
        while not ended and time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                time.sleep(pause)
                pause = min(1.2 * pause, 0.02)
    finally:
        if not ended:
            # The group bears its number, once the child has made it.
            for kill in (os.killpg, os.kill):
                with suppress(ProcessLookupError):
                    kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return status if ended else None


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
    status: int | None, seconds: float, said: str, report: Report, arrays: Sequence[Guarded]
) -> XpilerError | None:
    """What the wait status means."""
    ended = os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else 0
    if status is None or ended in (signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL):
        return CheckError(
            "XP5004",
            f"the run took more than {seconds:g} s of CPU time",
            hint="an endless loop, or inputs too large to execute on a CPU",
        )
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
