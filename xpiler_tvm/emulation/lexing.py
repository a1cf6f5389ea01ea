"""C++ text as tokens, without a parser: what is vetted before any parser may see it.

The tokens are those of the standard's third phase of translation, as far as the rules need them. Of
a raw string only the beginning is one: a backslash before a line's end means something else in it,
and no kernel needs one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

Kind = Literal["directive", "raw", "string", "character", "number", "name", "mark"]

# A line that goes on in the next one, as GCC and Clang see it.
_SPLICED = r"\\[ \t\f\v]*\r?\n"
SPLICE = re.compile(_SPLICED)
_COMMENT = rf"//(?:{_SPLICED}|[^\n])*|/\*.*?(?:\*/|\Z)"
_STRING = r'(?:u8|[uUL])?"(?:\\(?:\r?\n|.)|[^"\\\n])*"'
_CHARACTER = r"(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'"
_NUMBER = r"\.?\d(?:'?[\w.]|(?<=[eEpP])[+-])*"
_NAME = r"[^\W\d]\w*"
_TOKEN = re.compile(
    rf"""
      (?P<comment>{_COMMENT})
    | (?P<directive>(?<![^\n])(?:[ \t\f\v]|/\*(?:(?!\*/).)*\*/)*(?:\#|%:|\?\?=)
        (?:{_SPLICED}|{_COMMENT}|{_STRING}|{_CHARACTER}|{_NUMBER}|{_NAME}|[^\n])*)
    | (?P<raw>(?:u8|[uUL])?R")
    | (?P<string>{_STRING})
    | (?P<character>{_CHARACTER})
    | (?P<number>{_NUMBER})
    | (?P<name>{_NAME})
    | (?P<mark>::|&&|\#\#|%:|\[\[|\]\]|->|\S)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """`start` and `end` are offsets in the text; a directive is one token, however many lines."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of `text`; comments are none."""
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if kind != "comment":
            yield Token(cast(Kind, kind), found.group(), found.start())


_INSIDE = re.compile(
    rf"(?P<comment>{_COMMENT})|{_STRING}|{_CHARACTER}|{_NUMBER}|{_NAME}", re.DOTALL
)


def directive(token: Token) -> tuple[str, str]:
    """The name of a directive, `""` for none, and what follows it, comments taken out."""
    text = _INSIDE.sub(
        lambda found: " " if found["comment"] else found.group(), SPLICE.sub("", token.text)
    )
    rest = text.strip()
    for sign in ("#", "%:", "??="):
        rest = rest.removeprefix(sign)
    rest = rest.strip()
    found = re.match(_NAME, rest)
    name = found.group() if found else ""
    return name, rest[len(name) :].strip()


def open_quote(token: Token) -> bool:
    """Whether a directive holds a quote that nothing closes: compilers differ in what it hides."""
    left = _INSIDE.sub("", token.text)
    return '"' in left or "'" in left
