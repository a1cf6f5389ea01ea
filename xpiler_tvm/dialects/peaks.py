"""What devices reach at most, for rooflines: never a measurement of a kernel.

Sources: the data sheets of NVIDIA A100 40 GB and AMD Instinct MI250X (of which a program sees one
of two dies), `bang_rates` for MLUs. That of a CPU is one core with two AVX-512 units at 2.5 GHz and
an even share of six channels of DDR4-2933 among 24 cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .bang import ARCHS
from .bang_rates import BEAT_BYTES, RATES


@dataclass(frozen=True)
class Peak:
    """The roof of a device.

    Attributes
    ----------
    device : its name for people.
    operations : float32 operations a second without matrix units; a multiply-add is two.
    bandwidth : bytes a second from and to the largest memory.
    lanes : elements that are worked on at a time; with fewer in flight both roofs are lower.
    """

    device: str
    operations: float
    bandwidth: float
    lanes: int


def _mlu(arch: str) -> Peak:
    cores, rates = ARCHS[arch].cores, RATES[arch]
    operations = cores * rates.clock * BEAT_BYTES / 4
    return Peak(f"{arch}, its vector units", operations, rates.dram, cores)


PEAKS: Mapping[str, Peak] = MappingProxyType(
    {
        "cuda": Peak("A100 (sm_80)", 19.5e12, 1555e9, 108 * 64),
        "hip": Peak("one die of an MI250X (gfx90a)", 23.95e12, 1638e9, 110 * 64),
        "bang": _mlu("mtp_592"),
        "vnni": Peak("one core with AVX-512", 160e9, 5.9e9, 16),
    }
)
"""By target; of the device that a target is for where nobody names another."""
