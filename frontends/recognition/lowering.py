"""An equivalent as one TensorIR function, which is compiled, run and compared as others are."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax, te, tirx

from .equivalent import Equivalent


def lowered(equivalent: Equivalent) -> tvm.IRModule:
    """`main(inputs..., outputs...)`: TVM's implementations of the operators, one after the other.

    A tensor that the kernel updates is an input and an output.
    """
    assert equivalent.mod is not None
    mod = relax.transform.DecomposeOpsForInference()(equivalent.mod)
    mod = relax.transform.LegalizeOps(_IMPLEMENTED_HERE)(mod)
    main = mod["main"]
    parts = {var: func for var, func in mod.functions.items() if var.name_hint != "main"}
    builder = relax.BlockBuilder(tvm.IRModule(parts))
    whole = builder.add_func(main.without_attr("global_symbol").with_attr("Primitive", True), "all")
    params = [relax.Var(param.name, param.ty) for param in main.params]
    with builder.function("main", params):
        with builder.dataflow():
            result = builder.emit_output(relax.Call(whole, params))
        builder.emit_func_output(result)
    fused = relax.transform.FuseTIR()(builder.get())
    return tvm.IRModule({"main": fused["all"].with_attr("global_symbol", "main")})


def _positions(builder: relax.BlockBuilder, call: Any) -> Any:
    """Positions as computed ones: TVM's own are a tensor of constants, which are not fused."""
    _, end, _ = call.args
    dtype = str(call.attrs.dtype)
    count = int(end.value)
    return builder.call_te(lambda: te.compute((count,), lambda i: i.astype(dtype), "positions"))


_PRODUCT = te.comm_reducer(lambda x, y: x * y, lambda dtype: tirx.const(1, dtype), "prod")


def _cumulative(builder: relax.BlockBuilder, call: Any) -> Any:
    """Sums or products of all elements up to each, exclusively or not: TVM's own are packed
    functions, which are not fused."""
    data, about = call.args[0], call.attrs
    shape = [int(extent) for extent in data.ty.shape]
    axis = int(about.axis)
    sums = call.op.name == "relax.cumsum"

    def compute(x: te.Tensor) -> te.Tensor:
        k = te.reduce_axis((0, shape[axis]), "k")

        def element(*at: Any) -> Any:
            used = k < at[axis] if about.exclusive else k <= at[axis]
            place = (*at[:axis], k, *at[axis + 1 :])
            value = x[place]
            neutral = tirx.const(0 if sums else 1, value.dtype)
            reduce = te.sum if sums else _PRODUCT
            return reduce(tirx.if_then_else(used, value, neutral), k)

        return te.compute(shape, element, "cumulative")

    return builder.call_te(compute, data)


def _argument(builder: relax.BlockBuilder, call: Any) -> Any:
    """The least place at which an extremum stands: TVM's own reduces pairs of both, which are no
    terms; of equal ones they take the lesser place too."""
    data, axis = call.args[0], int(call.attrs.axis)
    shape = [int(extent) for extent in data.ty.shape]
    rest = [*shape[:axis], *shape[axis + 1 :]]
    reduce = te.max if call.op.name == "relax.argmax" else te.min

    def compute(x: te.Tensor) -> te.Tensor:
        def at(point: tuple[Any, ...], k: Any) -> Any:
            place = (*point[:axis], k, *point[axis:])
            return x[place]

        def whole(*point: Any) -> Any:
            k = te.reduce_axis((0, shape[axis]), "k")
            return reduce(at(point, k), k)

        extrema = te.compute(rest, whole, "extremum")

        def place(*point: Any) -> Any:
            k = te.reduce_axis((0, shape[axis]), "k")
            none = te.max_value("int64")
            is_there = tirx.EQ(at(point, k), extrema[point])
            return te.min(tirx.if_then_else(is_there, k.var.astype("int64"), none), k)

        return te.compute(rest, place, "argument")

    return builder.call_te(compute, data)


_IMPLEMENTED_HERE = {
    "relax.arange": _positions,
    "relax.cumsum": _cumulative,
    "relax.cumprod": _cumulative,
    "relax.argmax": _argument,
    "relax.argmin": _argument,
}
