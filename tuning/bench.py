"""What a candidate takes: measured where it can be run, else modelled; a wrong one takes nothing.

Measurements are made one at a time in a forked process, which has TVM loaded already and can crash
or hang without harm. It compiles the candidate, holds its results against the source's, and only
then takes its time: CPU time of one thread, the least of several runs. Where there are a GPU and
its compiler, candidates for it are emitted and run there; the device's clock is what counts.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import tvm

from xpiler_tvm import targets
from xpiler_tvm.codegen.vnni import build, unaligned
from xpiler_tvm.emulation import run_text
from xpiler_tvm.emulation.module import as_argument
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.evidence import Check
from xpiler_tvm.gpu import Gpu, find, timed
from xpiler_tvm.isolation import forked
from xpiler_tvm.isolation.threads import in_fresh_thread
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.processor import missing_features
from xpiler_tvm.targets.vnni import mcpu_of
from xpiler_tvm.trials import Arrays, Trial

from .cycles import CLOCK, cycles_of
from .measure import measure
from .oracle import Oracle
from .profile import profile_of
from .roofline import floor_of, roof_of

T = TypeVar("T")

Kind = Literal["measured", "modelled"]

SECONDS, MEMORY = 60.0, 8 << 30
ROUNDS = 3
PAGE = 4096
PLACES = (0, 1088, 2624)
"""By how much further into a page each array begins than the one before it. Cores take loads for
what was stored to the same place of another page: a schedule that is best at one of these is two
thirds slower at another, and callers' arrays lie anywhere. A time is the mean over them."""
GPU_ROUNDS, GPU_REPEATS = 3, 20
GPU_OPERATIONS, GPU_BYTES = 4e15, 4e13
"""What no GPU does in a second: more than any's matrix units and first caches."""
TOO_LONG = "XP5004"
GIVE_UP = 4.0
"""A candidate that takes so many times the best so far in its first run is not measured further."""


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate.

    `seconds` is `None` where it is wrong, crashed or could not be made; `why` then says so.
    """

    seconds: float | None
    kind: Kind
    why: str = ""

    @property
    def ok(self) -> bool:
        return self.seconds is not None


class Bench(Protocol):
    """Something that says what scheduled programs take."""

    @property
    def kind(self) -> Kind:
        """Whether its times are measured or modelled."""

    def outcome(self, scheduled: tvm.IRModule, best: float | None = None) -> Outcome:
        """Of one program; `best` is the least so far."""

    def again(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        """Seconds of programs that are known to be right, more carefully, beside each other."""


def bench_for(mod: tvm.IRModule, target: str, oracle: Oracle) -> Bench:
    """The bench of a target for a raised program, on this machine."""
    family = target.partition(":")[0]
    if family == "vnni" and not missing_features(mcpu_of(target)):
        return Measured(oracle, mcpu_of(target), floor_of(mod))
    gpu = find(family)
    if gpu is not None:
        return OnGpu(oracle, target, gpu, floor_of(mod, GPU_OPERATIONS, GPU_BYTES))
    return Modelled(oracle, model_of(target), "" if family == "vnni" else target)


# -- Measured -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measured:
    """On this CPU, one thread. `floor` are seconds that nothing right can come below."""

    oracle: Oracle
    mcpu: str
    floor: float = 0.0
    kind: Kind = "measured"

    def outcome(self, scheduled: tvm.IRModule, best: float | None = None) -> Outcome:
        limit = GIVE_UP * best if best is not None else float("inf")
        try:
            found = forked.call(
                lambda: _alone(lambda: self._try(scheduled, limit)), seconds=SECONDS, memory=MEMORY
            )
        except forked.Ended as error:
            return Outcome(None, self.kind, f"the process ended: {error}")
        except RuntimeError as error:
            return Outcome(None, self.kind, str(error).strip().splitlines()[-1])
        if "why" in found:
            return Outcome(None, self.kind, found["why"])
        if found["seconds"] < self.floor:
            what = f"{found['seconds'] * 1e6:.3g} us are less than the processor can do it in"
            return Outcome(None, self.kind, what)
        return Outcome(found["seconds"], self.kind)

    def again(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        found: list[float] = forked.call(
            lambda: _alone(lambda: self._beside(programs)), seconds=2 * SECONDS, memory=MEMORY
        )
        return found

    # ------------------------------------------------------------ in the forked process

    def _try(self, scheduled: tvm.IRModule, limit: float) -> dict[str, Any]:
        library = self._built(scheduled)
        results, calls = [], []
        for trial in self.oracle.trials:
            arrays, call = _prepared(library, scheduled["main"], trial)
            calls.append((call, _seconds_of(call)))
            results.append(arrays)
        check = self.oracle.check(results)
        if not check.ok:
            return {"why": f"{check.verdict}: {check.detail}"}
        call, first = calls[0]
        if first > max(limit, 1e-3):
            # The first run also fills caches: another one, to be fair.
            return {"seconds": _seconds_of(call)}
        trial, main = self.oracle.trials[0], scheduled["main"]
        elsewhere = [_prepared(library, main, trial, apart=apart)[1] for apart in PLACES[1:]]
        return {"seconds": statistics.mean(map(_least, [call, *elsewhere]))}

    def _beside(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        """Rounds over all programs, so that a noisy moment meets each of them.

        On the same arrays, of each place: where an array lies in physical memory makes some 10 % of
        a difference.
        """
        trial, libraries = self.oracle.trials[0], [self._built(each) for each in programs]
        least: list[list[float]] = [[] for _ in programs]
        for apart in PLACES:
            shared: dict[str, np.ndarray] = {}
            calls = [
                _prepared(library, each["main"], trial, shared, apart)[1]
                for library, each in zip(libraries, programs, strict=True)
            ]
            rounds = [
                [measure(call, warmup=1, repeats=3, least=2e-3).best for call in calls]
                for _ in range(ROUNDS)
            ]
            for times, column in zip(least, zip(*rounds, strict=True), strict=True):
                times.append(min(column))
        return [statistics.mean(times) for times in least]

    def _built(self, scheduled: tvm.IRModule) -> Callable[..., None]:
        func = unaligned(scheduled["main"].without_attr("target"))
        mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
        built = build(mod, self.mcpu)
        main: Callable[..., None] = built["main"]
        return main


def _prepared(
    library: Callable[..., None],
    main: tvm.tirx.PrimFunc,
    trial: Trial,
    shared: dict[str, np.ndarray] | None = None,
    apart: int = 0,
) -> tuple[Arrays, Callable[[], None]]:
    """Copies of a trial's arrays in the shapes of `main`, and the call on them.

    Each array begins `apart` bytes further into a page than the one before it. With `shared` they
    are made once, and kept there.
    """
    arrays: dict[str, np.ndarray] = {}
    copies = {} if shared is None else shared
    arguments: list[Any] = []
    for param in main.params:
        name, shape = str(param.name), getattr(param, "shape", None)
        if shape is None:
            arguments.append(trial.scalars[name])
            continue
        if name not in copies:
            copies[name] = aligned(trial.inputs[name], apart * len(arrays))
        arrays[name] = copies[name].reshape([int(extent) for extent in shape])
        arguments.append(as_argument(arrays[name]))
    return arrays, lambda: library(*arguments)


def aligned(array: np.ndarray, offset: int = 0) -> np.ndarray:
    """A copy that begins so many bytes into a page, a multiple of 64."""
    memory = np.empty(array.nbytes + 2 * PAGE, np.uint8)
    start = -memory.ctypes.data % PAGE + offset % PAGE
    found = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    found[...] = array
    return found


def _alone(work: Callable[[], T]) -> T:
    """`work()` in one thread, and a new one: the process was forked."""
    os.environ["TVM_NUM_THREADS"] = "1"
    return in_fresh_thread(work)


def _seconds_of(call: Callable[[], None]) -> float:
    """Of one call and no more: a second one would update what a kernel updates again."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def _least(run: Callable[[], None]) -> float:
    """The least of some runs: short ones are repeated more often, as noise is larger there."""
    once = measure(run, warmup=1, repeats=1, least=0.0).best
    repeats = max(3, min(12, int(0.1 / max(once, 1e-6))))
    return measure(run, warmup=0, repeats=repeats, least=2e-3).best


# -- On a GPU -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class OnGpu:
    """On a GPU of this machine, in processes of their own. `floor` as above."""

    oracle: Oracle
    target: str
    gpu: Gpu
    floor: float = 0.0
    kind: Kind = "measured"

    def outcome(self, scheduled: tvm.IRModule, best: float | None = None) -> Outcome:
        try:
            seconds, results = self._timed(scheduled)
        except XpilerError as error:
            return Outcome(None, self.kind, f"{error.code}: {error.message}")
        check = self.oracle.check(results)
        if not check.ok:
            return Outcome(None, self.kind, f"{check.verdict}: {check.detail}")
        if seconds < self.floor:
            return Outcome(None, self.kind, f"{seconds * 1e6:.3g} us are less than a GPU can do")
        return Outcome(seconds, self.kind)

    def again(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        trial = self.oracle.trials[0]
        kernels = [self._text(program) for program in programs]
        rounds = [
            [
                timed(each, self.gpu, trial.inputs, trial.scalars, repeats=GPU_REPEATS)[1]
                for each in kernels
            ]
            for _ in range(GPU_ROUNDS)
        ]
        return [min(column) for column in zip(*rounds, strict=True)]

    def _text(self, scheduled: tvm.IRModule) -> Kernel:
        kernel = _emitted(self.target, scheduled, self.oracle)
        assert kernel is not None  # what GPUs run is text that is read
        return kernel

    def _timed(self, scheduled: tvm.IRModule) -> tuple[float, list[Arrays]]:
        """Seconds of the first trial, and what comes of each."""
        kernel = self._text(scheduled)
        runs = [
            timed(
                kernel, self.gpu, trial.inputs, trial.scalars, repeats=0 if place else GPU_REPEATS
            )
            for place, trial in enumerate(self.oracle.trials)
        ]
        return runs[0][1], [arrays for arrays, _ in runs]


def _emitted(target: str, scheduled: tvm.IRModule, oracle: Oracle) -> Kernel | None:
    """What a program becomes on a device; `None` for a language that is not read or emulated."""
    return targets.get(target).emit(scheduled, oracle.kernel).kernel


# -- Modelled -------------------------------------------------------------------------------------

Model = Callable[[tvm.IRModule], "float | None"]


@dataclass(frozen=True, eq=False)
class Modelled:
    """By a model of the device. What would be the best so far is emitted for the `target` and run
    in the emulator; where there is none, or where that takes too long, unscheduled on the CPU."""

    oracle: Oracle
    model: Model
    target: str = ""
    kind: Kind = "modelled"

    def outcome(self, scheduled: tvm.IRModule, best: float | None = None) -> Outcome:
        seconds = self.model(scheduled)
        if seconds is None:
            return Outcome(None, self.kind, "the target has no form for it")
        if best is None or seconds < best:
            try:
                check = self._check(scheduled)
            except XpilerError as error:
                return Outcome(None, self.kind, f"{error.code}: {error.message}")
            if not check.ok:
                return Outcome(None, self.kind, f"{check.verdict}: {check.detail}")
        return Outcome(seconds, self.kind)

    def _check(self, scheduled: tvm.IRModule) -> Check:
        """Of what runs on the device: loops of threads that are serial elsewhere may meet there."""
        kernel = _emitted(self.target, scheduled, self.oracle) if self.target else None
        if kernel is not None:
            try:
                runs = [
                    run_text(kernel, trial.inputs, trial.scalars, seconds=SECONDS)
                    for trial in self.oracle.trials
                ]
                return self.oracle.check([run.arrays for run in runs])
            except XpilerError as error:
                if error.code != TOO_LONG:
                    raise
        return self.oracle.run(scheduled)

    def again(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        return [self.model(program) or float("inf") for program in programs]


def model_of(target: str) -> Model:
    """Seconds that a model of a target's device gives a scheduled program."""
    family = target.partition(":")[0]
    if family == "bang":
        from xpiler_tvm.codegen_bang.estimates import seconds_of

        return seconds_of
    if family == "vnni":
        return lambda scheduled: cycles_of(profile_of(scheduled)).total / CLOCK
    return lambda scheduled: roof_of(profile_of(scheduled), target)
