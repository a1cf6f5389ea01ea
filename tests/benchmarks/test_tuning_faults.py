"""What the script holds searches to after a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.support import script
from xpiler_tvm.tuning.records import TRIALS, Database, Record

faults = script("tuning_faults")


def filled(folder: Path, *programs: str) -> Path:
    database = Database(folder)
    for program in programs:
        record = Record("k", "w", "bang", {"rule": "r"}, program, 1.0, "modelled")
        database.add(record)
    return folder / TRIALS


def test_more_lines_are_well(tmp_path: Path) -> None:
    watched = faults.Watched(tmp_path)
    assert watched.once() == []
    filled(tmp_path, "a", "b")
    assert len(watched.once()) == 2
    with filled(tmp_path, "c").open("a") as file:
        file.write('{"kernel": "half of a li')  # of a writer that was killed
    assert len(watched.once()) == 3


def test_a_line_that_is_gone_is_lost(tmp_path: Path) -> None:
    watched, path = faults.Watched(tmp_path), filled(tmp_path, "a", "b")
    watched.trials()
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    with pytest.raises(faults.Lost, match="have changed"):
        watched.trials()


def test_a_broken_line_is_lost(tmp_path: Path) -> None:
    path = filled(tmp_path, "a")
    path.write_text(path.read_text()[:20] + "\n")
    with pytest.raises(faults.Lost, match="1 lines cannot be read"):
        faults.Watched(tmp_path).trials()


def test_a_program_is_tried_once(tmp_path: Path) -> None:
    filled(tmp_path, "a", "a")
    with pytest.raises(faults.Lost, match="twice"):
        faults.Watched(tmp_path).once()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "said nothing"),
        (["ended", "3", "0", "1.0", "1.0"], "not ended 4"),
        (["refused", "XP6004"], "refused XP6004"),
        (["ended", "4", "0", "2.0", "1.0"], "slower than the rules"),
    ],
)
def test_searches_end_with_all_trials(words: list[str], message: str) -> None:
    with pytest.raises(faults.Lost, match=message):
        faults.ended_well(words, 4)


def test_figures_of_a_search() -> None:
    assert faults.ended_well(["ended", "4", "1", "1.0", "2.0"], 4) == (
        "1 failed, 2.00 of the rules' speed"
    )
