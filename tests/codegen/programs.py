"""Raised programs that the emitters are tested with: a module, its kernel, what it computes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tvm
from tvm import te, tirx
from tvm.script import tirx as T

from xpiler_tvm.kernel import Kernel, Param, Scalar, Tensor

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Program:
    """`reference` takes the inputs by name and gives the outputs by name, in float64."""

    name: str
    mod: tvm.IRModule
    kernel: Kernel
    reference: Callable[[Arrays], Arrays]

    def inputs(self, seed: int = 0) -> dict[str, np.ndarray | int | float]:
        """Seeded signed arrays; outputs hold a value that no kernel computes."""
        rng = np.random.default_rng(seed)
        values: dict[str, np.ndarray | int | float] = {}
        for param in self.kernel.params or ():
            if isinstance(param, Scalar):
                assert param.value is not None
                values[param.name] = param.value
            elif param.intent == "out":
                fill = np.nan if "float" in param.dtype else 77
                values[param.name] = np.full(param.shape, fill).astype(param.dtype)
            elif "float" in param.dtype:
                values[param.name] = rng.normal(0, 2, param.shape).astype(param.dtype)
            else:
                info = np.iinfo(param.dtype)
                low, high = max(info.min, -100000), min(info.max, 100000)
                values[param.name] = rng.integers(low, high, param.shape, dtype=param.dtype)
        return values


def _program(
    name: str,
    args: list[te.Tensor] | tirx.PrimFunc,
    params: tuple[Param, ...],
    reference: Callable[[Arrays], Arrays],
) -> Program:
    func = args if isinstance(args, tirx.PrimFunc) else te.create_prim_func(args)
    mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
    return Program(name, mod, Kernel("", "cuda", name, params, filename=f"{name}.cu"), reference)


def _tensor(
    name: str, shape: tuple[int, ...], intent: str = "in", dtype: str = "float32"
) -> Tensor:
    return Tensor(name, shape, dtype, intent)  # type: ignore[arg-type]


def add(n: int = 10007, dtype: str = "float32") -> Program:
    x, y = te.placeholder((n,), dtype, "x"), te.placeholder((n,), dtype, "y")
    z = te.compute((n,), lambda i: x[i] + y[i], name="z")
    return _program(
        "add",
        [x, y, z],
        (
            _tensor("x", (n,), dtype=dtype),
            _tensor("y", (n,), dtype=dtype),
            _tensor("z", (n,), "out", dtype),
            Scalar("n", "int32", n),
        ),
        lambda v: {"z": v["x"] + v["y"]},
    )


def gelu(n: int = 5000, form: str = "erf") -> Program:
    x = te.placeholder((n,), "float32", "x")

    def tanh_form(i: tirx.Var) -> tvm.ir.Expr:
        cubic = tirx.const(0.044715, "float32") * x[i] * x[i] * x[i]
        inner = tirx.const(math.sqrt(2 / math.pi), "float32") * (x[i] + cubic)
        return tirx.const(0.5, "float32") * x[i] * (tirx.const(1, "float32") + tirx.tanh(inner))

    def erf_form(i: tirx.Var) -> tvm.ir.Expr:
        half, one = tirx.const(0.5, "float32"), tirx.const(1, "float32")
        return half * x[i] * (one + tirx.erf(x[i] * tirx.const(math.sqrt(0.5), "float32")))

    y = te.compute((n,), erf_form if form == "erf" else tanh_form, name="y")

    def reference(v: Arrays) -> Arrays:
        a = v["x"].astype("float64")
        if form == "tanh":
            inner = math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)
            return {"y": 0.5 * a * (1 + np.tanh(inner))}
        return {"y": 0.5 * a * (1 + np.vectorize(math.erf)(a * math.sqrt(0.5)))}

    params = (_tensor("x", (n,)), _tensor("y", (n,), "out"))
    return _program(f"gelu_{form}", [x, y], params, reference)


def half_exp(n: int = 4000) -> Program:
    """Half precision in memory, single precision in between."""
    x = te.placeholder((n,), "float16", "x")
    y = te.compute(
        (n,), lambda i: tirx.exp(x[i].astype("float32") * 0.5).astype("float16"), name="y"
    )
    params = (_tensor("x", (n,), dtype="float16"), _tensor("y", (n,), "out", "float16"))
    return _program(
        "half_exp", [x, y], params, lambda v: {"y": np.exp(v["x"].astype("float64") * 0.5)}
    )


def softmax(rows: int = 37, columns: int = 200) -> Program:
    x = te.placeholder((rows, columns), "float32", "x")
    k, r = te.reduce_axis((0, columns), "k"), te.reduce_axis((0, columns), "r")
    top = te.compute((rows,), lambda i: te.max(x[i, k], axis=k), name="top")
    e = te.compute((rows, columns), lambda i, j: tirx.exp(x[i, j] - top[i]), name="e")
    total = te.compute((rows,), lambda i: te.sum(e[i, r], axis=r), name="total")
    y = te.compute((rows, columns), lambda i, j: e[i, j] / total[i], name="y")

    def reference(v: Arrays) -> Arrays:
        a = v["x"].astype("float64")
        power = np.exp(a - a.max(1, keepdims=True))
        return {"y": power / power.sum(1, keepdims=True)}

    params = (_tensor("x", (rows, columns)), _tensor("y", (rows, columns), "out"))
    return _program("softmax", [x, y], params, reference)


def layernorm(rows: int = 19, columns: int = 128) -> Program:
    x = te.placeholder((rows, columns), "float32", "x")
    gamma = te.placeholder((columns,), "float32", "gamma")
    beta = te.placeholder((columns,), "float32", "beta")
    k, r = te.reduce_axis((0, columns), "k"), te.reduce_axis((0, columns), "r")
    size = tirx.const(columns, "float32")
    total = te.compute((rows,), lambda i: te.sum(x[i, k], axis=k), name="total")
    mean = te.compute((rows,), lambda i: total[i] / size, name="mean")
    square = te.compute(
        (rows,),
        lambda i: te.sum((x[i, r] - mean[i]) * (x[i, r] - mean[i]), axis=r),
        name="square",
    )
    eps = tirx.const(1e-5, "float32")
    y = te.compute(
        (rows, columns),
        lambda i, j: (x[i, j] - mean[i]) / tirx.sqrt(square[i] / size + eps) * gamma[j] + beta[j],
        name="y",
    )

    def reference(v: Arrays) -> Arrays:
        a = v["x"].astype("float64")
        centred = a - a.mean(1, keepdims=True)
        scale = np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5)
        return {"y": centred / scale * v["gamma"] + v["beta"]}

    params = (
        _tensor("x", (rows, columns)),
        _tensor("gamma", (columns,)),
        _tensor("beta", (columns,)),
        _tensor("y", (rows, columns), "out"),
    )
    return _program("layernorm", [x, gamma, beta, y], params, reference)


def gemm(m: int = 33, n: int = 100, depth: int = 70) -> Program:
    a = te.placeholder((m, depth), "float32", "A")
    b = te.placeholder((depth, n), "float32", "B")
    k = te.reduce_axis((0, depth), "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    params = (_tensor("A", (m, depth)), _tensor("B", (depth, n)), _tensor("C", (m, n), "out"))
    return _program(
        "gemm",
        [a, b, c],
        params,
        lambda v: {"C": v["A"].astype("float64") @ v["B"].astype("float64")},
    )


def gemm_int8(m: int = 20, n: int = 48, depth: int = 64) -> Program:
    a = te.placeholder((m, depth), "int8", "A")
    b = te.placeholder((n, depth), "int8", "B")
    k = te.reduce_axis((0, depth), "k")
    c = te.compute(
        (m, n),
        lambda i, j: te.sum(a[i, k].astype("int32") * b[j, k].astype("int32"), axis=k),
        name="C",
    )
    params = (
        _tensor("A", (m, depth), dtype="int8"),
        _tensor("B", (n, depth), dtype="int8"),
        _tensor("C", (m, n), "out", "int32"),
    )
    return _program(
        "gemm_int8",
        [a, b, c],
        params,
        lambda v: {"C": v["A"].astype("int64") @ v["B"].astype("int64").T},
    )


def stencil(h: int = 45, w: int = 70) -> Program:
    """The mean of five points inside; the border is copied."""
    x = te.placeholder((h, w), "float32", "x")
    y = te.compute(
        (h, w),
        lambda i, j: tirx.if_then_else(
            tirx.all(i > 0, i < h - 1, j > 0, j < w - 1),
            (x[i, j] + x[i - 1, j] + x[i + 1, j] + x[i, j - 1] + x[i, j + 1])
            * tirx.const(0.2, "float32"),
            x[i, j],
        ),
        name="y",
    )

    def reference(v: Arrays) -> Arrays:
        a = v["x"].astype("float64")
        out = a.copy()
        out[1:-1, 1:-1] = 0.2 * (
            a[1:-1, 1:-1] + a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:]
        )
        return {"y": out}

    return _program(
        "stencil", [x, y], (_tensor("x", (h, w)), _tensor("y", (h, w), "out")), reference
    )


def stencil_inner(h: int = 45, w: int = 70) -> Program:
    """The same, with a predicate: the border is left as it was."""
    func = tvm.script.from_source(
        """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((H, W), "float32"), y: T.Buffer((H, W), "float32")):
    for i, j in T.grid(H, W):
        with T.sblock("y"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.where(0 < i and i < H - 1 and 0 < j and j < W - 1)
            y[vi, vj] = (
                x[vi, vj] + x[vi - 1, vj] + x[vi + 1, vj] + x[vi, vj - 1] + x[vi, vj + 1]
            ) * T.float32(0.2)
""",
        extra_vars={"T": T, "H": h, "W": w},
    )

    def reference(v: Arrays) -> Arrays:
        a, out = v["x"].astype("float64"), v["y"].astype("float64")
        out[1:-1, 1:-1] = 0.2 * (
            a[1:-1, 1:-1] + a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:]
        )
        return {"y": out}

    params = (_tensor("x", (h, w)), _tensor("y", (h, w), "inout"))
    return _program("stencil_inner", func, params, reference)


def transpose(h: int = 50, w: int = 77) -> Program:
    x = te.placeholder((h, w), "float32", "x")
    y = te.compute((w, h), lambda i, j: x[j, i], name="y")
    params = (_tensor("x", (h, w)), _tensor("y", (w, h), "out"))
    return _program("transpose", [x, y], params, lambda v: {"y": v["x"].T})


def maxpool(n: int = 2, h: int = 12, w: int = 15, c: int = 64) -> Program:
    """NHWC, windows of 3x3, stride 2, no padding."""
    oh, ow = (h - 3) // 2 + 1, (w - 3) // 2 + 1
    x = te.placeholder((n, h, w, c), "float32", "x")
    p, q = te.reduce_axis((0, 3), "p"), te.reduce_axis((0, 3), "q")
    y = te.compute(
        (n, oh, ow, c),
        lambda b, i, j, k: te.max(x[b, i * 2 + p, j * 2 + q, k], axis=[p, q]),
        name="y",
    )

    def reference(v: Arrays) -> Arrays:
        a = v["x"]
        windows = [
            a[:, r : r + 2 * oh - 1 : 2, s : s + 2 * ow - 1 : 2] for r in range(3) for s in range(3)
        ]
        return {"y": np.max(windows, axis=0)}

    params = (_tensor("x", (n, h, w, c)), _tensor("y", (n, oh, ow, c), "out"))
    return _program("maxpool", [x, y], params, reference)


def opaque(rows: int = 29, columns: int = 50) -> Program:
    """What a thread does, in one block: a prefix sum with a while loop and a local array."""
    func = tvm.script.from_source(
        """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((R, C), "float32"), y: T.Buffer((R, C), "float32"),
         steps: T.Buffer((R,), "int32")):
    for i in range(R):
        with T.sblock("row"):
            vi = T.axis.spatial(R, i)
            T.reads(x[vi, 0:C])
            T.writes(y[vi, 0:C], steps[vi])
            run = T.sblock_alloc_buffer((1,), scope="local")
            left = T.sblock_alloc_buffer((1,), "int32", scope="local")
            run[0] = T.float32(0)
            for k in range(C):
                run[0] = run[0] + x[vi, k]
                if run[0] > T.float32(3):
                    y[vi, k] = run[0] - T.float32(3)
                else:
                    y[vi, k] = run[0]
            left[0] = vi * 7 + 1
            steps[vi] = 0
            while left[0] > 1:
                if left[0] % 2 == 0:
                    left[0] = left[0] // 2
                else:
                    left[0] = left[0] * 3 + 1
                steps[vi] = steps[vi] + 1
""",
        extra_vars={"T": T, "R": rows, "C": columns},
    )

    def reference(v: Arrays) -> Arrays:
        run = np.cumsum(v["x"].astype("float64"), axis=1)
        steps = []
        for i in range(rows):
            left, count = i * 7 + 1, 0
            while left > 1:
                left = left // 2 if left % 2 == 0 else left * 3 + 1
                count += 1
            steps.append(count)
        return {"y": np.where(run > 3, run - 3, run), "steps": np.array(steps)}

    params = (
        _tensor("x", (rows, columns)),
        _tensor("y", (rows, columns), "out"),
        _tensor("steps", (rows,), "out", "int32"),
    )
    return _program("opaque", func, params, reference)


ALL: tuple[Callable[[], Program], ...] = (
    add,
    gelu,
    lambda: gelu(form="tanh"),
    softmax,
    layernorm,
    gemm,
    gemm_int8,
    stencil,
    stencil_inner,
    transpose,
    maxpool,
    opaque,
)


def row_sum(rows: int = 61, columns: int = 32) -> Program:
    x, k = te.placeholder((rows, columns), name="x"), te.reduce_axis((0, columns), "k")
    y = te.compute((rows,), lambda i: te.sum(x[i, k], axis=k), name="y")
    return _program(
        "row_sum",
        [x, y],
        (_tensor("x", (rows, columns)), _tensor("y", (rows,), "out")),
        lambda v: {"y": v["x"].astype("float64").sum(1)},
    )
