"""What a compiled kernel may hold: the last look at it before it becomes a library.

Whatever a text has hidden from the rules over its code, an object that asks for nothing but the
math library and the emulator, exports one function and runs nothing at loading can do no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from . import elf

_MATH = re.compile(
    r"(?:a?(?:sin|cos|tan)h?|atan2|exp(?:2|10|m1)?|log(?:2|10|1p|b)?|sqrt|cbrt|pow|hypot|erfc?|"
    r"[lt]gamma|fabs|ceil|floor|trunc|round(?:even)?|rint|nearbyint|l?l?(?:rint|round)|fmod|fma|"
    r"fmax|fmin|fdim|remainder|remquo|copysign|nextafter|ldexp|scalbl?n|frexp|modf|ilogb|sincos|"
    r"j[01]|y[01])[fl]?"
)
# Arithmetic that the processor lacks, in the compiler's own library.
_ARITHMETIC = re.compile(
    r"__(?:trunc|extend|fix|fixuns|float|floatun|mul|div|mod|udiv|umod|udivmod|divmod|pow|cmp|add|"
    r"sub|neg|eq|ne|lt|le|gt|ge|unord|clz|ctz|ffs|popcount|parity|ashl|ashr|lshr|bswap|gnu_[fh]2)"
    r"[bhsdxtq\d]?\w{0,6}"
)
_LIBRARY = frozenset(
    (
        *("memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"),
        *("printf", "snprintf", "puts", "putchar", "malloc", "calloc", "aligned_alloc", "free"),
        *("_GLOBAL_OFFSET_TABLE_", "__tls_get_addr", "__stack_chk_fail", "__dso_handle"),
        # operator new and delete, of objects and of arrays
        *("_Znwm", "_Znam", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm"),
    )
)
# Run by the loader. A thread sanitizer's start is the one that a checked build has, which calls
# `__tsan_init` of ours.
_AT_LOADING = re.compile(
    r"\.(?:rela?)?\.?(?:(?:pre)?init_array|fini_array|ctors|dtors|init|fini)\b"
)
_SANITIZERS = frozenset((".init_array.00099", ".init_array.0"))


# What `source.translation_unit` adds for the worker to find.
_EXPORTED = frozenset(("xp_entry", "xp_symbols"))


class Forbidden(Exception):
    """An object holds what no kernel needs; the message says what."""


def inspect(path: Path, objects: Iterable[Path], *, sanitized: bool = False) -> None:
    """Raises `Forbidden` unless the object file at `path` may be linked with `objects`."""
    offered = _LIBRARY.union(*(_defined(one) for one in objects))
    with open(path, "rb") as file:
        for section in ELFFile(file).iter_sections():
            _judge_section(section, sanitized)
            if isinstance(section, SymbolTableSection):
                for symbol in elf.entries(section):
                    _judge_symbol(symbol, offered)


def _judge_section(section: object, sanitized: bool) -> None:
    name, flags = section.name, section["sh_flags"]  # type: ignore[attr-defined, index]
    if sanitized and name.removeprefix(".rela") in _SANITIZERS:
        return
    if _AT_LOADING.match(name):
        raise Forbidden("code that runs when the file is loaded")
    code = bool(flags & SH_FLAGS.SHF_EXECINSTR)
    if code and (flags & SH_FLAGS.SHF_WRITE or not name.startswith(".text")):
        raise Forbidden(f"code in the section {name!r}")


def _judge_symbol(symbol: elf.Entry, offered: frozenset[str]) -> None:
    name = symbol.name
    if symbol.kind >= elf.INDIRECT:
        raise Forbidden(f"the function {name!r}, which is chosen when the file is loaded")
    if symbol.binding == elf.LOCAL or not name:
        return
    if symbol.home == elf.UNDEFINED:
        if name not in offered and not _MATH.fullmatch(name) and not _ARITHMETIC.fullmatch(name):
            raise Forbidden(f"the symbol {name!r} of another library")
    elif name not in _EXPORTED and not name.startswith("_Z"):
        raise Forbidden(f"the symbol {name!r}, offered to other libraries")


@lru_cache(maxsize=64)
def _defined(path: Path) -> frozenset[str]:
    """What an object of the emulator's own offers; its name changes with what it holds."""
    with open(path, "rb") as file:
        return frozenset(
            symbol.name
            for section in ELFFile(file).iter_sections()
            if isinstance(section, SymbolTableSection)
            for symbol in elf.entries(section)
            if symbol.home != elf.UNDEFINED and symbol.binding != elf.LOCAL
        )
