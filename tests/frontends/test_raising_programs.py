"""The passes over programs: each makes a loop or an expression plainer, and computes the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from xpiler_tvm import frontends
from xpiler_tvm.emulation import run_module
from xpiler_tvm.frontends.program import Program, to_module
from xpiler_tvm.frontends.raising.branches import join_branches
from xpiler_tvm.frontends.raising.cycles import close_cycles
from xpiler_tvm.frontends.raising.guards import put_guards
from xpiler_tvm.frontends.raising.roll import roll

from .support import Given, arrays_for, kernel, out, random

N = 96
X = random(N)
GIVEN: tuple[Given, ...] = (("x", X),)
T = "int t = threadIdx.x, b = blockIdx.x;\n"

Pass = Callable[[Program], Program]

# pass, text of two blocks of 48 threads, what its form has, what it has not
PASSES: dict[str, tuple[Pass, str, str, str]] = {
    "a guard that leaves one block": (
        put_guards, "if (b < 1) { y[t + 48 * b] = 1; y[t + 48 - b] = x[t * (b + 1)]; }",
        "x[tx]", "bx * tx"),
    "the other side of a guard": (
        put_guards, "if (b == 0) y[t] = x[t]; else y[48 * b + t] = x[t * b];", "x[tx]", "x[bx"),
    "a guard that leaves two": (
        put_guards, "if (t < 2) y[b * 2 + t] = x[t * t]; y[b * 48 + t + (t < 2) * 4] = 1;",
        "x[tx * tx]", "x[0]"),
    "a loop of one round": (
        put_guards, "for (int i = 0; i < 1; i++) y[b * 48 + t + i] = x[t * (i + 1)];",
        "x[tx]", "range(1)"),
    "a choice of the old value": (
        put_guards, "float s = 0; s = t < 9 ? x[t] : s; y[b * 48 + t] = s;",
        "if tx < 9", "then_else"),
    "components": (
        roll, "for (int i = t; i < 48; i += 48) { y[b * 48 + i] = 0; } if (t < 24) {"
        "y[b * 48 + t * 2] = x[t * 2]; y[b * 48 + t * 2 + 1] = x[t * 2 + 1]; }",
        "in range(2)", "+ 1]"),
    "steps of two stores": (
        roll, "float s[4], u[4]; s[0] = x[t]; u[0] = x[t + 4]; s[1] = x[t + 1]; u[1] = x[t + 5];"
        "s[2] = x[t + 2]; u[2] = x[t + 6]; s[3] = x[t + 3]; u[3] = x[t + 7];"
        "y[b * 48 + t] = s[b] + u[t % 4];", "u[j] = x[tx + 4 + j]", "x[tx + 7]"),
    "a sum in four terms": (
        roll, "float s = 0; s += x[t]; s += x[t + 3]; s += x[t + 6]; s += x[t + 9];"
        "y[b * 48 + t] = s;", "x[tx + j * 3]", "x[tx + 9]"),
    "steps that are not equal": (
        roll, "float s[3]; s[0] = x[t]; s[1] = x[t + 1]; s[2] = x[t + 3]; y[b * 48 + t] = s[b];",
        "x[tx + 3]", "j * 3"),
    "two updates of one element": (
        roll, "float s = 0; s += x[t]; s += x[t + 7]; y[b * 48 + t] = s;", "x[tx + 7]", "for j"),
    "both sides of a branch": (
        join_branches, "if (x[t] > 0) y[b * 48 + t] = x[t]; else y[b * 48 + t] = -x[t];",
        "then_else", "else:"),
    "sides that store elsewhere": (
        join_branches, "y[b * 48 + t] = 0;\nif (x[t] > 0) y[b * 48 + t] = x[t];",
        "if ", "then_else"),
    "a toggle": (
        close_cycles, "float s[2] = {1, 2}; int at = 0;"
        "for (int i = 0; i < 70; i++) { s[at] += x[t]; at = 1 - at; } y[b * 48 + t] = s[at];",
        "s[i % 2] =", "1 - at"),
    "turns of three": (
        close_cycles, "float s[3] = {1, 2, 3}; int at = 1;"
        "for (int i = 0; i < 70; i++) { s[at] += x[t]; at = (at + 1) % 3; } y[b * 48 + t] = s[at];",
        "% 3", "1 - at"),
    "a toggle that data stops": (
        close_cycles, "float s[2] = {1, 2}; int at = 0; for (int i = 0; i < 70; i++) {"
        "s[at] += x[t]; if (x[i] > 0) at = 1 - at; } y[b * 48 + t] = s[at];", "1 - at", "% 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", PASSES)
def test_a_pass(name: str) -> None:
    change, text, wanted, unwanted = PASSES[name]
    known = kernel(T + text, *GIVEN, out("y", N + 8), grid=(2,), block=(48,))
    program = frontends.read(known).program
    changed = change(program)
    arrays = arrays_for(known, GIVEN)
    before, after = (run_module(to_module(p), arrays).arrays[-1] for p in (program, changed))
    np.testing.assert_array_equal(before, after)
    script = str(to_module(changed).script())
    assert wanted in script and unwanted not in script, script
