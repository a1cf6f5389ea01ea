"""What x86's vector intrinsics mean, from the rows of their tables: lanes and loops of stores.

Lanes are worked out where they are stored. Where lanes are only moved, or bits are combined one by
one, they stay in the type that they are at hand as: a register of bytes that is shuffled by words
is still one of bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.avx512 import (
    REGISTERS,
    Immediate,
    Intrinsic,
    Mask,
    Memory,
    Operand,
    Scalar,
    Vector,
    rows,
)
from xpiler_tvm.dialects.avx512_arithmetic import neutral
from xpiler_tvm.dialects.avx512_text import IGNORED
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir
from ..arenas import Arena
from ..partial_eval.registers import Lane, mask_type, register, viewed
from ..program import Body, Branch, Loop, Statement, Store
from ..values import BITS, Address, Lanes, Nothing, Number, Value, range_of
from . import meanings
from .calling import extremum, fold

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls


def call(ev: Calls, name: str, expr: ir.Call) -> Value | None:
    """The value of an intrinsic, or of a function of the tables' meanings."""
    if name in IGNORED:
        return Nothing()
    if name in _CLAMPS:
        return _clamped(ev, ev.number(expr.args[0]), _CLAMPS[name])
    if name in _INDEFINITE:
        return _converted(ev, ev.number(expr.args[0]), _INDEFINITE[name])
    row = rows().get(name)
    if row is None:
        return None
    given = _Given(ev, row, expr.span, {})
    for operand, arg in zip(row.operands, expr.args, strict=True):
        given.values[operand.name] = _argument(ev, row, operand, arg)
    if isinstance(row.result, Vector):
        return _vector(given, row.result)
    if isinstance(row.result, Mask):
        return Lanes(mask_type(row.result.lanes), given.at)
    if row.result is None:
        _store(given)
        return Nothing()
    return _number(given, row.result)


@dataclass(frozen=True, eq=False)
class _Given:
    """A call of an intrinsic with its arguments."""

    ev: Calls
    row: Intrinsic
    span: Span
    values: dict[str, Value]

    def bound(self, index: Expr) -> dict[str, Value]:
        """Lane `index` and the arguments by the names that the meaning has for them."""
        named: dict[str, Value] = {"i": Number(index, "int32")}
        for operand in self.row.operands:
            value = self.values[operand.name]
            if isinstance(operand.kind, Vector):
                assert isinstance(value, Lanes)
                value = _lanes(self.ev, value, operand.kind.dtype)
            elif isinstance(operand.kind, Memory):
                value = self.memory(operand, operand.kind.dtype)
            named[operand.name] = value
        return named

    def memory(self, operand: Operand, dtype: str) -> Address:
        value = self.values[operand.name]
        assert isinstance(value, Address)
        return self.ev.seen_as(value, ir.Arithmetic(dtype), self.span)

    def at(self, index: Expr) -> Number:
        """What the row says of lane `index`."""
        return meanings.evaluate(self.ev, self.row.meaning, self.bound(index), self.span)

    def vectors(self) -> list[Lanes]:
        return [value for value in self.values.values() if isinstance(value, Lanes)]


def _argument(ev: Calls, row: Intrinsic, operand: Operand, arg: ir.Expr) -> Value:
    kind = operand.kind
    if isinstance(kind, Immediate):
        number = ev.number(arg)
        known = ev.math.known(number.expr)
        if known is None:
            raise ReadError("XP1009", f"{row.name!r} takes a constant here", span=arg.span)
        return ev.math.number(known, "int32")
    if isinstance(kind, Scalar):
        return ev.math.convert(ev.number(arg), kind.dtype)
    value = ev.value(arg)
    if isinstance(kind, Memory):
        return ev._address(value, arg.span)
    if isinstance(kind, Mask):
        return ev.lanes(value, mask_type(kind.lanes), arg.span)
    if not isinstance(value, Lanes):
        raise ReadError("XP1009", "a vector is expected here", span=arg.span)
    # What is used several times is worked out once.
    uses = len(re.findall(rf"\b{operand.name}\b", row.meaning))
    if uses > 1 and isinstance(arg, ir.Call) and row.grain != "move" and not _is_at_hand(arg):
        return ev.freeze(value, arg.span)
    return value


def _is_at_hand(call: ir.Call) -> bool:
    """Whether an intrinsic's lanes are as they lie in memory, or all the same."""
    row = rows().get(call.callee.name) if isinstance(call.callee, ir.Name) else None
    return row is not None and not any(isinstance(one.kind, Vector) for one in row.operands)


def _lanes(ev: Calls, value: Lanes, dtype: str) -> Lanes:
    """A register with lanes of type `dtype`."""
    count = BITS[value.kind.of.dtype] * value.kind.lanes // BITS[dtype]
    return Lanes(ir.Vector(ir.Arithmetic(dtype), count), viewed(ev.math, value, dtype))


# ---------------------------------------------------------------- results


def _vector(given: _Given, result: Vector) -> Value:
    ev, row = given.ev, given.row
    of, bits = REGISTERS[result.register]
    kind = ir.Vector(ir.Arithmetic(of), bits // BITS[of])
    if row.grain == "move":
        return _moved(given, result, kind)
    if row.grain == "bits":
        return _combined(given, result, kind)
    repeated = _repeated(given, kind)
    if repeated is not None:
        return repeated
    whole = bits // BITS[result.dtype]

    def lane(index: Expr) -> Number:
        return ev.math.convert(given.at(index), result.dtype)

    return register(ev.math, kind, result.dtype, _filled(ev, lane, result, whole))


def _filled(ev: Calls, lane: Lane, result: Vector, whole: int) -> Lane:
    """Lanes of a whole register, zero beyond those of the result."""
    if result.lanes == whole:
        return lane

    def filled(index: Expr) -> Number:
        inside = ev.math.simplify(index < result.lanes)
        known = ev.math.known(inside)
        zero = ev.math.number(0, result.dtype)
        if known is not None:
            return lane(index) if known else zero
        with ev.assuming(inside):
            last = tirx.min(index, tir.const(result.lanes - 1, "int32"))
            number = lane(ev.math.simplify(last))
        value = ev.math._as(number.expr, result.dtype)
        return Number(
            tirx.if_then_else(inside, value, ev.math._as(zero.expr, result.dtype)), result.dtype
        )

    return filled


def _repeated(given: _Given, kind: ir.Vector) -> Lanes | None:
    """A number that memory holds in parts, in all lanes: the parts in turn."""
    value = given.values.get("a")
    if given.row.meaning != "a" or not isinstance(value, Number) or not value.parts:
        return None
    math, parts = given.ev.math, value.parts
    first = parts[0]
    if not all(
        isinstance(part, tir.Load)
        and part.source.same_as(first.source)
        and tir.as_const(math.simplify(part.indices[0] - first.indices[0])) == number
        for number, part in enumerate(parts)
    ):
        return None
    held = tir.dtype_of(first)

    def lane(index: Expr) -> Number:
        place = first.indices[0] + tirx.floormod(index, len(parts))
        return Number(first.source[math.simplify(place)], held)

    return register(math, kind, held, lane)


def _held(given: _Given, result_dtype: str) -> str:
    """The narrowest type in which operands are at hand; that of the row where none is narrower."""
    types = [value.held or value.kind.of.dtype for value in given.vectors()]
    for operand in given.row.operands:
        value = given.values[operand.name]
        if isinstance(operand.kind, Memory) and isinstance(value, Address):
            memory = value.buffer
            whole = ir.Vector(ir.Arithmetic("int8"), 1)
            types.append(
                given.ev._held(value, whole) if isinstance(memory, Arena) else memory.dtype
            )
    fitting = [dtype for dtype in types if dtype and BITS[dtype] <= BITS[result_dtype]]
    return min(fitting, key=lambda dtype: BITS[dtype], default=result_dtype)


def _moved(given: _Given, result: Vector, kind: ir.Vector) -> Lanes:
    """Lanes from elsewhere: their parts, of whatever type, come from there too."""
    ev, held = given.ev, _held(given, result.dtype)
    size = BITS[result.dtype]

    def seen_as(dtype: str) -> Lane:
        if BITS[dtype] > size:
            return viewed(ev.math, register(ev.math, kind, held, seen_as(held)), dtype)
        ratio = size // BITS[dtype]
        filled = Vector(dtype, result.lanes * ratio, result.register)

        def lane(index: Expr) -> Number:
            row = ev.math.simplify(tirx.floordiv(index, ratio))
            part = ev.math.simplify(tirx.floormod(index, ratio))
            named: dict[str, Value] = {"i": Number(row, "int32")}
            for operand in given.row.operands:
                value = given.values[operand.name]
                if isinstance(operand.kind, Vector):
                    assert isinstance(value, Lanes)
                    value = _strided(ev, viewed(ev.math, value, dtype), ratio, part, dtype)
                elif isinstance(operand.kind, Memory):
                    place = given.memory(operand, dtype)
                    loaded = ev.load(
                        Address(place.buffer, place.offset, ir.Vector(ir.Arithmetic(dtype), 1)),
                        given.span,
                    )
                    assert isinstance(loaded, Lanes)
                    value = _strided(ev, loaded.lane, ratio, part, dtype)
                named[operand.name] = value
            number = meanings.evaluate(ev, given.row.meaning, named, given.span)
            return ev.math.convert(number, dtype)

        return _filled(ev, lane, filled, BITS[kind.of.dtype] * kind.lanes // BITS[dtype])

    return Lanes(kind, seen_as(kind.of.dtype), held, seen_as)


def _strided(ev: Calls, lane: Lane, ratio: int, part: Expr, dtype: str) -> Lanes:
    """Every `ratio`th lane from `part` on."""
    kind = ir.Vector(ir.Arithmetic(dtype), 1)
    return Lanes(kind, lambda index: lane(ev.math.simplify(index * ratio + part)))


def _combined(given: _Given, result: Vector, kind: ir.Vector) -> Lanes:
    """Bits of operands combined one by one, in integers of any size."""
    ev = given.ev
    held = re.sub("u?int|float", "int", _held(given, result.dtype))

    def lane(index: Expr) -> Number:
        named: dict[str, Value] = {"i": Number(index, "int32")}
        for name, value in given.values.items():
            named[name] = _lanes(ev, value, held) if isinstance(value, Lanes) else value
        number = meanings.evaluate(ev, given.row.meaning, named, given.span)
        return ev.math.convert(number, held)

    return register(ev.math, kind, held, lane)


def _number(given: _Given, result: Scalar) -> Number:
    ev, row, dtype = given.ev, given.row, result.dtype
    if not row.fold:
        number = meanings.evaluate(ev, row.meaning, given.bound(_zero()), given.span)
        return ev.math.convert(number, dtype)
    start = meanings.evaluate(ev, neutral(row.fold, dtype), {}, given.span)

    def step(total: Number, index: Expr) -> Number:
        number = ev.math.convert(given.at(index), dtype)
        if row.fold in ("max", "min"):
            return extremum(ev.math, row.fold, number, total)
        return ev.math.binary(row.fold, total, number, given.span)

    return fold(ev, ev.math.convert(start, dtype), row.lanes, step, given.span)


# ---------------------------------------------------------------- stores


def _store(given: _Given) -> None:
    ev, row, span = given.ev, given.row, given.span
    if row.grain == "move":
        (value,) = given.vectors()
        (memory,) = (one for one in given.values.values() if isinstance(one, Address))
        kind = next(one.kind for one in row.operands if isinstance(one.kind, Vector))
        if row.lanes == kind.lanes:
            ev.store(ev.seen_as(memory, value.kind, span), value, span)
            return
    body, var = _stores(given)
    if _reads_other_elements(body):
        for name, given_value in given.values.items():
            if isinstance(given_value, Lanes):
                given.values[name] = ev.freeze(given_value, span)
        body, var = _stores(given)
    ev.emit(Loop(var, tir.const(row.lanes, "int32"), body, False, span))


def _stores(given: _Given) -> tuple[Body, Expr]:
    ev, row, span = given.ev, given.row, given.span
    var = ev.counter("lane", row.lanes)
    named = given.bound(var)
    where = tir.const(True, "bool")
    if row.where:
        where = ev.math.truth(meanings.evaluate(ev, row.where, named, span))
    with ev.collecting() as body, ev.assuming(where):
        value = meanings.evaluate(ev, row.meaning, named, span)
        ev.store(meanings.place(ev, row.target, named, span), value, span)
    if ev.math.known(where) == 1:
        return tuple(body), var
    return (Branch(where, tuple(body), (), span),), var


def _reads_other_elements(body: Body) -> bool:
    """Whether memory that is stored to is read at another place, which an earlier lane may have
    changed."""
    stores = [one for statement in body for one in _stores_in(statement)]
    read = [load for statement in body for expr in _exprs_in(statement) for load in tir.loads(expr)]
    return any(
        load.source.same_as(store.buffer) and not tir.same(load.indices[0], store.index)
        for store in stores
        for load in read
    )


def _stores_in(statement: Statement) -> list[Store]:
    if isinstance(statement, Branch):
        return [store for inner in statement.then for store in _stores_in(inner)]
    return [statement] if isinstance(statement, Store) else []


def _exprs_in(statement: Statement) -> list[Expr]:
    if isinstance(statement, Branch):
        return [statement.test, *(expr for inner in statement.then for expr in _exprs_in(inner))]
    return [statement.index, statement.value] if isinstance(statement, Store) else []


# ---------------------------------------------------------------- functions of the meanings

_CLAMPS = {
    f"sat{sign}{bits}": f"{sign and 'u'}int{bits}" for sign in ("", "u") for bits in (8, 16, 32)
}
_INDEFINITE = {"to_int32": "int32", "to_int64": "int64", "to_uint32": "uint32"}


def _clamped(ev: Calls, value: Number, dtype: str) -> Number:
    """The nearest number of a type."""
    low, high = range_of(dtype)
    unsigned = value.dtype.startswith("u")
    if not unsigned:
        value = extremum(ev.math, "max", value, ev.math.number(low, _wide(low)))
    value = extremum(ev.math, "min", value, ev.math.number(high, _wide(high)))
    return ev.math.convert(value, dtype)


def _wide(number: int) -> str:
    low, high = range_of("int32")
    return "int32" if low <= number <= high else "int64"


def _converted(ev: Calls, value: Number, dtype: str) -> Number:
    """A whole part as an integer; what is out of range is that with the highest bit alone, or in
    an unsigned type the one with all bits."""
    low, high = range_of(dtype)
    least = tir.const(float(low) if low else -1.0, value.dtype)
    beyond = tir.const(float(high + 1), value.dtype)
    above = value.expr >= least if low else value.expr > least
    inside = tirx.And(above, value.expr < beyond)
    other = ev.math.number(low or high, dtype)
    number = tirx.Cast(dtype, value.expr)
    return Number(tirx.Select(inside, number, ev.math._as(other.expr, dtype)), dtype)


def _zero() -> Expr:
    return tir.const(0, "int32")
