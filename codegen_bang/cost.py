"""A model of what an emitted kernel costs: cycles on each pipe of a core, from what is printed.

The printer tells a `Meter` every instruction, copy and scalar statement as it prints it, and the
loops around them; nothing is run. A core has five pipes, which work side by side:

| pipe | what | cycles of one instruction |
|---|---|---|
| `io` | copies from and to memory off the chip | start + whole lines / share of bandwidth |
| `move` | copies between memories on the chip | start + whole beats |
| `vector` | `__bang_*` on NRAM | start + whole beats of its widest operand |
| `matrix` | products with WRAM | start + products / rate of the types |
| `scalar` | everything else | by operation and by where operands lie |

`__memcpy` waits, and an instruction waits for the one before it whose result it needs: what stands
in one line of control is added up. In a loop that is `overlapped` (asynchronous copies, one
rendezvous an iteration) an iteration takes as long as its busiest pipe, and the rest of one
iteration passes before and behind all. Tasks beyond the cores wait for a free core; all are taken
to cost what the longest does.

Where a cluster's memory core works `beside` the others, what is between two meetings takes as long
as the longer of both. It draws its cluster's whole share of memory off the chip, once for all four
cores. What is `under_way` takes no longer than the iteration beside which it is.

Assumed, because no source says: `dialects.bang_rates` marks the rates; that bandwidth is shared
evenly by the cores at work, up to what one cluster draws; that SRAM gives each core a beat a cycle,
all four at once; that branches are taken, and of two sides the longer; that a loop whose length
only the data knows runs once (`Estimate.open_loops` counts these). Not modelled: caches, bank
conflicts, launches, and the compiler's own reordering.
Nothing here was measured on a card. Estimates order schedules; they do not foretell times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from xpiler_tvm.dialects.bang import Arch, spaces
from xpiler_tvm.dialects.bang_rates import (
    ARITHMETIC,
    BEAT_BYTES,
    COPY_START,
    LINE_BYTES,
    MOVE_START,
    RATES,
    VECTOR_START,
)

Pipe = Literal["io", "move", "vector", "matrix", "scalar"]
PIPES: tuple[Pipe, ...] = ("io", "move", "vector", "matrix", "scalar")


@dataclass(frozen=True)
class VectorWork:
    """`times` instructions on `count` elements, the widest operand of `item` bytes an element."""

    count: int
    item: int
    times: int = 1


@dataclass(frozen=True)
class CopyWork:
    """A copy of `segments` runs of `size` bytes."""

    direction: str
    size: int
    segments: int = 1


@dataclass(frozen=True)
class MatrixWork:
    """`macs` multiply-adds of operands of `source` and `weight` bytes an element."""

    macs: int
    source: int
    weight: int
    floating: bool


@dataclass(frozen=True)
class ScalarWork:
    """Scalar code of so many cycles."""

    cycles: float


Work = VectorWork | CopyWork | MatrixWork | ScalarWork


@dataclass
class _Frame:
    """What was charged inside one loop, for one iteration: cycles by pipe, and those that pass."""

    busy: dict[Pipe, float] = field(default_factory=lambda: dict.fromkeys(PIPES, 0.0))
    peak: dict[Pipe, float] = field(default_factory=lambda: dict.fromkeys(PIPES, 0.0))
    elapsed: float = 0.0
    later: float = 0.0
    often: float = 1.0
    trips: float = 1.0

    def add(self, other: _Frame, times: float, elapsed: float) -> None:
        for pipe in PIPES:
            self.busy[pipe] += times * other.busy[pipe]
            self.peak[pipe] += times * other.peak[pipe]
        self.elapsed += times * elapsed

    def copy(self) -> _Frame:
        return _Frame(
            dict(self.busy), dict(self.peak), self.elapsed, self.later, self.often, self.trips
        )


MeterState: TypeAlias = "tuple[list[_Frame], int]"


@dataclass(frozen=True)
class Estimate:
    """What a kernel is modelled to cost. Never a measurement.

    Attributes
    ----------
    arch : the architecture's name; `tasks` the launch's, `cores` those at work at a time.
    cycles : of one task; `busy` of it by pipe, with those of its cluster's memory core.
    seconds : of the launch, tasks that wait for a core included.
    bound : the pipe that is busiest.
    share : of that pipe's peak on the whole device, what the work that had to be done takes: for
        `io` each parameter once, for others the elements without start-up and padding; 0 for
        `scalar`, which is never the place for work.
    open_loops : loops that were counted once.
    """

    arch: str
    tasks: int
    cores: int
    cycles: float
    busy: Mapping[Pipe, float]
    seconds: float
    bound: Pipe
    share: float
    open_loops: int = 0

    def as_dict(self) -> dict[str, object]:
        """Plain data for a report."""
        return {
            "modelled": True,
            "arch": self.arch,
            "tasks": self.tasks,
            "cores": self.cores,
            "cycles per task": round(self.cycles),
            "busy cycles": {pipe: round(cycles) for pipe, cycles in self.busy.items() if cycles},
            "microseconds": round(self.seconds * 1e6, 3),
            "bound": self.bound,
            "share of peak": round(self.share, 4),
            **({"loops counted once": self.open_loops} if self.open_loops else {}),
        }

    def __str__(self) -> str:
        return (
            f"modelled for {self.arch}: {self.seconds * 1e6:.3g} us, bound by {self.bound}, "
            f"{100 * self.share:.2g} % of its peak"
        )


class Meter:
    """Adds up what one task of `tasks` costs on `arch`, as the printer goes along.

    `clusters` have work at a time: by default as many as can, as tasks go to free cores of any.
    What is charged while `on_memory_core` is done by the memory core of the task's cluster.
    """

    def __init__(self, arch: Arch, tasks: int, clusters: int | None = None) -> None:
        self.arch, self.tasks = arch, tasks
        self.rates = RATES[arch.name]
        self.cores = min(tasks, arch.cores)
        self.clusters = min(self.cores, arch.clusters) if clusters is None else clusters
        self.on_memory_core = False
        self.frames = [_Frame()]
        self.open_loops = 0

    @property
    def bytes_per_cycle(self) -> float:
        """What a core draws from memory off the chip while all that have a task draw."""
        cluster = min(self.rates.dram / self.clusters, self.rates.dram_cluster) / self.rates.clock
        return cluster if self.on_memory_core else cluster * self.clusters / self.cores

    # --- charging ---------------------------------------------------------------------------

    def charge(self, work: Work) -> None:
        """One instruction, or one piece of scalar code."""
        match work:
            case VectorWork(count, item, times):
                beats = -(-count * item // BEAT_BYTES)
                peak = times * count * item / BEAT_BYTES
                self._spend("vector", times * (VECTOR_START + beats), peak)
            case CopyWork(direction, size, segments):
                self._copy(direction, size, segments)
            case MatrixWork(macs, source, weight, floating):
                cycles = macs / self._products(source, weight, floating)
                self._spend("matrix", VECTOR_START + cycles, cycles)
            case ScalarWork(cycles):
                self._spend("scalar", cycles, 0.0)

    def _copy(self, direction: str, size: int, segments: int) -> None:
        source, target = spaces(direction)
        off_chip = {"GDRAM", "LDRAM"}
        if not off_chip & {source, target}:
            beats = segments * -(-size // BEAT_BYTES)
            self._spend("move", MOVE_START + beats, segments * size / BEAT_BYTES)
            return
        lines = -(-size // LINE_BYTES) * LINE_BYTES
        if target in off_chip and size < LINE_BYTES:
            lines *= 2
        rate = self.bytes_per_cycle
        self._spend("io", COPY_START + segments * lines / rate, segments * size / rate)

    def _products(self, source: int, weight: int, floating: bool) -> int:
        """Multiply-adds in a cycle. Types without a published rate count as the next wider."""
        wide, narrow = max(source, weight), min(source, weight)
        fitting = [
            rate
            for (a, b, kind), rate in self.rates.macs.items()
            if kind == floating and a >= wide and b >= narrow
        ]
        return max(fitting, default=min(self.rates.macs.values()))

    def _spend(self, pipe: Pipe, cycles: float, peak: float) -> None:
        frame = self.frames[-1]
        frame.busy[pipe] += cycles
        frame.peak[pipe] += peak
        frame.elapsed += cycles

    # --- control ------------------------------------------------------------------------------

    @contextmanager
    def loop(self, trips: float | None, overlapped: bool = False) -> Iterator[None]:
        """What is charged inside counts `trips` times; `None` where nobody knows how often."""
        if trips is None:
            self.open_loops += 1
            trips = 1.0
        self.frames.append(_Frame(trips=trips))
        yield
        inner = self.frames.pop()
        if inner.later:
            # What stays under way passes beside the next iteration, or behind the last one. Memory
            # off the chip serves both in turn.
            inner.elapsed = max(inner.elapsed, inner.later, inner.busy["io"])
            self.frames[-1].elapsed += inner.later
        self.frames[-1].add(inner, trips, inner.elapsed)
        if overlapped:
            # The busiest pipe sets the pace; the others are seen as the pipeline fills and drains.
            hidden = inner.elapsed - max(inner.busy.values())
            self.frames[-1].elapsed -= (trips - 1) * hidden
        self._spend("scalar", trips * ARITHMETIC, 0.0)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """What is charged inside goes on while the innermost loop's next iteration begins."""
        self.frames.append(_Frame())
        yield
        inner = self.frames.pop()
        self.frames[-1].add(inner, 1.0, 0.0)
        self.frames[-1].later += inner.elapsed

    @contextmanager
    def either(self) -> Iterator[None]:
        """Of what is charged inside, up to `other` and behind it, the longer side counts."""
        self.frames += [_Frame(), _Frame()]
        yield
        other, one = self.frames.pop(), self.frames.pop()
        longer = other if other.elapsed > one.elapsed else one
        self.frames[-1].add(longer, 1.0, longer.elapsed)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """What is charged inside, up to `other` and behind it, is done at the same time."""
        self.frames += [_Frame(), _Frame()]
        yield
        sides = sorted((self.frames.pop(), self.frames.pop()), key=lambda side: side.often)
        for side in sides:
            self.frames[-1].add(side, 1.0, 0.0)
        often, longer = sides[0].often, max(side.elapsed for side in sides)
        self.frames[-1].elapsed += often * longer + (1 - often) * sides[1].elapsed
        self.frames[-1].later += sum(side.later for side in sides)

    @contextmanager
    def sometimes(self, often: float) -> Iterator[None]:
        """What is charged inside is done in that part of the iterations by one side of `beside`."""
        self.frames.append(_Frame())
        yield
        inner = self.frames.pop()
        self.frames[-1].add(inner, often, inner.elapsed / often)
        self.frames[-1].often = often

    def other(self) -> None:
        """What follows is the other side of `either` or `beside`."""
        self.frames[-2], self.frames[-1] = self.frames[-1], self.frames[-2]

    @property
    def elapsed(self) -> float:
        """Cycles of a task in what is charged since the innermost open loop, all its iterations."""
        return self.frames[-1].elapsed * math.prod(frame.trips for frame in self.frames)

    def snapshot(self) -> MeterState:
        return [frame.copy() for frame in self.frames], self.open_loops

    def restore(self, saved: MeterState) -> None:
        self.frames, self.open_loops = [frame.copy() for frame in saved[0]], saved[1]

    # --- the result ---------------------------------------------------------------------------

    def estimate(self, parameter_bytes: int) -> Estimate:
        """The kernel's cost; `parameter_bytes` is the size of all its tensors."""
        (frame,) = self.frames
        rounds = -(-self.tasks // self.arch.cores)
        seconds = frame.elapsed * rounds / self.rates.clock
        bound = max(PIPES, key=lambda pipe: frame.busy[pipe])
        if seconds == 0.0:
            share = 0.0
        elif bound == "io":
            share = parameter_bytes / self.rates.dram / seconds
        else:
            work = frame.peak[bound] * self.tasks / self.arch.cores / self.rates.clock
            share = work / seconds
        return Estimate(
            self.arch.name,
            self.tasks,
            self.cores,
            frame.elapsed,
            dict(frame.busy),
            seconds,
            bound,
            min(1.0, share),
            self.open_loops,
        )
