"""Several kernels that host code launches one after the other: one module, and the order of steps.

The host code is run as a whole (`host_run`). Each launch becomes a resolved kernel and a function
of the module, equal launches share one; fills and copies on the device are steps of their own. What
the host does beside (allocating, copying to and fro) says what the arrays are: inputs, results or
temporaries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import cast

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.kernel import DTYPES, Kernel, Tensor

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
    depends,
    plain,
)
from .program import map_body
from .reading import Reading, read
from .resolving import resolve, unit_of, with_facts
from .sequence import Sequence
from .sequence_assembly import Launch, Move, Part, Used, assemble, itemsize, overlap, part_of

TO_DEVICE, TO_HOST, ON_DEVICE = 1, 2, 3  # the kinds of copies, as the API numbers them


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
    return assemble(builder.steps, builder.used.values())


class _Builder:
    """Events of a run -> steps on memories."""

    def __init__(self, unit: ir.Unit, run: Run, kernel: Kernel) -> None:
        self.unit = unit
        self.run = run
        self.kernel = kernel
        self.readings: dict[tuple[Kernel, Collection[str]], Reading] = {}
        self.steps: list[Move | Launch] = []
        self.used: dict[int, Used] = {}
        self.given: dict[int, Memory] = {}  # what the host has filled so far
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
            self._move(Move(to, int(cast(int, event.byte)) & 0xFF))
        elif isinstance(event, Copied):
            self._copy(event)
        elif event.memory.space != "host" or id(event.memory) in self.launched:
            self._touch(event)

    # ------------------------------------------------------------ what the host does

    def _give(self, memory: Memory, span: Span) -> None:
        """The host fills a memory, which is right only before the first step that uses it."""
        seen = any(
            used.fetched or (used.written and used.memory.space in ("managed", "host"))
            for used in self.used.values()
        )
        if id(memory) in self.used or seen:
            raise ReadError(
                "XP1009",
                "the host fills this array between two launches"
                if id(memory) in self.used
                else "the host fills an array where it may know results of launches",
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
        kind = self._kind(event)
        if kind == ON_DEVICE:
            target = self._part(event.to, event.size, event.span)
            self._move(Move(target, self._part(event.source, event.size, event.span)))
        elif kind == TO_DEVICE:
            if to is None:
                raise _unknown("where this copies to", event.to, event.span)
            self._give(to, event.span)
        elif kind == TO_HOST:
            if source is None:
                raise _unknown("what this copies", event.source, event.span)
            if id(source) in self.used:
                self.used[id(source)].fetched |= self.used[id(source)].written

    def _kind(self, event: Copied) -> int:
        """From where to where a copy goes; where both ends are the device's, whatever it says."""
        ends = (event.to, event.source)
        to, source = map(self._on_device, map(_memory, ends))
        by_place = TO_DEVICE * to + TO_HOST * source
        if ON_DEVICE in (event.kind, by_place):
            return ON_DEVICE
        if event.kind in (TO_DEVICE, TO_HOST):
            return cast(int, event.kind)
        for end in ends:
            if isinstance(end, Unknown):
                raise depends("this copy", end, event.span)
        return by_place

    def _on_device(self, memory: Memory | None) -> bool:
        return memory is not None and (
            memory.space in ("device", "managed") or id(memory) in self.launched
        )

    # ------------------------------------------------------------ steps

    def _part(self, value: Value, size: Value, span: Span) -> Part:
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
        return part_of(used, address.offset, size, span)

    def _used(self, memory: Memory) -> Used:
        if id(memory) not in self.used:
            symbol = memory in self.run.symbols.values()
            own = memory.space == "device" and (self.run.from_main or not symbol)
            self.used[id(memory)] = Used(memory, own=own, given=id(memory) in self.given)
        return self.used[id(memory)]

    def _move(self, move: Move) -> None:
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
                if tensor.written and other is not part and overlap(part, other):
                    raise ReadError(
                        "XP1009",
                        f"{tensor.name!r} and another parameter share elements of one array",
                        span=event.span,
                    )
        self.steps.append(Launch(reading, tuple(parts)))

    def _passed(self, tensor: Tensor, memory: Memory, start: int, span: Span) -> Part:
        """What a launch gives a kernel for a tensor."""
        fresh = id(memory) not in self.used
        used = self._used(memory)
        if used.dtype and itemsize(used.dtype) != itemsize(tensor.dtype):
            raise ReadError(
                "XP1009",
                f"an array of {used.dtype} is passed here as one of {tensor.dtype}",
                span=span,
                hint="a sequence keeps one type for an array, or types of one size",
            )
        used.name = used.name or tensor.name
        used.dtype = used.dtype or tensor.dtype
        used.written |= tensor.written
        part = part_of(used, start, tensor.size * itemsize(tensor.dtype), span)
        if tensor.symbol and fresh and not used.given and self.run.from_main:
            self.steps.insert(0, Move(part, 0))  # a program's variables start as zeros
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


# ---------------------------------------------------------------- helpers


def _memory(value: Value) -> Memory | None:
    inside = isinstance(value, Address) and isinstance(value.target, Memory)
    return cast(Memory, cast(Address, value).target) if inside else None


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
