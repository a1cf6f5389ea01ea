"""Statements that stay as they are inside of a block: loops that data ends, and what is not
understood, with everything around them raised."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import s_tir

from xpiler_tvm.emulation import run_module

from .support import Given, arrays_for, kernel, out, random, run_both

N = 64
X = random(N)
CUTS = np.sort(np.random.default_rng(3).integers(0, N, 33)).astype("int32")
ORDER = np.random.default_rng(4).permutation(32).astype("int32")
GIVEN: tuple[Given, ...] = (("x", X), ("p", CUTS), ("q", ORDER))

# One of 32 threads.
ENDED = {
    "rows of any length": """float s = 0; for (int k = p[t]; k < p[t + 1]; k++) s += x[k];
        if (t < 31) y[t] = 2 * s; else y[t] = s;""",
    "a binary search": """int lo = 0, hi = 32; float v = fabsf(x[t]) * 20;
        while (lo < hi) { int mid = (lo + hi) / 2; if (p[mid] < v) lo = mid + 1; else hi = mid; }
        y[t] = lo;""",
    "a step that depends": """float v = 100 + x[t]; int n = 0;
        while (v > 1) { v = v > 50 ? v / 3 : v - x[2] * x[2] - 1; n++; } y[t] = v + n;""",
    "until it breaks": """int n = 0; float v = x[t];
        while (true) { v += x[n % 64]; n++; if (v > 3 || n > p[t] + 1) break; } y[t] = v;""",
    "rows of staged numbers": """__shared__ float s[64];
        s[t] = x[t] * 2; s[t + 32] = x[t + 32] + 1; __syncthreads(); float most = -9;
        for (int k = p[t]; k < p[t + 1]; k++) most = fmaxf(most, s[q[k % 32] * 2]);
        y[t] = most;""",
    "inside a branch": """y[t] = 5;
        if (x[t] > 0) { float s = x[t]; while (s < 10) s *= 2; y[t] = s; }""",
    "inside a loop": """float total = 0; for (int r = 0; r < 2; r++) {
            float s = 0; for (int k = p[2 * (t / 2) + r]; k < 40; k += 3) s += x[k];
            total += s * (r + 1); } y[t] = total;""",
}


def scheduled(mod: tvm.IRModule) -> tvm.IRModule:
    """Every stage in chunks that run beside each other."""
    schedule = s_tir.Schedule(mod)
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        outer, _ = schedule.split(schedule.get_loops(block)[0], [None, 5])
        schedule.parallel(outer)
    return schedule.mod


@pytest.mark.parametrize("name", ENDED)
def test_what_data_ends_is_inside_of_a_block(name: str) -> None:
    text = "int t = threadIdx.x;\n" + ENDED[name]
    known = kernel(text, *GIVEN, out("y", 32), block=(32,))
    form, flat, result = run_both(known, *GIVEN)
    assert form.rung == "blocks", form.reason
    assert "while" in str(form.mod)
    np.testing.assert_array_equal(result, flat)
    spread = run_module(scheduled(form.mod), arrays_for(known, GIVEN)).arrays[-1]
    np.testing.assert_array_equal(spread, flat)


# One of 32 threads of two blocks; statements that stay together are few of them.
MIXED = {
    "a permutation in shared memory": (
        """__shared__ float s[32];
        s[q[t]] = x[t + 32 * b] * 2; __syncthreads();
        y[t + 32 * b] = s[t] + 1;""",
        "'s' is stored to at an index from memory",
        4,
    ),
    "counts in shared memory": (
        """__shared__ int n[4]; if (t < 4) n[t] = t; __syncthreads();
        atomicAdd(&n[(int)(fabsf(x[t + 32 * b]) * 9) & 3], 2); __syncthreads();
        y[t + 32 * b] = n[t % 4] * x[t];""",
        "'n' is stored to at an index from memory",
        4,
    ),
    "places in the order of threads": (
        """__shared__ float s[32]; __shared__ int n[1]; s[t] = 0; if (t == 0) n[0] = 0;
        __syncthreads();
        if (x[t + 32 * b] > 0) s[atomicAdd(&n[0], 1)] = x[t + 32 * b]; __syncthreads();
        y[t + 32 * b] = s[t] + n[0];""",
        "several threads write the same element of 's'",
        5,
    ),
    "a place that steps back and forth": (
        """__shared__ float s[64]; s[t] = x[t]; s[t + 32] = x[t + 32] + b; __syncthreads();
        if (t == 0) for (int i = 1; i < 63; i++)
        s[i] = s[i * 7 % 64] + s[i / 2] + x[i]; __syncthreads();
        y[t + 32 * b] = s[t] + s[t + 32];""",
        "as an earlier one left it",
        5,
    ),
}


@pytest.mark.parametrize("name", MIXED)
def test_what_is_not_understood_stays_in_a_block_of_its_own(name: str) -> None:
    text, reason, line = MIXED[name]
    text = "int t = threadIdx.x, b = blockIdx.x;\n" + text
    known = kernel(text, *GIVEN, out("y", N), grid=(2,), block=(32,))
    form, flat, result = run_both(known, *GIVEN)
    assert form.rung == "mixed", (form.rung, form.reason)
    assert reason in form.reason
    assert form.span is not None and form.span.line == line
    np.testing.assert_array_equal(result, flat)
    assert str(form.mod).count("T.sblock(") > 2
    spread = run_module(scheduled(form.mod), arrays_for(known, GIVEN)).arrays[-1]
    np.testing.assert_array_equal(spread.reshape(-1), flat)


def test_long_chains_of_stores_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each round of the loop needs what the last store of the round before left, and so on."""
    steps = 12
    lines = [
        f"t{i} = make_float2(fmaxf(a[0].x, x[s * {steps} + {i}]) * x[{i}], "
        f"a[0].y + x[{i}] * a[0].x); a[0] = t{i};"
        for i in range(steps)
    ]
    names = ", ".join(f"t{i}" for i in range(steps))
    text = (
        "float2 a[2]; a[0] = make_float2(0.0f, 0.0f);\n"
        f"for (int s = 0; s < 2; s++) {{ float2 {names};\n" + "\n".join(lines) + "}\n"
        "y[threadIdx.x] = a[0].x + a[0].y;"
    )
    x = random(2 * steps)
    known = kernel(text, ("x", x), out("y", 4), block=(4,))
    found, flat, source = run_both(known, ("x", x), out("y", 4))
    assert found.rung == "blocks"
    np.testing.assert_allclose(flat, source, rtol=1e-5)
    monkeypatch.setattr("xpiler_tvm.frontends.raising.dataflow.MOST_NESTED", 2 * steps - 4)
    refused, flat, source = run_both(known, ("x", x), out("y", 4))
    assert refused.rung == "mixed" and refused.reason == "too many stores need one another"
    np.testing.assert_allclose(flat, source, rtol=1e-5)
