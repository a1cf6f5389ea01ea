"""What BANG C needs beyond a header: facts of the device, limits."""

from __future__ import annotations

import re
from collections.abc import Iterable

from xpiler_tvm.dialects import bang as dialect
from xpiler_tvm.dialects.bang import ARCHS, DIRECTIONS, Arch, Mode
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE
from xpiler_tvm.errors import ReadError

from .memory import SPACES, Variable


def chip_of(arch: str) -> Arch:
    """The row of `arch`. Raises `ReadError` XP1012 where there is none."""
    if arch not in ARCHS:
        raise ReadError("XP1012", f"{arch!r} is no MLU", hint=f"one of {', '.join(ARCHS)}")
    return ARCHS[arch]


def prelude(text: str, arch: str, mode: Mode) -> str:
    """What precedes bang.h: the arch's macros, the directions and their memories."""
    chip = chip_of(arch)
    macros = {
        "__BANG_ARCH__": chip.macro,
        "__MLU_NRAM_SIZE__": chip.nram // dialect.KIB,
        "__MLU_WRAM_SIZE__": chip.wram // dialect.KIB,
        "__MLU_SRAM_SIZE__": chip.sram // dialect.KIB,
        "XP_LANE_STRIDE": chip.lane_stride,
        "XP_STRICT": int(mode == "strict"),
    }
    lines = [f"#define {name} {value}" for name, value in macros.items()]
    lines.append(f"enum mluMemcpyDirection_t {{ {', '.join(DIRECTIONS)} }};")
    rows = []
    for name in DIRECTIONS:
        source, target = (SPACES[space] for space in dialect.spaces(name))
        plain, strided = name not in dialect.NO_PLAIN_COPY, name not in dialect.NO_STRIDED_COPY
        rows.append(f"{{{source}, {target}, {int(plain)}, {int(strided)}}}")
    lines.append(f"static const XpDirection xp_directions[] = {{{', '.join(rows)}}};")
    selectors = [row.selector for row in ELEMENTWISE if row.selector]
    for selector in dict.fromkeys(selectors):
        # Each has a type of its own: overloads are told apart by it.
        lines.append(f"static const struct Xp_{selector} {{}} {selector} = {{}};")
    return "\n".join(lines)


_QUALIFIED = re.compile(r"\b(__nram__|__wram__)(?P<rest>[^;{}()=]*(?:\([^;{}]*?\)[^;{}()=]*)*;)")
_EXTENT = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"[A-Za-z_]\w*")
_CONSTANTS = re.compile(
    r"#[ \t]*define[ \t]+(\w+)|\bconstexpr\s+[\w\s]*?(\w+)\s*="
    r"|\btemplate\s*<([^<>]*)>|\benum\b[^{;]*\{([^}]*)\}"
)
_CONST = re.compile(r"\bconst\s+[\w\s]*?(?P<name>\w+)\s*=\s*(?P<value>[^;,]*);")
_TYPES = (
    *("sizeof", "char", "short", "int", "long", "unsigned", "signed", "float", "double", "size_t"),
    *("half", "half_t", "bfloat16", "bfloat16_t"),
    *(f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("__MLU_NRAM_SIZE__", "__MLU_WRAM_SIZE__", "__MLU_SRAM_SIZE__"),
)


def informal(text: str) -> str:
    """Arrays in NRAM and WRAM whose size is known at run time only go on the stack.

    __nram__ float rows[n];  ->  XP_AUTOMATIC float rows[n];

    Public kernels declare such; no vendor text does. Whether a size is constant is told by where
    its names come from: macros, enumerators, template parameters and constants made of such.
    """
    known = set(_TYPES)
    for found in _CONSTANTS.finditer(text):
        known |= {name for part in found.groups() if part for name in _NAME.findall(part)}
    while True:
        more = {
            found["name"]
            for found in _CONST.finditer(text)
            if set(_NAME.findall(found["value"])) <= known
        }
        if more <= known:
            break
        known |= more

    def qualify(found: re.Match[str]) -> str:
        names = {
            name for extent in _EXTENT.findall(found["rest"]) for name in _NAME.findall(extent)
        }
        return found[0] if names <= known else f"XP_AUTOMATIC{found['rest']}"

    return _QUALIFIED.sub(qualify, text)


def check_capacity(variables: Iterable[Variable], arch: str) -> None:
    """Raises `ReadError` XP1011 where the variables exceed a memory of `arch`."""
    chip = chip_of(arch)
    variables = list(variables)
    for space, limit in (
        ("NRAM", chip.nram_usable),
        ("WRAM", chip.wram),
        ("SRAM", chip.sram_usable),
    ):
        mine = [one for one in variables if one.spaces == SPACES[space]]
        total = sum(one.size for one in mine)
        if total > limit:
            largest = max(mine, key=lambda one: one.size)
            raise ReadError(
                "XP1011",
                f"variables of {total} bytes in {space} exceed the {limit} that {arch} has for "
                f"them; the largest is {largest.name!r} with {largest.size}",
            )
