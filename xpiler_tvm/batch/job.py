"""One kernel for several targets, translated in a process of its own: whatever happens, a result.

The process is forked from a worker that has TVM loaded already, gives its memory back when it ends,
and can crash without the worker noticing more than that.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from xpiler_tvm import __version__
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.isolation.sandbox import used_bytes
from xpiler_tvm.kernel import Kernel

Status = Literal["translated", "refused", "crashed"]


@dataclass(frozen=True)
class Limits:
    """What a job may take: CPU seconds, and bytes of addresses beyond those of its worker."""

    seconds: int = 300
    memory: int = 8 << 30


@dataclass(frozen=True)
class Result:
    """What became of a kernel on a target.

    Attributes
    ----------
    kernel : the digest of the kernel's content; `name` is what people call it.
    status : `translated`, `refused` with an error's code, or `crashed`: no answer.
    message : why it was not translated, with the place in the source.
    checks : how many pieces of evidence had each verdict.
    worst : the largest error by its bound.
    seconds : CPU seconds of this target, of the first the lift's too; `peak` bytes of memory of
        the process that did all targets.
    files : what was emitted, by name.
    """

    kernel: str
    target: str
    name: str
    status: Status
    code: str = ""
    message: str = ""
    rung: str = ""
    rule: str = ""
    checks: dict[str, int] = field(default_factory=dict)
    worst: float | None = None
    seconds: float = 0.0
    peak: int = 0
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A kernel and the targets it is wanted for."""

    name: str
    kernel: Kernel
    targets: tuple[str, ...]
    limits: Limits = Limits()

    @property
    def digest(self) -> str:
        return digest_of(self.kernel)


def digest_of(kernel: Kernel) -> str:
    """A name for a kernel's content, and for the version that translates it."""
    return hashlib.sha256(f"{__version__}\n{kernel!r}".encode()).hexdigest()


def run(job: Job) -> list[Result]:
    """A result for each target of a job. Raises nothing for what the kernel does."""
    _load()
    results: list[Result] = []
    ended, peak = _in_child(lambda: _translated(job), results.append, job.limits)
    done = {result.target for result in results}
    for target in job.targets:
        if target not in done:
            results.append(
                Result(job.digest, target, job.name, "crashed", message=ended or "no answer")
            )
    return [_with_peak(result, peak) for result in results]


def _with_peak(result: Result, peak: int) -> Result:
    return Result(**{**vars(result), "peak": peak})


def _translated(job: Job) -> Iterator[Result]:
    """The results as they come; the first that is lifted carries the cost of the lift."""
    from xpiler_tvm.lifting import lift
    from xpiler_tvm.stopwatch import cpu_seconds

    begun = cpu_seconds()
    try:
        lifted = lift(job.kernel)
    except XpilerError as error:
        for target in job.targets:
            yield _refused(job, target, error, cpu_seconds() - begun)
            begun = cpu_seconds()
        return
    for target in job.targets:
        yield _to_target(job, lifted, target, begun)
        begun = cpu_seconds()


def _to_target(job: Job, lifted: Any, target: str, begun: float) -> Result:
    from xpiler_tvm.stopwatch import cpu_seconds
    from xpiler_tvm.targets import get
    from xpiler_tvm.translation import transcompile

    try:
        made = transcompile(lifted, target)
    except XpilerError as error:
        return _refused(job, target, error, cpu_seconds() - begun)
    checks: dict[str, int] = {}
    for check in made.evidence:
        checks[check.verdict] = checks.get(check.verdict, 0) + 1
    text = made.kernel is not None or not made.libraries
    files = {get(target).suffix: made.source.encode()} if text else {}
    return Result(
        job.digest,
        target,
        job.name,
        "translated",
        rung=made.rung,
        rule=made.rule,
        checks=checks,
        worst=max((one.worst for one in made.evidence if one.worst is not None), default=None),
        seconds=cpu_seconds() - begun,
        files={**files, **made.libraries},
    )


def _refused(job: Job, target: str, error: XpilerError, seconds: float) -> Result:
    where = f"{error.span}: " if error.span else ""
    return Result(
        job.digest,
        target,
        job.name,
        "refused",
        code=error.code,
        message=f"{where}{error.message}",
        seconds=seconds,
    )


# ---------------------------------------------------------------- the process


def _in_child(
    work: Callable[[], Iterator[Result]], take: Callable[[Result], None], limits: Limits
) -> tuple[str, int]:
    """Runs `work` in a forked process and hands on what it yields, as it comes.

    Gives how the process ended where it did not come to its end, and its peak of memory.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks in processes with threads; the child needs none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        _child(work, writing, limits)
    os.close(writing)
    complete, error = False, ""
    with os.fdopen(reading, "rb") as stream, suppress(EOFError, pickle.UnpicklingError):
        while not complete:
            said = pickle.load(stream)
            if isinstance(said, Result):
                take(said)
            else:
                complete, error = True, str(said)
    _, status, usage = os.wait4(child, 0)
    peak = usage.ru_maxrss * 1024
    if complete:
        return error, peak
    code = os.waitstatus_to_exitcode(status)
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"the process ended with {name}", peak


def _child(work: Callable[[], Iterator[Result]], writing: int, limits: Limits) -> None:
    """The forked process. Never returns."""
    try:
        end_with_parent()
        resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 1))
        most = used_bytes()[0] + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        with os.fdopen(writing, "wb") as stream:
            try:
                for result in work():
                    pickle.dump(result, stream)
                    stream.flush()
                pickle.dump("", stream)
            except Exception as error:
                pickle.dump(_last_line(error), stream)
    finally:
        os._exit(0)


def _last_line(error: Exception) -> str:
    lines: Sequence[str] = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1]}"


def begin() -> None:
    """What a worker of our own does before its first job."""
    end_with_parent()
    _load()


def _load() -> None:
    """Imports what every job needs, so that forked processes have it."""
    import xpiler_tvm.translation  # noqa: F401
    from xpiler_tvm import codegen_bang, frontends, schedules  # noqa: F401


_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Asks Linux to end this process when the one that started it is killed; nothing elsewhere."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
