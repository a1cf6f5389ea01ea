"""The memory plan of an emitted kernel: what it declares in each fast memory, to scale."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from .page import part

if TYPE_CHECKING:
    from xpiler_tvm.translation import Translation

_SPACES = {
    "__nram__": ("NRAM", "local.nram"),
    "__wram__": ("WRAM", "local.wram"),
    "__mlu_shared__": ("SRAM", "shared.sram"),
    "__shared__": ("shared", "shared"),
}
_ITEM = {
    "float": 4, "int": 4, "unsigned": 4, "half": 2, "__half": 2, "bfloat16_t": 2, "double": 8,
    "__nv_bfloat16": 2, "hip_bfloat16": 2, "__hip_bfloat16": 2, "int8_t": 1, "uint8_t": 1,
    "char": 1, "bool": 1, "short": 2, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4,
    "int64_t": 8, "uint64_t": 8,
}  # fmt: skip
# One declaration, as the printers write them.
_DECLARATION = re.compile(
    rf"^\s*(?:alignas\(\d+\)\s+)?({'|'.join(_SPACES)})\s+((?:unsigned )?\w+)\s+(\w+)((?:\[\d+\])+);"
)
_WIDTH, _ROW = 560, 52


@dataclass(frozen=True)
class Bar:
    """An array in its memory; `left` and `width` in the picture's units."""

    name: str
    size: int
    left: float
    width: float
    hue: int


@dataclass(frozen=True)
class Space:
    """A memory of `size` bytes, of which `used` are taken; 0 where the device's size is unknown."""

    name: str
    size: int
    used: int
    bars: tuple[Bar, ...]


def memory_plan(translation: Translation) -> Markup | None:
    """The picture; `None` where the kernel declares nothing in fast memory."""
    from xpiler_tvm.targets import get

    limits = get(translation.target).limits
    spaces = []
    for keyword, (name, scope) in _SPACES.items():
        arrays = _declared(translation.source, keyword)
        if arrays:
            spaces.append(_space(name, limits.bytes_of(scope), arrays))
    if not spaces:
        return None
    return part("memory.html", spaces=spaces, width=_WIDTH, row=_ROW, height=_ROW * len(spaces))


def _declared(text: str, keyword: str) -> list[tuple[str, int]]:
    found = []
    for line in text.splitlines():
        match = _DECLARATION.match(line)
        if match and match[1] == keyword:
            count = math.prod(map(int, re.findall(r"\d+", match[4])))
            found.append((match[3], count * _ITEM.get(match[2].split()[-1], 4)))
    return found


def _space(name: str, size: int, arrays: list[tuple[str, int]]) -> Space:
    used = sum(bytes_ for _, bytes_ in arrays)
    scale, left, bars = _WIDTH / max(1, used), 0.0, []
    for number, (array, bytes_) in enumerate(arrays):
        width = bytes_ * scale
        bars.append(Bar(array, bytes_, left, width, number * 360 // len(arrays)))
        left += width
    return Space(name, size, used, tuple(bars))
