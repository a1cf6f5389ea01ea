"""The accuracy of all directions: what a run is made of."""

from __future__ import annotations

import pytest

from .support import script

accuracy = script("accuracy")


def test_a_sample_is_of_all_operators_and_the_same_again() -> None:
    subjects = accuracy.grid(["add", "relu", "softmax"], ["cuda", "vnni"])
    first = accuracy.sample(subjects, 6, seed=1)
    assert {(one.kernel.dialect, one.operator) for one in first} == {
        (dialect, name) for dialect in ("cuda", "vnni") for name in ("add", "relu", "softmax")
    }
    assert [str(one) for one in first] == [str(one) for one in accuracy.sample(subjects, 6, 1)]
    assert first != accuracy.sample(subjects, 6, seed=2)
    assert len(accuracy.sample(subjects, 10**6, 0)) == len(subjects)


def test_directions() -> None:
    assert accuracy.by_source(["cuda-hip", "cuda-bang", "vnni-hip"]) == {
        "cuda": ["hip", "bang"],
        "vnni": ["hip"],
    }
    with pytest.raises(ValueError, match="'cuda' is no direction"):
        accuracy.by_source(["cuda"])
