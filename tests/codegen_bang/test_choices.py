"""Comparisons and choices in BANG C: the instructions, and what they do with NaN and infinities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tvm
from codegen.running import device_part
from tvm import te, tirx

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.emulation.text import run_text
from xpiler_tvm.kernel import Kernel, Tensor
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.base import first_applicable

SIZE = 200


def emitted(make: Callable, inputs: str, output: str = "") -> Kernel:
    """The kernel of `y[i] = make(a[i], b[i])`."""
    a, b = (te.placeholder((SIZE,), inputs, name) for name in "ab")
    y = te.compute((SIZE,), lambda i: make(a(i), b(i)), name="y")
    params = [Tensor(name, (SIZE,), inputs, "in") for name in "ab"]
    params.append(Tensor("y", (SIZE,), output or inputs, "out"))
    mod = tvm.IRModule({"main": te.create_prim_func([a, b, y])})
    scheduled = first_applicable(rules(), mod).mod
    return emit_bang(scheduled, Kernel("", "cuda", "f", tuple(params))).kernel


def values(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    if dtype.startswith("int"):
        a, b = (rng.integers(-3, 3, SIZE).astype(dtype) for _ in range(2))
        return a, b
    a, b = (rng.integers(-3, 3, SIZE).astype(dtype) for _ in range(2))
    a[:4], b[2:6] = [np.nan, np.inf, np.nan, -np.inf], [np.inf, np.nan, np.nan, -np.inf]
    return a, b


def run(kernel: Kernel, dtype: str) -> np.ndarray:
    a, b = values(dtype)
    width = next(t.dtype for t in kernel.tensors if t.name == "y")
    arrays = {"a": a, "b": b, "y": np.zeros(SIZE, width)}
    return run_text(kernel, arrays, text=device_part(kernel)).arrays["y"]


COMPARISONS = {
    "lt": (lambda a, b: a < b, np.less),
    "ge": (lambda a, b: a >= b, np.greater_equal),
    "eq": (tirx.EQ, np.equal),
    "ne": (tirx.NE, np.not_equal),
    "scalar first": (lambda a, b: tirx.const(1, str(a.ty.dtype)) < b, lambda a, b: b > 1),
    "both": (
        lambda a, b: tirx.all(a < b, tirx.Not(b > tirx.const(1, str(b.ty.dtype)))),
        lambda a, b: (a < b) & ~(b > 1),
    ),
    "either": (
        lambda a, b: tirx.any(a < b, a > tirx.const(1, str(a.ty.dtype))),
        lambda a, b: (a < b) | (a > 1),
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize("name", COMPARISONS)
def test_choices_keep_every_value(name, dtype):
    condition, reference = COMPARISONS[name]
    kernel = emitted(lambda a, b: tirx.if_then_else(condition(a, b), a, b), dtype)
    assert "__bang_maskmove" in kernel.source
    assert "for (" not in kernel.source
    a, b = values(dtype)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(run(kernel, dtype), np.where(reference(a, b), a, b))


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_comparisons_are_numbers(dtype):
    kernel = emitted(lambda a, b: (a < b).astype("float32"), dtype, "float32")
    assert "__bang_lt(" in kernel.source
    assert "for (" not in kernel.source
    a, b = values(dtype)
    np.testing.assert_array_equal(run(kernel, dtype), (a < b).astype("float32"))


def test_a_choice_of_bytes_stays_scalar():
    kernel = emitted(lambda a, b: tirx.if_then_else(a < b, a, b), "int8")
    assert "__bang_maskmove" not in kernel.source
    a, b = values("int8")
    np.testing.assert_array_equal(run(kernel, "int8"), np.minimum(a, b))


def test_functions_of_halves_are_computed_in_single_precision():
    kernel = emitted(lambda a, b: tirx.exp(a) + b, "float16")
    assert "__bang_half2float" in kernel.source
    assert "for (" not in kernel.source
    a, b = values("float16")
    with np.errstate(invalid="ignore"):
        power = np.exp(a.astype("float32")).astype("float16")
        np.testing.assert_allclose(run(kernel, "float16"), power + b, rtol=2e-3)
