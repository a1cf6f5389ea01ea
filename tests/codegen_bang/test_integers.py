"""Integers in vectors: every value of a byte, and int32 at the ends of their halves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tvm
from codegen.programs import _tensor
from codegen.running import device_part
from tvm import te, tirx

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.emulation import run_text
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.base import first_applicable

Make = Callable[[tvm.ir.Expr], tvm.ir.Expr]
Reference = Callable[[np.ndarray], np.ndarray]

EDGES = np.array(
    [0, 1, -1, 127, 128, 255, 256, -128, -129, 65535, 65536, -65536, -65537, 2**31 - 1, -(2**31)],
    "int32",
)


def values_of(dtype: str) -> np.ndarray:
    """1,000 values, among them every byte, edges of int32, and halves between whole floats."""
    rng = np.random.default_rng(3)
    if dtype in ("int8", "uint8"):
        return np.resize(np.arange(256).astype(dtype), 1000)
    if dtype == "int32":
        return np.concatenate([EDGES, rng.integers(-(2**31), 2**31, 985, "int64").astype(dtype)])
    return np.concatenate(
        [np.arange(-200, 200) / 2, [0.0, -0.0, 3e9, 2.0**23 + 1], rng.normal(0, 60, 596)]
    ).astype(dtype)


def run(source: str, target: str, make: Make) -> tuple[np.ndarray, str]:
    """What emitted code makes of `values_of`, and its text."""
    x = te.placeholder((1000,), source, "x")
    y = te.compute((1000,), lambda i: make(x[i]), name="y")
    func = te.create_prim_func([x, y]).with_attr("global_symbol", "main")
    params = (_tensor("x", (1000,), dtype=source), _tensor("y", (1000,), "out", target))
    kernel = Kernel("", "cuda", "numbers", params, filename="numbers.cu")
    scheduled = first_applicable(rules(), tvm.IRModule({"main": func}))
    printed = emit_bang(scheduled.mod, kernel)
    arrays = {"x": values_of(source), "y": np.full(1000, 77, target)}
    got = run_text(printed.kernel, arrays, text=device_part(printed.kernel)).arrays["y"]
    return got, printed.text


def _cut(value: tvm.ir.Expr, bits: int, dtype: str) -> tvm.ir.Expr:
    """The lowest bits, as raised programs say it."""
    low = tirx.bitwise_and(tirx.Cast("int64", value), tirx.const((1 << bits) - 1, "int64"))
    sign = tirx.const(1 << bits - 1, "int64")
    return tirx.Cast(dtype, low if dtype[0] == "u" else tirx.bitwise_xor(low, sign) - sign)


CASES: dict[str, tuple[str, str, Make, Reference]] = {
    "float_of_uint8": (
        "uint8",
        "float32",
        lambda x: x.astype("float32") * tirx.const(2, "float32"),
        lambda x: x.astype("float32") * 2,
    ),
    "half_of_int8": (
        "int8",
        "float16",
        lambda x: x.astype("float16"),
        lambda x: x.astype("float16"),
    ),
    "int32_of_uint8": (
        "uint8",
        "int32",
        lambda x: x.astype("int32") * 3,
        lambda x: x.astype("int32") * 3,
    ),
    "int32_of_int8": ("int8", "int32", lambda x: x.astype("int32") - 5, lambda x: x - np.int32(5)),
    "uint8_of_int32": (
        "int32",
        "uint8",
        lambda x: _cut(x, 8, "uint8"),
        lambda x: x.astype("uint8"),
    ),
    "int8_of_int32": ("int32", "int8", lambda x: _cut(x, 8, "int8"), lambda x: x.astype("int8")),
    "int16_of_int32": (
        "int32",
        "int16",
        lambda x: _cut(x, 16, "int16"),
        lambda x: x.astype("int16"),
    ),
    "shifted_7": ("int32", "int32", lambda x: x >> 7, lambda x: x >> 7),
    "shifted_16": ("int32", "int32", lambda x: x >> 16, lambda x: x >> 16),
    "shifted_23": ("int32", "int32", lambda x: x >> 23, lambda x: x >> 23),
    "divided": ("int32", "int32", lambda x: tirx.floordiv(x, 64), lambda x: x // 64),
    "bits": (
        "int32",
        "int32",
        lambda x: tirx.bitwise_or(tirx.bitwise_xor(x, 0x1234), 0x40),
        lambda x: (x ^ 0x1234) | 0x40,
    ),
    "largest": (
        "int32",
        "int32",
        lambda x: tirx.min(tirx.max(x, -77), 1 << 20),
        lambda x: np.clip(x, -77, 1 << 20),
    ),
    "rint": ("float32", "float32", tirx.nearbyint, np.rint),
    "trunc": ("float32", "float32", tirx.trunc, np.trunc),
    "int8_of_float": (
        "float32",
        "int8",
        lambda x: tirx.max(tirx.min(x, 127.0), -128.0).astype("int8"),
        lambda x: np.clip(x, -128, 127).astype("int8"),
    ),
    "uint8_of_float": (
        "float32",
        "uint8",
        lambda x: tirx.max(tirx.min(x, 255.0), 0.0).astype("uint8"),
        lambda x: np.clip(x, 0, 255).astype("uint8"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_integers_in_vectors(name: str) -> None:
    source, target, make, reference = CASES[name]
    got, text = run(source, target, make)
    np.testing.assert_array_equal(got, reference(values_of(source)))
    assert "for (int k" not in text, text


def test_what_floats_do_not_hold_stays_scalar() -> None:
    got, text = run("int32", "int32", lambda x: tirx.floordiv(x, 7))
    np.testing.assert_array_equal(got, values_of("int32") // 7)
    assert "for (int k" in text


def folded(kind: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Each row of bytes folded into an int32: what emitted code gives, what is right, the text."""
    rows, length = 24, 330
    rng = np.random.default_rng(5)
    a = rng.integers(-128, 128, (rows, length)).astype("int8")
    x = rng.integers(-128, 128, length).astype("int8")
    left, right = te.placeholder(a.shape, "int8", "a"), te.placeholder(x.shape, "int8", "x")
    k = te.reduce_axis((0, length), "k")
    combine, reference = {
        "sum": (te.sum, lambda p: p.sum(-1)),
        "max": (te.max, lambda p: p.max(-1)),
        "min": (te.min, lambda p: p.min(-1)),
    }[kind]
    y = te.compute(
        (rows,),
        lambda i: combine(left[i, k].astype("int32") * right[k].astype("int32"), axis=k),
        name="y",
    )
    func = te.create_prim_func([left, right, y]).with_attr("global_symbol", "main")
    params = (
        _tensor("a", a.shape, dtype="int8"),
        _tensor("x", x.shape, dtype="int8"),
        _tensor("y", (rows,), "out", "int32"),
    )
    kernel = Kernel("", "cuda", "folded", params, filename="folded.cu")
    scheduled = first_applicable(rules(), tvm.IRModule({"main": func}))
    printed = emit_bang(scheduled.mod, kernel)
    arrays = {"a": a, "x": x, "y": np.full(rows, 77, "int32")}
    got = run_text(printed.kernel, arrays, text=device_part(printed.kernel)).arrays["y"]
    return got, reference(a.astype("int32") * x.astype("int32")), printed.text


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_products_of_bytes_are_folded_as_floats(kind: str) -> None:
    got, wanted, text = folded(kind)
    np.testing.assert_array_equal(got, wanted)
    assert "for (int k" not in text, text
