"""Divisions by what a loop leaves as it is: how exact their results are, and which they are."""

from __future__ import annotations

import numpy as np
import pytest
import tvm

from xpiler_tvm.codegen.vector_math import vectorisable

ROWS, COLUMNS = 12, 64


def program(value: str) -> tvm.IRModule:
    text = f"""
@T.prim_func
def main(
    x: T.Buffer(({ROWS}, {COLUMNS}), "float32"),
    s: T.Buffer(({ROWS},), "float32"),
    y: T.Buffer(({ROWS}, {COLUMNS}), "float32"),
):
    for i in range({ROWS}):
        for j in range({COLUMNS}):
            y[i, j] = {value}
"""
    return tvm.IRModule({"main": tvm.script.from_source(text).with_attr("global_symbol", "main")})


def test_every_divisor() -> None:
    divisors = [1, -3, 7e-5, 1e-38, 1e-42, 3e38, 2.0**126, 0, -0.0, np.inf, -np.inf, np.nan]
    s = np.array(divisors, "float32")
    x = np.random.default_rng(0).standard_normal((ROWS, COLUMNS)).astype("float32")
    x[:, :4] = [0, np.inf, np.nan, 1e-44]
    library = tvm.compile(vectorisable(program("x[i, j] / s[i]")), target="llvm")
    result = tvm.runtime.tensor(np.zeros_like(x))
    library["main"](*map(tvm.runtime.tensor, (x, s)), result)
    with np.errstate(all="ignore"):
        exact = (x.astype("float64") / s.astype("float64")[:, None]).astype("float32")
    np.testing.assert_array_max_ulp(result.numpy(), exact, 1)
    np.testing.assert_array_equal(result.numpy()[3:], exact[3:])


@pytest.mark.parametrize(
    "value, changed",
    [
        ("x[i, j] / s[i]", True),
        ("T.exp(x[i, j]) / (s[i] + T.float32(1)) + x[i, j] / s[i]", True),
        ("s[i] / x[i, j]", False),
        ("x[i, j] / T.float32(9)", False),
        ("x[i, j] / y[i, 0]", False),
        ("T.if_then_else(i > 0, x[i, j] / s[i - 1], T.float32(0))", False),
    ],
)
def test_which_become_products(value: str, changed: bool) -> None:
    assert ("T.float32(1.0) /" in vectorisable(program(value)).script()) == changed
