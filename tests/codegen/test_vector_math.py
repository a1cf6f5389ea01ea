"""Functions written out: how far they are from exact, at every magnitude, and where they stay."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import tvm
from tvm import s_tir, te, tirx

from xpiler_tvm.codegen.vector_math import ERRORS, TRIGONOMETRIC_LIMIT, vectorisable
from xpiler_tvm.emulation import numpy_dtype, run_module

COUNT = 1 << 17
EXACT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=["float64"]),
    "sin": np.sin,
    "cos": np.cos,
}
SPECIAL = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, -3e38], "float32")


def program(name: str, count: int = COUNT) -> tvm.IRModule:
    x = te.placeholder((count,), "float32", "x")
    y = te.compute((count,), lambda i: getattr(tirx, name)(x[i]), "y")
    func = te.create_prim_func([x, y]).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": func})


def run(mod: tvm.IRModule, x: np.ndarray) -> np.ndarray:
    """On any x86-64, where nothing is fused."""
    library = tvm.compile(mod, target=tvm.target.Target({"kind": "llvm"}))
    given, result = tvm.runtime.tensor(x), tvm.runtime.tensor(np.zeros_like(x))
    library["main"](given, result)
    return result.numpy()


def everywhere(count: int) -> np.ndarray:
    """Numbers of all bit patterns, evenly: every magnitude, both signs, infinities and NaNs."""
    step = (1 << 32) // count
    offsets = np.random.default_rng(0).integers(0, step, count, dtype="uint64")
    return (np.arange(count, dtype="uint64") * step + offsets).astype("uint32").view("float32")


@pytest.mark.parametrize("name", EXACT)
def test_errors(name: str) -> None:
    moderate = np.random.default_rng(1).standard_normal(COUNT).astype("float32") * 4
    for x in (everywhere(COUNT), moderate):
        found = run(vectorisable(program(name)), x)
        with np.errstate(all="ignore"):
            exact = EXACT[name](x.astype("float64"))
            rounded = exact.astype("float32")
            unit = np.spacing(np.minimum(np.abs(rounded), np.float32(3e38))).astype("float64")
            errors = np.abs(found - exact) / unit
        same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
        assert np.all(same | (errors <= ERRORS[name]))


@pytest.mark.parametrize("name", EXACT)
def test_special_values(name: str) -> None:
    found = run(vectorisable(program(name, len(SPECIAL))), SPECIAL)
    with np.errstate(all="ignore"):
        exact = EXACT[name](SPECIAL.astype("float64")).astype("float32")
    np.testing.assert_array_max_ulp(found, exact, 2)
    np.testing.assert_array_equal(np.signbit(found[:2]), np.signbit(exact[:2]))


@pytest.mark.parametrize("name", sorted({*EXACT, "sigmoid"} - {"sin", "cos"}))
def test_nothing_is_called(name: str) -> None:
    assert f"tirx.{name}" in calls(program(name))
    assert f"tirx.{name}" not in calls(vectorisable(program(name)))


def calls(mod: tvm.IRModule) -> set[str]:
    import tvm_ffi

    found: set[str] = set()

    def note(call: tvm.ir.Call) -> None:
        found.add(str(getattr(call.op, "name", "")))

    tvm_ffi.structural_walk(mod["main"].body, [(tvm.ir.Call, note)])
    return found


def test_sigmoid_saturates() -> None:
    x = np.array([-200, -50, 0, 50, 200, np.nan], "float32")
    found = run(vectorisable(program("sigmoid", len(x))), x)
    np.testing.assert_allclose(found, [0, math.exp(-50), 0.5, 1, 1, np.nan], rtol=3e-7)


def test_large_arguments_go_to_the_library() -> None:
    """One large argument among small ones: its part of the loop is as it was."""
    x = np.linspace(-3, 3, 3000).astype("float32")
    x[700], x[2999] = 2 * TRIGONOMETRIC_LIMIT, 3e38
    found = run(vectorisable(program("sin", len(x))), x)
    np.testing.assert_array_max_ulp(found, np.sin(x.astype("float64")).astype("float32"), 2)


def from_text(body: str) -> tvm.IRModule:
    text = f"""
@T.prim_func(s_tir=True)
def main(x: T.Buffer((1100,), "float32"), y: T.Buffer((1100,), "float32")):
{body}
"""
    return tvm.IRModule({"main": tvm.script.from_source(text).with_attr("global_symbol", "main")})


def versions(mod: tvm.IRModule) -> int:
    return vectorisable(mod).script().count("if largest < ")


def test_a_recurrence_is_left_alone() -> None:
    """Its arguments are not known before it runs."""
    step = "    for i in range(1099):\n        {} = T.sin({}) * T.float32(3)"
    assert versions(from_text(step.format("y[i + 1]", "y[i]"))) == 0
    assert versions(from_text(step.format("y[0]", "y[0]"))) == 0
    assert versions(from_text(step.format("y[i]", "y[i]"))) == 1
    assert versions(from_text(step.format("y[i]", "x[i]"))) == 1


def test_what_a_choice_guards_is_not_read() -> None:
    body = """    for i in range(1100):
        y[i] = T.if_then_else(i < 1099, T.sin(x[i + 1]), T.float32(0))"""
    mod = from_text(body)
    assert versions(mod) == 0
    assert "tirx.sin" in calls(vectorisable(mod))


def test_double_precision_stays() -> None:
    x = te.placeholder((8,), "float64", "x")
    y = te.compute((8,), lambda i: tirx.exp(x[i]), "y")
    func = te.create_prim_func([x, y]).with_attr("global_symbol", "main")
    assert "tirx.exp" in calls(vectorisable(tvm.IRModule({"main": func})))


def test_arguments_that_are_bfloat16_in_memory() -> None:
    """TVM would cast the bits of what is read inside of a `Let` as a number."""
    x = te.placeholder((64,), "bfloat16", "x")
    y = te.compute((64,), lambda i: tirx.exp(tirx.Cast("float32", x[i])), "y")
    func = te.create_prim_func([x, y]).with_attr("global_symbol", "main")
    given = np.linspace(-3, 3, 64).astype(numpy_dtype("bfloat16"))
    written_out = vectorisable(tvm.IRModule({"main": func}))
    assert "tirx.exp" not in written_out.script() and "T.exp" not in written_out.script()
    found = run_module(written_out, [given, np.zeros(64, "float32")]).arrays[1]
    np.testing.assert_allclose(found, np.exp(given.astype("float32")), rtol=3e-7)


def test_bfloat16_of_an_intermediate_array_in_vectors() -> None:
    """TVM keeps such arrays as float32: their elements have no bits to be cut out."""
    x = te.placeholder((4, 32), "bfloat16", "x")
    packed = te.compute((4, 32), lambda i, j: x[3 - i, j], "packed")
    y = te.compute((4, 32), lambda i, j: tirx.Cast("float32", packed[i, j]) * 2.0, "y")
    sch = s_tir.Schedule(te.create_prim_func([x, y]).with_attr("global_symbol", "main"))
    sch.vectorize(sch.get_loops(sch.get_sblock("y"))[-1])
    given = np.linspace(-3, 3, 128).astype(numpy_dtype("bfloat16")).reshape(4, 32)
    written_out = vectorisable(sch.mod)
    found = run_module(written_out, [given, np.zeros((4, 32), "float32")]).arrays[1]
    np.testing.assert_array_equal(found, given[::-1].astype("float32") * 2)
