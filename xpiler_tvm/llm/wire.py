"""One request to a server with OpenAI's interface, and the one place that knows its failures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

Messages = Sequence[dict[str, str]]
Progress = Callable[[str], None]


class Failure(Exception):
    """A request that gave no answer. `kind` is a short word for the report.

    `form` marks a server that does not know the form of answer that was asked for, `passes` what
    may be otherwise the next time; `wait` is how many seconds the server asks to wait till then.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        form: bool = False,
        passes: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.form = form
        self.passes = passes
        self.wait = wait


@dataclass(frozen=True)
class Reply:
    """What came back. `tokens` are of input, output and of the input's cached part.

    `finish` is the server's reason for the end (`stop`, `length`, …); `letters` maps what the
    first token could have been to the logarithm of its probability, where that was asked for.
    """

    text: str
    finish: str = "stop"
    refusal: str = ""
    tokens: tuple[int, int, int] | None = None
    letters: dict[str, float] = field(default_factory=dict)


def request(
    client: openai.OpenAI, secret: str, arguments: dict[str, Any], progress: Progress | None
) -> Reply:
    """Sends one request.

    With `progress` the answer is streamed, and it is told the text so far. Raises `Failure`, whose
    message does not hold `secret`.
    """
    with _failures(secret):
        if progress is None or arguments.get("logprobs"):
            return _reply(client.chat.completions.create(**arguments))
        return _streamed(client, arguments, progress)


def _reply(completion: Any) -> Reply:
    choice = completion.choices[0]
    letters: dict[str, float] = {}
    if choice.logprobs is not None and choice.logprobs.content:
        for one in choice.logprobs.content[0].top_logprobs or []:
            letters.setdefault(one.token.strip(), float(one.logprob))
    return Reply(
        choice.message.content or "",
        choice.finish_reason or "stop",
        getattr(choice.message, "refusal", None) or "",
        _tokens(completion.usage),
        letters,
    )


def _streamed(client: openai.OpenAI, arguments: dict[str, Any], progress: Progress) -> Reply:
    text, refusal, finish, tokens = "", "", "stop", None
    how: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in client.chat.completions.create(**arguments, **how):
        tokens = _tokens(chunk.usage) or tokens
        for choice in chunk.choices:
            text += choice.delta.content or ""
            refusal += getattr(choice.delta, "refusal", None) or ""
            finish = choice.finish_reason or finish
        progress(text)
    return Reply(text, finish, refusal, tokens)


def _tokens(usage: Any) -> tuple[int, int, int] | None:
    if usage is None:
        return None
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None) or 0
    return usage.prompt_tokens or 0, usage.completion_tokens or 0, cached


@contextmanager
def _failures(secret: str) -> Iterator[None]:
    """Everything that a request can end in, as `Failure`: some of it is not the package's own."""
    import openai

    def said(error: Exception) -> str:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return lines[0][:300].replace(secret, "***") if secret else lines[0][:300]

    try:
        yield
    except openai.APITimeoutError:
        raise Failure("timeout", "the server did not answer in time", passes=True) from None
    except openai.APIConnectionError as error:
        told = f"the server cannot be reached: {said(error)}"
        raise Failure("connection", told, passes=True) from None
    except openai.RateLimitError as error:
        told = f"the server asks to wait: {said(error)}"
        raise Failure("rate limit", told, passes=True, wait=_wait(error)) from None
    except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
        raise Failure("bad request", f"the server refuses: {said(error)}", form=True) from None
    except openai.APIStatusError as error:
        inside = error.status_code >= 500
        kind = "server error" if inside else "refused request"
        told = f"the server answers {error.status_code}: {said(error)}"
        raise Failure(kind, told, passes=inside, wait=_wait(error)) from None
    except openai.OpenAIError as error:
        raise Failure("protocol", said(error)) from None
    except (json.JSONDecodeError, TypeError, ValueError, AttributeError, IndexError):
        # A page in HTML, or JSON without choices: what answers is no such server.
        raise Failure("protocol", "what answers is no server of language models") from None


def _wait(error: openai.APIStatusError) -> float | None:
    """The seconds of an answer's `retry-after`; `None` where it has none that is a number."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    return None
