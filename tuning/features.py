"""What a cost model sees of a scheduled program: a vector of `NAMES`, the same for every target.

Counts are logarithms, as products of extents matter and not sums; shares lie between 0 and 1. What
changes the meaning or order of a feature is a new `SCHEMA`; models of another one are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tvm

from .cycles import RATES, cycles_of
from .profile import LEVELS, Access, Profile, Work, profile_of
from .roofline import roof_of

SCHEMA = 3


def _log(value: float) -> float:
    return math.log2(1.0 + max(0.0, value))


def _share(found: Profile, holds: Callable[[Work], bool]) -> float:
    """The share of the operations that are in stores of which something holds."""
    mine = sum(_weight(work) for work in found.works if holds(work))
    return mine / max(1, found.operations)


def _weight(work: Work) -> int:
    return work.times * (work.operations + 8 * work.calls)


def _innermost(work: Work) -> int:
    return work.extents[-1] if work.extents else 1


def _contiguous(work: Work) -> bool:
    """Whether the innermost loop moves along memory in all that it moves along."""
    return all(one.strides[-1:] in ((), (0,), (1,)) for one in work.accesses)


def _arithmetic(found: Profile) -> Iterator[tuple[str, float]]:
    """How much there is to do, and where."""
    yield "operations", _log(found.operations)
    yield "calls", _log(sum(work.times * work.calls for work in found.works))
    yield "tensor share", _share(found, lambda work: work.tensor)
    yield "stores", _log(len(found.works))
    yield "store runs", _log(sum(work.times for work in found.works))
    heaviest = max(found.works, key=_weight)
    yield "heaviest share", _weight(heaviest) / max(1, found.operations)


def _memory(found: Profile) -> Iterator[tuple[str, float]]:
    """Bytes by memory, how often each is used, and what the arrays take."""
    yield "parameter bytes", _log(found.parameter_bytes)
    for level, room in LEVELS.items():
        traffic = sum(work.traffic(room) for work in found.works)
        yield f"bytes beyond {level}", _log(traffic)
        yield f"reuse in {level}", _log(found.operations / max(1.0, traffic))
    shared = sum(work.times * _bytes_of(work, "shared") for work in found.works)
    yield "bytes of shared memory moved", _log(shared)
    for scope in ("global", "local", "shared", "local.nram", "local.wram"):
        yield f"bytes of {scope}", _log(found.arrays.get(scope, 0))


def _bytes_of(work: Work, scope: str) -> int:
    return sum(one.item for one in work.accesses if one.scope.startswith(scope))


def _shape(found: Profile) -> Iterator[tuple[str, float]]:
    """Vectors, unrolling, threads, alignment and guards."""
    heaviest = max(found.works, key=_weight)
    yield "vector share", _share(found, lambda work: "vectorized" in work.kinds)
    yield "contiguous share", _share(found, _contiguous)
    yield "guarded share", _share(found, lambda work: work.guarded)
    yield "even share", _share(found, lambda work: _innermost(work) % 16 == 0)
    yield "innermost", _log(_innermost(heaviest))
    yield "depth", float(len(heaviest.extents))
    for kind in ("vectorized", "unrolled", "parallel", "blockIdx", "threadIdx"):
        yield f"heaviest {kind}", _log(heaviest.along(kind))
    registers = [work.along("unrolled") * work.along("vectorized") for work in found.works]
    yield "most in registers", _log(max(registers))
    yield "threads of a block", _log(max(work.along("threadIdx") for work in found.works))
    yield "blocks", _log(max(work.along("blockIdx") for work in found.works))
    # Copies into fast memory that stand in the loop of the arithmetic can overlap with it.
    copies = [w for w in found.works if w.operations <= 1 and not w.calls and w is not heaviest]
    yield "copies beside", _log(sum(_weight(work) for work in copies))
    yield "longest loop of copies", _log(max(map(_innermost, copies), default=0))


def _cycles(found: Profile) -> Iterator[tuple[str, float]]:
    """What a core's instructions, its waiting and its memories would cost (`cycles`)."""
    cycles = cycles_of(found)
    yield "cycles", _log(cycles.total)
    yield "core cycles", _log(cycles.core)
    yield "issue cycles", _log(sum(each.issue for each in cycles.cores))
    yield "chain cycles", _log(sum(each.chain for each in cycles.cores))
    yield "spilled", _log(sum(each.spilled for each in cycles.cores))
    scalar = sum(each.cycles for each in cycles.cores if each.scalar)
    yield "scalar share", scalar / max(1.0, cycles.core)
    most = max(each.cycles for each in cycles.cores)
    yield "heaviest core share", most / max(1.0, cycles.core)
    for level, count in cycles.beyond.items():
        yield f"cycles beyond {level}", _log(count / RATES[level])
        yield f"share beyond {level}", count / RATES[level] / max(1.0, cycles.total)


def _vector(found: Profile, target: str) -> Iterator[tuple[str, float]]:
    yield from _arithmetic(found)
    yield from _memory(found)
    yield from _shape(found)
    yield from _cycles(found)
    yield "roof", math.log2(max(1e-12, roof_of(found, target)))


def features_of(mod: tvm.IRModule, target: str) -> np.ndarray:
    """The features of a scheduled `mod["main"]`: float32, in the order of `NAMES`."""
    return np.array([value for _, value in _vector(profile_of(mod), target)], np.float32)


def named(mod: tvm.IRModule, target: str) -> Mapping[str, float]:
    """The same with names."""
    return dict(_vector(profile_of(mod), target))


def _names() -> tuple[str, ...]:
    store = Access(4, "global", 1, (0,), True)
    work = Work((1,), ("serial",), 1, 0, False, False, (store,), loops=("i",))
    return tuple(name for name, _ in _vector(Profile([work]), "vnni"))


NAMES = _names()
