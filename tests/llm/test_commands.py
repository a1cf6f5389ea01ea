"""`xpiler lift` and `translate` with a language model: recorded once, replayed without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import script
from xpiler_tvm import cli

from .support import NO_TAGS, is_about_tags, proposal, server

SELECT = script("guiding.cases").SELECT
WHAT = (
    *("--grid", "1", "--block", "256", "--param", "a:float32[250]", "--param", "b:float32[250]"),
    *("--param", "y:float32[250]:out", "--param", "n:int32=250"),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "select.cu"
    path.write_text(SELECT.kernel.source)
    return path


def test_a_lift_is_recorded_and_replayed(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: dict[str, Any], _: int) -> Any:
        return NO_TAGS if is_about_tags(request) else proposal("source", SELECT.right)

    folder = file.parent / "answers"
    command = ["lift", str(file), *WHAT, "--json", "--llm", "model"]
    with server.scripted(answer) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        assert cli.main([*command, "--llm-record", str(folder)]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["llm"]["model"] == "model" and first["llm"]["usage"]["calls"] == 2
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert cli.main([*command, "--llm-replay", str(folder)]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["tir"] == first["tir"] and second["llm"]["usage"]["calls"] == 0


@pytest.mark.parametrize(
    ("options", "code", "exit_code"),
    [
        (("--llm-replay", "nowhere"), "XP1014", 11),
        (("--llm", "m", "--llm-replay", "x", "--llm-record", "y"), "XP1014", 11),
        (("--llm", "m"), "XP7001", 17),
        (("--lifter", "llm"), "XP7001", 17),
        (("--llm", "m", "--llm-replay", "nowhere"), "XP1009", 11),
    ],
)
def test_what_cannot_be_asked(
    file: Path,
    options: tuple[str, ...],
    code: str,
    exit_code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = file.parent / "out"
    command = ["translate", str(file), "--to", "hip", "-o", str(output), *WHAT, *options]
    assert cli.main(command) == exit_code
    assert f"error {code}" in capsys.readouterr().err
    assert not output.exists()
