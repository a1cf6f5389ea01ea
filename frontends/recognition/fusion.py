"""Axes that are digits of one, as that one.

y[8 i + j] = x[8 i + j]      ->      y[i] = x[i]
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from . import terms
from .affine import Affine, Axis
from .building import Piece
from .guards import conjuncts, limit, unguarded
from .terms import Apply, Const, Index, Indirect, Node, Read, Reduce


def fused(piece: Piece, endless: float) -> Piece:
    """The piece with as few axes as can be, those of the output by falling stride."""
    value = _fused_inside(piece.value, endless)
    axes = sorted(
        (axis for axis in piece.axes if axis.extent > 1),
        key=lambda axis: (-abs(piece.address.factor(axis)), axis.name),
    )
    roots = [value] if piece.guard is None else [value, piece.guard]
    affines = [*_of_address(piece.address), *(each for root in roots for each in affines_of(root))]
    kept, values = _fusion(axes, affines)
    whole = _substituted(replace(piece, value=value), values)
    return _within_guard(replace(whole, axes=tuple(kept)))


def _substituted(piece: Piece, values: dict[Axis, Affine]) -> Piece:
    guard = None if piece.guard is None else terms.substitute(piece.guard, values)
    return replace(
        piece,
        address=terms.address_at(piece.address, values),
        guard=None if isinstance(guard, Const) and guard.value else guard,
        value=terms.substitute(piece.value, values),
    )


def _within_guard(piece: Piece) -> Piece:
    """The piece over the axes that its guard leaves:  where(i < 60): y[i]  ->  y[i], i < 60."""
    for test in conjuncts(piece.guard) if piece.guard is not None else ():
        known = limit(test)
        if known is not None and known[0] in piece.axes and 0 < known[1] < known[0].extent:
            axis, extent = known
            short = Axis(axis.name + "s", extent)
            axes = tuple(short if each is axis else each for each in piece.axes)
            shorter = _substituted(piece, {axis: Affine.of(short)})
            return _within_guard(replace(shorter, axes=axes))
    return piece


def _fused_inside(node: Node, endless: float) -> Node:
    if isinstance(node, Apply):
        args = [_fused_inside(arg, endless) for arg in node.args]
        return terms.apply(node.name, args, node.dtype)
    if isinstance(node, Reduce):
        body = _fused_inside(node.body, endless)
        affines = list(affines_of(body))
        reach = {axis: [abs(a.factor(axis)) for a in affines] for axis in node.over}
        over = sorted(node.over, key=lambda axis: (reach[axis], axis.extent), reverse=True)
        kept, values = _fusion(over, affines)
        whole = replace(node, over=tuple(kept), body=terms.substitute(body, values))
        # A test on digits may be one on the axis that they made.
        return unguarded(whole, whole.body, endless)
    return node


def axes_of_reduction(node: Reduce) -> int:
    """How many axes a reduction has at least."""
    fewest = _fused_inside(node, math.inf)
    return len(fewest.over) if isinstance(fewest, Reduce) else 0


def _fusion(
    axes: Sequence[Axis], affines: Sequence[Affine]
) -> tuple[list[Axis], dict[Axis, Affine]]:
    """The fewest axes, and what each of the old ones becomes."""
    kept = list(axes)
    values: dict[Axis, Affine] = {}
    found = True
    while found:
        found = False
        for high in kept:
            for low in kept:
                if high is low or not _are_digits(high, low, affines):
                    continue
                whole = Axis(low.name + "f", high.extent * low.extent)
                change = {high: Affine(), low: Affine.of(whole)}
                values = {axis: value.substitute(change) for axis, value in values.items()}
                values.update(change)
                affines = [affine.substitute(change) for affine in affines]
                kept[kept.index(low)] = whole
                kept.remove(high)
                found = True
                break
            if found:
                break
    return kept, values


def _are_digits(high: Axis, low: Axis, affines: Sequence[Affine]) -> bool:
    used = False
    for affine in affines:
        if affine.factor(high) != low.extent * affine.factor(low):
            return False
        used = used or bool(affine.factor(low))
    return used


def affines_of(node: Node) -> Iterator[Affine]:
    """All sums of axes in a term."""
    for one in terms.walk(node):
        if isinstance(one, Index):
            yield one.value
        elif isinstance(one, Read):
            yield from _of_address(one.address)


def _of_address(address: Affine) -> Iterator[Affine]:
    yield address
    for term in address.factors:
        if isinstance(term, Indirect):
            yield from affines_of(term.value)
