"""Tiles transposed in registers: which are, and that they are right, also with axes beside them."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te

from xpiler_tvm import schedules
from xpiler_tvm.codegen.vector_math import vectorisable
from xpiler_tvm.emulation import numpy_dtype, run_module


def transposed(shape: tuple[int, ...], axes: tuple[int, ...], dtype: str) -> tvm.IRModule:
    x = te.placeholder(shape, dtype, "x")

    def element(*at: tvm.tirx.Var) -> tvm.ir.Expr:
        return x[tuple(at[axes.index(axis)] for axis in range(len(shape)))]

    y = te.compute([shape[axis] for axis in axes], element, "y")
    func = te.create_prim_func([x, y]).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": func})


@pytest.mark.parametrize(
    "shape, axes, dtype, exchanged",
    [
        ((64, 96), (1, 0), "float32", True),
        ((40, 24), (1, 0), "int32", True),
        ((16, 32), (1, 0), "float64", True),
        ((3, 32, 16), (0, 2, 1), "float32", True),
        ((32, 5, 16), (2, 1, 0), "float32", True),
        ((64, 64), (1, 0), "float16", False),
        ((37, 50), (1, 0), "float32", False),
    ],
)
def test_transposes(
    shape: tuple[int, ...], axes: tuple[int, ...], dtype: str, exchanged: bool
) -> None:
    scheduled = schedules.apply(transposed(shape, axes, dtype), "vnni")
    assert scheduled.rule == "cpu.transpose"
    lowered = vectorisable(scheduled.mod)
    assert ("Shuffle" in lowered.script()) == exchanged
    given = np.arange(np.prod(shape)).reshape(shape).astype(numpy_dtype(dtype))
    empty = np.zeros([shape[axis] for axis in axes], given.dtype)
    found = run_module(lowered, [given, empty]).arrays[1]
    np.testing.assert_array_equal(found, given.transpose(axes))


def test_what_is_updated_in_place_is_left_alone() -> None:
    text = """
@T.prim_func
def main(x: T.Buffer((8, 8), "float32")):
    for i in range(8):
        for j in range(8):
            x[j, i] = x[i, j]
"""
    func = tvm.script.from_source(text).with_attr("global_symbol", "main")
    assert "Shuffle" not in vectorisable(tvm.IRModule({"main": func})).script()
