"""What the lanes of a warp, or the threads of a block, find out together: votes, matches, sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, Span
from xpiler_tvm.tir import Expr

from ..partial_eval.bits import as_bits
from ..values import BITS, Number, Value, range_of
from .calling import Handler, Invocation, extremum, fold, local_copy
from .warp import Warp, all_lanes, mask_dtype, mask_of, shown, together, warp_of

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

Combine = Callable[[Number, Number], Number]


def take_part(ev: Calls, mask: Number | None, warp: Warp, lane: Expr) -> Expr | None:
    """The condition that a lane of the mask is there; `None` where all are."""
    tests = []
    if not warp.whole:
        tests.append(lane < warp.existing)
    if mask is not None and ev.math.known(mask.expr) != (1 << warp.size) - 1:
        tests.append(tirx.NE(bit_of(ev, mask, lane), tir.const(0, mask.dtype)))
    return tir.conjunction(tests) if tests else None


def bit_of(ev: Calls, mask: Number, lane: Expr) -> Expr:
    """Bit `lane` of a mask, in the mask's type."""
    word = ev.math._as(mask.expr, mask.dtype)
    moved = tirx.shift_right(word, tirx.Cast(mask.dtype, lane))
    return tirx.bitwise_and(moved, tir.const(1, mask.dtype))


def over_lanes(
    call: Invocation,
    values: list[Number],
    mask: Number | None,
    start: Number,
    combine: Callable[[Number, list[Number], Expr], Number],
    *,
    end: Expr | None = None,
    size: int = 0,
) -> Number:
    """What `combine(so far, a lane's values, lane)` makes of the lanes that take part, in order.

    Only those below `end`, where it is given; in parts of the warp of so many lanes.
    """
    ev, span = call.ev, call.span
    together(call, all_lanes(ev) if size and mask is None else mask, size)
    warp = warp_of(ev, size)
    see = shown(ev, values, span)

    def step(so_far: Number, lane: Expr) -> Number:
        found = combine(so_far, see(ev.math.simplify(warp.first + lane)), lane)
        there = take_part(ev, mask, warp, lane)
        if end is not None:
            below = lane < end
            there = below if there is None else tirx.And(there, below)
        if there is None:
            return found
        chosen = tirx.if_then_else(there, _plain(ev, found), _plain(ev, so_far))
        return Number(chosen, so_far.dtype)

    return fold(ev, start, min(warp.size, ev.ids.size), step, span)


def _plain(ev: Calls, number: Number) -> Expr:
    return ev.math._as(number.expr, number.dtype)


def _or(ev: Calls, left: Number, right: Expr) -> Number:
    return Number(tirx.bitwise_or(_plain(ev, left), right), left.dtype)


def _bit_at(dtype: str, lane: Expr, test: Expr) -> Expr:
    """A mask of one lane where `test` holds."""
    return tirx.shift_left(tirx.Cast(dtype, test), tirx.Cast(dtype, lane))


# ---------------------------------------------------------------- votes


def predicate(ev: Calls, value: Value) -> Number:
    """What a parameter `int predicate` says of a value, as 0 or 1."""
    if isinstance(value, Number) and value.is_float:
        value = ev.math.convert(value, "int32")
    return ev.math.convert(Number(ev.math.truth(value), "bool"), "int32")


def ballot(call: Invocation, mask: Number | None, value: Value, size: int = 0) -> Number:
    """The lanes whose predicate holds."""
    dtype = mask_dtype(call.ev)

    def combine(so_far: Number, one: list[Number], lane: Expr) -> Number:
        yes = tirx.NE(one[0].expr, tir.const(0, "int32"))
        return _or(call.ev, so_far, _bit_at(dtype, lane, yes))

    start = call.math.number(0, dtype)
    return over_lanes(call, [predicate(call.ev, value)], mask, start, combine, size=size)


def any_of(call: Invocation, mask: Number | None, value: Value, size: int = 0) -> Number:
    return _extreme(call, mask, value, "max", size)


def all_of(call: Invocation, mask: Number | None, value: Value, size: int = 0) -> Number:
    return _extreme(call, mask, value, "min", size)


def _extreme(call: Invocation, mask: Number | None, value: Value, kind: str, size: int) -> Number:
    start = call.math.number(0 if kind == "max" else 1, "int32")
    return over_lanes(
        call,
        [predicate(call.ev, value)],
        mask,
        start,
        lambda so_far, one, _: extremum(call.math, kind, so_far, one[0]),
        size=size,
    )


def _uniform(call: Invocation, mask: Number | None, value: Value, size: int = 0) -> Number:
    """Whether all predicates are alike."""
    some, every = any_of(call, mask, value, size), all_of(call, mask, value, size)
    return Number(tirx.Cast("int32", tirx.EQ(some.expr, every.expr)), "int32")


Vote = Callable[..., Number]
"""A vote among the lanes of a mask, or of parts of the warp of a size, by a value."""

VOTES: dict[str, Vote] = {"ballot": ballot, "any": any_of, "all": all_of, "uni": _uniform}


def _vote(vote: Vote) -> Handler:
    def handler(call: Invocation) -> Value:
        if call.name.endswith("_sync"):
            return vote(call, mask_of(call), call.args[1])
        return vote(call, None, call.args[0])

    return handler


def active(call: Invocation) -> Number:
    """The lanes that are here, which must be all of the warp."""
    ev = call.ev
    together(call)
    warp = warp_of(ev)
    if warp.whole:
        return all_lanes(ev)
    dtype = mask_dtype(ev)
    count = tirx.Cast(dtype, warp.existing)
    if warp.size == 32:
        one = tir.const(1, "int64")
        lanes = tirx.shift_left(one, tirx.Cast("int64", warp.existing)) - one
        return Number(tirx.Cast(dtype, lanes), dtype)
    ones = tir.const((1 << 64) - 1, dtype)
    return Number(tirx.shift_right(ones, tir.const(64, dtype) - count), dtype)


# ---------------------------------------------------------------- matches


def matches(call: Invocation, mask: Number | None, value: Number, size: int = 0) -> Number:
    """The lanes that hold the same bits; smaller integers are compared as int."""
    ev, dtype = call.ev, mask_dtype(call.ev)
    wide = value if BITS[value.dtype] >= 32 else call.math.convert(value, "int32")
    word = f"uint{BITS[wide.dtype]}"
    bits = local_copy(ev, Number(as_bits(_plain(ev, wide), wide.dtype), word), "own", call.span)

    def combine(so_far: Number, one: list[Number], lane: Expr) -> Number:
        return _or(ev, so_far, _bit_at(dtype, lane, tirx.EQ(one[0].expr, bits.expr)))

    return over_lanes(call, [bits], mask, call.math.number(0, dtype), combine, size=size)


def taking_part(call: Invocation, mask: Number | None) -> Number:
    """The lanes of the mask that are there."""
    there = active(call)
    return there if mask is None else call.math.binary("&", there, mask, call.span)


def _match_any(call: Invocation) -> Value:
    if call.name.endswith("_sync"):
        return matches(call, mask_of(call), call.number(1))
    return matches(call, None, call.number(0))


def _match_all(call: Invocation) -> Value:
    ev, mask = call.ev, mask_of(call)
    same = matches(call, mask, call.number(1))
    everyone = taking_part(call, mask)
    every = tirx.EQ(_plain(ev, same), _plain(ev, everyone))
    ev.store(call.address(2), Number(tirx.Cast("int32", every), "int32"), call.span)
    return Number(tirx.if_then_else(every, _plain(ev, same), tir.const(0, same.dtype)), same.dtype)


# ---------------------------------------------------------------- reductions


def operation(ev: Calls, op: str, span: Span) -> Combine:
    """`add`, `min`, `max`, `and`, `or`, `xor` of two numbers of one type."""
    if op in ("min", "max"):
        return lambda a, b: ev.math.convert(extremum(ev.math, op, a, b), a.dtype)
    sign = {"add": "+", "and": "&", "or": "|", "xor": "^"}[op]
    return lambda a, b: ev.math.convert(ev.math.binary(sign, a, b, span), a.dtype)


def neutral(ev: Calls, op: str, dtype: str) -> Number:
    """What changes no operand of an operation. No sum is -0, as none of lanes is expected to be."""
    if op in ("add", "or", "xor"):
        return ev.math.number(0, dtype)
    if "float" in dtype:
        return ev.math.number(float("inf") if op == "min" else float("-inf"), dtype)
    low, high = range_of(dtype)
    if op == "and":
        return ev.math.number(high if dtype.startswith("u") else -1, dtype)
    return ev.math.number(high if op == "min" else low, dtype)


def reduced(
    call: Invocation,
    op: str,
    mask: Number | None,
    value: Number,
    *,
    end: Expr | None = None,
    size: int = 0,
) -> Number:
    """The values of the lanes combined in their order; of those below `end` alone."""
    combine = operation(call.ev, op, call.span)
    start = neutral(call.ev, op, value.dtype)
    return over_lanes(
        call, [value], mask, start, lambda a, b, _: combine(a, b[0]), end=end, size=size
    )


def _reduce(call: Invocation) -> Value:
    op = call.name.removeprefix("__reduce_").removesuffix("_sync")
    return reduced(call, op, mask_of(call), call.number(1))


# ---------------------------------------------------------------- the block's


def _barrier_vote(call: Invocation) -> Value:
    """`__syncthreads_{count,and,or}`: how many predicates of the block hold; whether all, any."""
    ev, span = call.ev, call.span
    threads = [var for var, _ in ev.ids.threads]
    if any(tir.uses(test, threads) for test in ev.path):
        raise LiftError(
            "XP2001",
            f"not every thread of the block reaches {call.name!r}",
            span=span,
            hint="move the call out of the branch",
        )
    see = shown(ev, [predicate(ev, call.args[0])], span, block=True)
    form = call.name.rpartition("_")[2]
    op = {"count": "add", "and": "min", "or": "max"}[form]
    start = ev.math.number(1 if form == "and" else 0, "int32")
    combine = operation(ev, op, span)
    return fold(ev, start, ev.ids.size, lambda a, thread: combine(a, see(thread)[0]), span)


def _lane_id(call: Invocation) -> Value:
    return Number(warp_of(call.ev).lane, "uint32")


HANDLERS: dict[str, Handler] = {
    **{f"__{name}{sync}": _vote(vote) for name, vote in VOTES.items() for sync in ("", "_sync")},
    **{f"__reduce_{op}_sync": _reduce for op in ("add", "min", "max", "and", "or", "xor")},
    **{f"__syncthreads_{form}": _barrier_vote for form in ("count", "and", "or")},
    "__activemask": active,
    "__match_any": _match_any,
    "__match_any_sync": _match_any,
    "__match_all_sync": _match_all,
    "__lane_id": _lane_id,
}
