"""What a transformation is asked with: steps by data, what a target offers, and the loops meant."""

from __future__ import annotations

import ast
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV, SBlockRV

from .analysis import Stage, extent_of, stages

Value = int | str


class Illegal(Exception):
    """A step that an action refuses; says why."""


@dataclass(frozen=True)
class Step:
    """One action with its arguments, as in `split("C", 0, 16)`."""

    action: str
    arguments: tuple[Value, ...]

    def __str__(self) -> str:
        told = (f'"{one}"' if isinstance(one, str) else str(one) for one in self.arguments)
        return f"{self.action}({', '.join(told)})"

    @classmethod
    def parse(cls, text: str) -> Step:
        """The step that a text spells; nothing of it is executed. Raises `Illegal`."""
        try:
            call = ast.parse(text.strip(), mode="eval").body
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                raise ValueError
            values = tuple(ast.literal_eval(argument) for argument in call.args)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise Illegal(f"{text[:80]!r} is no call") from None
        plain = all(type(value) in (int, str) for value in values)
        if call.keywords or not plain:
            raise Illegal(f"{text[:80]!r} has arguments that are no numbers and names")
        return cls(call.func.id, values)


@dataclass(frozen=True)
class Scene:
    """What a target offers: kinds of loops to bind to, memories, and instructions by name.

    `overlaps` where its copies can run under its work.
    """

    kinds: tuple[str, ...]
    scopes: tuple[str, ...]
    instructions: tuple[str, ...] = ()
    overlaps: bool = True


class Action(ABC):
    """One transformation. The docstring of a class is its before and after."""

    name: ClassVar[str]
    usage: ClassVar[str]
    summary: ClassVar[str]
    knobs: ClassVar[str]

    @property
    def meaning(self) -> str:
        """The docstring, as a person or a model reads it."""
        return textwrap.dedent(self.__doc__ or "").strip()

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        """Steps that a look at the program does not rule out."""
        yield from ()

    @abstractmethod
    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        """Applies a step. Raises `Illegal`, or TVM's `ScheduleError`."""


# ---------------------------------------------------------------- what steps name


def two(step: Step) -> tuple[str, int]:
    """The block and the loop that a step names. Raises `Illegal`."""
    match step.arguments:
        case (str(block), int(place)):
            return block, place
    raise Illegal(f"{step} lacks arguments, or has too many")


def three(step: Step) -> tuple[str, int, Value]:
    """The block, the loop and the third argument of a step. Raises `Illegal`."""
    match step.arguments:
        case (str(block), int(place), value):
            return block, place, value
    raise Illegal(f"{step} lacks arguments, or has too many")


def labelled(sch: s_tir.Schedule) -> dict[str, Stage]:
    """The stages by name; of several with one name the second is `name#2`."""
    found: dict[str, Stage] = {}
    for stage in stages(sch):
        label, count = stage.name, 1
        while label in found:
            count += 1
            label = f"{stage.name}#{count}"
        found[label] = stage
    return found


def label_of(sch: s_tir.Schedule, block: SBlockRV) -> str:
    """The name by which steps know a block."""
    meant = sch.get(block)
    return next(
        (label for label, stage in labelled(sch).items() if stage.block.same_as(meant)),
        str(meant.name_hint),
    )


def block_at(sch: s_tir.Schedule, block: str) -> SBlockRV:
    """The block of a name. Raises `Illegal` where there is none."""
    known = labelled(sch)
    if block not in known:
        raise Illegal(f"there is no block {block!r}: there are {', '.join(known)}")
    return known[block].rv


def loops_of_block(sch: s_tir.Schedule, block: str) -> list[LoopRV]:
    """The loops around a block. Raises `Illegal` where there is no such block."""
    return list(sch.get_loops(block_at(sch, block)))


def loop_at(sch: s_tir.Schedule, block: str, place: int) -> LoopRV:
    """The loop at a place. Raises `Illegal`."""
    loops = loops_of_block(sch, block)
    return loops[checked(place, loops)]


def checked(place: Value, loops: Sequence[object]) -> int:
    """A place among loops. Raises `Illegal` where there is none."""
    if not isinstance(place, int) or not 0 <= place < len(loops):
        raise Illegal(f"there is no loop {place}: there are {len(loops)}")
    return place


def serial_loops(sch: s_tir.Schedule) -> Iterator[tuple[str, int, int]]:
    """The serial loops: their block, place and extent."""
    for block, stage in labelled(sch).items():
        for place, rv in enumerate(sch.get_loops(stage.rv)):
            loop = sch.get(rv)
            if loop.kind == tirx.ForKind.SERIAL:
                yield block, place, extent_of(loop)


def nested_pairs(sch: s_tir.Schedule) -> Iterator[tuple[str, int]]:
    """Serial loops, by block and place, that hold a serial loop."""
    found = [(block, place) for block, place, _ in serial_loops(sch)]
    yield from ((block, place) for block, place in found if (block, place + 1) in found)


def statements_in(sch: s_tir.Schedule, block: str, place: int) -> int:
    """How many statements a loop holds."""
    body = sch.get(loop_at(sch, block, place)).body
    return len(body.seq) if isinstance(body, tirx.SeqStmt) else 1
