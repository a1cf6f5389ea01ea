"""What the pages say exists, parses and runs."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xpiler_tvm import cli, targets
from xpiler_tvm.commands import arguments
from xpiler_tvm.kernel import DIALECTS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FACTS = runpy.run_path(str(ROOT / "docs" / "facts.py"))


def commands() -> list[str]:
    """The `xpiler` commands of the README, continued lines joined."""
    text = README.replace("\\\n", " ")
    return [line[2:].split(" # ")[0] for line in text.splitlines() if line.startswith("$ xpiler")]


def test_there_are_commands() -> None:
    assert len(commands()) >= 5


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command: str) -> None:
    options = cli.parser().parse_args(shlex.split(command)[1:])
    assert callable(options.action)
    for spec in getattr(options, "param", ()):
        arguments.parse_param(spec)
    for spec in getattr(options, "arg", ()):
        arguments.parse_arg(spec)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_files_of_the_architecture_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w/]+\.py\b|\b[\w/]+/(?=[\s`,|])", text))
    package, frontends = ROOT / "xpiler_tvm", ROOT / "frontends"
    folders = [ROOT, package, frontends, frontends / "raising", ROOT / "tuning"]
    folders += sorted(path.parent for path in package.glob("*/__init__.py"))
    lost = [name for name in named if not any((folder / name).exists() for folder in folders)]
    assert not lost


def test_every_pass_of_raising_is_named() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    files = {path.stem for path in (ROOT / "frontends" / "raising").glob("*.py")} - {"__init__"}
    assert not {name for name in files if f"`{name}`" not in text and f"`{name}.py`" not in text}


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert "emitted hip = source tested" in capsys.readouterr().out
    assert {path.suffix for path in (tmp_path / "build").iterdir()} == {".hip", ".json"}


def test_every_page_stands_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]}
    assert not {page for page in pages if page not in text}


@pytest.mark.parametrize(
    ("kind", "name"),
    [*(("dialect", d) for d in DIALECTS), *(("target", t) for t in targets.TARGETS)],
)
def test_pages_state_what_the_tables_say(kind: str, name: str) -> None:
    page = (ROOT / "docs" / f"{kind}s" / f"{name}.md").read_text(encoding="utf-8")
    text = FACTS["on_page_markdown"](page)
    assert "facts:" not in text and "## What is not supported" in text
    if kind == "dialect":
        assert "| `goto` | [XP1009](../errors.md#xp1009-a-construct-that-is-not-read) |" in text
    else:
        assert all(f"`{memory.scope}`" in text for memory in targets.get(name).limits.memories)


def test_the_page_of_the_command_has_every_command() -> None:
    text = FACTS["facts"]("commands")
    assert text.count("```console") == text.count("### xpiler ") > 14
    assert "| 130 | interrupted |" in text and "$ xpiler diff" in text


def test_the_pages_build_and_their_links_hold(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    done = subprocess.run(
        [*command, "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").exists()
