"""Instruction selection: from one store over a range to vector code.

The value is walked from its root. An operator with an accurate instruction takes it, its operands
first; one with a sequence in `functions.py` takes that. Anything else becomes a scalar loop over
operands in NRAM. Operands elsewhere are copied in first, strided ones by strided copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.codegen.c_family import SUM, Text, buffer_size, dtype_of
from xpiler_tvm.dialects.bang_rates import ARITHMETIC, NRAM_ACCESS

from . import integers
from .choices import choice, is_condition, mask
from .cost import CopyWork, ScalarWork, VectorWork
from .folds import fold, fold_columns, fold_rows
from .functions import FUNCTIONS, quotient
from .loops import affine, condition_of, depends, loads, sides_of, substitute
from .memory import ITEM_BYTES, VECTOR_BYTES
from .pieces import Access, Piece, Rows
from .vectors import Guard, Names, NoVectorForm, Scalar, Value, Vector, VectorCode

if TYPE_CHECKING:
    from .printer import BangPrinter


_BINARY = {tirx.Add: "a + b", tirx.Sub: "a - b", tirx.Mul: "a * b", tirx.Div: "a / b"}
# Two vectors, and a vector with a scalar: the instructions differ in what they do at a NaN.
_EXTREMA = {
    tirx.Max: ("fmaxf(a, b)", "a >= b ? a : b"),
    tirx.Min: ("fminf(a, b)", "a <= b ? a : b"),
}
MOST_OPERATIONS = 4000
"""Of one kernel, attempts included: ten times what attention takes."""
_COMMUTES = {"a + b", "a * b", "a >= b ? a : b", "a <= b ? a : b"}


class _NoInstruction(Exception):
    """The operator at the root has no instruction, but its operands may have."""


class Selection:
    """Vector code for `store` at the values of a piece of its loop."""

    def __init__(self, printer: BangPrinter, piece: Piece, store: tirx.BufferStore) -> None:
        self.printer = printer
        self.span = piece.span
        self.store = store
        self.start = piece.start
        self.rows = piece.rows
        arch = printer.plan.arch.name
        if piece.rows is None:
            self.code = VectorCode(arch, piece.count, piece.most)
        else:
            rows, name = piece.rows, printer.reserve("row")
            self.code = VectorCode(arch, piece.count, piece.most, rows.length, name, rows.count)
        self.known: list[tuple[Expr, Value]] = []
        self.decided: list[tuple[Expr, bool]] = []

    def run(self) -> VectorCode:
        """The instructions. Raises `NoVectorForm`."""
        place = self.access(self.store.indices)
        if self.rows is not None and (place.along == 0) != (place.across == 0):
            (fold_rows if place.across == 0 else fold_columns)(self, place, self.rows)
        elif place.along == 0:
            fold(self)
        else:
            self.map(place)
        return self.code

    # --- accesses -----------------------------------------------------------------------------

    def varies(self, node: Expr) -> bool:
        """Whether `node` is not the same for all elements of the vectors."""
        return depends(node, self.span.var) or (
            self.rows is not None and depends(node, self.rows.var)
        )

    def access(self, indices: list[Expr]) -> Access:
        """Steps and index of the first element."""
        if len(indices) != 1:
            raise NoVectorForm("an array of several dimensions")
        (index,) = indices
        found = affine(index, self.span.var, self.printer.analyzer)
        if found is None or found[0] < 0:
            raise NoVectorForm("an index that is not linear in the loop variable")
        if self.start is not None:
            index = substitute(index, self.span.var, self.start)
        if self.rows is None:
            return Access(0, found[0], self.printer.analyzer.simplify(index))
        down = affine(found[1], self.rows.var, self.printer.analyzer)
        apart = down is not None and (down[0] == 0 or down[0] >= self.rows.length * found[0])
        if down is None or not apart or found[0] not in (0, 1):
            raise NoVectorForm("rows that are not apart in memory")
        if self.rows.start is not None:
            index = substitute(index, self.rows.var, self.rows.start)
        return Access(down[0], found[0], self.printer.analyzer.simplify(index))

    def is_vector(self, access: Access) -> bool:
        """Whether the elements follow each other in memory."""
        return access.along == 1 and (self.rows is None or access.across == self.rows.length)

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
        space = self.printer.space(buffer)
        if space == "WRAM" or buffer in self.printer.scalars:
            raise NoVectorForm("a variable")
        return f"{space}2NRAM" if into_nram else f"NRAM2{space}"

    def copy(
        self,
        target: Vector,
        source: Vector,
        direction: str,
        strides: tuple[int, int] = (1, 1),
    ) -> None:
        """A `__memcpy` of `count` elements; `strides` of target and source in elements."""
        if self.rows is not None:
            raise NoVectorForm("elements of rows that are apart")
        size, count = ITEM_BYTES[target.dtype], self.code.count
        total = _product(count, size)
        last = str(int(count) - 1) if count.isdigit() else f"{count} - 1"

        def text(names: Names) -> list[str]:
            ends = f"{names(target)}, {names(source)}"
            if strides == (1, 1):
                return [f"__memcpy({ends}, {total}, {direction});"]
            # One segment an element; the count of segments is given less one.
            steps = ", ".join(str(stride * size) for stride in strides)
            return [f"__memcpy({ends}, {size}, {direction}, {steps}, {last});"]

        most = self.code.most
        runs = (size * most, 1) if strides == (1, 1) else (size, most)
        work = [CopyWork(direction, *runs)]
        self.code.add(target, [source], text, in_place=False, work=work, direction=direction)

    def move(self, target: Vector, source: Vector, direction: str, to: int, of: int) -> None:
        """A `__memcpy` of whole rows, `to` and `of` elements apart; of one row for a cycle."""
        assert self.rows is not None
        size, length, rows = ITEM_BYTES[target.dtype], self.rows.length, self.rows
        run, gapless = length * size, to == of == length
        if target.cycle:
            total, tail, work = str(run), "", CopyWork(direction, run)
        elif gapless:
            total, tail = _product(self.code.count, size), ""
            work = CopyWork(direction, rows.most * run)
        else:
            last = str(int(rows.count) - 1) if rows.count.isdigit() else f"{rows.count} - 1"
            total, tail = str(run), f", {to * size}, {of * size}, {last}"
            work = CopyWork(direction, run, rows.most)
        self.code.add(
            target,
            [source],
            lambda names: [
                f"__memcpy({names(target)}, {names(source)}, {total}, {direction}{tail});"
            ],
            in_place=False,
            work=[work],
        )

    # --- the two kinds of loop ------------------------------------------------------------------

    def map(self, place: Access) -> None:
        """`buffer[along * i + first] = value(i)`, where no iteration reads another's element."""
        store, printer = self.store, self.printer
        for load in (load for part in (store.value, *store.indices) for load in loads(part)):
            if self.in_target(load) and not self.is_target(load):
                raise NoVectorForm("a loop that reads what it wrote")
        target = Vector(str(store.buffer.dtype), self.printer.pointer(store.buffer, place.first))
        if printer.in_nram(store.buffer) and self.is_vector(place):
            self.value_into(store.value, target)
            return
        direction = self.direction(store.buffer, into_nram=False)
        value, stride = store.value, place.along
        if self.rows is not None:
            whole = self.vector(value, target.dtype)
            if whole.cycle:
                raise NoVectorForm("rows that are all the same")
            self.move(target, whole, direction, place.across, self.rows.length)
            return
        if isinstance(value, TensorLoad) and printer.in_nram(value.source):
            access = self.access(value.indices)
            if access.along > 0:
                source = Vector(target.dtype, self.printer.pointer(value.source, access.first))
                self.copy(target, source, direction, (stride, access.along))
                return
        self.copy(target, self.vector(value, target.dtype), direction, (stride, 1))

    # --- values -----------------------------------------------------------------------------------

    def value_into(self, value: Expr, target: Vector) -> None:
        """Compute `value` so that it ends in `target`, which lies in NRAM."""
        if isinstance(value, TensorLoad) and self.varies(value):
            self.load(value, target)
            return
        result = self.value(value)
        if isinstance(result, Scalar):
            self.fill(result, target)
            return
        if result.cycle:
            raise NoVectorForm("rows that are all the same")
        last = self.code.instructions[-1]
        if last.target is result and result.place is None:
            # What ends in a temporary ends in the final place instead, on both sides of a choice.
            self.code.instructions[:] = [
                each.retargeted(result, target) if each.target is result else each
                for each in self.code.instructions
            ]
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
        if ITEM_BYTES[target.dtype] > VECTOR_BYTES:
            raise NoVectorForm(f"a vector of {target.dtype}")
        code = self.printer.filling(Text(value.code, value.strength), target.dtype)
        if value.by_row:
            item, vectors = ITEM_BYTES[target.dtype], self.code

            def text(names: Names) -> list[str]:
                row = vectors.row_of(target, names)
                return vectors.each_row(f"__bang_write_value({row}, {vectors.period}, {code});")

            work = VectorWork(vectors.period, item, vectors.most // vectors.period)
            vectors.add(target, [], text, work=[work])
            return
        count = self.code.count
        self.code.add(
            target, [], lambda names: [f"__bang_write_value({names(target)}, {count}, {code});"]
        )

    def value(self, node: Expr) -> Value:
        """`node` at all values of the loop variable; equal expressions are computed once."""
        if not self.varies(node):
            text = self.printer.expr(node)
            self.printer.charge_scalar(node)
            return Scalar(text.code, text.strength)
        if self.rows is not None and not depends(node, self.span.var):
            return self.scalar_of_row(node, self.rows)
        for other, value in self.known:
            if tvm_ffi.structural_equal(other, node):
                return value
        value = self.compute(node)
        self.known.append((node, value))
        return value

    def scalar_of_row(self, node: Expr, rows: Rows) -> Scalar:
        """`node`, which is the same for all elements of a row."""
        printer = self.printer
        first = printer.expr(rows.var if rows.start is None else rows.start)
        saved = dict(printer.names)
        name = self.code.row_name
        printer.names[rows.var] = name if first.code == "0" else f"({first.within(SUM)} + {name})"
        text = printer.expr(node)
        printer.names = saved
        cycles = printer.scalar_cycles(node) + ARITHMETIC
        printer.meter.charge(ScalarWork(rows.most * cycles))
        return Scalar(text.code, text.strength, by_row=True)

    def compute(self, node: Expr) -> Vector:
        self.printer.operations += 1
        if self.printer.operations > MOST_OPERATIONS:
            self.printer.refuse(node, "the expressions are too large to be made vectors of")
        if isinstance(node, TensorLoad):
            return self.load(node)
        instructions, known = len(self.code.instructions), len(self.known)
        decided = len(self.decided)
        try:
            return self.instruction(node)
        except (_NoInstruction, NoVectorForm):
            del self.code.instructions[instructions:]
            del self.known[known:], self.decided[decided:]
            return self.scalar_loop(node)

    def instruction(self, node: Expr) -> Vector:
        """One instruction, or a short sequence, for the operator at the root of `node`."""
        dtype = dtype_of(node)
        if type(node) in _BINARY:
            return self.binary(_BINARY[type(node)], node, dtype)
        if type(node) in _EXTREMA and dtype in ("int16", "int32"):
            compared = node.a > node.b if isinstance(node, tirx.Max) else node.a < node.b
            return choice(self, tirx.Select(compared, node.a, node.b), dtype)
        if type(node) in _EXTREMA:
            of_vectors, with_scalar = _EXTREMA[type(node)]
            both = self.varies(node.a) and self.varies(node.b)
            return self.binary(of_vectors if both else with_scalar, node, dtype)
        if condition_of(node) is not None:
            if self.varies(condition_of(node)):
                return choice(self, node, dtype)
            return self.either(node, dtype)
        if isinstance(node, tirx.Cast) and is_condition(node.value):
            found = self.code.convert(mask(self, node.value), dtype)
            if found is not None:
                return found
        elif isinstance(node, tirx.Cast):
            value = integers.wrapped(node)
            value = node.value if value is None else value
            converted = integers.converted(self.code, self.vector(value, dtype_of(value)), dtype)
            if converted is not None:
                return converted
        if dtype == "int32":
            found = self.of_bits(node)
            if found is not None:
                return found
        if isinstance(node, tvm.ir.Call) and len(node.args) == 1:
            function = FUNCTIONS.get(node.op.name.rpartition(".")[2])
            # Functions are for single precision; as in C, others are computed there.
            if function is not None and "float" in dtype and dtype != "float64":
                wide = self.code.convert(self.vector(node.args[0], dtype), "float32")
                found = None if wide is None else function(self.code, wide)
                result = None if found is None else self.code.convert(found, dtype)
                if result is not None:
                    return result
        raise _NoInstruction

    def of_bits(self, node: Expr) -> Vector | None:
        """Shifts and operations on the bits of int32."""
        operator = type(node).__name__
        if operator in integers.BITWISE:
            left, right = (self.vector(each, "int32") for each in (node.a, node.b))
            return self.code.apply(integers.BITWISE[operator], "int32", left, right)
        bits = integers.shift_of(node)
        if bits is None:
            return None
        return integers.shifted_right(self.code, self.vector(node.a, "int32"), bits)

    def either(self, node: Expr, dtype: str) -> Vector:
        """A choice that all elements make alike: only what is chosen is read and computed.

        y[i] = x[0] > 0 ? a[i] : 0   ->   if (x[0] > 0) { v = a } else { v = 0 }
        """
        condition = condition_of(node)
        for other, held in self.decided:
            if tvm_ffi.structural_equal(other, condition):
                return self.vector(sides_of(node)[0 if held else 1], dtype)
        self.printer.charge_scalar(condition)
        guard, result = Guard(self.printer.expr(condition).code), Vector(dtype)
        known = len(self.known)
        for side, holds in zip(sides_of(node), (True, False), strict=True):
            self.decided.append((condition, holds))
            with self.code.under(guard, holds):
                self.value_into(side, result)
            del self.decided[-1], self.known[known:]
        return result

    def binary(self, meaning: str, node: Expr, dtype: str) -> Vector:
        left, right = self.value(node.a), self.value(node.b)
        if isinstance(left, Scalar) and meaning in _COMMUTES:
            left, right = right, left
        if isinstance(left, Vector) and isinstance(right, Vector) and left.cycle > right.cycle:
            # Only the second operand can be a cycle.
            if meaning == "a - b" and dtype == "float32":
                right, meaning = self.code.apply("a * b", dtype, right, Scalar("-1.0f")), "a + b"
            if meaning not in _COMMUTES:
                raise NoVectorForm(f"a row before {meaning}")
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
        access = self.access(node.indices)
        cycle = self.rows is not None and access.across == 0
        place = self.printer.pointer(node.source, access.first)
        source = Vector(dtype_of(node), place, cycle)
        direct = cycle or self.is_vector(access)
        if self.printer.in_nram(node.source) and direct and target is None:
            return source
        if cycle and target is not None:
            raise NoVectorForm("rows that are all the same")
        result = target or Vector(source.dtype, cycle=cycle)
        direction = self.direction(node.source, into_nram=True)
        if self.rows is not None:
            self.move(result, source, direction, self.rows.length, access.across)
        else:
            self.copy(result, source, direction, (1, access.along))
        return result

    # --- scalar loops over NRAM -------------------------------------------------------------------

    def scalar_loop(self, node: Expr) -> Vector:
        """A loop for what has no instruction; the arrays it reads are brought into NRAM."""
        if self.rows is not None:
            raise NoVectorForm("scalar code in rows")
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
            slow=f"part of what is along {str(span.var.name)!r} has no instruction",
        )

    def check_conditional_reads(self, node: Expr) -> None:
        """What is read under a condition is read always here: it must lie inside its array.

        That is so where a condition reads it, too.
        """
        calls: list[Expr] = []
        tvm_ffi.structural_walk(node, [(tvm.ir.Call, calls.append)])
        choices = [each for each in calls if condition_of(each) is not None]
        always = loads(condition_of(node)) if condition_of(node) is not None else []
        for load in (load for each in choices for side in sides_of(each) for load in loads(side)):
            if not any(tvm_ffi.structural_equal(load, other) for other in always):
                self.require_inside(load)

    def require_inside(self, load: TensorLoad) -> None:
        size, analyzer, span = buffer_size(load.source), self.printer.analyzer, self.span
        analyzer.bind(span.var, tvm.ir.Range(span.low, span.high), allow_override=True)
        (index,) = load.indices
        ends = [span.high.a, span.high.b] if isinstance(span.high, tirx.Min) else [span.high]
        below = tirx.all(*(span.var < end for end in ends))
        with analyzer.constraint_scope(below):
            inside = size is not None and (
                analyzer.can_prove(index >= 0) and analyzer.can_prove(index < size)
            )
        if not inside:
            raise NoVectorForm("a conditional read that may lie outside its array")


def _product(count: str, size: int) -> str:
    if count.isdigit():
        return str(int(count) * size)
    return count if size == 1 else f"{count} * {size}"


def _array(pointer: str) -> str:
    """A pointer expression as something that can be indexed."""
    return pointer if pointer.isidentifier() else f"({pointer})"
