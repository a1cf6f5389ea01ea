"""What the schedules for CPUs count on."""

from __future__ import annotations

from dataclasses import dataclass

import tvm

WORTH_THREADS = 1 << 15
"""Steps of work from which on waking other threads costs less than it brings."""


@dataclass(frozen=True)
class CpuLimits:
    """The machine's shape.

    Attributes
    ----------
    vector_bytes : of a vector register, of which there are `registers`.
    vnni : whether it has the dot products of AVX512-VNNI.
    panel_bytes : what of a packed operand is to stay in the second cache.
    """

    vector_bytes: int = 64
    registers: int = 32
    vnni: bool = True
    panel_bytes: int = 768 << 10

    def lanes(self, dtype: str) -> int:
        return max(1, self.vector_bytes * 8 // tvm.DataType(dtype).bits)
