"""The page of results, and the tables of what each part is worth."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from .support import script

results = script("results")
ablation = script("ablation")
rows_ = script("scoring.rows")
about = script("scoring.about")

ABOUT = {
    "date": "2026-01-02",
    "commit": "abc",
    "machine": "one",
    "versions": "two",
    "command": "python benchmarks/accuracy.py",
}


def folder_of(path: Path) -> Path:
    made = path / "accuracy"
    made.mkdir()
    good = rows_.Row("cuda", "add", "add.cu", "64", False, "hip", clean=True, seconds=2.0)
    bad = rows_.Row(
        "bang", "sub", "sub.mlu", "64", False, "hip", outcome="refused", reason="no rule"
    )
    (made / "accuracy.jsonl").write_text("".join(json.dumps(asdict(r)) + "\n" for r in (good, bad)))
    (made / "accuracy.svg").write_text("<svg/>")
    (made / "about.json").write_text(json.dumps(ABOUT))
    return path


def test_the_page_has_every_part_and_every_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, to = folder_of(tmp_path), tmp_path / "docs"
    monkeypatch.setattr(sys, "argv", ["results.py", "--from", str(source), "--to", str(to)])
    assert results.main() == 0
    text = (to / "results.md").read_text()
    assert (to / "results" / "accuracy.svg").exists()
    assert "2 operators, 2 kernels at a shape, 2 translations" in text
    assert "*2026-01-02, `python benchmarks/accuracy.py`: commit abc" in text
    assert "Not run: `make bench-speed`." in text and "Not run: `make bench-ablation`." in text
    wrong = text.partition("## What is wrong or missing")[2]
    assert "no rule" in wrong and "add.cu" not in wrong


def test_parts_that_were_not_run_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, to = folder_of(tmp_path), tmp_path / "docs"
    monkeypatch.setattr(sys, "argv", ["results.py", "--from", str(source), "--to", str(to)])
    assert results.main() == 0
    first = (to / "results.md").read_text()
    (source / "accuracy" / "accuracy.jsonl").unlink()
    (source / "speed").mkdir()
    (source / "speed" / "speed.md").write_text("### As fast as light\n")
    assert results.main() == 0
    text = (to / "results.md").read_text()
    assert "As fast as light" in text and "Not run: `make bench-ablation`." in text
    for title in ("Accuracy", "What is wrong or missing"):
        assert results.under(title, text) == results.under(title, first) != ""
    assert results.main() == 0 and (to / "results.md").read_text() == text


def test_figures_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(about.__file__).parent.parent.parent
    monkeypatch.setattr(sys, "argv", [str(root / "benchmarks" / "a.py"), "--out", "/some/where"])
    found = about.about()
    assert found["command"] == "python benchmarks/a.py --out where"
    assert "apache-tvm" in found["versions"] and found["commit"]


def test_forms_are_compared_where_both_were_made() -> None:
    rows = [
        {"cuda": [1.0, 4.0], "hip": [1.0, None], "bang": [None, None]},
        {"cuda": [1.0, 1.0], "hip": [1.0, 2.0], "bang": [2.0, 8.0]},
        {"refused": "XP1009"},
    ]
    text = ablation.tell_raising(rows)
    assert "| cuda | 2 | 2 | 2 | 2.0 |" in text
    assert "| hip | 2 | 2 | 1 | 2.0 |" in text
    assert "| bang | 2 | 1 | 1 | 4.0 |" in text


def test_harmless_faults_are_no_misses() -> None:
    seen = dict.fromkeys(ablation.WITHOUT, "XP2006")
    rows = [
        {**seen, "harmless": False},
        {**seen, "both": "accepted", "harmless": False},
        {**dict.fromkeys(ablation.WITHOUT, "accepted"), "harmless": True},
    ]
    text = ablation.tell_checks(rows)
    assert "| nothing | 2 | 0 | 100 % |" in text and "| both | 2 | 1 | 50.0 % |" in text


def test_arms_are_held_against_ours() -> None:
    rows = [
        {"operator": "a", "arm": "rules", "best": 2.0},
        {"operator": "a", "arm": "random", "best": 4.0},
        {"operator": "b", "arm": "random", "best": None},
        {"operator": "a", "arm": "adversarial", "best": None},
    ]
    text = ablation.tell_searches(rows)
    assert "| rules | 1 | 1 | 1.00 |" in text and "| random | 2 | 1 | 2.00 |" in text
    assert "| adversarial | 1 | 0 | - |" in text
