"""Softmax, normalisations and attention, and what only looks like them."""

from __future__ import annotations

import pytest
import tvm
from tvm import te, topi

from ..support import out
from .support import difference, given, module, names, raised, recognised

ROWS, COLUMNS = 6, 10
X = te.placeholder((ROWS, COLUMNS), "float32", "x")


def row(body: str, *weights: str) -> tvm.IRModule:
    """A kernel with a thread for each row of x, of which `body` makes a row of y."""
    params = [given(name, COLUMNS) for name in weights]
    text = f"const int n = {COLUMNS}; int r = threadIdx.x * n; {body}"
    return raised(text, given("x", ROWS * COLUMNS), *params, out("y", 60), block=ROWS)


EACH = "for (int j = 0; j < n; j++) "
SHIFTED = f"""float m = -INFINITY; {EACH} m = fmaxf(m, x[r + j]);
float s = 0; {EACH} s += expf(x[r + j] - m);"""
MOMENTS = f"""float s = 0; {EACH} s += x[r + j]; float m = s / n;
float v = 0; {EACH} v += (x[r + j] - m) * (x[r + j] - m);"""


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (f"{SHIFTED} {EACH} y[r + j] = expf(x[r + j] - m) / s;", "softmax"),
        (f"{SHIFTED} s = 1 / s; {EACH} y[r + j] = expf(x[r + j] - m) * s;", "softmax"),
        (f"{SHIFTED} {EACH} y[r + j] = x[r + j] - m - logf(s);", "log_softmax"),
        (f"{SHIFTED} s = logf(s) + m; {EACH} y[r + j] = x[r + j] - s;", "log_softmax"),
    ],
)
def test_softmax_in_many_ways(body: str, name: str) -> None:
    mod = row(body)
    found = recognised(mod)
    assert names(found) == [name]
    assert difference(mod, found) < 1e-4


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_along_either_axis(axis: int) -> None:
    found = recognised(module(X, topi.nn.softmax(X, axis=axis)))
    assert names(found) == ["softmax"]
    assert found.operators[0].attributes["axis"] == (axis,)


@pytest.mark.parametrize(
    "body",
    [
        f"float s = 0; {EACH} s += expf(x[r + j]); {EACH} y[r + j] = expf(x[r + j]) / s;",
        f"{SHIFTED} {EACH} y[r + j] = expf(x[r + j] - m) / (s + 1);",
        f"{SHIFTED} {EACH} y[r + j] = expf(x[r + j]) / s;",
    ],
    ids=["no maximum", "another divisor", "another exponential"],
)
def test_what_is_no_softmax(body: str) -> None:
    mod = row(body)
    found = recognised(mod)
    assert "softmax" not in " ".join(names(found))
    assert difference(mod, found) < 1e-4


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        ("1 / sqrtf(v / n + 1e-5f)", {"epsilon": 1e-5}),
        ("rsqrtf((v + 1e-3f) / n)", {"epsilon": 1e-4}),
        ("1 / (sqrtf(v / n) + 1e-3f)", {"epsilon": 1e-3, "epsilon_is": "outside the root"}),
    ],
)
def test_layer_norm(scale: str, said: dict[str, object]) -> None:
    body = f"{MOMENTS} float d = {scale}; {EACH} y[r + j] = (x[r + j] - m) * d * g[j] + b[j];"
    mod = row(body, "g", "b")
    found = recognised(mod)
    assert names(found) == ["layer_norm"]
    assert said.items() <= found.operators[0].attributes.items()
    assert found.operators[0].inputs == ("x", "g", "b")
    assert difference(mod, found) < 1e-4


def test_layer_norm_by_moments() -> None:
    body = f"""float s = 0, q = 0; {EACH} {{ s += x[r + j]; q += x[r + j] * x[r + j]; }}
    float m = s / n, d = rsqrtf(q / n - m * m + 1e-5f); {EACH} y[r + j] = (x[r + j] - m) * d;"""
    mod = row(body)
    found = recognised(mod)
    assert names(found) == ["layer_norm"]
    assert difference(mod, found) < 1e-3


def test_the_variance_of_a_sample_is_another() -> None:
    body = f"{MOMENTS} float d = rsqrtf(v / (n - 1)); {EACH} y[r + j] = (x[r + j] - m) * d;"
    mod = row(body)
    found = recognised(mod)
    assert "layer_norm" not in names(found)
    assert difference(mod, found) < 1e-4


def test_rms_norm() -> None:
    body = f"""float q = 0; {EACH} q += x[r + j] * x[r + j];
    float d = rsqrtf(q / n + 1e-6f); {EACH} y[r + j] = x[r + j] * d * g[j];"""
    mod = row(body, "g")
    found = recognised(mod)
    assert [str(operator) for operator in found.operators] == [
        "y = rms_norm(x, g, axis=(1,), epsilon=1e-06)"
    ]
    assert difference(mod, found) < 1e-4


@pytest.mark.parametrize(("weight", "name"), [("c", "instance_norm"), ("c * 2 + j / 5", "group")])
def test_weights_of_channels(weight: str, name: str) -> None:
    """Rows are channels of an instance, or two of a group, with a weight for each channel."""
    body = f"{MOMENTS} float d = rsqrtf(v / n + 1e-5f); int c = threadIdx.x % 3;"
    mod = row(f"{body} {EACH} y[r + j] = (x[r + j] - m) * d * g[{weight}];", "g")
    found = recognised(mod)
    assert names(found)[-1].startswith(name)
    assert difference(mod, found) < 1e-4


def test_batch_norm() -> None:
    body = """int i = threadIdx.x, c = i / 5 % 2;
    y[i] = (x[i] - mean[c]) * rsqrtf(fabsf(var[c]) + 1e-3f) * g[c] + b[c];"""
    params = [given(name, 2) for name in ("mean", "var", "g", "b")]
    body = body.replace("fabsf(var[c])", "var[c]")
    mod = raised(body, given("x", 60), *params, out("y", 60), block=60)
    found = recognised(mod)
    assert names(found) == ["batch_norm"]
    assert found.operators[0].inputs == ("x", "mean", "var", "g", "b")
    assert found.operators[0].attributes["epsilon"] == 1e-3


# -- Attention ------------------------------------------------------------------------------------


def attention(share: str, weigh: str, masked: str = "") -> tvm.IRModule:
    """Queries and keys of 8 numbers, 5 of each; `share` and `weigh` divide by the sum."""
    body = f"""int i = threadIdx.x; float p[5]; float m = -INFINITY;
    for (int j = 0; j < 5; j++) {{ float d = 0;
      for (int k = 0; k < 8; k++) d += q[i * 8 + k] * key[j * 8 + k];
      p[j] = {masked or "d * 0.25f"}; m = fmaxf(m, p[j]); }}
    float s = 0; for (int j = 0; j < 5; j++) s += expf(p[j] - m);
    for (int c = 0; c < 8; c++) {{ float o = 0;
      for (int j = 0; j < 5; j++) o += expf(p[j] - m){share} * v[j * 8 + c];
      y[i * 8 + c] = o{weigh}; }}"""
    params = [given(name, 40) for name in ("q", "key", "v")]
    return raised(body, *params, out("y", 40), block=5)


@pytest.mark.parametrize(("share", "weigh"), [(" / s", ""), ("", " / s")])
def test_attention_however_it_is_divided(share: str, weigh: str) -> None:
    mod = attention(share, weigh)
    found = recognised(mod)
    assert [str(operator) for operator in found.operators] == [
        "y = attention(q, key, v, scale=0.25)"
    ]
    assert difference(mod, found) < 1e-4


def test_masked_attention() -> None:
    mod = attention("", " / s", "j <= i ? d * 0.25f : -INFINITY")
    found = recognised(mod)
    assert names(found) == ["attention"]
    assert found.operators[0].attributes["masked"]
    assert difference(mod, found) < 1e-4


def test_weights_that_are_no_shares_are_no_attention() -> None:
    mod = attention("", "")
    found = recognised(mod)
    assert "attention" not in names(found)
    assert difference(mod, found) < 1e-3
