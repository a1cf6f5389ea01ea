"""The lanes of a warp: which of them meet at a call, and what they show each other.

__shfl_down_sync(m, v, 4)  ->  barrier of the warp; lanes[thread] = v; barrier of the warp;
                               lane = lanes[the thread of the lane that is read]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tvm import tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.dialects import warp as lanes_of
from xpiler_tvm.dialects.warp import Form, shuffle_source
from xpiler_tvm.errors import LiftError, Span
from xpiler_tvm.tir import Expr

from ..arithmetic import Arithmetic
from ..program import Store
from ..values import BITS, Number, Value
from .calling import Handler, Invocation, leaves, local_copy, rebuilt

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

Shown = Callable[[Expr], list[Number]]
"""What the thread of a number showed."""


@dataclass(frozen=True, eq=False)
class Warp:
    """The warp of the thread that is read, or a part of it: the `first` thread, and the `lane` of
    this one.

    Of its `size` lanes `existing` are threads of the block.
    """

    size: int
    first: Expr
    lane: Expr
    existing: Expr

    @property
    def whole(self) -> bool:
        """Whether every lane is a thread."""
        return tir.as_const(self.existing) == self.size


def warp_of(ev: Calls, size: int = 0) -> Warp:
    """The warp, or the `size` lanes around this thread that start at a multiple of `size`."""
    size, linear = size or ev.ids.warp, ev.ids.linear
    lane = ev.math.simplify(tirx.floormod(linear, tir.const(size, "int32")))
    first = ev.math.simplify(tirx.floordiv(linear, size) * size)
    left = tir.const(ev.ids.size, "int32") - first
    existing = ev.math.simplify(tirx.min(left, tir.const(size, "int32")))
    if ev.ids.size % size == 0:
        existing = tir.const(size, "int32")
    return Warp(size, first, lane, existing)


# ---------------------------------------------------------------- who takes part


def mask_of(call: Invocation, position: int = 0) -> Number:
    """A lane mask as the dialect's masks are; all ones stay all lanes in a wider one."""
    given = call.number(position)
    bits = call.ev.ids.warp
    known = call.math.known(given.expr)
    if known == -1 or (known == 0xFFFFFFFF and BITS[given.dtype] == 32):
        known = (1 << bits) - 1
    dtype = mask_dtype(call.ev)
    return call.math.convert(given, dtype) if known is None else call.math.number(known, dtype)


def mask_dtype(ev: Calls) -> str:
    return "uint64" if ev.source.dialect == "hip" else "uint32"


def all_lanes(ev: Calls) -> Number:
    return ev.math.number((1 << ev.ids.warp) - 1, mask_dtype(ev))


def together(call: Invocation, mask: Number | None = None, size: int = 0) -> None:
    """Refuses a call that not all lanes of the warp are proved to reach, or none of `mask`.

    With a `size`, lanes have to meet in parts of so many.

    A mask promises that its lanes come: what is decided by a thread's own variables is taken to
    keep that promise. Without one, the lanes that come are part of the meaning.

    Raises `LiftError` XP2001.
    """
    ev = call.ev
    known = None if mask is None else ev.math.known(mask.expr)
    if mask is not None and known is None:
        return
    size = size or ev.ids.warp
    taking = [lane for lane in range(size) if known is None or known >> lane & 1]
    for test in ev.path:
        if mask is not None and _rests_on_locals(test):
            ev.math.assumptions.add(AGREED)
            continue
        if not _agree(ev, test, taking, size):
            raise LiftError(
                "XP2001",
                f"the lanes of a warp part here, and not all of them reach {call.name!r}",
                span=call.span,
                hint="move the call out of the branch, or name the lanes that take part in its "
                "mask",
            )


AGREED = "the lanes of a warp agree on the data that decides whether they meet"


def _rests_on_locals(test: Expr) -> bool:
    return any(load.source.scope() == "local" for load in tir.loads(test))


def _agree(ev: Calls, test: Expr, taking: list[int], size: int) -> bool:
    """Whether a condition is the same for the lanes `taking` part, in every warp of a `size`."""
    if _rests_on_locals(test):
        return False
    threads = [var for var, _ in ev.ids.threads]
    if not tir.uses(test, threads):
        return True
    warp, lane = tirx.Var("warp", "int32"), tirx.Var("lane", "int32")
    ev.analyzer.bind(warp, Range(0, -(-ev.ids.size // size)))
    ev.analyzer.bind(lane, Range(0, min(size, ev.ids.size)))
    linear: Expr = warp * size + lane
    places = {}
    for var, extent in ev.ids.threads:
        places[var] = ev.math.simplify(tirx.floormod(linear, extent))
        linear = tirx.floordiv(linear, extent)
    by_lane = ev.math.simplify(tir.substitute(test, places))
    if not tir.uses(by_lane, [lane]):
        return True
    found = [
        ev.math.simplify(tir.substitute(by_lane, {lane: tir.const(number, "int32")}))
        for number in taking
        if number < ev.ids.size
    ]
    return all(tir.same(one, found[0]) for one in found)


# ---------------------------------------------------------------- what is shown


def shown(ev: Calls, values: list[Number], span: Span, block: bool = False) -> Shown:
    """Lets all threads of the warp (the `block`) see each other's values.

    They pass through block-wide arrays between two barriers: what is made of them has to be
    stored before the next such call.
    """
    warp = ev.ids.warp
    extent = -(-ev.ids.size // warp) * warp
    buffers = []
    for slot, value in enumerate(values):
        key = f"lanes_{value.dtype}" + (f"_{slot}" if slot else "")
        if key not in ev.scratch:
            ev.scratch[key] = ev.buffer(key, value.dtype, extent, "shared")
        buffers.append(ev.scratch[key])
    ev.barrier(span, warp=not block, lanes=None if block else 1)
    for buffer, value in zip(buffers, values, strict=True):
        ev.emit(Store(buffer, ev.ids.linear, ev.math._as(value.expr, value.dtype), span))
    ev.barrier(span, warp=not block, lanes=None if block else 1)
    return lambda thread: [
        Number(buffer[thread], value.dtype) for buffer, value in zip(buffers, values, strict=True)
    ]


def pulled(ev: Calls, value: Value, lane: Expr, span: Span) -> Value:
    """`value` as the lane of a number has it."""
    see = shown(ev, leaves(ev, value, span), span)
    thread = ev.math.simplify(ev.ids.linear - warp_of(ev).lane + lane)
    copies = [local_copy(ev, number, "lane", span) for number in see(thread)]
    return rebuilt(ev, value, copies, span)


# ---------------------------------------------------------------- shuffles


def lane_arithmetic(math: Arithmetic) -> lanes_of.Arithmetic:
    """Lanes computed as expressions."""
    return lanes_of.Arithmetic(
        remainder=tirx.floormod,
        xor=lambda a, b: math._bitwise("^", a, b, "int32").expr,
        select=tirx.Select,
        less=tirx.LT,
    )


def shuffled(call: Invocation, form: Form, value: Value, by: Number, width: int) -> Value:
    """What a shuffle of that form gives in segments of `width` lanes."""
    ev = call.ev
    shift = ev.math.as_index(ev.math.convert(by, "int32"))
    size = tir.const(width, "int32")
    source = shuffle_source(form, warp_of(ev).lane, shift, size, lane_arithmetic(ev.math))
    return pulled(ev, value, ev.math.simplify(source), call.span)


def _shuffle(call: Invocation) -> Value:
    """`__shfl{,_up,_down,_xor}{,_sync}`: the value of another lane, or one's own outside."""
    synced = call.name.endswith("_sync")
    together(call, mask_of(call) if synced else None)
    form = cast(Form, call.name.removesuffix("_sync").removeprefix("__shfl").lstrip("_"))
    at = 1 if synced else 0
    width = call.ev.ids.warp
    if len(call.args) > at + 2:
        width = call.constant(at + 2, "a shuffle's width") or width
    return shuffled(call, form, call.args[at], call.number(at + 1), width)


HANDLERS: dict[str, Handler] = {
    f"__shfl{form}{sync}": _shuffle
    for form in ("", "_up", "_down", "_xor")
    for sync in ("", "_sync")
}
