"""A lifted kernel as Relax calls it: inputs first, then outputs that hold nothing before.

scale(x, y, n)   with y of intent inout   ->   scale(x, y, y_out), called as y_out = scale(x, y)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import relax, tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import EmitError
from xpiler_tvm.lifting import Lifted
from xpiler_tvm.tir import Buffer, Expr
from xpiler_tvm.verification import unwritten_outputs


@dataclass(frozen=True, eq=False)
class Callee:
    """`func` takes a buffer for each of `inputs` and then of `outputs`, names of the kernel's
    `tensors`; an array that is updated is in both. Outputs in `partly` have elements that the
    kernel does not write: what these hold is open."""

    func: tirx.PrimFunc
    tensors: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    partly: tuple[str, ...] = ()

    @property
    def input_buffers(self) -> list[Buffer]:
        return list(self.func.params)[: len(self.inputs)]

    @property
    def output_buffers(self) -> list[Buffer]:
        return list(self.func.params)[len(self.inputs) :]

    def call(
        self, builder: relax.BlockBuilder, var: tvm.ir.GlobalVar, args: Sequence[Expr]
    ) -> list[Expr]:
        """Emits the call; arguments of other shapes with as many elements are reshaped."""
        given = [
            reshaped(builder, arg, buffer.shape)
            for arg, buffer in zip(args, self.input_buffers, strict=True)
        ]
        types = [tensor_type(buffer) for buffer in self.output_buffers]
        made = builder.emit(
            relax.call_tir(var, relax.Tuple(given), types if len(types) > 1 else types[0])
        )
        if len(types) == 1:
            return [made]
        return [builder.emit(relax.TupleGetItem(made, index)) for index in range(len(types))]


def callee_of(lifted: Lifted) -> Callee:
    """The function of a lifted kernel. Raises `EmitError` XP4004 where Relax has no call for it."""
    kernel = lifted.kernel
    free = [scalar.name for scalar in kernel.scalars if scalar.value is None]
    if free or kernel.size_names:
        names = ", ".join(dict.fromkeys([*free, *kernel.size_names]))
        raise _refusal(lifted, f"{names} have no value", "lift it with values for them")
    made = lifted.out_of_place
    updated = set(made.updated)
    kept = [t.name for t in kernel.tensors if t.intent == "inout" and t.name not in updated]
    if kept:
        raise _refusal(lifted, f"it updates {', '.join(kept)} in a form that stays in place")
    func = made.mod["main"]
    first, results = func.params[: len(kernel.tensors)], func.params[len(kernel.tensors) :]
    buffers = dict(zip((tensor.name for tensor in kernel.tensors), first, strict=True))
    result_of = dict(zip(made.updated, results, strict=True))
    inputs = tuple(tensor.name for tensor in kernel.tensors if tensor.intent != "out")
    outputs = tuple(tensor.name for tensor in kernel.tensors if tensor.written)
    params = [buffers[name] for name in inputs]
    params += [result_of.get(name, buffers[name]) for name in outputs]
    changed = tirx.PrimFunc(params, func.body, func.ret_type, func.attrs)
    changed = changed.with_attrs(tir.UNFUSED)
    tensors = tuple(tensor.name for tensor in kernel.tensors)
    partly = tuple(sorted(unwritten_outputs(kernel, lifted.trials[0].outputs)))
    return Callee(changed.without_attr("global_symbol"), tensors, inputs, outputs, partly)


def _refusal(lifted: Lifted, why: str, hint: str = "") -> EmitError:
    return EmitError("XP4004", f"{lifted.kernel.entry!r} cannot be called: {why}", hint=hint)


def tensor_type(buffer: Buffer) -> relax.TensorType:
    return relax.TensorType([int(extent) for extent in buffer.shape], str(buffer.dtype))


def reshaped(builder: relax.BlockBuilder, value: Expr, shape: Sequence[Expr]) -> Expr:
    """`value` in a shape of as many elements; itself where it has it."""
    wanted = [int(extent) for extent in shape]
    if [int(extent) for extent in value.ty.shape] == wanted:
        return value
    return builder.emit(relax.op.reshape(value, wanted))
