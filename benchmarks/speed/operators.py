"""Operators in plain C at realistic sizes, with what numpy, PyTorch and onnxruntime call the same.

The C text is what is transcompiled and what g++ gets. Names in capitals are its macros. `exact` is
what is right, in float64 or int64; it and `numpy` take the inputs as arrays of their shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = list[np.ndarray]
Call = Callable[..., Any]


@dataclass(frozen=True)
class Tensor:
    """A parameter: its name, shape and dtype; the last one of an operator is its result."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class Operator:
    """One operator at one size.

    Attributes
    ----------
    name : family and size, such as `gemm_f32_512`.
    source : C of the function `kernel`.
    tensors : its parameters in order, the result last.
    work : operations of a run where these bound it, else bytes; `unit` says which of the two.
    exact : inputs in float64 or int64 to the result.
    numpy, torch : inputs and `out` to the result, as the library does it best; the second takes
        the module `torch` before these.
    onnx : the nodes of a graph, `(operator, inputs, outputs, attributes)`; the inputs go by the
        tensors' names, the result too.
    layout : the axes' order in which the libraries hold each tensor, where it is another.
    """

    name: str
    source: str
    tensors: tuple[Tensor, ...]
    work: float
    unit: str
    exact: Call
    numpy: Call | None = None
    torch: Call | None = None
    onnx: Sequence[tuple[Any, ...]] = ()
    layout: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return self.name.split("@")[0]

    def inputs(self, seed: int = 0) -> Arrays:
        """Values for all parameters but the result; bytes take their whole range."""
        rng = np.random.default_rng(seed)
        arrays = []
        for tensor in self.tensors[:-1]:
            if tensor.dtype == "float32":
                arrays.append(rng.standard_normal(tensor.shape, dtype="float32"))
            elif tensor.dtype == "int16":
                arrays.append(rng.integers(-1000, 1000, tensor.shape, dtype="int16"))
            elif tensor.dtype == "int32":
                arrays.append(rng.integers(0, 1000, tensor.shape, dtype="int32"))
            else:
                info = np.iinfo(tensor.dtype)
                arrays.append(rng.integers(info.min, info.max + 1, tensor.shape, tensor.dtype))
        return arrays


def _bytes(*tensors: Tensor) -> float:
    return float(sum(math.prod(t.shape) * np.dtype(t.dtype).itemsize for t in tensors))


# ---------------------------------------------------------------- elementwise


def _map(name: str, expression: str, exact: Call, **libraries: Any) -> Operator:
    n = 1 << 22
    x, y = Tensor("x", (n,)), Tensor("y", (n,))
    source = f"""#include <math.h>
void kernel(const float *restrict x, float *restrict y) {{
  for (int i = 0; i < {n}; i++) y[i] = {expression};
}}
"""
    return Operator(f"{name}@4M", source, (x, y), _bytes(x, y), "B", exact, **libraries)


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf)(x)


def _elementwise() -> list[Operator]:
    n = 1 << 22
    a, b, c = Tensor("a", (n,)), Tensor("b", (n,)), Tensor("c", (n,))
    add = Operator(
        "add@4M",
        f"""void kernel(const float *restrict a, const float *restrict b, float *restrict c) {{
  for (int i = 0; i < {n}; i++) c[i] = a[i] + b[i];
}}
""",
        (a, b, c),
        _bytes(a, b, c),
        "B",
        lambda a, b: a + b,
        lambda a, b, out: np.add(a, b, out=out),
        lambda torch, a, b, out: torch.add(a, b, out=out),
        [("Add", ["a", "b"], ["c"], {})],
    )
    return [
        add,
        _map(
            "relu",
            "fmaxf(x[i], 0.0f)",
            lambda x: np.maximum(x, 0),
            numpy=lambda x, out: np.maximum(x, 0, out=out),
            torch=lambda torch, x, out: torch.clamp_min(x, 0, out=out),
            onnx=[("Relu", ["x"], ["y"], {})],
        ),
        _map(
            "sign",
            "x[i] > 0.0f ? 1.0f : (x[i] < 0.0f ? -1.0f : 0.0f)",
            np.sign,
            numpy=lambda x, out: np.sign(x, out=out),
            torch=lambda torch, x, out: torch.sign(x, out=out),
            onnx=[("Sign", ["x"], ["y"], {})],
        ),
        _map(
            "gelu",
            "0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f))",
            lambda x: 0.5 * x * (1 + _erf(x * math.sqrt(0.5))),
            torch=lambda torch, x, out: torch._C._nn.gelu(x, out=out),
            onnx=[("Gelu", ["x"], ["y"], {"approximate": "none"})],
        ),
        _map(
            "sigmoid",
            "1.0f / (1.0f + expf(-x[i]))",
            lambda x: 1 / (1 + np.exp(-x)),
            numpy=lambda x, out: np.reciprocal(
                np.add(np.exp(np.negative(x, out=out), out=out), 1, out=out), out=out
            ),
            torch=lambda torch, x, out: torch.sigmoid(x, out=out),
            onnx=[("Sigmoid", ["x"], ["y"], {})],
        ),
        _map(
            "tanh",
            "tanhf(x[i])",
            np.tanh,
            numpy=lambda x, out: np.tanh(x, out=out),
            torch=lambda torch, x, out: torch.tanh(x, out=out),
            onnx=[("Tanh", ["x"], ["y"], {})],
        ),
        _map(
            "sin",
            "sinf(x[i])",
            np.sin,
            numpy=lambda x, out: np.sin(x, out=out),
            torch=lambda torch, x, out: torch.sin(x, out=out),
            onnx=[("Sin", ["x"], ["y"], {})],
        ),
        _map(
            "exp",
            "expf(x[i])",
            np.exp,
            numpy=lambda x, out: np.exp(x, out=out),
            torch=lambda torch, x, out: torch.exp(x, out=out),
            onnx=[("Exp", ["x"], ["y"], {})],
        ),
    ]


# ---------------------------------------------------------------- rows


_ROW = "#include <math.h>\n#define ROWS {rows}\n#define COLS {columns}\n"


def _rows(name: str, body: str, exact: Call, reduces: bool = False, **libraries: Any) -> Operator:
    rows, columns = 4096, 1024
    x = Tensor("x", (rows, columns))
    y = Tensor("y", (rows,) if reduces else (rows, columns))
    source = (
        _ROW.format(rows=rows, columns=columns)
        + "void kernel(const float *restrict x, float *restrict y) {\n"
        + "  for (int r = 0; r < ROWS; r++) {\n    const float *p = x + r * COLS;\n"
        + body
        + "  }\n}\n"
    )
    return Operator(f"{name}@4096x1024", source, (x, y), _bytes(x, y), "B", exact, **libraries)


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _numpy_softmax(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    np.exp(np.subtract(x, x.max(-1, keepdims=True), out=out), out=out)
    return np.divide(out, out.sum(-1, keepdims=True), out=out)


def _numpy_layernorm(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    np.subtract(x, x.mean(-1, keepdims=True), out=out)
    variance = np.einsum("rc,rc->r", out, out)[:, None] / np.float32(x.shape[1])
    return np.divide(out, np.sqrt(variance + np.float32(1e-5)), out=out)


def _numpy_rmsnorm(x: np.ndarray, out: np.ndarray) -> np.ndarray:
    squares = np.einsum("rc,rc->r", x, x)[:, None] / np.float32(x.shape[1])
    return np.divide(x, np.sqrt(squares + np.float32(1e-5)), out=out)


def _row_operators() -> list[Operator]:
    columns = Tensor("x", (4096, 1024))
    total = Tensor("y", (1024,))
    by_columns = Operator(
        "sum_columns@4096x1024",
        _ROW.format(rows=4096, columns=1024)
        + """void kernel(const float *restrict x, float *restrict y) {
  for (int c = 0; c < COLS; c++) {
    float s = 0.0f;
    for (int r = 0; r < ROWS; r++) s += x[r * COLS + c];
    y[c] = s;
  }
}
""",
        (columns, total),
        _bytes(columns, total),
        "B",
        lambda x: x.sum(0),
        lambda x, out: np.sum(x, 0, out=out),
        lambda torch, x, out: torch.sum(x, 0, out=out),
        [("ReduceSum", ["x", "=axes:0"], ["y"], {"keepdims": 0})],
    )
    return [
        _rows(
            "softmax",
            """    float m = p[0], s = 0.0f;
    for (int c = 0; c < COLS; c++) m = fmaxf(m, p[c]);
    for (int c = 0; c < COLS; c++) s += expf(p[c] - m);
    for (int c = 0; c < COLS; c++) y[r * COLS + c] = expf(p[c] - m) / s;
""",
            _softmax,
            numpy=_numpy_softmax,
            torch=lambda torch, x, out: torch.softmax(x, -1, out=out),
            onnx=[("Softmax", ["x"], ["y"], {"axis": -1})],
        ),
        _rows(
            "layernorm",
            """    float s = 0.0f, v = 0.0f;
    for (int c = 0; c < COLS; c++) s += p[c];
    const float mean = s / COLS;
    for (int c = 0; c < COLS; c++) v += (p[c] - mean) * (p[c] - mean);
    const float scale = 1.0f / sqrtf(v / COLS + 1e-5f);
    for (int c = 0; c < COLS; c++) y[r * COLS + c] = (p[c] - mean) * scale;
""",
            lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5),
            numpy=_numpy_layernorm,
            torch=lambda torch, x, out: torch.nn.functional.layer_norm(x, (1024,)),
            onnx=[("LayerNormalization", ["x", "=ones:1024"], ["y"], {"epsilon": 1e-5})],
        ),
        _rows(
            "rmsnorm",
            """    float v = 0.0f;
    for (int c = 0; c < COLS; c++) v += p[c] * p[c];
    const float scale = 1.0f / sqrtf(v / COLS + 1e-5f);
    for (int c = 0; c < COLS; c++) y[r * COLS + c] = p[c] * scale;
""",
            lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5),
            numpy=_numpy_rmsnorm,
            torch=lambda torch, x, out: torch.nn.functional.rms_norm(x, (1024,), eps=1e-5),
            onnx=[("RMSNormalization", ["x", "=ones:1024"], ["y"], {"epsilon": 1e-5})],
        ),
        _rows(
            "sum",
            """    float s = 0.0f;
    for (int c = 0; c < COLS; c++) s += p[c];
    y[r] = s;
""",
            lambda x: x.sum(-1),
            True,
            numpy=lambda x, out: np.sum(x, -1, out=out),
            torch=lambda torch, x, out: torch.sum(x, -1, out=out),
            onnx=[("ReduceSum", ["x", "=axes:1"], ["y"], {"keepdims": 0})],
        ),
        _rows(
            "max",
            """    float m = p[0];
    for (int c = 0; c < COLS; c++) m = fmaxf(m, p[c]);
    y[r] = m;
""",
            lambda x: x.max(-1),
            True,
            numpy=lambda x, out: np.max(x, -1, out=out),
            torch=lambda torch, x, out: torch.amax(x, -1, out=out),
            onnx=[("ReduceMax", ["x", "=axes:1"], ["y"], {"keepdims": 0})],
        ),
        by_columns,
    ]


# ---------------------------------------------------------------- products


def _gemm(kind: str, m: int, n: int, k: int, **libraries: Any) -> Operator:
    """C[m, n] = A[m, k] * B[k, n]; `kind` is the operands' type."""
    left, right, sum_type = {
        "f32": ("float", "float", "float"),
        "u8s8": ("uint8_t", "int8_t", "int32_t"),
        "s8s8": ("int8_t", "int8_t", "int32_t"),
        "s16": ("int16_t", "int16_t", "int32_t"),
    }[kind]

    def dtype(c_type: str) -> str:
        return "float32" if c_type == "float" else c_type.removesuffix("_t")

    tensors = (
        Tensor("a", (m, k), dtype(left)),
        Tensor("b", (k, n), dtype(right)),
        Tensor("c", (m, n), dtype(sum_type)),
    )
    source = f"""#include <stdint.h>
#define M {m}
#define N {n}
#define K {k}
void kernel(const {left} *restrict a, const {right} *restrict b, {sum_type} *restrict c) {{
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {{
      {sum_type} s = 0;
      for (int k = 0; k < K; k++) s += ({sum_type})a[i * K + k] * ({sum_type})b[k * N + j];
      c[i * N + j] = s;
    }}
}}
"""
    name = f"gemm_{kind}@{m}x{n}x{k}"
    exact = _exact_product
    return Operator(name, source, tensors, 2.0 * m * n * k, "op", exact, **libraries)


def _exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In float64, which is exact for sums below 2^53."""
    return a.astype("float64") @ b.astype("float64")


def _products() -> list[Operator]:
    found = []
    for size in (512, 1024):
        found.append(
            _gemm(
                "f32",
                size,
                size,
                size,
                numpy=lambda a, b, out: np.matmul(a, b, out=out),
                torch=lambda torch, a, b, out: torch.mm(a, b, out=out),
                onnx=[("MatMul", ["a", "b"], ["c"], {})],
            )
        )
        found.append(
            _gemm("u8s8", size, size, size, onnx=[("MatMulInteger", ["a", "b"], ["c"], {})])
        )
        found.append(
            _gemm(
                "s8s8",
                size,
                size,
                size,
                torch=lambda torch, a, b, out: torch._int_mm(a, b, out=out),
                onnx=[("MatMulInteger", ["a", "b"], ["c"], {})],
            )
        )
    found.append(_gemm("s16", 512, 512, 512))
    found.append(_dense(64, 768, 768))
    found.append(_bmm(4, 256))
    found.append(_gemv(1024, 2048))
    found.append(_gatemlp(32, 512))
    return found


def _dense(m: int, n: int, k: int) -> Operator:
    tensors = Tensor("a", (m, k)), Tensor("w", (k, n)), Tensor("b", (n,)), Tensor("c", (m, n))
    source = f"""#include <math.h>
#define M {m}
#define N {n}
#define K {k}
void kernel(const float *restrict a, const float *restrict w, const float *restrict b,
            float *restrict c) {{
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {{
      float s = 0.0f;
      for (int k = 0; k < K; k++) s += a[i * K + k] * w[k * N + j];
      c[i * N + j] = fmaxf(s + b[j], 0.0f);
    }}
}}
"""
    return Operator(
        f"dense_relu@{m}x{n}x{k}",
        source,
        tensors,
        2.0 * m * n * k,
        "op",
        lambda a, w, b: np.maximum(a @ w + b, 0),
        lambda a, w, b, out: np.maximum(np.add(np.matmul(a, w, out=out), b, out=out), 0, out=out),
        lambda torch, a, w, b, out: torch.addmm(b, a, w, out=out).clamp_min_(0),
        [("Gemm", ["a", "w", "b"], ["t"], {}), ("Relu", ["t"], ["c"], {})],
    )


def _bmm(batch: int, size: int) -> Operator:
    tensors = tuple(Tensor(name, (batch, size, size)) for name in "abc")
    source = f"""#define N {size}
void kernel(const float *restrict a, const float *restrict b, float *restrict c) {{
  for (int t = 0; t < {batch}; t++)
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {{
        float s = 0.0f;
        for (int k = 0; k < N; k++) s += a[(t * N + i) * N + k] * b[(t * N + k) * N + j];
        c[(t * N + i) * N + j] = s;
      }}
}}
"""
    return Operator(
        f"bmm_f32@{batch}x{size}",
        source,
        tensors,
        2.0 * batch * size**3,
        "op",
        lambda a, b: a @ b,
        lambda a, b, out: np.matmul(a, b, out=out),
        lambda torch, a, b, out: torch.bmm(a, b, out=out),
        [("MatMul", ["a", "b"], ["c"], {})],
    )


def _gemv(m: int, n: int) -> Operator:
    tensors = Tensor("a", (m, n)), Tensor("x", (n,)), Tensor("y", (m,))
    source = f"""void kernel(const float *restrict a, const float *restrict x, float *restrict y) {{
  for (int i = 0; i < {m}; i++) {{
    float s = 0.0f;
    for (int k = 0; k < {n}; k++) s += a[i * {n} + k] * x[k];
    y[i] = s;
  }}
}}
"""
    return Operator(
        f"gemv@{m}x{n}",
        source,
        tensors,
        _bytes(*tensors),
        "B",
        lambda a, x: a @ x,
        lambda a, x, out: np.matmul(a, x, out=out),
        lambda torch, a, x, out: torch.mv(a, x, out=out),
        [("MatMul", ["a", "x"], ["y"], {})],
    )


def _gatemlp(m: int, n: int) -> Operator:
    tensors = Tensor("x", (m, n)), Tensor("a", (n, n)), Tensor("b", (n, n)), Tensor("y", (m, n))
    source = f"""#include <math.h>
#define M {m}
#define N {n}
void kernel(const float *restrict x, const float *restrict a, const float *restrict b,
            float *restrict y) {{
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {{
      float g = 0.0f, u = 0.0f;
      for (int k = 0; k < N; k++) {{
        g += x[i * N + k] * a[k * N + j];
        u += x[i * N + k] * b[k * N + j];
      }}
      y[i * N + j] = g / (1.0f + expf(-g)) * u;
    }}
}}
"""

    def exact(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        g = x @ a
        return g / (1 + np.exp(-g)) * (x @ b)

    return Operator(
        f"gatemlp@{m}x{n}",
        source,
        tensors,
        4.0 * m * n * n,
        "op",
        exact,
        None,
        lambda torch, x, a, b, out: torch.mul(
            torch.nn.functional.silu(torch.mm(x, a)), torch.mm(x, b), out=out
        ),
        [
            ("MatMul", ["x", "a"], ["g"], {}),
            ("Sigmoid", ["g"], ["s"], {}),
            ("Mul", ["g", "s"], ["h"], {}),
            ("MatMul", ["x", "b"], ["u"], {}),
            ("Mul", ["h", "u"], ["y"], {}),
        ],
    )


# ---------------------------------------------------------------- windows

_NHWC_TO_NCHW = (0, 3, 1, 2)


def _windows(x: np.ndarray, kh: int, kw: int, stride: int) -> np.ndarray:
    """Windows of an NHWC image: [n, i, j, c, k, l]."""
    found = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))
    return found[:, ::stride, ::stride]


def _conv(kind: str, layout: str, size: int, channels: int) -> Operator:
    """A convolution of 3 x 3, stride 1, without padding, N = 1, as many channels out as in."""
    out = size - 2
    left, right, total = {
        "f32": ("float", "float", "float"),
        "u8s8": ("uint8_t", "int8_t", "int32_t"),
    }[kind]
    dtypes = ["float32"] * 3 if kind == "f32" else ["uint8", "int8", "int32"]
    if layout == "nhwc":
        shapes = (1, size, size, channels), (channels, 3, 3, channels), (1, out, out, channels)
        at_x, at_w, at_y = (
            "((i + k) * S + j + l) * C + c",
            "((o * 3 + k) * 3 + l) * C + c",
            "(i * O + j) * C + o",
        )
        loops = ("i", "O"), ("j", "O"), ("o", "C")
        order = {"x": _NHWC_TO_NCHW, "w": _NHWC_TO_NCHW, "y": _NHWC_TO_NCHW}
    else:
        shapes = (1, channels, size, size), (channels, channels, 3, 3), (1, channels, out, out)
        at_x, at_w, at_y = (
            "(c * S + i + k) * S + j + l",
            "((o * C + c) * 3 + k) * 3 + l",
            "(o * O + i) * O + j",
        )
        loops = ("o", "C"), ("i", "O"), ("j", "O")
        order = {}
    heads = "".join(f"  for (int {v} = 0; {v} < {n}; {v}++)\n" for v, n in loops)
    source = f"""#include <stdint.h>
#define S {size}
#define O {out}
#define C {channels}
void kernel(const {left} *restrict x, const {right} *restrict w, {total} *restrict y) {{
{heads}    {{
      {total} s = 0;
      for (int k = 0; k < 3; k++)
        for (int l = 0; l < 3; l++)
          for (int c = 0; c < C; c++) s += ({total})x[{at_x}] * ({total})w[{at_w}];
      y[{at_y}] = s;
    }}
}}
"""

    def exact(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        x, w = x.astype("float64"), w.astype("float64")
        if layout == "nhwc":
            return np.einsum("nijckl,oklc->nijo", _windows(x, 3, 3, 1), w, optimize=True)
        moved = np.moveaxis(x, 1, -1)
        return np.einsum("nijckl,ockl->noij", _windows(moved, 3, 3, 1), w, optimize=True)

    tensors = tuple(Tensor(n, s, d) for n, s, d in zip("xwy", shapes, dtypes, strict=True))
    node = "Conv" if kind == "f32" else "ConvInteger"
    return Operator(
        f"conv2d_{layout}_{kind}@{size}x{size}x{channels}",
        source,
        tensors,
        2.0 * out * out * channels * channels * 9,
        "op",
        exact,
        None,
        (lambda torch, x, w, out: torch.nn.functional.conv2d(x, w)) if kind == "f32" else None,
        [(node, ["x", "w"], ["y"], {"kernel_shape": [3, 3]})],
        order,
    )


def _depthwise(size: int, channels: int) -> Operator:
    out = size - 2
    tensors = (
        Tensor("x", (1, size, size, channels)),
        Tensor("w", (1, 3, 3, channels)),
        Tensor("y", (1, out, out, channels)),
    )
    source = f"""#define S {size}
#define O {out}
#define C {channels}
void kernel(const float *restrict x, const float *restrict w, float *restrict y) {{
  for (int i = 0; i < O; i++)
    for (int j = 0; j < O; j++)
      for (int c = 0; c < C; c++) {{
        float s = 0.0f;
        for (int k = 0; k < 3; k++)
          for (int l = 0; l < 3; l++)
            s += x[((i + k) * S + j + l) * C + c] * w[(k * 3 + l) * C + c];
        y[(i * O + j) * C + c] = s;
      }}
}}
"""
    return Operator(
        f"depthwise@{size}x{size}x{channels}",
        source,
        tensors,
        _bytes(*tensors),
        "B",
        lambda x, w: np.einsum("nijckl,mklc->nijc", _windows(x, 3, 3, 1), w),
        None,
        lambda torch, x, w, out: torch.nn.functional.conv2d(x, w, groups=channels),
        [("Conv", ["x", "w"], ["y"], {"kernel_shape": [3, 3], "group": channels})],
        {"x": _NHWC_TO_NCHW, "w": (3, 0, 1, 2), "y": _NHWC_TO_NCHW},
    )


def _depthwise_planes(channels: int, size: int) -> Operator:
    """The same of [C, H, W], with a border so that results are as large as images."""
    x, y = (Tensor(name, (1, channels, size, size)) for name in "xy")
    w = Tensor("w", (channels, 1, 3, 3))
    source = f"""#define S {size}
#define C {channels}
void kernel(const float *restrict x, const float *restrict w, float *restrict y) {{
  for (int c = 0; c < C; c++)
    for (int i = 0; i < S; i++)
      for (int j = 0; j < S; j++) {{
        float s = 0.0f;
        for (int k = 0; k < 3; k++)
          for (int l = 0; l < 3; l++) {{
            const int yy = i + k - 1, xx = j + l - 1;
            if (yy >= 0 && yy < S && xx >= 0 && xx < S)
              s += x[(c * S + yy) * S + xx] * w[(c * 3 + k) * 3 + l];
          }}
        y[(c * S + i) * S + j] = s;
      }}
}}
"""

    def exact(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        moved = np.moveaxis(_bordered(x, 0.0), 1, -1)
        found = np.einsum("nijckl,cmkl->nijc", _windows(moved, 3, 3, 1), w)
        return np.moveaxis(found, -1, 1)

    attributes = {"kernel_shape": [3, 3], "group": channels, "pads": [1, 1, 1, 1]}
    return Operator(
        f"depthwise_nchw@{channels}x{size}x{size}",
        source,
        (x, w, y),
        _bytes(x, w, y),
        "B",
        exact,
        None,
        lambda torch, x, w, out: torch.nn.functional.conv2d(x, w, padding=1, groups=channels),
        [("Conv", ["x", "w"], ["y"], attributes)],
    )


def _maxpool_planes(channels: int, size: int) -> Operator:
    """3 x 3 by steps of 2 with a border, of [C, H, W]."""
    out = (size - 1) // 2 + 1
    x, y = Tensor("x", (1, channels, size, size)), Tensor("y", (1, channels, out, out))
    source = f"""#include <math.h>
#define S {size}
#define O {out}
void kernel(const float *restrict x, float *restrict y) {{
  for (int c = 0; c < {channels}; c++)
    for (int i = 0; i < O; i++)
      for (int j = 0; j < O; j++) {{
        float s = -INFINITY;
        for (int k = 0; k < 3; k++)
          for (int l = 0; l < 3; l++) {{
            const int yy = i * 2 + k - 1, xx = j * 2 + l - 1;
            if (yy >= 0 && yy < S && xx >= 0 && xx < S) s = fmaxf(s, x[(c * S + yy) * S + xx]);
          }}
        y[(c * O + i) * O + j] = s;
      }}
}}
"""

    def exact(x: np.ndarray) -> np.ndarray:
        moved = np.moveaxis(_bordered(x, -np.inf), 1, -1)
        return np.moveaxis(_windows(moved, 3, 3, 2).max((-1, -2)), -1, 1)

    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    return Operator(
        f"maxpool_nchw@{channels}x{size}x{size}",
        source,
        (x, y),
        _bytes(x, y),
        "B",
        exact,
        None,
        lambda torch, x, out: torch.nn.functional.max_pool2d(x, 3, 2, 1),
        [("MaxPool", ["x"], ["y"], attributes)],
    )


def _bordered(x: np.ndarray, value: float) -> np.ndarray:
    """[N, C, H, W] with one more row and column on each side."""
    return np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=value)


def _pool(name: str) -> Operator:
    n, size, channels, stride = 4, 56, 128, 2
    out = (size - 3) // stride + 1
    tensors = Tensor("x", (n, size, size, channels)), Tensor("y", (n, out, out, channels))
    start, step, end = {
        "maxpool": ("-3.402823466e+38f", "s = fmaxf(s, v)", "s"),
        "avgpool": ("0.0f", "s += v", "s / 9.0f"),
    }[name]
    source = f"""#include <math.h>
#define S {size}
#define O {out}
#define C {channels}
void kernel(const float *restrict x, float *restrict y) {{
  for (int n = 0; n < {n}; n++)
    for (int i = 0; i < O; i++)
      for (int j = 0; j < O; j++)
        for (int c = 0; c < C; c++) {{
          float s = {start};
          for (int k = 0; k < 3; k++)
            for (int l = 0; l < 3; l++) {{
              const float v = x[((n * S + i * {stride} + k) * S + j * {stride} + l) * C + c];
              {step};
            }}
          y[((n * O + i) * O + j) * C + c] = {end};
        }}
}}
"""
    largest = name == "maxpool"
    attributes = {"kernel_shape": [3, 3], "strides": [stride, stride]}
    pool = "max_pool2d" if largest else "avg_pool2d"
    return Operator(
        f"{name}@{n}x{size}x{size}x{channels}",
        source,
        tensors,
        _bytes(*tensors),
        "B",
        lambda x: (
            _windows(x, 3, 3, stride).max((-1, -2))
            if largest
            else _windows(x, 3, 3, stride).mean((-1, -2))
        ),
        None,
        lambda torch, x, out: getattr(torch.nn.functional, pool)(x, 3, stride),
        [("MaxPool" if largest else "AveragePool", ["x"], ["y"], attributes)],
        {"x": _NHWC_TO_NCHW, "y": _NHWC_TO_NCHW},
    )


# ---------------------------------------------------------------- others


def _transpose(size: int) -> Operator:
    tensors = Tensor("x", (size, size)), Tensor("y", (size, size))
    source = f"""#define N {size}
void kernel(const float *restrict x, float *restrict y) {{
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) y[j * N + i] = x[i * N + j];
}}
"""
    return Operator(
        f"transpose@{size}",
        source,
        tensors,
        _bytes(*tensors),
        "B",
        lambda x: x.T,
        lambda x, out: np.copyto(out, x.T),
        lambda torch, x, out: out.copy_(x.T),
        [("Transpose", ["x"], ["y"], {"perm": [1, 0]})],
    )


def _gather(rows: int, columns: int, picked: int) -> Operator:
    x, at = Tensor("x", (rows, columns)), Tensor("at", (picked,), "int32")
    y = Tensor("y", (picked, columns))
    source = f"""#include <stdint.h>
#define COLS {columns}
void kernel(const float *restrict x, const int32_t *restrict at, float *restrict y) {{
  for (int i = 0; i < {picked}; i++)
    for (int j = 0; j < COLS; j++) y[i * COLS + j] = x[at[i] * COLS + j];
}}
"""
    return Operator(
        f"gather@{rows}x{columns}x{picked}",
        source,
        (x, at, y),
        2 * _bytes(y),
        "B",
        lambda x, at: x[at],
        lambda x, at, out: np.take(x, at, 0, out=out, mode="clip"),
        lambda torch, x, at, out: torch.index_select(x, 0, at, out=out),
        [("Gather", ["x", "at"], ["y"], {"axis": 0})],
    )


def _batchnorm(n: int, channels: int, size: int) -> Operator:
    x, y = (Tensor(name, (n, channels, size, size)) for name in "xy")
    m, v, g, b = (Tensor(name, (channels,)) for name in "mvgb")
    source = f"""#include <math.h>
#define C {channels}
#define S {size * size}
void kernel(const float *restrict x, const float *restrict m, const float *restrict v,
            const float *restrict g, const float *restrict b, float *restrict y) {{
  for (int n = 0; n < {n}; n++)
    for (int c = 0; c < C; c++)
      for (int i = 0; i < S; i++) {{
        const int at = (n * C + c) * S + i;
        y[at] = (x[at] - m[c]) / sqrtf(v[c] * v[c] + 1e-5f) * g[c] + b[c];
      }}
}}
"""

    def exact(x: np.ndarray, *parameters: np.ndarray) -> np.ndarray:
        m, v, g, b = (one[:, None, None] for one in parameters)
        return (x - m) / np.sqrt(v * v + 1e-5) * g + b

    return Operator(
        f"batchnorm@{n}x{channels}x{size}x{size}",
        source,
        (x, m, v, g, b, y),
        _bytes(x, y),
        "B",
        exact,
        None,
        lambda torch, x, m, v, g, b, out: torch.nn.functional.batch_norm(x, m, v * v, g, b),
        [
            ("Mul", ["v", "v"], ["vv"], {}),
            ("BatchNormalization", ["x", "g", "b", "m", "vv"], ["y"], {"epsilon": 1e-5}),
        ],
    )


def _attention(heads: int, length: int, depth: int) -> Operator:
    tensors = tuple(Tensor(name, (heads, length, depth)) for name in "qkvo")
    source = f"""#include <math.h>
#define S {length}
#define D {depth}
void kernel(const float *restrict q, const float *restrict k, const float *restrict v,
            float *restrict o) {{
  for (int h = 0; h < {heads}; h++)
    for (int i = 0; i < S; i++) {{
      float p[S], m = -3.402823466e+38f, s = 0.0f;
      for (int j = 0; j < S; j++) {{
        float t = 0.0f;
        for (int d = 0; d < D; d++) t += q[(h * S + i) * D + d] * k[(h * S + j) * D + d];
        p[j] = t * {depth**-0.5}f;
      }}
      for (int j = 0; j < S; j++) m = fmaxf(m, p[j]);
      for (int j = 0; j < S; j++) p[j] = expf(p[j] - m);
      for (int j = 0; j < S; j++) s += p[j];
      for (int d = 0; d < D; d++) {{
        float t = 0.0f;
        for (int j = 0; j < S; j++) t += p[j] * v[(h * S + j) * D + d];
        o[(h * S + i) * D + d] = t / s;
      }}
    }}
}}
"""
    return Operator(
        f"attention@{heads}x{length}x{depth}",
        source,
        tensors,
        4.0 * heads * length * length * depth,
        "op",
        lambda q, k, v: _softmax(q @ np.swapaxes(k, 1, 2) * depth**-0.5) @ v,
        None,
        lambda torch, q, k, v, out: torch.nn.functional.scaled_dot_product_attention(
            q[None], k[None], v[None]
        )[0],
        [
            ("Transpose", ["k"], ["kt"], {"perm": [0, 2, 1]}),
            ("MatMul", ["q", "kt"], ["qk"], {}),
            ("Mul", ["qk", f"=value:{depth**-0.5}"], ["scaled"], {}),
            ("Softmax", ["scaled"], ["p"], {"axis": -1}),
            ("MatMul", ["p", "v"], ["o"], {}),
        ],
    )


def operators() -> list[Operator]:
    """All operators that are measured, in the table's order."""
    return [
        *_elementwise(),
        *_row_operators(),
        *_products(),
        _conv("f32", "nhwc", 56, 64),
        _conv("f32", "nchw", 56, 64),
        _conv("u8s8", "nhwc", 56, 64),
        _depthwise(128, 128),
        _depthwise_planes(64, 112),
        _maxpool_planes(64, 112),
        _pool("maxpool"),
        _pool("avgpool"),
        _batchnorm(4, 64, 56),
        _transpose(2048),
        _gather(1000, 1024, 2000),
        _attention(8, 256, 64),
    ]
