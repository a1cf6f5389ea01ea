"""The symbol table of a compiled library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_KINDS = {"STT_OBJECT": "variable", "STT_FUNC": "function", "STT_TLS": "thread-local"}


@dataclass(frozen=True)
class Symbol:
    """`name` is mangled; `value` counts from the library's base, or within the thread's block."""

    name: str
    kind: str
    section: str
    value: int
    size: int


@lru_cache(maxsize=64)
def symbols(library: Path) -> tuple[Symbol, ...]:
    """Every variable and function that a library defines, in the table's order."""
    found = []
    with open(library, "rb") as file:
        elf = ELFFile(file)
        for table in elf.iter_sections():
            if not isinstance(table, SymbolTableSection) or table.name != ".symtab":
                continue
            for symbol in table.iter_symbols():
                kind, home = _KINDS.get(symbol["st_info"]["type"]), symbol["st_shndx"]
                if kind and isinstance(home, int):
                    section = elf.get_section(home).name
                    found.append(
                        Symbol(symbol.name, kind, section, symbol["st_value"], symbol["st_size"])
                    )
    return tuple(found)


def plain_name(mangled: str) -> str:
    """The last name in an Itanium-mangled one: `_ZZN2xp12_GLOBAL__N_13addEvE4tile` is `tile`."""
    last, position = mangled, 2
    while position < len(mangled):
        end = position
        while end < len(mangled) and mangled[end].isdigit():
            end += 1
        if end == position or mangled[position] == "0":
            position += 1
            continue
        last = mangled[end : end + int(mangled[position:end])]
        position = end + len(last)
    return last
