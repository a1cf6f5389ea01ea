"""Parts of an output that a kernel writes apart: one block where they belong together."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import Tensor

from .support import Given, kernel, out, random, run_both

N = 64
X, Z = random(2 * N * 8), random(2 * N * 8)
GIVEN: tuple[Given, ...] = (("x", X), ("z", Z))
T = "int t = threadIdx.x;\n"

# text of 64 threads, and how many blocks it becomes where those are several
ONE = {
    "two sums, two columns": """float s = 0, u = 0;
        for (int k = 0; k < 8; k++) { s += x[t] * z[2 * k]; u += x[t] * z[2 * k + 1]; }
        y[2 * t] = s; y[2 * t + 1] = u;""",
    "two arrays one after the other": "y[t] = x[t]; y[t + 64] = 2 * z[t];",
    "the upper half first": "y[t + 64] = x[t]; y[t] = z[t];",
    "parts of a number": "y[2 * t] = x[t] - z[t]; y[2 * t + 1] = x[t] * z[t];",
    "three parts of a pixel": """if (t < 40) {
        y[3 * t] = x[t]; y[3 * t + 1] = z[t] + 1; y[3 * t + 2] = x[t] * z[t]; }""",
    "a row and its last element": "y[t] = x[t]; if (t == 0) y[64] = z[3];",
    "rows of an array": "y[t % 8 + t / 8 * 16] = x[t]; y[t % 8 + t / 8 * 16 + 8] = -z[t];",
}
SEVERAL = {
    "two sums, each in a loop of its own": ("""float s = 1, u = 1;
        for (int i = 0; i < 8; i++) s += x[16 * t + i];
        for (int k = 0; k < 8; k++) u += x[16 * t + 8 + k];
        y[t] = s; y[t + 64] = u;""", 2),
    "maxima that begin elsewhere": ("""float s = z[2 * t], u = z[2 * t + 1];
        for (int k = 0; k < 8; k++) { s = fmaxf(s, x[k]); u = fmaxf(u, x[k + 8]); }
        y[t] = s; y[t + 64] = u;""", 2),
    "sums of different kinds": ("""float s = 0, u = 0;
        for (int k = 0; k < 8; k++) { s += x[k + t]; u = fmaxf(u, x[k + t + 1]); }
        y[t] = s; y[t + 64] = u;""", 3),
    "other distances": ("""float s = 0, u = 0, v = 0;
        for (int k = 0; k < 8; k++) { s += x[k + t]; u += x[k + t + 1]; v += x[k + t + 5]; }
        if (t < 8) { y[t] = s; y[t + 64] = u; y[t + 80] = v; }""", 2),
    "a gap": ("y[t] = x[t]; if (t < 32) y[t + 65] = z[t];", 2),
    "a store to some of it between": (
        "if (t == 0) { for (int i = 0; i < 64; i++) y[i] = x[i]; for (int i = 0; i < 8; i++)"
        " y[9 * i] = z[i + 1]; for (int i = 0; i < 64; i++) y[i + 64] = z[i]; }", 3),
}  # fmt: skip


def blocks(script: str) -> int:
    return script.count("T.sblock(") - 1


@pytest.mark.parametrize("name", [*ONE, *SEVERAL])
def test_what_belongs_together_is_one_block(name: str) -> None:
    text, count = SEVERAL[name] if name in SEVERAL else (ONE[name], 1)
    known = kernel(T + text, *GIVEN, out("y", 2 * N), block=(N,))
    form, flat, result = run_both(known, *GIVEN)
    assert form.rung == "blocks", form.reason
    np.testing.assert_allclose(flat, result, rtol=1e-5, atol=1e-6)
    assert blocks(str(form.mod)) == count, str(form.mod)


@pytest.mark.parametrize(
    "text",
    [
        "y[t] = y[t + 64]; y[t + 64] = x[t];",
        "y[t] = y[t + 64]; __syncthreads(); y[t + 64] = y[t + 128];",
    ],
)
def test_what_an_output_overwrites_is_read_in_time(text: str) -> None:
    """As one block, its iterations would depend on each other."""
    arrays: tuple[Given, ...] = (("x", X), ("y", random(3 * N, seed=1)))
    known = kernel(T + text, arrays[0], Tensor("y", (3 * N,), "float32", "inout"), block=(N,))
    form, flat, result = run_both(known, *arrays)
    np.testing.assert_array_equal(flat, result)
    assert blocks(str(form.mod)) >= 2, str(form.mod)
