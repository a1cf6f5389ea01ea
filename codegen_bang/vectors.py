"""Straight-line vector code over NRAM: instructions on virtual vectors, then slots for them.

`VectorCode` is filled by instruction selection. A `Vector` is either *placed* (a part of a buffer
in NRAM) or *temporary*; `allocate` gives temporaries slots, reusing one as soon as its last
reader is done. All vectors of one `VectorCode` have the same number of elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from xpiler_tvm.codegen.c_family import PRIMARY
from xpiler_tvm.dialects.bang_conversions import CONVERSIONS, Conversion
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE, Elementwise

from .cost import VectorWork, Work
from .memory import ITEM_BYTES


class NoVectorForm(Exception):
    """There is no instruction for it: the loop stays scalar. Never leaves this package."""


@dataclass(frozen=True, eq=False)
class Vector:
    """`n` elements of `dtype` in NRAM. `place` is the C pointer of a placed vector.

    A `cycle` has as many elements as a row, and stands for a vector that repeats them.
    """

    dtype: str
    place: str | None = None
    cycle: bool = False


@dataclass(frozen=True)
class Scalar:
    """One value, the same for all elements, as a C expression of the vectors' type.

    With `by_row` it is the same for all elements of a row; the code names the row.
    """

    code: str
    strength: int = PRIMARY
    by_row: bool = False


Value = Vector | Scalar
Names = Callable[[Vector], str]


@dataclass(frozen=True, eq=False)
class Guard:
    """A condition, as C has it, that is the same for all elements."""

    code: str


Side: TypeAlias = "tuple[Guard, bool]"
"""A condition, and whether it must hold or must not."""


@dataclass(frozen=True)
class Instruction:
    """`text(names)` gives its lines, where `names` gives the C pointer of each vector.

    `in_place` says whether `target` may share its memory with a source that ends here; `work` is
    what the lines cost; `direction` that of a copy; `sides` the conditions under which it runs,
    outermost first; `slow` what is scalar about it.
    """

    target: Vector | None
    sources: tuple[Vector, ...]
    text: Callable[[Names], list[str]]
    in_place: bool = True
    work: tuple[Work, ...] = ()
    direction: str = ""
    sides: tuple[Side, ...] = ()
    slow: str = ""

    def retargeted(self, old: Vector, new: Vector) -> Instruction:
        """The same with `new` as its target in place of `old`."""
        return replace(
            self,
            target=new,
            text=lambda names: self.text(lambda each: names(new if each is old else each)),
        )


def _selection_table() -> dict[tuple[str, tuple[str, ...], str], list[Elementwise]]:
    """Instructions by what they mean, on which operands and for which type; the first is used."""
    table: dict[tuple[str, tuple[str, ...], str], list[Elementwise]] = {}
    for row in ELEMENTWISE:
        if row.accurate and not row.scratch and not row.selector:
            for dtype in row.dtypes:
                table.setdefault((row.meaning, row.operands, dtype), []).append(row)
    return table


_TABLE = _selection_table()

_CONVERSIONS: dict[str, Conversion] = {row.name: row for row in CONVERSIONS}

# Those that give what a cast in C gives, and that every toolkit has.
_CASTS: dict[tuple[str, str], Conversion] = {
    (row.source, row.target): row
    for row in CONVERSIONS
    if row.name
    in (
        "__bang_half2float",
        "__bang_float2half_rn",
        "__bang_bfloat162float",
        "__bang_float2bfloat16_rn",
        "__bang_int82float",
        "__bang_int162float",
        "__bang_int322float",
        "__bang_float2int32_tz",
        "__bang_half2int16_tz",
    )
}


def _by_row(operands: Sequence[Value]) -> bool:
    return any(isinstance(each, Scalar) and each.by_row for each in operands)


@dataclass
class VectorCode:
    """Instructions on vectors of `count` elements, a C expression that is at most `most`.

    Cycles among them have `period` elements, which divide `count`. What differs from row to row
    takes an instruction a row, in a loop over `row`, the name of its number.
    """

    arch: str
    count: str
    most: int
    period: int = 0
    row_name: str = ""
    row_count: str = ""
    instructions: list[Instruction] = field(default_factory=list)
    sides: tuple[Side, ...] = ()

    @contextmanager
    def under(self, guard: Guard, holds: bool) -> Iterator[None]:
        """What is added inside runs only where the condition holds, or where it does not."""
        outer, self.sides = self.sides, (*self.sides, (guard, holds))
        try:
            yield
        finally:
            self.sides = outer

    def add(
        self,
        target: Vector | None,
        sources: Sequence[Vector],
        text: Callable[[Names], list[str]],
        *,
        in_place: bool = True,
        work: Sequence[Work] | None = None,
        direction: str = "",
        slow: str = "",
    ) -> None:
        """One more instruction; `work` is a pass over the vectors where nothing else is said."""
        if work is None:
            vectors = (*sources, *([] if target is None else [target]))
            whole = self.period if all(each.cycle for each in vectors) else self.most
            work = [VectorWork(whole, max(ITEM_BYTES[each.dtype] for each in vectors))]
        self.instructions.append(
            Instruction(
                target, tuple(sources), text, in_place, tuple(work), direction, self.sides, slow
            )
        )

    def row(self, meaning: str, dtype: str, *operands: Value) -> Elementwise | None:
        """The instruction for a meaning on such operands, if the architecture has one."""
        vectors = [each for each in operands if isinstance(each, Vector)]
        cycles = any(each.cycle for each in vectors) and not all(each.cycle for each in vectors)
        cycles = cycles and not _by_row(operands)
        kinds = tuple(
            "scalar" if isinstance(each, Scalar) else "cycle" if cycles and each.cycle else "vector"
            for each in operands
        )
        rows = _TABLE.get((meaning, kinds, dtype), [])
        return next((row for row in rows if row.on(self.arch)), None)

    def has(self, meaning: str, dtype: str, *operands: Value) -> bool:
        return self.row(meaning, dtype, *operands) is not None

    def apply(self, meaning: str, dtype: str, *operands: Value) -> Vector:
        """The instruction that computes `meaning` of `a`, `b`, … on each element.

        Raises `NoVectorForm` where the architecture has none that is accurate.
        """
        row = self.row(meaning, dtype, *operands)
        if row is None:
            raise NoVectorForm(f"{meaning} for {dtype}")
        sources = [each for each in operands if isinstance(each, Vector)]
        if _by_row(operands):
            return self._apply_by_row(row, dtype, operands)
        name, result = row.name, Vector(dtype, cycle=all(each.cycle for each in sources))
        repeats = "cycle" in row.operands
        counts = [self.count_of(result), *([str(self.period)] if repeats else [])]

        def text(names: Names) -> list[str]:
            args = [each.code if isinstance(each, Scalar) else names(each) for each in operands]
            return [f"{name}({', '.join([names(result), *args, *counts])});"]

        # A cycle is read again and again: its memory must not hold the result.
        self.add(result, sources, text, in_place=row.in_place and not repeats)
        return result

    def _apply_by_row(self, row: Elementwise, dtype: str, operands: Sequence[Value]) -> Vector:
        sources = [each for each in operands if isinstance(each, Vector)]
        result = Vector(dtype)

        def text(names: Names) -> list[str]:
            args = [
                each.code if isinstance(each, Scalar) else self.row_of(each, names)
                for each in operands
            ]
            call = f"{row.name}({', '.join([self.row_of(result, names), *args])}, {self.period});"
            return self.each_row(call)

        # The row of a cycle is read again and again.
        in_place = row.in_place and not any(each.cycle for each in sources)
        work = VectorWork(self.period, ITEM_BYTES[dtype], self.most // self.period)
        self.add(result, sources, text, in_place=in_place, work=[work])
        return result

    def row_of(self, vector: Vector, names: Names) -> str:
        """The pointer to the elements of a row."""
        start = names(vector)
        return start if vector.cycle else f"{start} + {self.row_name} * {self.period}"

    def each_row(self, call: str) -> list[str]:
        """The lines of a call for each row."""
        name = self.row_name
        return [f"for (int {name} = 0; {name} < {self.row_count}; ++{name}) {{", f"  {call}", "}"]

    def count_of(self, vector: Vector) -> str:
        """How many elements it has, as a C expression."""
        return str(self.period) if vector.cycle else self.count

    def convert(self, value: Vector, dtype: str) -> Vector | None:
        """`value` in another type, if there is an instruction for it."""
        if value.dtype == dtype:
            return value
        row = _CASTS.get((value.dtype, dtype))
        return None if row is None else self.conversion(row.name, value)

    def conversion(self, name: str, value: Vector) -> Vector:
        """What the instruction `name` converts `value` to."""
        row = _CONVERSIONS[name]
        result = Vector(row.target, cycle=value.cycle)
        tail = ", 0" if row.position else ""
        call = f"{row.name}({{}}, {{}}, {self.count_of(value)}{tail});"
        self.add(
            result,
            [value],
            lambda names: [call.format(names(result), names(value))],
            in_place=False,
        )
        return result

    def filled(self, dtype: str, code: str, like: Vector) -> Vector:
        """As many elements as `like` has, all of them `code`, a C constant of the type `dtype`."""
        result, count = Vector(dtype, cycle=like.cycle), self.count_of(like)
        self.add(
            result, [], lambda names: [f"__bang_write_value({names(result)}, {count}, {code});"]
        )
        return result

    def allocate(self, apart: Sequence[Vector] = ()) -> tuple[dict[Vector, int], int]:
        """A slot for each temporary, one of their own for those `apart`, and how many there are."""
        last_use: dict[Vector, int] = {}
        for place, instruction in enumerate(self.instructions):
            for vector in (*instruction.sources, instruction.target):
                if vector is not None:
                    last_use[vector] = place
        slots = {vector: place for place, vector in enumerate(apart)}
        used = len(slots)
        free: list[int] = []
        for place, instruction in enumerate(self.instructions):
            ending = {
                source
                for source in instruction.sources
                if source in slots and source not in apart and last_use[source] == place
            }
            if instruction.in_place:
                free += sorted(slots[source] for source in ending)
            target = instruction.target
            if target is not None and target.place is None and target not in slots:
                if not free:
                    free.append(used)
                    used += 1
                slots[target] = free.pop(free.index(min(free)))
            if not instruction.in_place:
                free += sorted(slots[source] for source in ending)
            if target in slots and target not in apart and last_use[target] == place:
                free.append(slots[target])
        return slots, used
