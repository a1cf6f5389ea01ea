"""Schedules for GPUs: blocks of threads, shared memory, registers. CUDA and HIP differ in limits.

| rule | program | who computes what |
|---|---|---|
| `gpu.transpose` | reads across what it writes | a block a tile, through shared memory |
| `gpu.tensor_cores` | the same of short numbers | a block a tile, fragments a warp |
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
from .gpu_instructions import MatrixInstruction, mfma, nvidia
from .gpu_matmul import Matmul
from .gpu_rows import TeamPerRow, ThreadPerRow
from .gpu_tensor_cores import TensorCores

__all__ = ["GpuLimits", "mfma", "nvidia", "rules"]


def rules(
    limits: GpuLimits, instructions: tuple[MatrixInstruction, ...] = (), *, stages: int = 1
) -> tuple[Rule, ...]:
    """The rules in the order in which they are tried.

    `instructions` are the device's for matrices; with several `stages` it copies asynchronously.
    """
    return (
        Transpose(),
        TensorCores(limits, instructions, stages),
        Matmul(limits),
        Elementwise(),
        TeamPerRow(limits),
        ThreadPerRow(),
    )
