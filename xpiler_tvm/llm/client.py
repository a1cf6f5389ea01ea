"""A question to a language model and its validated answer, within a budget."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from xpiler_tvm.errors import ModelError

from .recording import Recording
from .settings import MODES, Settings
from .usage import Usage
from .wire import Failure, Messages, Progress, Reply, request

if TYPE_CHECKING:
    import openai
    from pydantic import BaseModel

    Answer = TypeVar("Answer", bound=BaseModel)

Form = Literal["json_schema", "json_object", "text"]
FORMS: tuple[Form, ...] = ("json_schema", "json_object", "text")
"""How an answer is asked for, the strictest first: servers know some of them."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a request is repeated."""

CHARACTERS_OF_TOKEN = 4
"""For servers that do not count: about that many of English text and code."""


def connect(
    model: str | Client,
    settings: Settings | None = None,
    *,
    server: openai.OpenAI | None = None,
    progress: Progress | None = None,
) -> Client:
    """A client of `model`; a client is given back as it is.

    `server` is an `openai.OpenAI` of the caller's, `progress` is told of answers as they come.
    Raises `ModelError` XP7001 where no model is named, or a server is needed and has no key.
    """
    if isinstance(model, Client):
        return model
    settings = settings or Settings()
    if not model.strip():
        raise ModelError("XP7001", "the model has no name", hint="as in --llm MODEL")
    if settings.mode not in MODES:
        raise ModelError("XP7001", f"{settings.mode!r} is no mode", hint=f"one of {MODES}")
    if settings.mode != "off" and settings.folder is None:
        raise ModelError("XP7001", f"the mode {settings.mode!r} needs a folder of recordings")
    if settings.budget.money is not None and settings.price is None:
        raise ModelError("XP7001", "a budget of money needs the price of tokens")
    secret = settings.api_key or os.environ.get("OPENAI_API_KEY", "")
    if server is None and settings.mode != "replay":
        server = _server(settings, secret)
    return Client(model.strip(), settings, server, secret, progress)


def _server(settings: Settings, secret: str) -> openai.OpenAI:
    import openai

    url = settings.base_url or os.environ.get("OPENAI_BASE_URL")
    if not secret and not url:
        raise ModelError(
            "XP7001",
            "there is no key for OpenAI's server",
            hint="set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own",
        )
    return openai.OpenAI(
        api_key=secret or "none",
        base_url=url,
        timeout=settings.timeout,
        max_retries=0,
    )


@dataclass(eq=False)
class Client:
    """One model as one run asks it; `usage` is what it has cost so far.

    Made by `connect`. A client is for one thread.
    """

    model: str
    settings: Settings
    server: openai.OpenAI | None = field(repr=False)
    secret: str = field(repr=False, default="")
    progress: Progress | None = field(repr=False, default=None)
    usage: Usage = field(default_factory=Usage)
    form: Form = "json_schema"
    _begun: float | None = field(default=None, repr=False)

    def ask(self, messages: Messages, schema: type[Answer], *, attempt: int = 0) -> Answer:
        """The answer to a question, as an instance of `schema`.

        `attempt` numbers questions that are asked again word for word and may be answered in
        another way. The strictest form that the server knows is asked for; an answer that does not
        fit is asked for in the next one. Raises `ModelError` XP7002 to XP7006.
        """
        problem = "the server knows no form of answer"
        for form in FORMS[FORMS.index(self.form) :]:
            question = self._question(messages, schema, form, attempt)
            arguments = {**_form_arguments(form, schema), "max_tokens": self.settings.max_tokens}
            try:
                reply, recorded = self._answer(question, arguments)
            except Failure as failure:
                if failure.form and form != FORMS[-1]:
                    self.form = FORMS[FORMS.index(form) + 1]
                    continue
                raise ModelError("XP7002", failure.message) from None
            if reply.refusal:
                self._failed("refusal")
                raise ModelError("XP7004", f"{self.model} declines: {reply.refusal[:200]!r}")
            if reply.finish == "length":
                self._failed("cut")
                raise ModelError(
                    "XP7003",
                    f"the answer was cut off after {self.settings.max_tokens} tokens",
                    hint="allow more with max_tokens",
                )
            try:
                answer = schema.model_validate_json(json_of(reply.text))
            except ValueError as error:
                self._failed("malformed")
                problem = _problem(error)
                continue
            if not recorded:
                self._keep(question, reply)
            return answer
        raise ModelError("XP7003", f"the answer is not of the form asked for: {problem}")

    def first_letters(self, messages: Messages, *, attempt: int = 0) -> Reply:
        """A reply of one token, with the probabilities of what it could have been if the server
        tells them. Raises `ModelError` XP7002, XP7005 and XP7006."""
        question = self._question(messages, None, "text", attempt)
        question["logprobs"] = True
        arguments: dict[str, Any] = {"max_tokens": 1, "logprobs": True, "top_logprobs": 20}
        for how in (arguments, {"max_tokens": 1}):
            try:
                reply, recorded = self._answer(question, how)
            except Failure as failure:
                if failure.form and how is arguments:
                    continue
                raise ModelError("XP7002", failure.message) from None
            if not recorded and not reply.refusal:
                self._keep(question, reply)
            return reply
        raise ModelError("XP7002", "the server refuses the request")

    # ------------------------------------------------------------ one request

    def _question(
        self, messages: Messages, schema: type[BaseModel] | None, form: Form, attempt: int
    ) -> dict[str, Any]:
        """Everything that an answer depends on, and no secret."""
        shape = schema.model_json_schema() if schema else None
        told = list(messages)
        if schema and form != "json_schema":
            told.append({"role": "system", "content": _in_words(shape)})
        return {
            "model": self.model,
            "messages": told,
            "schema": shape,
            "form": form,
            "temperature": self.settings.temperature,
            "seed": self.settings.seed,
            "attempt": attempt,
        }

    def _answer(self, question: dict[str, Any], arguments: dict[str, Any]) -> tuple[Reply, bool]:
        """The reply, and whether it was recorded."""
        if self.settings.mode != "off" and self.settings.folder is not None:
            kept = Recording(self.settings.folder).find(question)
            if kept is not None:
                self.usage.recorded += 1
                return kept, True
        if self.settings.mode == "replay" or self.server is None:
            raise ModelError(
                "XP7006",
                f"no answer of {self.model} to this question is in {self.settings.folder}",
                hint="record it with a server first",
            )
        return self._send(self.server, question, arguments), False

    def _send(
        self, server: openai.OpenAI, question: dict[str, Any], arguments: dict[str, Any]
    ) -> Reply:
        """Asks the server, again after failures that may pass, as long as the budget lasts."""
        self._begun = time.monotonic() if self._begun is None else self._begun
        for repeat in range(self.settings.retries + 1):
            try:
                return self._once(server, question, arguments)
            except Failure as failure:
                if not failure.passes or repeat == self.settings.retries:
                    raise
                self._sleep(failure.wait, repeat)
        raise AssertionError("the last repetition returns or raises")

    def _sleep(self, asked: float | None, repeat: int) -> None:
        """Waits as long as the server asks, or twice as long each time; never beyond the budget."""
        pause = SHORTEST_PAUSE * 2**repeat if asked is None else asked
        time.sleep(min(pause, LONGEST_PAUSE, max(0.0, self._require_budget().seconds)))

    def _once(
        self, server: openai.OpenAI, question: dict[str, Any], arguments: dict[str, Any]
    ) -> Reply:
        """One request. The tokens of a question are estimated before it is sent."""
        left, expected = self._require_budget(), _estimated(question, "")
        if left.tokens <= expected[0]:
            raise ModelError(
                "XP7005", f"the question has about {expected[0]} tokens, {left.tokens} are left"
            )
        self.usage.calls += 1
        begun = time.monotonic()
        try:
            reply = request(
                server.with_options(
                    timeout=min(self.settings.timeout, left.seconds), max_retries=0
                ),
                self.secret,
                {
                    **arguments,
                    "max_tokens": min(arguments["max_tokens"], left.tokens - expected[0]),
                    "model": self.model,
                    "messages": question["messages"],
                    "temperature": question["temperature"],
                    "seed": question["seed"] + question["attempt"],
                },
                self.progress,
            )
        except Failure as failure:
            self._failed(failure.kind)
            self._count(expected, estimated=True)
            raise
        finally:
            self.usage.seconds += time.monotonic() - begun
        counted = reply.tokens or _estimated(question, reply.text)
        self._count(counted, estimated=reply.tokens is None)
        return reply

    def _require_budget(self) -> _Left:
        """What is left. Raises `ModelError` XP7005 where something is used up."""
        budget, usage = self.settings.budget, self.usage
        spent = time.monotonic() - (self._begun or 0.0)
        left = _Left(
            _rest(budget.calls, usage.calls),
            _rest(budget.tokens, usage.tokens),
            _rest(budget.seconds, spent),
            _rest(budget.money, usage.cost or 0.0),
        )
        for name, rest, most in (
            ("calls", left.calls, budget.calls),
            ("tokens", left.tokens, budget.tokens),
            ("seconds", left.seconds, budget.seconds),
            ("money", left.money, budget.money),
        ):
            if rest <= 0:
                raise ModelError("XP7005", f"the {name} of the budget, {most}, are used up")
        return left

    def _count(self, tokens: tuple[int, int, int], *, estimated: bool) -> None:
        usage = self.usage
        usage.tokens_in += tokens[0]
        usage.tokens_out += tokens[1]
        usage.tokens_cached += tokens[2]
        usage.estimated += estimated
        if self.settings.price is not None:
            usage.cost = self.settings.price.of(
                usage.tokens_in, usage.tokens_out, usage.tokens_cached
            )

    def _failed(self, kind: str) -> None:
        self.usage.failures[kind] += 1

    def _keep(self, question: dict[str, Any], reply: Reply) -> None:
        if self.settings.mode == "record" and self.settings.folder is not None:
            whole = replace(reply, finish="stop")
            Recording(self.settings.folder).keep(question, whole)


@dataclass(frozen=True)
class _Left:
    calls: Any
    tokens: Any
    seconds: Any
    money: Any


def _rest(most: float | None, used: float) -> float:
    return float("inf") if most is None else most - used


def _form_arguments(form: Form, schema: type[BaseModel]) -> dict[str, Any]:
    if form == "json_schema":
        shape = {"name": schema.__name__, "strict": True, "schema": schema.model_json_schema()}
        return {"response_format": {"type": "json_schema", "json_schema": shape}}
    if form == "json_object":
        return {"response_format": {"type": "json_object"}}
    return {}


def _in_words(shape: Any) -> str:
    return f"Answer with one JSON object of this schema and nothing else:\n{json.dumps(shape)}"


_FENCE = re.compile(r"```[\w-]*\n(.*?)```", re.DOTALL)


def json_of(text: str) -> str:
    """The JSON object in an answer: what a fence holds, or from the first brace to the last."""
    fenced = _FENCE.search(text)
    bare = text.lstrip().startswith("{")
    inner = fenced[1] if fenced and not bare and "{" in fenced[1] else text
    first, last = inner.find("{"), inner.rfind("}")
    return inner[first : last + 1] if 0 <= first < last else inner


def _problem(error: ValueError) -> str:
    """What is wrong with an answer, without the answer itself."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error).splitlines()[0][:200]
    first = errors(include_input=False, include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the answer"
    return f"{place}: {first['msg']}"


def _estimated(question: dict[str, Any], text: str) -> tuple[int, int, int]:
    asked = sum(len(message["content"]) for message in question["messages"])
    return asked // CHARACTERS_OF_TOKEN + 1, len(text) // CHARACTERS_OF_TOKEN + 1, 0
