"""Stores at indices from memory: in order where they may meet, spatial where they cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import Tensor
from xpiler_tvm.frontends.raising.scatter import affine, apart

from .support import Given, kernel, out, random, run_both

ROWS, COLUMNS = 12, 20
PLACES = np.array([3, 0, 7, 3, 9, 11, 0, 5, 3, 8, 1, 2], "int32")  # some more than once
X = random(ROWS * COLUMNS)
GIVEN: tuple[Given, ...] = (("x", X), ("p", PLACES))


def spatial_extents(mod: tvm.IRModule) -> list[list[int]]:
    found: list[list[int]] = []

    def visit(block: Any) -> None:
        if block.name_hint != "root":
            kinds = {axis.iter_type for axis in block.iter_vars}
            assert kinds <= {tirx.IterVar.DataPar}
            found.append([int(axis.dom.extent) for axis in block.iter_vars])

    tvm_ffi.structural_walk(mod["main"].body, [(s_tir.SBlock, visit)], order="pre")
    return found


# text of one thread; the spatial extents of the scatter's block
SCATTERS: dict[str, tuple[str, list[int]]] = {
    "rows": ("for (int r = 0; r < 12; r++) for (int c = 0; c < 20; c++)"
             " y[p[r] * 20 + c] = x[r * 20 + c];", [20]),
    "rows, added": ("for (int r = 0; r < 12; r++) for (int c = 0; c < 20; c++)"
                    " y[p[r] * 20 + c] += x[r * 20 + c];", [20]),
    "rows in parts": ("for (int r = 0; r < 12; r++) for (int b = 0; b < 3; b++)"
                      " for (int t = 0; t < 8; t++) if (b * 8 + t < 20)"
                      " y[p[r] * 20 + b * 8 + t] = x[r * 20 + b * 8 + t];", [20]),
    "rows that overlap": ("for (int r = 0; r < 12; r++) for (int c = 0; c < 20; c++)"
                          " y[p[r] * 19 + c] = x[r * 20 + c];", []),
    "elements": ("for (int r = 0; r < 12; r++) y[p[r]] = x[r];", []),
    "counts": ("for (int r = 0; r < 12; r++) y[p[r]] += 1;", []),
    "columns": ("for (int r = 0; r < 12; r++) for (int c = 0; c < 20; c++)"
                " y[r * 20 + p[c % 12]] = x[r * 20 + c];", []),
    "some of the rows": ("for (int r = 0; r < 12; r++) if (p[r] > 2) for (int c = 0; c < 20; c++)"
                         " y[(p[r] - 3) * 20 + c] += x[r * 20 + c];", [20]),
}  # fmt: skip


@pytest.mark.parametrize("name", SCATTERS)
def test_a_scatter_keeps_its_order(name: str) -> None:
    text, extents = SCATTERS[name]
    y = Tensor("y", (ROWS * COLUMNS,), "float32", "inout")
    given = (*GIVEN, ("y", np.zeros(ROWS * COLUMNS, "float32")))
    known = kernel(text, *GIVEN, y)
    form, flat, result = run_both(known, *given)
    assert form.rung == "blocks", form.reason
    np.testing.assert_array_equal(result, flat)
    assert np.count_nonzero(flat)
    assert spatial_extents(form.mod) == [extents]


# text; part of the reason; line
REFUSED: dict[str, tuple[str, str, int]] = {
    "in turn with another store": (
        "for (int r = 0; r < 24; r++) {\ny[p[r % 12]] = x[r];\ny[r / 2] = 2; }",
        "take turns",
        3,
    ),
    "read between": (
        "for (int r = 0; r < 12; r++) {\ny[p[r]] = x[r] + y[r]; }",
        "index from memory",
        3,
    ),
    "to an array of its own": (
        "float s[12] = {}; for (int r = 0; r < 12; r++)\ns[p[r]] = x[r];\n"
        "for (int r = 0; r < 12; r++) y[r] = s[r];",
        "index from memory",
        3,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, reason, line = REFUSED[name]
    form, flat, result = run_both(kernel(text, *GIVEN, out("y", ROWS)), *GIVEN)
    assert form.rung == "opaque"
    assert reason in form.reason
    assert form.span is not None and form.span.line == line
    np.testing.assert_array_equal(result, flat)


def test_what_is_kept_apart() -> None:
    a, b, c = (tirx.Var(name, "int32") for name in "abc")
    place = tirx.decl_buffer((64,), "int32", "place")
    axes = ((a, 4), (b, 5), (c, 8))
    assert apart(place[a] * 40 + b * 8 + c, axes) == {b, c}
    assert apart(place[a] * 39 + b * 8 + c, axes) == set()
    assert apart(place[a] * 39 + b * 8 + c, axes, [b * 8 + c < 39]) == {b, c}
    assert apart(place[a] * 40 + b * 7 + c, axes) == set()
    assert apart(place[a] * 8 + b * 8 + c, axes) == {c}
    assert apart(a * 40 + b * 8 + c, axes) == {a, b, c}
    wide = tirx.Cast("int64", place[a]) * 40 + tirx.Cast("int64", b * 8 + c - 3)
    terms, constant = affine(wide)
    assert sorted(factor for factor, _ in terms) == [1, 8, 40] and constant == -3
    assert apart(wide, axes) == {b, c}
