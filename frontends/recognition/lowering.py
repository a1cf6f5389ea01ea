"""An equivalent as one TensorIR function, which is compiled, run and compared as others are."""

from __future__ import annotations

import math
from typing import Any

import tvm
from tvm import relax, te

from .building import NoTerm, pieces_of
from .equivalent import Equivalent
from .normal import normalised, signature


def lowered(equivalent: Equivalent) -> tvm.IRModule:
    """`main(inputs..., outputs...)`: TVM's implementations of the operators, one after the other.

    A tensor that the kernel updates is an input and an output.
    """
    assert equivalent.mod is not None
    mod = relax.transform.DecomposeOpsForInference()(equivalent.mod)
    mod = relax.transform.LegalizeOps({"relax.arange": _positions})(mod)
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


def is_same_term(mod: tvm.IRModule, other: tvm.IRModule) -> bool:
    """Whether two functions store the same terms, but for the names of what they store to."""
    try:
        ours, theirs = (
            sorted(map(signature, normalised(pieces_of(each["main"]), math.inf)))
            for each in (mod, other)
        )
    except NoTerm:
        return False
    return ours == theirs
