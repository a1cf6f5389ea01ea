"""A real model behind a real server; only with `make test-llm`, which names its file.

The model is small: what is tested is that schemas are followed, probabilities are read, tokens are
counted and answers replayed, never that a choice is good.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from tests.benchmarks.support import script
from xpiler_tvm import llm
from xpiler_tvm.llm.settings import Mode

FILE = os.environ.get("XPILER_LLM_GGUF", "")

pytestmark = [
    pytest.mark.skipif(not FILE, reason="make test-llm names a model in XPILER_LLM_GGUF"),
    pytest.mark.timeout(1800),
]


class Colour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: Literal["red", "green", "blue"]


QUESTION = [{"role": "user", "content": "What is the colour of grass?"}]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with script("guiding.local").serving(Path(FILE)) as address:
        yield address


def connected(url: str, folder: Path, mode: Mode = "record") -> llm.Client:
    settings = llm.Settings(
        base_url=url, api_key="none", timeout=600.0, max_tokens=40, mode=mode, folder=folder
    )
    return llm.connect("local", settings)


def test_schemas_are_followed_counted_and_replayed(url: str, tmp_path: Path) -> None:
    client = connected(url, tmp_path)
    answer = client.ask(QUESTION, Colour)
    assert client.form == "json_schema" and client.usage.calls == 1
    assert client.usage.tokens_in > 5 and client.usage.tokens_out > 2
    assert client.usage.estimated == 0
    again = connected("http://127.0.0.1:9/v1", tmp_path, "replay")
    assert again.ask(QUESTION, Colour) == answer


def test_probabilities_are_read(url: str, tmp_path: Path) -> None:
    choices = ["a stone", "a fish", "a car"]
    shares = llm.prior(connected(url, tmp_path), "What can swim?", choices)
    assert sum(shares) == pytest.approx(1.0) and min(shares) > 0.0
    assert len(set(shares)) > 1  # the server did tell them
    again = connected("http://127.0.0.1:9/v1", tmp_path, "replay")
    assert llm.prior(again, "What can swim?", choices) == shares


def test_a_schedule_is_chosen_beside_chance(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = script("guided_local")
    lifted = bench.xt.lift(bench.xt.Kernel.from_file(bench.KERNEL))
    task = bench.Task(lifted, bench.targets.get("bang"))
    assert bench.judge(task, url, tmp_path, rounds=1) == 0
    row = capsys.readouterr().out
    assert "1 of 1" in row and "yes" in row
