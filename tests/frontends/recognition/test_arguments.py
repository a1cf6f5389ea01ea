"""argmax and argmin, and places that are none."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relax

from ..support import out
from .support import difference, given, names, raised, recognised

ROWS, COLUMNS = 6, 10


def row(start: str, test: str, then: str = "m = v; k = c;", end: str = "y[r] = k;") -> tvm.IRModule:
    """A kernel with a thread for each row of x that keeps a place k."""
    text = f"int r = threadIdx.x; {start} for (int c = 0; c < {COLUMNS}; c++) {{"
    text += f" float v = x[r * {COLUMNS} + c]; if ({test}) {{ {then} }} }} {end}"
    return raised(text, given("x", ROWS * COLUMNS), out("y", ROWS, dtype="int32"), block=ROWS)


GREATEST = "float m = -INFINITY; int k = 0;"


@pytest.mark.parametrize(
    ("start", "test", "name"),
    [
        (GREATEST, "v > m", "argmax"),
        ("float m = INFINITY; int k = 0;", "v < m", "argmin"),
        (GREATEST, "v > m || (v == m && c < k)", "argmax"),
        ("float m = -1e30f; int k = 0;", "v > m", "argmax"),
    ],
)
def test_names(start: str, test: str, name: str) -> None:
    mod = row(start, test)
    found = recognised(mod)
    assert names(found) == [name]
    assert found.operators[0].attributes == {"axis": 1, "keepdims": False}
    assert difference(mod, found) == 0


def test_places_in_steps_from_somewhere() -> None:
    mod = row(GREATEST, "v > m", "m = v; k = 100 + 3 * c;")
    found = recognised(mod)
    assert names(found) == ["argmax", "multiply", "add"]
    assert difference(mod, found) == 0


def test_of_a_plane() -> None:
    text = """int r = threadIdx.x; float m = -INFINITY; int k = 0;
    for (int i = 0; i < 4; i++) for (int j = 0; j < 5; j++)
        if (x[r * 20 + i * 5 + j] > m) { m = x[r * 20 + i * 5 + j]; k = i * 5 + j; }
    y[r] = k;"""
    found = recognised(raised(text, given("x", 60), out("y", 3, dtype="int32"), block=3))
    assert names(found) == ["argmax"]


@pytest.mark.parametrize(
    ("start", "test"),
    [(GREATEST, "v >= m"), ("float m = 0; int k = 0;", "v > m")],
    ids=["the last of equal ones", "from a number"],
)
def test_what_is_none(start: str, test: str) -> None:
    mod = row(start, test)
    found = recognised(mod)
    assert not {"argmax", "argmin"} & set(names(found))
    assert difference(mod, found) == 0


def test_tvm_takes_the_first_of_equal_ones() -> None:
    """TVM's own implementation, which evidence has in other words, see `lowering`."""
    mod = recognised(row(GREATEST, "v > m")).mod
    machine = relax.VirtualMachine(tvm.compile(mod, target="llvm"), tvm.cpu())
    x = np.random.default_rng(0).integers(0, 3, (ROWS, COLUMNS)).astype("float32")
    shape = mod["main"].params[0].ty.shape
    result = machine["main"](tvm.runtime.tensor(x.reshape([int(n) for n in shape])))
    np.testing.assert_array_equal(result.numpy().ravel(), x.argmax(axis=1))
