"""Many runs of one library in few processes.

A fork costs more than a small kernel. A process runs one set of values after another; `attempts.cc`
leaves runs that fault. Should one take the process down, the next goes on behind it.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpiler_tvm.errors import CheckError
from xpiler_tvm.isolation import sandbox
from xpiler_tvm.kernel import Kernel

from . import compiler, memory, worker
from .building import How, build_library
from .passing import alignment_of, arguments, launch_of
from .source import Build

# Every run maps stacks of its own; less of each makes room for more runs.
_STACK_BYTES = 256 << 10
_MOST_RUNS, _MOST_CRASHES = 2000, 100
# A run that fails leaves mappings behind; they cost addresses, not memory.
_ADDRESSES = 1 << 40
# A run may take so many ticks of so many microseconds of CPU time.
_TICK, _TICKS = 50_000, 5

Judge = Callable[[Mapping[str, np.ndarray]], Sequence[int]]
"""The numbers that a run comes to, from the kernel's arrays and variables, in the worker."""


_CLEAN, _FAILED = 1, 2


@dataclass(frozen=True)
class Ending:
    """How a run ended, and the judge's numbers."""

    clean: bool
    numbers: tuple[int, ...]


class Repeated:
    """A kernel's text, compiled once, on fixed inputs.

    Parameters
    ----------
    kernel : resolved: entry, params and launch are known.
    arrays : one array for each `in` and `inout` tensor, as `run_text` takes them.
    text : what is compiled in place of `kernel.source`.
    variables : of the file, which are set before each run; with the values of a run that is given
        none.

    Raises as `run_text` does before it runs.
    """

    def __init__(
        self,
        kernel: Kernel,
        arrays: Mapping[str, np.ndarray],
        *,
        text: str,
        variables: Mapping[str, np.ndarray],
        arch: str | None = None,
        build: Build = "fast",
        flags: tuple[str, ...] = (),
    ) -> None:
        self.kernel = kernel
        alignment = alignment_of(kernel.dialect, text)
        self._handed = arguments(kernel, arrays, None, {}, alignment, build=build)
        self._fresh = {one.name: one.array.copy() for one in self._handed.arrays}
        how = How(arch, kernel.mode, build, flags, tuple(sorted(variables)))
        self._path = build_library(kernel, text, how)
        self._launch = launch_of(kernel, text, arch)
        self._launch.stack = min(self._launch.stack, _STACK_BYTES)
        known = {one.name: one for one in memory.variables(self._path)}
        self._variables = {name: known[name] for name in sorted(variables) if name in known}
        self._shared: list[np.ndarray] = []
        self._values = {name: np.ascontiguousarray(one) for name, one in variables.items()}

    def run(
        self,
        settings: Sequence[Mapping[str, np.ndarray]],
        judge: Judge,
        width: int = 1,
        *,
        seconds: float = 10.0,
    ) -> list[Ending | None]:
        """What the judge says of a run with each of the `settings`, also of what a failed run left.

        `None` where a run took the process down.

        Settings are values of variables and of arrays; what they leave out is as it was given
        first. The judge comes to `width` numbers. `seconds` of CPU time are for each process.
        """
        shape = (len(settings) + 1, width + 1)
        room = mmap.mmap(-1, 8 * shape[0] * shape[1])
        results = np.frombuffer(room, np.int64).reshape(shape)
        done = 0
        while done < len(settings):
            last = min(len(settings), done + _MOST_RUNS)
            results[-1, 0] = done
            self._process(settings, range(done, last), results, judge, seconds)
            if results[-1, 0] == done:
                done += 1  # it was taken down by its first run
            done = max(done, int(results[-1, 0]))
        return [
            Ending(row[0] == _CLEAN, tuple(map(int, row[1:]))) if row[0] else None
            for row in results[:-1]
        ]

    def observe(
        self, setting: Mapping[str, np.ndarray], names: Sequence[str], *, seconds: float = 10.0
    ) -> dict[str, np.ndarray] | None:
        """What arrays and variables hold after one run; `None` where it failed."""
        sizes = {name: self._size(name) for name in names}
        room = mmap.mmap(-1, max(1, sum(sizes.values())))
        whole = np.frombuffer(room, np.uint8)
        found = dict(zip(names, np.split(whole, np.cumsum(list(sizes.values()))), strict=False))

        def keep(views: Mapping[str, np.ndarray]) -> Sequence[int]:
            for name, place in found.items():
                place[:] = np.ascontiguousarray(views[name]).reshape(-1).view(np.uint8)
            return [1]

        self._shared.append(whole)
        try:
            ending = self.run([setting], keep, seconds=seconds)[0]
            if ending is None or not ending.clean:
                return None
        finally:
            self._shared.pop()
        types = {one.name: one.array.dtype for one in self._handed.arrays}
        types |= {name: one.dtype for name, one in self._values.items()}
        return {name: place.copy().view(types[name]) for name, place in found.items()}

    def _size(self, name: str) -> int:
        if name in self._values:
            return self._values[name].nbytes
        return self._fresh[name].nbytes

    def _process(
        self,
        settings: Sequence[Mapping[str, np.ndarray]],
        which: range,
        results: np.ndarray,
        judge: Judge,
        seconds: float,
    ) -> None:
        attempts = compiler.library((compiler.HERE / "attempts.cc").read_text())
        report = worker.new_report()
        arrays = {one.name: one.array for one in self._handed.arrays}

        def task(report: worker.Report) -> None:
            library = ctypes.CDLL(str(self._path))
            launch = self._launch
            launch.report = ctypes.pointer(report)
            report.base = memory.register(
                library, self._path, self._handed.arrays, dynamic=launch.dynamic_shared > 0
            )
            views = dict(arrays)
            for name, variable in self._variables.items():
                room = (ctypes.c_char * variable.size).from_address(report.base + variable.value)
                whole: Any = memoryview(room).cast("B")
                views[name] = np.frombuffer(whole, np.uint8).view(self._values[name].dtype)
            guard = ctypes.CDLL(str(attempts))
            guard.xp_attempts(library.xp_entry, _TICK, _TICKS)
            sandbox.seal()
            handed, crashes, clean = self._handed, 0, True
            for number in which:
                for name, fresh in self._fresh.items():
                    given = settings[number].get(name, fresh)
                    arrays[name][...] = given.reshape(fresh.shape)
                if not clean:
                    guard.xp_again()
                if self.kernel.dialect == "bang" and (number == which[0] or not clean):
                    library.xp_bang_start()
                for name in self._variables:
                    views[name][...] = settings[number].get(name, self._values[name])
                report.code = 0
                left = guard.xp_attempt(
                    library.xp_entry, ctypes.byref(launch), handed.args, handed.count
                )
                clean = not left and not report.code
                results[number, 0] = _CLEAN if clean else _FAILED
                results[number, 1:] = judge(views)
                results[-1, 0] = number + 1
                crashes += not clean
                if crashes == _MOST_CRASHES:
                    break
            report.code = 0

        kept = [_Kept(one) for one in (results, *self._shared)]
        watched: list[Any] = [*self._handed.arrays, *kept]
        try:
            worker.run(task, watched, seconds, report=report, addresses=_ADDRESSES)
        except CheckError:
            return


class _Kept:
    """Memory of results, which the worker is to keep as it keeps arrays."""

    def __init__(self, array: np.ndarray) -> None:
        start = array.ctypes.data
        self.extent = (start, start + array.nbytes)

    def holds(self, address: int) -> bool:
        return False

    def check(self) -> None:
        return None
