"""BANG C's matrix unit, from the rows of `dialects.bang_matrix`.

Weights in WRAM lie lane by lane: filter `f` is the `f / LANES`-th of lane `f % LANES`. The loop
over the filters is therefore one over their groups and one over the lanes, in which every index is
linear, also that of `__bang_reshape_filter`, which brought them there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang import LANES
from xpiler_tvm.dialects.bang_matrix import (
    CONTRACTIONS,
    FIXED,
    POSITION,
    Contraction,
    granule,
)
from xpiler_tvm.tir import Expr

from ..values import BITS, Number, range_of
from .bang_calls import Intrinsic, Vector
from .bang_lanes import in_banks
from .meanings import evaluate

_ZERO = tir.const(0, "int32")
_DILATION = ("dilation_w", "dilation_h", "out_w", "out_h")
_INTEGERS = ("int4", "int8", "int16", "int32")


class _Product:
    """The operands of a call, sorted out."""

    def __init__(self, row: Contraction, call: Intrinsic) -> None:
        self.row, self.call = row, call
        pointers = sum(call.is_pointer(position) for position in range(len(call.args)))
        more = pointers - 3
        if more not in ((1,) if row.partial else (0, 1) if row.bias else (0,)):
            call.refuse(f"takes no {pointers} vectors")
        order = ["dst", "src", "weight", "addend"][:pointers]
        if more and row.bias == "before":
            order = ["dst", "src", "addend", "weight"]
        place = {name: position for position, name in enumerate(order)}
        self.target, self.source = call.vector(place["dst"]), call.vector(place["src"])
        self.weight = call.vector(place["weight"], "WRAM")
        self.addend = call.vector(place["addend"]) if more else None
        if self.addend is not None and self.addend.dtype != self.target.dtype:
            call.refuse("the addends are of the result's type")
        self._types()
        count = len(row.parameters)
        rest = len(call.args) - pointers - count
        if rest < 0:
            call.refuse(f"takes {count} parameters, {count + rest} are given")
        self.values = {
            name: call.integer(position) for position, name in enumerate(row.parameters, pointers)
        }
        self._tail(pointers + count, rest)

    def _types(self) -> None:
        row, call = self.row, self.call
        kinds = (self.target.dtype, self.source.dtype, self.weight.dtype)
        if row.types and kinds not in row.types:
            call.refuse(
                f"has no form for {kinds[0]} = {kinds[1]} * {kinds[2]}",
                "public kernels that multiply otherwise are read with mode='lenient'",
            )
        if row.types and self.addend is not None and row.bias and kinds not in FIXED:
            call.refuse("has a bias for products of integers only")

    def _tail(self, first: int, rest: int) -> None:
        """`[fix_pos]` and, of a convolution, `[dilation_w, dilation_h[, out_w, out_h]]`."""
        row, call, math = self.row, self.call, self.call.ev.math
        self.position = 0
        most = 5 if row.dilated else 1
        if rest > most or (row.position == "required" and rest == 0):
            call.refuse(f"{rest} arguments too many" if rest > most else "fix_pos is missing")
        if rest % 2:
            found = math.known(call.number(first).expr)
            if found is None:
                call.refuse_unread("fix_pos must be a constant")
            if abs(found) > POSITION:
                call.refuse(f"fix_pos is -{POSITION} to {POSITION}")
            self.position, first = found, first + 1
        if row.dilated:
            given = [call.integer(position) for position in range(first, len(call.args))]
            given += [math.number(1, "int32")] * (len(_DILATION) - len(given))
            self.values |= dict(zip(_DILATION, given, strict=True))


def _contraction(call: Intrinsic) -> None:
    row = next(
        row for row in CONTRACTIONS if row.name == call.name and row.mode == call.ev.source.mode
    )
    product = _Product(row, call)
    values = product.values
    _check(product)
    call.require(row.rules, values)
    filters, length = call.expr(row.filters, values), call.expr(row.length, values)
    with ExitStack() as loops:
        at = dict(values)
        for name, extent in row.outputs:
            size = call.expr(extent, at)
            if name == row.filter and not row.flat:
                group = loops.enter_context(
                    call.loop("group", call.ev.math.simplify(tirx.floordiv(size, LANES)))
                )
                lane = loops.enter_context(call.loop("lane", tir.const(LANES, "int32")))
                first = _first(product, group, lane, filters, length)
                at[name] = Number(call.ev.math.simplify(group * LANES + lane), "int32")
            else:
                at[name] = Number(loops.enter_context(call.loop(name, size)), "int32")
        start = _ZERO if row.flat else first
        total = _sum(product, at, start)
        _store(product, at, total)


def _first(product: _Product, group: Expr, lane: Expr, filters: Expr, length: Expr) -> Expr:
    """The element of WRAM at which a filter begins."""
    call = product.call
    if in_banks(call, product.weight.address):
        stride = call.chip.lane_stride * 8 // product.weight.bits
        return call.ev.math.simplify(lane * stride + group * length)
    rows = tirx.floordiv(filters, LANES)
    return call.ev.math.simplify((lane * rows + group) * length)


def _sum(product: _Product, at: dict[str, Number], first: Expr) -> Vector:
    """The accumulated products: of integers exactly, else in float."""
    row, call, math = product.row, product.call, product.call.ev.math
    dtype = _accumulator(product, at)
    total = call.local("sum", math.number(0, dtype))
    with call.nest(row.reduced, at) as inner:
        index = call.expr(row.flat or row.place, inner)
        weight = call.read(product.weight, math.simplify(first + index))
        source = call.read(product.source, call.expr(row.source, inner))
        term = math.binary("*", math.convert(source, dtype), math.convert(weight, dtype), call.span)
        whole = math.binary("+", call.value_of(total), term, call.span)
        call.write(total, _ZERO, whole)
    return total


def _accumulator(product: _Product, at: dict[str, Number]) -> str:
    kinds = (product.source.dtype, product.weight.dtype)
    if not all(kind in _INTEGERS for kind in kinds):
        return "float32"
    count = 1
    for _, extent in product.row.reduced:
        count *= max(1, product.call.ev.math.bounds(product.call.expr(extent, at))[1])
    largest = count
    for kind in kinds:
        largest *= 8 if kind == "int4" else -range_of(kind)[0]
    return "int32" if largest < 1 << 31 else "int64"


def _store(product: _Product, at: dict[str, Number], total: Vector) -> None:
    """`2**fix_pos` times the sum, plus what is added to it, rounded once."""
    row, call, math = product.row, product.call, product.call.ev.math
    place = call.expr(row.target, at)
    value = call.value_of(total)
    exact = value.dtype == "int32" and product.target.dtype not in _INTEGERS
    if not value.is_float and not (exact and product.position == 0 and product.addend is None):
        value = math.convert(value, "float64")
    if product.position:
        scale = math.number(2.0**product.position, value.dtype)
        value = math.binary("*", value, scale, call.span)
    if product.addend is not None:
        index = place if row.partial else call.expr(row.filter, at)
        value = math.binary("+", value, call.read(product.addend, index), call.span)
    if product.target.dtype in _INTEGERS:
        value = _saturated(call, value, product.target.dtype)
    call.write(product.target, place, value)


def _saturated(call: Intrinsic, value: Number, dtype: str) -> Number:
    """The nearest integer that there is."""
    low, high = range_of(dtype)
    rounded = evaluate(call.ev, "rint(x)", {"x": call.ev.math.convert(value, "float64")}, call.span)
    names = {"x": rounded, "whole": call.ev.math.convert(rounded, "int32")}
    text = f"x != x ? 0 : x >= {high + 1}.0 ? {high} : x <= {low}.0 ? {low} : whole"
    return evaluate(call.ev, text, names, call.span)


def _check(product: _Product) -> None:
    """What the hardware asks of operands, as far as it is known here."""
    row, call, values = product.row, product.call, product.values
    targets, sources = call.expr(row.targets, values), call.expr(row.sources, values)
    call.require_apart(product.target, targets, product.source, sources, in_place=False)
    if row.aligned:
        size = BITS[product.source.dtype] if product.source.dtype != "int4" else 8
        unit = granule(size // 8, max(8, product.weight.bits) // 8)
        bytes_ = call.ev.math.known(call.expr(row.aligned, values) * product.weight.bits)
        if bytes_ is not None and -(-bytes_ // 8) % unit:
            call.refuse(
                f"the weights of a pixel take a multiple of {unit} bytes, not {bytes_ // 8}",
                "public kernels that do without are read with mode='lenient'",
            )


HANDLERS: dict[str, Callable[[Intrinsic], None]] = dict.fromkeys(
    (row.name for row in CONTRACTIONS), _contraction
)
