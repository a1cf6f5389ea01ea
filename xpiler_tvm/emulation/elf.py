"""The symbol tables of objects and libraries, read as arrays: they have hundreds of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

# `Elf64_Sym` and the numbers in it, as elf.h has them.
_ROW = np.dtype(
    [
        ("name", "<u4"),
        ("info", "u1"),
        ("other", "u1"),
        ("home", "<u2"),
        ("value", "<u8"),
        ("size", "<u8"),
    ]
)
_VARIABLE, _FUNCTION, _THREAD_LOCAL = 1, 2, 6
INDIRECT = 10  # and above, what a system adds: functions that are chosen at loading
LOCAL = 0
UNDEFINED, RESERVED = 0, 0xFF00
_KINDS = {_VARIABLE: "variable", _FUNCTION: "function", _THREAD_LOCAL: "thread-local"}


@dataclass(frozen=True)
class Entry:
    """A row of a table: `kind`, `binding` and `home`, a section's number, are the file's."""

    name: str
    kind: int
    binding: int
    home: int
    value: int
    size: int


def entries(table: SymbolTableSection) -> Iterator[Entry]:
    """The rows of a symbol table."""
    names = table.stringtable.data()
    for name, info, _, home, value, size in np.frombuffer(table.data(), _ROW).tolist():
        text = names[name : names.index(b"\0", name)].decode()
        yield Entry(text, info & 15, info >> 4, home, value, size)


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
            homes = [section.name for section in elf.iter_sections()]
            for row in entries(table):
                kind = _KINDS.get(row.kind)
                if kind and UNDEFINED < row.home < RESERVED:
                    found.append(Symbol(row.name, kind, homes[row.home], row.value, row.size))
    return tuple(found)


_LITERAL = re.compile(r"L[a-z]n?\d+E")  # a template's argument, whose digits are no length


def plain_name(mangled: str) -> str:
    """The last name in an Itanium-mangled one: `_ZZN2xp12_GLOBAL__N_13addEvE4tile` is `tile`."""
    last, position = mangled, 2
    while position < len(mangled):
        literal, end = _LITERAL.match(mangled, position), position
        if literal:
            position = literal.end()
            continue
        while end < len(mangled) and mangled[end].isdigit():
            end += 1
        if end == position or mangled[position] == "0":
            position += 1
            continue
        last = mangled[end : end + int(mangled[position:end])]
        position = end + len(last)
    return last
