"""Cooperative groups: the block, and tiles of a warp. HIP has the same.

A group is a value that says how many lanes it has; 0 is the whole block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.warp import Form
from xpiler_tvm.errors import ReadError
from xpiler_tvm.tir import Expr

from .. import ir
from ..program import Branch
from ..values import Address, Nothing, Number, Record, Value, size_of
from . import votes
from .calling import Handler, Invocation
from .matrix import counted
from .warp import all_lanes, shown, shuffled, together, warp_of

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

GROUPS = ("thread_block", "thread_block_tile", "thread_group", "coalesced_group")
_NUMBER = ir.Arithmetic("uint32")
_KIND = ir.Struct("thread_block_tile", (("lanes", _NUMBER), ("part", _NUMBER), ("parts", _NUMBER)))
_BLOCK = ir.Struct("thread_block", _KIND.fields)
_OPERATIONS = {
    "plus": "add",
    "less": "min",
    "greater": "max",
    "bit_and": "and",
    "bit_or": "or",
    "bit_xor": "xor",
}


def is_group(kind: ir.Type) -> bool:
    """Whether a class is a group's; its values are no objects in memory."""
    return isinstance(kind, ir.Struct) and kind.name in GROUPS and not kind.ident


def _group(ev: Calls, lanes: int, part: Expr, parts: int) -> Record:
    kind = _KIND if lanes else _BLOCK
    return Record(
        kind,
        {
            "lanes": ev.math.number(lanes, "uint32"),
            "part": Number(ev.math.simplify(part), "uint32"),
            "parts": ev.math.number(parts, "uint32"),
        },
    )


def _lanes(call: Invocation, position: int = 0) -> int:
    """The lanes of the group that an argument is; 0 for the block."""
    value = call.args[position]
    lanes = value.fields.get("lanes") if isinstance(value, Record) else None
    if not isinstance(lanes, Number):
        raise call.refused("takes a group here")
    known = call.math.known(lanes.expr)
    assert known is not None
    return known


def _tile(call: Invocation) -> int:
    lanes = _lanes(call)
    if not lanes:
        raise call.refused("is not read for a whole block")
    return lanes


# ---------------------------------------------------------------- making groups


def _this_block(call: Invocation) -> Value:
    return _group(call.ev, 0, tir.const(0, "int32"), 1)


def _this_thread(call: Invocation) -> Value:
    return _group(call.ev, 1, tir.const(0, "int32"), 1)


def _partition(call: Invocation) -> Value:
    """`tiled_partition<lanes>(parent)`, or `tiled_partition(parent, lanes)`."""
    ev, parent = call.ev, _lanes(call)
    given = call.expr.template_args
    if len(call.expr.args) > 1:
        lanes = call.constant(1, "the size of a tile")
    else:
        size = given[0] if given else None
        known = ev.math.known(ev.number(size).expr) if size is not None else None  # type: ignore[arg-type]
        if known is None:
            raise call.refused("needs the size of its tiles")
        lanes = known
    whole = parent or ev.ids.size
    if lanes < 1 or lanes & (lanes - 1) or lanes > min(parent or ev.ids.warp, ev.ids.warp):
        raise call.refused(f"makes tiles of a power of two of a warp's lanes, not of {lanes}")
    if ev.ids.size % lanes:
        raise call.refused(f"makes tiles of {lanes} lanes, into which the block does not fall")
    rank = warp_of(ev, parent).lane if parent else ev.ids.linear
    return _group(ev, lanes, tirx.floordiv(rank, tir.const(lanes, "int32")), -(-whole // lanes))


def _refused(why: str) -> Handler:
    def handler(call: Invocation) -> Value:
        raise ReadError("XP1009", f"{call.name!r}: {why}", span=call.span)

    return handler


# ---------------------------------------------------------------- what a group knows


def _rank(call: Invocation) -> Value:
    ev, lanes = call.ev, _lanes(call)
    return Number(warp_of(ev, lanes).lane if lanes else ev.ids.linear, "uint32")


def _size(call: Invocation) -> Value:
    return call.math.number(_lanes(call) or call.ev.ids.size, "uint32")


def _field(name: str) -> Handler:
    def handler(call: Invocation) -> Value:
        _tile(call)
        return cast(Record, call.args[0]).fields[name]

    return handler


def _named(name: str) -> Handler:
    return lambda call: call.ev.ids.names[name]


def _sync(call: Invocation) -> Value:
    lanes = _lanes(call)
    if lanes:
        together(call, all_lanes(call.ev), lanes)
    call.ev.barrier(call.span, warp=bool(lanes), lanes=lanes or None)
    return Nothing()


# ---------------------------------------------------------------- what its threads do together


def _shuffle(call: Invocation) -> Value:
    lanes = _tile(call)
    together(call, all_lanes(call.ev), lanes)
    form = cast(Form, call.name.rpartition("shfl")[2].lstrip("_"))
    return shuffled(call, form, call.args[1], call.number(2), lanes)


def _vote(vote: votes.Vote) -> Handler:
    return lambda call: vote(call, None, call.args[1], _tile(call))


def _match_any(call: Invocation) -> Value:
    return votes.matches(call, None, call.number(1), _tile(call))


def _match_all(call: Invocation) -> Value:
    """The lanes where all hold one value, else none; whether they do goes to the last argument."""
    ev, lanes = call.ev, _tile(call)
    same = votes.matches(call, None, call.number(1), lanes)
    everyone = tir.const((1 << lanes) - 1, same.dtype)
    every = tirx.EQ(ev.math._as(same.expr, same.dtype), everyone)
    truth = ev.freeze(Number(tirx.Cast("int32", every), "int32"), call.span)
    ev.assign(ev.place(call.expr.args[2]), truth, call.span)
    test = ev.math.truth(truth)
    return Number(tirx.Select(test, everyone, tir.const(0, same.dtype)), same.dtype)


def _combined(call: Invocation, end: Expr | None) -> Number:
    """The values of the lanes, or of those below `end`, combined in their order."""
    ev, lanes, value = call.ev, _tile(call), call.number(1)
    functor = call.args[2] if len(call.args) > 2 else None
    name = functor.kind.name if isinstance(functor, Record) and not functor.kind.ident else ""
    op = "add" if functor is None else _OPERATIONS.get(name)
    if op is not None:
        return votes.reduced(call, op, all_lanes(ev), value, end=end, size=lanes)
    assert functor is not None
    together(call, all_lanes(ev), lanes)
    span, group = call.span, warp_of(ev, lanes)
    see = shown(ev, [value], span)
    address = ev.allocate("total", ir.Arithmetic(value.dtype), span)
    ev.store(address, see(group.first)[0], span)

    def step(number: Expr) -> None:
        other = see(ev.math.simplify(group.first + number + 1))[0]
        operands = (ir.Evaluated(ev.load(address, span), span), ir.Evaluated(other, span))
        with ev.collecting() as body:
            found = ev._object_called(functor, ir.Call(call.expr.callee, operands, (), span))
            ev.store(address, found, span)
        if end is None:
            ev.out.extend(body)
        else:
            ev.emit(Branch(number + 1 < end, tuple(body), (), span))

    counted(ev, "i", lanes - 1, step, span)
    total = ev.load(address, span)
    assert isinstance(total, Number)
    return total


def _reduce(call: Invocation) -> Value:
    return _combined(call, None)


def _scan(inclusive: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        lane = warp_of(call.ev, _tile(call)).lane
        if inclusive:
            return _combined(call, lane + 1)
        total = _combined(call, lane)  # the lane of rank 0 gets zero
        zero = call.math.number(0, total.dtype)
        return call.math.select(tirx.EQ(lane, tir.const(0, "int32")), zero, total)

    return handler


def _copy(call: Invocation) -> Value:
    """`memcpy_async(group, to, from, bytes)`: done at once, element by element."""
    ev, span = call.ev, call.span
    to, start = call.address(1), call.address(2)
    size = size_of(to.of, span)
    elements = call.constant(3, "how many bytes are copied") // size
    threads = _lanes(call) or ev.ids.size
    rank = _rank(call)
    assert isinstance(rank, Number)

    def step(number: Expr) -> None:
        index = ev.math.simplify(number * threads + rank.expr)
        inside = index < elements
        with ev.collecting() as body, ev.assuming(inside):
            places = [_at(call, address, index) for address in (to, start)]
            ev.store(places[0], ev.load(places[1], span), span)
        known = ev.math.known(inside)
        if known is None:
            ev.emit(Branch(inside, tuple(body), (), span))
        elif known:
            ev.out.extend(body)

    counted(ev, "i", -(-elements // threads), step, span)
    return Nothing()


def _at(call: Invocation, address: Address, index: Expr) -> Address:
    return call.ev._moved(address, Number(index, "int32"), 1, call.span)


_LANES_TOGETHER = "which lanes are together is known only when it runs"
_METHODS: dict[str, Handler] = {
    "sync": _sync,
    "thread_rank": _rank,
    "size": _size,
    "num_threads": _size,
    "meta_group_rank": _field("part"),
    "meta_group_size": _field("parts"),
    "thread_index": _named("threadIdx"),
    "group_index": _named("blockIdx"),
    "dim_threads": _named("blockDim"),
    "group_dim": _named("blockDim"),
    **dict.fromkeys(("shfl", "shfl_up", "shfl_down", "shfl_xor"), _shuffle),
    "any": _vote(votes.any_of),
    "all": _vote(votes.all_of),
    "ballot": _vote(votes.ballot),
    "match_any": _match_any,
    "match_all": _match_all,
}
HANDLERS: dict[str, Handler] = {
    **{f"{group}::{name}": handler for group in GROUPS for name, handler in _METHODS.items()},
    "this_thread_block": _this_block,
    "this_thread": _this_thread,
    "tiled_partition": _partition,
    "sync": _sync,
    "thread_rank": _rank,
    "group_size": _size,
    "reduce": _reduce,
    "inclusive_scan": _scan(inclusive=True),
    "exclusive_scan": _scan(inclusive=False),
    "memcpy_async": _copy,
    "wait": _sync,
    "wait_prior": _sync,
    **dict.fromkeys(
        ("coalesced_threads", "labeled_partition", "binary_partition"), _refused(_LANES_TOGETHER)
    ),
    "this_grid": _refused("blocks do not wait for each other"),
}
