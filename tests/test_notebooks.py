"""Notebooks run from top to bottom, and are kept without what a run leaves in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# What a notebook prints when it shows what it means to show.
SAID = {
    "first_translation": ("tested", "emitted hip = source", "vnni on ", "error XP2006"),
    "exploring_schedules": ("error XP3002", "emitted hip = source", "scheduled by given"),
    "checking_kernels": ("True", "False ['race']", "error XP5012"),
    "llm_guided": ("rejected: flat", "repaired: True", "the same: True", "nothing that costs less"),
    "tuning_curves": ("modelled: ", "times as fast as the rules", "emitted hip = source"),
    "deploying_in_relax": ("attention_kernel", "cpu.", "scheduled: largest error", "R.call_tir"),
}


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_there_is_one_to_begin_with() -> None:
    assert FOLDER / "first_translation.ipynb" in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )
    for expected in SAID.get(path.stem, ()):
        assert expected in printed, printed[-2000:]
