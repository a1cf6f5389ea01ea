"""`xpiler explain`: what an error's code means, and what to do about it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from importlib import resources
from typing import TYPE_CHECKING

from ..errors import CODES, ReadError
from . import arguments, command

if TYPE_CHECKING:
    from . import Commands


def add(commands: Commands) -> None:
    """Register the command."""
    explain = command(
        commands,
        "explain",
        _explain,
        summary="say what an error's code means, and what to do",
        examples=("explain XP1006", "explain"),
        parents=[arguments.common()],
    )
    explain.add_argument(
        "code", nargs="?", metavar="CODE", help="as in XP1006; without one all are listed"
    )


def _explain(options: argparse.Namespace) -> int:
    if options.code is None:
        if options.json:
            print(json.dumps(CODES, indent=2))
        else:
            print("\n".join(f"{code}  {title}" for code, title in CODES.items()))
        return 0
    code = _known(options.code)
    text = explanation(code)
    if options.json:
        print(json.dumps({"code": code, "title": CODES[code], "text": text}, indent=2))
    else:
        _show(f"### {code}: {CODES[code]}\n\n{text}")
    return 0


def explanation(code: str) -> str:
    """What the page of errors says of a code, as Markdown."""
    page = resources.files("xpiler_tvm").joinpath("errors.md").read_text(encoding="utf-8")
    sections = re.split(r"^#+ ", page, flags=re.MULTILINE)
    (section,) = (each for each in sections if each.startswith(f"{code}: "))
    return section.partition("\n")[2].strip()


def _known(text: str) -> str:
    """The code that is meant: `xp1006` and `1006` are too."""
    code = "XP" + text.upper().removeprefix("XP")
    if code not in CODES:
        alike = [each for each in CODES if each[:3] == code[:3]]
        hint = f"{alike[0]} to {alike[-1]}" if alike else "the first digit is 1 to 7"
        raise ReadError("XP1014", f"{text!r} is no code", hint=f"{hint}; `xpiler explain` has all")
    return code


def _show(text: str) -> None:
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
