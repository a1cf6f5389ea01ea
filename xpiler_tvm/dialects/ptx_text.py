"""Inline assembly of known instructions as calls, for readers that know C++ alone.

    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to), "l"(from) : "memory");
        ->  __ptx_cp_async(to, from, 16, 16);

The text keeps its lines. Assembly that is not known stays as it is, for its readers to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .ptx import (
    COMMIT,
    COPY,
    COPY_BYTES,
    LDMATRIX_COUNTS,
    MMA,
    WAIT,
    WAIT_ALL,
    ldmatrix_mnemonic,
    ldmatrix_name,
)

_STRING = r'"(?:\\.|[^"\\])*"'
_HEAD = re.compile(
    r"\b(?:asm|__asm|__asm__)\s+(?:(?:volatile|__volatile__)\s*)?\(|\b(?:asm|__asm__)\("
)
_SKIPPED = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_OPERAND = re.compile(rf"\s*(?:\[\w+\]\s*)?({_STRING})\s*\((.*)\)\s*", re.DOTALL)
_PLACE = re.compile(r"%(\d+)")
_COPY = re.compile(
    r"cp\.async\.(?P<cache>ca|cg)\.shared(?:::cta)?\.global(?:\.L2::(?:64|128|256)B)?"
)

_CALLS: dict[str, tuple[str, int]] = {row.mnemonic: (row.name, 4) for row in MMA}
"""The function and the number of operands, by mnemonic: those whose operands all are its own."""
for _count in LDMATRIX_COUNTS:
    for _transposed in (False, True):
        _mnemonic = ldmatrix_mnemonic(_count, _transposed)
        for _spelling in (_mnemonic, _mnemonic.replace(".shared", ".shared::cta")):
            _CALLS[_spelling] = (ldmatrix_name(_count, _transposed), 2)


def without_assembly(text: str) -> str:
    """The text with calls for the instructions of `ptx`."""
    pieces, place = [], 0
    for start, end in _statements(text):
        call = _call(text[start:end])
        if call is not None:
            pieces += [text[place:start], call, _lines(text[start:end])]
            place = end
    return "".join([*pieces, text[place:]])


def _lines(statement: str) -> str:
    """The line breaks of a statement, those within a macro as they are there."""
    return "".join(re.findall(r"\\?\r?\n", statement))


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Where `asm (...)` begins and ends."""
    at = 0
    while found := _HEAD.search(text, at):
        end = _closing(text, found.end() - 1)
        at = found.end() if end is None else end
        if end is not None:
            yield found.start(), end


def _closing(text: str, opening: int) -> int | None:
    """The offset behind the parenthesis that closes the one at `opening`."""
    depth, at = 0, opening
    while at < len(text):
        skipped = _SKIPPED.match(text, at)
        if skipped:
            at = skipped.end()
            continue
        depth += (text[at] == "(") - (text[at] == ")")
        at += 1
        if not depth:
            return at
    return None


def _call(statement: str) -> str | None:
    """The call for one `asm (...)`; None where it is not known."""
    inside = _comment_free(statement[statement.index("(") + 1 : -1]).replace("\\\n", " ")
    template, *parts = _split(inside, ":")
    strings = re.findall(_STRING, template)
    if re.sub(_STRING, "", template).strip() or not strings:
        return None
    written = "".join(part[1:-1] for part in strings).replace("\\n", " ").replace("\\t", " ")
    instruction = " ".join(written.split()).rstrip("; ")
    operands: list[str] = []
    for part in parts[:2]:
        for one in _split(part, ",") if part.strip() else ():
            found = _OPERAND.fullmatch(one)
            if found is None:
                return None
            operands.append(" ".join(found[2].split()))
    if ";" in instruction or not instruction:
        return None
    mnemonic, _, rest = instruction.partition(" ")
    arguments = [_filled(one.strip(), operands) for one in _split(rest, ",")] if rest else []
    if None in arguments:
        return None
    return _spelled(mnemonic, [one for one in arguments if one is not None])


def _spelled(mnemonic: str, arguments: list[list[str]]) -> str | None:
    flat = [one for group in arguments for one in group]
    if mnemonic in _CALLS:
        name, count = _CALLS[mnemonic]
        return f"{name}({', '.join(flat)})" if len(arguments) == count else None
    copy = _COPY.fullmatch(mnemonic)
    if copy and len(flat) in (3, 4):
        possible = ("16",) if copy["cache"] == "cg" else tuple(map(str, COPY_BYTES))
        if flat[2].isdigit() and flat[2] not in possible:
            return None
        return f"{COPY}({', '.join([*flat, *flat[2:]][:4])})"
    if mnemonic == "cp.async.commit_group" and not flat:
        return f"{COMMIT}()"
    if mnemonic == "cp.async.wait_group" and len(flat) == 1:
        return f"{WAIT}({flat[0]})"
    if mnemonic == "cp.async.wait_all" and not flat:
        return f"{WAIT_ALL}()"
    return None


def _filled(operand: str, given: list[str]) -> list[str] | None:
    """The C++ of an instruction's operand: `{%0, %1}`, `[%2]`, `%3` or a number."""
    if operand.startswith("{") and operand.endswith("}"):
        members = [member.strip() for member in operand[1:-1].split(",")]
    elif operand.startswith("[") and operand.endswith("]"):
        members = [operand[1:-1].strip()]
    else:
        members = [operand]
    found = []
    for member in members:
        place = _PLACE.fullmatch(member)
        if place and int(place[1]) < len(given):
            found.append(given[int(place[1])])
        elif member.isdigit():
            found.append(member)
        else:
            return None
    return found


def _comment_free(text: str) -> str:
    return _SKIPPED.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators outside of strings and brackets; `::` separates twice."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        skipped = _SKIPPED.match(text, at)
        if skipped:
            at = skipped.end()
            continue
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if text[at] == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]
