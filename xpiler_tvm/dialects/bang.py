"""BANG C on Cambricon MLUs: memories, jobs, copies and fills, stated once.

The intrinsics stand in tables beside this one, `bang_elementwise` to `bang_conversions`;
`bang_names` lists all of them. The emulator's operations are generated from these tables,
instruction selection in `codegen_bang` matches against them, and the BANG frontend reads calls
through them.

Sources: Cambricon's published headers of the 3xx toolkit, mlu-ops and its developer's guide.
No card was available; where a source gives no figure the row says so instead of guessing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

KIB = 1024

STACK_RESERVE = 128 * KIB
"""Bytes of NRAM (and of SRAM) left to the compiler: the stack lives there by default."""

ALIGN = 128
"""Bytes one vector instruction handles in a cycle; buffers start and end on this boundary."""

WRAM_ALIGN = 32
"""Bytes to which the address of weights in WRAM is aligned."""

WRAM_COPY_ALIGN = 8
"""Bytes of which addresses and strides of copies from and to WRAM are multiples."""

WRAM_COPY_SIZE = 16
"""Bytes of which the size of a copy without strides from or to WRAM is a multiple (3xx and later).
Each bank takes a part, and the end of a part that is no multiple of 8 bytes is undefined."""

LANES = 64
"""Banks of WRAM: output channel `c` of a convolution or matmul lives in bank `c % LANES`."""

CORES_PER_CLUSTER = 4
"""IPU cores of a cluster; its fifth core, the MPU, only moves data."""

MPU_CORE_ID = 0x80
"""`coreId` of the memory core."""

MAX_SEGMENTS = 65536
"""Segments of one strided copy; `__memcpy` takes their number minus one."""


@dataclass(frozen=True)
class Arch:
    """Sizes in bytes per core (`sram`: per cluster). `macro` is `__BANG_ARCH__`."""

    name: str
    macro: int
    nram: int
    wram: int
    sram: int
    clusters: int
    vector_div: bool

    @property
    def nram_usable(self) -> int:
        """NRAM that a kernel may declare, beside the stack."""
        return self.nram - STACK_RESERVE

    @property
    def sram_usable(self) -> int:
        return self.sram - STACK_RESERVE

    @property
    def cores(self) -> int:
        return self.clusters * CORES_PER_CLUSTER

    @property
    def lane_stride(self) -> int:
        """How far apart the banks of WRAM lie (`WRAM_LT_STRIDE`)."""
        return self.wram // LANES


ARCHS: Mapping[str, Arch] = MappingProxyType(
    {
        # MLU370-X4: 8 clusters. The quotient of two vectors needs a scratch vector there.
        "mtp_372": Arch("mtp_372", 372, 768 * KIB, 1024 * KIB, 4096 * KIB, 8, False),
        # MLU590: 12 clusters on the H8 board.
        "mtp_592": Arch("mtp_592", 592, 512 * KIB, 512 * KIB, 2048 * KIB, 12, True),
    }
)
DEFAULT_ARCH = "mtp_592"

Mode = Literal["strict", "lenient"]
"""How BANG C is read: by the hardware's rules, or as public kernels informally mean it."""


@dataclass(frozen=True)
class TaskKind:
    """How tasks are put on cores. `tasks.x` must be a multiple of `multiple`."""

    name: str
    function_type: str
    clusters: int

    @property
    def multiple(self) -> int:
        return max(1, self.clusters * CORES_PER_CLUSTER)

    @property
    def runs_on_mpu(self) -> bool:
        """Under a union the kernel also runs on each cluster's memory core."""
        return self.clusters > 0


KINDS: Mapping[str, TaskKind] = MappingProxyType(
    {
        "block": TaskKind("block", "cnrtFuncTypeBlock", 0),
        "union1": TaskKind("union1", "cnrtFuncTypeUnion1", 1),
        "union2": TaskKind("union2", "cnrtFuncTypeUnion2", 2),
        "union4": TaskKind("union4", "cnrtFuncTypeUnion4", 4),
        "union8": TaskKind("union8", "cnrtFuncTypeUnion8", 8),
        "union16": TaskKind("union16", "cnrtFuncTypeUnion16", 16),
    }
)

DIRECTIONS: tuple[str, ...] = (
    "GDRAM2NRAM",
    "NRAM2GDRAM",
    "LDRAM2NRAM",
    "NRAM2LDRAM",
    "GDRAM2WRAM",
    "WRAM2GDRAM",
    "LDRAM2WRAM",
    "WRAM2LDRAM",
    "NRAM2NRAM",
    "NRAM2WRAM",
    "WRAM2NRAM",
    "GDRAM2SRAM",
    "SRAM2GDRAM",
    "LDRAM2SRAM",
    "SRAM2LDRAM",
    "SRAM2NRAM",
    "NRAM2SRAM",
    "SRAM2WRAM",
    "WRAM2SRAM",
    "GDRAM2GDRAM",
    "GDRAM2LDRAM",
    "LDRAM2GDRAM",
    "LDRAM2LDRAM",
    "SRAM2SRAM",
)
"""Directions of `__memcpy`, in the order of the vendor's enumeration (the first is 0)."""

NO_PLAIN_COPY = frozenset(("LDRAM2LDRAM",))
"""Directions that exist only with strides."""

NO_STRIDED_COPY = frozenset(name for name in DIRECTIONS if name.startswith("WRAM2"))
"""Directions that exist only without strides."""


def spaces(direction: str) -> tuple[str, str]:
    """Source and destination: `"GDRAM2NRAM"` -> `("GDRAM", "NRAM")`."""
    source, target = direction.split("2")
    return source, target


Pipeline = Literal["io", "move"]


def pipeline(direction: str) -> Pipeline:
    """Which unit copies: the one for memory off the chip, or the one for memories on it.

    A unit carries its copies out in the order in which they were issued.
    """
    return "io" if {"GDRAM", "LDRAM"} & set(spaces(direction)) else "move"


def _sync_copy(source: str, target: str) -> tuple[str, ...]:
    """Directions of `__sync_copy_<source>_to_<target>`: `dram` is GDRAM and LDRAM."""
    found = (tuple(re.sub("^[GL]D", "D", one).lower() for one in spaces(d)) for d in DIRECTIONS)
    return tuple(d for d, pair in zip(DIRECTIONS, found, strict=True) if pair == (source, target))


_BY_PIPELINE = {
    which: tuple(name for name in DIRECTIONS if pipeline(name) == which) for which in ("io", "move")
}

SYNCS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "__sync": DIRECTIONS,
        "__sync_compute": (),
        "__sync_io": _BY_PIPELINE["io"],
        "__sync_move": _BY_PIPELINE["move"],
        "__sync_io_move_compute": DIRECTIONS,
        **{
            f"__sync_copy_{source}_to_{target}": _sync_copy(source, target)
            for source in ("dram", "nram", "wram", "sram")
            for target in ("dram", "nram", "wram", "sram")
            if _sync_copy(source, target)
        },
    }
)
"""The directions of those copies that have ended when the function returns."""

Meeting = Literal["cluster", "all", "ipu", "mpu"]

BARRIERS: Mapping[str, Meeting] = MappingProxyType(
    {
        "__sync_cluster": "cluster",
        "__sync_all": "all",
        "__sync_all_ipu": "ipu",
        "__sync_all_mpu": "mpu",
    }
)
"""Who waits for whom: the cores of a cluster, all of a union job, or one kind of them.

Memory cores count. In a block job, and for cores of the other kind, nothing happens."""


@dataclass(frozen=True)
class Fill:
    """`name(dst, n, value)`: `n` elements in `space` become `value`, whose type is their type.

    `zero` fills take no value: theirs is 0 in the destination's type. `strided` ones also take
    `stride0, count1, stride1, count2` in bytes and numbers less one: the run is repeated.
    """

    name: str
    space: str
    zero: bool = False
    strided: bool = False


FILLS: tuple[Fill, ...] = (
    Fill("__bang_write_zero", "NRAM", zero=True),
    Fill("__bang_write_value", "NRAM", strided=True),
    Fill("__nramset", "NRAM"),
    Fill("__memset_nram", "NRAM"),
    Fill("__gdramset", "GDRAM"),
    Fill("__sramset", "SRAM"),
    Fill("__ldramset", "LDRAM"),
)
