"""Memory as the C library has it: allocated, filled, copied."""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError
from xpiler_tvm.tir import Expr

from .. import ir
from ..arenas import Arena
from ..partial_eval.questions import scalar_of
from ..partial_eval.state import Mixed
from ..program import Loop
from ..values import BITS, Address, Nothing, Number, Value, unit_of
from .calling import Handler, Invocation


def _allocated(size: Number, call: Invocation) -> Address:
    """Memory whose elements follow from its uses."""
    known = call.math.known(size.expr)
    if known is None or known <= 0:
        call.ev.refuse_symbolic(size.expr, "how much memory is allocated", call.span)
        raise call.refused("takes a constant size here")
    ident = -(call.span.line << 12 | call.span.column)
    call.ev.findings.layouts.setdefault(ident, None)
    kind = ir.ArrayType(ir.Arithmetic("int8"), ir.Literal(known, "int32", call.span))
    place = call.ev.allocate("memory", kind, call.span, ident=ident)
    return Address(place.buffer, place.offset, ir.VOID)


def _malloc(position: int) -> Handler:
    return lambda call: _allocated(call.number(position, "int64"), call)


def _calloc(call: Invocation) -> Value:
    count, size = call.number(0, "int64"), call.number(1, "int64")
    place = _allocated(call.math.binary("*", count, size, call.span), call)
    total = call.math.binary("*", count, size, call.span)
    _fill(call, place, call.math.number(0, "int32"), total)
    return place


def _free(call: Invocation) -> Value:
    return Nothing()


def _held(call: Invocation, place: Address) -> str:
    """The type of the elements at a place, as far as it is known."""
    memory = place.buffer
    if not isinstance(memory, Arena):
        return str(memory.dtype)
    whole = ir.Vector(ir.Arithmetic("int8"), 1)
    return call.ev._held(place, whole)


def _count(call: Invocation, size: Number, dtype: str) -> Expr:
    """How many elements of a type a number of bytes is."""
    unit = BITS[dtype] // 8
    expr = call.math.as_index(call.math.convert(size, "int64"))
    rest = call.math.simplify(tirx.floormod(expr, unit))
    if tir.as_const(rest) != 0:
        raise call.refused(f"ends within an element: the memory holds {dtype}")
    count = call.math.simplify(tirx.floordiv(expr, unit))
    low, high = call.math.bounds(count)
    if tir.dtype_of(count) != "int32" and low >= -(1 << 31) and high < 1 << 31:
        count = call.math.simplify(tirx.Cast("int32", count))
    return count


def _each(call: Invocation, count: Expr, step: Callable[[Expr], None]) -> None:
    """`step` for each index below `count`."""
    if tir.as_const(count) == 1:
        step(tir.const(0, "int32"))
        return
    var = call.ev.counter("i", count)
    with call.ev.collecting() as body:
        step(var)
    call.ev.emit(Loop(var, count, tuple(body), False, call.span))


def _element(call: Invocation, place: Address, dtype: str, index: Expr) -> Address:
    base = call.ev.seen_as(place, ir.Arithmetic(dtype), call.span)
    step = BITS[dtype] // 8 // unit_of(base.buffer)
    return Address(base.buffer, call.math.simplify(base.offset + index * step), base.of)


def _fill(call: Invocation, place: Address, value: Number, size: Number) -> None:
    """Each byte becomes `value`."""
    dtype = _held(call, place) or scalar_of(place.of)
    if dtype is None:
        return  # notes are being taken of how the memory is used, and this tells nothing
    byte = call.math.known(value.expr)
    if byte is None and BITS[dtype] > 8:
        raise call.refused("fills wider elements with a value that is not constant")
    if byte is not None and byte % 256 and "float" in dtype:
        raise call.refused("fills floating-point numbers with something else than zero")
    number = value if byte is None else call.math.number(_repeated(byte % 256, dtype), dtype)
    _each(
        call,
        _count(call, size, dtype),
        lambda index: call.ev.store(_element(call, place, dtype, index), number, call.span),
    )


def _repeated(byte: int, dtype: str) -> int:
    return int.from_bytes(bytes([byte]) * (BITS[dtype] // 8), "little")


def _memset(call: Invocation) -> Value:
    place = call.address(0)
    _fill(call, place, call.number(1, "int32"), call.number(2, "int64"))
    return place


def _memcpy(call: Invocation) -> Value:
    ev, target, source = call.ev, call.address(0), call.address(1)
    size, given = call.number(2, "int64"), _held(call, source)
    dtype = _held(call, target) or given or scalar_of(target.of) or "int8"
    if given and BITS[given] < BITS[dtype] and target.buffer in ev.variables:
        raise Mixed(ev.variables[target.buffer])  # a number of bytes, which stay what they are
    known = call.math.known(size.expr)
    if known is not None and known % (BITS[dtype] // 8):
        dtype = "int8"
    _each(
        call,
        _count(call, size, dtype),
        lambda index: ev.store(
            _element(call, target, dtype, index),
            ev.load(_element(call, source, dtype, index), call.span),
            call.span,
        ),
    )
    return target


def _memmove(call: Invocation) -> Value:
    target, source = call.address(0), call.address(1)
    if target.buffer.same_as(source.buffer):
        raise ReadError("XP1009", "a move within one array is not read", span=call.span)
    return _memcpy(call)


HANDLERS: dict[str, Handler] = {
    "malloc": _malloc(0),
    "aligned_alloc": _malloc(1),
    "_mm_malloc": _malloc(0),
    "calloc": _calloc,
    "free": _free,
    "_mm_free": _free,
    "memset": _memset,
    "memcpy": _memcpy,
    "memmove": _memmove,
    "__builtin_memset": _memset,
    "__builtin_memcpy": _memcpy,
    "__builtin_memmove": _memmove,
}
"""Functions of stdlib.h and string.h."""
