"""Decides whether a kernel's text may be compiled and run at all: it may be a stranger's.

Four looks, each for what the others cannot see: `screening` at the text, before a compiler opens
it; `syntax` at the preprocessed unit, in a process of its own; `objects` at what was compiled; and
then `sandbox` around the run. The verdict on a unit is kept beside its library.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from xpiler_tvm.errors import ReadError, SetupError, Span
from xpiler_tvm.isolation import forked
from xpiler_tvm.kernel import Kernel

from . import cache, compiler, objects
from .screening import Refusal, screen, screen_rewritten
from .source import MARKER
from .syntax import UserPart, examine, whole_word

SECONDS, MEMORY = 20.0, 2 << 30
_ENTRY = re.compile(r"[\w:\s]+(?:<[\w:<>,*&+\-.\s]*>)?")
_BEGIN, _END = f'#line 1 "{MARKER}"\n', '#line 1 "launcher"\n'
_MODULES = ("vetting", "syntax", "screening", "lexing", "objects")


def vet(kernel: Kernel, text: str, unit: str, flags: tuple[str, ...]) -> None:
    """Refuses a kernel whose text does what no kernel needs.

    Parameters
    ----------
    kernel : for the file's name and lines in errors.
    text : what of its source is compiled, with the same lines.
    unit : the translation unit that `source.translation_unit` made of `text`.
    flags : the options it is compiled with.

    Raises
    ------
    ReadError
        XP1001, XP1002, XP1003, XP1008, XP1010 or XP1016, with the place.
    SetupError
        As `compiler.library`.
    CompileFailure
        The preprocessor refused the text, or did not come to an end.
    """
    if not _ENTRY.fullmatch(kernel.entry or ""):
        raise ReadError("XP1003", f"{kernel.entry!r} is no name of a kernel")
    parts = (kernel.dialect.encode(), text.encode(), compiler.identity(unit, flags), _rules())

    def make(folder: Path) -> Path:
        found = _judge(kernel, text, unit, flags)
        made = folder / "verdict"
        made.write_text(json.dumps(found and asdict(found)))
        return made

    try:
        verdict = cache.entry(cache.digest(parts) + ".vetted", make)
    except forked.Ended as why:
        # No verdict, so none is kept: the machine may have been busy.
        raise ReadError(
            "XP1002",
            f"the parser did not come to an end with this text: {why}",
            hint="it nests too deep, or expands into too much",
        ) from None
    found = json.loads(verdict.read_text())
    if found is not None:
        refusal = Refusal(**found)
        raise ReadError(
            refusal.code, refusal.message, span=_span(kernel, refusal), hint=refusal.hint
        )


def inspect(kernel: Kernel, path: Path, linked: tuple[Path, ...], flags: tuple[str, ...]) -> None:
    """Refuses a compiled kernel for what `objects` finds in it: `ReadError` XP1016."""
    sanitized = any(flag.startswith("-fsanitize=") and "thread" in flag for flag in flags)
    try:
        objects.inspect(path, linked, sanitized=sanitized)
    except objects.Forbidden as why:
        raise ReadError(
            "XP1016",
            f"{kernel.entry!r} compiles to {why}",
            hint="a kernel is made of its own code and the dialect's functions",
        ) from None


def _judge(kernel: Kernel, text: str, unit: str, flags: tuple[str, ...]) -> Refusal | None:
    start, end = unit.index(_BEGIN) + len(_BEGIN), unit.rindex(_END)
    refused = screen(text) or screen_rewritten(unit[start:end])
    if refused:
        return refused
    whole = compiler.preprocessed(unit, flags=flags)
    begin = re.search(rf'^# 1 "{MARKER}".*\n', whole, re.MULTILINE)
    ends = list(re.finditer(r'^# 1 "launcher".*\n', whole, re.MULTILINE))
    if begin is None or not ends:
        raise SetupError("XP6003", "the compiler's preprocessor leaves no line markers")
    written = unit[end + len(_END) :]
    if not _is_launcher(whole[ends[-1].end() :], written, kernel.entry or ""):
        return Refusal("XP1016", "a macro changes the emulator's own code", 1, 1)
    part = UserPart(whole, begin.start(), ends[-1].start())
    found = forked.call(lambda: _examined(part, kernel.dialect), seconds=SECONDS, memory=MEMORY)
    return Refusal(**found) if found else None


def _examined(part: UserPart, dialect: str) -> dict[str, object] | None:
    found = examine(part, dialect)
    return asdict(found) if found else None


def _is_launcher(tail: str, written: str, entry: str) -> bool:
    """Whether a unit ends as `source.translation_unit` wrote it; only the entry may be a macro."""
    lines = [line for line in tail.splitlines() if not line.startswith("#")]
    expected = re.escape(_squeezed(written)).replace(
        re.escape(f"(&{_squeezed(entry)})"), r"\(&[\w:]+(?:<[\w:<>,*&+\-.]*>)?\)"
    )
    return re.fullmatch(expected, _squeezed("".join(lines))) is not None


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _span(kernel: Kernel, refusal: Refusal) -> Span:
    lines = kernel.source.splitlines()
    line = min(refusal.line, len(lines) or 1)
    text = lines[line - 1] if lines else ""
    column = max(1, min(refusal.column, len(text) + 1))
    if refusal.word:
        column = _column(refusal, text)
    return Span(kernel.filename, line, column, len(refusal.word) or 1, text)


def _column(refusal: Refusal, text: str) -> int:
    """Where the refusal's word stands in a line of the source, else where its code begins."""
    columns = [found.start() + 1 for found in re.finditer(whole_word(refusal.word), text)]
    if not columns:
        return len(text) - len(text.lstrip()) + 1
    return columns[max(0, len(columns) - 1 - refusal.after)]


@lru_cache(maxsize=1)
def _rules() -> bytes:
    """The rules themselves: a change to any of them makes new verdicts."""
    return b"".join((compiler.HERE / f"{name}.py").read_bytes() for name in _MODULES)
