"""Where a kernel's variables lie: from the compiled library's symbol table.

The runtime is told the place and size of each, so that an intrinsic can check its operands against
the variable they point into, and a checked build every access.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import elf
from .arrays import Guarded

# The bits of runtime.h.
SPACES = {"GDRAM": 1, "NRAM": 2, "WRAM": 4, "SRAM": 8, "LDRAM": 16}
_SECTIONS = {
    "xp_nram": SPACES["NRAM"],
    "xp_wram": SPACES["WRAM"],
    "xp_sram": SPACES["SRAM"],
    "xp_ldram": SPACES["LDRAM"],
}


_DYNAMIC = 2  # XP_DYNAMIC


@dataclass(frozen=True)
class Variable:
    """A variable of a library: `value` is its address relative to the library's base.

    That of a `thread_local` one, which is a GPU's shared memory, counts within the block.
    """

    name: str
    value: int
    size: int
    spaces: int
    thread_local: bool = False


class _Row(ctypes.Structure):
    """`XpVariable` of runtime.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("size", ctypes.c_ulonglong),
        ("local", ctypes.c_int),
        ("spaces", ctypes.c_int),
        ("element", ctypes.c_int),
        ("unwritten", ctypes.c_int),
    )


def variables(library: Path) -> list[Variable]:
    """Every variable of the kernel's text that a library has."""
    found = []
    for symbol in elf.symbols(library):
        if symbol.kind == "function" or not symbol.size:
            continue
        if not symbol.name.startswith(("_ZN2xp", "_ZZN2xp")):
            continue
        shared = symbol.kind == "thread-local"
        spaces = SPACES["SRAM"] if shared else _SECTIONS.get(symbol.section)
        if spaces is None:
            # GCC before 14 drops the section of a template's local variable: on chip, but in
            # which memory is lost. Anything else that is static lies in GDRAM.
            local = symbol.name.startswith("_ZZ") and symbol.section == ".bss"
            spaces = SPACES["NRAM"] | SPACES["WRAM"] if local else SPACES["GDRAM"]
        name = elf.plain_name(symbol.name)
        found.append(Variable(name, symbol.value, symbol.size, spaces, shared))
    return found


def register(
    library: ctypes.CDLL,
    path: Path,
    arrays: Iterable[Guarded],
    *,
    dynamic: bool = False,
) -> int:
    """Tells the library, loaded from `path`, where its variables and the arrays lie.

    `dynamic`: the launch has dynamic shared memory, which is a variable too.

    Returns the address at which the library was loaded.
    """
    anchor = next(one.value for one in elf.symbols(path) if one.name == "xp_entry")
    base = (ctypes.cast(library.xp_entry, ctypes.c_void_p).value or 0) - anchor
    rows = []
    for one in variables(path):
        address = one.value + (0 if one.thread_local else base)
        rows.append((one.name, address, one.size, int(one.thread_local), one.spaces, 1, 0))
    for array in arrays:
        about = SPACES["GDRAM"], array.dtype.itemsize, int(array.unwritten)
        rows.append((array.name, array.address, array.array.nbytes, 0, *about))
    if dynamic:
        rows.append(("dynamic shared memory", 0, 0, _DYNAMIC, SPACES["SRAM"], 1, 0))
    rows.sort(key=lambda row: row[1])
    table = (_Row * max(1, len(rows)))()
    for slot, (name, *rest) in zip(table, rows, strict=False):
        slot.name = name.encode()
        (slot.address, slot.size, slot.local, slot.spaces, slot.element, slot.unwritten) = rest
    library.xp_memory(table, len(rows))
    # The runtime keeps the pointer as long as the process lives, so the table must live too.
    _tables.append(table)
    return base


_tables: list[ctypes.Array[_Row]] = []
