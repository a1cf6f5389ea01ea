"""What a kernel's text may not hold whatever it means, found before any compiler reads the text.

Directives first of all: they decide what a compiler opens, and what the lines after them become.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .lexing import SPLICE, Token, directive, open_quote, tokens


@dataclass(frozen=True)
class Refusal:
    """Why a text is refused: a code of `errors.CODES`, a sentence, and where: `line`, `column`.

    Where macros may have moved it, `word` is what stands there, `after` how often it stands behind
    that in its line, and the column a guess.
    """

    code: str
    message: str
    line: int
    column: int
    hint: str = ""
    word: str = ""
    after: int = 0


# A kernel is a text, not a project; what is larger is meant to keep a parser busy.
MOST_CHARACTERS = 4_000_000

_CONDITIONS = frozenset(("if", "ifdef", "ifndef", "elif", "else", "endif", "elifdef", "elifndef"))
_DIRECTIVES = _CONDITIONS | {"define", "undef", "include", "pragma", "error", "warning", ""}
# Headers of vendors and standards. None is read: what they declare is known, or unknown.
_HEADER = re.compile(
    r"""<[a-z_]+> | [<"](?:
      (?:assert|complex|ctype|errno|fenv|float|inttypes|limits|math|omp|std[a-z]+|string|time|
         sys/time|unistd|[a-z]*intrin|malloc)\.h
    | (?:cuda|hip|cub|thrust|cooperative_groups|rocwmma|rocprim|hipcub|cutlass|cute|nv|torch|ATen|
         c10)/[\w./]+
    | (?:cuda|hip|cu|nv|curand|cublas|cusparse|cusolver|cufft|cudnn|nccl|device_|math_|vector_|
         builtin_|driver_|host_|channel_|surface_|texture_|helper_|sm_|mma|crt|common_functions|
         cooperative_groups|bang|cnrt|cn_|cnnl|mlu|mlisa|rocblas|roc)[\w/]*\.(?:h|hpp|cuh)
    )[>"]""",
    re.VERBOSE,
)
_PRAGMA = re.compile(
    r"(?:once|unroll|nounroll|omp|ivdep|nv_\w+|diag_\w+|hd_warning_disable|STDC|bang|mlu|"
    r"clang\s+(?:loop|diagnostic|fp)|GCC\s+(?:unroll|ivdep|diagnostic|warning)|region|endregion|"
    r"simd|vector|prefetch|pack|warning|message|vectorize|pipeline|loop)\b"
)
_OWN = re.compile(r"(?:xp_|Xp|XP_)\w*")
_RESERVED_HINT = "names that begin with xp_, Xp or XP_ are the emulator's own"
_ASKING = frozenset(("__has_include", "__has_include_next", "__has_embed", "_Pragma", "__pragma"))


_LETTERS = (
    (re.compile(r"[\0\x1a]|\r(?!\n)"), "XP1001", "the text holds a control character"),
    (re.compile(r"\?\?[=/]"), "XP1016", "a trigraph"),
)


def allowed_pragma(text: str) -> bool:
    """Whether a kernel may have `#pragma text`."""
    return not text or _PRAGMA.match(text) is not None


class _Source:
    """A text with its line splices taken out, which knows where everything was."""

    def __init__(self, text: str) -> None:
        self.text = text
        pieces, place, self._cuts = [], 0, [(0, 0)]
        removed = 0
        for splice in SPLICE.finditer(text):
            pieces.append(text[place : splice.start()])
            place = splice.end()
            removed += len(splice.group())
            self._cuts.append((splice.start() + len(splice.group()) - removed, removed))
        self.spliced = "".join([*pieces, text[place:]])

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset in the spliced text; both count from 1."""
        removed = max(cut for start, cut in self._cuts if start <= offset)
        offset += removed
        line = self.text.count("\n", 0, offset) + 1
        return line, offset - (self.text.rfind("\n", 0, offset) + 1) + 1


def screen(text: str) -> Refusal | None:
    """The first thing in a kernel's text that no compiler shall see."""
    if len(text) > MOST_CHARACTERS:
        return Refusal("XP1016", f"the text has {len(text)} characters", 1, 1)
    source = _Source(text)
    for start, code, message, hint in _found(source.spliced):
        return Refusal(code, message, *source.place(start), hint)
    return None


def screen_rewritten(text: str) -> Refusal | None:
    """The same for what the emulator made of the text: it has names of its own and no includes."""
    source = _Source(text)
    for start, code, message, hint in _found(source.spliced, rewritten=True):
        return Refusal(code, message, *source.place(start), hint)
    return None


def _found(text: str, *, rewritten: bool = False) -> Iterator[tuple[int, str, str, str]]:
    for pattern, code, message in _LETTERS:
        found = pattern.search(text)
        if found:
            yield found.start(), code, message, ""
    for token in tokens(text):
        if token.kind == "directive":
            why = _refused_directive(token, rewritten)
            if why:
                yield token.start + len(token.text) - len(token.text.lstrip()), *why
        elif token.kind == "raw":
            yield token.start, "XP1016", "a raw string", "write it as an ordinary string"
        elif token.text in ("#", "##", "%:"):
            yield token.start, "XP1016", f"{token.text} outside of a directive", ""
        elif token.text in ("'", '"'):
            yield token.start, "XP1002", "a quote that nothing closes", ""
        elif token.kind == "name":
            if _OWN.fullmatch(token.text) and not rewritten:
                yield token.start, "XP1016", f"the name {token.text!r} is reserved", _RESERVED_HINT
            if token.text in _ASKING:
                yield token.start, "XP1016", f"{token.text} in a kernel", ""


def _refused_directive(token: Token, rewritten: bool) -> tuple[str, str, str] | None:
    name, rest = directive(token)
    if open_quote(token):
        return "XP1002", "a quote that nothing closes", ""
    if name not in _DIRECTIVES:
        return "XP1016", f"the directive #{name} in a kernel", ""
    if name == "" and rest:
        return "XP1016", f"the directive #{rest.split()[0]} in a kernel", ""
    if name == "include":
        if rewritten or not _HEADER.fullmatch(rest):
            return (
                "XP1016",
                f"#include {rest}: no file is read but the kernel's own",
                "put what the kernel needs of it into this file",
            )
        # Only this form is taken out before the text is compiled.
        if not re.match(r'[ \t]*#[ \t]*include[ \t]*[<"]', token.text):
            return "XP1016", "an include in an unusual form", "write `#include <header.h>`"
    if name == "pragma" and not allowed_pragma(rest):
        return "XP1016", f"#pragma {rest} in a kernel", ""
    words = re.findall(r"[^\W\d]\w*", rest)
    asked = _ASKING.intersection(words)
    if asked:
        return "XP1016", f"{min(asked)} in a kernel", ""
    own = [word for word in words if _OWN.fullmatch(word)]
    if own and not rewritten:
        return "XP1016", f"the name {own[0]!r} is reserved", _RESERVED_HINT
    if re.search(r'\b(?:u8|[uUL])?R"', token.text):
        return "XP1016", "a raw string", "write it as an ordinary string"
    return None
