"""Loops that fold many values into one element, or many rows into one.

`__bang_reduce_sum` adds up no more than blocks of 128 bytes. So a pool takes the values as rows of
as many channels as fill a block, and what it leaves in each channel is folded by one instruction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx
from tvm.ir import Expr

from xpiler_tvm.codegen.c_family import dtype_of
from xpiler_tvm.dialects.bang_rates import ARITHMETIC, NRAM_ACCESS

from .cost import CopyWork, ScalarWork, VectorWork, Work
from .loops import depends, loads
from .memory import ITEM_BYTES
from .pieces import Access, Rows
from .vectors import Names, NoVectorForm, Vector

if TYPE_CHECKING:
    from .printer import BangPrinter
    from .selection import Selection

LANES = 32
"""Float channels of a pooling instruction: 128 bytes."""

REDUCTIONS = {
    tirx.Add: ("sum", "__bang_sumpool", "__bang_reduce_sum", "total + {}"),
    tirx.Max: ("max", "__bang_maxpool", "__bang_argmax", "fmaxf(total, {})"),
    tirx.Min: ("min", "__bang_minpool", "__bang_argmin", "fminf(total, {})"),
}
"""By combining operator: a name, the pool that does it lane by lane, what folds the lanes into the
first element, one step in C."""

MEANINGS = {tirx.Add: "a + b", tirx.Max: "fmaxf(a, b)", tirx.Min: "fminf(a, b)"}
"""What a reduction does to two vectors."""

LANES_ARRAY = "vector_lanes"
"""The array in NRAM that holds the channels of a pool, and behind them what is folded of them."""

_FOLD = """\
// {name} folds the n values of v into total: {lanes} lanes by one pool, then the lanes.
{q} float {name}(float total, float* v, int n) {{
  const int rows = n / {lanes};
  if (rows > 0) {{
    {pool}({array}, v, {lanes}, 1, rows, 1, rows, 1, 1);
    {lanes_fold}({array} + {lanes}, {array}, {lanes});
    total = {from_lanes};
  }}
  for (int i = rows * {lanes}; i < n; ++i) {{
    total = {from_tail};
  }}
  return total;
}}
"""


def _folded(selection: Selection) -> Expr:
    """What a reduction folds into its target. Raises `NoVectorForm` where it is none."""
    value = selection.store.value
    if type(value) not in REDUCTIONS:
        raise NoVectorForm("a loop that overwrites one element")
    own, other = value.a, value.b
    if not selection.is_target(own):
        own, other = other, own
    if not selection.is_target(own) or any(selection.in_target(load) for load in loads(other)):
        raise NoVectorForm("a loop that overwrites one element")
    return other


def fold_rows(selection: Selection, place: Access, rows: Rows) -> None:
    """`buffer[c + first] = op(buffer[c + first], value(r, c))`: all rows by one pool."""
    store, other = selection.store, _folded(selection)
    dtype, kind = str(store.buffer.dtype), type(selection.store.value)
    pool = REDUCTIONS[kind][1]
    whole_blocks = kind is not tirx.Add or rows.length % LANES == 0
    if dtype != "float32" or not whole_blocks or not selection.printer.in_nram(store.buffer):
        raise NoVectorForm("a fold of rows that no pool does")
    vector = selection.vector(other, dtype)
    if vector.cycle:
        raise NoVectorForm("one row, folded again and again")
    total = Vector(dtype, selection.printer.pointer(store.buffer, place.first), cycle=True)
    part = Vector(dtype, cycle=True)
    sizes = f"{rows.length}, 1, {rows.count}, 1, {rows.count}, 1, 1"
    selection.code.add(
        part,
        [vector],
        lambda names: [f"{pool}({names(part)}, {names(vector)}, {sizes});"],
        in_place=False,
        work=[VectorWork(selection.code.most, ITEM_BYTES[dtype])],
    )
    meaning = MEANINGS[kind]
    result = selection.code.apply(meaning, dtype, total, part)
    selection.code.instructions[-1] = selection.code.instructions[-1].retargeted(result, total)


def fold_columns(selection: Selection, place: Access, rows: Rows) -> None:
    """`buffer[r + first] = op(buffer[r + first], value(r, c))`: each row into its element.

    for r: for c: y[r] += x[r, c]   ->   lanes[r] = x[r] by one pool;  t[r] = lanes of r;  y += t
    """
    store, other = selection.store, _folded(selection)
    dtype, kind = str(store.buffer.dtype), type(selection.store.value)
    if dtype != "float32" or place.across != 1 or not selection.printer.in_nram(store.buffer):
        raise NoVectorForm("a fold of each row that no pool does")
    vector = selection.vector(other, dtype)
    if vector.cycle:
        raise NoVectorForm("rows that are all the same")
    totals = _lanes_first if rows.length % LANES == 0 else _columns_first
    part = totals(selection, vector, rows, kind)
    target = Vector(dtype, selection.printer.pointer(store.buffer, place.first))
    row = selection.code.row(MEANINGS[kind], dtype, target, part)
    if row is None:
        raise NoVectorForm(f"{MEANINGS[kind]} for {dtype}")
    name = row.name
    selection.code.add(
        target,
        [target, part],
        lambda names: [f"{name}({names(target)}, {names(target)}, {names(part)}, {rows.count});"],
        work=[VectorWork(rows.most, ITEM_BYTES[dtype])],
    )


def _lanes_first(selection: Selection, vector: Vector, rows: Rows, kind: type) -> Vector:
    """The totals of rows that fill whole pools: a pool along the rows, then the lanes of each."""
    pool, item = REDUCTIONS[kind][1], ITEM_BYTES["float32"]
    wide = rows.length // LANES
    lanes = vector
    if wide > 1:
        lanes = Vector("float32")
        sizes = f"{LANES}, {rows.count}, {wide}, 1, {wide}, 1, 1"
        selection.code.add(
            lanes,
            [vector],
            lambda names: [f"{pool}({names(lanes)}, {names(vector)}, {sizes});"],
            in_place=False,
            work=[VectorWork(rows.most * rows.length, item)],
        )
    if kind is not tirx.Add:
        return _transposed_pool(selection, lanes, rows, LANES, pool)
    sums, part = Vector("float32"), Vector("float32")
    count = str(int(rows.count) * LANES) if rows.count.isdigit() else f"{rows.count} * {LANES}"
    last = str(int(rows.count) - 1) if rows.count.isdigit() else f"{rows.count} - 1"
    selection.code.add(
        sums,
        [lanes],
        lambda names: [f"__bang_reduce_sum({names(sums)}, {names(lanes)}, {count});"],
        in_place=False,
        work=[VectorWork(rows.most * LANES, item)],
    )
    # The sum of each block lies in its first element.
    steps = f"{item}, NRAM2NRAM, {item}, {LANES * item}, {last}"
    selection.code.add(
        part,
        [sums],
        lambda names: [f"__memcpy({names(part)}, {names(sums)}, {steps});"],
        in_place=False,
        work=[CopyWork("NRAM2NRAM", item, rows.most)],
    )
    return part


def _columns_first(selection: Selection, vector: Vector, rows: Rows, kind: type) -> Vector:
    """The totals of rows of any length: turned, so that they are sums of whole columns."""
    if kind is not tirx.Add:
        return _transposed_pool(selection, vector, rows, rows.length, REDUCTIONS[kind][1])
    item, turned, part = ITEM_BYTES["float32"], Vector("float32"), Vector("float32")
    _transpose(selection, turned, vector, rows, rows.length)
    index = selection.code.row_name

    def text(names: Names) -> list[str]:
        first, total = names(turned), names(part)
        step = f"{first} + {index} * {rows.count}"
        return [
            f"__bang_add({total}, {first}, {first} + {rows.count}, {rows.count});",
            f"for (int {index} = 2; {index} < {rows.length}; ++{index}) {{",
            f"  __bang_add({total}, {total}, {step}, {rows.count});",
            "}",
        ]

    work: list[Work] = [
        VectorWork(rows.most, item, rows.length - 1),
        ScalarWork((rows.length - 2) * 2 * ARITHMETIC),
    ]
    selection.code.add(part, [turned], text, in_place=False, work=work)
    return part


def _transposed_pool(
    selection: Selection, vector: Vector, rows: Rows, length: int, pool: str
) -> Vector:
    """Each row of `length` elements pooled into one: a pool takes any number of channels here."""
    turned, part = Vector("float32"), Vector("float32")
    _transpose(selection, turned, vector, rows, length)
    sizes = f"{rows.count}, 1, {length}, 1, {length}, 1, 1"
    selection.code.add(
        part,
        [turned],
        lambda names: [f"{pool}({names(part)}, {names(turned)}, {sizes});"],
        in_place=False,
        work=[VectorWork(rows.most * length, ITEM_BYTES["float32"])],
    )
    return part


def _transpose(
    selection: Selection, turned: Vector, vector: Vector, rows: Rows, length: int
) -> None:
    selection.code.add(
        turned,
        [vector],
        lambda names: [
            f"__bang_transpose({names(turned)}, {names(vector)}, {rows.count}, {length});"
        ],
        in_place=False,
        work=[VectorWork(rows.most * length, ITEM_BYTES["float32"])],
    )


def fold(selection: Selection) -> None:
    """`buffer[first] = op(buffer[first], value(i))`."""
    store, printer, value = selection.store, selection.printer, selection.store.value
    kind, other = type(value), _folded(selection)
    if not depends(other, selection.span.var):
        raise NoVectorForm("one value, folded again and again")
    vector = selection.vector(other, dtype_of(value))
    if selection.rows is not None and (vector.cycle or vector.dtype != "float32"):
        raise NoVectorForm("a row, folded again and again")
    target = printer.element(store.buffer, store.indices)
    if vector.dtype == "float32":
        helper, count = fold_helper(printer, kind), selection.code.count
        selection.code.add(
            None,
            [vector],
            lambda names: [f"{target} = {helper}({target}, {names(vector)}, {count});"],
            work=_fold_work(selection.code.most),
        )
        return
    if vector.dtype == "int32" and _is_exact_as_float(selection, kind, other):
        numbers = selection.code.conversion("__bang_int322float", vector)
        helper, count = fold_helper(printer, kind), selection.code.count
        selection.code.add(
            None,
            [numbers],
            lambda names: [_into_integer(kind, target, helper, names(numbers), count)],
            work=_fold_work(selection.code.most),
        )
        return
    element = tirx.Var("element", value.ty)
    own = value.a if selection.is_target(value.a) else value.b
    selection.scalar_code(None, target, kind(own, element), [(element, vector)])


EXACT = 1 << 24
"""Up to here floats hold all integers."""


def _is_exact_as_float(selection: Selection, kind: type, value: Expr) -> bool:
    """Whether floats hold what is folded of integers, and on the way to it."""
    bound = selection.printer.analyzer.const_int_bound(value)
    largest = max(abs(int(bound.min_value)), abs(int(bound.max_value)))
    return largest * (selection.code.most if kind is tirx.Add else 1) <= EXACT


def _into_integer(kind: type, target: str, helper: str, numbers: str, count: str) -> str:
    """The statement that folds floats into an integer; a sum need not have room for its start."""
    if kind is tirx.Add:
        return f"{target} = {target} + (int){helper}(0.0f, {numbers}, {count});"
    start = f"{numbers}[0]"
    order = ">" if kind is tirx.Max else "<"
    return (
        f"{{ const int folded = (int){helper}({start}, {numbers}, {count}); "
        f"if (folded {order} {target}) {target} = folded; }}"
    )


def fold_helper(printer: BangPrinter, kind: type) -> str:
    """The name of the function that folds a vector into a float."""
    short, pool, lanes_fold, step = REDUCTIONS[kind]
    name = f"vector_{short}"
    printer.plan.add(LANES_ARRAY, "float", 2 * LANES, ITEM_BYTES["float32"])
    printer.helpers[name] = _FOLD.format(
        name=name,
        q=printer.dialect.helper,
        pool=pool,
        array=LANES_ARRAY,
        lanes=LANES,
        lanes_fold=lanes_fold,
        from_lanes=step.format(f"{LANES_ARRAY}[{LANES}]"),
        from_tail=step.format("v[i]"),
    )
    return name


def _fold_work(count: int) -> list[Work]:
    """What folding `count` floats costs: the pool, the fold of its lanes, what is left over."""
    whole, rest = divmod(count, LANES)
    scalar = ScalarWork((rest + 1) * (NRAM_ACCESS + 2 * ARITHMETIC))
    return [VectorWork(whole * LANES, 4), VectorWork(LANES, 4), scalar] if whole else [scalar]
