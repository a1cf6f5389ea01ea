"""What scalar code costs: the operations of an expression, and where its operands lie."""

from __future__ import annotations

from collections.abc import Callable

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.dialects.bang_rates import ARITHMETIC, SLOW_ARITHMETIC

_CHEAP = (
    *(tirx.Add, tirx.Sub, tirx.Mul, tirx.Min, tirx.Max, tirx.Cast, tirx.Select, tirx.Not),
    *(tirx.EQ, tirx.NE, tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.And, tirx.Or),
)
_SLOW = (tirx.Div, tirx.Mod, tirx.FloorDiv, tirx.FloorMod, tvm.ir.Call)


def scalar_cycles(node: Expr | tirx.Stmt, access: Callable[[tirx.Buffer], float]) -> float:
    """Cycles of every operation in `node`; `access` gives those of an access to an array."""
    found: list[float] = []
    handlers = [
        *((kind, lambda _: found.append(ARITHMETIC)) for kind in _CHEAP),
        *((kind, lambda _: found.append(SLOW_ARITHMETIC)) for kind in _SLOW),
        (TensorLoad, lambda load: found.append(access(load.source))),
        (tirx.BufferStore, lambda store: found.append(access(store.buffer))),
    ]
    tvm_ffi.structural_walk(node, handlers)
    return sum(found)
