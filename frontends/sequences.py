"""Several kernels that host code launches one after the other: one module, and the order of steps.

The host code is run as a whole (`host_run`). Each launch becomes a resolved kernel and a function
of the module, equal launches share one; fills and copies on the device are steps of their own. What
the host does beside (allocating, copying to and fro) says what the arrays are: inputs, results or
temporaries.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import tvm

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.kernel import DTYPES, Kernel, Scalar, Tensor

from . import ir
from .host import facts_of, run_of
from .host_gaps import refuse_gaps
from .host_run import Run
from .host_values import (
    Address,
    Copied,
    Filled,
    Launched,
    Memory,
    Touched,
    Unknown,
    Value,
    bytes_of,
    depends,
    plain,
)
from .program import map_body, to_prim_func
from .reading import Reading, read
from .resolving import resolve, unit_of, with_facts
from .sequence import Array, Call, Copy, Fill, Sequence, Step, View

TO_DEVICE, TO_HOST, ON_DEVICE = 1, 2, 3


def read_sequence(kernel: Kernel, root: str | None = None) -> Sequence:
    """What the host code of a file launches, in its order.

    `kernel` gives the text and the values of host variables, `args`; what it says of an entry does
    not count. The run starts at the function `root`, by default at `main`, or else at the functions
    that launch.

    Raises `ReadError`: XP1006 where nothing is launched, XP1013 where the host code cannot be run
    as a whole, XP1009 where the arrays or what the host does between two steps cannot be kept; and
    what reading each kernel raises.
    """
    bare = replace(kernel, entry=None, params=None, launch=None)
    unit = unit_of(kernel.source, kernel.dialect, kernel.filename)
    run = run_of(unit, bare, root)
    refuse_gaps(unit, kernel, run)
    builder = _Builder(unit, run, replace(bare, args=()))
    for event in run.events:
        builder.add(event)
    return builder.finish()


@dataclass(eq=False)
class _Used:
    """A memory that steps use. `size` is in bytes, `name` and `dtype` are those of the first kernel
    that takes it; `declared` is the host's type."""

    memory: Memory
    size: int = 0
    name: str = ""
    dtype: str = ""
    declared: str = ""
    given: bool = False
    fetched: bool = False
    written: bool = False


@dataclass(frozen=True, eq=False)
class _Part:
    """`size` bytes of a memory from `start` on."""

    used: _Used
    start: int
    size: int
    span: Span


@dataclass(frozen=True, eq=False)
class _Move:
    """A copy, or a fill where `source` is a byte."""

    to: _Part
    source: _Part | int


@dataclass(frozen=True, eq=False)
class _Call:
    reading: Reading
    parts: tuple[_Part, ...]


class _Builder:
    """Events of a run -> steps on memories in bytes, and from those the sequence."""

    def __init__(self, unit: ir.Unit, run: Run, kernel: Kernel) -> None:
        self.unit = unit
        self.run = run
        self.kernel = kernel
        self.readings: dict[tuple[Kernel, Collection[str]], Reading] = {}
        self.steps: list[_Move | _Call] = []
        self.used: dict[int, _Used] = {}
        self.given: dict[int, Memory] = {}  # what the host has filled so far
        self.fetched = False
        self.launched = {
            id(value.target)
            for launched in run.launches
            for value in launched.values
            if isinstance(value, Address)
        }

    def add(self, event: Launched | Copied | Filled | Touched) -> None:
        if isinstance(event, Launched):
            self._launch(event)
        elif isinstance(event, Filled):
            if isinstance(event.byte, Unknown):
                raise depends("what the memory is set to", event.byte, event.span)
            to = self._part(event.to, event.size, event.span)
            self._move(_Move(to, int(cast(int, event.byte)) & 0xFF))
        elif isinstance(event, Copied):
            self._copy(event)
        elif event.memory.space != "host" or id(event.memory) in self.launched:
            self._touch(event)

    # ------------------------------------------------------------ what the host does

    def _give(self, memory: Memory, span: Span) -> None:
        """The host fills a memory, which is right only before the first step that uses it."""
        if id(memory) in self.used or self.fetched:
            raise ReadError(
                "XP1009",
                "the host fills this array between two launches"
                if id(memory) in self.used
                else "the host fills an array after it has fetched results",
                span=span,
                hint="read the parts on their own: root=..., or entry=... for one kernel",
            )
        self.given[id(memory)] = memory

    def _touch(self, event: Touched) -> None:
        memory = event.memory
        if memory.space == "device" or (memory.space == "caller" and id(memory) in self.launched):
            raise ReadError(
                "XP1009",
                "it is not known what this does to an array on the device",
                span=event.span,
            )
        if memory.space != "caller":
            self._give(memory, event.span)

    def _copy(self, event: Copied) -> None:
        to, source = _memory(event.to), _memory(event.source)
        kind = event.kind
        if kind not in (0, TO_DEVICE, TO_HOST, ON_DEVICE):
            kind = TO_DEVICE * self._on_device(to) + TO_HOST * self._on_device(source)
        if kind == ON_DEVICE:
            target = self._part(event.to, event.size, event.span)
            self._move(_Move(target, self._part(event.source, event.size, event.span)))
        elif kind == TO_DEVICE:
            if to is None:
                raise _unknown("where this copies to", event.to, event.span)
            self._give(to, event.span)
        elif kind == TO_HOST:
            if source is None:
                raise _unknown("what this copies", event.source, event.span)
            if id(source) in self.used:
                self.used[id(source)].fetched |= self.used[id(source)].written
                self.fetched |= self.used[id(source)].written

    def _on_device(self, memory: Memory | None) -> bool:
        return memory is not None and (
            memory.space in ("device", "managed") or id(memory) in self.launched
        )

    # ------------------------------------------------------------ steps

    def _part(self, value: Value, size: Value, span: Span) -> _Part:
        """What a copy or a fill works on."""
        memory = _memory(value)
        if memory is None:
            raise _unknown("this array", value, span)
        if not isinstance(size, int):
            raise _unknown("the size", size, span)
        address = cast(Address, value)
        used, kind = self._used(memory), plain(address.to)
        if isinstance(kind, ir.Arithmetic) and kind.dtype in DTYPES:
            used.declared = used.declared or kind.dtype
        return _part(used, address.offset, size, span)

    def _used(self, memory: Memory) -> _Used:
        if id(memory) not in self.used:
            self.used[id(memory)] = _Used(memory, given=id(memory) in self.given)
        return self.used[id(memory)]

    def _move(self, move: _Move) -> None:
        move.to.used.written = True
        self.steps.append(move)

    def _launch(self, event: Launched) -> None:
        facts = facts_of(self.run, event, self.kernel.dialect)
        kernel = resolve(with_facts(self.unit, event.function, self.kernel, facts))
        places = self._places(event, kernel)
        reading = self._read(kernel, ())
        shared = _shared(reading.kernel, places)
        if shared:
            # Parts of one array are as long as what the kernel accesses of them.
            reading = self._read(kernel, shared)
        parts = [
            self._passed(tensor, *places[tensor.name], event.span)
            for tensor in reading.kernel.tensors
        ]
        for tensor, part in zip(reading.kernel.tensors, parts, strict=True):
            for other in parts:
                if tensor.written and other is not part and _overlap(part, other):
                    raise ReadError(
                        "XP1009",
                        f"{tensor.name!r} and another parameter share elements of one array",
                        span=event.span,
                    )
        self.steps.append(_Call(reading, tuple(parts)))

    def _passed(self, tensor: Tensor, memory: Memory, start: int, span: Span) -> _Part:
        """What a launch gives a kernel for a tensor."""
        fresh = id(memory) not in self.used
        used = self._used(memory)
        if used.dtype and bytes_of(used.dtype) != bytes_of(tensor.dtype):
            raise ReadError(
                "XP1009",
                f"an array of {used.dtype} is passed here as one of {tensor.dtype}",
                span=span,
                hint="a sequence keeps one type for an array, or types of one size",
            )
        used.name = used.name or tensor.name
        used.dtype = used.dtype or tensor.dtype
        used.written |= tensor.written
        part = _part(used, start, tensor.size * (bytes_of(tensor.dtype) or 1), span)
        if tensor.symbol and fresh and not used.given and self.run.from_main:
            self.steps.insert(0, _Move(part, 0))  # a program's variables start as zeros
        return part

    def _places(self, event: Launched, kernel: Kernel) -> dict[str, tuple[Memory, int]]:
        """The memory and the offset in bytes of each tensor."""
        passed = {
            param.name: value
            for param, value in zip(event.function.params, event.values, strict=False)
        }
        places = {}
        for tensor in kernel.tensors:
            if tensor.symbol:
                places[tensor.name] = (self.run.symbols[tensor.name], 0)
                continue
            value = passed.get(tensor.name)
            memory = _memory(value)
            if memory is None:
                raise _unknown(f"the array {tensor.name!r}", value, event.span)
            places[tensor.name] = (memory, cast(Address, value).offset)
        return places

    def _read(self, kernel: Kernel, shared: Collection[str]) -> Reading:
        """The kernel as read, without the extents of `shared` tensors: those the accesses say."""
        key = (kernel, tuple(shared))
        if key not in self.readings:
            params = tuple(
                replace(param, shape=None)
                if isinstance(param, Tensor) and param.name in shared
                else param
                for param in kernel.params or ()
            )
            names = [tensor.name for tensor in kernel.tensors]
            self.readings[key] = _exact(read(kernel.with_params(params), names))
        return self.readings[key]

    # ------------------------------------------------------------ the sequence

    def finish(self) -> Sequence:
        self._name()
        used = list(self.used.values())
        if not any(self._is_result(one) for one in used):
            for one in used:  # a program that only takes the time
                one.fetched = one.written
        names: dict[int, str] = {}  # of functions, by the reading's identity
        functions: dict[str, Reading] = {}
        steps: list[Step] = []
        scalars: list[Scalar] = []
        for step in self.steps:
            if isinstance(step, _Move):
                to = _view(step.to)
                if isinstance(step.source, int):
                    steps.append(Fill(to, step.source))
                else:
                    steps.append(Copy(to, _view(step.source)))
                continue
            if id(step.reading) not in names:
                entry = re.sub(r"\W+", "_", step.reading.kernel.entry or "kernel").strip("_")
                name = names[id(step.reading)] = _unique(entry, functions)
                functions[name] = step.reading
            free = []
            for scalar in step.reading.kernel.scalars:
                if scalar.value is None:
                    taken = [one.name for one in scalars]
                    scalars.append(replace(scalar, name=_unique(scalar.name, taken), of=""))
                    free.append(scalars[-1].name)
            views = tuple(map(_view, step.parts))
            steps.append(Call(names[id(step.reading)], views, tuple(free)))
        arrays = tuple(
            Array(one.name, one.dtype, one.size // (bytes_of(one.dtype) or 1), self._intent(one))
            for one in used
        )
        mod = tvm.IRModule(
            {
                name: to_prim_func(reading.program).with_attr("global_symbol", name)
                for name, reading in functions.items()
            }
        )
        return Sequence(mod, functions, tuple(steps), arrays, tuple(scalars))

    def _name(self) -> None:
        """Gives each memory a name and a type: a parameter's, or of what it is a copy of."""
        for step in self.steps:
            if isinstance(step, _Move) and isinstance(step.source, _Part):
                to, source = step.to.used, step.source.used
                to.dtype = to.dtype or source.dtype or to.declared
                source.dtype = source.dtype or to.dtype
                to.name = to.name or (source.name and f"{source.name}_copy")
        taken: list[str] = []
        for one in self.used.values():
            one.name = _unique(one.name or "memory", taken)
            one.dtype = one.dtype or one.declared or "uint8"
            taken.append(one.name)

    def _is_result(self, used: _Used) -> bool:
        """Whether what steps write to it is seen outside."""
        return used.written and (used.fetched or not self._is_own(used.memory))

    def _is_own(self, memory: Memory) -> bool:
        """Whether only copies tell what the host has of it."""
        symbol = memory in self.run.symbols.values()
        return memory.space == "device" and not (symbol and not self.run.from_main)

    def _intent(self, used: _Used) -> Any:
        needed = used.given or self._needs_values(used)
        if self._is_result(used):
            return "inout" if needed else "out"
        return "in" if needed else "temporary"

    def _needs_values(self, used: _Used) -> bool:
        """Whether some step may read what no step has written.

        A kernel that writes need not write everything, so that of arrays that come from outside
        what is left of them may be read by the steps after it.
        """
        for step in self.steps:
            if isinstance(step, _Call):
                intents = [
                    tensor.intent
                    for tensor, part in zip(step.reading.kernel.tensors, step.parts, strict=True)
                    if part.used is used
                ]
                if any(intent != "out" for intent in intents):
                    return True
                if intents and self._is_own(used.memory):
                    return False
                continue
            if isinstance(step.source, _Part) and step.source.used is used:
                return True
            if step.to.used is used and step.to.size == used.size:
                return False
        return False


# ---------------------------------------------------------------- helpers


def _memory(value: Value) -> Memory | None:
    inside = isinstance(value, Address) and isinstance(value.target, Memory)
    return cast(Memory, cast(Address, value).target) if inside else None


def _part(used: _Used, start: int, size: int, span: Span) -> _Part:
    known = used.memory.size if isinstance(used.memory.size, int) else None
    if start < 0 or (known is not None and start + size > known):
        raise LiftError("XP2006", f"{size} bytes at {start} of an array of {known}", span=span)
    used.size = max(used.size, start + size) if known is None else known
    return _Part(used, start, size, span)


def _unknown(what: str, value: Value, span: Span) -> ReadError:
    return depends(what, value if isinstance(value, Unknown) else Unknown("this"), span)


def _exact(reading: Reading) -> Reading:
    """The reading with the intents `out` of tensors that the program stores to and never reads."""
    found: set[str] = set()

    def note(expr: tir.Expr) -> tir.Expr:
        found.update(load.source.name for load in tir.loads(expr))
        return expr

    map_body(reading.program.body, note)
    read_names = {
        param.name for param, place in reading.program.params if getattr(place, "name", "") in found
    }
    params = tuple(
        replace(param, intent="out")
        if isinstance(param, Tensor) and param.written and param.name not in read_names
        else param
        for param in reading.kernel.params or ()
    )
    return replace(reading, kernel=reading.kernel.with_params(params))


def _shared(kernel: Kernel, places: Mapping[str, tuple[Memory, int]]) -> tuple[str, ...]:
    """The tensors that lie in an array with one that is written."""
    return tuple(
        tensor.name
        for tensor in kernel.tensors
        if any(
            other is not tensor
            and places[other.name][0] is places[tensor.name][0]
            and (other.written or tensor.written)
            for other in kernel.tensors
        )
    )


def _overlap(one: _Part, other: _Part) -> bool:
    return (
        one.used is other.used
        and one.start < other.start + other.size
        and other.start < one.start + one.size
    )


def _view(part: _Part) -> View:
    step = bytes_of(part.used.dtype) or 1
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
