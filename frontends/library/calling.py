"""A call of a library function, and what its meaning is put together of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir
from ..arithmetic import Arithmetic
from ..partial_eval.questions import is_constant
from ..program import Loop
from ..values import BITS, Address, Lanes, Number, Record, Value, common

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls


@dataclass(frozen=True, eq=False)
class Invocation:
    """`name(args)` in the source, being read by `ev`."""

    ev: Calls
    name: str
    expr: ir.Call

    @property
    def span(self) -> Span:
        return self.expr.span

    @property
    def math(self) -> Arithmetic:
        return self.ev.math

    @cached_property
    def args(self) -> list[Value]:
        return [self.ev.value(arg) for arg in self.expr.args]

    @property
    def numbers(self) -> list[Number]:
        """All arguments, which must be numbers."""
        return [self.number(position) for position in range(len(self.args))]

    def number(self, position: int, dtype: str = "") -> Number:
        """An argument that is a number, converted to `dtype` where one is given."""
        value = self.args[position]
        if not isinstance(value, Number):
            raise self.refused("has no reading for these arguments")
        return self.math.convert(value, dtype) if dtype else value

    def address(self, position: int) -> Address:
        value = self.args[position]
        if not isinstance(value, Address):
            raise ReadError("XP1009", "a pointer is expected here", span=self.span)
        return value

    def constant(self, position: int, what: str) -> int:
        """An argument that must be known. Raises `ReadError` XP1009, naming `what` it is."""
        known = self.math.known(self.ev.number(self.expr.args[position]).expr)
        if known is None:
            raise ReadError("XP1009", f"{what} must be a constant", span=self.span)
        return known

    def refused(self, why: str, hint: str = "") -> ReadError:
        return ReadError("XP1009", f"{self.name!r} {why}", span=self.span, hint=hint)


Handler = Callable[[Invocation], Value | None]
"""The value of a call; `None` where the arguments are another function's of the same name."""


def leaves(ev: Calls, value: Value, span: Span) -> list[Number]:
    """The numbers that a value is made of, in the order of its fields or lanes."""
    if isinstance(value, Number):
        return [value]
    if isinstance(value, Record):
        return [leaf for part in value.fields.values() for leaf in leaves(ev, part, span)]
    if isinstance(value, Lanes):
        held = ev.freeze(value, span)
        assert isinstance(held, Lanes)
        return [held.lane(tir.const(lane, "int32")) for lane in range(held.kind.lanes)]
    raise ReadError("XP1009", "a value of this type is not read here", span=span)


def rebuilt(ev: Calls, value: Value, numbers: list[Number], span: Span) -> Value:
    """A value like `value` with `numbers` for its leaves, which are taken off the list."""
    if isinstance(value, Record):
        fields = {name: rebuilt(ev, part, numbers, span) for name, part in value.fields.items()}
        return Record(value.kind, fields)
    if isinstance(value, Lanes):
        address = ev.allocate("lanes", value.kind, span)
        step = BITS[value.kind.of.dtype] // 8
        for lane in range(value.kind.lanes):
            ev.store(ev.moved(address, lane * step, value.kind.of), numbers.pop(0), span)
        return ev.load(address, span)
    return numbers.pop(0)


def fold(
    ev: Calls,
    start: Number,
    count: int,
    step: Callable[[Number, Expr], Number],
    span: Span,
) -> Number:
    """A local that starts as `start` and becomes `step(local, i)` for each `i` below `count`."""
    dtype = start.dtype
    address = ev.allocate("total", ir.Arithmetic(dtype), span)
    ev.store(address, start, span)

    def now() -> Number:
        value = ev.load(address, span)
        assert isinstance(value, Number)
        return value

    var = ev.counter("i", count)
    with ev.collecting() as body:
        ev.store(address, ev.math.convert(step(now(), var), dtype), span)
    ev.emit(Loop(var, tir.const(count, "int32"), tuple(body), False, span))
    return now()


def local_copy(ev: Calls, number: Number, name: str, span: Span) -> Number:
    """`number` in a local of its own."""
    address = ev.allocate(name, ir.Arithmetic(number.dtype), span)
    ev.store(address, number, span)
    value = ev.load(address, span)
    assert isinstance(value, Number)
    return value


def extremum(math: Arithmetic, kind: str, left: Number, right: Number) -> Number:
    """`max` or `min` in the operands' common type; of a NaN and a constant the constant."""
    dtype = common(left.dtype, right.dtype)
    if is_constant(left):
        left, right = right, left  # TIR gives the second one where either is NaN
    a, b = math.convert(left, dtype).expr, math.convert(right, dtype).expr
    if tir.dtype_of(a) != tir.dtype_of(b):
        a, b = math._as(a, dtype), math._as(b, dtype)
    found = tirx.max(a, b) if kind == "max" else tirx.min(a, b)
    if "float" not in dtype and not tir.has_load(found):
        found = math.simplify(found)
    return Number(found, dtype)


def part(handlers: Mapping[str, Handler]) -> Callable[[Calls, str, ir.Call], Value | None]:
    """A part of a library that has the functions of `handlers`."""

    def call(ev: Calls, name: str, expr: ir.Call) -> Value | None:
        handler = handlers.get(name)
        return None if handler is None else handler(Invocation(ev, name, expr))

    return call
