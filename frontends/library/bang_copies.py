"""BANG C's copies between memories, and its fills."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang import (
    DIRECTIONS,
    FILLS,
    MAX_SEGMENTS,
    NO_PLAIN_COPY,
    NO_STRIDED_COPY,
    Fill,
    spaces,
)
from xpiler_tvm.tir import Expr

from ..arenas import Arena
from ..bang_declarations import COPIES
from ..partial_eval.on_chip import in_cluster
from ..values import BITS, Address, Number, unit_of
from .bang_calls import Intrinsic, Vector, dtype_of
from .bang_lanes import note_copy

_PLAIN, _STRIDED, _CUBE = 4, 7, 12
"""How many arguments a copy in one, two and three dimensions has, without a cluster."""


def _copy(call: Intrinsic) -> None:
    """`(dst, src, bytes, direction[, dst_stride, src_stride, segments])` and, in three dimensions,
    both strides and counts of each side; counts are less one. A cluster may follow."""
    given = len(call.args)
    forms = (_PLAIN, _STRIDED, _CUBE)
    if given not in forms and given - 1 not in forms:
        call.refuse(f"{given} arguments are those of no copy")
    form = given if given in forms else given - 1
    direction = call.ev.math.known(call.number(3).expr)
    if direction is None or not 0 <= direction < len(DIRECTIONS):
        call.refuse("the direction must be a constant")
    name = DIRECTIONS[direction]
    forbidden = NO_PLAIN_COPY if form == _PLAIN else NO_STRIDED_COPY
    if name in forbidden:
        call.refuse(f"there are no {name} copies {'without' if form == _PLAIN else 'with'} strides")
    source_space, target_space = spaces(name)
    target, source = call.address(0), call.address(1)
    call.require_space(target, target_space, "the destination")
    call.require_space(source, source_space, "the source")
    if given > form:
        if name != "SRAM2SRAM":
            call.refuse("only copies from SRAM to SRAM name a cluster")
        target = _in_other_cluster(call, target, call.integer(form).expr)
    size = call.count(2)
    steps = [call.integer(position).expr for position in range(4, form)]
    if form == _STRIDED:
        to_stride, from_stride, count = steps
        steps = [to_stride, count, *_NONE, from_stride, count, *_NONE]
    sides = (_Side(target, steps[:4]), _Side(source, steps[4:]))
    for side in sides:
        for count in side.counts:
            low, high = call.ev.math.bounds(count)
            if high < 0 or low >= MAX_SEGMENTS:
                call.refuse(f"{low} segments less one are outside 0 to {MAX_SEGMENTS - 1}")
    if target_space == "WRAM":
        note_copy(call, target, sides[0].strides[0], sides[0].counts[0])
    dtype = _element_type(call, *sides, size)
    _move(call, *sides, size, dtype)


_NONE = (tir.const(0, "int32"), tir.const(0, "int32"))


class _Side:
    """One side of a copy: `strides` in bytes and `counts` less one, of the inner and outer loop."""

    def __init__(self, address: Address, steps: list[Expr]) -> None:
        self.address = address
        self.strides = tuple(steps[0::2]) or _NONE
        self.counts = tuple(steps[1::2]) or _NONE

    def segment(self, number: Expr) -> tuple[Expr, Expr]:
        """Where the loops are at a segment, which are numbered from 0."""
        inner = self.counts[0] + 1
        return tirx.floormod(number, inner), tirx.floordiv(number, inner)

    def place(self, inner: Expr, outer: Expr) -> Expr:
        """Bytes from the first segment to another one."""
        return inner * self.strides[0] + outer * self.strides[1]


def _in_other_cluster(call: Intrinsic, address: Address, cluster: Expr) -> Address:
    own = in_cluster(call.ev, address, None, call.span)
    start = Address(address.buffer, address.offset * 2 - own.offset, address.of)
    return in_cluster(call.ev, start, cluster, call.span)


def _element_type(call: Intrinsic, target: _Side, source: _Side, size: Expr) -> str:
    """What is copied: elements of a side whose type is certain, else what the pointers say.

    Bytes where sizes and strides are none of whole elements.
    """
    found = [_held(call, side.address) for side in (target, source)]
    found += [dtype_of(side.address.of) for side in (target, source)]
    for dtype in found:
        if dtype is not None and dtype != "int4" and dtype not in ("int8", "uint8"):
            sizes = [size, *target.strides, *source.strides]
            if all(_divides(call, BITS[dtype] // 8, one) for one in sizes):
                return dtype
    return "int8"


def _held(call: Intrinsic, address: Address) -> str | None:
    """The type of the elements of the memory itself, where it has one."""
    memory = address.buffer
    if not isinstance(memory, Arena):
        return str(memory.dtype)
    low, _ = call.ev.math.bounds(address.offset)
    found = memory.find(low, low) if memory.stride == memory.size else None
    return None if found is None else str(found[1].dtype)


def _divides(call: Intrinsic, unit: int, amount: Expr) -> bool:
    return bool(call.ev.analyzer.can_prove(tirx.EQ(tirx.floormod(amount, unit), 0)))


def _move(call: Intrinsic, target: _Side, source: _Side, size: Expr, dtype: str) -> None:
    math, unit = call.ev.math, BITS[dtype] // 8
    same = all(
        math.known(one - other) == 0
        for one, other in zip(target.counts, source.counts, strict=True)
    )
    count = math.simplify(tirx.floordiv(size, unit))
    to, start = Vector(target.address, dtype), Vector(source.address, dtype)
    backwards = _backwards(call, target, source, size)
    if same:
        outer, inner = (math.simplify(one + 1) for one in reversed(target.counts))
    else:  # the k-th segment of the source goes to the k-th of the destination
        total = (target.counts[0] + 1) * (target.counts[1] + 1)
        outer, inner = tir.const(1, "int32"), math.simplify(total)
    with call.loop("r", outer) as o, call.loop("r", inner) as i, call.loop("i", count) as e:
        segments = [(i, o) if same else side.segment(i) for side in (target, source)]
        at = math.simplify(count - 1 - e) if backwards else e
        places = [
            math.simplify(tirx.floordiv(side.place(*segment), unit) + at)
            for side, segment in zip((target, source), segments, strict=True)
        ]
        call.ev.store(
            call.moved(to, places[0]).address,
            call.ev.load(call.moved(start, places[1]).address, call.span),
            call.span,
        )


def _backwards(call: Intrinsic, target: _Side, source: _Side, size: Expr) -> bool:
    """Whether a segment is copied from its end, as it overlaps what lies before its target."""
    one, other = target.address, source.address
    if one.buffer is not other.buffer:
        return False
    unit, analyzer = unit_of(one.buffer), call.ev.analyzer
    apart = call.ev.math.simplify((one.offset - other.offset) * unit)
    alone = all(call.ev.math.known(count) == 0 for count in (*target.counts, *source.counts))
    if not alone:
        extents = [_extent(side, size) for side in (target, source)]
        if analyzer.can_prove(tirx.Or(apart >= extents[1], -apart >= extents[0])):
            return False
        call.refuse_unread("segments that may overlap are not read")
    if analyzer.can_prove(tirx.Or(apart <= 0, apart >= size)):
        return False
    if analyzer.can_prove(apart >= 0):
        return True
    call.refuse_unread("whether the operands overlap is not known")


def _extent(side: _Side, size: Expr) -> Expr:
    """Bytes from the first to the last, of strides that are not negative."""
    return side.place(*side.counts) + size


# ---------------------------------------------------------------- fills


def _fill(row: Fill, call: Intrinsic) -> None:
    target = call.address(0)
    call.require_space(target, row.space, "the destination")
    n = call.count(1)
    own = dtype_of(target.of)
    if row.zero:
        call.expect(2)
        if own is None:
            call.refuse("the destination's type is no element type")
        _store(call, Vector(target, own), n, call.ev.math.number(0, "int32"))
        return
    call.expect(*((3, 7) if row.strided else (3, 3)))
    if len(call.args) not in (3, 7):
        call.refuse(f"{len(call.args)} arguments are those of no fill")
    value = call.number(2)
    dtype = value.dtype
    if dtype == "float64":
        if call.strict:
            call.refuse("there are no vectors of double; cast the value")
        dtype = own or "float32"
    if BITS[dtype] > 32:
        call.refuse("the value's type is no element type")
    value = call.ev.math.convert(value, dtype)
    if own in BITS and BITS[own] == BITS[dtype] and call.ev.math.known(value.expr) == 0:
        dtype, value = own, call.ev.math.number(0, own)  # the same bits
    filled = Vector(target, dtype)
    held = call.scalar(2, dtype, filled) if tir.has_load(value.expr) else value
    steps = [call.integer(position).expr for position in range(3, len(call.args))]
    unit = BITS[dtype] // 8
    if any(not _divides(call, unit, stride) for stride in steps[0::2]):
        call.refuse_unread("a stride that is no multiple of the elements' size is not read")
    stride0, count1, stride1, count2 = steps or (*_NONE, *_NONE)
    with (
        call.loop("r", call.ev.math.simplify(count2 + 1)) as outer,
        call.loop("r", call.ev.math.simplify(count1 + 1)) as inner,
    ):
        start = tirx.floordiv(inner * stride0 + outer * stride1, unit)
        _store(call, call.moved(filled, call.ev.math.simplify(start)), n, held)


def _store(call: Intrinsic, target: Vector, n: Expr, value: Number) -> None:
    if target.dtype == "int4":
        call.refuse("two int4 share a byte: there is no fill of them")
    with call.loop("i", n) as i:
        call.write(target, i, value)


HANDLERS: dict[str, Callable[[Intrinsic], None]] = {
    **dict.fromkeys(COPIES, _copy),
    **{row.name: partial(_fill, row) for row in FILLS},
}
