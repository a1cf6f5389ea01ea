"""A vendor's compiler as a witness; stand-ins for it, which accept what has no `#error`."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpiler_tvm import targets
from xpiler_tvm.compiled import check_compiles
from xpiler_tvm.targets import Emitted

STAND_IN = """#!/bin/sh
echo called >> "$(dirname "$0")/calls"
case "$*" in *--version*) echo 13.0; exit 0;; esac
for file; do :; done
if grep -q '#error' "$file"; then echo "$file(1): error: no" >&2; exit 2; fi
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for nvcc notes that it was called."""
    program = tmp_path / "nvcc"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XPILER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("XPILER_GPU")
    return tmp_path / "calls"


def emitted(text: str) -> Emitted:
    return Emitted(text, None, "kernel")


def test_what_compiles_is_remembered(calls: Path) -> None:
    spec = targets.get("cuda")
    first = check_compiles(spec, emitted("int x;"))
    assert (first.name, first.verdict) == ("compiles (nvcc sm_80)", "tested")
    before = calls.read_text().count("called")
    assert check_compiles(spec, emitted("int x;")).ok
    assert calls.read_text().count("called") == before + 1  # for its version alone


def test_what_is_refused_is_refuted(calls: Path) -> None:
    for _ in range(2):
        check = check_compiles(targets.get("cuda"), emitted("#error"))
        assert check.verdict == "refuted" and "error: no" in check.detail
    assert calls.exists()


def test_without_a_compiler_nothing_is_known(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = check_compiles(targets.get("hip"), emitted("int x;"))
    assert check.verdict == "unknown" and "no hipcc" in check.detail
    monkeypatch.setenv("XPILER_GPU", "0")
    assert "XPILER_GPU" in check_compiles(targets.get("cuda"), emitted("int x;")).detail
    assert not calls.exists()
