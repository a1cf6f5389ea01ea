"""Clang's builtins for AMD's processors: lanes that read each other, bits, fast arithmetic.

Which lane is read under a DPP control or a swizzle is what `dialects.warp` says, as an expression.
"""

from __future__ import annotations

import math as exact
from collections.abc import Callable
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.warp import ROW, dpp_source
from xpiler_tvm.tir import Expr

from .. import ir
from ..partial_eval.bits import part_of
from ..values import Lanes, Nothing, Number, Record, Value
from . import headers, packed, votes
from .calling import Handler, Invocation, extremum, local_copy
from .mathematics import simple
from .warp import pulled, together, warp_of

_PREFIX = "__builtin_amdgcn_"


def _int(value: int) -> Expr:
    return tir.const(value, "int32")


def _id(name: str, axis: str) -> Handler:
    def handler(call: Invocation) -> Value:
        record = call.ev.ids.names[name]
        assert isinstance(record, Record)
        return record.fields[axis]

    return handler


def _grid_size(axis: str) -> Handler:
    def handler(call: Invocation) -> Value:
        blocks, threads = (_id(name, axis)(call) for name in ("gridDim", "blockDim"))
        assert isinstance(blocks, Number) and isinstance(threads, Number)
        return call.math.binary("*", blocks, threads, call.span)

    return handler


def _nothing(call: Invocation) -> Value:
    return Nothing()


def _barrier(warp: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        if warp:
            together(call)
        call.ev.barrier(call.span, warp=warp)
        return Nothing()

    return handler


# ---------------------------------------------------------------- lanes


def _lane(call: Invocation) -> Expr:
    return warp_of(call.ev).lane


def _read_first_lane(call: Invocation) -> Value:
    together(call)
    return pulled(call.ev, call.args[0], _int(0), call.span)


def _wrapped(call: Invocation, lane: Number, shift: int = 0) -> Expr:
    """A lane's number modulo the lanes; of a byte address that of its word."""
    index = call.math._as(call.math.convert(lane, "int32").expr, "int32")
    if shift:
        index = tirx.shift_right(index, _int(shift))
    return call.math.simplify(tirx.floormod(index, _int(call.ev.ids.warp)))


def _read_lane(call: Invocation) -> Value:
    together(call)
    return pulled(call.ev, call.args[0], _wrapped(call, call.number(1)), call.span)


def _permute_backward(call: Invocation) -> Value:
    """`ds_bpermute`: each lane reads the one that its address says."""
    together(call)
    source = _wrapped(call, call.number(0), shift=2)
    return pulled(call.ev, call.number(1, "int32"), source, call.span)


def _permute(call: Invocation) -> Value:
    """`ds_permute`: each lane sends its value; of several the highest one's arrives, else zero."""
    to = Number(_wrapped(call, call.number(0), shift=2), "int32")
    own = local_copy(call.ev, Number(_lane(call), "int32"), "own", call.span).expr

    def combine(so_far: Number, sent: list[Number], lane: Expr) -> Number:
        arrives = tirx.EQ(sent[0].expr, own)
        return Number(tirx.if_then_else(arrives, sent[1].expr, so_far.expr), "int32")

    values = [to, call.number(1, "int32")]
    return votes.over_lanes(call, values, None, call.math.number(0, "int32"), combine)


def _swizzle(call: Invocation) -> Value:
    together(call)
    pattern, lane = call.constant(1, "the pattern of a swizzle"), _lane(call)
    if pattern & 0x8000:
        source = _quad(pattern, lane)
    else:
        keep, ones, flip = (_int(pattern >> at & 31) for at in (0, 5, 10))
        place = tirx.bitwise_or(tirx.bitwise_and(tirx.floormod(lane, 32), keep), ones)
        source = tirx.floordiv(lane, 32) * 32 + tirx.bitwise_xor(place, flip)
    return pulled(call.ev, call.number(0, "int32"), call.math.simplify(source), call.span)


def _quad(pattern: int, lane: Expr) -> Expr:
    """Each four lanes permuted by two bits of the pattern each."""
    chosen = tirx.shift_right(_int(pattern & 0xFF), tirx.floormod(lane, 4) * 2)
    return tirx.floordiv(lane, 4) * 4 + tirx.bitwise_and(chosen, _int(3))


def _dpp(control: int, lane: Expr, lanes: int) -> tuple[Expr, Expr | None]:
    """The lane that is read under a DPP control, and whether there is one."""
    dpp_source(control, 0, lanes)  # raises ValueError where the device has no such control
    row, place, amount = tirx.floordiv(lane, ROW) * ROW, tirx.floormod(lane, ROW), control % ROW
    if control <= 0xFF:
        return _quad(control, lane), None
    family = control >> 4
    if family == 0x10:
        return lane + amount, place + amount < ROW
    if family == 0x11:
        return lane - amount, place >= amount
    if family == 0x12:
        return row + tirx.floormod(place + (ROW - amount), ROW), None
    if family == 0x15:
        return row + amount, None
    others: dict[int, tuple[Expr, Expr | None]] = {
        0x130: (lane + 1, lane + 1 < lanes),
        0x134: (tirx.floormod(lane + 1, lanes), None),
        0x138: (lane - 1, lane >= 1),
        0x13C: (tirx.floormod(lane + (lanes - 1), lanes), None),
        0x140: (row + (ROW - 1) - place, None),
        0x141: (tirx.floordiv(lane, 8) * 8 + 7 - tirx.floormod(lane, 8), None),
        0x142: (row - 1, row >= 1),
        0x143: (_int(31), lane >= 32),
    }
    return others[control]


def _update_dpp(call: Invocation) -> Value:
    return _moved(call, call.number(0), call.number(1), 2)


def _move_dpp(call: Invocation) -> Value:
    return _moved(call, None, call.number(0), 1)


def _moved(call: Invocation, old: Number | None, value: Number, at: int) -> Value:
    """Rows and banks outside their masks keep the old value; so does a lane that reads none, unless
    it is to get zero."""
    ev, lane = call.ev, _lane(call)
    together(call)
    control, rows, banks = (
        call.constant(at + number, what)
        for number, what in enumerate(("a DPP control", "a row mask", "a bank mask"))
    )
    zero = call.math.number(0, value.dtype)
    kept = zero if old is None else call.math.convert(old, value.dtype)
    kept_copy = ev.freeze(kept, call.span)
    assert isinstance(kept_copy, Number)
    try:
        source, there = _dpp(control, lane, ev.ids.warp)
    except ValueError as why:
        raise call.refused(str(why)) from None
    if there is not None:
        source = tirx.Select(there, source, lane)
    found = pulled(ev, value, call.math.simplify(source), call.span)
    assert isinstance(found, Number)
    missing = zero if call.constant(at + 3, "what missing lanes give") else kept_copy
    if there is not None:
        found = call.math.select(call.math.simplify(there), found, missing)
    written = [
        tirx.NE(tirx.bitwise_and(tirx.shift_right(_int(mask), place), _int(1)), _int(0))
        for mask, place in (
            (rows, tirx.floormod(tirx.floordiv(lane, ROW), 4)),
            (banks, tirx.floormod(tirx.floordiv(lane, 4), 4)),
        )
        if mask & 15 != 15
    ]
    if not written:
        return found
    return call.math.select(call.math.simplify(tir.conjunction(written)), found, kept_copy)


def _count_below(high: bool) -> Handler:
    """`mbcnt`: the bits of a mask's half that belong to lanes before this one, and a start."""

    def handler(call: Invocation) -> Value:
        lane = _lane(call) - 32 if high else _lane(call)
        below = tirx.max(tirx.min(lane, _int(32)), _int(0))
        ones = tirx.shift_left(tir.const(1, "int64"), tirx.Cast("int64", below))
        mask = tirx.Cast("uint32", ones - tir.const(1, "int64"))
        word = call.math._as(call.number(0, "uint32").expr, "uint32")
        count = tirx.Cast("int32", tirx.popcount(tirx.bitwise_and(word, mask)))
        return call.math.binary("+", call.number(1, "uint32"), Number(count, "uint32"), call.span)

    return handler


def _ballot(call: Invocation) -> Value:
    return votes.ballot(call, None, call.args[0])


def _active(half: int | None) -> Handler:
    def handler(call: Invocation) -> Value:
        lanes = votes.active(call)
        if half is None:
            return lanes
        word = part_of(call.math._as(lanes.expr, lanes.dtype), lanes.dtype, _int(half), "uint32")
        return Number(word, "uint32")

    return handler


# ---------------------------------------------------------------- arithmetic


def _unary(dtype: str, make: Callable[[Expr], Expr]) -> Handler:
    return lambda call: Number(make(simple(call, call.number(0, dtype)).expr), dtype)


def _one(dtype: str) -> Expr:
    return tir.const(1.0, dtype)


def _in_turns(make: Callable[[Expr], Expr]) -> Handler:
    """A function of an angle in turns."""

    def handler(call: Invocation) -> Value:
        angle = call.number(0, "float64").expr * tir.const(2.0, "float64")
        whole = Number(make(angle * tir.const(exact.pi, "float64")), "float64")
        return call.math.convert(whole, "float32")

    return handler


def _median(call: Invocation) -> Value:
    a, b, c = (simple(call, call.number(position, "float32")) for position in range(3))
    low, high = extremum(call.math, "min", a, b), extremum(call.math, "max", a, b)
    return extremum(call.math, "max", low, extremum(call.math, "min", high, c))


def _scaled(call: Invocation) -> Value:
    exponent = call.math._as(call.number(1, "int32").expr, "int32")
    return Number(tirx.ldexp(call.number(0, "float32").expr, exponent), "float32")


def _byte(number: int) -> Handler:
    def handler(call: Invocation) -> Value:
        word = call.math._as(call.number(0, "uint32").expr, "uint32")
        byte = Number(part_of(word, "uint32", _int(number), "uint8"), "uint8")
        return call.math.convert(byte, "float32")

    return handler


def _dot(bits: int, signed: bool) -> Handler:
    """Sums of products of the words' parts; they wrap, or stop at the ends of the range."""
    dtype = "int32" if signed else "uint32"

    def part(word: Expr, at: int) -> Expr:
        low = tirx.bitwise_and(
            tirx.shift_right(tirx.Cast("int64", word), tir.const(at, "int64")),
            tir.const((1 << bits) - 1, "int64"),
        )
        sign = tir.const(1 << bits - 1, "int64")
        return tirx.bitwise_xor(low, sign) - sign if signed else low

    def handler(call: Invocation) -> Value:
        clamped = call.constant(3, "whether a sum is clamped")
        if bits == 8 and not clamped:
            return packed.dot(call, call.number(2, dtype), "int8" if signed else "uint8")
        words = [
            call.math._as(simple(call, call.number(position, dtype)).expr, dtype)
            for position in range(2)
        ]
        total: Expr = tirx.Cast("int64", call.math._as(call.number(2, dtype).expr, dtype))
        for at in range(0, 32, bits):
            total = total + part(words[0], at) * part(words[1], at)
        if clamped:
            low, high = (-(1 << 31), (1 << 31) - 1) if signed else (0, (1 << 32) - 1)
            total = tirx.max(tirx.min(total, tir.const(high, "int64")), tir.const(low, "int64"))
        return call.math.convert(Number(total, "int64"), dtype)

    return handler


def _dot_of_halves(call: Invocation) -> Value:
    left, right = call.args[:2]
    if not isinstance(left, Lanes) or not isinstance(right, Lanes):
        raise call.refused("takes vectors of two halves")
    total: Any = call.number(2, "float64").expr
    products = [
        call.math.convert(left.lane(_int(lane)), "float64").expr
        * call.math.convert(right.lane(_int(lane)), "float64").expr
        for lane in range(2)
    ]
    value = Number(products[0] + products[1] + total, "float64")
    if call.constant(3, "whether a sum is clamped"):
        bounds = (call.math.number(bound, "float64") for bound in (0.0, 1.0))
        value = extremum(call.math, "max", value, next(bounds))
        value = extremum(call.math, "min", value, next(bounds))
    return call.math.convert(value, "float32")


def _from_header(name: str, order: tuple[int, ...], factor: int = 1) -> Handler:
    """A function of the headers with its arguments in another order."""

    def handler(call: Invocation) -> Value | None:
        numbers = [call.number(position, "uint32") for position in order]
        if factor > 1:
            three = call.math.number(3, "uint32")
            shift = call.math.binary("&", numbers[-1], three, call.span)
            eight = call.math.number(factor, "uint32")
            numbers[-1] = call.math.binary("*", shift, eight, call.span)
        args = tuple(ir.Evaluated(number, call.span) for number in numbers)
        return headers.call(
            call.ev, name, ir.Call(ir.Name(name, 0, call.span), args, (), call.span)
        )

    return handler


def _field(signed: bool) -> Handler:
    """`ubfe` and `sbfe`: `width` bits from `offset`."""

    def handler(call: Invocation) -> Value:
        word, offset, width = (
            tirx.Cast("int64", call.math._as(call.number(position, "uint32").expr, "uint32"))
            for position in range(3)
        )
        one, last = tir.const(1, "int64"), tir.const(31, "int64")
        size = tirx.bitwise_and(width, last)
        low = tirx.shift_right(word, tirx.bitwise_and(offset, last))
        bits = tirx.bitwise_and(low, tirx.shift_left(one, size) - one)
        if not signed:
            return call.math.convert(Number(bits, "int64"), "uint32")
        sign = tirx.shift_right(tirx.shift_left(one, size), one)
        return call.math.convert(Number(tirx.bitwise_xor(bits, sign) - sign, "int64"), "int32")

    return handler


def _no_form(call: Invocation) -> Value:
    raise call.refused("is not read: no other target has it")


_HINTS = (
    *("fence", "s_waitcnt", "s_setprio", "s_sleep", "sched_barrier", "sched_group_barrier"),
    *("iglp_opt", "s_nop", "s_inst_prefetch"),
)
_BUILTINS: dict[str, Handler] = {
    **{f"workitem_id_{axis}": _id("threadIdx", axis) for axis in "xyz"},
    **{f"workgroup_id_{axis}": _id("blockIdx", axis) for axis in "xyz"},
    **{f"workgroup_size_{axis}": _id("blockDim", axis) for axis in "xyz"},
    **{f"grid_size_{axis}": _grid_size(axis) for axis in "xyz"},
    "wavefrontsize": lambda call: call.math.number(call.ev.ids.warp, "uint32"),
    "s_barrier": _barrier(warp=False),
    "wave_barrier": _barrier(warp=True),
    **dict.fromkeys(_HINTS, _nothing),
    "readfirstlane": _read_first_lane,
    "readlane": _read_lane,
    "ds_bpermute": _permute_backward,
    "ds_permute": _permute,
    "ds_swizzle": _swizzle,
    "update_dpp": _update_dpp,
    "mov_dpp": _move_dpp,
    "mbcnt_lo": _count_below(high=False),
    "mbcnt_hi": _count_below(high=True),
    "ballot_w64": _ballot,
    "read_exec": _active(None),
    "read_exec_lo": _active(0),
    "read_exec_hi": _active(1),
    "rcpf": _unary("float32", lambda x: _one("float32") / x),
    "rcp": _unary("float64", lambda x: _one("float64") / x),
    "rsqf": _unary("float32", lambda x: _one("float32") / tirx.sqrt(x)),
    "rsq": _unary("float64", lambda x: _one("float64") / tirx.sqrt(x)),
    "sqrtf": _unary("float32", tirx.sqrt),
    "exp2f": _unary("float32", tirx.exp2),
    "logf": _unary("float32", tirx.log2),
    "sinf": _in_turns(tirx.sin),
    "cosf": _in_turns(tirx.cos),
    "fractf": _unary("float32", lambda x: x - tirx.floor(x)),
    "fmed3f": _median,
    "ldexpf": _scaled,
    "fdot2": _dot_of_halves,
    "sdot4": _dot(8, signed=True),
    "udot4": _dot(8, signed=False),
    "sdot8": _dot(4, signed=True),
    "udot8": _dot(4, signed=False),
    "alignbit": _from_header("__funnelshift_r", (1, 0, 2)),
    "alignbyte": _from_header("__funnelshift_r", (1, 0, 2), factor=8),
    "ubfe": _field(signed=False),
    "sbfe": _field(signed=True),
    **dict.fromkeys(("perm", "sad_u8", "cvt_pkrtz", "ballot_w32"), _no_form),
    **{f"cvt_f32_ubyte{number}": _byte(number) for number in range(4)},
}
HANDLERS: dict[str, Handler] = {_PREFIX + name: handler for name, handler in _BUILTINS.items()}
