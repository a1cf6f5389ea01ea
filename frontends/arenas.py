"""Memory that is seen as several types, or holds several arrays: split into typed buffers.

    extern __shared__ char smem[];          bytes 0..4095    float32   -> smem     float32[1024]
    float* tile = (float*)smem;             bytes 4096..5119 int32     -> smem_1   int32[256]
    int* index = (int*)(smem + 4096);

A first evaluation notes which bytes are accessed as what. Ranges that overlap form a region, and
each region is a buffer of its own. Where types meet in one region its buffer holds the narrowest of
them, of which the others are put together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xpiler_tvm.tir import Buffer

from .values import BITS


@dataclass(frozen=True)
class Access:
    """Bytes `low` to `high` (inclusive) are accessed as numbers of type `dtype`."""

    low: int
    high: int
    dtype: str


@dataclass(frozen=True)
class Region:
    """`size` bytes from `start`, kept as elements of `dtype`."""

    start: int
    size: int
    dtype: str

    @property
    def extent(self) -> int:
        return -(-self.size // (BITS[self.dtype] // 8))


Layout = tuple[Region, ...]


@dataclass(eq=False)
class Arena:
    """`size` bytes; places in them count bytes.

    Each `stride` bytes are laid out alike: the array of a class has a buffer for each field. An
    arena without regions only takes notes: it has one buffer for each type that it is seen as.
    """

    name: str
    size: int
    scope: str
    ident: int
    stride: int
    regions: list[tuple[Region, Buffer]]
    views: dict[str, Buffer] = field(default_factory=dict)
    accesses: list[Access] = field(default_factory=list)

    def same_as(self, other: object) -> bool:
        return self is other

    @property
    def buffers(self) -> list[Buffer]:
        return [buffer for _, buffer in self.regions] or list(self.views.values())

    def find(self, low: int, high: int) -> tuple[Region, Buffer] | None:
        """The region that holds bytes `low` to `high` of a stride."""
        for region, buffer in self.regions:
            if region.start <= low and high < region.start + region.size:
                return region, buffer
        return None


def layout_of(accesses: list[Access], size: int) -> Layout:
    """Regions of an arena of `size` bytes, from all accesses to it."""
    groups: list[list[Access]] = []
    end = -1
    for access in sorted(accesses, key=lambda one: (one.low, one.high)):
        if access.low <= end:
            groups[-1].append(access)
        else:
            groups.append([access])
        end = max(end, access.high)
    if len(groups) == 1:
        return (Region(0, size, _held(groups[0])),)
    return tuple(
        Region(group[0].low, max(one.high for one in group) + 1 - group[0].low, _held(group))
        for group in groups
    )


def _held(accesses: list[Access]) -> str:
    """The narrowest type; a floating-point one before an integer of its size."""
    dtypes = sorted({one.dtype for one in accesses})
    narrow = min(BITS[dtype] for dtype in dtypes)
    fitting = [dtype for dtype in dtypes if BITS[dtype] == narrow]
    return next((dtype for dtype in fitting if "float" in dtype), fitting[0])
