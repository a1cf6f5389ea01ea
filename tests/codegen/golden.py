"""Golden files: emitted text, kept next to the tests that print it."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest


def check_golden(request: pytest.FixtureRequest, name: str, text: str) -> None:
    """Compare `text` with `golden/<name>` beside the test's file, or write it there.

    Writes with `--update-golden`, and fails with a diff otherwise.
    """
    path = Path(request.path).parent / "golden" / name
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    if not path.exists():
        pytest.fail(f"{path} is missing: run pytest --update-golden and read what it wrote")
    expected = path.read_text(encoding="utf-8")
    if text != expected:
        diff = difflib.unified_diff(
            expected.splitlines(), text.splitlines(), "golden", "emitted", lineterm=""
        )
        pytest.fail("\n".join([f"{name} differs", *diff]))
