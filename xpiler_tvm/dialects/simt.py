"""CUDA and HIP devices: what a kernel can ask of each, stated once.

Sources: the CUDA C++ programming guide (compute capabilities), AMD's HIP hardware documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

KIB = 1024
MAX_THREADS = 1024
"""Threads of a block."""

MAX_BLOCK = (1024, 1024, 64)
"""Threads of a block in x, y and z."""

MAX_GRID = (2**31 - 1, 65535, 65535)
"""Blocks of a grid in x, y and z."""


@dataclass(frozen=True)
class Gpu:
    """`static_shared` bytes may be declared in a kernel, `shared` with the dynamic part."""

    name: str
    dialect: str
    warp: int
    static_shared: int
    shared: int
    macros: tuple[tuple[str, int], ...]
    capability: int = 0
    """CUDA's compute capability, times ten."""


def _cuda(number: int, shared: int) -> Gpu:
    return Gpu(
        f"sm_{number}",
        "cuda",
        32,
        48 * KIB,
        shared * KIB,
        (("__CUDA_ARCH__", 10 * number),),
        number,
    )


def _hip(name: str, warp: int, shared: int = 64) -> Gpu:
    macros = ((f"__{name}__", 1), ("__AMDGCN_WAVEFRONT_SIZE", warp))
    return Gpu(name, "hip", warp, shared * KIB, shared * KIB, macros)


GPUS: Mapping[str, Gpu] = MappingProxyType(
    {
        gpu.name: gpu
        for gpu in (
            _cuda(70, 96),
            _cuda(75, 64),
            _cuda(80, 163),
            _cuda(86, 99),
            _cuda(89, 99),
            _cuda(90, 227),
            _hip("gfx908", 64),
            _hip("gfx90a", 64),
            _hip("gfx942", 64),
            # RDNA: waves of 32 lanes.
            _hip("gfx1030", 32),
            _hip("gfx1100", 32),
        )
    }
)
DEFAULT_GPUS: Mapping[str, str] = MappingProxyType({"cuda": "sm_90", "hip": "gfx90a"})
"""What a kernel is run as where nobody says otherwise."""
