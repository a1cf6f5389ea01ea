"""What schedules for GPUs ask of a device, and the steps that they share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuLimits:
    """What a device offers. `warp` threads run in step; `shared_bytes` is one block's share."""

    max_threads: int = 1024
    warp: int = 32
    shared_bytes: int = 48 * 1024


MAX_GRID_Y = 65535

STAGES = "xpiler.stages"
"""The annotation of a loop whose copies to shared memory may be that many steps in the making."""
