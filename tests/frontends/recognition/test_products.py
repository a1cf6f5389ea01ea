"""Products of matrices, convolutions and pooling, each held against what it was found in."""

from __future__ import annotations

import pytest
import tvm
from tvm import te, topi

from ..support import out
from .support import difference, given, module, names, raised, recognised


def array(name: str, *shape: int, dtype: str = "float32") -> te.Tensor:
    return te.placeholder(shape, dtype, name)


def product(transpose_a: bool = False, transpose_b: bool = False, depth: int = 16) -> tvm.IRModule:
    a = array("A", 16, 8) if transpose_a else array("A", 8, 16)
    b = array("B", 12, 16) if transpose_b else array("B", 16, 12)
    k = te.reduce_axis((0, depth), "k")

    def term(i: te.Var, j: te.Var) -> te.Tensor:
        return (a[k, i] if transpose_a else a[i, k]) * (b[j, k] if transpose_b else b[k, j])

    return module(a, b, te.compute((8, 12), lambda i, j: te.sum(term(i, j), k), "C"))


@pytest.mark.parametrize("a", [False, True])
@pytest.mark.parametrize("b", [False, True])
def test_operands_lie_one_way_or_the_other(a: bool, b: bool) -> None:
    mod = product(a, b)
    found = recognised(mod)
    assert names(found) == ["matmul"]
    said = found.operators[0].attributes
    assert (said.get("transpose_a", False), said.get("transpose_b", False)) == (a, b)
    assert found.operators[0].inputs == ("A", "B")
    assert difference(mod, found) < 1e-4


def test_a_sum_that_ends_early_is_a_product_of_slices() -> None:
    mod = product(depth=15)
    found = recognised(mod)
    assert names(found) == ["slice", "slice", "matmul"]
    assert not {"A", "B"} & set(found.operators[-1].inputs)
    assert difference(mod, found) < 1e-4


def test_a_batch() -> None:
    a, b = array("A", 3, 8, 16), array("B", 3, 12, 16)
    mod = module(a, b, topi.nn.batch_matmul(a, b))
    found = recognised(mod)
    assert names(found) == ["matmul"]
    assert dict(found.operators[0].attributes)["batch"] == 3
    assert difference(mod, found) < 1e-4


def test_bytes_accumulate_in_words() -> None:
    body = """int i = blockIdx.x; for (int j = 0; j < 6; j++) { int s = 0;
    for (int k = 0; k < 8; k++) s += (int)a[i * 8 + k] * (int)b[j * 8 + k]; c[i * 6 + j] = s; }"""
    params = given("a", 40, "uint8"), given("b", 48, "int8")
    mod = raised(body, *params, out("c", 30, dtype="int32"), grid=5)
    found = recognised(mod)
    assert [str(operator) for operator in found.operators] == [
        "c = matmul(a, b, transpose_b=True, accumulates=int32)"
    ]
    assert difference(mod, found) == 0


def test_what_is_fused_behind_a_product() -> None:
    body = """int i = blockIdx.x, j = threadIdx.x; float s = 0;
    for (int k = 0; k < 8; k++) s += a[i * 8 + k] * b[k * 6 + j];
    c[i * 6 + j] = fmaxf(s + bias[j], 0.f);"""
    params = given("a", 40), given("b", 48), given("bias", 6)
    mod = raised(body, *params, out("c", 30), grid=5, block=6)
    found = recognised(mod)
    assert names(found) == ["matmul", "add", "relu"]
    first, second, third = found.operators
    assert first.output in second.inputs
    assert "bias" in second.inputs
    assert (third.inputs, third.output) == ((second.output,), "c")
    assert difference(mod, found) < 1e-4


def test_a_product_with_a_vector() -> None:
    a, x, k = array("A", 8, 16), array("x", 16), te.reduce_axis((0, 16), "k")
    mod = module(a, x, te.compute((8,), lambda i: te.sum(a[i, k] * x[k], k), "y"))
    found = recognised(mod)
    assert names(found) == ["gemv"]
    assert difference(mod, found) < 1e-4


# -- Windows --------------------------------------------------------------------------------------

IMAGE = array("x", 2, 4, 9, 9)
LAST = array("x", 2, 9, 9, 4)


def convolution(case: str) -> tuple[tvm.IRModule, str, dict[str, object]]:
    nn = topi.nn
    if case == "strides and padding":
        w = array("w", 6, 4, 3, 3)
        made = nn.conv2d_nchw(IMAGE, w, 2, 1, 1)
        return module(IMAGE, w, made), "conv2d", {"strides": (2, 2), "padding": (1, 1, 1, 1)}
    if case == "dilation":
        w = array("w", 6, 4, 3, 3)
        made = nn.conv2d_nchw(IMAGE, w, 1, 0, 2)
        return module(IMAGE, w, made), "conv2d", {"dilation": (2, 2)}
    if case == "channels last":
        w = array("w", 3, 3, 4, 6)
        made = nn.conv2d_nhwc(LAST, w, 1, 0, 1)
        return module(LAST, w, made), "conv2d", {"layout": "channels last"}
    if case == "groups":
        w = array("w", 6, 2, 3, 3)
        made = nn.group_conv2d_nchw(IMAGE, w, 1, 1, 1, 2)
        return module(IMAGE, w, made), "conv2d", {"groups": 2}
    if case == "depthwise":
        w = array("w", 4, 1, 3, 3)
        made = nn.depthwise_conv2d_nchw(IMAGE, w, 1, 1, 1)
        return module(IMAGE, w, made), "depthwise_conv2d", {"groups": 4}
    x, w = array("x", 2, 4, 20), array("w", 6, 4, 5)
    made = nn.conv1d_ncw(x, w, 2, 2, 1)
    return module(x, w, made), "conv1d", {"strides": (2,), "padding": (2, 1)}


@pytest.mark.parametrize(
    "case",
    ["strides and padding", "dilation", "channels last", "groups", "depthwise", "one dimension"],
)
def test_convolutions(case: str) -> None:
    mod, name, said = convolution(case)
    found = recognised(mod)
    assert names(found) == [name]
    assert said.items() <= found.operators[0].attributes.items()
    assert difference(mod, found) < 1e-4


@pytest.mark.parametrize(("kind", "name"), [("max", "max_pool2d"), ("avg", "avg_pool2d")])
def test_pools(kind: str, name: str) -> None:
    made = topi.nn.pool2d(IMAGE, [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], kind, count_include_pad=True)
    mod = module(IMAGE, made)
    found = recognised(mod)
    assert names(found) == [name]
    assert found.operators[0].attributes["pool_size"] == (3, 3)
    assert difference(mod, found) < 1e-5


def pool(combine: str, begin: str, last: str) -> tvm.IRModule:
    body = f"""int i = threadIdx.x; float s = {begin};
    for (int k = 0; k < 3; k++) s = {combine};
    y[i] = {last};"""
    return raised(body, given("x", 20), out("y", 9), block=9)


@pytest.mark.parametrize(
    ("combine", "begin", "last", "expected"),
    [
        ("s + x[2 * i + k]", "0", "s", ["sum_pool1d"]),
        ("s + x[2 * i + k]", "0", "s / 3", ["avg_pool1d"]),
        ("s + x[2 * i + k]", "0", "s / 4", ["sum_pool1d", "multiply"]),
        ("fminf(s, x[2 * i + k])", "1e30f", "s", ["min_pool1d"]),
    ],
)
def test_what_a_pool_divides_by(combine: str, begin: str, last: str, expected: list[str]) -> None:
    mod = pool(combine, begin, last)
    found = recognised(mod)
    assert names(found) == expected
    assert difference(mod, found) < 1e-5
