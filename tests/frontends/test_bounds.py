"""Accesses: proved to lie in their arrays, watched in a run, or refused with their place."""

from __future__ import annotations

import numpy as np
import pytest

import xpiler_tvm as xt
from xpiler_tvm import frontends
from xpiler_tvm.frontends import reading

from .support import Given, kernel, out, random

X = random(64)
P = random(64, seed=3, dtype="int32")
T = "int t = blockIdx.x * 16 + threadIdx.x;\n"


def of(text: str, *more: Given) -> reading.Reading:
    given = (("x", X), ("p", P), *more, out("y", 64))
    return frontends.read(kernel(T + text, *given, grid=(4,), block=(16,)))


# text; arrays of the accesses that are not proved, each of which is watched in a run
SITES: dict[str, tuple[str, list[str]]] = {
    "by thread": ("y[t] = x[t];", []),
    "under a guard": ("if (t + 1 < 64) y[t] = x[t + 1];", []),
    "clamped": ("y[t] = x[max(0, min(t - 5, 63))];", []),
    "in a ternary": ("y[t] = t > 0 ? x[t - 1] : 0.0f;", []),
    "behind and": ("y[t] = t > 0 && x[t - 1] > 0;", []),
    "behind or": ("y[t] = t == 0 || x[t - 1] > 0;", []),
    "in a triangle": ("float s = 0; for (int j = 0; j <= t; j++) s += x[j]; y[t] = s;", []),
    "modulo": ("y[t] = x[(t * 7 + 3) % 64];", []),
    "masked data": ("y[t] = x[p[t] & 63];", []),
    "a remainder and an offset": ("y[t] = x[p[t] % 64 * 0 + t] + x[(p[t] % 64 + 64) / 2];", []),
    "a walk by data": (
        "int j = t; y[t] = 0; while (j > 0) { y[t] += x[j]; j = j - 1 - (p[j] & 1); }",
        ["x", "p"],
    ),
    "a search that a test ends": (
        "int j = t; while (j > 0 && x[j - 1] > x[t]) j = j - 1 - (p[j] & 0); y[t] = j;",
        ["x", "x", "p"],
    ),
}


@pytest.mark.parametrize("name", SITES)
def test_sites(name: str) -> None:
    text, sites = SITES[name]
    found = of(text)
    assert [site.name for site in found.sites] == sites
    assert found.proved >= 1


WATCHED = "int j = t * t; while (j > 63) j = j / 2 - p[0] / 1000;\ny[t] = x[j];"


def test_what_is_not_proved_is_watched() -> None:
    found = of(WATCHED)
    (site,) = found.sites
    assert (site.name, site.extent) == ("x", 64)
    assert (site.span.line, site.span.column) == (4, 8)
    lifted = xt.lift(found.kernel)
    check = next(check for check in lifted.evidence if check.name == "accesses in bounds")
    assert check.verdict == "tested" and "1 watched in a run" in check.detail


def test_all_proved_is_said() -> None:
    lifted = xt.lift(of("y[t] = x[t];").kernel)
    check = next(check for check in lifted.evidence if check.name == "accesses in bounds")
    assert check.verdict == "proved" and check.detail.endswith("accesses, for every thread")


# text after the line of t; code; line and column; array
OUTSIDE: dict[str, tuple[str, tuple[int, int], str]] = {
    "read behind the end": ("y[t] = 1;\n  y[t] = x[t + 1];", (4, 10), "'x', which has 64"),
    "written before the start": ("y[t] = 1;\ny[t - 1] = 2;", (4, 1), "'y', which has 64"),
    "a guard off by one": ("if (t <= 60)\n  y[t + 4] = x[t];", (4, 3), "'y', which has 64"),
    "shared memory": (
        "__shared__ float s[15];\ns[threadIdx.x] = x[t]; y[t] = s[0];",
        (4, 1),
        "'s', which has 15",
    ),
    "a local array": ("float v[3] = {1, 2, 3};\ny[t] = v[t % 4];", (4, 8), "'v', which has 3"),
    "by a run-time loop": (
        "int j = t; while (j < 64 + p[0] * 0) j = j * 2 + 1;\ny[t] = x[j];",
        (4, 8),
        "'x', which has 64",
    ),
    "by the test of a loop": (
        "int j = t;\nwhile (j < 64 ? x[j] > -1e9f : x[j] > 2e9f) j += 1 + (p[t] & 0); y[t] = j;",
        (4, 32),
        "'x', which has 64",
    ),
    "by a test behind and": (
        "int j = t;\nwhile (j >= 0 && x[j] > -1e9f) j += 1 + (p[t] & 0); y[t] = j;",
        (4, 18),
        "'x', which has 64",
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_outside(name: str) -> None:
    text, place, words = OUTSIDE[name]
    given: tuple[Given, ...] = (("x", X), ("p", P), out("y", 64))
    with pytest.raises(xt.LiftError) as refusal:
        xt.lift(kernel(T + text, *given, grid=(4,), block=(16,)))
    error = refusal.value
    assert error.code == "XP2006"
    assert words in error.message
    assert error.span is not None
    assert (error.span.line, error.span.column) == place


def test_indices_that_are_trusted() -> None:
    """An index that comes from an input as it is bounds that input, and that is said."""
    found = of("y[t] = x[p[t]];")
    assert found.value_ranges == {"p": (0, 63)}
    lifted = xt.lift(found.kernel)
    assert "elements of 'p' lie between 0 and 63" in lifted.assumptions
    assert len(lifted.trials) > 1
    for trial in lifted.trials:
        assert trial.inputs["p"].min() >= 0 and trial.inputs["p"].max() <= 63
        np.testing.assert_array_equal(
            trial.outputs["y"], trial.inputs["x"].ravel()[trial.inputs["p"].ravel()]
        )


def test_trusted_indices_with_an_offset() -> None:
    found = of("y[t] = x[p[t] * 2 + 1];")
    assert found.value_ranges == {"p": (0, 31)}
    assert of("y[t] = x[p[t] << 2];").value_ranges == {"p": (0, 15)}


def test_a_run_notes_the_first_fault() -> None:
    """The watched program goes on with the nearest element, and says where it went wrong."""
    from xpiler_tvm.emulation import run_module
    from xpiler_tvm.frontends.program import to_module

    known = of("int j = t; while (j < 64 + p[0] * 0) j = j * 2 + 1;\ny[t] = x[j];").kernel
    program, sites = reading.watched(known)
    fault = np.zeros(2, np.int64)
    run = run_module(to_module(program), [X, P * 0, np.zeros(64, np.float32), fault])
    number, index = run.arrays[-1]
    assert sites[number - 1].name == "x"
    assert index > 63
    np.testing.assert_array_equal(run.arrays[-2], np.full(64, X[63]))


# text; what the elements of `p` are taken to lie between
TRUSTED: dict[str, tuple[str, dict[str, tuple[int, int]]]] = {
    "beside a mark": ("if (p[t] == -100) y[t] = 0; else y[t] = x[p[t]];", {"p": (0, 63)}),
    "tested from below": ("y[t] = 0; if (p[t] >= 0) y[t] = x[p[t]];", {"p": (-63, 63)}),
    "tested from above": ("if (p[t] < 64) y[t] = x[p[t]]; else y[t] = 0;", {"p": (0, 126)}),
    "tested": ("if (p[t] < 0 || p[t] > 63) y[t] = 0; else y[t] = x[p[t]];", {}),
    "tested in another way": ("y[t] = (unsigned)p[t] < 64 ? x[p[t]] : 0.0f;", {}),
    "an unsigned product": ("y[t] = x[(size_t)p[t] * 8 + t % 8];", {"p": (0, 7)}),
    "an unsigned product moves a pointer": (
        "int row = p[t]; const float* line = x + (size_t)row * 8; y[t] = line[t % 8];",
        {"p": (0, 7)},
    ),
    "a sum in a variable": (
        "long long from = (long long)(t / 32) * 4 + p[t % 16]; y[t] = x[from * 8 + t % 8];",
        {"p": (0, 3)},
    ),
    "ends of rows": (
        "float s = 0; for (int k = p[t]; k < p[(t + 1) % 64]; k++) s += x[k]; y[t] = s;",
        {"p": (0, 63)},
    ),
    "a row's own start": (
        "float s = 0; for (int k = p[t] + t; k < p[63 - t]; k += 2) s += x[k]; y[t] = s;",
        {"p": (0, 64)},
    ),
    "indices of a bag": (
        "float s = 0; int k = p[t]; while (k < p[63 - t]) { s += x[p[k] * 2]; k++; } y[t] = s;",
        {"p": (0, 31)},
    ),
    "a row of a guarded number": (
        "int r = blockIdx.x * 4 + threadIdx.x; if (r < 14) y[r] = x[r * 4 + p[r]];",
        {"p": (0, 11)},
    ),
}


@pytest.mark.parametrize("name", TRUSTED)
def test_what_elements_are_trusted_to_be(name: str) -> None:
    text, ranges = TRUSTED[name]
    assert of(text).value_ranges == ranges


def test_rows_whose_ends_are_in_memory_are_lifted() -> None:
    text = "float s = 0; for (int k = p[t]; k < p[(t + 1) % 64]; k++) s += x[k]; y[t] = s;"
    assert xt.lift(of(text).kernel).rung == "blocks"
