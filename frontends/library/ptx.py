"""Inline assembly of `dialects.ptx`: matrices from shared memory, their products, late copies.

    ldmatrix   a lane reads its elements; other lanes' addresses are its own with their numbers
    mma        lanes show each other A and B:  d[e] = c[e] + sum over k of a[row, k] * b[k, column]
    cp.async   to[i] = from[i], at once: a right kernel waits before anyone looks

Registers are words of 32 bits that hold narrower elements: the variables that they are become
arrays of those. An address in shared memory is a number there; here it stays a pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.ptx import (
    COLUMNS,
    COMMIT,
    COPY,
    COPY_BYTES,
    LDMATRIX_COUNTS,
    MMA,
    ROWS,
    WAIT,
    WAIT_ALL,
    Mma,
    ldmatrix_name,
)
from xpiler_tvm.tir import Buffer, Expr

from .. import ir
from ..arenas import Arena
from ..partial_eval.state import Demote, VariablePlace
from ..program import Store
from ..values import BITS, Address, Nothing, Number, Value
from .calling import Handler, Invocation
from .matrix import counted, of_tf32
from .warp import all_lanes, together, warp_of

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

WAITED = "asynchronous copies are waited for before anyone uses what they write"
_DTYPES = {
    "f16": "float16",
    "bf16": "bfloat16",
    "tf32": "float32",
    "s8": "int8",
    "u8": "uint8",
    "f32": "float32",
    "s32": "int32",
}


# ---------------------------------------------------------------- registers


def _registers(call: Invocation, start: int, count: int) -> list[Address]:
    """Where the variables or elements lie that stand for registers."""
    found = []
    for arg in call.expr.args[start : start + count]:
        place = call.ev.place(arg)
        if isinstance(place, VariablePlace):
            raise Demote(place.ident)
        found.append(place)
    return found


def _elements(
    call: Invocation, registers: list[Address], dtype: str, body: Callable[[Expr, Address], None]
) -> None:
    """`body(number, place)` for each element that registers hold one after another."""
    ev, size, kind = call.ev, BITS[dtype] // 8, ir.Arithmetic(dtype)
    packed = 4 // size
    seen = [ev.seen_as(register, kind, call.span) for register in registers]
    step = 4 // (1 if isinstance(seen[0].buffer, Arena) else BITS[seen[0].buffer.dtype] // 8)
    follow = all(
        one.buffer.same_as(seen[0].buffer)
        and call.math.known(one.offset - seen[0].offset) == number * step
        for number, one in enumerate(seen)
    )
    if follow:
        unit = size if isinstance(seen[0].buffer, Arena) else 1
        moved = lambda n: ev.math.simplify(seen[0].offset + n * unit)  # noqa: E731
        counted(
            ev,
            "r",
            len(seen) * packed,
            lambda n: body(n, Address(seen[0].buffer, moved(n), kind)),
            call.span,
        )
        return
    for number, one in enumerate(seen):
        for place in range(packed):
            at = ev.moved(one, place * size, kind)
            body(tir.const(number * packed + place, "int32"), at)


def _number(call: Invocation, place: Address) -> Number:
    value = call.ev.load(place, call.span)
    assert isinstance(value, Number)
    return value


# ---------------------------------------------------------------- memory


def _address(call: Invocation, position: int) -> Address:
    value = call.args[position]
    if isinstance(value, Address):
        return value
    raise call.refused(
        "takes an address here that is not known to be one",
        hint="it should come from __cvta_generic_to_shared, or be a pointer",
    )


def _as_number(call: Invocation) -> Value:
    """`__cvta_generic_to_shared(p)`: the pointer, which counts bytes from here on."""
    address = call.address(0)
    return Address(address.buffer, address.offset, ir.VOID)


def _held(call: Invocation, address: Address) -> str:
    """The type of the elements at a place."""
    memory = address.buffer
    if not isinstance(memory, Arena):
        return str(memory.dtype)
    # Notes and layouts prefer what others have said of these bytes to words without a type.
    found = call.ev._view(address, "uint16", call.span)[0]
    return str(found.dtype)


def _of_lane(call: Invocation, address: Address, lane: Expr) -> Address:
    """The address as another lane of this warp has it."""
    ev = call.ev
    if tir.has_load(address.offset):
        raise call.refused("has an address that memory decides, which other lanes would need")
    linear = ev.ids.linear - warp_of(ev).lane + lane
    places = {}
    for var, extent in ev.ids.threads:
        places[var] = ev.math.simplify(tirx.floormod(linear, extent))
        linear = ev.math.simplify(tirx.floordiv(linear, extent))
    offset = ev.math.simplify(tir.substitute(address.offset, places))
    return Address(address.buffer, offset, address.of)


def _ldmatrix(count: int, transposed: bool) -> Handler:
    def handler(call: Invocation) -> Value:
        ev, span = call.ev, call.span
        together(call, all_lanes(ev))
        registers = _registers(call, 0, count)
        base = _address(call, count)
        dtype = _held(call, base)
        size = BITS[dtype] // 8
        if size > 4 or (transposed and size != 2):
            raise call.refused(f"has no reading for matrices of {dtype}")
        packed, lane, kind = 4 // size, warp_of(ev).lane, ir.Arithmetic(dtype)

        def step(number: Expr, register: Address) -> None:
            matrix, place = tirx.floordiv(number, packed), tirx.floormod(number, packed)
            row, column = tirx.floordiv(lane, 4), tirx.floormod(lane, 4) * packed + place
            if transposed:
                row, column = column, row
            start = _of_lane(call, base, ev.math.simplify(matrix * 8 + row))
            element = ev._moved(
                ev.seen_as(start, kind, span), Number(ev.math.simplify(column), "int32"), 1, span
            )
            ev.store(register, ev.load(element, span), span)

        _elements(call, registers, dtype, step)
        return Nothing()

    return handler


# ---------------------------------------------------------------- products


def _matrix(ev: Calls, key: str, dtype: str, elements: int) -> tuple[Buffer, Expr]:
    """An array with `elements` for each warp, and where this warp's begin."""
    key = f"mma_{key}_{dtype}_{elements}"
    warps = -(-ev.ids.size // ev.ids.warp)
    if key not in ev.scratch:
        ev.scratch[key] = ev.buffer(key, dtype, warps * elements, "shared")
    return ev.scratch[key], tirx.floordiv(ev.ids.linear, ev.ids.warp) * elements


def _mma(row: Mma) -> Handler:
    (of_left, of_right), total = (_DTYPES[each] for each in row.operands), _DTYPES[row.total]
    wide = "float32" if total == "float16" else total

    def handler(call: Invocation) -> Value:
        ev, span = call.ev, call.span
        together(call, all_lanes(ev))
        counts = (row.total_registers, row.a_registers, row.b_registers, row.total_registers)
        starts = [sum(counts[:number]) for number in range(4)]
        d, a, b, c = (
            _registers(call, start, count) for start, count in zip(starts, counts, strict=True)
        )
        lane, half = warp_of(ev).lane, 4 * row.packed
        quad, line = tirx.floormod(lane, 4) * row.packed, tirx.floordiv(lane, 4)
        shown_a, first_a = _matrix(ev, "a", of_left, ROWS * row.k)
        shown_b, first_b = _matrix(ev, "b", of_right, COLUMNS * row.k)

        def of_a(number: Expr) -> Expr:
            register, place = tirx.floordiv(number, row.packed), tirx.floormod(number, row.packed)
            k = quad + place + tirx.floordiv(register, 2) * half
            return first_a + (line + tirx.floormod(register, 2) * 8) * row.k + k

        def of_b(number: Expr) -> Expr:
            register, place = tirx.floordiv(number, row.packed), tirx.floormod(number, row.packed)
            return first_b + line * row.k + quad + place + register * half

        def show(buffer: Buffer, index: Callable[[Expr], Expr]) -> Callable[[Expr, Address], None]:
            def put(number: Expr, place: Address) -> None:
                value = _number(call, place)
                at = ev.math.simplify(index(number))
                ev.emit(Store(buffer, at, ev.math._as(value.expr, str(buffer.dtype)), span))

            return put

        ev.barrier(span, warp=True, lanes=1)
        _elements(call, a, of_left, show(shown_a, of_a))
        _elements(call, b, of_right, show(shown_b, of_b))
        ev.barrier(span, warp=True, lanes=1)

        def factor(buffer: Buffer, index: Expr) -> Number:
            value = Number(buffer[ev.math.simplify(index)], str(buffer.dtype))
            return ev.math.convert(of_tf32(value) if row.operand == "tf32" else value, wide)

        in_place = wide == total and all(
            one.buffer.same_as(other.buffer) and tir.same(one.offset, other.offset)
            for one, other in zip(c, d, strict=True)
        )
        sums = d
        if not in_place:
            held = ev.allocate("sums", ir.ArrayType(ir.Arithmetic(wide), _four(span)), span)
            kind = ir.Arithmetic(wide)
            sums = [ev.moved(ev.seen_as(held, kind, span), 4 * n, kind) for n in range(4)]

            def start(number: Expr, place: Address) -> None:
                to = ev._moved(sums[0], Number(number, "int32"), 1, span)
                ev.store(to, ev.math.convert(_number(call, place), wide), span)

            _elements(call, c, total, start)

        def element(number: Expr, place: Address) -> None:
            line_of_d = line + tirx.floordiv(number, 2) * 8
            column = tirx.floormod(lane, 4) * 2 + tirx.floormod(number, 2)

            def step(k: Expr) -> None:
                left = factor(shown_a, first_a + line_of_d * row.k + k)
                right = factor(shown_b, first_b + column * row.k + k)
                product = ev.math.binary("*", left, right, span)
                ev.store(place, ev.math.binary("+", _number(call, place), product, span), span)

            counted(ev, "k", row.k, step, span)

        _elements(call, sums, wide, element)
        if not in_place:

            def finish(number: Expr, place: Address) -> None:
                value = ev._moved(sums[0], Number(number, "int32"), 1, span)
                ev.store(place, ev.math.convert(_number(call, value), total), span)

            _elements(call, d, total, finish)
        return Nothing()

    return handler


def _four(span: object) -> ir.Literal:
    return ir.Literal(4, "int32", span)  # type: ignore[arg-type]


# ---------------------------------------------------------------- asynchronous copies


def _copy(call: Invocation) -> Value:
    """`(to, from, size, given)`: bytes behind those given become zero."""
    return _copied(call, call.number(3), zeros=False)


def _pipeline_copy(call: Invocation) -> Value:
    """`(to, from, size, zeros)`."""
    given = len(call.args) > 3
    return _copied(call, call.number(3) if given else call.math.number(0, "int32"), zeros=True)


def _copied(call: Invocation, count: Number, *, zeros: bool) -> Value:
    ev, span = call.ev, call.span
    size = call.constant(2, "how much is copied")
    if size not in COPY_BYTES:
        raise call.refused(f"copies 4, 8 or 16 bytes, not {size}")
    to, source = _address(call, 0), _address(call, 1)
    if isinstance(source.buffer, Arena):
        raise call.refused("copies from memory of several types")
    dtype = str(source.buffer.dtype)
    kind, unit = ir.Arithmetic(dtype), BITS[dtype] // 8
    if size % unit:
        raise call.refused(f"copies part of an element of {dtype}")
    call.math.assumptions.add(WAITED)
    to, source = ev.seen_as(to, kind, span), ev.seen_as(source, kind, span)

    def copied(value: Number | None) -> list[object]:
        def step(number: Expr) -> None:
            index = Number(number, "int32")
            found = value or _number(call, ev._moved(source, index, 1, span))
            ev.store(ev._moved(to, index, 1, span), found, span)

        with ev.collecting() as steps:
            counted(ev, "i", size // unit, step, span)
        return list(steps)

    nothing = ev.math.convert(ev.math.number(0, "int32"), dtype)
    known, choice = ev.math.known(count.expr), _choice(count.expr)
    whole, none = (0, size) if zeros else (size, 0)
    if known in (whole, none):
        for step in copied(None if known == whole else nothing):
            ev.emit(step)  # type: ignore[arg-type]
        return Nothing()
    if choice is None or {choice[1], choice[2]} != {whole, none}:
        raise call.refused("reads all of its bytes or none, as a test decides")
    test = choice[0] if choice[1] == whole else ev.math.negation(choice[0])[0]
    with ev.assuming(test):
        read = copied(None)
    ev.branch(test, read, copied(nothing), span)  # type: ignore[arg-type]
    return Nothing()


def _choice(expr: Expr) -> tuple[Expr, int, int] | None:
    """`(test, a, b)` of `test ? a : b` between constants."""
    while isinstance(expr, tirx.Cast):
        expr = expr.value
    if isinstance(expr, tirx.Select):
        parts = (expr.condition, expr.true_value, expr.false_value)
    elif getattr(getattr(expr, "op", None), "name", "") == "tirx.if_then_else":
        parts = tuple(expr.args)
    else:
        return None
    test, *sides = parts
    known = [tir.as_const(side) for side in sides]
    if any(one is None for one in known):
        return None
    return test, int(known[0]), int(known[1])  # type: ignore[arg-type]


def _nothing(call: Invocation) -> Value:
    """Commits and waits: copies are done."""
    del call
    return Nothing()


HANDLERS: dict[str, Handler] = {
    **{ldmatrix_name(n, t): _ldmatrix(n, t) for n in LDMATRIX_COUNTS for t in (False, True)},
    **{row.name: _mma(row) for row in MMA},
    COPY: _copy,
    **dict.fromkeys(
        (COMMIT, WAIT, WAIT_ALL, "__pipeline_commit", "__pipeline_wait_prior"), _nothing
    ),
    "__pipeline_memcpy_async": _pipeline_copy,
    "__cvta_generic_to_shared": _as_number,
    "__cvta_generic_to_global": _as_number,
}
