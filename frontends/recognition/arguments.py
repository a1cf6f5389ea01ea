"""argmax and argmin: the places at which a reduction has its value.

Min{k} (x[k] == Max{l} x[l] ? k : none)      ->      argmax(x)

The first of equal elements, as Relax's own take: topi can take the last, but Relax does not say so,
and such a term is left as it is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import terms
from .affine import Affine, Axis
from .guards import conjuncts, is_neutral
from .rows import body_at
from .terms import Apply, Const, Index, Node, Reduce

OPERATORS = {"max": "argmax", "min": "argmin"}


@dataclass(frozen=True, eq=False)
class Argument:
    """`step * n + base`, where n numbers the points of `over`, the last fastest, and is the first
    at which `value` equals its extremum over all of them."""

    op: str
    value: Node
    over: tuple[Axis, ...]
    step: int
    base: Affine


def argument_of(node: Node, endless: float) -> Argument | None:
    """A term as an argument, if it is one. Constants of at least `endless` are no values."""
    if not isinstance(node, Reduce) or node.op not in ("max", "min"):
        return None
    found = _chosen(node, endless)
    if found is None:
        return None
    tests, place = found
    for number, test in enumerate(tests):
        rest = [*tests[:number], *tests[number + 1 :]]
        if not isinstance(test, Apply) or test.name != "equal":
            continue
        for value, whole in (test.args, test.args[::-1]):
            if not isinstance(whole, Reduce) or whole.op not in OPERATORS:
                continue
            digits = _digits(place.value, node.over)
            if digits is None or (digits[1] > 0) != (node.op == "min"):
                continue
            over, step = digits
            if not _is_over(whole, value, node.over):
                continue
            if all(_is_beyond_end(each, whole, endless) for each in rest):
                base = place.value.substitute({axis: Affine() for axis in over})
                return Argument(whole.op, value, over, step, base)
    return None


def _chosen(node: Reduce, endless: float) -> tuple[list[Node], Index] | None:
    """The tests under which places count, and the places."""
    tests: list[Node] = []
    body = node.body
    while isinstance(body, Apply) and body.name == "select":
        test, body, other = body.args
        if not is_neutral(node.op, other, endless):
            return None
        tests += conjuncts(test)
    return (tests, body) if isinstance(body, Index) else None


def _digits(place: Affine, over: Sequence[Axis]) -> tuple[tuple[Axis, ...], int] | None:
    """The axes of which `place` is a multiple of a number with these digits, and the factor."""
    order = sorted(over, key=lambda axis: -abs(place.factor(axis)))
    step = place.factor(order[-1])
    factor = step
    for axis in reversed(order):
        if not factor or place.factor(axis) != factor:
            return None
        factor *= axis.extent
    return tuple(order), step


def _is_over(whole: Reduce, value: Node, over: Sequence[Axis]) -> bool:
    """Whether `whole` is the extremum of `value` over all of its points."""
    if whole.axes & set(over) or len(whole.over) != len(over):
        return False
    term = terms.reduce(whole.op, over, value, whole.name)
    return term.key == whole.key or any(
        found is not None and found.key == value.key for found in [body_at(whole, over)]
    )


def _is_beyond_end(test: Node, whole: Reduce, endless: float) -> bool:
    """Whether a test says that an extremum is beyond what stands for infinity."""
    if not isinstance(test, Apply) or test.name != "less":
        return False
    end, value = test.args if whole.op == "max" else test.args[::-1]
    return value.key == whole.key and is_neutral(whole.op, end, endless)


def place_or(node: Node, endless: float) -> Node | None:
    """Select(f != none, f, a) as f, where f is an argument: some element is the extremum."""
    if not isinstance(node, Apply) or node.name != "select":
        return None
    test, found, _ = node.args
    if not isinstance(test, Apply) or test.name != "not_equal" or not isinstance(found, Reduce):
        return None
    for one, none in (test.args, test.args[::-1]):
        if one.key == found.key and is_neutral(found.op, none, endless):
            return found if argument_of(found, endless) is not None else None
    return None


def converted(node: Node, dtype: str) -> Node | None:
    """An argument as numbers of another type: its places have that type."""
    if not isinstance(node, Reduce) or not dtype.startswith("int"):
        return None
    found, known = argument_of(node, math.inf), _chosen(node, math.inf)
    if found is None or known is None:
        return None
    bounds = known[1].value.bounds()
    end = (1 << int(dtype.removeprefix("int")) - 1) - 1
    if bounds is None or not 0 <= bounds[0] <= bounds[1] < end:
        return None
    tests, place = known
    none = Const(dtype, end if node.op == "min" else -end - 1)
    body: Node = replace(place, dtype=dtype)
    for test in reversed(tests):
        body = terms.apply("select", [test, body, none], dtype)
    return replace(node, dtype=dtype, body=body)
