"""Names of functions by their meaning, and of what moves elements."""

from __future__ import annotations

import pytest
import tvm
from tvm import te, topi

from xpiler_tvm.kernel import Tensor

from ..support import out
from .support import difference, given, module, names, raised, recognised


def function(expression: str, *more: str) -> tvm.IRModule:
    """y[i] of the values `a` of x and `b`, ... of the others at i."""
    reads = "".join(f"float {name} = {name}_[i]; " for name in ("a", *more))
    params = [given(f"{name}_", 24) for name in ("a", *more)]
    return raised(
        f"int i = threadIdx.x; {reads} y[i] = {expression};", *params, out("y", 24), block=24
    )


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("fmaxf(a, 0.f)", "relu"),
        ("a > 0 ? a : 0", "relu"),
        ("0.5f * (a + fabsf(a))", "relu"),
        ("1 / (1 + expf(-a))", "sigmoid"),
        ("0.5f * tanhf(0.5f * a) + 0.5f", "sigmoid"),
        ("a / (1 + expf(-a))", "silu"),
        ("0.5f * a * (1 + erff(a * 0.70710678f))", "gelu"),
        ("a - 0.5f * a * (1 - erff(a * 0.70710678f))", "gelu"),
        ("0.5f * a * (1 + tanhf(0.7978845608f * (a + 0.044715f * a * a * a)))", "gelu_tanh"),
        ("a / (1 + expf(-1.5957691216f * (a + 0.044715f * a * a * a)))", "gelu_tanh"),
        ("(a > 0) - (a < 0)", "sign"),
        ("a > 0 ? a : 0.1f * a", "leaky_relu"),
        ("fminf(fmaxf(a, -1.f), 1.f)", "clip"),
        ("logf(1 + expf(a))", "softplus"),
        ("a * fminf(fmaxf(a + 3, 0.f), 6.f) / 6", "hardswish"),
        ("a * a", "square"),
    ],
)
def test_functions_of_one_variable(expression: str, name: str) -> None:
    mod = function(expression)
    found = recognised(mod)
    assert names(found) == [name]
    assert difference(mod, found) < 1e-4


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("b - a", ["subtract"]),
        ("fmaxf(a + b, 0.f)", ["add", "relu"]),
        ("a / (1 + expf(-a)) * b", ["silu", "multiply"]),
        ("a * b / (1 + expf(-a))", ["silu", "multiply"]),
        ("sqrtf(a * a + b * b)", ["square", "square", "add", "sqrt"]),
    ],
)
def test_chains(expression: str, expected: list[str]) -> None:
    mod = function(expression, "b")
    found = recognised(mod)
    assert names(found) == expected
    assert difference(mod, found) < 1e-4


@pytest.mark.parametrize("expression", ["a / (1 + expf(a))", "fmaxf(a, 0.01f)", "a > 0 ? a : 1"])
def test_what_only_looks_like_a_known_function(expression: str) -> None:
    mod = function(expression)
    found = recognised(mod)
    assert not {"silu", "relu", "leaky_relu"} & set(names(found))
    assert difference(mod, found) < 1e-4


# -- Movement -------------------------------------------------------------------------------------

X = te.placeholder((6, 10), "float32", "x")
Y = te.placeholder((6, 3), "float32", "y")
CUBE = te.placeholder((2, 3, 4), "float32", "x")
PLACES = te.placeholder((5,), "int32", "places")


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ((CUBE, topi.transpose(CUBE, (2, 0, 1))), "transpose(x, axes=(1, 0), of=(6, 4))"),
        ((X, Y, topi.concatenate((X, Y), 1)), "concat(x, y, axis=1)"),
        ((X, topi.nn.pad(X, [1, 2], [0, 3], 1.5)), "pad(x)"),
        ((X, topi.strided_slice(X, [1, 2], [5, 9], [1, 1])), "slice(x, begins=(1, 2), of=(6, 10))"),
        ((X, PLACES, topi.take(X, PLACES, axis=0)), "gather(x, places, axis=0)"),
        ((X, PLACES, topi.take(X, PLACES, axis=1)), "gather(x, places, axis=1)"),
        ((X, topi.sum(X, 0)), "sum(x, axis=(0,))"),
        ((X, topi.divide(topi.sum(X, 1), 10.0)), "mean(x, axis=(1,))"),
        ((X, topi.prod(X, 1)), "prod(x, axis=(1,))"),
    ],
    ids=lambda value: value.partition("(")[0] if isinstance(value, str) else "",
)
def test_movement_and_reductions(tensors: tuple[te.Tensor, ...], said: str) -> None:
    mod = module(*tensors)
    found = recognised(mod)
    assert [str(operator).partition(" = ")[2] for operator in found.operators] == [said]
    assert difference(mod, found) < 1e-4


def test_parts_of_one_result_are_joined() -> None:
    body = """int i = threadIdx.x; for (int j = 0; j < 4; j++) y[i * 7 + j] = a[i * 4 + j];
    for (int j = 0; j < 3; j++) y[i * 7 + 4 + j] = b[i * 3 + j];"""
    mod = raised(body, given("a", 24), given("b", 18), out("y", 42), block=6)
    found = recognised(mod)
    assert str(found.operators[-1]) == "y = concat(a, b, axis=1)"
    assert difference(mod, found) == 0


def test_a_prefix_sum() -> None:
    k = te.reduce_axis((0, 10), "k")
    zero = tvm.tirx.const(0, "float32")
    total = te.compute(
        (6, 10),
        lambda r, c: te.sum(tvm.tirx.if_then_else(k <= c, X[r, k], zero), k),
        "y",
    )
    found = recognised(module(X, total))
    assert str(found.operators[-1]) == "y = cumsum(x, axis=1, exclusive=False)"
    assert difference(module(X, total), found) < 1e-4


def test_what_is_stored_in_part_has_no_operator() -> None:
    from xpiler_tvm.frontends.recognition import equivalent_of

    mod = raised("y[2 * threadIdx.x] = a[threadIdx.x];", given("a", 8), out("y", 16), block=8)
    found = equivalent_of(mod)
    assert (found.mod, found.operators) == (None, ())
    assert found.reason == "'y' is written in part"


@pytest.mark.parametrize(("store", "name"), [("=", "scatter"), ("+=", "scatter_add")])
def test_stores_at_places_from_memory(store: str, name: str) -> None:
    body = f"""int j = threadIdx.x;
    for (int i = 0; i < 5; i++) y[places[i] * 4 + j] {store} x[i * 4 + j];"""
    params = given("x", 20), given("places", 5, "int32"), Tensor("y", (24,), intent="inout")
    mod = raised(body, *params, block=4)
    found = recognised(mod)
    assert [str(operator) for operator in found.operators] == [f"y = {name}(y, places, x, axis=0)"]
    assert difference(mod, found) < 1e-5
