"""How fast MLUs are, as far as that is public: rates of each pipe, for a model and nothing else.

Sources: mlu-ops (`executor.h`, which holds the peaks that its efficiency reports divide by, and the
developer's guide), and times of three kernels on an MLU370-M8 that were published. What no source
gives is an assumption, and the row says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

BEAT_BYTES = 128
"""Bytes of each operand that the vector unit takes in a cycle; less takes a whole cycle too."""

VECTOR_START = 20
"""Cycles before a vector or matrix instruction's first result. Assumed: sources say "fixed"."""

COPY_START = 400
"""Cycles before the first byte of a copy from or to memory off the chip. Assumed to be what a
scalar access there takes."""

MOVE_START = 32
"""Cycles before the first byte of a copy between memories on the chip. Assumed."""

BARRIER = 100
"""Cycles from when the last core of a cluster comes to a barrier to when all go on. Assumed."""

LINE_BYTES = 64
"""Memory off the chip is read in lines of this size; to write less it is read first."""

ARITHMETIC = 2
"""Cycles of a scalar addition or comparison."""

SLOW_ARITHMETIC = 16
"""Cycles of a scalar division, a root, a logarithm."""

NRAM_ACCESS = 8
"""Cycles of a scalar access to NRAM: a multiply-add of three accesses took 30 cycles, measured."""

DRAM_ACCESS = 400
"""Cycles of a scalar access off the chip: a multiply-add with two took 820 cycles, measured."""


@dataclass(frozen=True)
class Rates:
    """The rates of an architecture.

    Attributes
    ----------
    clock : cycles a second.
    dram : bytes a second of the whole device; `dram_cluster` what one cluster alone can draw.
    macs : multiply-adds in a cycle of one core's matrix unit, by the bytes of the two operands
        and whether they are floats.
    """

    clock: float
    dram: float
    dram_cluster: float
    macs: Mapping[tuple[int, int, bool], int]


_MACS_370: Mapping[tuple[int, int, bool], int] = MappingProxyType(
    {
        (1, 1, False): 4096,
        (2, 1, False): 2048,
        (2, 2, False): 2048,
        (2, 2, True): 1536,
        (4, 2, True): 768,
        (4, 4, True): 384,
    }
)

RATES: Mapping[str, Rates] = MappingProxyType(
    {
        "mtp_372": Rates(1.0e9, 307.2e9, 128e9, _MACS_370),
        # Bandwidth is what elementwise kernels were measured at; a card's is said to be above
        # 2000 GB/s. Clock, products in a cycle and a cluster's share are not public: the clock and
        # the products are those of the 370, a cluster draws as many times its even share.
        "mtp_592": Rates(1.0e9, 1200e9, 333e9, _MACS_370),
    }
)
"""By the names of `dialects.bang.ARCHS`."""
