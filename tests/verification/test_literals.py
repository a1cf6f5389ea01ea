"""Inputs made of the numbers that texts mention."""

from __future__ import annotations

import numpy as np

from xpiler_tvm import Kernel, Tensor
from xpiler_tvm.verification.literals import literal_inputs, numbers_of


def test_numbers_of_c_and_python() -> None:
    text = "x == 0.125f || i > 0x10u && n < 1'000 /* 77 */ * 1e3 + 99999999; // 5"
    assert set(numbers_of([text])) == {0.125, -0.125, 16, -16, 1000, -1000}
    assert 2.5 in numbers_of(["y[i] = T.float32(2.5)"])


def test_half_of_the_elements_are_among_them() -> None:
    params = (Tensor("x", (400,)), Tensor("i", (400,), "int32"), Tensor("y", (400,), intent="out"))
    kernel = Kernel("", "cuda", "k", params)
    found = literal_inputs(kernel, ["if (x == 0.3125f) n = 9;"], seed=1)
    assert (found["x"] == np.float32(0.3125)).sum() > 10
    assert (found["i"] == 9).sum() > 10 and (found["i"] == 10).sum() > 10
    assert found["x"].dtype == np.float32 and len(np.unique(found["x"])) > 100
    again = literal_inputs(kernel, ["if (x == 0.3125f) n = 9;"], seed=1)
    assert all(found[name].tobytes() == again[name].tobytes() for name in found)


def test_trusted_indices_stay_in_their_range() -> None:
    kernel = Kernel("", "cuda", "k", (Tensor("i", (400,), "int32"),))
    found = literal_inputs(kernel, ["100"], ranges={"i": (0, 3)})["i"]
    assert found.min() >= 0 and found.max() <= 3
