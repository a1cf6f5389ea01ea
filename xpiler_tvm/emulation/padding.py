"""Room between the variables of an object file, so that an overrun of one does not end in the next.

With `-fdata-sections` each variable has a section of its own. One without contents (`.bss`, and
`.tbss` for shared memory) grows by changing its size in the section's header; the symbol keeps its
size, so that a checked build knows the room as nobody's.
"""

from __future__ import annotations

import struct
from pathlib import Path

from elftools.elf.elffile import ELFFile

ROOM = 256
_SIZE_FIELD = 32  # offset of sh_size in Elf64_Shdr


def pad_variables(unit: Path) -> None:
    """Puts `ROOM` bytes behind every variable of the 64-bit object file `unit`."""
    with open(unit, "rb") as file:
        elf = ELFFile(file)
        table, entry = elf["e_shoff"], elf["e_shentsize"]
        order = "<" if elf.little_endian else ">"
        sizes = {
            table + number * entry + _SIZE_FIELD: section["sh_size"] + ROOM
            for number, section in enumerate(elf.iter_sections())
            if section["sh_type"] == "SHT_NOBITS" and section.name.startswith((".tbss.", ".bss."))
        }
    with open(unit, "r+b") as file:
        for offset, size in sizes.items():
            file.seek(offset)
            file.write(struct.pack(order + "Q", size))
