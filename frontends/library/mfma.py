"""AMD's matrix instructions: every row of `dialects.matrix.MFMA`.

Lanes show each other their elements of A and B; each of a lane's registers of D is a sum over k of
what the lane maps say:

    d[r] = c[r] + a[lane of (row, k)] * b[lane of (column, k)]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.matrix import MFMA, WAVE, Mfma, source_block
from xpiler_tvm.tir import Buffer, Expr

from .. import ir
from ..arenas import Arena
from ..partial_eval.bits import as_bits, as_number, parts_of
from ..program import Store
from ..values import Address, Lanes, Number, Value
from .calling import Handler, Invocation
from .matrix import DTYPES, counted
from .warp import all_lanes, together, warp_of

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

_DTYPES = {**DTYPES, "XpXf32": "float32"}
_TOP_BITS = 0xFFFFE000
"""Of a float those that a multiplier of xf32 looks at."""


def _instruction(row: Mfma) -> Handler:
    def handler(call: Invocation) -> Value:
        ev, span = call.ev, call.span
        cbsz = call.constant(3, "cbsz")
        abid = call.constant(4, "abid")
        if call.constant(5, "blgp"):
            raise call.refused("is not read with blgp, which permutes lanes of B")
        if not cbsz >= 0 or 1 << cbsz > row.blocks or not 0 <= abid < 1 << cbsz:
            raise call.refused(f"has {row.blocks} blocks, which cbsz and abid do not fit")
        if ev.ids.size % WAVE:
            raise call.refused("takes whole waves")
        together(call, all_lanes(ev))
        element, total = _DTYPES[row.element], _DTYPES[row.total]
        operands = [_buffer(ev, f"mfma_{name}_{element}", element, row.depth) for name in "ab"]
        ev.barrier(span, warp=True, lanes=1)
        for buffer, value in zip(operands, call.args[:2], strict=True):
            _show(call, buffer, row, element, value)
        ev.barrier(span, warp=True, lanes=1)
        kind = ir.Vector(ir.Arithmetic(total), row.registers)
        result = _accumulator(call, kind)

        def register(number: Expr) -> None:
            block, line, column = (
                ev.math.simplify(place) for place in row.held(warp_of(ev).lane, number)
            )
            shared = _shared(block, cbsz, abid) if cbsz else block
            sources = ((shared, line), (block, column))
            place = ev._moved(
                Address(result.buffer, result.offset, kind.of), Number(number, "int32"), 1, span
            )

            def step(k: Expr) -> None:
                lanes = (row.operand_lane(at, place, k) for at, place in sources)
                factors = [
                    ev.math.convert(_element(ev, row, buffer, lane, k), total)
                    for buffer, lane in zip(operands, lanes, strict=True)
                ]
                so_far = ev.load(place, span)
                assert isinstance(so_far, Number)
                product = ev.math.binary("*", factors[0], factors[1], span)
                ev.store(place, ev.math.binary("+", so_far, product, span), span)

            counted(ev, "k", row.k, step, span)

        counted(ev, "r", row.registers, register, span)
        if row.registers == 1:
            return ev.load(Address(result.buffer, result.offset, kind.of), span)
        return ev.load(result, span)

    return handler


def _shared(block: Expr, cbsz: int, abid: int) -> Expr:
    """`source_block` of an expression."""
    size = 1 << cbsz
    assert source_block(size, cbsz, abid) == size + abid
    return tirx.floordiv(block, size) * size + abid


def _buffer(ev: Calls, key: str, dtype: str, depth: int) -> Buffer:
    """An array of `depth` elements for each thread of the block."""
    key = f"{key}_{depth}"
    if key not in ev.scratch:
        ev.scratch[key] = ev.buffer(key, dtype, ev.ids.size * depth, "shared")
    return ev.scratch[key]


def _show(call: Invocation, buffer: Buffer, row: Mfma, dtype: str, value: Value) -> None:
    """Stores this lane's elements of an operand."""
    ev, span = call.ev, call.span

    def put(number: Expr, element: Number) -> None:
        index = ev.math.simplify(ev.ids.linear * row.depth + number)
        expr = ev.math._as(element.expr, element.dtype)
        if element.dtype != dtype:
            expr = as_number(expr, element.dtype, dtype)  # bfloat16 comes as bits in shorts
        ev.emit(Store(buffer, index, expr, span))

    if isinstance(value, Lanes):
        counted(ev, "i", row.depth, lambda number: put(number, value.lane(number)), span)
        return
    if not isinstance(value, Number):
        raise call.refused("has no reading for these arguments")
    if row.depth == 1:
        put(tir.const(0, "int32"), ev.math.convert(value, dtype))
        return
    word = "int64" if row.depth == 8 else "int32"
    whole = ev.math.convert(value, word)
    parts = value.parts
    if len(parts) != row.depth or tir.dtype_of(parts[0]) != dtype:
        held = ev.freeze(whole, span)
        assert isinstance(held, Number)
        parts = parts_of(ev.math._as(held.expr, word), word, dtype)
    for number, part in enumerate(parts):
        put(tir.const(number, "int32"), Number(part, dtype))


def _accumulator(call: Invocation, kind: ir.Vector) -> Address:
    """Registers that start as C: of `c = mfma(a, b, c, ...)` those of c itself."""
    statement, given = call.ev.unwanted, call.expr.args[2]
    alone = isinstance(statement, ir.Assign) and statement.value is call.expr
    if alone and not statement.op and _plain(statement.target) and _plain(given):  # type: ignore[union-attr]
        target, start = call.ev.place(statement.target), call.ev.place(given)  # type: ignore[union-attr]
        if _same(target, start, kind):
            assert isinstance(target, Address)
            return target
    result = call.ev.allocate("product", kind, call.span)
    _start(call, result, kind)
    return result


def _plain(expr: ir.Expr) -> bool:
    """Whether an expression names an object and does nothing else."""
    if isinstance(expr, ir.Subscript):
        return _plain(expr.base) and _plain(expr.index)
    return isinstance(expr, (ir.Name, ir.Literal))


def _same(left: object, right: object, kind: ir.Vector) -> bool:
    return (
        isinstance(left, Address)
        and isinstance(right, Address)
        and left.of == right.of == kind
        and not isinstance(left.buffer, Arena)
        and left.buffer.same_as(right.buffer)
        and tir.same(left.offset, right.offset)
    )


def _start(call: Invocation, result: Address, kind: ir.Vector) -> None:
    """C in the registers of the result."""
    value = call.args[2]
    if isinstance(value, Lanes):
        call.ev.store(result, value, call.span)
    else:
        call.ev.store(Address(result.buffer, result.offset, kind.of), value, call.span)


def _element(ev: Calls, row: Mfma, buffer: Buffer, lane: Expr, k: Expr) -> Number:
    """The element of A or B for `k` that a lane has shown."""
    thread = warp_of(ev).first + lane
    index = ev.math.simplify(thread * row.depth + tirx.floormod(k, row.depth))
    value = buffer[index]
    if row.element == "XpXf32":
        bits = as_bits(value, "float32")
        one = tirx.bitwise_and(
            tirx.shift_right(bits, tir.const(13, "uint32")), tir.const(1, "uint32")
        )
        rounded = tirx.bitwise_and(
            bits + tir.const(0xFFF, "uint32") + one, tir.const(_TOP_BITS, "uint32")
        )
        number = as_number(rounded, "uint32", "float32")
        return Number(tirx.Select(tirx.isfinite(value), number, value), "float32")
    return Number(value, buffer.dtype)


HANDLERS: dict[str, Handler] = {row.builtin: _instruction(row) for row in MFMA}
