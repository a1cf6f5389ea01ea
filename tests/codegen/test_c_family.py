"""The C printer: what it prints means in C what it means in TIR."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tvm
from tvm.script import tirx as T

from xpiler_tvm.codegen.c_family import (
    CDialect,
    banner,
    float_literal,
    identifier,
    int_literal,
)
from xpiler_tvm.codegen.hip import emit_hip
from xpiler_tvm.emulation.text import run_text
from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel, Scalar, Tensor

from .running import device_part

SIZE = 64


def _elements(expression: str) -> str:
    """`a` and `b` in TVMScript as the elements at hand."""
    return re.sub(r"\b([ab])\b", lambda found: f"{found[1].upper()}[v]", expression)


def emitted(expression: str, dtype: str = "int32", result: str | None = None) -> Kernel:
    """A HIP kernel that stores `expression` of `a`, `b` (elements) and `n` (a scalar)."""
    result = result or dtype
    func = tvm.script.from_source(
        f"""
@T.prim_func(s_tir=True)
def main(A: T.Buffer(({SIZE},), "{dtype}"), B: T.Buffer(({SIZE},), "{dtype}"),
         C: T.Buffer(({SIZE},), "{result}"), n: T.int32):
    for i in T.thread_binding({SIZE}, thread="threadIdx.x"):
        with T.sblock("C"):
            v = T.axis.spatial({SIZE}, i)
            C[v] = {_elements(expression)}
""",
        extra_vars={"T": T},
    )
    params = (
        Tensor("A", (SIZE,), dtype),
        Tensor("B", (SIZE,), dtype),
        Tensor("C", (SIZE,), result, "out"),
        Scalar("n", "int32", -7),
    )
    kernel = Kernel("", "cuda", "check", params)
    return emit_hip(tvm.IRModule({"main": func}), kernel)[1]


def computed(kernel: Kernel, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return run_text(kernel, {"A": a, "B": b}, text=device_part(kernel)).arrays["C"]


def operands(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Signed values; no element of the second is zero."""
    rng = np.random.default_rng(5)
    if dtype.startswith("float"):
        return tuple(rng.normal(0, 3, SIZE).astype(dtype) for _ in range(2))  # type: ignore[return-value]
    low, high = (0, 200) if dtype.startswith("u") else (-100, 100)
    a, b = (rng.integers(low, high, SIZE).astype(dtype) for _ in range(2))
    return a, np.where(b == 0, 3, b).astype(dtype)


CASES = {
    "a // b": np.floor_divide,
    "a % b": np.mod,
    "a // 8": lambda a, b: a // 8,
    "a % 8": lambda a, b: a % 8,
    "a // 7": lambda a, b: a // 7,
    "a // n": lambda a, b: a // -7,
    "a % n": lambda a, b: a % -7,
    "T.truncdiv(a, b)": lambda a, b: np.trunc(a / b).astype(a.dtype),
    "T.truncmod(a, b)": np.fmod,
    "a - (b - n)": lambda a, b: a - (b + 7),
    "a * (b + n) - n": lambda a, b: a * (b - 7) + 7,
    "T.max(T.min(a, b), n)": lambda a, b: np.maximum(np.minimum(a, b), -7),
    "T.Select(a > b and b > 3, a, T.Select(a < n or b < n, b, n))": lambda a, b: np.where(
        (a > b) & (b > 3), a, np.where((a < -7) | (b < -7), b, -7)
    ),
    "a << 3 >> 1 | b & 12": lambda a, b: (a << 3 >> 1) | (b & 12),
    "~a ^ b": lambda a, b: ~a ^ b,
    "T.if_then_else(a != 0, 100 // a, n)": lambda a, b: np.where(
        a != 0, 100 // np.where(a == 0, 1, a), -7
    ),
}


@pytest.mark.parametrize("expression", CASES)
def test_integers(expression):
    a, b = operands("int32")
    np.testing.assert_array_equal(computed(emitted(expression), a, b), CASES[expression](a, b))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_narrow_integers_wrap_within_an_expression(dtype):
    a, b = operands(dtype)
    kernel = emitted("T.Cast('int32', a * b) + T.Cast('int32', a - b)", dtype, "int32")
    want = (a * b).astype("int32") + (a - b).astype("int32")
    np.testing.assert_array_equal(computed(kernel, a, b), want)


@pytest.mark.parametrize("dtype", ["uint32", "int64", "uint64"])
def test_wide_integers(dtype):
    a, b = operands(dtype)
    got = computed(emitted("a * b - b // T.Cast('" + dtype + "', 3)", dtype), a, b)
    np.testing.assert_array_equal(got, a * b - b // np.array(3, dtype))


FLOATS = {
    "-a / (b * (a + a))": lambda a, b: -a / (b * (a + a)),
    "T.max(a, b) - T.min(a, 0.5)": lambda a, b: np.maximum(a, b) - np.minimum(a, 0.5),
    "T.exp(a) * T.sqrt(T.abs(b))": lambda a, b: np.exp(a) * np.sqrt(np.abs(b)),
    "T.sigmoid(a) + T.tanh(b)": lambda a, b: 1 / (1 + np.exp(-a)) + np.tanh(b),
    "T.floor(a) + T.round(b)": lambda a, b: np.floor(a) + np.round(b),
    "T.Select(T.isnan(a), b, a)": lambda a, b: np.where(np.isnan(a), b, a),
    "T.Cast('DT', T.Cast('int32', a)) + b": lambda a, b: np.trunc(a) + b,
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("expression", FLOATS)
def test_floats(expression, dtype):
    a, b = operands(dtype)
    source = expression.replace("DT", dtype).replace("0.5", f"T.{dtype}(0.5)")
    want = FLOATS[expression](a.astype("float64"), b.astype("float64"))
    got = computed(emitted(source, dtype), a, b).astype("float64")
    unit = {"float32": 1e-6, "float64": 1e-14, "float16": 4e-3}[dtype]
    assert np.max(np.abs(got - want) / np.maximum(1, np.abs(want))) < unit


def test_a_division_that_is_proved_non_negative_is_plain():
    text = emitted("v // 3 + v % 5").source
    assert "tx / 3 + tx % 5" in text
    assert "floor_" not in text


@pytest.mark.parametrize(
    ("value", "dtype", "code"),
    [
        (0.1, "float32", "0.1f"),
        (1.0, "float32", "1.0f"),
        (-2.5, "float32", "-2.5f"),
        (0.1, "float64", "0.1"),
        (1e-30, "float32", "1e-30f"),
        (float("inf"), "float32", "INFINITY"),
        (float("-inf"), "float64", "-INFINITY"),
        (float("nan"), "float32", "NAN"),
    ],
)
def test_float_literals(value, dtype, code):
    assert float_literal(value, dtype).code == code


@pytest.mark.parametrize(
    ("value", "dtype", "code"),
    [
        (-(2**31), "int32", "-2147483647 - 1"),
        (2**40, "int64", "1099511627776ll"),
        (-(2**63), "int64", "-9223372036854775807ll - 1"),
        (3, "uint32", "3u"),
        (1, "bool", "true"),
    ],
)
def test_int_literals(value, dtype, code):
    assert int_literal(value, dtype).code == code


def test_every_float32_literal_reads_back():
    rng = np.random.default_rng(3)
    for value in rng.integers(0, 2**32, 2000, dtype=np.uint32).view(np.float32):
        if np.isfinite(value):
            assert np.float32(float_literal(float(value), "float32").code[:-1]) == value


@pytest.mark.parametrize(
    ("name", "taken", "legal"),
    [
        ("x", (), "x"),
        ("x", ("x",), "x_1"),
        ("x.local", (), "x_local"),
        ("register", (), "register_1"),
        ("softmax<256>", (), "softmax_256_"),
        ("3d", (), "v3d"),
        ("__v", (), "v"),
    ],
)
def test_identifiers(name, taken, legal):
    assert identifier(name, taken) == legal


def test_a_type_that_the_language_lacks():
    with pytest.raises(EmitError) as caught:
        CDialect("C").type("float16")
    assert caught.value.code == "XP4001"
    assert "float16" in caught.value.message


def test_a_function_without_a_form():
    with pytest.raises(EmitError) as caught:
        emitted("T.nextafter(a, b)", "float32")
    assert caught.value.code == "XP4001"
    assert "nextafter" in caught.value.message


def test_a_parameter_that_hides_a_function():
    func = tvm.script.from_source(
        """
@T.prim_func(s_tir=True)
def main(expf: T.Buffer((8,), "float32"), y: T.Buffer((8,), "float32")):
    for i in T.thread_binding(8, thread="threadIdx.x"):
        with T.sblock("y"):
            v = T.axis.spatial(8, i)
            y[v] = T.exp(expf[v])
""",
        extra_vars={"T": T},
    )
    kernel = Kernel("", "cuda", "k", (Tensor("expf", (8,)), Tensor("y", (8,), intent="out")))
    with pytest.raises(EmitError) as caught:
        emit_hip(tvm.IRModule({"main": func}), kernel)
    assert "expf" in caught.value.message


def test_conditionals_do_not_evaluate_the_other_side():
    """Reading outside the array faults in the emulator."""
    func = tvm.script.from_source(
        """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((8,), "float32"), y: T.Buffer((16,), "float32")):
    for i in T.thread_binding(16, thread="threadIdx.x"):
        with T.sblock("y"):
            v = T.axis.spatial(16, i)
            y[v] = T.if_then_else(v < 8, x[v], T.float32(-1))
""",
        extra_vars={"T": T},
    )
    kernel = Kernel("", "cuda", "k", (Tensor("x", (8,)), Tensor("y", (16,), intent="out")))
    emitted_kernel = emit_hip(tvm.IRModule({"main": func}), kernel)[1]
    x = np.arange(8, dtype="float32")
    got = run_text(emitted_kernel, {"x": x}, text=device_part(emitted_kernel)).arrays["y"]
    np.testing.assert_array_equal(got, np.concatenate([x, np.full(8, -1, "float32")]))


def test_atomics_through_call_extern():
    func = tvm.script.from_source(
        """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((64,), "int32"), y: T.Buffer((4,), "int32")):
    for i in T.thread_binding(64, thread="threadIdx.x"):
        with T.sblock("y"):
            v = T.axis.opaque(64, i)
            T.reads(x[v])
            T.writes(y[0:4])
            T.evaluate(T.call_extern("int32", "atomicAdd", T.address_of(y[v % 4]), x[v]))
""",
        extra_vars={"T": T},
    )
    kernel = Kernel(
        "", "cuda", "k", (Tensor("x", (64,), "int32"), Tensor("y", (4,), "int32", "inout"))
    )
    emitted_kernel = emit_hip(tvm.IRModule({"main": func}), kernel)[1]
    x = np.arange(64, dtype="int32")
    arrays = {"x": x, "y": np.zeros(4, "int32")}
    got = run_text(emitted_kernel, arrays, text=device_part(emitted_kernel)).arrays["y"]
    np.testing.assert_array_equal(got, x.reshape(16, 4).sum(0))


def test_the_banner_names_bound_scalars() -> None:
    params = (
        Tensor("x", (4,)),
        Scalar("n", "int32", 1024),
        Scalar("free", "int32"),
        Scalar("alpha", "float32", 0.10000000149011612),
    )
    text = banner(Kernel("", "cuda", "scale", params, filename="/x/scale.cu"), "HIP", "grid 1")
    assert text.splitlines() == [
        "// HIP, generated by xpiler_tvm from scale.cu, kernel scale.",
        "// Holds for: n = 1024, alpha = 0.1.",
        "// Launch: grid 1.",
    ]
    assert "Holds" not in banner(Kernel("", "cuda", "f", ()), "HIP", "grid 1")
