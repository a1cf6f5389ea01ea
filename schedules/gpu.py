"""Schedules for GPUs: blocks of threads, shared memory, registers. CUDA and HIP differ in limits.

| rule | program | who computes what |
|---|---|---|
| `gpu.transpose` | reads across what it writes | a block a tile, through shared memory |
| `gpu.matmul` | a sum of products, and elementwise work | a block a tile, registers a thread |
| `gpu.elementwise` | independent elementwise stages | a thread an element |
| `gpu.rows` | stages that share axes, long within a row | a team of threads a row |
| `gpu.threads` | stages that share axes, or anything | a thread a row, in order within it |

Every rule makes one kernel. The last applies to any program of one block, whatever its body.
"""

from __future__ import annotations

from .base import Rule
from .gpu_device import GpuLimits
from .gpu_elementwise import Elementwise, Transpose
from .gpu_matmul import Matmul
from .gpu_rows import TeamPerRow, ThreadPerRow

__all__ = ["GpuLimits", "rules"]


def rules(limits: GpuLimits) -> tuple[Rule, ...]:
    """The rules in the order in which they are tried."""
    return (
        Transpose(),
        Matmul(limits),
        Elementwise(),
        TeamPerRow(limits),
        ThreadPerRow(),
    )
