"""How every command behaves: its help, its JSON, pipes, terminals, shells."""

from __future__ import annotations

import argparse
import io
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from xpiler_tvm import cli
from xpiler_tvm.commands import arguments, watch
from xpiler_tvm.commands.ending import ended
from xpiler_tvm.commands.explain import explanation
from xpiler_tvm.errors import CODES, ReadError


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that does something, by its words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in dict.fromkeys(action.choices.values()):
                below = list(commands(each))
                yield from below or [(each.prog, each)]


COMMANDS = list(commands(cli.parser()))


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=lambda each: str(each)[:30])
def test_help_has_examples_that_are_understood(name: str, command: argparse.ArgumentParser) -> None:
    examples = [line for line in (command.epilog or "").splitlines() if "$ xpiler" in line]
    assert examples, name
    for line in examples:
        words = shlex.split(line.split(" > ")[0].split(" < ")[0])[1:]
        options = cli.parser().parse_args(words[1:])
        assert f"xpiler {' '.join(words[1:])}".startswith(name)
        assert isinstance(options.json, bool)


def test_every_error_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for code in CODES:
        assert "**Do:**" in explanation(code), code
    assert cli.main(["explain", "xp1006", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["title"] == CODES["XP1006"] and "--grid 4" in said["text"]
    assert cli.main(["explain"]) == 0
    assert capsys.readouterr().out.count("\n") == len(CODES)


@pytest.mark.parametrize(("code", "hint"), [("XP2103", "XP2001 to XP2"), ("fly", "digit")])
def test_what_is_no_code_is_said(code: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", code]) == 11
    assert hint in capsys.readouterr().err


# ---------------------------------------------------------------- pipes


def piped(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def options_of(*argv: str) -> argparse.Namespace:
    return cli.parser().parse_args(argv)


def test_a_kernel_comes_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"__global__ void k(float *y) {}")
    kernel = arguments.kernel_of(options_of("lift", "-", "--dialect", "cuda", "--entry", "k"))
    assert (kernel.filename, kernel.dialect, kernel.entry) == ("stdin", "cuda", "k")
    assert kernel.source.startswith("__global__")


@pytest.mark.parametrize(
    ("text", "argv", "code"),
    [
        (b"", ("lift", "-"), "XP1012"),
        (b"\xff\xfe", ("lift", "-", "--dialect", "cuda"), "XP1001"),
        (b"", ("check", "-", "-", "--dialect", "cuda", "--dialect-b", "cuda"), "XP1014"),
        (b"", ("watch", "-", "--to", "hip"), "XP1014"),
        (b"", ("translate", "-", "--dialect", "cuda", "--to", "hip,cuda", "-o", "-"), "XP1014"),
        (b"", ("diff", "-", "--dialect", "cuda"), "XP1014"),
    ],
)
def test_pipes_that_cannot_be_used(
    text: bytes, argv: tuple[str, ...], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, text)
    options = options_of(*argv)
    with pytest.raises(ReadError) as error:
        options.action(options)
    assert error.value.code == code


def on_a_terminal(*argv: str, **environment: str) -> str:
    """What a command writes to a terminal."""
    reading, writing = pty.openpty()
    command = [sys.executable, "-m", "xpiler_tvm.cli", *argv]
    about = {**os.environ, "TERM": "xterm-256color", **environment}
    about.pop("CI", None)
    subprocess.run(command, stdout=writing, stderr=writing, env=about, check=True, timeout=120)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        return stream.read1(1 << 16).decode()


def test_colours_are_for_terminals_that_want_them() -> None:
    assert "\x1b[1;3" in on_a_terminal("explain", "XP1006")
    assert "\x1b[1;3" not in on_a_terminal("explain", "XP1006", NO_COLOR="1")
    command = [sys.executable, "-m", "xpiler_tvm.cli", "explain", "XP1006"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "\x1b" not in done.stdout and done.stderr == ""


# ---------------------------------------------------------------- shells


def test_a_shell_completes_commands_options_and_targets(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert cli.main(["completion", "bash"]) == 0
    script = tmp_path / "xpiler"
    script.write_text(capsys.readouterr().out, encoding="utf-8")
    (tmp_path / "softmax.cu").touch()

    def completed(*words: str) -> list[str]:
        line = f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}"
        code = f'source {script}; {line}; _shtab_xpiler; echo "${{COMPREPLY[@]}}"'
        done = subprocess.run(
            ["bash", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        return done.stdout.split()

    assert completed("xpiler", "translate-") == ["translate-all"]
    assert completed("xpiler", "translate", "--to", "hi") == ["hip"]
    assert completed("xpiler", "lift", "--expl") == ["--explain"]
    assert completed("xpiler", "lift", "soft") == ["softmax.cu"]
    assert completed("xpiler", "explain", "XP600")[0] == "XP6001"
    assert cli.main(["completion", "zsh", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["script"].startswith("#compdef xpiler")


# ---------------------------------------------------------------- watching


def test_a_file_is_translated_again_when_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, log = tmp_path / "k.cu", tmp_path / "log"
    file.write_text("first")

    def translated(options: argparse.Namespace) -> int:
        with log.open("a") as stream:
            stream.write(f"{file.read_text()}\n")
        if file.read_text() == "second":
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    saves = iter(("", "second", "third"))

    def sleep(_: float) -> None:
        try:
            text = next(saves)
        except StopIteration:
            raise KeyboardInterrupt from None
        if text:
            new = tmp_path / "new"
            new.write_text(text)
            new.replace(file)

    monkeypatch.setattr(watch, "translate_file", translated)
    monkeypatch.setattr(watch, "_load", lambda: None)
    monkeypatch.setattr(watch.time, "sleep", sleep)
    options = options_of("watch", str(file), "--to", "hip")
    assert ended(options.action, options) == 130
    assert log.read_text().split() == ["first", "second", "third"]
    assert "ended with SIGKILL" in capsys.readouterr().err
