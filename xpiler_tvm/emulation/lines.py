"""Addresses of a compiled library to places in the user's text, from its debugging information.

A function of the dialect's headers that was inlined stands for the line that called it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from elftools.dwarf.descriptions import describe_form_class
from elftools.elf.elffile import ELFFile

from .source import MARKER


@lru_cache(maxsize=16)
def line_table(library: Path) -> LineTable:
    """The table of a library; reading it takes some tenths of a second."""
    return LineTable(library)


class LineTable:
    """Which place in the text an instruction belongs to: line and column, both from 1."""

    def __init__(self, library: Path) -> None:
        self._rows: list[tuple[int, int, _Place]] = []  # begin, end
        self._functions: list[_Scope] = []
        with open(library, "rb") as file:
            elf = ELFFile(file)
            if not elf.has_dwarf_info():
                return
            dwarf = elf.get_dwarf_info()
            for unit in dwarf.iter_CUs():
                program = dwarf.line_program_for_CU(unit)
                if program is None:
                    continue
                files = _file_names(program)
                if not any(name == MARKER for name in files.values()):
                    continue
                self._rows += _rows(program, files)
                self._functions += _scopes(dwarf, unit, unit.get_top_DIE(), files)
        self._rows.sort()

    def in_text(self, address: int) -> bool:
        """Whether the instruction before `address` was made for the text itself."""
        row = self._row(address - 1)
        return row is not None and row.file == MARKER

    def _row(self, address: int) -> _Place | None:
        return next((row[2] for row in self._rows if row[0] <= address < row[1]), None)

    def place(self, address: int) -> tuple[int, int] | None:
        """Where the text says what the instruction at `address` does."""
        row = self._row(address)
        if row is not None and row.file == MARKER:
            return row.line, row.column
        for scope in _innermost_first(self._functions, address):
            if scope.call.file == MARKER:
                return scope.call.line, scope.call.column
        return None

    def first_place(self, addresses: Iterable[int]) -> tuple[int, int] | None:
        """That of the innermost return address in `addresses` that has one."""
        for address in addresses:
            # A return address is behind its call.
            place = self.place(address - 1) if address else None
            if place:
                return place
        return None


@dataclass(frozen=True, order=True)
class _Place:
    file: str
    line: int
    column: int


class _Scope:
    """A function, or one that was inlined where it is called."""

    def __init__(self, ranges: list[tuple[int, int]], call: _Place) -> None:
        self.ranges, self.call = ranges, call
        self.inner: list[_Scope] = []

    def holds(self, address: int) -> bool:
        return any(begin <= address < end for begin, end in self.ranges)


def _innermost_first(scopes: Iterable[_Scope], address: int) -> Iterator[_Scope]:
    for scope in scopes:
        if scope.holds(address):
            yield from _innermost_first(scope.inner, address)
            yield scope
            return


def _file_names(program: Any) -> dict[int, str]:
    """File names by their number in line programs and call sites."""
    first = 0 if program["version"] >= 5 else 1
    return {
        number: entry.name.decode(errors="replace").rsplit("/", 1)[-1]
        for number, entry in enumerate(program["file_entry"], first)
    }


def _rows(program: Any, files: dict[int, str]) -> Iterator[tuple[int, int, _Place]]:
    previous = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if previous is not None and previous.address < state.address:
            place = _Place(files.get(previous.file, ""), previous.line, max(1, previous.column))
            yield previous.address, state.address, place
        previous = None if state.end_sequence else state


def _scopes(dwarf: Any, unit: Any, die: Any, files: dict[int, str]) -> list[_Scope]:
    found = []
    for child in die.iter_children():
        inner = _scopes(dwarf, unit, child, files) if child.has_children else []
        if child.tag not in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine"):
            found += inner
            continue
        scope = _Scope(_ranges(dwarf, unit, child), _call_site(child, files))
        scope.inner = inner
        if scope.ranges:
            found.append(scope)
        else:
            found += inner
    return found


def _call_site(die: Any, files: dict[int, str]) -> _Place:
    line, file, column = (
        die.attributes[name].value if name in die.attributes else 0
        for name in ("DW_AT_call_line", "DW_AT_call_file", "DW_AT_call_column")
    )
    return _Place(files.get(file, "") if line else "", line, max(1, column))


def _ranges(dwarf: Any, unit: Any, die: Any) -> list[tuple[int, int]]:
    low, high = die.attributes.get("DW_AT_low_pc"), die.attributes.get("DW_AT_high_pc")
    if low is not None and high is not None:
        begin = low.value
        constant = describe_form_class(high.form) == "constant"
        return [(begin, begin + high.value if constant else high.value)]
    listed = die.attributes.get("DW_AT_ranges")
    if listed is None:
        return []
    base_attribute = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
    base = base_attribute.value if base_attribute else 0
    found = []
    for entry in dwarf.range_lists().get_range_list_at_offset(listed.value, unit):
        if hasattr(entry, "base_address"):
            base = entry.base_address
        else:
            offset = 0 if getattr(entry, "is_absolute", False) else base
            found.append((offset + entry.begin_offset, offset + entry.end_offset))
    return found
