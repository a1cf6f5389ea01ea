"""Runs TensorIR without thread bindings through TVM's LLVM back end, and libraries made of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xpiler_tvm.errors import CheckError, SetupError
from xpiler_tvm.extents import Extent, checked, value_of
from xpiler_tvm.isolation import sandbox
from xpiler_tvm.isolation.threads import in_fresh_thread

from . import compiler, worker
from .arrays import Guarded, numpy_dtype

if TYPE_CHECKING:
    import tvm

# What TVM assumes of, and checks at, the address of every buffer.
ALIGNMENT = 64
COMPILE_SECONDS = 60.0
# Checks run a program a few times: most of LLVM's passes would cost more than they save.
CHECKING: Mapping[str, Any] = {"kind": "llvm", "opt-level": 1}


@dataclass(frozen=True)
class ModuleRun:
    """Every array after the run, in parameter order, and the CPU seconds of the call alone."""

    arrays: list[np.ndarray]
    seconds: float


def run_module(
    mod: tvm.IRModule,
    arrays: Sequence[np.ndarray],
    *,
    func: str = "main",
    scalars: Sequence[int | float] = (),
    seconds: float = 60.0,
    target: Mapping[str, Any] | None = None,
) -> ModuleRun:
    """Compiles `mod[func]` for this machine and runs it, both in a process of its own.

    Parameters
    ----------
    mod : an IRModule whose function `func` binds no threads.
    arrays : one for each buffer parameter, in order; an array of the buffer's size is reshaped to
        its shape, and copied.
    scalars : values of the parameters that are no buffers, in order.
    seconds : CPU seconds of the run; compiling gets a minute on top.
    target : a TVM target as a dict; `CHECKING` unless given.

    Raises
    ------
    CheckError
        XP5002, XP5004 to XP5007 as `run_text`; XP5005 also where TVM refuses the module.
    """
    starts = [(arrays, scalars)]
    return run_module_each(mod, starts, func=func, seconds=seconds, target=target)[0]


Start = tuple[Sequence[np.ndarray], Sequence[int | float]]
"""Arrays and scalars of one call, as `run_module` takes them."""


def run_module_each(
    mod: tvm.IRModule,
    starts: Sequence[Start],
    *,
    func: str = "main",
    seconds: float = 60.0,
    target: Mapping[str, Any] | None = None,
) -> list[ModuleRun]:
    """`run_module` from several starts, one after the other: the module is compiled once.

    `seconds` are those of all calls together. What one call raises is raised for all.
    """
    kind = dict(target or CHECKING)
    limits = _Limits(seconds, ALIGNMENT)
    return _run(func, mod[func], lambda: _compile(mod, kind), starts, limits)


def run_library(
    path: str | Path,
    entry: str,
    func: tvm.tirx.PrimFunc,
    arrays: Sequence[np.ndarray],
    *,
    scalars: Sequence[int | float] = (),
    seconds: float = 60.0,
) -> ModuleRun:
    """Runs `entry` of a shared library that TVM made, as it is, in a process of its own.

    `func` is what the library was made of: its parameters say what `entry` takes. The arrays lie
    at multiples of their elements' size and of nothing more. All else is as in `run_module`;
    XP5005 also where the library cannot be loaded or has no such function.
    """

    def load() -> Any:
        import tvm

        return tvm.runtime.load_module(str(path))

    return _run(entry, func, load, [(arrays, scalars)], _Limits(seconds, 1))[0]


@dataclass(frozen=True)
class _Limits:
    """CPU seconds of a run, and what the arrays' addresses are multiples of."""

    seconds: float
    alignment: int


def _run(
    name: str,
    func: tvm.tirx.PrimFunc,
    load: Callable[[], Any],
    starts: Sequence[Start],
    limits: _Limits,
) -> list[ModuleRun]:
    """Calls `load()[name]`, which takes what `func` takes; `load` too runs in the new process."""
    parameters = [_Parameter.of(param) for param in func.params]
    calls = [_Call.of(name, parameters, start, limits.alignment) for start in starts]
    shared = [array for one in calls for array in one.shared]

    def call(report: worker.Report) -> None:
        library = load()
        converted = [[as_argument(argument) for argument in one.arguments] for one in calls]
        worker.start_clock(limits.seconds)
        started = time.process_time()
        for arguments in converted:
            library[name](*arguments)
        report.seconds = max(time.process_time() - started, 1e-9)

    def task(report: worker.Report) -> None:
        in_fresh_thread(lambda: call(report))

    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        report = worker.run(
            task,
            shared,
            limits.seconds,
            watch=_can_watch(),
            before=COMPILE_SECONDS,
            confine=lambda: sandbox.enter_with_threads(folder),
        )
    return [ModuleRun(one.results(), report.seconds / len(calls)) for one in calls]


@dataclass(frozen=True, eq=False)
class _Call:
    """One call: what the caller gave, its shared copies, and the arguments made of them."""

    given: Sequence[np.ndarray]
    shared: list[Guarded]
    arguments: list[Any]

    @classmethod
    def of(cls, name: str, parameters: Sequence[_Parameter], start: Start, alignment: int) -> _Call:
        arrays, scalars = start
        buffers = [one for one in parameters if one.shape is not None]
        wanted = len(buffers), len(parameters) - len(buffers)
        if wanted != (len(arrays), len(scalars)):
            raise CheckError(
                "XP5007",
                f"{name!r} takes {wanted[0]} buffers and {wanted[1]} scalars, "
                f"{len(arrays)} and {len(scalars)} were given",
            )
        plain = (one.name for one in parameters if one.shape is None)
        named = dict(zip(plain, scalars, strict=True))
        shared = [
            one.share(array, alignment, named) for one, array in zip(buffers, arrays, strict=True)
        ]
        rest, values = iter(shared), iter(scalars)
        arguments = [next(values) if one.shape is None else next(rest).array for one in parameters]
        return cls(arrays, shared, arguments)

    def results(self) -> list[np.ndarray]:
        done = zip(self.shared, self.given, strict=True)
        return [one.array.reshape(array.shape).copy() for one, array in done]


@dataclass(frozen=True)
class _Parameter:
    """A parameter of a PrimFunc; `shape` is `None` for a scalar.

    Extents may be expressions in the scalars."""

    name: str
    dtype: str
    shape: tuple[Extent, ...] | None

    @classmethod
    def of(cls, param: Any) -> _Parameter:
        shape = getattr(param, "shape", None)
        # A constant of 64 bits prints with its type.
        known = (getattr(extent, "value", extent) for extent in shape or ())
        extents = None if shape is None else tuple(checked(str(extent)) for extent in known)
        dtype = str(param.ty) if shape is None else str(param.dtype)
        return cls(str(param.name), dtype, extents)

    def share(
        self, array: np.ndarray, alignment: int, scalars: Mapping[str, int | float]
    ) -> Guarded:
        """A shared copy of `array` in this buffer's shape."""
        dtype = numpy_dtype(self.dtype)
        shape = tuple(int(value_of(extent, scalars)) for extent in self.shape or ())
        if array.dtype != dtype or array.size != int(np.prod(shape, dtype=np.int64)):
            raise CheckError(
                "XP5007",
                f"{self.name!r} takes {shape} of {self.dtype}, "
                f"{array.shape} of {array.dtype} was given",
            )
        shared = Guarded(self.name, shape, dtype, alignment=alignment)
        shared.array[...] = array.reshape(shape)
        return shared


def _compile(mod: tvm.IRModule, target: dict[str, Any]) -> Any:
    import tvm

    from xpiler_tvm.tir import UNSOUND_PASSES

    with tvm.transform.PassContext(disabled_pass=list(UNSOUND_PASSES)):
        return tvm.compile(mod, target=tvm.target.Target(target))


def as_argument(value: Any) -> Any:
    """What TVM takes for it; numpy cannot hand bfloat16 over by itself."""
    if not isinstance(value, np.ndarray) or value.dtype.name != "bfloat16":
        return value
    import tvm_ffi

    # Arrays of a library lie where its callers have them.
    bits = tvm_ffi.from_dlpack(value.view("uint16"), require_alignment=0, require_contiguous=True)
    return bits._create_view(value.shape, dtype="bfloat16")


def _can_watch() -> bool:
    """Faulting addresses need a small native library; without a compiler a crash has no place."""
    try:
        compiler.find_compiler()
    except SetupError:
        return False
    return True
