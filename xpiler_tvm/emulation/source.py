"""Kernel text to a C++ translation unit.

The text keeps its lines. A few things change in it, by pattern, because no macro can do them:
includes are taken out (the dialect's header stands for the vendor's and `standard.h` for those of
the standard library), `extern __shared__ T name[];` becomes a pointer, inline assembly that
`dialects.ptx` knows becomes calls, Clang's `ext_vector_type` becomes GCC's `vector_size`, and
`extern "C"` becomes `extern "C++"`, so that a kernel may be called like a function of libm. All of
it is compiled in a namespace of its own, without a name: a kernel's static variables then belong to
this library alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from xpiler_tvm.dialects import ptx_text
from xpiler_tvm.dialects.bang import DEFAULT_ARCH, Mode
from xpiler_tvm.dialects.math import MATH, MathFunction
from xpiler_tvm.dialects.simt import DEFAULT_GPUS, GPUS, Gpu
from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import Dialect

from . import bang, field, intrinsics, simt
from .bang_operations import operations

# The name under which the compiler reports places in the user's text.
MARKER = "kernel-text"

HEADERS: dict[Dialect, str] = {"cuda": "cuda.h", "hip": "hip.h", "bang": "bang.h", "vnni": "c.h"}

# What of libm.h has its name in `std` too.
_STD_LIBM = (
    "abs acosh asinh atanh erfc fdim isfinite isinf isnan ldexp lgamma lrint lround remainder "
    "signbit tgamma"
)

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"].*$', re.MULTILINE)
_PRAGMA = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once.*$", re.MULTILINE)
_EXTERN_SHARED = re.compile(
    r"extern\s+__shared__\s+(?P<type>[^;=]*?)\s*\b(?P<name>\w+)\s*\[\s*\]\s*;"
)
_SHARED_EXTERN = re.compile(r"\b__shared__\s+extern\b")
_ATTRIBUTE = re.compile(r"\b(?:__align__|alignas)\s*\([^()]*\)|__attribute__\s*\(\(.*?\)\)\)?")
_STATIC_SHARED = re.compile(r"\bstatic\s+(?=__shared__\b|__(?:nram|wram|mlu_shared|ldram)__\b)")
_EXT_VECTOR = re.compile(
    r"\b(?P<type>\w+)(?P<name>\s+\w+)?\s+"
    r"__attribute__\s*\(\(\s*(?:__)?ext_vector_type(?:__)?\s*\(\s*(?P<count>\w+)\s*\)\s*\)\)"
)
_EXTERN_C = re.compile(r'\bextern(\s+)"C"')

# Math functions that are no compiler builtin: their value in terms of builtins, with `{s}` for the
# suffix of the type and `{x}` for the argument.
_COMPOSED = {"rsqrt": "1 / __builtin_sqrt{s}({x})"}


@lru_cache(maxsize=1)
def math_functions() -> str:
    """C++ definitions of every row of `dialects.math.MATH`: the library's overloads, fast forms."""
    return "\n".join(_define(row) for row in MATH)


def _define(row: MathFunction) -> str:
    names = ("x", "y", "z")[: row.arity]

    def function(name: str, types: tuple[str, ...], single: bool) -> str:
        result, suffix = ("float", "f") if single else ("double", "")
        call = f"__builtin_{row.name}{suffix}({', '.join(names)})"
        if row.name in _COMPOSED:
            call = _COMPOSED[row.name].format(s=suffix, x="x")
        params = ", ".join(f"{kind} {x}" for kind, x in zip(types, names, strict=True))
        return f"inline {result} {name}({params}) {{ return {call}; }}"

    def same(kind: str) -> tuple[str, ...]:
        return (kind,) * row.arity

    rows = [
        function(row.single, same("float"), True),
        function(row.name, same("float"), True),
        function(row.name, same("double"), False),
        function(row.name, same("int"), False),
    ]
    if row.arity == 2:
        # Mixed arguments compute in double, as in C++; float with an integer too.
        mixed = ("float", "double"), ("double", "float"), ("float", "int"), ("int", "float")
        more = ("double", "int"), ("int", "double")
        rows += [function(row.name, pair, False) for pair in mixed + more]
    rows += [function(fast, same("float"), True) for fast in row.fast]
    return "\n".join(rows)


def gpu_of(dialect: Dialect, arch: str | None) -> Gpu:
    """The device that `dialect` runs on. Raises `ReadError` XP1012 where `arch` is none of its."""
    gpu = GPUS.get(arch or DEFAULT_GPUS[dialect])
    if gpu is None or gpu.dialect != dialect:
        known = ", ".join(name for name, one in GPUS.items() if one.dialect == dialect)
        raise ReadError("XP1012", f"{arch!r} is no {dialect} device", hint=f"one of {known}")
    return gpu


def _keep_lines(found: re.Match[str], text: str) -> str:
    return text + "\n" * found.group(0).count("\n")


def _std_math() -> str:
    """The math functions under their names in `std`."""
    names = [name for row in MATH for name in (row.name, row.single)]
    usings = "".join(f"using ::xp::{name}; " for name in (*names, *_STD_LIBM.split()))
    return f"namespace std {{ {usings}}}"


def rewrite(text: str) -> str:
    """The text as it is compiled."""
    text = _PRAGMA.sub("", _INCLUDE.sub("", text))

    def dynamic(found: re.Match[str]) -> str:
        kind = _ATTRIBUTE.sub("", found["type"]).strip()
        return _keep_lines(found, f"{kind}* const {found['name']} = ({kind}*)xp_dynamic;")

    def vector(found: re.Match[str]) -> str:
        kind, name = found["type"], found["name"] or ""
        size = f"vector_size({found['count']} * sizeof({kind})), aligned(sizeof({kind}))"
        return _keep_lines(found, f"{kind}{name} __attribute__(({size}))")

    text = _EXT_VECTOR.sub(vector, text)
    text = _SHARED_EXTERN.sub("extern __shared__", text)
    text = _EXTERN_SHARED.sub(dynamic, text)
    text = _STATIC_SHARED.sub("", text)
    return _EXTERN_C.sub(r'extern\1"C++"', text)


# Names of functions in which threads wait for each other, and of what only they make useful.
_WAITS = re.compile(
    r"__sync|__shfl|__ballot|__any|__all|__activemask|__match_|__reduce_|__shared__|SHARED"
    r"|cooperative_groups|wmma|amdgcn|__lane|__ptx_|__pipeline"
)

Build = Literal["fast", "checked", "field", "small field"]
"""What a text is compiled for: its values, its faults, or its values in a field of `field.py`."""


def translation_unit(
    source: str,
    text: str,
    dialect: Dialect,
    entry: str,
    *,
    arch: str | None = None,
    mode: Mode = "strict",
    build: Build = "fast",
    symbols: Sequence[str] = (),
) -> str:
    """C++ that exports `xp_entry(launch, args, count)`, which runs the kernel `entry`.

    `text` is what is compiled of the file `source`, whose includes count even where `text` has
    blanked them out. `arch` is a key of `dialects.simt.GPUS` or `dialects.bang.ARCHS`, `mode` is
    for BANG C.
    """
    body = rewrite(ptx_text.without_assembly(text) if dialect == "cuda" else text)
    before = after = ""
    if dialect == "bang":
        body = bang.informal(body) if mode == "lenient" else body
        before = bang.prelude(body, arch or DEFAULT_ARCH, mode)
        after = operations(body, arch or DEFAULT_ARCH)
    elif dialect in DEFAULT_GPUS:
        before = simt.prelude(f"{body}\n{entry}", gpu_of(dialect, arch))
    else:
        before = intrinsics.numbers(build)
        after = intrinsics.inside(body, arch, build)
    seen = ", ".join([*(f"(void*)&{name}" for name in symbols), "nullptr"])
    lines = ["#define XP_CHECKED 1"] if build == "checked" else []
    if build == "fast" and dialect in DEFAULT_GPUS and not _WAITS.search(body):
        lines.append("#define XP_LOOP 1")
    lines += intrinsics.before(source, body, arch, build) if dialect == "vnni" else []
    lines += [
        f'#include "{"bang_runtime.h" if dialect == "bang" else "runtime.h"}"',
        '#include "launch.h"',
        "namespace xp { namespace {",
        '#include "standard.h"',
        '#include "heap.h"' if dialect in DEFAULT_GPUS else "",
        math_functions(),
        before,
        f'#include "{HEADERS[dialect]}"',
        field.prelude(build, MARKER) if build in field.FIELDS else "",
        _std_math(),
        after,
        f'#line 1 "{MARKER}"',
        body,
        '#line 1 "launcher"',
        "}",
        f"static constexpr auto xp_kernel = xp_pick(&{entry});",
        'extern "C" __attribute__((visibility("default")))',
        "int xp_entry(const XpLaunch* launch, const XpArg* args, int count) {",
        "  return XpKernel<xp_kernel>::start(launch, args, count);",
        "}",
        # The host may have changed a variable whose address it can see.
        'extern "C" __attribute__((visibility("default")))',
        f"void* const xp_symbols[] = {{{seen}}};",
        "}",
    ]
    return "\n".join(lines) + "\n"
