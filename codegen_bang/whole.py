"""Nests of loops that are one instruction as a whole: fills, copies, layouts, matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.codegen.c_family import dtype_of
from xpiler_tvm.dialects.bang import ALIGN, LANES, MAX_SEGMENTS, WRAM_COPY_SIZE
from xpiler_tvm.dialects.bang_matrix import EXACT_DEPTH, FLOATING, granule

from .copies import BoxCopy, box_copy
from .cost import CopyWork, MatrixWork, VectorWork
from .loops import condition_of, conjuncts, depends, loads, sides_of
from .matrix import Convolution, Product, contraction
from .memory import ITEM_BYTES, VECTOR_BYTES
from .nests import Dimension, Nest, is_compact, joined, perfect_nest, strides
from .spaces import WRAM_SCOPE

if TYPE_CHECKING:
    from .printer import BangPrinter


def print_whole(printer: BangPrinter, loop: tirx.For) -> bool:
    """Print the nest that begins with `loop` as one instruction; `False` where there is none."""
    nest = perfect_nest(loop)
    if nest is None:
        return False
    found = contraction(nest, printer.in_wram, printer.analyzer)
    if found is not None and _contraction(printer, found):
        return True
    if len(nest.variables) < 2:
        return False
    if _fill(printer, nest) or _copy(printer, nest) or _padded(printer, nest):
        return True
    return len(nest.variables) > 2 and _box(printer, nest)


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


def _box(printer: BangPrinter, nest: Nest) -> bool:
    """Elements of a part of a box that move without change, by one copy of runs of one length."""
    found = box_copy(nest, printer.analyzer)
    if found is None or not found.parts:
        return False
    dtype = str(found.target.dtype)
    same = printer.name(found.target) == printer.name(found.source)
    if same or dtype != str(found.source.dtype):
        return False
    if printer.scalars & {found.target, found.source}:
        return False
    spaces = printer.space(found.source), printer.space(found.target)
    *outer, inner = found.parts
    size, most = ITEM_BYTES[dtype], [printer.upper_bound(each.count) for each in found.parts]
    if "NRAM" not in spaces or "WRAM" in spaces or None in most or len(outer) > 2:
        return False
    *segments, longest = [int(count or 0) for count in most]
    runs = (inner.target, inner.source) == (1, 1)
    apart = all(min(each.target, each.source) >= longest for each in outer)
    if not runs or not apart or any(count > MAX_SEGMENTS for count in segments):
        return False

    checks = [*found.conditions, *(each.count > 0 for each in found.parts)]
    checks = [each for each in checks if not printer.analyzer.can_prove(each)]
    guard = f"if ({printer.expr(tirx.all(*checks)).code})" if checks else ""
    with printer.braces(guard) if guard else nullcontext():
        _print_box(printer, found, spaces, size)
    printer.meter.charge(CopyWork("2".join(spaces), longest * size, math.prod(segments)))
    return True


def _print_box(printer: BangPrinter, found: BoxCopy, spaces: tuple[str, str], size: int) -> None:
    simplified = printer.analyzer.simplify
    for low, value in found.lows:
        name = printer.reserve(str(low.name))
        printer.line(f"const int {name} = {printer.expr(value).code};")
        printer.names[low] = name
    counts: list[Expr] = []
    for part in found.parts:
        count = part.count
        if not isinstance(count, tirx.IntImm):
            count = tirx.Var("count", "int32")
            printer.names[count] = printer.reserve("count")
            value = printer.expr(simplified(part.count)).code
            printer.line(f"const int {printer.names[count]} = {value};")
        counts.append(count)

    def number(value: Expr) -> str:
        return printer.expr(simplified(value)).code

    arguments = [
        printer.pointer(buffer, first)
        for buffer, first in zip((found.target, found.source), found.firsts, strict=True)
    ]
    arguments += [number(counts[-1] * size), "2".join(spaces)]
    last = [number(count - 1) for count in counts[:-1]]
    far = [(str(each.target * size), str(each.source * size)) for each in found.parts[:-1]]
    if len(far) == 1:
        arguments += [*far[0], *last]
    elif far:
        for outer, near in zip(*far, strict=True):
            arguments += [near, last[1], outer, last[0]]
    printer.line(f"__memcpy({', '.join(arguments)});")


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


# --- the matrix unit ------------------------------------------------------------------------------


def sets_sums(printer: BangPrinter, part: tirx.Stmt, rest: Sequence[tirx.Stmt]) -> bool:
    """Whether `part` is zeros for sums that one contraction of the `rest` might as well set.

    C = 0;  A_nram = A[...];  C += A_nram @ W   ->   A_nram = A[...];  C = A_nram @ W

    The contraction is then printed so.
    """
    zeros = perfect_nest(part) if isinstance(part, tirx.For) else None
    if zeros is None or zeros.guards or not _is_zero(zeros.store.value):
        return False
    target = zeros.store.buffer
    filled = strides(zeros.store.indices, zeros.variables, printer.analyzer)
    if filled is None:
        return False
    for stmt in rest:
        nest = perfect_nest(stmt) if isinstance(stmt, tirx.For) else None
        found = None if nest is None else contraction(nest, _is_weights, printer.analyzer)
        if found is not None and found.target.same_as(target):
            same = tvm_ffi.structural_equal(found.firsts[0], filled[1])
            whole = found.rows * found.columns == _elements(zeros)
            if not same or not whole or not _has_form(found):
                return False
            printer.unset.add(target)
            return True
        if depends(stmt, target):
            return False
    return False


def _is_zero(value: Expr) -> bool:
    return isinstance(value, (tirx.IntImm, tirx.FloatImm)) and float(value.value) == 0.0


def _is_weights(buffer: tirx.Buffer) -> bool:
    return bool(buffer.scope() == WRAM_SCOPE)


def _dtypes(found: Product | Convolution) -> tuple[str, str, str]:
    target, source, weights = (str(b.dtype) for b in (found.target, found.source, found.weights))
    return target, source, weights


def _has_form(found: Product | Convolution) -> bool:
    """Whether the unit computes these types exactly, from pixels that fill whole words."""
    dtypes = _dtypes(found)
    source_bytes, weight_bytes = (ITEM_BYTES[dtype] for dtype in dtypes[1:])
    return (
        all(buffer.scope() not in ("global", WRAM_SCOPE) for buffer in (found.target, found.source))
        and found.channels * weight_bytes % granule(source_bytes, weight_bytes) == 0
        and (dtypes in FLOATING or found.depth <= EXACT_DEPTH.get(dtypes, 0))
    )


def _contraction(printer: BangPrinter, found: Product | Convolution) -> bool:
    """A product or a convolution on the matrix unit, added to what its target holds."""
    if not _has_form(found):
        return False
    dtypes = _dtypes(found)
    places = tuple(
        printer.pointer(buffer, first)
        for buffer, first in zip(
            (found.target, found.source, found.weights), found.firsts, strict=True
        )
    )
    source_bytes, weight_bytes = ITEM_BYTES[dtypes[1]], ITEM_BYTES[dtypes[2]]
    rows, columns, depth = found.rows, found.columns, found.depth
    count = rows * columns
    work = MatrixWork(count * depth, source_bytes, weight_bytes, "float" in dtypes[1])
    target, source, weights = places
    adds = found.target not in printer.unset
    printer.unset.discard(found.target)

    def print_sums(sums: str) -> None:
        printer.meter.charge(work)
        if isinstance(found, Product):
            printer.line(f"__bang_matmul({sums}, {source}, {weights}, {rows}, {depth}, {columns});")
        else:
            printer.line(f"__bang_conv({sums}, {source}, {weights}, {found.image});")

    if dtypes in FLOATING and not adds:
        print_sums(target)
        return True
    if dtypes in FLOATING:
        # Of the functions only a convolution adds to a partial result.
        vectors = f"{target}, {source}, {weights}, {target}"
        printer.meter.charge(work)
        printer.line(f"__bang_conv_partial({vectors}, {found.image});")
        return True
    # The unit gives no int32, but these sums are integers that a float holds.
    sums = printer.scratch("products", "float32", count)
    if dtypes[1] == "uint8":
        source = _made_signed(printer, source, found.source_size)
    print_sums(sums)
    if dtypes[1] == "uint8":
        _compensate(printer, sums, weights, (rows, columns, depth))
    printer.meter.charge(VectorWork(count, 4))
    if not adds:
        printer.line(f"__bang_float2int32_rn({target}, {sums}, {count}, 0);")
        return True
    printer.line(f"__bang_float2int32_rn((int*){sums}, {sums}, {count}, 0);")
    printer.meter.charge(VectorWork(count, 4))
    printer.line(f"__bang_add({target}, {target}, (int*){sums}, {count});")
    return True


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
