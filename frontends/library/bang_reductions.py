"""BANG C's reductions, counts, packings and atomics, from `dialects.bang_reductions`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang_reductions import (
    ATOMICS,
    BLOCK_BYTES,
    EXTREMES,
    FOLDS,
    HEADER_BYTES,
    PACKINGS,
    Atomic,
    Extreme,
    Fold,
    Packing,
)
from xpiler_tvm.tir import Expr

from ..program import Branch
from ..values import BITS, Number, Value
from .bang_calls import Intrinsic, Vector
from .meanings import evaluate, of_elements

_ZERO = tir.const(0, "int32")


def _fold(row: Fold, call: Intrinsic) -> Value | None:
    math = call.ev.math
    start = evaluate(call.ev, row.start, {}, call.span)
    if row.result == "returned":
        call.expect(2)
        source, n = call.vector(0, dtypes=row.dtypes), call.count(1)
        folded = _folded(call, row, source, n, start)
        return math.convert(folded, source.dtype)
    call.expect(3)
    target, source = call.vector(0), call.vector(1, dtypes=row.dtypes)
    n = call.count(2)
    if row.result == "word":
        word = call.seen_as(target, "uint32")
        call.write(word, _ZERO, _folded(call, row, source, n, start))
        return None
    if target.dtype != source.dtype:
        call.refuse("both vectors are of one type")
    block = BLOCK_BYTES // (BITS[source.dtype] // 8)
    blocks = math.simplify(tirx.floordiv(n + (block - 1), block))
    with call.loop("block", blocks) as b:
        first = math.simplify(b * block)
        size = math.simplify(tirx.min(n - first, tir.const(block, "int32")))
        folded = _folded(call, row, call.moved(source, first), size, start)
        call.write(target, first, folded)
    return None


def _folded(call: Intrinsic, row: Fold, source: Vector, n: Expr, start: Number) -> Number:
    total = call.local("sum", start)
    with call.loop("i", n) as i:
        names = {"r": call.value_of(total), "a": call.read(source, i)}
        names["i"] = call.ev.math.convert(Number(i, "int32"), "uint32")
        call.write(total, _ZERO, of_elements(call.ev, row.step, names, call.span))
    return call.value_of(total)


def _extreme(row: Extreme, call: Intrinsic) -> None:
    """The best element, and its index in the word behind it."""
    call.expect(3)
    ev, math = call.ev, call.ev.math
    target, source = call.vector(0, dtypes=row.dtypes), call.vector(1, dtypes=row.dtypes)
    if target.dtype != source.dtype:
        call.refuse("both vectors are of one type")
    n = call.count(2)
    size = BITS[source.dtype] // 8
    result = tir.const(1 + 4 // size, "int32")
    call.require_apart(target, result, source, n, in_place=False)
    best = call.local("best", call.read(source, _ZERO))
    place = call.local("place", math.number(0, "int32"))
    with call.loop("i", math.simplify(n - 1)) as less:
        i = math.simplify(less + 1)
        names = {"r": call.value_of(best), "a": call.read(source, i)}
        names |= {"i": Number(i, "int32"), "p": call.value_of(place)}
        for local, other in ((place, "i : p"), (best, "a : r")):
            chosen = of_elements(ev, f"{row.better} ? {other}", names, call.span)
            call.write(local, _ZERO, chosen)
    call.write(target, _ZERO, call.value_of(best))
    index = call.value_of(place)
    if size == 4:
        call.write(call.seen_as(call.moved(target, 1), "uint32"), _ZERO, index)
        return
    halves = call.seen_as(call.moved(target, 1), "uint16")  # the low one first
    for number, part in enumerate(("index & 65535", "index >> 16")):
        half = evaluate(ev, part, {"index": index}, call.span)
        call.write(halves, tir.const(number, "int32"), half)


def _packing(row: Packing, call: Intrinsic) -> Value | None:
    """The elements whose mask is not zero, one after the other."""
    call.expect(4)
    ev, math = call.ev, call.ev.math
    target, source, mask = (call.vector(position, dtypes=row.dtypes) for position in range(3))
    if len({target.dtype, source.dtype, mask.dtype}) > 1:
        call.refuse("all vectors are of one type")
    n = call.count(3)
    before = HEADER_BYTES // (BITS[source.dtype] // 8) if row.count == "header" else 0
    number = call.local("count", math.number(0, "int32"))
    with call.loop("i", n) as i:
        test = math.truth(call.read(mask, i))
        with ev.collecting() as kept:
            place = math.as_index(call.value_of(number))
            call.write(target, place + before, call.read(source, i))
            one = math.number(1, "int32")
            call.write(number, _ZERO, math.binary("+", call.value_of(number), one, call.span))
        ev.emit(Branch(test, tuple(kept), (), call.span))
    count = math.convert(call.value_of(number), "uint32")
    if row.count == "header":
        call.write(call.seen_as(target, "uint32"), _ZERO, count)
    return count if row.count == "returned" else None


def _atomic(row: Atomic, call: Intrinsic) -> None:
    call.expect(3)
    target = call.vector(0, "GDRAM", dtypes=row.dtypes)
    source = call.vector(1, dtypes=row.dtypes)
    if target.dtype != source.dtype:
        call.refuse("both vectors are of one type")
    with call.loop("i", call.count(2)) as i:
        names = {"r": call.read(target, i), "a": call.read(source, i)}
        value = of_elements(call.ev, row.meaning, names, call.span)
        call.write(target, i, value, atomic=True)


HANDLERS: dict[str, Callable[[Intrinsic], Value | None]] = {
    **{row.name: partial(_fold, row) for row in FOLDS},
    **{row.name: partial(_extreme, row) for row in EXTREMES},
    **{row.name: partial(_packing, row) for row in PACKINGS},
    **{row.name: partial(_atomic, row) for row in ATOMICS},
}
