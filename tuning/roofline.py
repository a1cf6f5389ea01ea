"""The least that a program can take on a device, and a model of GPUs that is made of such roofs.

    seconds >= max(operations / peak, bytes / bandwidth)

Peaks are those of data sheets (`dialects.peaks`), so what is said of GPUs is modelled. For this CPU
what a core can do in a cycle is a limit to what a measurement may say: `floor_of`.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import tvm

from xpiler_tvm.dialects.peaks import PEAKS
from xpiler_tvm.schedules.analysis import stages
from xpiler_tvm.schedules.base import Declined, fresh
from xpiler_tvm.schedules.matmul import contraction

from .profile import LEVELS, Profile, Work

TENSOR = 4.0
"""How many times as fast matrix units are taken to be as the rest."""
SHARED = 8.0
"""Bandwidth of a GPU's shared memories together, in that of its largest memory."""
LAUNCH_SECONDS = 3e-6
FLOPS_A_CYCLE, BYTES_A_CYCLE = 64.0, 192.0
"""Of a core: two multiply-adds of 16 lanes; two loads and a store of 64 bytes."""
BOOST = 2.0
"""How far above the clock that the system tells a core may run: virtual machines tell the base
clock, and server cores reach 1.7 times as much alone."""


def roof_of(found: Profile, target: str) -> float:
    """Seconds that a profile takes at least on the device of a target, by its data sheet.

    Few threads and thin blocks lower both roofs; a GPU's shared memory is a third one.
    """
    family = target.partition(":")[0]
    peak = PEAKS.get(family, PEAKS["vnni"])
    if family in ("vnni", "bang"):
        rates = (peak.operations, peak.bandwidth)
        return sum(_seconds(work, rates, LEVELS["L2"]) for work in found.works) or 1e-9
    total = LAUNCH_SECONDS
    for work in found.works:
        flying = work.along("blockIdx") * _threads(work)
        busy = min(1.0, flying / peak.lanes) * _warps(work)
        rates = (peak.operations * busy, peak.bandwidth * min(1.0, 4 * busy))
        shared = sum(a.item for a in work.accesses if a.scope.startswith("shared"))
        beyond = work.times * shared / (SHARED * peak.bandwidth * busy)
        total += max(_seconds(work, rates, LEVELS["L1"]), beyond)
    return total


def _threads(work: Work) -> int:
    """Threads of a block that work."""
    return work.along("threadIdx") * (32 if work.of_warp else 1)


def _warps(work: Work) -> float:
    """The share of a warp's threads that work."""
    threads = _threads(work)
    return threads / (32 * math.ceil(threads / 32))


def _seconds(work: Work, rates: tuple[float, float], room: int) -> float:
    operations, bandwidth = rates
    busy = work.times * (work.operations + 8 * work.calls) / (TENSOR if work.tensor else 1.0)
    # Every load costs an instruction: what is in registers was loaded once for all unrolled steps.
    return max(busy / operations, work.traffic(room, ("global",)) / bandwidth)


# -- This CPU -------------------------------------------------------------------------------------


def floor_of(
    mod: tvm.IRModule, operations: float | None = None, bandwidth: float | None = None
) -> float:
    """Seconds below which no schedule of a raised program can come on one core of this CPU.

    Its products must all be made, and its parameters pass through the first cache. What a
    measurement says below that is a defect of the measurement, or of the program. `operations` and
    `bandwidth` are those of another device, a second.
    """
    flops, moved = 0.0, 0.0
    for stage in stages(fresh(mod)):
        found = contraction(stage)
        if not isinstance(found, Declined):
            exact = "int" in str(stage.block.writes[0].source.dtype)
            # Instructions of bytes do four products for each of float32.
            flops += 2.0 * stage.size() / (4 if exact else 1)
    for param in mod["main"].params:
        shape = getattr(param, "shape", None)
        if shape is not None:
            size = math.prod(int(extent) for extent in shape)
            moved += size * tvm.DataType(str(param.dtype)).bits / 8
    clock = highest_clock()
    peak = operations or FLOPS_A_CYCLE * clock
    return max(flops / peak, moved / (bandwidth or BYTES_A_CYCLE * clock))


@lru_cache(maxsize=1)
def highest_clock() -> float:
    """Cycles a second that a core of this machine can reach, or somewhat more."""
    with suppress(OSError, ValueError):
        limit = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").read_text()
        return float(limit) * 1e3
    with suppress(OSError, ValueError):
        rows = Path("/proc/cpuinfo").read_text().splitlines()
        clocks = [float(row.split(":")[1]) for row in rows if row.startswith("cpu MHz")]
        return BOOST * max(clocks) * 1e6
    return 6e9
