"""What a kernel computes as one closed expression an output, in terms of its parameters alone.

    y[i, j] = exp(x[5 i + j] - Max{k} x[5 i + k]) / Sum{k} exp(x[5 i + k] - Max{l} x[5 i + l])

Intermediates are gone, elements are named by their place in memory, and equal terms are equal
objects of `key`. Terms are made by the functions here, which keep them small and in order.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from .affine import Affine, Axis
from .nodes import (
    Apply,
    Const,
    Index,
    Indirect,
    Node,
    Read,
    Reduce,
    Scalar,
    affine_key,
)

ENDS = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}
"""The greatest numbers of types."""


# -- Walks ----------------------------------------------------------------------------------------


def walk(node: Node) -> Iterator[Node]:
    """A term and all that it is made of, the term itself first; what recurs comes once."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            stack += reversed(one.children)


def parts_of(node: Node) -> tuple[Node, ...]:
    """The reads, reductions, scalars and indices that a scalar expression is made of, by key."""
    if isinstance(node, Apply):
        found = {part.key: part for arg in node.args for part in parts_of(arg)}
        return tuple(found[key] for key in sorted(found))
    return () if isinstance(node, Const) else (node,)


def rebuild(node: Node, change: Callable[[Node], Node | None]) -> Node:
    """`node` with `change` made to it, outermost first; `None` looks inside."""
    changed = change(node)
    if changed is not None:
        return changed
    if isinstance(node, Apply):
        return apply(node.name, [rebuild(arg, change) for arg in node.args], node.dtype)
    if isinstance(node, Reduce):
        return replace(node, body=rebuild(node.body, change))
    return node


def substitute(node: Node, values: Mapping[Axis, Affine]) -> Node:
    """`node` with free axes replaced."""
    if not values or not node.axes & values.keys():
        return node
    if isinstance(node, Index):
        return index(node.value.substitute(values), node.dtype)
    if isinstance(node, Read):
        return replace(node, address=address_at(node.address, values))
    if isinstance(node, Apply):
        return apply(node.name, [substitute(arg, values) for arg in node.args], node.dtype)
    if isinstance(node, Reduce):
        return replace(node, body=substitute(node.body, values))
    return node


def address_at(address: Affine, values: Mapping[Axis, Affine]) -> Affine:
    """An address with axes replaced, those inside what is read from memory too."""
    found = address.substitute(values)
    if not any(isinstance(term, Indirect) for term in found.factors):
        return found
    whole = Affine({}, found.const)
    for term, factor in found.factors.items():
        if isinstance(term, Indirect):
            whole = whole + as_affine(substitute(term.value, values)) * factor
        else:
            whole = whole + Affine.of(term) * factor
    return whole


# -- Making terms ---------------------------------------------------------------------------------


def const(value: float | int, dtype: str) -> Const:
    return Const(dtype, value)


def index(value: Affine, dtype: str) -> Node:
    return Const(dtype, value.const) if not value.factors else Index(dtype, value)


def as_affine(node: Node) -> Affine:
    """An integer as (part of) an address."""
    if isinstance(node, Index):
        return node.value
    if isinstance(node, Const):
        return Affine({}, int(node.value))
    return Affine.of(Indirect(node))


def is_const(node: Node, value: float) -> bool:
    return isinstance(node, Const) and node.value == value


def end_of(dtype: str) -> float:
    """The greatest number of a type."""
    if "float" in dtype:
        return ENDS.get(dtype, math.inf)
    bits = int(dtype.removeprefix("u").removeprefix("int") or 1)
    return float(2**bits - 1 if dtype.startswith("u") else 2 ** (bits - 1) - 1)


def is_end(operation: str, node: Node, beyond: float = math.inf) -> bool:
    """Whether a constant changes nothing as an operand of `maximum` or `minimum`.

    Numbers of at least `beyond` are taken for the type's end.
    """
    if not isinstance(node, Const):
        return False
    value = -float(node.value) if operation == "maximum" else float(node.value)
    if operation == "maximum" and "float" not in node.dtype:
        return value >= (0 if node.dtype.startswith("u") else end_of(node.dtype) + 1)
    return value >= min(end_of(node.dtype), beyond)


def apply(name: str, args: Sequence[Node], dtype: str) -> Node:
    """An operation on terms, without the parts that do nothing.

    x + 0, x * 1, max(x, -inf) -> x        0 < i -> true, where bounds tell
    """
    if name in ("add", "multiply", "maximum", "minimum") and len(args) == 2:
        neutral = {"add": 0, "multiply": 1}.get(name)
        for one, other in ((args[0], args[1]), (args[1], args[0])):
            if neutral is not None and is_const(other, neutral):
                return one
            if name in ("maximum", "minimum") and is_end(name, other):
                return one
    positions = _folded_positions(name, args)
    if positions is not None:
        return index(positions, dtype)
    if name == "subtract" and is_const(args[1], 0):
        return args[0]
    if name == "divide" and is_const(args[1], 1):
        return args[0]
    if name == "select":
        condition, yes, no = args
        if isinstance(condition, Const):
            return yes if condition.value else no
        if yes.key == no.key:
            return yes
    if name in ("less", "less_equal", "equal", "not_equal"):
        known = _compared(name, args[0], args[1])
        if known is not None:
            return Const("bool", int(known))
    if name in ("and", "or"):
        for one, other in ((args[0], args[1]), (args[1], args[0])):
            if isinstance(other, Const):
                decisive = bool(other.value) == (name == "or")
                return other if decisive else one
    if name == "not" and isinstance(args[0], Const):
        return Const("bool", int(not args[0].value))
    if name == "cast" and args[0].dtype == dtype:
        return args[0]
    if name == "cast" and isinstance(args[0], Const):
        value = args[0].value
        return Const(dtype, float(value) if "float" in dtype else int(value))
    if name in _FOLDED and "float" in dtype and all(isinstance(arg, Const) for arg in args):
        values = [arg.value for arg in args if isinstance(arg, Const)]
        with suppress(ArithmeticError, ValueError):
            return Const(dtype, _FOLDED[name](*values))
    return Apply(dtype, name, tuple(args))


_FOLDED: Mapping[str, Callable[..., float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "sqrt": math.sqrt,
    "rsqrt": lambda value: 1 / math.sqrt(value),
    "exp": math.exp,
    "log": math.log,
}


def _folded_positions(name: str, args: Sequence[Node]) -> Affine | None:
    """A sum, multiple, greatest or least of positions, where it is a sum of axes itself."""
    if name not in ("add", "subtract", "multiply", "maximum", "minimum"):
        return None
    if not all(isinstance(arg, Index | Const) and "float" not in arg.dtype for arg in args):
        return None
    one, two = map(as_affine, args)
    if name == "add":
        return one + two
    if name == "subtract":
        return one - two
    if name == "multiply":
        return one * two.const if not two.factors else two * one.const if not one.factors else None
    bounds = (one - two).bounds()
    if bounds is None or bounds[0] < 0 < bounds[1]:
        return None
    return one if (bounds[0] >= 0) == (name == "maximum") else two


def _compared(name: str, left: Node, right: Node) -> bool | None:
    """The outcome of a comparison of indices, where bounds tell."""
    sides = []
    for side in (left, right):
        if isinstance(side, Index):
            sides.append(side.value)
        elif isinstance(side, Const) and isinstance(side.value, int):
            sides.append(Affine({}, side.value))
        else:
            return None
    bounds = (sides[1] - sides[0]).bounds()
    if bounds is None:
        return None
    low, high = bounds
    if name == "less":
        return True if low > 0 else False if high <= 0 else None
    if name == "less_equal":
        return True if low >= 0 else False if high < 0 else None
    if low > 0 or high < 0:
        return name == "not_equal"
    return name == "equal" if low == high == 0 else None


def reduce(op: str, over: Sequence[Axis], body: Node, name: str) -> Node:
    """A reduction, one with an inner one of its kind joined:  Sum{i} Sum{j} f = Sum{i, j} f."""
    used = [axis for axis in over if axis in body.axes]
    if op in ("max", "min") and len(used) < len(over):
        over = used
    if not over:
        return body
    if isinstance(body, Reduce) and body.op == op:
        return Reduce(body.dtype, op, (*over, *body.over), body.body, body.name)
    return Reduce(body.dtype, op, tuple(over), body, name)


__all__ = [
    "Apply",
    "Const",
    "Index",
    "Indirect",
    "Node",
    "Read",
    "Reduce",
    "Scalar",
    "address_at",
    "affine_key",
    "apply",
    "as_affine",
    "const",
    "index",
    "is_const",
    "is_end",
    "parts_of",
    "rebuild",
    "reduce",
    "substitute",
    "walk",
]
