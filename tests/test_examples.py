"""Every example for two targets in turn: all evidence is good, and nothing had to be given up.

With `--all-targets` for every target.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

import xpiler_tvm as xt

EXAMPLES = sorted(Path(__file__).parent.parent.joinpath("examples").glob("*.cu"))
TARGETS = ("cuda", "hip", "vnni", "bang")


@lru_cache(maxsize=1)
def lifted(path: Path) -> xt.Lifted:
    return xt.lift(xt.Kernel.from_file(path))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    every = metafunc.config.getoption("--all-targets")
    pairs = [
        # One process lifts an example once, for all targets.
        pytest.param(
            path, target, id=f"{path.stem}-{target}", marks=pytest.mark.xdist_group(path.stem)
        )
        for number, path in enumerate(EXAMPLES)
        for turn, target in enumerate(TARGETS)
        if every or turn % 2 == number % 2
    ]
    metafunc.parametrize(("path", "target"), pairs)


def test_examples(path: Path, target: str) -> None:
    found = lifted(path)
    assert found.rung == "blocks", found.notes
    result = xt.transcompile(found, target)
    bad = [check for check in result.evidence if not check.ok]
    # Without VNNI on this machine the library cannot be run, and says so.
    assert [check for check in bad if check.verdict != "unknown"] == []
    assert not [note for note in result.notes if "dropped" in note]
    assert result.source
