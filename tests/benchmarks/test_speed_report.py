"""The report about speed: its parts, and that a run goes on where it ended."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from .support import script

report = script("speed_report")
chart = script("scoring.chart")

VNNI = {
    "peaks": {"FMA GFLOP/s": 150.0},
    "geomean": 1.2,
    "rows": [
        {"operator": "add", "milliseconds": {"ours": 2.0, "torch": 4.0}, "ratio": 2.0},
        {"operator": "sin", "milliseconds": {"ours": 1.0}, "ratio": 0.0},
    ],
}
GPU = {
    "mean": 0.5,
    "rows": [
        {
            "operator": "add",
            "shape": "64",
            "rule": "gpu.elementwise",
            "seconds": 8e-6,
            "roof": 4e-6,
            "bound": "memory",
            "error": "",
        },
        {"operator": "mha", "shape": "8", "error": "XP3001: none"},
    ],
}


def test_every_part_has_its_table() -> None:
    tuned = {**VNNI, "geomean": 1.5, "rows": [{**VNNI["rows"][0], "ratio": 3.0}]}
    bang = [
        {
            "operator": "add",
            "shape": "64",
            "rule": "bang.rows",
            "us": "3.1",
            "bound": "io",
            "of peak": "50 %",
            "busiest pipes": "io 90 %",
        },
        {
            "operator": "mha",
            "shape": "8",
            "rule": "-",
            "us": "-",
            "bound": "-",
            "of peak": "-",
            "busiest pipes": "refused",
        },
    ]
    time = [
        {"step": "lift", "seconds": 2.0, "stages": {"read": 0.5}},
        {"step": "lift", "seconds": 4.0, "stages": {"read": 1.5}},
    ]
    text = report.report(
        {"vnni": VNNI, "vnni-tuned": tuned, "cuda": GPU, "bang": bang, "time": time, "gpu": None}
    )
    assert "| add | 2.000 | 4.000 | 2.00 | 3.00 |" in text
    assert "| sin | 1.000 | - | - | - |" in text
    assert "ratios: 1.20; tuned 1.50." in text
    assert "| add | 64 | 8 | memory | 50 % | gpu.elementwise |" in text
    assert "| mha | 8 | - | - | - | XP3001: none |" in text
    assert "| add | 64 | 3.1 | io | 50 % | bang.rows |" in text and "refused" in text
    assert "| lift | 3.00 | read 1.00 |" in text
    assert "CUDA, measured" not in text


def test_a_run_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(name: str, *arguments: str) -> object:
        asked.append((name, arguments))
        if name == "vnni_speed.py" and len(asked) == 1:
            raise RuntimeError("interrupted")
        return {"from": name}

    monkeypatch.setattr(report, "ask", ask)
    options = Namespace(out=tmp_path, sample=2, tuned=0, parts=["vnni", "hip"])
    assert set(report.collect(options)) == {"hip"}
    assert set(report.collect(options)) == {"vnni", "hip"}
    assert [name for name, _ in asked] == ["vnni_speed.py", "gpu_model.py", "vnni_speed.py"]
    assert all("softmax,gemm" in arguments for _, arguments in asked)
    assert json.loads((tmp_path / "speed.json").read_text())["hip"] == {"from": "gpu_model.py"}


def test_what_a_benchmark_says_last_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"gpu_model.py: exit code 2: .*invalid choice"):
        report.ask("gpu_model.py", "--target", "none")


def test_bars_end_at_their_ratios() -> None:
    picture = chart.bars({"add": 2.0, "a<b": 0.5}, "ratio")
    assert 'width="480.0"' in picture and 'width="120.0"' in picture
    assert "a&lt;b" in picture and picture.endswith("</svg>\n")
    assert "<line" in chart.bars({}, "none")
