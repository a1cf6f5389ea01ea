"""What BANG C needs beyond a header: operations from the tables, and limits.

The elementwise operations and pools are written out from `dialects.bang`, only those that a text
mentions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from xpiler_tvm.dialects import bang as dialect
from xpiler_tvm.dialects.bang import (
    ARCHS,
    DIRECTIONS,
    ELEMENTWISE,
    KINDS,
    POOLS,
    Arch,
    Elementwise,
    Mode,
    Pool,
)
from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import Launch

from .memory import SPACES, Variable

_C_TYPES = {
    "float16": "half",
    "bfloat16": "bfloat16",
    "float32": "float",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned",
}


def chip_of(arch: str) -> Arch:
    """The row of `arch`. Raises `ReadError` XP1012 where there is none."""
    if arch not in ARCHS:
        raise ReadError("XP1012", f"{arch!r} is no MLU", hint=f"one of {', '.join(ARCHS)}")
    return ARCHS[arch]


def prelude(text: str, arch: str, mode: Mode) -> str:
    """What precedes bang.h: the arch's macros, the directions and their memories."""
    chip = chip_of(arch)
    places = [tuple(SPACES[name] for name in row.split("2")) for row in DIRECTIONS]
    macros = {
        "__BANG_ARCH__": chip.macro,
        "__MLU_NRAM_SIZE__": chip.nram // dialect.KIB,
        "__MLU_WRAM_SIZE__": chip.wram // dialect.KIB,
        "__MLU_SRAM_SIZE__": chip.sram // dialect.KIB,
        "XP_STRICT": int(mode == "strict"),
        "XP_RESHAPED": int("__bang_reshape_filter" in text),
    }
    lines = [f"#define {name} {value}" for name, value in macros.items()]
    lines.append(f"enum mluMemcpyDirection_t {{ {', '.join(DIRECTIONS)} }};")
    table = ", ".join(str(source << 8 | target) for source, target in places)
    lines.append(f"static const unsigned short xp_directions[] = {{{table}}};")
    selectors = [row.selector for row in ELEMENTWISE if row.selector]
    for selector in dict.fromkeys(selectors):
        # Each has a type of its own: overloads are told apart by it.
        lines.append(f"static const struct Xp_{selector} {{}} {selector} = {{}};")
    return "\n".join(lines)


def operations(text: str, arch: str) -> str:
    """C++ of the elementwise operations and pools that `text` mentions and `arch` has."""
    words = set(re.findall(r"__bang_\w+", text))
    rows = [row for row in ELEMENTWISE if row.name in words and row.on(arch)]
    pools = [pool for pool in POOLS if pool.name in words]
    return "\n".join([*map(_elementwise, rows), *map(_pool, pools)])


def _elementwise(row: Elementwise) -> str:
    names = "abc"[: len(row.operands)]
    arguments = [f"Xp_{row.selector}"] if row.selector else []
    arguments.append("T* dst")
    checks, loads = [], []
    bytes_of = "n * (long long)sizeof(T)"
    cycles = "cycle" in row.operands
    for position, (name, kind) in enumerate(zip(names, row.operands, strict=True)):
        role = f"operand {position + 1}"
        if kind == "scalar":
            arguments.append(f"typename XpSame<T>::type {name}_")
            loads.append(f"const auto {name} = xp_wide({name}_);")
            continue
        count, index = (
            (bytes_of, "i")
            if kind == "vector"
            else (
                "period * (long long)sizeof(T)",
                "i % period",
            )
        )
        arguments.append(f"const T* {name}_")
        checks.append(f'xp_operand("{row.name}", at.line, "{role}", {name}_, {count}, XP_NRAM);')
        checks.append(
            f'xp_overlap("{row.name}", at.line, dst, {bytes_of}, {name}_, {count}, '
            f"{int(row.in_place and kind == 'vector')});"
        )
        loads.append(f"const auto {name} = xp_wide({name}_[{index}]);")
    for position in range(row.scratch):
        name = f"scratch{position}"
        arguments.append(f"T* {name}")
        checks.append(
            f'xp_operand("{row.name}", at.line, "the scratch", {name}, {bytes_of}, XP_NRAM);'
        )
    arguments.append("int n")
    if cycles:
        arguments.append("int period")
        checks.insert(
            0,
            f'if (period <= 0 || n % period) xp_fail(5002, at.line, "{row.name}: '
            '%d elements, no multiple of the period %d", n, period);',
        )
    # What is in the scratch afterwards is nobody's to use.
    ruins = [
        f"__builtin_memset(scratch{position}, 0xff, {bytes_of});" for position in range(row.scratch)
    ]
    types = ", ".join(_C_TYPES[name] for name in row.dtypes)
    return f"""template <class T>
inline void {row.name}({", ".join(arguments)}, XpLine at = XpLine()) {{
  static_assert(XpOneOf<T, {types}>::value, "{row.name} has no form for this type");
  xp_operand("{row.name}", at.line, "the destination", dst, {bytes_of}, XP_NRAM);
  {" ".join(checks)}
  for (int i = 0; i < n; ++i) {{ {" ".join(loads)} dst[i] = T({row.meaning}); }}
  {" ".join(ruins)}
}}"""


def _pool(pool: Pool) -> str:
    types = ", ".join(_C_TYPES[name] for name in pool.dtypes)
    extents = ", ".join(
        f"int {name}" for name in ("channel", "height", "width", "kernel_h", "kernel_w")
    )
    return f"""template <class T>
inline void {pool.name}(T* dst, const T* src, {extents},
                        int stride_w, int stride_h, XpLine at = XpLine()) {{
  static_assert(XpOneOf<T, {types}>::value, "{pool.name} has no form for this type");
  xp_pool("{pool.name}", at.line, dst, src, channel, height, width, kernel_h, kernel_w, stride_w,
          stride_h, {pool.start}, [](float r, float a) {{ return {pool.step}; }},
          [](float r, float k) {{ return {pool.scale}; }});
}}
template <class T>
inline void {pool.name}(T* dst, const T* src, {extents}, XpLine at = XpLine()) {{
  {pool.name}(dst, src, channel, height, width, kernel_h, kernel_w, kernel_w, kernel_h, at);
}}"""


@dataclass(frozen=True)
class Job:
    """A launch as the runtime sees it: jobs in the grid, cores in the block, clusters as warps."""

    grid: tuple[int, int, int]
    cores: int
    lanes: int
    clusters: int


def job(launch: Launch, text: str) -> Job:
    """How `launch` runs. The memory core takes part where the text asks which core it is on.

    Raises `ReadError`: XP1011 where a union's tasks do not fill its clusters, XP1014 where there
    is no such kind.
    """
    kind = KINDS.get(launch.kind)
    if kind is None:
        raise ReadError(
            "XP1014", f"{launch.kind!r} is no kind of job", hint=f"one of {', '.join(KINDS)}"
        )
    x, y, z = (*launch.tasks, 1, 1, 1)[:3]
    if kind.clusters == 0:
        return Job((x, y, z), 1, 1, 0)
    if x % kind.multiple:
        raise ReadError(
            "XP1011",
            f"a {launch.kind} job takes a multiple of {kind.multiple} tasks in x, {x} were given",
        )
    knows_mpu = re.search(r"__is_[mi]pu|\b0[xX]80\b", text) is not None
    lanes = dialect.CORES_PER_CLUSTER + int(knows_mpu)
    return Job((x // kind.multiple, y, z), kind.clusters * lanes, lanes, kind.clusters)


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
