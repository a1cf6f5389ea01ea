"""Cycles that a scheduled program takes on one core of a CPU with 512-bit vectors.

After the execution-cache-memory model (Treibig and Hager 2009): what a core needs when all lies in
the first cache, and behind it what bytes cost on their way from each memory.

    core   = sum over stores: steps * max(arithmetic / 2, loads / 2, stores, chain)
    moved  = sum over memories: bytes that pass / bytes in a cycle
    cycles = the larger of both, and a part of the smaller one

The innermost loops of a store that are unrolled or vectors are one step of the loop around them;
what that loop does not move stays in registers, as a compiler would have it. A memory is passed by
what is not in the one before it: an array is still there where all that is touched between two uses
fits (`passed`).

Rates are those of server cores of some years and no particular one's. Unknown: what overlaps, what
a compiler makes of loops that nobody vectorised, and conflicts in caches. The model is one of the
inputs of the trained one, and no claim.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from .profile import LEVELS, Access, Profile, Work

CLOCK = 2.5e9
"""Cycles a second, where no processor is at hand that would say."""
VECTOR, LINE = 64, 64
"""Bytes of a register, and of a line of caches."""
COMPILED = 32
"""Bytes of the vectors that compilers prefer where nobody chose."""
UNROLLED = 16
"""Vectors of a loop that they unroll whole."""
REGISTERS = 30
"""Of 32, those that partial results can have."""
REGISTERS_OF_TAPS = 16
"""Where a step adds to each of them several times: compilers then load ahead."""
MOST_PLACES = 4096
"""Of unrolled loops, that are told apart."""
ARITHMETIC, LOADS, STORES = 2.0, 2.0, 1.0
"""Instructions of a kind in a cycle."""
LATENCY = 4.0
"""Cycles until a sum can be added to again."""
CALL, SCALAR_CALL = 20.0, 40.0
"""Instructions of a function of mathematics for a vector, and cycles of one for a number."""
TILES, TURNED = (4, 8, 16), 3.0
"""Sides of tiles that are transposed in registers, and cycles of one of their vectors."""
STEP = 1.0
"""Cycles that a loop itself takes, a step."""
RATES = {"L1": 64.0, "L2": 32.0, "L3": 16.0}
"""Bytes in a cycle from beyond a cache."""
OVERLAP = 0.2
"""The share of the shorter of instructions and transfers that the longer one does not hide."""
TENSOR_OPERATIONS = 128
"""What `Work` counts for an instruction of products."""


@dataclass(frozen=True)
class Core:
    """What a store costs in the first cache: instructions, or waiting for what was added before."""

    issue: float
    chain: float
    spilled: float
    scalar: bool

    @property
    def cycles(self) -> float:
        return max(self.issue, self.chain)


@dataclass(frozen=True)
class Cycles:
    """Of a program: each store's in the core, and the bytes that come from beyond each cache."""

    cores: tuple[Core, ...]
    beyond: Mapping[str, float]

    @property
    def core(self) -> float:
        return sum(each.cycles for each in self.cores)

    @property
    def total(self) -> float:
        moved = sum(count / RATES[level] for level, count in self.beyond.items())
        return max(self.core, moved) + OVERLAP * min(self.core, moved)


def cycles_of(found: Profile) -> Cycles:
    """Of a profile."""
    beyond = {level: sum(passed(found.works, LEVELS[level]).values()) for level in RATES}
    begun = {
        (work.accesses[-1].array, loop)
        for work in found.works
        if not work.updates
        for loop in work.loops
    }
    return Cycles(tuple(_core(work, begun) for work in found.works), beyond)


# -- In the core ----------------------------------------------------------------------------------


def _core(work: Work, begun: Collection[tuple[str, str]]) -> Core:
    """Of one store; `begun` are arrays that begin anew in a loop's steps."""
    loops = [at for at, extent in enumerate(work.extents) if extent > 1]
    inner: list[int] = []
    while loops and work.kinds[loops[-1]] in ("vectorized", "unrolled"):
        inner.append(loops.pop())
    serial = loops[-1] if loops else None
    steps = float(math.prod(work.extents[at] for at in loops))
    lanes = math.prod(work.extents[at] for at in inner if work.kinds[at] == "vectorized")
    unrolled = math.prod(work.extents[at] for at in inner) // lanes
    *_, store = work.accesses
    if _is_turned(work):
        return Core(work.times * TURNED / VECTOR * store.item, 0.0, 0.0, False)
    width = VECTOR
    if serial is not None and not inner and _compiled_to_vectors(work, serial):
        width, extent = COMPILED, work.extents[serial]
        # A short loop is unrolled whole: what the one around it does not move is kept.
        most = extent if extent * store.item <= UNROLLED * COMPILED else COMPILED // store.item
        lanes = min(extent, max(1, most))
        inner, steps = [serial], steps / lanes
        if lanes == extent:
            serial = loops[-2] if len(loops) > 1 else None
    elif serial is not None and inner and lanes == 1 and _is_of_lines(work, serial, begun):
        width, lanes = COMPILED, max(1, min(work.extents[serial], COMPILED // store.item))
        steps /= lanes
    step = _Step(work, inner, lanes, serial, width)
    vectors = max(1, math.ceil(store.item * lanes / width))
    copies = step.different(store) * vectors
    operations = float(work.operations)
    if work.tensor:
        operations = max(1.0, operations / TENSOR_OPERATIONS)
    elif work.updates and operations > 1:
        operations -= 1  # a product and its sum are one instruction
    arithmetic = unrolled * vectors * (operations + CALL * work.calls)
    loads = sum(map(step.instructions, work.accesses[:-1]))
    stores = step.instructions(store)
    issue = max(arithmetic / ARITHMETIC, loads / LOADS, stores / STORES) + STEP
    scalar = lanes == 1 and not work.tensor
    if scalar:
        issue += SCALAR_CALL * work.calls * unrolled
    kept = work.updates and step.stays(store) and not _is_anew(work, serial, begun)
    taps = unrolled // step.different(store)
    registers = REGISTERS if taps == 1 else REGISTERS_OF_TAPS
    spilled = float(max(0, copies - registers)) if work.updates and (kept or taps > 1) else 0.0
    return Core(
        steps * (issue + 2 * taps * spilled),
        steps * LATENCY if kept else 0.0,
        steps * spilled,
        scalar,
    )


def _is_anew(work: Work, serial: int | None, begun: Collection[tuple[str, str]]) -> bool:
    """Whether what is written begins anew in each step of a loop, and is no sum over them."""
    return serial is not None and (work.accesses[-1].array, work.loops[serial]) in begun


def _is_of_lines(work: Work, serial: int, begun: Collection[tuple[str, str]]) -> bool:
    """Whether a compiler can make vectors of a loop around unrolled ones."""
    *loads, store = work.accesses
    own = store.strides[serial] == 1 or (
        store.strides[serial] == 0 and _is_anew(work, serial, begun)
    )
    return own and not work.calls and all(one.strides[serial] in (0, 1, 2) for one in loads)


def _is_turned(work: Work) -> bool:
    """Whether the last loops are a tile that is transposed in registers (`codegen.transposes`)."""
    if len(work.extents) < 2 or len(work.accesses) != 2 or work.operations > 1 or work.calls:
        return False
    (load, store), side = work.accesses, work.extents[-1]
    along = store.strides[-1] == 1 == load.strides[-2]
    across = store.strides[-2] not in (0, 1, None) and load.strides[-1] not in (0, 1, None)
    return work.extents[-2] == side and side in TILES and along and across


def _compiled_to_vectors(work: Work, serial: int) -> bool:
    """Whether a compiler can make vectors of a loop: each step is by itself, and side by side."""
    *loads, store = work.accesses
    return store.strides[serial] == 1 and all(one.strides[serial] in (0, 1) for one in loads)


@dataclass(frozen=True, eq=False)
class _Step:
    """One step: the loops in it, the elements of its vectors, and the loop that it is a step of.

    `width` are the bytes of registers.
    """

    work: Work
    inner: Sequence[int]
    lanes: int
    serial: int | None
    width: int

    def stays(self, access: Access) -> bool:
        """Whether the next step has the same elements."""
        return self.serial is not None and access.strides[self.serial] == 0

    def instructions(self, access: Access) -> float:
        """Loads or stores of a step; what stays is loaded before the loop."""
        count = self.different(access)
        for at in self.inner:
            stride = access.strides[at]
            if stride == 0 or self.work.kinds[at] == "unrolled":
                continue
            if stride == 1:
                count *= math.ceil(access.item * self.lanes / self.width)
            else:
                count *= self.lanes
        stays = self.stays(access) and self.serial is not None
        return count / self.work.extents[self.serial] if stays else float(count)  # type: ignore[index]

    def different(self, access: Access) -> int:
        """The places that unrolled loops move an access to; some meet, as those of windows."""
        places = {0}
        for at in self.inner:
            stride, extent = access.strides[at], self.work.extents[at]
            if self.work.kinds[at] != "unrolled" or stride == 0:
                continue
            if stride is None or len(places) * extent > MOST_PLACES:
                return math.prod(
                    self.work.extents[each]
                    for each in self.inner
                    if self.work.kinds[each] == "unrolled" and access.strides[each] != 0
                )
            places = {place + step * stride for place in places for step in range(extent)}
        return len(places)


# -- Between memories -----------------------------------------------------------------------------


def passed(works: Sequence[Work], room: int) -> dict[str, float]:
    """Bytes of each array that come from beyond a memory of `room` bytes."""
    return _passed(works, 0, room)


def _passed(works: Sequence[Work], depth: int, room: int) -> dict[str, float]:
    """Of one run of what stands `depth` loops deep."""
    whole = _touched(works, depth)
    if sum(whole.values()) <= room:
        return whole
    total: dict[str, float] = {}
    for loop, group in groupby(works, key=lambda work: work.loops[depth : depth + 1]):
        mine = list(group)
        if not loop or sum(_touched(mine, depth + 1).values()) <= room:
            part = _touched(mine, depth)  # a step leaves in the memory what the next one needs
        else:
            extent = mine[0].extents[depth]
            steps = _passed(mine, depth + 1, room)
            part = {array: extent * count for array, count in steps.items()}
        for array, count in part.items():
            total[array] = total.get(array, 0.0) + count
    return total


def _touched(works: Sequence[Work], depth: int) -> dict[str, float]:
    """Bytes of each array in one run of the loops from `depth` on, in whole lines."""
    found: dict[str, float] = {}
    for work in works:
        for access in work.accesses:
            moving = [each for each in access.strides[depth:] if each is None or each]
            steps = [abs(each) for each in moving if each is not None]
            apart = access.item * min(steps, default=1)
            wasted = min(LINE, max(apart, access.item)) / access.item if moving else 1.0
            count = access.touched(work.extents, depth) * wasted
            count = min(count, float(access.elements * access.item))
            found[access.array] = max(found.get(access.array, 0.0), count)
    return found
