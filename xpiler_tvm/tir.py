"""The one module that knows TVM's names for expressions: predicates, walks and rewrites.

TVM 0.27 has no statement functors; expressions are walked and mapped through `tvm_ffi`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import sym, tirx

Expr = Any  # a tirx expression; TVM ships no types
Var = Any
Buffer = Any

Load = tvm.ir.TensorLoad

UNSOUND_PASSES = ("s_tir.HoistIfThenElse",)
"""TVM's passes that no build may run (`PassContext(disabled_pass=...)`): a branch that stands in
one side of another is hoisted out of a loop as if it stood in both."""

KEPT = "xpiler.kept"
"""The annotation of blocks that no schedule inlines: what reads them reads them often."""

UNFUSED = {"op_pattern": 8}
"""The attribute of kernels in Relax modules, `OpPatternKind::kOpaque`: TVM's fusion cannot join
them with its own operators, whose indices have 64 bits. Records of searches are of functions with
it."""

OPPOSITE_ORDERS = {tirx.LT: tirx.GE, tirx.LE: tirx.GT, tirx.GT: tirx.LE, tirx.GE: tirx.LT}
OPPOSITES = {**OPPOSITE_ORDERS, tirx.EQ: tirx.NE, tirx.NE: tirx.EQ}
"""The comparison that holds where another does not, of numbers that are no NaN."""

INT_INF = 1 << 62
INT32_MAX = (1 << 31) - 1
LARGE = 200


def dtype_of(expr: Expr) -> str:
    return str(expr.ty.dtype)


def is_int(expr: Expr) -> bool:
    return dtype_of(expr).startswith(("int", "uint", "bool"))


def const(value: int | float | bool, dtype: str) -> Expr:
    return tirx.const(value, dtype)


def is_reinterpreted(expr: Expr) -> bool:
    """Whether it is the bits of a value seen as another type."""
    return bool(getattr(getattr(expr, "op", None), "name", "").endswith("reinterpret"))


def reinterpreted(expr: Expr, dtype: str) -> Expr:
    """The bits of a number as another type of its size; of a constant, a constant.

    LLVM takes no reinterpreted zero. A NaN would lose its payload, and is left.
    """
    held = dtype_of(expr)
    known = isinstance(expr, tirx.IntImm | tirx.FloatImm)
    if held == dtype:
        return expr
    if not known or "bfloat" in held + dtype or "bool" in (held, dtype):
        return tirx.reinterpret(dtype, expr)
    number = expr.value if isinstance(expr, tirx.FloatImm) else int(expr.value)
    value = np.array(number).astype(held).view(dtype)
    return tirx.reinterpret(dtype, expr) if np.isnan(value) else const(value.item(), dtype)


def with_known_bits(expr: Expr) -> Expr:
    """`expr` with constants for what it sees of constants as another type: a fill that was read."""

    def known(call: Expr) -> Expr:
        return reinterpreted(call.args[0], dtype_of(call)) if is_reinterpreted(call) else call

    return tvm_ffi.structural_map(expr, (tvm.ir.Call, known), order="post")


def as_const(expr: Expr) -> int | None:
    """The value of an integer constant."""
    return int(expr.value) if isinstance(expr, tirx.IntImm) else None


def as_expr(value: Expr | int) -> Expr:
    """An extent as an expression."""
    return const(value, "int32") if isinstance(value, int) else value


def constant_or_self(expr: Expr) -> Expr | int:
    """An extent as a number, where it is one."""
    known = as_const(expr)
    return expr if known is None else known


def loads(expr: Expr) -> list[Expr]:
    """The buffer reads in an expression, those inside indices included."""
    found: list[Expr] = []
    tvm_ffi.structural_walk(expr, [(Load, found.append)], order="post")
    return found


def has_load(expr: Expr) -> bool:
    return bool(loads(expr))


def compared(test: Expr) -> list[Expr]:
    """The left sides of the comparisons in a test."""
    found: list[Expr] = []
    kinds = (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE)
    tvm_ffi.structural_walk(test, [(kind, lambda node: found.append(node.a)) for kind in kinds])
    return found


_TESTS = (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE, tirx.Select)


def nested_tests(expr: Expr) -> int:
    """How many comparisons and choices stand inside each other, at most.

    What TVM needs to simplify an expression, or to bound it, doubles with each of them.
    """
    found: list[Expr] = []
    tvm_ffi.structural_walk(expr, [(kind, found.append) for kind in _TESTS], order="pre")
    return _nested(expr) if len(found) > 1 else len(found)


def _nested(expr: Expr) -> int:
    if isinstance(expr, tirx.Select):
        parts = [expr.condition, expr.true_value, expr.false_value]
    elif isinstance(expr, tirx.Cast):
        parts = [expr.value]
    elif isinstance(expr, tvm.ir.Call):
        parts = [part for part in expr.args if isinstance(part, tvm.ir.Expr)]
    elif isinstance(expr, Load):
        parts = list(expr.indices)
    else:
        parts = [getattr(expr, name) for name in ("a", "b") if hasattr(expr, name)]
    return isinstance(expr, _TESTS) + max(map(_nested, parts), default=0)


def is_large(expr: Expr) -> bool:
    """Whether an expression has more nodes than any that is worth simplifying again."""
    count = 0

    def visit(_: Expr) -> None:
        nonlocal count
        count += 1

    tvm_ffi.structural_walk(expr, [(tvm.ir.Expr, visit)])
    return count > LARGE


def variables(expr: Expr) -> list[Var]:
    """The scalar variables of an expression, each once, in the order of their first use."""
    found: list[Var] = []

    def visit(var: Var) -> None:
        if not tirx.is_buffer_var(var) and not any(var.same_as(seen) for seen in found):
            found.append(var)

    tvm_ffi.structural_walk(expr, [(tirx.Var, visit)], order="pre")
    return found


def uses(expr: Expr, names: Iterable[Var]) -> bool:
    wanted = list(names)
    return any(var.same_as(name) for var in variables(expr) for name in wanted)


def substitute(expr: Expr, mapping: Mapping[Var, Expr]) -> Expr:
    """`expr` with variables replaced; not simplified."""
    if not mapping:
        return expr
    return tvm_ffi.structural_map(expr, (tirx.Var, lambda var: mapping.get(var, var)))


def map_loads(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """`expr` with every buffer read replaced by `change(read)`, innermost first.

    What `change` raises is raised here: on its way through TVM it would lose its type.
    """
    raised: list[BaseException] = []

    def guarded(load: Expr) -> Expr:
        try:
            return change(load)
        except BaseException as error:
            raised.append(error)
            raise

    try:
        return tvm_ffi.structural_map(expr, (Load, guarded), order="post")
    except Exception:
        if raised:
            raise raised[0] from None
        raise


def same(left: Expr, right: Expr) -> bool:
    """Structural equality; free variables are equal only to themselves."""
    return bool(tvm_ffi.structural_equal(left, right))


def bounds(analyzer: Any, expr: Expr) -> tuple[int, int]:
    """Inclusive bounds of an integer expression; `±INT_INF` where there is none."""
    found = analyzer.const_int_bound(expr)
    low, high = int(found.min_value), int(found.max_value)
    return (max(low, -INT_INF), min(high, INT_INF))


def analyzer_for(ranges: Mapping[Var, Expr | int]) -> Any:
    """An analyzer that knows `0 <= var < extent` for each entry."""
    analyzer = sym.Analyzer()
    for var, extent in ranges.items():
        analyzer.bind(var, tvm.ir.Range(0, extent))
    return analyzer


def conjunction(tests: Iterable[Expr]) -> Expr:
    whole = tirx.const(True, "bool")
    for test in tests:
        whole = test if as_const(whole) == 1 else tirx.And(whole, test)
    return whole


def conjuncts(test: Expr) -> list[Expr]:
    """The parts of a nested `and`."""
    if isinstance(test, tirx.And):
        return conjuncts(test.a) + conjuncts(test.b)
    return [test]
