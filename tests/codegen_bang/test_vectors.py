"""Ranges of loops, slots of vectors, and the accuracy of functions made of instructions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import tvm
from codegen.running import device_part
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import te, tirx

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.codegen_bang.loops import Range, bounds
from xpiler_tvm.codegen_bang.vectors import NoVectorForm, Scalar, Vector, VectorCode
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.emulation.text import run_text
from xpiler_tvm.kernel import Kernel, Tensor
from xpiler_tvm.schedules.bang import Flat

COMPARISONS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@given(
    stride=st.integers(-5, 5),
    offset=st.integers(-40, 40),
    limit=st.integers(-40, 40),
    divisor=st.sampled_from([1, 2, 3, 7, 8]),
    sign=st.sampled_from(sorted(COMPARISONS)),
)
@settings(deadline=None)
def test_bounds_are_exactly_where_the_guard_holds(stride, offset, limit, divisor, sign):
    var, analyzer = tirx.Var("i", "int32"), tvm.sym.Analyzer()
    if stride == 0:
        stride = 1
    value = var * stride + offset
    if divisor > 1:
        value = tirx.floordiv(value, divisor)
    found = bounds(COMPARISONS[sign](value, limit), var, analyzer)
    assert found is not None
    for i in range(-50, 50):
        holds = COMPARISONS[sign]((i * stride + offset) // divisor, limit)
        low = found.low is None or i >= int(analyzer.simplify(found.low))
        high = found.high is None or i < int(analyzer.simplify(found.high))
        assert holds == (low and high)


def test_a_guard_that_is_no_interval():
    var, analyzer = tirx.Var("i", "int32"), tvm.sym.Analyzer()
    whole = Range(var, tirx.const(0), tirx.const(64))
    assert whole.within([tirx.floormod(var, 2) < 1], analyzer) is None


def test_a_guard_in_which_the_variable_cancels_out():
    var, other, analyzer = tirx.Var("i", "int32"), tirx.Var("n", "int32"), tvm.sym.Analyzer()
    whole = Range(var, tirx.const(0), tirx.const(64))
    found = whole.within([var * 2 + other < var + 7 + var], analyzer)
    assert found is not None
    assert (int(found.low), int(found.high)) == (0, 64)
    (condition,) = found.conditions
    assert analyzer.can_prove_equal(condition.a - condition.b, other - 7)


def test_slots_are_reused_but_never_shared():
    code = VectorCode("mtp_592", "64", 64)
    x = Vector("float32", "x")
    a = code.apply("a + b", "float32", x, Scalar("1.0f"))
    b = code.apply("a * b", "float32", a, x)
    c = code.apply("a - b", "float32", a, b)
    d = code.apply("a * b", "float32", c, c)
    slots, used = code.allocate()
    assert used == 2
    assert slots[a] != slots[b]
    assert slots[c] in (slots[a], slots[b])
    assert slots[d] == slots[c]


def test_an_instruction_that_an_architecture_lacks():
    x = Vector("float32", "x")
    VectorCode("mtp_592", "64", 64).apply("a / b", "float32", x, x)
    with pytest.raises(NoVectorForm):
        VectorCode("mtp_372", "64", 64).apply("a / b", "float32", x, x)
    with pytest.raises(NoVectorForm):
        VectorCode("mtp_592", "64", 64).apply("a + b", "float64", x, x)


FUNCTIONS: dict[str, tuple[Callable, Callable, tuple[float, float]]] = {
    "exp": (tirx.exp, np.exp, (-86.0, 88.5)),
    "exp10": (tirx.exp10, lambda x: 10.0**x, (-37.0, 38.0)),
    "log": (tirx.log, np.log, (1e-3, 1e4)),
    "tanh": (tirx.tanh, np.tanh, (-12.0, 12.0)),
    "erf": (tirx.erf, np.vectorize(math.erf), (-6.0, 6.0)),
    "sigmoid": (tirx.sigmoid, lambda x: 1 / (1 + np.exp(-x)), (-20.0, 20.0)),
    "ceil": (tirx.ceil, np.ceil, (-9.0, 9.0)),
}


def values(function: Callable, x: np.ndarray) -> np.ndarray:
    """What the emitted kernel computes for `function`."""
    a = te.placeholder(x.shape, "float32", "x")
    y = te.compute(x.shape, lambda i: function(a[i]), name="y")
    mod = tvm.IRModule({"main": te.create_prim_func([a, y])})
    params = (Tensor("x", x.shape), Tensor("y", x.shape, intent="out"))
    sch = Flat(ARCHS["mtp_592"]).apply(mod)
    kernel = emit_bang(sch.mod, Kernel("", "cuda", "f", params))[1]
    assert "for (int k" not in kernel.source  # no scalar loop
    return run_text(kernel, {"x": x}, text=device_part(kernel)).arrays["y"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_accurate_to_a_few_units(name):
    function, reference, (low, high) = FUNCTIONS[name]
    x = np.linspace(low, high, 20001).astype("float32")
    want = reference(x.astype("float64"))
    error = np.abs(values(function, x) - want) / np.spacing(np.abs(want).astype("float32"))
    assert np.max(error[want != 0]) <= 10


def test_exp_at_its_ends():
    x = np.array([-np.inf, -200, -104, 0, 88.7, 89, 1e30, np.inf, np.nan], dtype="float32")
    got = values(tirx.exp, x)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(got, np.exp(x), rtol=1e-6)
