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

from .cost import ScalarWork, VectorWork, Work
from .loops import depends, loads
from .memory import ITEM_BYTES
from .pieces import Access, Rows
from .vectors import NoVectorForm, Vector

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


def fold(selection: Selection) -> None:
    """`buffer[first] = op(buffer[first], value(i))`."""
    store, printer, value = selection.store, selection.printer, selection.store.value
    kind, other = type(value), _folded(selection)
    if selection.rows is not None or not depends(other, selection.span.var):
        raise NoVectorForm("one value, folded again and again")
    vector = selection.vector(other, dtype_of(value))
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
    element = tirx.Var("element", value.ty)
    own = value.a if selection.is_target(value.a) else value.b
    selection.scalar_code(None, target, kind(own, element), [(element, vector)])


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
