"""The command: a folder of kernels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xpiler_tvm.batch.sources import kernels_in
from xpiler_tvm.cli import main

TWO = "__global__ void one(float *x) { x[0] = 1; }\n__global__ void two(float *x) { x[0] = 2; }\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "src"
    (source / "deeper").mkdir(parents=True)
    (source / "deeper" / "two.cu").write_text(TWO)
    (source / "broken.hip").write_text("__global__ void broken(")
    (source / "readme.md").write_text("no kernel")
    return source


def test_every_kernel_of_a_folder_is_found(folder: Path) -> None:
    names = [name for name, _ in kernels_in(folder)]
    assert names == ["broken.hip", "deeper/two.cu:one", "deeper/two.cu:two"]


def test_the_command_goes_on_where_it_was(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["translate-all", str(folder), "--to", "hip", "--out", str(tmp_path / "out")]
    assert main([*command, "--jobs", "1", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["done"] == 3 and first["targets"] == {"hip": {"refused": 3}}
    assert first["refusals"] == {"XP1006": 2, "XP1002": 1}
    assert (tmp_path / "out" / "report.html").read_text().count("XP1006") > 1
    assert main([*command, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["done"] == 0 and again["known"] == 3
