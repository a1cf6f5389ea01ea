"""Reductions along axes that the terms around them have too, as of rows that are normalised."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from . import terms
from .affine import Affine, Axis
from .emitter import Axes
from .meaning import same_meaning
from .terms import Node, Reduce, parts_of

_MOST_AXES = 3


def runs_along(node: Reduce, axes: Axes, whole: Node) -> Iterator[tuple[tuple[Axis, ...], Node]]:
    """The axes of `whole` that a reduction may run along, and its body at the element there."""
    outer = [axis for axis in axes if axis in whole.axes and axis not in node.axes]
    for count in range(1, min(len(outer), max(len(node.over), _MOST_AXES)) + 1):
        for chosen in itertools.permutations(outer, count):
            body = body_at(node, chosen)
            if body is not None:
                yield chosen, body


def body_at(node: Reduce, axes: Sequence[Axis]) -> Node | None:
    """What is reduced at the element that other axes stand for; `None` if they do not fit.

    One axis that is reduced over may be several outside: k = 5 i + j.
    """
    here: dict[Axis, Affine] = {}
    if [axis.extent for axis in node.over] == [axis.extent for axis in axes]:
        here = dict(zip(node.over, map(Affine.of, axes), strict=True))
    elif len(node.over) == 1 and math.prod(axis.extent for axis in axes) == node.over[0].extent:
        place = Affine()
        for axis in axes:
            place = place * axis.extent + Affine.of(axis)
        here = {node.over[0]: place}
    return terms.substitute(node.body, here) if here else None


def is_total_of(total: Node, factor: Node, over: Sequence[Axis]) -> bool:
    """Whether `total` is the sum of `factor` along `over`."""
    term = body_at(total, over) if isinstance(total, Reduce) and total.op == "sum" else None
    if term is None or term.key == factor.key:
        return term is not None
    keys = [{part.key for part in parts_of(each)} for each in (term, factor)]
    return keys[0] == keys[1] and same_meaning(term, factor)
