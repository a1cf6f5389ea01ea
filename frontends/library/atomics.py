"""Atomic operations: every row of `dialects.atomics`, one thread after the other.

    old = atomicAdd(p, v)  ->  old = *p; *p = old + v

Threads run in order, which is one of the orders that the hardware may take. Where nobody uses the
old value the update is marked as one that threads may make in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm.dialects.atomics import ATOMICS, COMPARE_AND_SWAP, SUFFIXES, Atomic
from xpiler_tvm.dialects.simt import DEFAULT_GPUS, GPUS

from .. import ir
from ..partial_eval.bits import as_bits
from ..program import Store
from ..values import Address, Nothing, Number, Record, Value
from . import meanings
from .calling import Handler, Invocation, extremum

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

IN_ORDER = "what atomic operations give back does not depend on the order of the threads"
_COMMUTE = (
    "atomicAdd",
    "atomicSub",
    "atomicMin",
    "atomicMax",
    "atomicAnd",
    "atomicOr",
    "atomicXor",
)
_NAMES = {
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned",
    "float16": "half",
    "float32": "float",
    "float64": "double",
    "bfloat16": "bfloat16",
}
_LONG = {"int64": ("long", "long long"), "uint64": ("unsigned long", "unsigned long long")}


def _checked(call: Invocation, row: Atomic, suffix: str, kind: ir.Type) -> None:
    """Refuses a type that the hardware has no such operation for."""
    gpu = GPUS[DEFAULT_GPUS[call.ev.source.dialect]]
    names: tuple[str, ...] = ()
    if isinstance(kind, ir.Arithmetic):
        names = _LONG.get(kind.dtype, (_NAMES.get(kind.dtype, ""),))
    elif isinstance(kind, ir.Struct):
        names = (kind.name,)
    if not set(names) & set(row.types(gpu, suffix)):
        raise call.refused(f"has no form for {' or '.join(names) or 'this type'} on {gpu.name}")


def _updated(call: Invocation, row: Atomic, old: Value, value: Value) -> Value:
    """The new value, by the row's meaning; of a class in each of its fields."""
    if isinstance(old, Record):
        assert isinstance(value, Record)
        fields = {
            name: _updated(call, row, part, value.fields[name]) for name, part in old.fields.items()
        }
        return Record(old.kind, fields)
    assert isinstance(old, Number)
    if not isinstance(value, Number):
        raise call.refused("has no reading for these arguments")
    operand = call.math.convert(value, old.dtype)
    values = {"old": old, "value": operand}
    found = meanings.evaluate(call.ev, row.meaning, values, call.span)
    return call.math.convert(found, old.dtype)


def _operation(row: Atomic, suffix: str, checked: bool = True) -> Handler:
    commutes = row.name in _COMMUTE or row.name.startswith(("safe", "unsafe"))

    def handler(call: Invocation) -> Value:
        address, value = call.address(0), call.args[1]
        if checked:
            _checked(call, row, suffix, address.of)
        ev, span = call.ev, call.span
        if commutes and ev.unwanted is call.expr:
            old = ev.load(address, span)
            ev.store(address, _updated(call, row, old, value), span, atomic=True)
            return Nothing()
        return _fetched(call, address, lambda old: _updated(call, row, old, value))

    return handler


def _fetched(call: Invocation, address: Address, update: Callable[[Value], Value]) -> Value:
    """The old value, in a local; what `update` makes of it is stored."""
    ev, span = call.ev, call.span
    ev.math.assumptions.add(IN_ORDER)
    place = ev.freeze(address, span)
    assert isinstance(place, Address)
    with _indivisible(ev):
        old = ev.freeze(ev.load(place, span), span)
        ev.store(place, update(old), span)
    return old


@contextmanager
def _indivisible(ev: Calls) -> Iterator[None]:
    """Inside, stores and what they read are parts of an atomic operation."""
    with ev.collecting() as made:
        yield
    for one in made:
        ev.emit(replace(one, indivisible=True) if isinstance(one, Store) else one)


def swapped(call: Invocation, address: Address, compare: Number, value: Number) -> Value:
    """Compare and swap: bits are compared, not values. The old value."""
    assert isinstance(address.of, ir.Arithmetic)
    dtype = address.of.dtype
    expected, new = (call.math.convert(number, dtype) for number in (compare, value))
    held = call.ev.freeze(expected, call.span)
    assert isinstance(held, Number)

    def update(old: Value) -> Value:
        assert isinstance(old, Number)
        bits = [as_bits(call.math._as(one.expr, dtype), dtype) for one in (old, held)]
        return call.math.select(tirx.EQ(*bits), new, old)

    return _fetched(call, address, update)


def _compare_and_swap(call: Invocation) -> Value:
    address = call.address(0)
    _checked(call, COMPARE_AND_SWAP, "", address.of)
    return swapped(call, address, call.number(1), call.number(2))


# ---------------------------------------------------------------- Clang's own, of HIP


def _load(call: Invocation) -> Value:
    with _indivisible(call.ev):
        return call.ev.freeze(call.ev.load(call.address(0), call.span), call.span)


def _store(call: Invocation) -> Value:
    with _indivisible(call.ev):
        call.ev.store(call.address(0), call.args[1], call.span)
    return Nothing()


def _exchange_strong(call: Invocation) -> Value:
    """Whether the value was the expected one, through whose pointer the old one goes."""
    ev, span = call.ev, call.span
    address, expected = call.address(0), call.address(1)
    wanted = ev.freeze(ev.load(expected, span), span)
    assert isinstance(wanted, Number)
    old = swapped(call, address, wanted, call.number(2))
    assert isinstance(old, Number)
    bits = [as_bits(call.math._as(one.expr, old.dtype), old.dtype) for one in (old, wanted)]
    same = ev.freeze(Number(tirx.EQ(*bits), "bool"), span)
    ev.store(expected, old, span)
    return same


def _sum(call: Invocation) -> Value:
    return call.math.binary("+", call.number(0), call.number(1), call.span)


_FETCHES = {
    "exchange": "atomicExch",
    **{
        f"fetch_{op}": f"atomic{op.capitalize()}"
        for op in ("add", "sub", "min", "max", "and", "or", "xor")
    },
}
_CLANG = "xp_hip_atomic_"
"""What the prelude calls Clang's own operations, whose trees are no calls."""
_BY_NAME = {row.name: row for row in ATOMICS}


def handlers(dialect: str) -> dict[str, Handler]:
    """The atomic operations of CUDA or HIP."""
    found: dict[str, Handler] = {
        "xp_sum": _sum,
        "xp_smaller": lambda call: extremum(call.math, "min", call.number(0), call.number(1)),
        "xp_greater": lambda call: extremum(call.math, "max", call.number(0), call.number(1)),
    }
    for suffix in SUFFIXES[dialect]:
        found[COMPARE_AND_SWAP.name + suffix] = _compare_and_swap
        for row in ATOMICS:
            if row.name.startswith("atomic") or (dialect == "hip" and not suffix):
                found[row.name + suffix] = _operation(row, suffix)
    if dialect == "hip":
        for name, row_name in _FETCHES.items():
            found[f"{_CLANG}{name}"] = _operation(_BY_NAME[row_name], "", checked=False)
        found[f"{_CLANG}load"] = _load
        found[f"{_CLANG}store"] = _store
        for strength in ("strong", "weak"):
            found[f"{_CLANG}compare_exchange_{strength}"] = _exchange_strong
    return found
