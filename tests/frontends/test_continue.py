"""What `continue` leaves of variables in loops that are written out."""

from __future__ import annotations

import numpy as np
import pytest

from .support import flat_and_source, out, random

N = random(64, dtype="int32")
LEFT = "int t = threadIdx.x, w = ((7 << t) & 15), v = 16; while (w > 0) w -= 2;\n"
BODIES = {
    "before the end": "for (int i = 0; i < 5; ++i) { if (0 > w) continue; v = 7; }",
    "at the end": "for (int i = 0; i < 3; ++i) { v += 1; if (0 > w) { v = 7; continue; } }",
    "by data": "for (int i = 0; i < 3; ++i) { if (n[t] > 0) { v = 7; continue; } v += 2; }",
}


@pytest.mark.parametrize("name", BODIES)
def test_continue(name: str) -> None:
    params = (("n", N), out("y", 4, dtype="int32"))
    text = LEFT + BODIES[name] + " y[t] = v;"
    np.testing.assert_array_equal(*flat_and_source(text, *params, block=(4,)))
