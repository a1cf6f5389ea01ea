"""Elements stored at places that are read from memory."""

from __future__ import annotations

import math

from tvm import relax

from .affine import Axis
from .building import Piece
from .emitter import Emitter, NoEquivalent, Value, digits_of
from .terms import Indirect

_REDUCTIONS = {"": "update", "+": "add", "*": "mul", "max": "max", "min": "min"}


def scattered(emitter: Emitter, piece: Piece) -> Value:
    """y[index[i], j] = updates[i, j] for one i after the other, as `scatter_nd` of y.

    Raises `NoEquivalent` where more than one index of y is read from memory, or not all of the
    others are stored to.
    """
    digits = digits_of(piece.address, piece.size)
    if digits is None or piece.guard is not None:
        raise NoEquivalent(f"{piece.name!r} is stored to in an order that has no operator")
    terms, shape, _ = digits
    places = [n for n, term in enumerate(terms) if isinstance(term, Indirect)]
    rest = [term for term in terms if isinstance(term, Axis)]
    if len(places) != 1 or None in terms or any(axis in piece.ordered for axis in rest):
        raise NoEquivalent(f"{piece.name!r} is stored to in an order that has no operator")
    (place,) = places
    index = terms[place].value
    whole = [axis.extent for axis in rest] == [*shape[:place], *shape[place + 1 :]]
    if not whole or not index.axes <= set(piece.ordered):
        raise NoEquivalent(f"{piece.name!r} is stored to in an order that has no operator")
    count = math.prod(axis.extent for axis in piece.ordered)
    at = emitter.reshaped(emitter.over(index, piece.ordered), [count, 1])
    at = emitter.op(relax.op.astype(at, "int64"))
    updates = emitter.over(piece.value, (*piece.ordered, *rest))
    updates = emitter.reshaped(updates, [count, *(axis.extent for axis in rest)])
    order = [place, *(n for n in range(len(shape)) if n != place)]
    data = emitter.permuted(emitter.reshaped(emitter.params[piece.name], shape), order)
    stored = emitter.op(relax.op.scatter_nd(data, at, updates, _REDUCTIONS[piece.op]))
    inputs = [piece.name, emitter.source(emitter.emit(index, piece.ordered)), updates]
    value = emitter.permuted(stored, [order.index(n) for n in range(len(shape))])
    name = f"scatter_{_REDUCTIONS[piece.op]}" if piece.op else "scatter"
    emitter.record(name, inputs, value, axis=place)
    return value
