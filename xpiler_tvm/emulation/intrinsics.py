"""The processor's vector intrinsics in a kernel's text: as this machine has them, or as loops.

They are executed natively where they can be. Loops over lanes stand for them on other machines, in
builds that look at every access or compute in a field, and where a text uses approximations or
functions that only a vendor's compiler has: all machines then compute the same.
"""

from __future__ import annotations

import re

from xpiler_tvm.dialects.avx512_text import definitions, needs_definitions, redefined
from xpiler_tvm.errors import ReadError
from xpiler_tvm.processor import missing_features

NATIVE, PORTABLE = "native", "portable"
"""The devices of C with VNNI."""

HEADERS = frozenset(("immintrin.h", "x86intrin.h"))
"""The ones of the compiler's headers that are really read."""

_FLAGS = (
    *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni", "-mfma", "-mf16c"),
    *("-mpopcnt", "-mlzcnt", "-mbmi", "-mbmi2"),
)
# What immintrin.h would read of the C library.
_NO_LIBRARY = ("#define _MM_MALLOC_H_INCLUDED", "#define __MM_MALLOC_H")
_INTRINSIC = re.compile(
    r"\b_(?:_m\d+|_?mm\d*_|_mmask|_mm_|k\w+_mask|cvt\w*mask|[lt]zcnt_u|bzhi_u|blsr_u)"
)


# Accesses to multiples of a register's size: by intrinsics that want it, and through pointers.
_ALIGNED = re.compile(
    r"\b_mm\w*_(?:load|store|stream|stream_load)_\w+|\*\s*\(\s*(?:const\s+)?__m\d+|\b__m\d+[id]?\s*\*\s*\w+\s*="
)


def alignment(text: str) -> int:
    """What a kernel takes its arrays to be aligned to, in bytes."""
    return 64 if _ALIGNED.search(text) else 1


def is_native(text: str, arch: str | None, build: str) -> bool:
    """Whether the intrinsics of `text` are the processor's own.

    Raises `ReadError` XP1012 where `arch` is neither `NATIVE` nor `PORTABLE`.
    """
    if arch not in (None, NATIVE, PORTABLE):
        hint = f"{NATIVE} or {PORTABLE}"
        raise ReadError("XP1012", f"{arch!r} is no device for C with VNNI", hint=hint)
    if missing_features("cascadelake"):
        return False
    return arch == NATIVE or (arch is None and build == "fast" and not needs_definitions(text))


def flags(text: str, arch: str | None, build: str) -> tuple[str, ...]:
    """Options for the compiler."""
    return _FLAGS if is_native(text, arch, build) else ()


def before(source: str, text: str, arch: str | None, build: str) -> list[str]:
    """Directives in front of everything else, where the file `source` asks for intrinsics."""
    includes = re.findall(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', source, re.MULTILINE)
    if not HEADERS.intersection(includes) or not is_native(text, arch, build):
        return []
    return [*_NO_LIBRARY, "#include <immintrin.h>", *redefined(text)]


def numbers(build: str) -> str:
    """The types whose place those of a field take; C itself has none of them."""
    if build in ("fast", "checked"):
        return ""
    return '#define XP_HIP 0\n#include "half.h"\n#include "vectors.h"'


def inside(text: str, arch: str | None, build: str) -> str:
    """Definitions that stand among those of the dialect."""
    if is_native(text, arch, build) or not _INTRINSIC.search(text):
        return ""
    return definitions(text, as_classes=build not in ("fast", "checked"))
