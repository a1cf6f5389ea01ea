"""Kernels that fuzzing found, and a short run of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.support import script

fuzz = script("fuzz")
judging = script("fuzzing.judging")
kept = script("fuzzing.kept")

FOLDER = Path(__file__).parent / "fuzz"


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_a_found_kernel(path: Path) -> None:
    verdict = judging.judge(kept.load(path))
    assert verdict.outcome in ("right", "refused"), verdict


def test_random_kernels() -> None:
    cases = fuzz.cases(["cuda", "hip", "vnni", "bang"], seed=2024)
    some = [next(cases) for _ in range(6)]
    for answer in fuzz.answers(some, fuzz.work, seconds=fuzz.CASE_SECONDS):
        verdict = fuzz.verdict_of(answer)
        assert verdict.outcome in ("right", "refused"), (answer.case.name, verdict)
