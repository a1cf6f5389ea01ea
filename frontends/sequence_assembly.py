"""Steps on memories, counted in bytes -> a `Sequence`: names, types and intents of its arrays."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import cast

import tvm

from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.kernel import Scalar

from .host_values import Memory, bytes_of
from .program import to_prim_func
from .reading import Reading
from .sequence import Array, ArrayIntent, Call, Copy, Fill, Sequence, View


@dataclass(eq=False)
class Used:
    """A memory that steps use. `size` is in bytes, `name` and `dtype` are those of the first kernel
    that takes it; `declared` is the host's type. Of its `own` memory only copies tell what the host
    knows, which has `given` it values before the first step or `fetched` what steps have written.
    """

    memory: Memory
    size: int = 0
    name: str = ""
    dtype: str = ""
    declared: str = ""
    own: bool = True
    given: bool = False
    fetched: bool = False
    written: bool = False


@dataclass(frozen=True, eq=False)
class Part:
    """`size` bytes of a memory from `start` on."""

    used: Used
    start: int
    size: int
    span: Span


@dataclass(frozen=True, eq=False)
class Move:
    """A copy, or a fill where `source` is a byte."""

    to: Part
    source: Part | int


@dataclass(frozen=True, eq=False)
class Launch:
    """A launch of a kernel as read, with a part for each of its tensors."""

    reading: Reading
    parts: tuple[Part, ...]


ByteStep = Move | Launch


def assemble(steps: list[ByteStep], memories: Collection[Used]) -> Sequence:
    """The sequence of `steps` on `memories`, which are in the order of their first use.

    Raises `ReadError` XP1009 where a part is not made of whole elements.
    """
    _name(steps, memories)
    if not any(map(_is_result, memories)):
        for used in memories:  # a program that only takes the time
            used.fetched = used.written
    functions = _functions(steps)
    names = {id(reading): name for name, reading in functions.items()}
    scalars: dict[str, Scalar] = {}
    found: list[Call | Fill | Copy] = []
    for step in steps:
        if isinstance(step, Launch):
            free = []
            for scalar in step.reading.kernel.scalars:
                if scalar.value is None:
                    free.append(_unique(scalar.name, scalars))
                    scalars[free[-1]] = replace(scalar, name=free[-1], of="", at=0)
            found.append(Call(names[id(step.reading)], tuple(map(_view, step.parts)), tuple(free)))
        elif isinstance(step.source, int):
            found.append(Fill(_view(step.to), step.source))
        else:
            found.append(Copy(_view(step.to), _view(step.source)))
    arrays = [
        Array(used.name, used.dtype, used.size // itemsize(used.dtype), _intent(used, steps))
        for used in memories
    ]
    mod = tvm.IRModule(
        {
            name: to_prim_func(reading.program).with_attr("global_symbol", name)
            for name, reading in functions.items()
        }
    )
    return Sequence(mod, functions, tuple(found), tuple(arrays), tuple(scalars.values()))


def _functions(steps: Iterable[ByteStep]) -> dict[str, Reading]:
    """What is launched, by names made of the kernels' instances; equal launches share a reading."""
    functions: dict[str, Reading] = {}
    seen: set[int] = set()
    for step in steps:
        if isinstance(step, Launch) and id(step.reading) not in seen:
            seen.add(id(step.reading))
            entry = re.sub(r"\W+", "_", step.reading.kernel.entry or "kernel").strip("_")
            functions[_unique(entry, functions)] = step.reading
    return functions


def _name(steps: Iterable[ByteStep], memories: Iterable[Used]) -> None:
    """Gives each memory a name and a type: a parameter's, or of what it is a copy of."""
    for step in steps:
        if isinstance(step, Move) and isinstance(step.source, Part):
            to, source = step.to.used, step.source.used
            to.dtype = to.dtype or source.dtype or to.declared
            source.dtype = source.dtype or to.dtype
            to.name = to.name or (source.name and f"{source.name}_copy")
    taken: list[str] = []
    for used in memories:
        used.name = _unique(used.name or "memory", taken)
        used.dtype = used.dtype or used.declared or "uint8"
        taken.append(used.name)


def _is_result(used: Used) -> bool:
    """Whether what steps write to it is seen outside."""
    return used.written and (used.fetched or not used.own)


def _intent(used: Used, steps: Iterable[ByteStep]) -> ArrayIntent:
    needed = used.given or _needs_values(used, steps)
    if _is_result(used):
        return "inout" if needed else "out"
    return "in" if needed else "temporary"


def _needs_values(used: Used, steps: Iterable[ByteStep]) -> bool:
    """Whether some step may read what no step has written.

    A kernel that writes need not write everything, so that of arrays that come from outside what is
    left of them may be read by the steps after it.
    """
    for step in steps:
        if isinstance(step, Launch):
            intents = [
                tensor.intent
                for tensor, part in zip(step.reading.kernel.tensors, step.parts, strict=True)
                if part.used is used
            ]
            if any(intent != "out" for intent in intents):
                return True
            if intents and used.own:
                return False
        elif isinstance(step.source, Part) and step.source.used is used:
            return True
        elif step.to.used is used and step.to.size == used.size:
            return False
    return False


def part_of(used: Used, start: int, size: int, span: Span) -> Part:
    known = used.memory.size if isinstance(used.memory.size, int) else None
    if start < 0 or (known is not None and start + size > known):
        raise LiftError("XP2006", f"{size} bytes at {start} of an array of {known}", span=span)
    used.size = max(used.size, start + size) if known is None else known
    return Part(used, start, size, span)


def overlap(one: Part, other: Part) -> bool:
    return (
        one.used is other.used
        and one.start < other.start + other.size
        and other.start < one.start + one.size
    )


def itemsize(dtype: str) -> int:
    return cast(int, bytes_of(dtype))


def _view(part: Part) -> View:
    step = itemsize(part.used.dtype)
    if part.start % step or part.size % step:
        raise ReadError(
            "XP1009",
            f"{part.size} bytes at {part.start} are no whole elements of {part.used.dtype}",
            span=part.span,
        )
    return View(part.used.name, part.start // step, part.size // step)


def _unique(name: str, taken: Collection[str]) -> str:
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
