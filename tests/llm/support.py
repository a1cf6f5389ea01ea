"""Clients of a server that says what a test wrote down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict

from tests.benchmarks.support import script
from xpiler_tvm import llm

server = script("guiding.server")
Say, Raw, Drop = server.Say, server.Raw, server.Drop
SECRET = "sk-not-to-be-seen"


class Number(BaseModel):
    """What the tests ask for."""

    model_config = ConfigDict(extra="forbid")

    x: int


QUESTION = [{"role": "user", "content": "which number?"}]


@contextmanager
def playing(
    answers: Sequence[Any] | Callable[[dict[str, Any], int], Any], **settings: Any
) -> Iterator[tuple[llm.Client, Any]]:
    """A client, and the server that answers it in turn; the last answer is given for ever."""

    def in_turn(_: dict[str, Any], number: int) -> Any:
        assert not callable(answers)
        return answers[min(number, len(answers) - 1)]

    with server.scripted(answers if callable(answers) else in_turn) as running:
        how = {"timeout": 5.0, "retries": 1, "api_key": SECRET, **settings}
        client = llm.connect("model", llm.Settings(base_url=running.url, **how))
        yield client, running


def proposal(form: str, text: str) -> Any:
    return Say(json.dumps({"form": form, "text": text, "changes": ""}))


def is_about_tags(request: dict[str, Any]) -> bool:
    """Whether annotations are asked for, and not a program."""
    return request.get("response_format", {}).get("json_schema", {}).get("name") == "Tags"


NO_TAGS = Say(json.dumps({"operators": [], "roles": []}))
