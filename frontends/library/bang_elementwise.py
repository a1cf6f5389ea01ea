"""BANG C's vector operations, from the rows of `dialects.bang_elementwise`."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE, Elementwise

from ..bang_declarations import SELECTORS
from ..values import Number
from .bang_calls import Intrinsic, Vector, dtype_of
from .meanings import of_elements

_LETTERS = "abc"


def _operation(call: Intrinsic) -> None:
    row, first = _row(call)
    names = _LETTERS[: len(row.operands)]
    target = call.vector(first)
    vectors: dict[str, Vector] = {}
    scalars: dict[str, Number] = {}
    for position, (name, kind) in enumerate(zip(names, row.operands, strict=True), first + 1):
        if kind != "scalar":
            vectors[name] = call.vector(position, dtypes=_dtypes(call, row))
    kinds = {vector.dtype for vector in vectors.values()}
    if not row.packed:
        kinds.add(target.dtype)
    if len(kinds) > 1:
        call.refuse(f"its vectors are of different types: {', '.join(sorted(kinds))}")
    dtype = kinds.pop()
    for position, (name, kind) in enumerate(zip(names, row.operands, strict=True), first + 1):
        if kind == "scalar":
            scalars[name] = call.scalar(position, dtype, target)
    end = first + 1 + len(row.operands) + row.scratch
    for position in range(end - row.scratch, end):
        call.vector(position)
    n = call.count(end)
    period = call.count(end + 1) if "cycle" in row.operands else None
    if row.packed:
        _packed(call, row, target, vectors, n)
        return
    for name, kind in zip(names, row.operands, strict=True):
        if kind == "vector":
            call.require_apart(target, n, vectors[name], n, in_place=row.in_place)
        elif kind == "cycle" and period is not None:
            call.require_apart(target, n, vectors[name], period, in_place=False)
    if period is None:
        with call.loop("i", n) as i:
            places = {name: (one, i) for name, one in vectors.items()}
            call.write(target, i, _value(call, row, places, scalars))
        return
    if call.ev.math.known(tirx.floormod(n, period)) not in (0, None):
        call.refuse("the number of elements is no multiple of the period")
    with call.loop("g", tirx.floordiv(n, period)) as g, call.loop("i", period) as i:
        whole = call.ev.math.simplify(g * period + i)
        places = {
            name: (vectors[name], i if kind == "cycle" else whole)
            for name, kind in zip(names, row.operands, strict=True)
            if kind != "scalar"
        }
        call.write(target, whole, _value(call, row, places, scalars))


HANDLERS: dict[str, Callable[[Intrinsic], None]] = {row.name: _operation for row in ELEMENTWISE}


def _dtypes(call: Intrinsic, row: Elementwise) -> tuple[str, ...]:
    return row.dtypes if call.strict else (*row.dtypes, *row.informal)


def _row(call: Intrinsic) -> tuple[Elementwise, int]:
    """The row whose arguments and types these are, and where its arguments begin."""
    rows = [row for row in ELEMENTWISE if row.name == call.name]
    fitting = [(row, int(bool(row.selector))) for row in rows if _fits(call, row)]
    if not fitting:
        call.refuse("has no form for these arguments")
    for row, first in fitting:
        operand = first + 1 + next(i for i, kind in enumerate(row.operands) if kind != "scalar")
        if dtype_of(call.address(operand).of) in _dtypes(call, row):
            return row, first
    dtypes = dict.fromkeys(dtype for row, _ in fitting for dtype in _dtypes(call, row))
    informal = any(row.informal for row, _ in fitting) and call.strict
    hint = "public kernels that use one are read in lenient mode" if informal else ""
    call.refuse(f"has no form for this type, only for {', '.join(dtypes) or 'none'}", hint)


def _fits(call: Intrinsic, row: Elementwise) -> bool:
    """Whether there are as many arguments, with pointers where the row has vectors."""
    if not row.on(call.chip.name):
        return False
    first = 0
    if row.selector:
        first = 1
        chosen = call.ev.math.known(call.number(0).expr)
        if chosen is None or SELECTORS[chosen] != row.selector:
            return False
    pointers = [
        True,
        *(kind != "scalar" for kind in row.operands),
        *[True] * row.scratch,
    ]
    numbers = 1 + ("cycle" in row.operands)
    extra = bool(row.selector) and numbers == 1
    if not 0 <= len(call.args) - first - len(pointers) - numbers <= extra:
        return False
    given = [call.is_pointer(position) for position in range(first, len(call.args))]
    return given == pointers + [False] * (len(given) - len(pointers))


def _value(
    call: Intrinsic,
    row: Elementwise,
    places: dict[str, tuple[Vector, tir.Expr]],
    scalars: dict[str, Number],
) -> Number:
    values = {name: call.read(vector, at) for name, (vector, at) in places.items()}
    for name, number in scalars.items():
        sixteen = number.dtype in ("float16", "bfloat16")
        values[name] = call.ev.math.convert(number, "float32") if sixteen else number
    meaning = bounded(row) if call.strict else row.meaning
    return of_elements(call.ev, meaning, values, call.span)


def bounded(row: Elementwise) -> str:
    """The meaning as the hardware has it: what it gives outside the row's interval, or NaN."""
    low, high = row.domain or (float("-inf"), float("inf"))
    meaning = row.meaning
    if isfinite(low):
        bound = f"{low!r}f" if low >= 0 else f"-{-low!r}f"
        meaning = f"a < {bound} ? {row.below or 'NAN'} : {meaning}"
    if isfinite(high):
        meaning = f"a > {high!r}f ? {row.above or 'NAN'} : {meaning}"
    if row.condition:
        meaning = f"a == a && !({row.condition}) ? NAN : {meaning}"
    return meaning


def _packed(
    call: Intrinsic, row: Elementwise, target: Vector, vectors: dict[str, Vector], n: tir.Expr
) -> None:
    """Eight results to a byte, from the lowest bit."""
    math = call.ev.math
    if math.known(tirx.floormod(n, 8)) not in (0, None):
        call.refuse("the bits do not fill bytes")
    bits = call.seen_as(target, "uint8")
    with call.loop("byte", tirx.floordiv(n, 8)) as byte:
        word = call.local("word", math.number(0, "int32"))
        with call.loop("bit", tir.const(8, "int32")) as bit:
            i = math.simplify(byte * 8 + bit)
            truth = _value(call, row, {name: (one, i) for name, one in vectors.items()}, {})
            truth = math.convert(truth, "int32")
            shifted = math.binary("<<", truth, Number(bit, "int32"), call.span)
            together = math.binary("|", call.value_of(word), shifted, call.span)
            call.write(word, tir.const(0, "int32"), together)
        call.write(bits, byte, math.convert(call.value_of(word), "uint8"))
