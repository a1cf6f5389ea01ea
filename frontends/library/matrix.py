"""CUDA's wmma and rocWMMA: a fragment is one matrix of its warp, in an array of the block.

fragment<accumulator, 16, 16, 16, float> c;  ->  c[warps, 16, 16], shared
c.x[i]                                       ->  c[warp, lane * 8 + i]
mma_sync(c, a, b, c)                         ->  for each of the lane's elements, for k:
                                                 c[row, column] += a[row, k] * b[k, column]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.matrix import ROCWMMA, WMMA, Wmma
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.tir import Expr

from .. import ir
from ..partial_eval.bits import as_bits, as_number
from ..program import Loop
from ..values import Address, Nothing, Number, Value
from .calling import Handler, Invocation
from .warp import all_lanes, together, warp_of

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

FRAGMENT = "fragment"
DTYPES = {
    "half": "float16",
    "bfloat16": "bfloat16",
    "signed char": "int8",
    "unsigned char": "uint8",
    "int": "int32",
    "float": "float32",
    "double": "float64",
    "precision::tf32": "float32",
}
_TF32 = 0xFFFFE000
"""The bits of a float that a multiplier of tf32 looks at."""


@dataclass(frozen=True)
class Fragment:
    """`use` of `rows` x `columns` elements of `dtype`, of which a lane holds `share`.

    `copies` of each are held, of which the first is what counts. `operand` is the C type.
    """

    use: str
    rows: int
    columns: int
    operand: str
    by_rows: bool
    share: int
    copies: int

    @property
    def dtype(self) -> str:
        return DTYPES[self.operand]

    @property
    def total(self) -> int:
        return self.rows * self.columns


@lru_cache(maxsize=256)
def _known(args: tuple[ir.Type | int, ...], warp: int) -> tuple[Fragment, ir.Struct] | None:
    """The fragment of a class's arguments, and its class here; `None` for one that is not there."""
    use, m, n, k, element, *layout = args
    if not isinstance(use, ir.Struct) or not all(isinstance(size, int) for size in (m, n, k)):
        return None
    operand = _operand(element)
    rows: tuple[Wmma, ...] = ROCWMMA if warp == 64 else WMMA
    if use.name == "accumulator":
        shape = (m, n)
        fitting = [row for row in rows if (m, n, k) in row.shapes and operand in row.totals]
    else:
        shape = (m, k) if use.name == "matrix_a" else (k, n)
        fitting = [row for row in rows if (m, n, k) in row.shapes and operand == row.operand]
    if operand is None or not fitting or shape[0] * shape[1] < warp:  # type: ignore[operator]
        return None
    by_rows = any(isinstance(one, ir.Struct) and one.name == "row_major" for one in layout)
    share = shape[0] * shape[1] // warp  # type: ignore[operator]
    held = fitting[0].operand_elements if use.name != "accumulator" else 0
    height, width = (int(extent) for extent in shape)  # type: ignore[arg-type]
    copies = max(1, held // share)
    fragment = Fragment(use.name, height, width, operand, by_rows, share, copies)
    extent = ir.Literal(fragment.total, "int32", Span("<wmma>", 1, 1))
    field = ir.ArrayType(ir.Arithmetic(fragment.dtype), extent)
    return fragment, ir.Struct(FRAGMENT, (("x", field),), args)


def _operand(element: ir.Type | int) -> str | None:
    if isinstance(element, ir.Struct) and element.name == "tf32":
        return "precision::tf32"
    if not isinstance(element, ir.Arithmetic):
        return None
    return next((name for name, dtype in DTYPES.items() if dtype == element.dtype), None)


def class_of(ev: Calls, kind: ir.Struct, span: Span) -> ir.Struct:
    """The class that a fragment is here. Raises `ReadError` XP1009 where the device has none."""
    found = _known(kind.args, ev.ids.warp) if len(kind.args) >= 5 else None
    if found is None:
        raise ReadError(
            "XP1009", "the device has no matrix fragment of this shape and type", span=span
        )
    return found[1]


def is_fragment(kind: ir.Type) -> bool:
    return isinstance(kind, ir.Struct) and kind.name == FRAGMENT and not kind.ident


def holds_fragments(kind: ir.Type) -> bool:
    """Whether an object is a fragment, or an array of them."""
    while isinstance(kind, ir.ArrayType):
        kind = kind.of
    return is_fragment(kind)


def fragment_of(ev: Calls, kind: ir.Type) -> Fragment:
    assert isinstance(kind, ir.Struct)
    found = _known(kind.args, ev.ids.warp)
    assert found is not None
    return found[0]


def allocated(ev: Calls, name: str, kind: ir.Type, elements: int, span: Span) -> Address:
    """Fragments of `elements` in all, for each warp of the block."""
    element = kind
    while isinstance(element, ir.ArrayType):
        element = element.of
    dtype, warp = fragment_of(ev, element).dtype, ev.ids.warp
    warps = -(-ev.ids.size // warp)
    buffer = ev._allocated(name, dtype, elements * warps, "shared", span)
    number = tirx.floordiv(ev.ids.linear, tir.const(warp, "int32"))
    return Address(buffer, ev.math.simplify(number * elements), kind)


COUNTS = ("num_elements", "num_storage_elements")


def count(ev: Calls, whole: object) -> Number | None:
    """How many elements of a fragment a lane holds; `None` for what is no fragment."""
    if not isinstance(whole, Address) or not is_fragment(whole.of):
        return None
    fragment = fragment_of(ev, whole.of)
    return ev.math.number(fragment.share * fragment.copies, "int32")


def elements(ev: Calls, whole: Address, span: Span) -> Address:
    """`x` of a fragment: the elements that this lane holds."""
    fragment = fragment_of(ev, whole.of)
    if fragment.copies > 1:
        raise ReadError(
            "XP1009",
            "a lane's elements of this fragment are not read: it holds some more than once",
            span=span,
            hint="change the elements in memory, before they are loaded",
        )
    extent = ir.Literal(fragment.share, "int32", span)
    start = ev.math.simplify(whole.offset + warp_of(ev).lane * fragment.share)
    return Address(whole.buffer, start, ir.ArrayType(ir.Arithmetic(fragment.dtype), extent))


# ---------------------------------------------------------------- elements


@dataclass(frozen=True, eq=False)
class Matrix:
    """A fragment of this warp in memory."""

    ev: Calls
    address: Address
    fragment: Fragment
    span: Span

    def at(self, row: Expr, column: Expr) -> Address:
        return self.place(row * self.fragment.columns + column)

    def place(self, element: Expr) -> Address:
        offset = self.ev.math.simplify(self.address.offset + element)
        return Address(self.address.buffer, offset, ir.Arithmetic(self.fragment.dtype))

    def load(self, place: Address, dtype: str = "") -> Number:
        value = self.ev.load(place, self.span)
        assert isinstance(value, Number)
        return self.ev.math.convert(value, dtype) if dtype else value


def _matrix(call: Invocation, position: int) -> Matrix:
    place = call.ev.place(call.expr.args[position])
    if not isinstance(place, Address) or not is_fragment(place.of):
        raise call.refused("takes a fragment here")
    return Matrix(call.ev, place, fragment_of(call.ev, place.of), call.span)


def counted(ev: Calls, name: str, count: int, body: Callable[[Expr], None], span: Span) -> None:
    """`body(i)` for each `i` below `count`."""
    var = ev.counter(name, count)
    with ev.collecting() as statements:
        body(var)
    ev.emit(Loop(var, tir.const(count, "int32"), tuple(statements), False, span))


def _own_elements(matrix: Matrix, body: Callable[[Expr, Expr], None]) -> None:
    """`body(row, column)` for each element that this lane holds."""
    ev, fragment = matrix.ev, matrix.fragment
    lane = warp_of(ev).lane

    def step(number: Expr) -> None:
        element = lane * fragment.share + number
        row = ev.math.simplify(tirx.floordiv(element, fragment.columns))
        column = ev.math.simplify(tirx.floormod(element, fragment.columns))
        body(row, column)

    counted(ev, "r", fragment.share, step, matrix.span)


def _in_memory(call: Invocation, position: int, by_rows: bool) -> Callable[[Expr, Expr], Address]:
    """Where the elements of a matrix lie behind the pointer that stands at `position`."""
    ev = call.ev
    start = ev._address(ev.value(call.expr.args[position]), call.span)
    stride = ev.math.convert(ev.number(call.expr.args[2]), "int32")

    def place(row: Expr, column: Expr) -> Address:
        major, minor = (row, column) if by_rows else (column, row)
        lines = ev.math.binary("*", Number(major, "int32"), stride, call.span)
        index = ev.math.binary("+", lines, Number(minor, "int32"), call.span)
        return ev._moved(start, index, 1, call.span)

    return place


def _layout(call: Invocation, matrix: Matrix) -> bool:
    """Whether memory goes by rows: of an accumulator an argument says so."""
    if matrix.fragment.use != "accumulator":
        return matrix.fragment.by_rows
    return call.constant(3, "the layout of a matrix in memory") == 0


# ---------------------------------------------------------------- operations


def _fill(call: Invocation) -> Value:
    matrix = _matrix(call, 0)
    value = call.ev.freeze(
        call.ev.convert(
            call.ev.value(call.expr.args[1]), ir.Arithmetic(matrix.fragment.dtype), call.span
        ),
        call.span,
    )
    _own_elements(
        matrix, lambda row, column: call.ev.store(matrix.at(row, column), value, call.span)
    )
    return Nothing()


def _load(call: Invocation) -> Value:
    ev, matrix = call.ev, _matrix(call, 0)
    together(call, all_lanes(ev))
    ev.barrier(call.span, warp=True)
    memory = _in_memory(call, 1, _layout(call, matrix))

    def step(row: Expr, column: Expr) -> None:
        ev.store(matrix.at(row, column), ev.load(memory(row, column), call.span), call.span)

    _own_elements(matrix, step)
    return Nothing()


def _store(call: Invocation) -> Value:
    ev, matrix = call.ev, _matrix(call, 1)
    together(call, all_lanes(ev))
    memory = _in_memory(call, 0, _layout(call, matrix))

    def step(row: Expr, column: Expr) -> None:
        ev.store(memory(row, column), ev.load(matrix.at(row, column), call.span), call.span)

    _own_elements(matrix, step)
    ev.barrier(call.span, warp=True)
    return Nothing()


def _multiply(call: Invocation) -> Value:
    """`d = a * b + c`: summed in float, double or int, and rounded at the end to d's type."""
    ev, span = call.ev, call.span
    d, a, b, c = (_matrix(call, position) for position in range(4))
    depth = a.fragment.columns
    if (a.fragment.rows, depth, b.fragment.columns) != (
        d.fragment.rows,
        b.fragment.rows,
        d.fragment.columns,
    ):
        raise call.refused("takes matrices that do not fit each other")
    saturated = len(call.expr.args) > 4 and bool(call.constant(4, "whether a sum saturates"))
    dtype = {"float16": "float32", "bfloat16": "float32"}.get(d.fragment.dtype, d.fragment.dtype)
    if saturated and dtype == "int32":
        dtype = "int64"
    together(call, all_lanes(ev))
    ev.barrier(span, warp=True)

    def element(row: Expr, column: Expr) -> None:
        target, start = d.at(row, column), c.at(row, column)
        in_place = dtype == d.fragment.dtype
        total = target if in_place else ev.allocate("sum", ir.Arithmetic(dtype), span)
        same = in_place and start.buffer.same_as(target.buffer)
        if not same or not tir.same(start.offset, target.offset):
            ev.store(total, c.load(start, dtype), span)

        def step(k: Expr) -> None:
            left = _seen(a, a.load(a.at(row, k)))
            right = _seen(b, b.load(b.at(k, column)))
            factors = [ev.math.convert(factor, dtype) for factor in (left, right)]
            product = ev.math.binary("*", factors[0], factors[1], span)
            value = ev.load(total, span)
            assert isinstance(value, Number)
            ev.store(total, ev.math.binary("+", value, product, span), span)

        counted(ev, "k", depth, step, span)
        if not in_place:
            value = ev.load(total, span)
            assert isinstance(value, Number)
            ev.store(target, _limited(value, saturated), span)

    _own_elements(d, element)
    ev.barrier(span, warp=True)
    return Nothing()


def _seen(matrix: Matrix, value: Number) -> Number:
    """An operand as the multiplier sees it."""
    return of_tf32(value) if matrix.fragment.operand == "precision::tf32" else value


def of_tf32(value: Number) -> Number:
    """A float as a multiplier of tf32 sees it, which does not look at the lower bits."""
    return Number(_masked(as_bits(value.expr, "float32")), "float32")


def _masked(bits: Expr) -> Expr:
    return as_number(tirx.bitwise_and(bits, tir.const(_TF32, "uint32")), "uint32", "float32")


def _limited(value: Number, saturated: bool) -> Number:
    if not saturated or value.dtype != "int64":
        return value
    low, high = (tir.const(bound, "int64") for bound in (-(1 << 31), (1 << 31) - 1))
    return Number(tirx.max(tirx.min(value.expr, high), low), "int64")


def _to_tf32(call: Invocation) -> Value:
    """Ten bits of the mantissa stay; halves go away from zero."""
    value = call.ev.freeze(call.number(0, "float32"), call.span)
    assert isinstance(value, Number)
    bits = as_bits(value.expr, "float32") + tir.const(0x1000, "uint32")
    finite = tirx.isfinite(value.expr)
    return Number(tirx.Select(finite, _masked(bits), value.expr), "float32")


HANDLERS: dict[str, Handler] = {
    "fill_fragment": _fill,
    "load_matrix_sync": _load,
    "store_matrix_sync": _store,
    "mma_sync": _multiply,
    "__float_to_tf32": _to_tf32,
}
