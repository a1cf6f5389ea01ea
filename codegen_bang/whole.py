"""Nests of loops that are one instruction as a whole: fills, copies, layouts, matrix products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.codegen.c_family import dtype_of
from xpiler_tvm.dialects.bang import ALIGN, LANES, MAX_SEGMENTS, WRAM_COPY_SIZE
from xpiler_tvm.dialects.bang_matrix import FLOATING, granule

from .cost import CopyWork, MatrixWork, VectorWork
from .loops import condition_of, conjuncts, depends, loads, sides_of
from .matrix import Product, product
from .memory import ITEM_BYTES, VECTOR_BYTES
from .nests import Dimension, Nest, is_compact, joined, perfect_nest, strides

if TYPE_CHECKING:
    from .printer import BangPrinter

EXACT_DEPTH: Mapping[tuple[str, ...], int] = {
    ("int32", "int8", "int8"): 1 << 10,
    ("int32", "uint8", "int8"): 1 << 9,
}
"""Products of bytes that a float adds up without rounding: 2**24 / 2**14, or 2**15."""


def print_whole(printer: BangPrinter, loop: tirx.For) -> bool:
    """Print the nest that begins with `loop` as one instruction; `False` where there is none."""
    nest = perfect_nest(loop)
    if nest is None:
        return False
    found = product(nest, printer.in_wram, printer.analyzer)
    if found is not None and _product(printer, found):
        return True
    if len(nest.variables) < 2:
        return False
    return _fill(printer, nest) or _copy(printer, nest) or _padded(printer, nest)


# --- fills and copies -----------------------------------------------------------------------------


def _target_steps(printer: BangPrinter, nest: Nest) -> tuple[tuple[int, ...], Expr] | None:
    """The steps of an unguarded nest that writes every element of a piece of NRAM, or of SRAM."""
    space = "SRAM" if printer.on_memory_core else "NRAM"
    if nest.guards or printer.space(nest.store.buffer) != space:
        return None
    found = strides(nest.store.indices, nest.variables, printer.analyzer)
    if found is None or not is_compact(list(zip(nest.extents, found[0], strict=True))):
        return None
    return found


def _elements(nest: Nest) -> int:
    count = 1
    for extent in nest.extents:
        count *= extent
    return count


def _fill(printer: BangPrinter, nest: Nest) -> bool:
    """One value into a piece of NRAM, or of SRAM."""
    value, dtype = nest.store.value, str(nest.store.buffer.dtype)
    if (
        ITEM_BYTES[dtype] > VECTOR_BYTES
        or loads(value)
        or any(depends(value, v) for v in nest.variables)
    ):
        return False
    found = _target_steps(printer, nest)
    if found is None:
        return False
    count, place = _elements(nest), printer.pointer(nest.store.buffer, found[1])
    filling = printer.filling(printer.expr(value), dtype)
    if printer.on_memory_core:
        printer.meter.charge(CopyWork("SRAM2SRAM", count * ITEM_BYTES[dtype]))
        printer.line(f"__sramset({place}, {count}, {filling});")
    else:
        printer.meter.charge(VectorWork(count, ITEM_BYTES[dtype]))
        printer.line(f"__bang_write_value({place}, {count}, {filling});")
    return True


def _copy(printer: BangPrinter, nest: Nest) -> bool:
    """Elements that move without change: a layout instruction, or a copy in up to three steps."""
    store, load = nest.store, nest.store.value
    if nest.guards or not isinstance(load, TensorLoad):
        return False
    dtype = str(store.buffer.dtype)
    same = printer.name(store.buffer) == printer.name(load.source)
    if same or dtype != dtype_of(load) or printer.scalars & {store.buffer, load.source}:
        return False
    to = strides(store.indices, nest.variables, printer.analyzer)
    of = strides(load.indices, nest.variables, printer.analyzer)
    if to is None or of is None:
        return False
    walk = joined([Dimension(*each) for each in zip(nest.extents, to[0], of[0], strict=True)])
    target, source = printer.pointer(store.buffer, to[1]), printer.pointer(load.source, of[1])
    direction = printer.direction(load.source, store.buffer)
    size, count = ITEM_BYTES[dtype], _elements(nest)
    if direction is None:
        return False
    if direction == "NRAM2NRAM":
        layout = _layout(walk, size)
        if layout is not None:
            name, arguments = layout
            printer.meter.charge(VectorWork(count, size))
            printer.line(f"{name}({target}, {source}, {', '.join(map(str, arguments))});")
            return True
    steps = _steps(walk, size, direction)
    if steps is None:
        return False
    run, further = steps
    printer.meter.charge(CopyWork(direction, run, count * size // run))
    ends = ", ".join([target, source, str(run), direction, *further])
    printer.line(f"{printer.copying(direction)}({ends});")
    return True


def _layout(walk: tuple[Dimension, ...], size: int) -> tuple[str, tuple[int, ...]] | None:
    """The instruction for a permutation of compact dimensions, and its arguments."""
    match walk:
        case (Dimension(width, across, 1), Dimension(height, 1, along)):
            if across == height and along == width:
                return "__bang_transpose", (height, width)
        case (Dimension(lanes, bank, one), Dimension(groups, to, of), Dimension(length, 1, 1)):
            banks = lanes == LANES and bank == groups * length and one == length
            rows = to == length and of == LANES * length
            if banks and rows and length * size % ALIGN == 0:
                return "__bang_reshape_filter", (lanes * groups, 1, 1, length)
    return None


def _steps(walk: tuple[Dimension, ...], size: int, direction: str) -> tuple[int, list[str]] | None:
    """Bytes of a run and the further arguments of a `__memcpy`; `None` where none walks so."""
    if not walk or (walk[-1].target, walk[-1].source) != (1, 1):
        return None
    *outer, inner = walk
    run = inner.extent * size
    if "WRAM" in direction and (outer or run % WRAM_COPY_SIZE):
        return None
    apart = [(each.target * size, each.source * size, each.extent) for each in outer]
    if any(min(to, of) < run or count > MAX_SEGMENTS for to, of, count in apart):
        return None
    match apart:
        case []:
            return run, []
        case [(to, of, count)]:
            return run, [str(to), str(of), str(count - 1)]
        case [(to, of, count), (near_to, near_of, near)]:
            sides = ((near_to, near - 1, to, count - 1), (near_of, near - 1, of, count - 1))
            return run, [str(number) for side in sides for number in side]
    return None


def _padded(printer: BangPrinter, nest: Nest) -> bool:
    """A copy with a constant where a condition fails: the constant everywhere, then the copy.

    d[i, j] = s[i, j] if i < m else 0   ->   d[:, :] = 0;  if i < m: d[i, j] = s[i, j]
    """
    store = nest.store
    condition = condition_of(store.value)
    if condition is None or loads(condition) or _target_steps(printer, nest) is None:
        return False
    inside, outside = sides_of(store.value)
    if not isinstance(inside, TensorLoad) or loads(outside):
        return False
    if printer.name(inside.source) == printer.name(store.buffer):
        return False
    printer.stmt(nest.loops(_storing(store, outside)))
    kept = tirx.IfThenElse(tirx.all(*conjuncts(condition)), _storing(store, inside), None)
    printer.stmt(nest.loops(kept))
    return True


def _storing(store: tirx.BufferStore, value: Expr) -> tirx.BufferStore:
    return tirx.BufferStore(store.buffer, value, store.indices)


# --- matrix products ------------------------------------------------------------------------------


def _product(printer: BangPrinter, found: Product) -> bool:
    """A product on the matrix unit, added to what its target holds."""
    dtypes = tuple(str(b.dtype) for b in (found.target, found.source, found.weights))
    places = tuple(
        printer.pointer(buffer, first)
        for buffer, first in zip(
            (found.target, found.source, found.weights), found.firsts, strict=True
        )
    )
    in_place = all(printer.in_nram(buffer) for buffer in (found.target, found.source))
    source_bytes, weight_bytes = ITEM_BYTES[dtypes[1]], ITEM_BYTES[dtypes[2]]
    if not in_place or found.depth * weight_bytes % granule(source_bytes, weight_bytes):
        return False
    rows, columns, depth = found.rows, found.columns, found.depth
    count = rows * columns
    work = MatrixWork(count * depth, source_bytes, weight_bytes, "float" in dtypes[1])
    target, source, weights = places
    if dtypes in FLOATING:
        # A convolution of one pixel wide images with one pixel, which adds to a partial result.
        image = f"{depth}, {rows}, 1, 1, 1, 1, 1, {columns}"
        printer.meter.charge(work)
        printer.line(f"__bang_conv_partial({target}, {source}, {weights}, {target}, {image});")
        return True
    if depth <= EXACT_DEPTH.get(dtypes, 0):
        # The unit gives no int32, but these sums are integers that a float holds.
        sums = printer.scratch("products", "float32", count)
        if dtypes[1] == "uint8":
            source = _made_signed(printer, source, rows * depth)
        printer.meter.charge(work)
        printer.line(f"__bang_matmul({sums}, {source}, {weights}, {rows}, {depth}, {columns});")
        if dtypes[1] == "uint8":
            _compensate(printer, sums, weights, (rows, columns, depth))
        printer.meter.charge(VectorWork(count, 4))
        printer.line(f"__bang_float2int32_rn((int*){sums}, {sums}, {count}, 0);")
        printer.meter.charge(VectorWork(count, 4))
        printer.line(f"__bang_add({target}, {target}, (int*){sums}, {count});")
        return True
    return False


def _made_signed(printer: BangPrinter, source: str, count: int) -> str:
    """Unsigned bytes less 128, which are signed ones with the other sign bit."""
    signed = printer.scratch("signed_bytes", "int8", count)
    for _ in range(2):
        printer.meter.charge(VectorWork(count, 1))
    printer.line(f"__bang_write_value({signed}, {count}, (int8_t)-128);")
    printer.line(f"__bang_bxor((char*){signed}, (char*){signed}, (char*){source}, {count});")
    return signed


def _compensate(printer: BangPrinter, sums: str, weights: str, sizes: tuple[int, int, int]) -> None:
    """Add to the sums of each column what 128 in all rows would have made of its weights.

    A row of ones gives the sums of the columns.
    """
    rows, columns, depth = sizes
    ones = printer.scratch("ones", "int8", depth)
    added = printer.scratch("column_sums", "float32", columns)
    printer.meter.charge(VectorWork(depth, 1))
    printer.line(f"__bang_write_value({ones}, {depth}, (int8_t)1);")
    printer.meter.charge(MatrixWork(columns * depth, 1, 1, False))
    printer.line(f"__bang_matmul({added}, {ones}, {weights}, 1, {depth}, {columns});")
    printer.meter.charge(VectorWork(columns, 4))
    printer.line(f"__bang_mul_scalar({added}, {added}, 128.0f, {columns});")
    printer.meter.charge(VectorWork(rows * columns, 4))
    printer.line(f"__bang_cycle_add({sums}, {sums}, {added}, {rows * columns}, {columns});")
