"""Software pipelines: while a piece is computed, the next is loaded and the one before stored.

step    load      compute    store
0       piece 0
1       piece 1   piece 0
2       piece 2   piece 1    piece 0        one rendezvous of all pipes after each step

What is loaded and what is stored has two slots each, for even and for odd pieces; everything else
lives within one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .vectors import Instruction, Names, Vector, VectorCode

if TYPE_CHECKING:
    from .printer import BangPrinter

FEWEST_PIECES = 3
"""With fewer there is no step in which all three stages have work."""


@dataclass(frozen=True)
class Stages:
    """The instructions of a piece by what carries them out; the loads' and the store's vectors."""

    loads: tuple[Instruction, ...]
    compute: tuple[Instruction, ...]
    store: Instruction

    @property
    def loaded(self) -> tuple[Vector, ...]:
        return tuple(each.target for each in self.loads if each.target is not None)

    @property
    def stored(self) -> Vector:
        (vector,) = self.store.sources
        return vector


def stages(code: VectorCode) -> Stages | None:
    """The stages of vector code that loads, computes and ends with one store; else `None`."""
    *before, store = code.instructions
    loads = [each for each in before if each.direction == "GDRAM2NRAM"]
    compute = [each for each in before if each.direction != "GDRAM2NRAM"]
    if store.direction != "NRAM2GDRAM" or not loads or not compute:
        return None
    if any(each.sides for each in code.instructions):
        return None
    found = Stages(tuple(loads), tuple(compute), store)
    # A piece in NRAM already has no second slot, and what is only copied nothing to overlap with.
    apart = [*found.loaded, found.stored]
    if any(vector.place is not None for vector in apart) or found.stored in found.loaded:
        return None
    return found


@dataclass(frozen=True)
class Walk:
    """The pieces of a loop: C names of its variable and of the count, C texts of its ends.

    `pieces` is their number as a C expression, at most `bound`.
    """

    variable: str
    ctype: str
    count: str
    low: str
    end: str
    most: int
    pieces: str
    bound: int


def print_pipeline(printer: BangPrinter, code: VectorCode, parts: Stages, walk: Walk) -> None:
    """The loop over steps, two more than there are pieces: the pipeline fills and drains."""
    doubled = {vector: place for place, vector in enumerate((*parts.loaded, parts.stored))}
    slots, used = code.allocate(apart=list(doubled))
    printer.check_slots(code, slots)
    printer.plan.use_slots(used + len(doubled))
    step, piece = printer.reserve("step"), printer.reserve("piece")

    def names(vector: Vector) -> str:
        if vector.place is not None:
            return vector.place
        slot = printer.plan.slot_name(slots[vector])
        if vector in doubled:
            slot = f"({piece} & 1 ? {printer.plan.slot_name(used + doubled[vector])} : {slot})"
        cast = f"({printer.dialect.type(vector.dtype)}*)"
        return slot if vector.dtype == "float32" else cast + slot

    pieces = walk.pieces
    if not pieces.isdigit():
        pieces = printer.reserve("pieces")
        printer.line(f"const int {pieces} = {walk.pieces};")
    last = str(int(pieces) + 2) if pieces.isdigit() else f"{pieces} + 2"
    rest = f"{walk.end} - {walk.variable}"
    with (
        printer.meter.loop(walk.bound, overlapped=True),
        printer.braces(f"for (int {step} = 0; {step} < {last}; ++{step})"),
    ):
        for condition, number, instructions in (
            (f"{step} >= 2", f"{step} - 2", (parts.store,)),
            (f"{step} >= 1 && {step} <= {pieces}", f"{step} - 1", parts.compute),
            (f"{step} < {pieces}", step, parts.loads),
        ):
            with printer.braces(f"if ({condition})"):
                first = f"{piece} * {walk.most}"
                first = first if walk.low == "0" else f"{walk.low} + {first}"
                printer.line(f"const int {piece} = {number};")
                printer.line(f"const {walk.ctype} {walk.variable} = {first};")
                printer.line(
                    f"const int {walk.count} = {rest} < {walk.most} ? {rest} : {walk.most};"
                )
                _print(printer, instructions, names)
        printer.line("__sync();")
    printer.taken -= {step, piece, pieces}


def _print(printer: BangPrinter, instructions: Sequence[Instruction], names: Names) -> None:
    for instruction in instructions:
        for work in instruction.work:
            printer.meter.charge(work)
        off_chip = "GDRAM" in instruction.direction
        for line in instruction.text(names):
            printer.line(line.replace("__memcpy(", "__memcpy_async(", 1) if off_chip else line)
