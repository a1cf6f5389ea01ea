"""What a language model proposes where the frontend refuses a kernel, until a judge accepts it.

A proposal has one of two forms: the kernel in other words, in its own language, which enters the
frontend by the front door; or TVMScript, which `scripts.py` reads. Whoever calls says what is
right: this file asks, tells the model what was wrong, and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from xpiler_tvm.errors import ModelError, XpilerError
from xpiler_tvm.kernel import Kernel, Param, Tensor

if TYPE_CHECKING:
    from xpiler_tvm.llm import Client
    from xpiler_tvm.llm.wire import Messages

Form = Literal["source", "tvmscript"]
Result = TypeVar("Result")

ATTEMPTS = 4
TOLD = 2
"""Proposals that the next question shows, with what was wrong with them."""
MOST_CHARACTERS = 40_000


class Proposal(BaseModel):
    """A model's answer: a whole program, and what was changed."""

    model_config = ConfigDict(extra="forbid")

    form: Form
    text: str
    changes: str


@dataclass(frozen=True)
class Candidate:
    """A program that was proposed."""

    form: Form
    text: str


@dataclass(frozen=True)
class Attempt:
    """A question and how it ended: `reason` says what was wrong with the candidate, or why there
    was none."""

    candidate: Candidate | None
    reason: str


class Refuted(Exception):
    """A judge's answer to a candidate that is wrong, or not understood, in words for the model."""


Judge = Callable[[Candidate], Result]
"""What becomes of a candidate; raises `Refuted`, or an `XpilerError` that says what is wrong."""


@dataclass(frozen=True)
class Guided(Generic[Result]):
    """A candidate that was accepted, what the judge made of it, and the attempts before."""

    candidate: Candidate
    result: Result
    attempts: tuple[Attempt, ...] = field(default=())


def search(
    client: Client,
    kernel: Kernel,
    refusal: str,
    judge: Judge[Result],
    *,
    hints: Sequence[str] = (),
    attempts: int = ATTEMPTS,
) -> Guided[Result]:
    """Asks for programs until the judge accepts one.

    `kernel` is resolved; `hints` are known to hold. Raises `ModelError` XP7007 where no candidate
    was accepted, and XP7002, XP7005 and XP7006 where no further question can be asked.
    """
    made: list[Attempt] = []
    for number in range(attempts):
        try:
            proposal = client.ask(
                question(kernel, refusal, hints, made, client.settings.strip_comments),
                Proposal,
                attempt=number,
            )
        except ModelError as error:
            if error.code not in ("XP7003", "XP7004"):
                raise
            made.append(Attempt(None, error.message))
            continue
        candidate = Candidate(proposal.form, proposal.text)
        try:
            return Guided(candidate, _judged(candidate, judge, made), tuple(made))
        except Refuted as error:
            made.append(Attempt(candidate, str(error)))
        except XpilerError as error:
            where = f"line {error.span.line}: " if error.span else ""
            made.append(Attempt(candidate, f"{where}{error.code}: {error.message}"))
    raise ModelError(
        "XP7007",
        f"none of {attempts} proposals of {client.model} holds; the last: {made[-1].reason}",
    )


def _judged(candidate: Candidate, judge: Judge[Result], made: Sequence[Attempt]) -> Result:
    known = next((one for one in made if one.candidate == candidate), None)
    if known is not None:
        raise Refuted(f"proposed before: {known.reason.removeprefix('proposed before: ')}")
    if not candidate.text.strip() or len(candidate.text) > MOST_CHARACTERS:
        raise Refuted(f"a program has between 1 and {MOST_CHARACTERS} characters")
    return judge(candidate)


def question(
    kernel: Kernel,
    refusal: str,
    hints: Sequence[str] = (),
    made: Sequence[Attempt] = (),
    strip_comments: bool = False,
) -> Messages:
    """What the model is asked for a resolved kernel that is refused for `refusal`."""
    from xpiler_tvm.llm.prompts import render, without_comments

    text = without_comments(kernel.source) if strip_comments else kernel.source
    tried = [
        (one.candidate.text if one.candidate else "(no program)", one.reason)
        for one in made[-TOLD:]
    ]
    return render(
        "rewrite",
        kernel.dialect,
        f"{text}\n{refusal}",
        data=[refusal, *hints, *(part for pair in tried for part in pair)],
        refusal=refusal,
        signature=signature_of(kernel),
        kernel=text,
        hints=list(hints),
        tried=tried,
    )


def signature_of(kernel: Kernel) -> str:
    """The entry, its parameters and its launch, in words."""
    launch = kernel.launch
    rows = [f"Entry: `{kernel.entry}`. Parameters, in order:"]
    rows += [f"- {_described(param)}" for param in kernel.params or ()]
    if launch is not None and launch.tasks:
        rows.append(f"Launch: {launch.tasks} tasks of kind {launch.kind}.")
    elif launch is not None:
        rows.append(f"Launch: grid {launch.grid}, block {launch.block}.")
    return "\n".join(rows)


def _described(param: Param) -> str:
    if isinstance(param, Tensor):
        return f"`{param.name}`: {param.dtype} array of shape {param.shape}, {param.intent}"
    value = "" if param.value is None else f" = {param.value}, and left out in TVMScript"
    return f"`{param.name}`: {param.dtype}{value}"
