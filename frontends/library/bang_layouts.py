"""BANG C's maps of indices: layouts, look-ups, masked moves and pools."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang_layouts import (
    LAYOUTS,
    LOOKUPS,
    MASKED_MOVES,
    POOLS,
    Extents,
    Layout,
    MaskedMove,
    Pool,
    Rules,
)
from xpiler_tvm.tir import Expr

from .. import ir
from ..program import Branch
from ..values import BITS, Number
from .bang_calls import Intrinsic, Vector
from .meanings import evaluate, of_elements

_ZERO = tir.const(0, "int32")


def _parameters(call: Intrinsic, names: tuple[str, ...], first: int = 2) -> dict[str, Number]:
    return {name: call.integer(position) for position, name in enumerate(names, first)}


def _layout(call: Intrinsic) -> None:
    rows = [row for row in LAYOUTS if row.name == call.name]
    fitting = [
        row
        for row in rows
        if 0 <= len(call.args) - 2 - len(row.parameters) <= int(bool(row.inside))
    ]
    if not fitting:
        call.refuse(f"{len(call.args)} arguments are those of no form")
    _reordered(call, fitting[0])


def _reordered(call: Intrinsic, row: Layout) -> None:
    ev, math = call.ev, call.ev.math
    target, source = call.vector(0), call.vector(1)
    if target.dtype != source.dtype or target.dtype == "int4":
        call.refuse("both vectors are of one type")
    names = _parameters(call, row.parameters)
    fill = math.number(0, target.dtype)
    if len(call.args) > 2 + len(row.parameters):
        fill = call.scalar(2 + len(row.parameters), target.dtype, target)
    names["size"] = math.number(BITS[target.dtype] // 8, "int32")
    call.require(row.rules, names)
    sources = call.expr(row.count, names)
    extents = [call.expr(extent, names) for _, extent in row.extents]
    targets = extents[0]
    for extent in extents[1:]:
        targets = targets * extent
    call.require_apart(target, targets, source, sources, in_place=False)
    with call.nest(row.extents, names) as inner:
        place: Expr = _ZERO
        for (name, _), extent in zip(row.extents, extents, strict=True):
            place = place * extent + inner[name].expr
        place = math.simplify(place)
        if not row.inside:
            call.write(target, place, _element(call, row, source, inner))
            return
        test = math.truth(evaluate(ev, row.inside, inner, call.span))
        if math.known(test) == 1:
            call.write(target, place, _element(call, row, source, inner))
            return
        with ev.assuming(test):
            value = _element(call, row, source, inner)
        call.write(target, place, math.select(test, value, math.convert(fill, value.dtype)))


def _element(call: Intrinsic, row: Layout, source: Vector, names: dict[str, Number]) -> Number:
    loaded = call.ev.load(call.moved(source, call.expr(row.source, names)).address, call.span)
    assert isinstance(loaded, Number)
    return loaded


def _lookup(call: Intrinsic) -> None:
    call.expect(5)
    words = ("int32", "uint32")
    target, index = call.vector(0, dtypes=words), call.vector(1, dtypes=words)
    table = call.vector(2, dtypes=words)
    if target.dtype != table.dtype:
        call.refuse("the table and the result are of one type")
    n = call.count(3)
    call.count(4)
    with call.loop("i", n) as i:
        place = call.ev.math.as_index(call.read(index, i))
        call.write(target, i, call.read(table, place))


def _masked_move(row: MaskedMove, call: Intrinsic) -> None:
    """Byte by byte: through `void*` the count is one of bytes."""
    call.expect(4)
    n, bytes_ = call.count(3), 1
    kinds = [call.address(position).of for position in range(3)]
    if kinds[0] != ir.VOID:
        bytes_ = BITS[call.vector(0).dtype] // 8
    places = []
    for position in range(3):
        call.require_operand(call.address(position), "NRAM", f"argument {position + 1}")
        places.append(call.seen_as(Vector(call.address(position), "uint8"), "uint8"))
    target, source, mask = places
    with call.loop("i", call.ev.math.simplify(n * bytes_)) as i:
        names = {
            name: call.read(one, i) for name, one in zip("arm", (source, target, mask), strict=True)
        }
        call.write(target, i, of_elements(call.ev, row.meaning, names, call.span))


def _pool(row: Pool, call: Intrinsic) -> None:
    names = ("channel", "height", "width", "kernel_h", "kernel_w")
    strides = ("stride_w", "stride_h")
    if len(call.args) not in (7, 9):
        call.refuse(f"takes 7 or 9 arguments, {len(call.args)} are given")
    ev, math = call.ev, call.ev.math
    source = call.vector(1, dtypes=row.dtypes)
    target = call.vector(0)
    result = {16: "uint16", 32: "uint32"}[BITS[source.dtype]] if row.index else source.dtype
    wanted = (result, result[1:]) if row.index else (result,)
    if target.dtype not in wanted:
        call.refuse(f"the result is {result}, not {target.dtype}")
    values = _parameters(call, names)
    if len(call.args) == 9:
        values |= _parameters(call, strides, 7)
    else:
        values |= {"stride_w": values["kernel_w"], "stride_h": values["kernel_h"]}
    values["size"] = math.number(BITS[source.dtype] // 8, "int32")
    call.require(_pool_rules(row, call.strict), values)
    height, width = "(height - kernel_h) / stride_h + 1", "(width - kernel_w) / stride_w + 1"
    outputs: Extents = (("y", height), ("x", width), ("c", "channel"))
    total = call.expr(f"({height}) * ({width}) * channel", values)
    whole = call.expr("height * width * channel", values)
    call.require_apart(target, total, source, whole, in_place=False)
    with call.nest(outputs, values) as at:
        start = evaluate(ev, row.start, {}, call.span)
        folded = call.local("r", start)
        best = call.local("best", math.number(0, "int32")) if row.index else None
        with call.nest((("ky", "kernel_h"), ("kx", "kernel_w")), at) as inner:
            place = "((y * stride_h + ky) * width + x * stride_w + kx) * channel + c"
            element = call.read(source, call.expr(place, inner))
            element = math.convert(element, "float32")
            _step(call, row, (folded, best), element, inner)
        index = call.expr(f"(y * ({width}) + x) * channel + c", at)
        if best is not None:
            call.write(target, index, call.value_of(best))
        else:
            size = math.convert(evaluate(ev, "kernel_h * kernel_w", at, call.span), "float32")
            given = {"r": call.value_of(folded), "k": size}
            call.write(target, index, of_elements(ev, row.scale, given, call.span))


def _pool_rules(row: Pool, strict: bool) -> Rules:
    rules: Rules = (
        ("kernel_h > 0 && kernel_w > 0", "a kernel's extent is positive"),
        ("stride_h > 0 && stride_w > 0", "a stride is positive"),
        ("kernel_h <= height && kernel_w <= width", "the kernel is not larger than the image"),
    )
    if row.channel_bytes == 1 or not strict:
        return rules
    multiple = f"channel * size % {row.channel_bytes} == 0"
    said = f"the channels take a multiple of {row.channel_bytes} bytes; see mode='lenient'"
    return (*rules, (multiple, said))


def _step(
    call: Intrinsic,
    row: Pool,
    state: tuple[Vector, Vector | None],
    element: Number,
    at: dict[str, Number],
) -> None:
    """One element into the fold, and its place where it is the first of its value."""
    folded, best = state
    names = {"r": call.value_of(folded), "a": element}
    new = of_elements(call.ev, row.step, names, call.span)
    if best is not None:
        changed = call.ev.math.binary("!=", new, call.value_of(folded), call.span)
        with call.ev.collecting() as found:
            call.write(best, _ZERO, Number(call.expr("ky * kernel_w + kx", at), "int32"))
        call.ev.emit(Branch(call.ev.math.truth(changed), tuple(found), (), call.span))
    call.write(folded, _ZERO, new)


HANDLERS: dict[str, Callable[[Intrinsic], None]] = {
    **dict.fromkeys((row.name for row in LAYOUTS), _layout),
    **dict.fromkeys((row.name for row in LOOKUPS), _lookup),
    **{row.name: partial(_masked_move, row) for row in MASKED_MOVES},
    **{row.name: partial(_pool, row) for row in POOLS},
}
