"""What loops carry from one iteration to the next: ordered blocks, and reductions in disguise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm_ffi
from tvm import s_tir

from xpiler_tvm.frontends.raising import Raised

from .support import Given, kernel, out, random, run_both
from .test_raising_forms import shapes

THREADS, STEPS = 16, 19
X = random(256)
T = "int t = threadIdx.x;\n"


def raised(text: str, *more: Given, steps: int = STEPS) -> Raised:
    """The raised form of a kernel of 16 threads, which computes what the flat one does."""
    given: tuple[Given, ...] = (("x", X), ("n", steps), *more)
    known = kernel(T + text, *given, out("y", 4 * THREADS), block=(THREADS,))
    form, flat, result = run_both(known, *given)
    np.testing.assert_allclose(result, flat, rtol=1e-5, atol=1e-6)
    return form


def ordered(form: Raised) -> list[str]:
    """The blocks whose inside is a loop of steps."""
    found: list[str] = []

    def visit(block: Any) -> None:
        if block.name_hint != "root" and block.alloc_buffers:
            found.append(block.name_hint)

    tvm_ffi.structural_walk(form.mod["main"].body, [(s_tir.SBlock, visit)], order="pre")
    return found


STAYS = {
    "a prefix sum": "float s = 0; for (int i = 0; i < n; i++) { s += x[t + i];"
    " if (i < 4) y[t * 4 + i] = s; }",
    "an exclusive one": "float s = 0; for (int i = 0; i < n; i++) { if (i < 4) y[t * 4 + i] = s;"
    " s += x[t + i]; }",
    "of second order": "if (t == 0) { y[0] = y[1] = x[0];"
    " for (int i = 2; i < 64; i++) y[i] = y[i - 1] * x[i] + y[i - 2]; }",
    "two loops deep": "float s = 0; for (int i = 0; i < n; i++) for (int j = 0; j < 3; j++)"
    " s = s * 0.5f + x[t + i] * j; y[t] = s;",
    "with a step between": "float s = 0; for (int i = 0; i < n; i++) { s *= 0.5f;"
    " for (int j = 0; j < 3; j++) s += x[t + i + j]; } y[t] = s;",
    "started again": "for (int i = 0; i < 4; i++) { float s = 0; for (int j = 0; j < n; j++)"
    " s = s * 0.5f + x[t + j]; y[t * 4 + i] = s * i; }",
    "of an array": "float s[4]; for (int k = 0; k < 4; k++) s[k] = x[t + k];"
    " for (int i = 0; i < n; i++) for (int k = 0; k < 4; k++)"
    " s[k] = s[k] * 0.9f + x[t + k + i]; for (int k = 0; k < 4; k++) y[t * 4 + k] = s[k];",
    "of an array in place": "float s[8]; for (int k = 0; k < 8; k++) s[k] = x[t + k];"
    " for (int i = 0; i < n; i++) for (int k = 1; k < 8; k++) s[k] = s[k] * 0.5f + s[k - 1];"
    " for (int k = 0; k < 4; k++) y[t * 4 + k] = s[2 * k];",
    "across threads": "__shared__ float u[18]; u[t + 1] = x[t]; if (t == 0) u[0] = u[17] = 0;"
    " __syncthreads(); for (int i = 0; i < n; i++) { float v = u[t] + u[t + 2] - u[t + 1];"
    " __syncthreads(); u[t + 1] = v * 0.3f; __syncthreads(); } y[t] = u[t + 1];",
    "a carry between tiles": "__shared__ float c; if (t == 0) c = 0; __syncthreads();"
    " for (int i = 0; i < 4; i++) { y[i * 16 + t] = x[i * 16 + t] + c; __syncthreads();"
    " if (t == 0) c += x[i * 16 + 15]; __syncthreads(); }",
    "of moments": "float c = 0, m = 0, v = 0; for (int i = 0; i < n; i++) { c += 1;"
    " float d = x[t + i] - m; m += d / c; v += d * (x[t + i] - m); } y[t] = v / c + m;",
    "under a guard": "float s = 0; for (int i = 0; i < n; i++) if (i < t) s = s * 0.5f + x[t + i];"
    " y[t] = s;",
    "that ends early": "float s = 0; for (int i = 0; i < n; i++) { if (x[t + i] > 0.9f) break;"
    " s += x[t + i]; } y[t] = s;",
    "of the two greatest": "float a = -9, b = -9; for (int i = 0; i < n; i++) { float v = x[t + i];"
    " if (v > a) { b = a; a = v; } else if (v > b) b = v; } y[t] = a * 3 + b;",
}  # fmt: skip


@pytest.mark.parametrize("name", STAYS)
def test_stays_ordered(name: str) -> None:
    form = raised(STAYS[name])
    assert form.rung == "blocks", form.reason
    assert ordered(form)


def test_a_short_one_is_written_out() -> None:
    text = "float p = 0; for (int k = 0; k < 5; k++) p = p * x[t] + x[100 + k]; y[t] = p;"
    form = raised(text)
    assert form.rung == "blocks" and not ordered(form)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_few_steps(steps: int) -> None:
    for name in ("a prefix sum", "two loops deep", "of moments"):
        assert raised(STAYS[name], steps=steps).rung == "blocks", name


def test_outer_axes_are_free() -> None:
    """The axes around the steps are split, and run beside each other, like any block's."""
    given = (("x", X), ("n", STEPS))
    known = kernel(T + STAYS["two loops deep"], *given, out("y", 64), block=(THREADS,))
    form, flat, _ = run_both(known, *given)
    (name,) = ordered(form)
    sch = s_tir.Schedule(form.mod)
    (loop,) = sch.get_loops(sch.get_sblock(name))
    outer, inner = sch.split(loop, [None, 4])
    sch.bind(outer, "blockIdx.x")
    sch.bind(inner, "threadIdx.x")
    assert flat.size == 64


EACH, ROW, POINT = ([THREADS, STEPS], []), ([THREADS], [STEPS]), ([THREADS], [])
BEST = "float b = -1e30f; int k = -1; for (int i = 0; i < n; i++) "
ROUND = "float v = roundf(x[t + i] * 3); "
M = "float m = -INFINITY, d = 0; for (int i = 0; i < n; i++) { "

# text; the blocks
FOLDED = {
    "a lesser one chosen": (
        "float m = x[t + 30]; for (int i = 0; i < n; i++) m = m < x[t + i] ? m : x[t + i];"
        " y[t] = m;",
        [ROW, POINT],
    ),
    "a greater one stored": (
        "float m = 0; for (int i = 0; i < n; i++) if (fabsf(x[t + i]) > m) m = fabsf(x[t + i]);"
        " y[t] = m;",
        [ROW, POINT],
    ),
    "whether any": (
        "bool f = false; for (int i = 0; i < n; i++) f = f || x[t + i] > 0.8f; y[t] = f;",
        [ROW, POINT],
    ),
    "whether all": (
        "bool f = true; for (int i = 0; i < n; i++) f = f && x[t + i] > -0.9f; y[t] = f;",
        [ROW, POINT],
    ),
    "the last that fits": (
        "float m = 5; for (int i = 0; i < n; i++) if (x[t + i] > 0.2f) m = x[t + i]; y[t] = m;",
        [ROW, POINT],
    ),
    "the first greatest": (
        BEST + "{" + ROUND + "if (v > b) { b = v; k = i; } } y[t] = k;",
        [EACH, ROW, ROW, POINT],
    ),
    "the last greatest": (
        BEST + "{" + ROUND + "if (v >= b) { b = v; k = i; } } y[t] = k;",
        [EACH, ROW, ROW, POINT],
    ),
    "the first greatest, kept otherwise": (
        BEST + "{" + ROUND + "k = b >= v ? k : i; b = fmaxf(b, v); } y[t] = k;",
        [EACH, ROW, ROW, POINT],
    ),
    "the last greatest, kept otherwise": (
        BEST + "{" + ROUND + "k = b > v ? k : i; b = fmaxf(b, v); } y[t] = k;",
        [EACH, ROW, ROW, POINT],
    ),
    "the greatest under a guard": (
        BEST + "{" + ROUND + "if (i < t && v > b) { b = v; k = i; } } y[t] = k;",
        [EACH, ROW, ROW, POINT],
    ),
    "what comes with the least": (
        "float b = 1e30f, k = -1; for (int i = 0; i < n; i++)"
        " if (x[t + i] < b) { b = x[t + i]; k = x[t + 2 * i]; } y[t] = k;",
        [ROW, ROW, POINT],
    ),
    "online softmax": (
        M + "float o = fmaxf(m, x[t + i]); d = d * expf(m - o) + expf(x[t + i] - o); m = o; }"
        " y[t] = m + logf(d);",
        [ROW, ROW, POINT],
    ),
    "online softmax in branches": (
        M + "float v = x[t + i]; if (v > m) { d = d * expf(m - v) + 1; m = v; }"
        " else d += expf(v - m); } y[t] = m + logf(d);",
        [ROW, ROW, POINT],
    ),
    "with weights and another base": (
        M + "float o = fmaxf(m, x[t + i]); d = d * exp2f((m - o) * 0.5f)"
        " + exp2f((x[t + i] - o) * 0.5f) * x[t + 2 * i]; m = o; } y[t] = d;",
        [ROW, ROW],
    ),
    "from a first element": (
        "float m = x[t], d = 1; for (int i = 1; i <= n; i++) { float o = fmaxf(m, x[t + i]);"
        " d = d * expf(m - o) + expf(x[t + i] - o); m = o; } y[t] = m + logf(d);",
        None,
    ),
    "in tiles": (
        "float m = -INFINITY, d = 0; for (int i = 0; i < n; i++) { float o = -INFINITY;"
        " for (int j = 0; j < 4; j++) o = fmaxf(o, x[t + 4 * i + j]); o = fmaxf(m, o);"
        " d *= expf(m - o); for (int j = 0; j < 4; j++) d += expf(x[t + 4 * i + j] - o); m = o; }"
        " y[t] = m + logf(d);",
        None,
    ),
    "in tiles, some of them masked": (
        "float m = -INFINITY, d = 0; for (int i = 0; i < n; i++) { float o = -INFINITY;"
        " for (int j = 0; j < 4; j++)"
        " o = fmaxf(o, 4 * i + j <= t ? x[t + 4 * i + j] : -INFINITY);"
        " if (o != -INFINITY) { o = fmaxf(m, o); d *= expf(m - o); for (int j = 0; j < 4; j++)"
        " d += expf((4 * i + j <= t ? x[t + 4 * i + j] : -INFINITY) - o); m = o; } }"
        " y[t] = m + logf(d);",
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDED)
def test_folds(name: str) -> None:
    text, blocks = FOLDED[name]
    form = raised(text)
    assert form.rung == "blocks", form.reason
    assert not ordered(form)
    assert blocks is None or shapes(form.mod) == blocks
    if "softmax" in name:
        assert any("rescaled" in one for one in form.assumptions)


MISSES = {
    "the maximum is updated before its use": BEST
    + "{" + ROUND + "b = fmaxf(b, v); if (v >= b) k = i; } y[t] = k;",
    "greater by a margin": BEST + "{" + ROUND + "if (v > b + 0.1f) k = i; b = fmaxf(b, v); }"
    " y[t] = k;",
    "another value is kept": BEST
    + "{ if (x[t + i] > b) { b = x[t + i] * 0.5f; k = i; } } y[t] = k + b;",
    "rescaled by another maximum": "float m = -9, q = -9, d = 0; for (int i = 0; i < n; i++) {"
    " float o = fmaxf(m, x[t + i]), r = fmaxf(q, x[t + i + 1]);"
    " d = d * expf(q - r) + expf(x[t + i] - o); m = o; q = r; } y[t] = m + logf(d);",
    "rescaled at another scale": M + "float o = fmaxf(m, x[t + i]);"
    " d = d * expf((m - o) * 0.5f) + expf(x[t + i] - o); m = o; } y[t] = m + logf(d);",
    "not rescaled": M + "float o = fmaxf(m, x[t + i]); d = d * 0.9f + expf(x[t + i] - o); m = o; }"
    " y[t] = m + logf(d);",
    "over the maximum before": "float m = -9, d = 0; for (int i = 0; i < n; i++) {"
    " float o = fmaxf(m, x[t + i]); d = d * expf(m - o) + expf(x[t + i] - m); m = o; }"
    " y[t] = m + d * 1e-3f;",
    "it ends early": BEST + "{ if (x[t + i] > 0.9f) break; if (x[t + i] > b) { b = x[t + i]; k = i;"
    " } } y[t] = k;",
}  # fmt: skip


@pytest.mark.parametrize("name", MISSES)
def test_does_not_fold(name: str) -> None:
    form = raised(MISSES[name])
    assert form.rung == "blocks", form.reason
    assert ordered(form)


# text; rung; part of the reason
REFUSED = {
    "an element of some earlier iteration": (
        "if (t == 0) { y[0] = x[0]; for (int i = 1; i < 64; i++) y[i] = y[i / 2] * x[i]; }",
        "mixed",
        "as an earlier one left it",
    ),
    "an index that the loop computes": (
        "float s[8]; for (int k = 0; k < 8; k++) s[k] = 0; int j = 0;"
        " for (int i = 0; i < n; i++) { s[j] += x[t + i]; if (x[t + i] > 0) j = (j + 1) % 8; }"
        " y[t] = s[0];",
        "opaque",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, rung, reason = REFUSED[name]
    form = raised(text)
    assert form.rung == rung
    assert reason in form.reason
    assert form.span is not None and form.span.line >= 3


def test_what_a_loop_leaves_is_not_its_last_store() -> None:
    """An element that an earlier store of the loop's body writes in a later iteration."""
    text = (
        "float s[8]; for (int j = 0; j < 8; j++) { s[7 - j] = x[t + j]; s[j] = 2 * x[t + 20 + j]; }"
        " y[t] = s[2];"
    )
    assert raised(text).rung == "blocks"
