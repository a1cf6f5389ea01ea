"""Every way in which a server can fail ends in a typed error or in another form of question."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from xpiler_tvm import llm
from xpiler_tvm.errors import ModelError

from .support import QUESTION, SECRET, Drop, Number, Raw, Say, playing

ERROR = '{"error": {"message": "oops"}}'


@pytest.mark.parametrize(
    ("answers", "calls", "form"),
    [
        ([Say('{"x": 1}')], 1, "json_schema"),
        ([Say('```json\n{"x": 1}\n```')], 1, "json_schema"),
        ([Say('The answer is {"x": 1}.')], 1, "json_schema"),
        ([Say('{"x": "one"}'), Say('{"x": 1}')], 2, "json_schema"),
        ([Say(""), Say('{"x": 1}')], 2, "json_schema"),
        ([Raw(ERROR, 429), Say('{"x": 1}')], 2, "json_schema"),
        ([Raw(ERROR, 503), Say('{"x": 1}')], 2, "json_schema"),
        ([Drop(), Say('{"x": 1}')], 2, "json_schema"),
        ([Raw("", seconds=1.0), Say('{"x": 1}')], 2, "json_schema"),
        ([Raw(ERROR, 400), Say('{"x": 1}')], 2, "json_object"),
        ([Raw(ERROR, 400), Raw(ERROR, 400), Say('{"x": 1}')], 3, "text"),
    ],
    ids=[
        "as asked", "fenced", "in a sentence", "another type", "empty", "busy", "unavailable",
        "dropped", "silent", "without schemas", "without JSON",
    ],
)  # fmt: skip
def test_an_answer_is_found(answers: list[Any], calls: int, form: str) -> None:
    with playing(answers, timeout=0.5) as (client, server):
        assert client.ask(QUESTION, Number).x == 1
        assert client.usage.calls == calls == len(server.requests)
        assert client.form == form


@pytest.mark.parametrize(
    ("answer", "code", "failure"),
    [
        (Say("I do not know"), "XP7003", "malformed"),
        (Say('{"x": "one"}'), "XP7003", "malformed"),
        (Say('{"y": 1}'), "XP7003", "malformed"),
        (Say(""), "XP7003", "malformed"),
        (Say('{"x": ', finish="length"), "XP7003", "cut"),
        (Say("", refusal="I cannot"), "XP7004", "refusal"),
        (Raw("<html></html>", kind="text/html"), "XP7002", "protocol"),
        (Raw("{}"), "XP7002", "protocol"),
        (Raw('{"choices": []}'), "XP7002", "protocol"),
        (Raw(ERROR, 401), "XP7002", "refused request"),
        (Raw(ERROR, 404), "XP7002", "refused request"),
        (Raw(ERROR, 429), "XP7002", "rate limit"),
        (Raw(ERROR, 500), "XP7002", "server error"),
        (Raw("", seconds=1.0), "XP7002", "timeout"),
        (Drop(), "XP7002", "connection"),
    ],
)
def test_a_failure_has_a_code(answer: Any, code: str, failure: str) -> None:
    with playing([answer], timeout=0.3) as (client, _):
        with pytest.raises(ModelError) as error:
            client.ask(QUESTION, Number)
        assert error.value.code == code
        assert client.usage.failures[failure] >= 1


def test_nobody_listens() -> None:
    client = llm.connect("m", llm.Settings(base_url="http://127.0.0.1:9/v1", retries=0))
    with pytest.raises(ModelError) as error:
        client.ask(QUESTION, Number)
    assert error.value.code == "XP7002"


def test_streams_show_what_comes_in() -> None:
    seen: list[str] = []
    with playing([Say('{"x": 1}')]) as (client, server):
        client.progress = seen.append
        assert client.ask(QUESTION, Number).x == 1
        assert server.requests[0]["stream"] is True
    assert seen[-1] == '{"x": 1}' and len(seen) > 1
    assert client.usage.tokens_in == 100


# ---------------------------------------------------------------- budgets


@pytest.mark.parametrize(
    ("budget", "answer"),
    [
        (llm.Budget(calls=2), Say("no")),
        (llm.Budget(tokens=150), Say("no")),
        (llm.Budget(seconds=0.5), Raw("", seconds=1.0)),
        (llm.Budget(money=1e-4), Say("no")),
    ],
    ids=["calls", "tokens", "seconds", "money"],
)
def test_budgets_end_it(budget: llm.Budget, answer: Any) -> None:
    price = llm.Price(input=1.0, output=2.0)
    with playing([answer], budget=budget, price=price, timeout=0.2, retries=9) as (client, server):
        with pytest.raises(ModelError) as error:
            for attempt in range(20):
                try:
                    client.ask(QUESTION, Number, attempt=attempt)
                except ModelError as inner:
                    if inner.code == "XP7005":
                        raise
        assert error.value.code == "XP7005"
        assert len(server.requests) == client.usage.calls <= 4


def test_cost_is_that_of_the_price_table() -> None:
    price = llm.Price(input=3.0, output=15.0, cached=0.3)
    assert price.of(1_000_000, 1_000_000, 500_000) == pytest.approx(1.5 + 0.15 + 15.0)
    with playing([Say('{"x": 1}')], price=price) as (client, _):
        client.ask(QUESTION, Number)
        assert client.usage.cost == pytest.approx((100 * 3.0 + 2 * 15.0) / 1e6)


def test_tokens_are_estimated_where_the_server_counts_none() -> None:
    with playing([Say('{"x": 1}', counted=False)]) as (client, _):
        client.ask(QUESTION, Number)
        assert client.usage.estimated == 1 and client.usage.tokens > 0


def test_settings_that_say_too_little() -> None:
    for model, settings in (
        (" ", llm.Settings()),
        ("m", llm.Settings()),  # no key for OpenAI's server
        ("m", llm.Settings(mode="replay")),
        ("m", llm.Settings(budget=llm.Budget(money=1.0), base_url="http://127.0.0.1:9/v1")),
    ):
        with pytest.raises(ModelError) as error:
            llm.connect(model, settings)
        assert error.value.code == "XP7001"


# ---------------------------------------------------------------- secrets and recordings


def test_secrets_are_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = Raw(f'{{"error": {{"message": "wrong key {SECRET}"}}}}', 401)
    with playing([Say('{"x": 1}'), echo], mode="record", folder=tmp_path) as (client, server):
        client.ask(QUESTION, Number)
        with pytest.raises(ModelError) as error:
            client.ask(QUESTION, Number, attempt=1)
        assert SECRET in server.headers[0]["authorization"]
    told = [str(error.value), repr(client), repr(client.settings), str(client.usage.as_dict())]
    told += [path.read_text() for path in tmp_path.iterdir()]
    ours = [record.getMessage() for record in caplog.records if "xpiler" in record.name]
    assert not any(SECRET in text for text in [*told, *ours])


def test_recorded_answers_are_replayed_without_a_server(tmp_path: Path) -> None:
    with playing([Say('{"x": 7}')], mode="record", folder=tmp_path) as (client, server):
        assert client.ask(QUESTION, Number).x == client.ask(QUESTION, Number).x == 7
        assert len(server.requests) == 1 and client.usage.recorded == 1
    again = llm.connect("model", llm.Settings(mode="replay", folder=tmp_path))
    assert again.ask(QUESTION, Number).x == 7
    assert again.usage.calls == 0
    for other in (
        llm.connect("another", again.settings),
        llm.connect("model", llm.Settings(mode="replay", folder=tmp_path, seed=1)),
    ):
        with pytest.raises(ModelError) as error:
            other.ask(QUESTION, Number)
        assert error.value.code == "XP7006"


@pytest.mark.parametrize(
    "answer",
    [Say("no"), Say("", refusal="no"), Say('{"x": 1}', finish="length"), Raw(ERROR, 500)],
)
def test_what_is_of_no_use_is_not_recorded(answer: Any, tmp_path: Path) -> None:
    recording = playing([answer], mode="record", folder=tmp_path)
    with recording as (client, _), pytest.raises(ModelError):
        client.ask(QUESTION, Number)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_recording_is_no_answer(tmp_path: Path) -> None:
    with playing([Say('{"x": 7}')], mode="record", folder=tmp_path) as (client, _):
        client.ask(QUESTION, Number)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text()[:40])
    again = llm.connect("model", llm.Settings(mode="replay", folder=tmp_path))
    with pytest.raises(ModelError) as error:
        again.ask(QUESTION, Number)
    assert error.value.code == "XP7006"


# ---------------------------------------------------------------- priors


def test_a_prior_is_what_the_letters_say_and_never_zero() -> None:
    def answer(request: dict[str, Any], _: int) -> Any:
        # The model likes "good", wherever it stands.
        rows = request["messages"][1]["content"].splitlines()
        letter = next(row[0] for row in rows if row.endswith(": good"))
        return Say(letter, letters={"A": -3.0, "B": -3.0, "?": -1.0} | {letter: -0.1})

    with playing(answer) as (client, _):
        shares = llm.prior(client, "which?", ["bad", "good", "worse"])
    assert shares[1] > 0.6 and min(shares) > 0.0
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "answer", [Say("?"), Say("", refusal="no"), Raw("<html>", kind="text/html"), Raw(ERROR, 401)]
)
def test_a_useless_prior_is_even(answer: Any) -> None:
    with playing([answer]) as (client, _):
        assert llm.prior(client, "which?", ["a", "b", "c", "d"]) == (0.25,) * 4


def test_a_server_without_probabilities_votes() -> None:
    def answer(request: dict[str, Any], _: int) -> Any:
        return Raw(ERROR, 400) if "logprobs" in request else Say("A")

    with playing(answer) as (client, _):
        # The first letter in both orders: no position is better than the other.
        assert llm.prior(client, "which?", ["a", "b"]) == (0.5, 0.5)
        assert client.usage.failures["bad request"] == 2
