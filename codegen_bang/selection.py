"""Instruction selection: from one store over a range to vector code.

The value is walked from its root. An operator with an accurate instruction takes it, its operands
first; one with a sequence in `functions.py` takes that. Anything else becomes a scalar loop over
operands in NRAM. Operands elsewhere are copied in first, strided ones by strided copies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.codegen.c_family import SUM, UNARY, Text, buffer_size, dtype_of
from xpiler_tvm.dialects.bang_rates import ARITHMETIC, NRAM_ACCESS

from .cost import CopyWork, ScalarWork, VectorWork, Work
from .functions import FUNCTIONS, quotient
from .loops import Range, affine, condition_of, depends, loads, sides_of, substitute
from .memory import ITEM_BYTES
from .vectors import Instruction, Names, NoVectorForm, Scalar, Value, Vector, VectorCode

if TYPE_CHECKING:
    from .printer import BangPrinter

LANES = 32
"""Float channels of a pooling instruction: 128 bytes."""

REDUCTIONS = {
    tirx.Add: ("sum", "__bang_sumpool", "__bang_reduce_sum", "total + {}"),
    tirx.Max: ("max", "__bang_maxpool", "__bang_argmax", "fmaxf(total, {})"),
    tirx.Min: ("min", "__bang_minpool", "__bang_argmin", "fminf(total, {})"),
}
"""By combining operator: a name, the pool that does it lane by lane, what folds the lanes into the
first element, one step in C."""

_BINARY = {tirx.Add: "a + b", tirx.Sub: "a - b", tirx.Mul: "a * b", tirx.Div: "a / b"}
# Two vectors, and a vector with a scalar: the instructions differ in what they do at a NaN.
_EXTREMA = {
    tirx.Max: ("fmaxf(a, b)", "a >= b ? a : b"),
    tirx.Min: ("fminf(a, b)", "a <= b ? a : b"),
}
_COMMUTES = {"a + b", "a * b", "a >= b ? a : b", "a <= b ? a : b"}


class _NoInstruction(Exception):
    """The operator at the root has no instruction, but its operands may have."""


@dataclass(frozen=True)
class Piece:
    """`count` (a C expression, at most `most`) of the values of `span`, from `start` on.

    Where `start` is `None` the printed loop variable is the first value.
    """

    span: Range
    count: str
    most: int
    start: Expr | None


class Selection:
    """Vector code for `store` at the values of a piece of its loop."""

    def __init__(self, printer: BangPrinter, piece: Piece, store: tirx.BufferStore) -> None:
        self.printer = printer
        self.span = piece.span
        self.store = store
        self.start = piece.start
        self.code = VectorCode(printer.plan.arch.name, piece.count, piece.most)
        self.known: list[tuple[Expr, Value]] = []

    def run(self) -> VectorCode:
        """The instructions. Raises `NoVectorForm`."""
        stride, first = self.access(self.store.indices)
        if stride == 0:
            self.fold()
        else:
            self.map(stride, first)
        return self.code

    # --- accesses -----------------------------------------------------------------------------

    def access(self, indices: list[Expr]) -> tuple[int, Expr]:
        """Stride and index of the first element."""
        if len(indices) != 1:
            raise NoVectorForm("an array of several dimensions")
        (index,) = indices
        found = affine(index, self.span.var, self.printer.analyzer)
        if found is None or found[0] < 0:
            raise NoVectorForm("an index that is not linear in the loop variable")
        if self.start is not None:
            index = self.printer.analyzer.simplify(substitute(index, self.span.var, self.start))
        return found[0], index

    def is_target(self, load: Expr) -> bool:
        """Whether `load` reads the very element that its iteration writes."""
        return (
            isinstance(load, TensorLoad)
            and self.in_target(load)
            and tvm_ffi.structural_equal(list(load.indices), list(self.store.indices))
        )

    def in_target(self, load: TensorLoad) -> bool:
        """Whether `load` reads the array that the loop writes, maybe under another name."""
        return self.printer.name(load.source) == self.printer.name(self.store.buffer)

    def direction(self, buffer: tirx.Buffer, *, into_nram: bool) -> str:
        """The direction of a copy between NRAM and the memory of `buffer`."""
        if self.printer.in_nram(buffer):
            return "NRAM2NRAM"
        if self.printer.in_gdram(buffer):
            return "GDRAM2NRAM" if into_nram else "NRAM2GDRAM"
        raise NoVectorForm("a variable")

    def copy(
        self,
        target: Vector,
        source: Vector,
        direction: str,
        strides: tuple[int, int] = (1, 1),
    ) -> None:
        """A `__memcpy` of `count` elements; `strides` of target and source in elements."""
        size, count = ITEM_BYTES[target.dtype], self.code.count
        if count.isdigit():
            total = str(int(count) * size)
            last = str(int(count) - 1)
        else:
            total = count if size == 1 else f"{count} * {size}"
            last = f"{count} - 1"

        def text(names: Names) -> list[str]:
            ends = f"{names(target)}, {names(source)}"
            if strides == (1, 1):
                return [f"__memcpy({ends}, {total}, {direction});"]
            # One segment an element; the count of segments is given less one.
            steps = ", ".join(str(stride * size) for stride in strides)
            return [f"__memcpy({ends}, {size}, {direction}, {steps}, {last});"]

        most = self.code.most
        runs = (size * most, 1) if strides == (1, 1) else (size, most)
        self.code.add(target, [source], text, in_place=False, work=[CopyWork(direction, *runs)])

    # --- the two kinds of loop ------------------------------------------------------------------

    def map(self, stride: int, first: Expr) -> None:
        """`buffer[stride * i + first] = value(i)`, where no iteration reads another's element."""
        store, printer = self.store, self.printer
        for load in (load for part in (store.value, *store.indices) for load in loads(part)):
            if self.in_target(load) and not self.is_target(load):
                raise NoVectorForm("a loop that reads what it wrote")
        target = Vector(str(store.buffer.dtype), self.printer.pointer(store.buffer, first))
        if printer.in_nram(store.buffer) and stride == 1:
            self.value_into(store.value, target)
            return
        direction = self.direction(store.buffer, into_nram=False)
        value = store.value
        if isinstance(value, TensorLoad) and printer.in_nram(value.source):
            step, origin = self.access(value.indices)
            if step > 0:
                source = Vector(target.dtype, self.printer.pointer(value.source, origin))
                self.copy(target, source, direction, (stride, step))
                return
        self.copy(target, self.vector(value, target.dtype), direction, (stride, 1))

    def fold(self) -> None:
        """`buffer[first] = op(buffer[first], value(i))`."""
        store, printer, value = self.store, self.printer, self.store.value
        if type(value) not in REDUCTIONS:
            raise NoVectorForm("a loop that overwrites one element")
        kind, (own, other) = type(value), (value.a, value.b)
        if not self.is_target(own):
            own, other = other, own
        if not self.is_target(own) or any(self.in_target(load) for load in loads(other)):
            raise NoVectorForm("a loop that overwrites one element")
        if not depends(other, self.span.var):
            raise NoVectorForm("one value, folded again and again")
        vector = self.vector(other, dtype_of(value))
        target = printer.element(store.buffer, store.indices)
        if vector.dtype == "float32":
            helper, count = printer.fold_helper(kind), self.code.count
            self.code.add(
                None,
                [vector],
                lambda names: [f"{target} = {helper}({target}, {names(vector)}, {count});"],
                work=fold_work(self.code.most),
            )
            return
        element = tirx.Var("element", value.ty)
        self.scalar_code(None, target, kind(own, element), [(element, vector)])

    # --- values -----------------------------------------------------------------------------------

    def value_into(self, value: Expr, target: Vector) -> None:
        """Compute `value` so that it ends in `target`, which lies in NRAM."""
        if isinstance(value, TensorLoad) and depends(value, self.span.var):
            self.load(value, target)
            return
        result = self.value(value)
        if isinstance(result, Scalar):
            self.fill(result, target)
            return
        last = self.code.instructions[-1]
        if last.target is result and result.place is None:
            # The last instruction writes to the final place instead of a temporary.
            self.code.instructions[-1] = _retargeted(last, result, target)
            return
        self.copy(target, result, "NRAM2NRAM")

    def vector(self, value: Expr, dtype: str) -> Vector:
        """`value` as a vector, filled where it is the same for all elements."""
        result = self.value(value)
        if isinstance(result, Vector):
            return result
        filled = Vector(dtype)
        self.fill(result, filled)
        return filled

    def fill(self, value: Scalar, target: Vector) -> None:
        if target.dtype == "float64":
            raise NoVectorForm("a vector of doubles")
        # The element size of a fill is that of its value: the cast is not for show.
        cast = f"({self.printer.dialect.type(target.dtype)})"
        code = cast + Text(value.code, value.strength).within(UNARY)
        count = self.code.count
        self.code.add(
            target, [], lambda names: [f"__bang_write_value({names(target)}, {count}, {code});"]
        )

    def value(self, node: Expr) -> Value:
        """`node` at all values of the loop variable; equal expressions are computed once."""
        if not depends(node, self.span.var):
            text = self.printer.expr(node)
            self.printer.charge_scalar(node)
            return Scalar(text.code, text.strength)
        for other, value in self.known:
            if tvm_ffi.structural_equal(other, node):
                return value
        value = self.compute(node)
        self.known.append((node, value))
        return value

    def compute(self, node: Expr) -> Vector:
        if isinstance(node, TensorLoad):
            return self.load(node)
        instructions, known = len(self.code.instructions), len(self.known)
        try:
            return self.instruction(node)
        except _NoInstruction:
            del self.code.instructions[instructions:]
            del self.known[known:]
            return self.scalar_loop(node)

    def instruction(self, node: Expr) -> Vector:
        """One instruction, or a short sequence, for the operator at the root of `node`."""
        dtype = dtype_of(node)
        if type(node) in _BINARY:
            return self.binary(_BINARY[type(node)], node, dtype)
        if type(node) in _EXTREMA:
            of_vectors, with_scalar = _EXTREMA[type(node)]
            both = depends(node.a, self.span.var) and depends(node.b, self.span.var)
            return self.binary(of_vectors if both else with_scalar, node, dtype)
        if isinstance(node, tirx.Cast):
            converted = self.code.convert(self.vector(node.value, dtype_of(node.value)), dtype)
            if converted is not None:
                return converted
        if isinstance(node, tvm.ir.Call) and dtype == "float32" and len(node.args) == 1:
            function = FUNCTIONS.get(node.op.name.rpartition(".")[2])
            if function is not None:
                return function(self.code, self.vector(node.args[0], dtype))
        raise _NoInstruction

    def binary(self, meaning: str, node: Expr, dtype: str) -> Vector:
        left, right = self.value(node.a), self.value(node.b)
        if isinstance(left, Scalar) and meaning in _COMMUTES:
            left, right = right, left
        if isinstance(left, Scalar):
            left = self.vector(node.a, dtype)
        if meaning == "a / b" and dtype == "float32":
            if isinstance(right, Scalar) and not self.code.has(meaning, dtype, left, right):
                right = self.vector(node.b, dtype)
            if isinstance(right, Vector):
                return quotient(self.code, left, right)
        if not self.code.has(meaning, dtype, left, right):
            raise _NoInstruction
        return self.code.apply(meaning, dtype, left, right)

    def load(self, node: TensorLoad, target: Vector | None = None) -> Vector:
        """The elements in NRAM: where they lie if they are contiguous there, else copied."""
        stride, first = self.access(node.indices)
        source = Vector(dtype_of(node), self.printer.pointer(node.source, first))
        if self.printer.in_nram(node.source) and stride == 1 and target is None:
            return source
        result = target or Vector(source.dtype)
        direction = self.direction(node.source, into_nram=True)
        self.copy(result, source, direction, (1, stride))
        return result

    # --- scalar loops over NRAM -------------------------------------------------------------------

    def scalar_loop(self, node: Expr) -> Vector:
        """A loop for what has no instruction; the arrays it reads are brought into NRAM."""
        self.check_conditional_reads(node)
        operands: list[tuple[tirx.Var, Vector]] = []
        places: list[tuple[TensorLoad, tirx.Var]] = []
        for load in loads(node):
            if depends(load, self.span.var):
                value = self.value(load)
                assert isinstance(value, Vector)
                places.append((load, tirx.Var("element", load.ty)))
                operands.append((places[-1][1], value))

        def element(load: TensorLoad) -> Expr:
            return next((var for place, var in places if place.same_as(load)), load)

        body = tvm_ffi.structural_map(node, (TensorLoad, element), order="pre")
        result = Vector(dtype_of(node))
        self.scalar_code(result, "", body, operands)
        return result

    def scalar_code(
        self,
        result: Vector | None,
        target: str,
        body: Expr,
        operands: list[tuple[tirx.Var, Vector]],
    ) -> None:
        """`result[k] = body` for each `k`, or `target = body`; a variable stands for an operand."""
        printer, span, count = self.printer, self.span, self.code.count

        def text(names: Names) -> list[str]:
            index = printer.reserve("k")
            first = printer.expr(span.var if self.start is None else self.start)
            saved = dict(printer.names)
            for variable, vector in operands:
                printer.names[variable] = f"{_array(names(vector))}[{index}]"
            printer.names[span.var] = f"({first.within(SUM)} + {index})"
            to = f"{_array(names(result))}[{index}]" if result is not None else target
            lines = [
                f"for (int {index} = 0; {index} < {count}; ++{index}) {{",
                f"  {to} = {printer.expr(body).code};",
                "}",
            ]
            printer.names = saved
            printer.taken.discard(index)
            return lines

        # An element is read before its place is written, so equal sizes may share their memory.
        sizes = {ITEM_BYTES[vector.dtype] for _, vector in operands}
        in_place = result is None or sizes <= {ITEM_BYTES[result.dtype]}
        accesses = NRAM_ACCESS * (len(operands) + 1) + ARITHMETIC
        cycles = self.code.most * (printer.scalar_cycles(body) + accesses)
        self.code.add(
            result,
            [vector for _, vector in operands],
            text,
            in_place=in_place,
            work=[ScalarWork(cycles)],
        )

    def check_conditional_reads(self, node: Expr) -> None:
        """What is read under a condition is read always here: it must lie inside its array."""

        choices: list[Expr] = []
        tvm_ffi.structural_walk(node, [(tvm.ir.Call, choices.append)])
        for choice in choices:
            if condition_of(choice) is not None:
                for load in (load for side in sides_of(choice) for load in loads(side)):
                    self.require_inside(load)

    def require_inside(self, load: TensorLoad) -> None:
        size, analyzer, span = buffer_size(load.source), self.printer.analyzer, self.span
        analyzer.bind(span.var, tvm.ir.Range(span.low, span.high), allow_override=True)
        (index,) = load.indices
        if size is None or not (
            analyzer.can_prove(index >= 0) and analyzer.can_prove(index < size)
        ):
            raise NoVectorForm("a conditional read that may lie outside its array")


def fold_work(count: int) -> list[Work]:
    """What folding `count` floats costs: the pool, the fold of its lanes, what is left over."""
    whole, rest = divmod(count, LANES)
    scalar = ScalarWork((rest + 1) * (NRAM_ACCESS + 2 * ARITHMETIC))
    return [VectorWork(whole * LANES, 4), VectorWork(LANES, 4), scalar] if whole else [scalar]


def _array(pointer: str) -> str:
    """A pointer expression as something that can be indexed."""
    return pointer if pointer.isidentifier() else f"({pointer})"


def _retargeted(instruction: Instruction, old: Vector, new: Vector) -> Instruction:
    """The instruction with `new` as its target in place of `old`."""
    return replace(
        instruction,
        target=new,
        text=lambda names: instruction.text(lambda each: names(new if each is old else each)),
    )
