"""Stages that compute several rows before the next one begins, and what is not the same for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import tvm
from codegen import programs
from codegen.running import check_values, device_part
from tvm import te, tirx

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.codegen_bang.emit import Printed
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.emulation import find_faults
from xpiler_tvm.kernel import Kernel, Param, Tensor
from xpiler_tvm.schedules.bang_rows import Plan, Rows, _sharing
from xpiler_tvm.schedules.base import Declined

TOGETHER = Plan(everything=True, even=False, together=True)


def planned(mod: tvm.IRModule, kernel: Kernel, plan: Plan = TOGETHER) -> Printed:
    schedule = Rows(ARCHS["mtp_592"])._schedule(mod, plan)
    assert not isinstance(schedule, Declined), schedule.reason
    return emit_bang(schedule.mod, kernel)


def from_te(arrays: Sequence[te.Tensor]) -> tuple[tvm.IRModule, Kernel]:
    """The module of arrays, the last of them the output, and its kernel."""
    params: list[Param] = []
    for place, array in enumerate(arrays):
        shape = tuple(int(extent) for extent in array.shape)
        intent = "out" if place == len(arrays) - 1 else "in"
        params.append(Tensor(array.op.name, shape, str(array.dtype), intent))
    mod = tvm.IRModule({"main": te.create_prim_func(list(arrays))})
    return mod, Kernel("", "cuda", "f", tuple(params))


def run(kernel: Kernel, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The output of a kernel in which strict mode finds nothing."""
    output = kernel.tensors[-1]
    given = {**arrays, output.name: np.zeros(output.shape, output.dtype)}
    done = find_faults(kernel, given, text=device_part(kernel))
    assert not done.findings
    return done.arrays[output.name]


@pytest.mark.parametrize("columns", [12, 32, 128])
def test_stages_of_a_softmax_are_instructions_on_all_rows(columns: int) -> None:
    program = programs.softmax(48 * 4 - 1, columns)  # the last task has a row less
    printed = planned(program.mod, program.kernel)
    exponentials = printed.text.count("__bang_pow2")
    assert exponentials == 2 and "vector_sum" not in printed.text
    check_values(printed.kernel, program, 6e-6)


@pytest.mark.parametrize("columns", [12, 96])
@pytest.mark.parametrize(
    ("fold", "expected"),
    [(te.sum, np.sum), (te.max, np.max), (te.min, np.min)],
    ids=["sum", "max", "min"],
)
def test_rows_are_folded_by_pools(fold, expected, columns: int) -> None:
    rows = 48 * 5
    x = te.placeholder((rows, columns), "float32", "x")
    k = te.reduce_axis((0, columns), "k")
    folded = te.compute((rows,), lambda i: fold(x[i, k], axis=k), name="folded")
    y = te.compute((rows, columns), lambda i, j: x[i, j] * folded[i], name="y")
    printed = planned(*from_te([x, y]))
    assert "vector_lanes" not in printed.text
    data = np.random.default_rng(0).normal(size=(rows, columns)).astype("float32")
    got = run(printed.kernel, {"x": data})
    np.testing.assert_allclose(got, data * expected(data, 1, keepdims=True), rtol=1e-4, atol=1e-4)


def test_operands_are_turned_along_the_vectors() -> None:
    rows, depth, columns = 48 * 4, 16, 64
    shapes = {"q": (rows, depth), "k": (columns, depth)}
    q, k = (te.placeholder(shape, "float32", name) for name, shape in shapes.items())
    d, j = te.reduce_axis((0, depth), "d"), te.reduce_axis((0, columns), "j")
    s = te.compute((rows, columns), lambda i, c: te.sum(q[i, d] * k[c, d], axis=d), name="s")
    y = te.compute((rows,), lambda i: te.max(s[i, j], axis=j), name="y")
    turned = Plan(everything=True, even=False, together=True, turned=True)
    mod, kernel = from_te([q, k, y])
    printed = planned(mod, kernel, turned)
    assert f"__bang_transpose(k_nram_nram, k_nram, {columns}, {depth});" in printed.text
    rng = np.random.default_rng(1)
    data = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    got = run(printed.kernel, data)
    np.testing.assert_allclose(got, (data["q"] @ data["k"].T).max(1), rtol=1e-4, atol=1e-4)
    assert printed.estimate.seconds < planned(mod, kernel).estimate.seconds


def test_a_choice_that_all_elements_make_alike_is_a_branch() -> None:
    rows, columns, table = 48, 64, 10
    i32 = te.placeholder((rows,), "int32", "index")
    x = te.placeholder((table, columns), "float32", "x")

    def chosen(i: tirx.Var, j: tirx.Var) -> tirx.PrimExpr:
        inside = tirx.all(i32[i] >= 0, i32[i] < table)
        return tirx.if_then_else(inside, x[i32[i], j] * 2.0, tirx.const(-1, "float32"))

    y = te.compute((rows, columns), chosen, name="y")
    printed = planned(*from_te([i32, x, y]), Plan())
    assert "} else {" in printed.text and not printed.slow
    index = np.random.default_rng(2).integers(-3, table + 3, rows).astype("int32")
    data = np.random.default_rng(3).normal(size=(table, columns)).astype("float32")
    got = run(printed.kernel, {"index": index, "x": data})
    inside = (index >= 0) & (index < table)
    expected = np.where(inside[:, None], data[index % table] * 2, np.float32(-1))
    np.testing.assert_array_equal(got, expected)


def test_scalar_code_reads_small_operands_from_nram() -> None:
    size, table = 48 * 4, 100
    i32 = te.placeholder((size,), "int32", "index")
    x = te.placeholder((table,), "int64", "x")
    y = te.compute((size,), lambda i: x[i32[i]] * x[(i32[i] + 1) % table], name="y")
    printed = planned(*from_te([i32, x, y]), Plan())
    assert "__memcpy(x_nram, x, 800, GDRAM2NRAM);" in printed.text
    index = np.random.default_rng(4).integers(0, table, size).astype("int32")
    data = np.random.default_rng(5).integers(-9, 9, table)
    got = run(printed.kernel, {"index": index, "x": data})
    np.testing.assert_array_equal(got, data[index] * data[(index + 1) % table])


def test_values_of_fewer_axes_are_worked_out_again_where_rows_would_be_lost() -> None:
    g = te.placeholder((3,), "float32", "g")
    x = te.placeholder((40, 3, 64), "float32", "x")
    y = te.compute(x.shape, lambda n, c, i: x[n, c, i] * tirx.exp(g[c]), name="y")
    z = te.compute(x.shape, lambda n, c, i: x[n, c, i] + tirx.exp(g[c]), name="z")
    mod = tvm.IRModule({"main": te.create_prim_func([g, x, y, z])})
    assert _sharing(mod).same_as(mod)


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_there_are_no_vectors_of_eight_bytes(dtype: str) -> None:
    x, k = te.placeholder((6, 40), dtype, "x"), te.reduce_axis((0, 6), "k")
    sums = te.compute((40,), lambda j: te.sum(x[k, j] * x[k, j], axis=k), "sums")
    mod, kernel = from_te([x, sums])
    data = np.arange(240).reshape(6, 40).astype(dtype)
    found = run(planned(mod, kernel, Plan(everything=True, even=False)).kernel, {"x": data})
    np.testing.assert_array_equal(found, (data * data).sum(0))
