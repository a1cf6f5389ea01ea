"""A sequence of kernels: a module, steps on named arrays, and its runs held against the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from xpiler_tvm.errors import CheckError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Intent, Kernel, Param, Scalar, Tensor
from xpiler_tvm.stopwatch import cpu_seconds

from .resolving import device_text

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .reading import Reading

Arrays = Mapping[str, "np.ndarray"]
Scalars = Mapping[str, "int | float"]
ArrayIntent = Intent | Literal["temporary"]


@dataclass(frozen=True)
class Array:
    """`size` elements on the device.

    The host or the caller gives those that are `in` and `inout`, and sees what becomes of `out` and
    `inout`. A `temporary` starts unwritten and is forgotten.
    """

    name: str
    dtype: str
    size: int
    intent: ArrayIntent


@dataclass(frozen=True)
class View:
    """`size` elements of an array from `start` on."""

    array: str
    start: int
    size: int


@dataclass(frozen=True)
class Call:
    """A launch: `views` are for the function's tensors and `scalars` for its free scalars, in
    order."""

    function: str
    views: tuple[View, ...]
    scalars: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fill:
    """Every byte is set to `byte`."""

    to: View
    byte: int


@dataclass(frozen=True)
class Copy:
    to: View
    source: View


Step = Call | Fill | Copy


@dataclass(frozen=True, eq=False)
class Sequence:
    """Kernels in the host's order.

    Attributes
    ----------
    mod : one flat PrimFunc for each distinct launch, named after its kernel.
    functions : the same as read, by name: `kernel` is resolved, `program` flat.
    steps : what is done, in order.
    arrays : what the steps work on, in order of their first use.
    scalars : those whose values the host code does not give, one for each launch that takes it.
    """

    mod: tvm.IRModule
    functions: Mapping[str, Reading]
    steps: tuple[Step, ...]
    arrays: tuple[Array, ...]
    scalars: tuple[Scalar, ...] = ()

    def run(self, inputs: Arrays, scalars: Scalars | None = None) -> dict[str, np.ndarray]:
        """The `out` and `inout` arrays after all steps, by the functions of `mod`.

        `inputs` has an array for each that is `in` or `inout`, `scalars` a value for each of
        `Sequence.scalars`. Raises `CheckError`: XP5007 where they do not fit, and what goes wrong
        in a run.
        """
        return self._execute(inputs, scalars or {}, self._run_function)

    def run_source(self, inputs: Arrays, scalars: Scalars | None = None) -> dict[str, np.ndarray]:
        """The same by the kernels as they are written, each emulated."""
        return self._execute(inputs, scalars or {}, self._run_kernel)

    def check(self, seed: int = 0) -> Check:
        """Whether `run` gives what `run_source` does, on random and on position-telling inputs.

        Raises `CheckError` where the source itself fails.
        """
        from xpiler_tvm.verification import Family, compare, inputs_for, worst_of

        name, begun = "sequence = source", cpu_seconds()
        scalars = self._chosen_scalars()
        families: tuple[Family, ...] = ("random", "indexed")
        checks = []
        for family in families:
            inputs = inputs_for(self.interface, seed, family, self.value_ranges)
            expected = self.run_source(inputs, scalars)
            try:
                actual = self.run(inputs, scalars)
            except CheckError as error:
                detail = f"{error.code}: {error.message}"
                return Check(name, "refuted", detail, None, cpu_seconds() - begun)
            checks.append(compare(name, expected, actual, self.interface, inputs=inputs))
        return replace(worst_of(checks), seconds=cpu_seconds() - begun)

    # ------------------------------------------------------------ what is seen outside

    @cached_property
    def interface(self) -> Kernel:
        """The sequence as one kernel would take its arrays; temporaries are left out."""
        params: list[Param] = [
            Tensor(array.name, (array.size,), array.dtype, array.intent)
            for array in self.arrays
            if array.intent != "temporary"
        ]
        first = next(iter(self.functions.values())).kernel
        return replace(first, entry="sequence", params=(*params, *self.scalars), launch=None)

    @cached_property
    def value_ranges(self) -> dict[str, tuple[int, int]]:
        """Bounds of the elements of inputs that kernels trust as indices."""
        ranges: dict[str, tuple[int, int]] = {}
        for step in self.steps:
            if not isinstance(step, Call):
                continue
            reading = self.functions[step.function]
            for tensor, view in zip(reading.kernel.tensors, step.views, strict=True):
                bounds = reading.value_ranges.get(tensor.name)
                if bounds is not None:
                    known = ranges.setdefault(view.array, bounds)
                    if known != bounds:
                        ranges[view.array] = max(bounds[0], known[0]), min(bounds[1], known[1])
        return ranges

    def _chosen_scalars(self) -> dict[str, int | float]:
        smallest = min(array.size for array in self.arrays)
        return {one.name: 0.75 if "float" in one.dtype else smallest for one in self.scalars}

    # ------------------------------------------------------------ running

    def _execute(
        self, inputs: Arrays, scalars: Scalars, call: Callable[[str, Arrays, Scalars], Arrays]
    ) -> dict[str, np.ndarray]:
        missing = [one.name for one in self.scalars if one.name not in scalars]
        if missing:
            raise CheckError("XP5007", f"no value was given for {', '.join(missing)}")
        arrays = {array.name: _start(array, inputs) for array in self.arrays}
        for step in self.steps:
            if isinstance(step, Fill):
                _seen(arrays, step.to).view("uint8")[...] = step.byte
            elif isinstance(step, Copy):
                source = _seen(arrays, step.source).copy()
                _seen(arrays, step.to)[...] = source.view(arrays[step.to.array].dtype)
            else:
                self._call(step, arrays, scalars, call)
        return {a.name: arrays[a.name] for a in self.arrays if a.intent in ("out", "inout")}

    def _call(
        self,
        step: Call,
        arrays: Arrays,
        scalars: Scalars,
        call: Callable[[str, Arrays, Scalars], Arrays],
    ) -> None:
        from xpiler_tvm.emulation import numpy_dtype

        kernel = self.functions[step.function].kernel
        seen = {
            tensor.name: _seen(arrays, view).view(numpy_dtype(tensor.dtype))
            for tensor, view in zip(kernel.tensors, step.views, strict=True)
        }
        free = [scalar.name for scalar in kernel.scalars if scalar.value is None]
        values = {name: scalars[mine] for name, mine in zip(free, step.scalars, strict=True)}
        results = call(step.function, seen, values)
        for tensor in kernel.tensors:
            if tensor.written:
                seen[tensor.name][...] = results[tensor.name].reshape(-1)

    def _run_function(self, name: str, arrays: Arrays, scalars: Scalars) -> Arrays:
        import tvm

        from xpiler_tvm.emulation import run_module

        alone = tvm.IRModule({name: self.mod[name]})
        run = run_module(alone, list(arrays.values()), func=name, scalars=list(scalars.values()))
        return dict(zip(arrays, run.arrays, strict=True))

    def _run_kernel(self, name: str, arrays: Arrays, scalars: Scalars) -> Arrays:
        from xpiler_tvm.emulation import run_text

        kernel = self.functions[name].kernel
        params = tuple(map(_kept, kernel.params or ()))
        return run_text(kernel.with_params(params), arrays, scalars, text=self._texts[name]).arrays

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {name: device_text(reading.kernel) for name, reading in self.functions.items()}


def _kept(param: Param) -> Param:
    """A written tensor keeps what the steps before have left in it."""
    if isinstance(param, Tensor) and param.intent == "out":
        return replace(param, intent="inout")
    return param


def _seen(arrays: Arrays, view: View) -> np.ndarray:
    return arrays[view.array][view.start : view.start + view.size]


def _start(array: Array, inputs: Arrays) -> np.ndarray:
    """What an array holds before the first step: a copy, flat."""
    from xpiler_tvm.emulation import numpy_dtype, unwritten_array

    dtype = numpy_dtype(array.dtype)
    if array.intent in ("out", "temporary"):
        return unwritten_array((array.size,), dtype)
    given = inputs.get(array.name)
    if given is None:
        raise CheckError("XP5007", f"no array was given for {array.name!r}")
    if given.dtype != dtype or given.size != array.size:
        raise CheckError(
            "XP5007",
            f"{array.name!r} takes {array.size} of {array.dtype}, "
            f"{given.shape} of {given.dtype} was given",
        )
    return given.reshape(-1).copy()
