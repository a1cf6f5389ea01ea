"""`ImportKernels`: kernels and their host code as a Relax function that does what the host does.

    means_of<<<...>>>(x, mean);                   mean = R.call_tir(means_of, (x,), ...)
    cudaMemset(sum, 0, bytes);              ->    sum = R.zeros((n,))
    normalise<<<...>>>(x, mean, y);               y = R.call_tir(normalise, (x, mean), ...)

Arrays are flat, as the host has them. Each kernel is lifted, with its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tvm
from tvm import relax
from tvm.ir.transform import PassContext, module_pass

from xpiler_tvm.emulation import numpy_dtype
from xpiler_tvm.errors import EmitError
from xpiler_tvm.frontends import read_sequence
from xpiler_tvm.frontends.sequence import Array, Call, Copy, Fill, Sequence, Step, View
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.lifting import Lifted, lift
from xpiler_tvm.tir import Expr

from .callee import Callee, callee_of, reshaped
from .passes import called_directly


@called_directly
@module_pass(opt_level=0, name="ImportKernels")
class ImportKernels:
    """A pass that adds what the host code of a file does, as a function `name`, to a module.

    The function takes the arrays that the host gives, in the order of their first use, and returns
    those that it gets back; a single one is no tuple.

    Attributes
    ----------
    sequence : what was read of the file. lifted : its kernels by name, with their evidence.

    Raises what `read_sequence` and `lift` raise, and `EmitError` XP4004 where a step has no form.
    """

    def __init__(
        self,
        kernel: Kernel | str | Path,
        *,
        name: str = "main",
        args: Mapping[str, int | float] | None = None,
    ) -> None:
        if not isinstance(kernel, Kernel):
            kernel = Kernel.from_file(kernel, args=args)
        self.name = name
        self.sequence: Sequence = read_sequence(kernel)
        if self.sequence.scalars:
            names = ", ".join(scalar.name for scalar in self.sequence.scalars)
            raise EmitError("XP4004", f"{names} have no value", hint="give them as `args`")
        self.lifted: dict[str, Lifted] = {
            function: lift(reading.kernel) for function, reading in self.sequence.functions.items()
        }

    def transform_module(self, mod: tvm.IRModule, _: PassContext) -> tvm.IRModule:
        builder = relax.BlockBuilder(mod)
        callees = {name: callee_of(lifted) for name, lifted in self.lifted.items()}
        functions = {
            name: (callee, builder.add_func(callee.func, name)) for name, callee in callees.items()
        }
        arrays = self.sequence.arrays
        params = [
            relax.Var(array.name, relax.TensorType([array.size], array.dtype))
            for array in arrays
            if array.intent in ("in", "inout")
        ]
        values: dict[str, Expr] = {str(param.name): param for param in params}
        state = _State(builder, {array.name: array for array in arrays}, values, functions)
        with builder.function(self.name, params):
            with builder.dataflow():
                for step in self.sequence.steps:
                    state.do(step)
                results = [
                    state.whole(array.name) for array in arrays if array.intent in ("out", "inout")
                ]
                value = results[0] if len(results) == 1 else relax.Tuple(results)
                made = builder.emit_output(value)
            builder.emit_func_output(made)
        return builder.get()


class _State:
    """What each array holds after the steps so far, as a Relax variable."""

    def __init__(
        self,
        builder: relax.BlockBuilder,
        arrays: Mapping[str, Array],
        values: dict[str, Expr],
        functions: Mapping[str, tuple[Callee, tvm.ir.GlobalVar]],
    ) -> None:
        self.builder, self.arrays, self.values = builder, arrays, values
        self.functions = functions

    def do(self, step: Step) -> None:
        if isinstance(step, Call):
            self._call(step)
        elif isinstance(step, Fill):
            dtype = self.arrays[step.to.array].dtype
            one = np.full(1, step.byte, np.uint8).repeat(numpy_dtype(dtype).itemsize)
            value = one.view(numpy_dtype(dtype))[0].item()
            filled = relax.op.full((step.to.size,), relax.const(value, dtype), dtype)
            self._put(step.to, self.builder.emit(filled))
        elif isinstance(step, Copy):
            self._same_type(step.to, self.arrays[step.source.array].dtype)
            self._put(step.to, self._get(step.source))

    def whole(self, name: str) -> Expr:
        """What an array holds. Raises `EmitError` XP4004 where nothing has been stored in it."""
        if name not in self.values:
            raise EmitError("XP4004", f"{name!r} is used before anything is stored in all of it")
        return self.values[name]

    def _call(self, step: Call) -> None:
        callee, var = self.functions[step.function]
        views = dict(zip(callee.tensors, step.views, strict=True))
        for name, buffer in zip((*callee.inputs, *callee.outputs), callee.func.params, strict=True):
            self._same_type(views[name], str(buffer.dtype))
        for name in callee.partly:
            if views[name].array in self.values:
                raise EmitError(
                    "XP4004",
                    f"{step.function!r} leaves elements of {views[name].array!r} as they were, "
                    "which hold what an earlier step stored",
                )
        args = [self._get(views[name]) for name in callee.inputs]
        results = callee.call(self.builder, var, args)
        for name, result in zip(callee.outputs, results, strict=True):
            view = views[name]
            self._put(view, reshaped(self.builder, result, [view.size]))

    def _same_type(self, view: View, dtype: str) -> None:
        own = self.arrays[view.array].dtype
        if own != dtype:
            raise EmitError("XP4004", f"{view.array!r} holds {own} and is seen as {dtype}")

    def _get(self, view: View) -> Expr:
        value = self.whole(view.array)
        if view.size == self.arrays[view.array].size:
            return value
        return self._part(value, view.start, view.start + view.size)

    def _part(self, value: Expr, begin: int, end: int) -> Expr:
        part = relax.op.strided_slice(value, [0], [begin], [end], assume_inbound=True)
        return self.builder.emit(part)

    def _put(self, view: View, value: Expr) -> None:
        size = self.arrays[view.array].size
        if view.size < size:
            before = self.whole(view.array)
            parts = [value]
            if view.start:
                parts.insert(0, self._part(before, 0, view.start))
            if view.start + view.size < size:
                parts.append(self._part(before, view.start + view.size, size))
            value = self.builder.emit(relax.op.concat(parts, 0))
        self.values[view.array] = value
