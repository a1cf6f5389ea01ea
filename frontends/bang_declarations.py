"""C++ declarations of BANG C's functions, for the parser: written out from the dialect's tables.

What a call means is worked out from its arguments as they are written, so that most functions take
anything here. Those with a result have its type.
"""

from __future__ import annotations

from xpiler_tvm.dialects.bang import ARCHS, BARRIERS, DEFAULT_ARCH, DIRECTIONS, FILLS, KIB, SYNCS
from xpiler_tvm.dialects.bang_conversions import CONVERSIONS
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE
from xpiler_tvm.dialects.bang_layouts import LAYOUTS, LOOKUPS, MASKED_MOVES, POOLS
from xpiler_tvm.dialects.bang_matrix import CONTRACTIONS
from xpiler_tvm.dialects.bang_names import UNSUPPORTED
from xpiler_tvm.dialects.bang_reductions import ATOMICS, EXTREMES, FOLDS, PACKINGS

COPIES = ("__memcpy", "__memcpy_async")
LOCKS = ("__bang_lock", "__bang_unlock")
IDS = (
    *("taskId", "taskIdX", "taskIdY", "taskIdZ", "taskDim", "taskDimX", "taskDimY", "taskDimZ"),
    *("clusterId", "clusterDim", "coreId", "coreDim"),
)
SELECTORS = tuple(dict.fromkeys(row.selector for row in ELEMENTWISE if row.selector))
"""First arguments of `__bang_fusion`, in the order of their enumerators here."""

_C_TYPES = {
    "float16": "half",
    "bfloat16": "bfloat16_t",
    "float32": "float",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
}
_QUALIFIER = "__attribute__((device))"


def declarations() -> str:
    """A header that declares every function, id and enumerator of BANG C."""
    chip = ARCHS[DEFAULT_ARCH]
    sizes = {"NRAM": chip.nram, "WRAM": chip.wram, "SRAM": chip.sram}
    returning = {row.name: "T" for row in FOLDS if row.result == "returned"}
    returning |= {row.name: "unsigned" for row in PACKINGS if row.count == "returned"}
    tables = (
        ELEMENTWISE, FOLDS, EXTREMES, PACKINGS, ATOMICS, LAYOUTS, LOOKUPS, MASKED_MOVES, POOLS,
        CONTRACTIONS, CONVERSIONS, FILLS,
    )  # fmt: skip
    names = [row.name for table in tables for row in table]
    names += [*SYNCS, *BARRIERS, *LOCKS, *UNSUPPORTED]
    return "\n".join(
        (
            f"#define __BANG_ARCH__ {chip.macro}",
            *(f"#define __MLU_{space}_SIZE__ {size // KIB}" for space, size in sizes.items()),
            f"enum mluMemcpyDirection_t {{ {', '.join(DIRECTIONS)} }};",
            f"enum XpSelector {{ {', '.join(SELECTORS)} }};",
            *(f"extern {_QUALIFIER} const int {name};" for name in IDS),
            *(f"{_QUALIFIER} bool {name}();" for name in ("__is_mpu", "__is_ipu")),
            *map(_copy, COPIES),
            *(_returning(name, result) for name, result in returning.items()),
            *(_anything(name) for name in dict.fromkeys(names) if name not in returning),
            *(_cast(name, source, target) for name, source, target in scalar_casts()),
        )
    )


def scalar_casts() -> list[tuple[str, str, str]]:
    """Conversions of one value: name, source and target. Two int4 share a byte: there are none."""
    return [
        (row.name.replace("__bang_", "__"), row.source, row.target)
        for row in CONVERSIONS
        if "int4" not in (row.source, row.target)
    ]


def _copy(name: str) -> str:
    fixed = "void* dst, const void* src, int size, mluMemcpyDirection_t direction"
    return f"template <class... A> {_QUALIFIER} void {name}({fixed}, A...);"


def _returning(name: str, result: str) -> str:
    return f"template <class T, class... A> {_QUALIFIER} {result} {name}(const T*, A...);"


def _anything(name: str) -> str:
    return f"template <class... A> {_QUALIFIER} void {name}(A...);"


def _cast(name: str, source: str, target: str) -> str:
    return f"{_QUALIFIER} {_C_TYPES[target]} {name}({_C_TYPES[source]});"
