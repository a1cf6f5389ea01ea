"""The questions that are put to language models: one file a step, in three parts.

A file of `prompts/` says what the step does on any platform, what the platform of the question has
for it (with examples that `retrieval` finds), and what can be turned. Kernels and programs stand
between marks that their text does not hold, so that a text cannot end its own quotation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from xpiler_tvm.errors import ReadError

from .knowledge import PLATFORMS
from .wire import Messages

if TYPE_CHECKING:
    from jinja2 import Environment

STEPS: dict[str, str] = {
    "rewrite": "Write a kernel that is refused in a plain way",
    "annotate": "Tag the regions and arrays of a kernel",
    "schedule": "Choose schedule primitives",
    "pass": "Apply one transformation",
}
"""The questions, each by the name of its file, and their titles."""

EXAMPLES = 6


@cache
def _environment() -> Environment:
    from jinja2 import PackageLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(
        loader=PackageLoader("xpiler_tvm.llm", "prompts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def render(
    step: str,
    platform: str,
    about: str,
    *,
    title: str = "",
    data: Sequence[str] = (),
    **values: Any,
) -> Messages:
    """The messages of a question.

    Parameters
    ----------
    step : a key of `STEPS`.
    platform : a dialect or target.
    about : the text by which examples are found: the kernel, or what is wrong with it.
    title : of this very question; by default the step's.
    data : texts that are quoted, which the marks must not occur in.
    values : what the step's file takes.
    """
    from .retrieval import examples

    if step not in STEPS:
        raise ReadError("XP1014", f"{step!r} is no step", hint=f"one of {', '.join(STEPS)}")
    mark = _mark([about, *data])
    family = platform.partition(":")[0]
    user = (
        _environment()
        .get_template(f"{step}.md")
        .render(
            step=title or STEPS[step],
            platform=PLATFORMS[family],
            examples=examples(family, about, EXAMPLES),
            tensorir=_page("tensorir.md"),
            mark=mark,
            **values,
        )
    )
    system = _environment().get_template("system.md").render(mark=mark)
    user = re.sub(r"\n{3,}", "\n\n", user)
    return [
        {"role": "system", "content": system.strip()},
        {"role": "user", "content": user.strip()},
    ]


def _page(name: str) -> str:
    return (resources.files("xpiler_tvm.llm") / "prompts" / name).read_text("utf-8").strip()


def _mark(texts: Sequence[str]) -> str:
    """A word that none of the texts has; the same one for the same texts."""
    whole = "\n".join(texts)
    mark = hashlib.sha256(whole.encode()).hexdigest()[:8].upper()
    while mark in whole:
        mark = hashlib.sha256(mark.encode()).hexdigest()[:8].upper()
    return f"TEXT-{mark}"


def without_comments(text: str) -> str:
    """The text of a kernel with spaces for its comments; lines stay where they are."""
    from xpiler_tvm.emulation.lexing import tokens

    kept, end = [], 0
    for token in tokens(text):
        kept += [_blank(text[end : token.start]), token.text]
        end = token.end
    return "".join([*kept, _blank(text[end:])])


def _blank(gap: str) -> str:
    return "".join(one if one.isspace() else " " for one in gap)
