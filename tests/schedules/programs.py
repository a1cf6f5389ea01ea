"""Raised programs for the schedule tests, and what each one means in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from tvm import te, tirx

Arrays = list[Any]


@dataclass(frozen=True)
class Program:
    """A PrimFunc whose last parameters are its outputs, and their values given the inputs.

    With `in_place` the outputs hold values that the program reads, and so does the reference.
    """

    mod: tvm.IRModule
    reference: Callable[..., object]
    outputs: int = 1
    in_place: bool = False

    def inputs(self, seed: int = 0) -> Arrays:
        """Values of all parameters in order; the outputs hold NaN or a sentinel."""
        rng = np.random.default_rng(seed)
        params = list(self.mod["main"].params)
        arrays: Arrays = []
        for place, param in enumerate(params):
            if not tirx.is_buffer_var(param):
                arrays.append(1.5 if str(param.ty.dtype).startswith("float") else 700)
                continue
            shape, dtype = tuple(int(extent) for extent in param.shape), str(param.dtype)
            if place >= len(params) - self.outputs and not self.in_place:
                poison = np.nan if np.issubdtype(dtype, np.floating) else 77
                arrays.append(np.full(shape, poison, dtype))
            elif np.issubdtype(dtype, np.integer):
                info = np.iinfo(dtype)
                low, high = max(info.min, -128), min(info.max, 255)
                arrays.append(rng.integers(low, high + 1, shape).astype(dtype))
            else:
                arrays.append(rng.standard_normal(shape).astype(dtype))
        return arrays

    def expected(self, arrays: Arrays) -> Arrays:
        given = arrays if self.in_place else arrays[: len(arrays) - self.outputs]
        result = self.reference(*given)
        return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]


def from_te(*tensors: te.Tensor) -> tvm.IRModule:
    return tvm.IRModule(
        {"main": te.create_prim_func(list(tensors)).with_attr("global_symbol", "main")}
    )


def from_text(text: str) -> tvm.IRModule:
    return tvm.IRModule({"main": tvm.script.from_source(text).with_attr("global_symbol", "main")})


def vector_add(n: int) -> Program:
    a, b = te.placeholder((n,), name="A"), te.placeholder((n,), name="B")
    return Program(from_te(a, b, te.compute((n,), lambda i: a[i] + b[i], "C")), lambda a, b: a + b)


def gelu(*shape: int) -> Program:
    a = te.placeholder(shape, name="A")
    scaled = te.compute(shape, lambda *i: a(*i) * 0.70710678, "scaled")
    error = te.compute(shape, lambda *i: te.erf(scaled(*i)), "error")
    out = te.compute(shape, lambda *i: 0.5 * a(*i) * (1.0 + error(*i)), "O")
    reference = np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x * 0.70710678)))
    return Program(from_te(a, out), reference)


def softmax(rows: int, columns: int) -> Program:
    a = te.placeholder((rows, columns), name="A")
    k, k2 = te.reduce_axis((0, columns), "k"), te.reduce_axis((0, columns), "k")
    top = te.compute((rows,), lambda i: te.max(a[i, k], axis=k), "top")
    e = te.compute((rows, columns), lambda i, j: te.exp(a[i, j] - top[i]), "e")
    total = te.compute((rows,), lambda i: te.sum(e[i, k2], axis=k2), "total")
    out = te.compute((rows, columns), lambda i, j: e[i, j] / total[i], "O")

    def reference(x: np.ndarray) -> np.ndarray:
        y = np.exp(x.astype("float64") - x.max(-1, keepdims=True))
        return y / y.sum(-1, keepdims=True)

    return Program(from_te(a, out), reference)


def layernorm(batch: int, rows: int, columns: int) -> Program:
    shape = (batch, rows, columns)
    a, g = te.placeholder(shape, name="A"), te.placeholder((columns,), name="G")
    k, k2 = te.reduce_axis((0, columns), "k"), te.reduce_axis((0, columns), "k")
    total = te.compute(shape[:2], lambda b, i: te.sum(a[b, i, k], axis=k), "total")
    mean = te.compute(shape[:2], lambda b, i: total[b, i] / float(columns), "mean")

    def square(b: te.Var, i: te.Var) -> te.Expr:
        return te.sum((a[b, i, k2] - mean[b, i]) * (a[b, i, k2] - mean[b, i]), axis=k2)

    var = te.compute(shape[:2], square, "var")
    dev = te.compute(shape[:2], lambda b, i: te.sqrt(var[b, i] / float(columns)) + 1e-5, "dev")
    out = te.compute(shape, lambda b, i, j: (a[b, i, j] - mean[b, i]) / dev[b, i] * g[j], "O")

    def reference(x: np.ndarray, g: np.ndarray) -> np.ndarray:
        x = x.astype("float64")
        return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1e-5) * g

    return Program(from_te(a, g, out), reference)


def gemm(m: int, n: int, k: int, dtypes: str = "float32 float32 float32") -> Program:
    left, right, out = dtypes.split()
    a, b = te.placeholder((m, k), left, "A"), te.placeholder((k, n), right, "B")
    r = te.reduce_axis((0, k), "r")
    c = te.compute(
        (m, n), lambda i, j: te.sum(a[i, r].astype(out) * b[r, j].astype(out), axis=r), "C"
    )
    wide = "float64" if out.startswith("float") else out
    return Program(from_te(a, b, c), lambda a, b: a.astype(wide) @ b.astype(wide))


def dense_relu(m: int, n: int, k: int) -> Program:
    a, b = te.placeholder((m, k), name="A"), te.placeholder((n, k), name="B")
    bias = te.placeholder((n,), name="bias")
    r = te.reduce_axis((0, k), "r")
    shifted = te.compute((m, k), lambda i, j: te.exp(a[i, j] * 0.1), "shifted")
    c = te.compute((m, n), lambda i, j: te.sum(shifted[i, r] * b[j, r], axis=r), "C")
    summed = te.compute((m, n), lambda i, j: c[i, j] + bias[j], "summed")
    out = te.compute((m, n), lambda i, j: te.max(summed[i, j], 0.0), "O")
    return Program(
        from_te(a, b, bias, out),
        lambda a, b, bias: np.maximum(np.exp(a.astype("float64") * 0.1) @ b.T + bias, 0),
    )


def batched_gemm(batch: int, m: int, n: int, k: int) -> Program:
    a, b = te.placeholder((batch, m, k), name="A"), te.placeholder((batch, k, n), name="B")
    r = te.reduce_axis((0, k), "r")
    c = te.compute((batch, m, n), lambda p, i, j: te.sum(a[p, i, r] * b[p, r, j], axis=r), "C")
    return Program(from_te(a, b, c), lambda a, b: a.astype("float64") @ b)


def gemv(m: int, n: int) -> Program:
    a, x = te.placeholder((m, n), name="A"), te.placeholder((n,), name="X")
    r = te.reduce_axis((0, n), "r")
    y = te.compute((m,), lambda i: te.sum(a[i, r] * x[r], axis=r), "Y")
    return Program(from_te(a, x, y), lambda a, x: a.astype("float64") @ x)


def conv2d(n: int, size: int, cin: int, cout: int, stride: int) -> Program:
    out = (size - 2) // stride + 1
    a, w = (
        te.placeholder((n, size, size, cin), name="A"),
        te.placeholder((cout, 2, 2, cin), name="W"),
    )
    y, x, c = (
        te.reduce_axis((0, 2), "y"),
        te.reduce_axis((0, 2), "x"),
        te.reduce_axis((0, cin), "c"),
    )
    o = te.compute(
        (n, out, out, cout),
        lambda b, i, j, f: te.sum(
            a[b, i * stride + y, j * stride + x, c] * w[f, y, x, c], axis=[y, x, c]
        ),
        "O",
    )

    def reference(a: np.ndarray, w: np.ndarray) -> np.ndarray:
        patches = np.lib.stride_tricks.sliding_window_view(a.astype("float64"), (2, 2), (1, 2))
        return np.einsum("bijcyx,fyxc->bijf", patches[:, ::stride, ::stride], w)

    return Program(from_te(a, w, o), reference)


def stencil(rows: int, columns: int) -> Program:
    a = te.placeholder((rows, columns), name="A")

    def point(i: te.Var, j: te.Var) -> te.Expr:
        inside = te.all(i > 0, i < rows - 1, j > 0, j < columns - 1)
        around = a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1]
        return te.if_then_else(inside, 0.25 * around, a[i, j])

    def reference(a: np.ndarray) -> np.ndarray:
        out = a.copy()
        out[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        return out

    return Program(from_te(a, te.compute((rows, columns), point, "O")), reference)


def transpose(*shape: int, perm: tuple[int, ...]) -> Program:
    a = te.placeholder(shape, name="A")

    def source(*i: te.Var) -> te.Expr:
        return a(*[i[perm.index(axis)] for axis in range(len(shape))])

    out = te.compute(tuple(shape[p] for p in perm), source, "O")
    return Program(from_te(a, out), lambda a: a.transpose(perm))


def maxpool(n: int, size: int, channels: int, window: int, stride: int) -> Program:
    out = (size - window) // stride + 1
    a = te.placeholder((n, size, size, channels), name="A")
    y, x = te.reduce_axis((0, window), "y"), te.reduce_axis((0, window), "x")
    o = te.compute(
        (n, out, out, channels),
        lambda b, i, j, c: te.max(a[b, i * stride + y, j * stride + x, c], axis=[y, x]),
        "O",
    )

    def reference(a: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(a, (window, window), (1, 2))
        return windows[:, ::stride, ::stride].max((-1, -2))

    return Program(from_te(a, o), reference)


def avgpool(n: int, size: int, channels: int) -> Program:
    out = size - 2
    a = te.placeholder((n, size, size, channels), name="A")
    y, x = te.reduce_axis((0, 3), "y"), te.reduce_axis((0, 3), "x")
    total = te.compute(
        (n, out, out, channels),
        lambda b, i, j, c: te.sum(a[b, i + y, j + x, c], axis=[y, x]),
        "total",
    )
    o = te.compute(total.shape, lambda *i: total(*i) / 9.0, "O")

    def reference(a: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(a.astype("float64"), (3, 3), (1, 2))
        return windows.mean((-1, -2))

    return Program(from_te(a, o), reference)


def column_sum(rows: int, columns: int) -> Program:
    a = te.placeholder((rows, columns), name="A")
    k = te.reduce_axis((0, rows), "k")
    o = te.compute((columns,), lambda j: te.sum(a[k, j], axis=k), "O")
    return Program(from_te(a, o), lambda a: a.astype("float64").sum(0))


def column_center(rows: int, columns: int) -> Program:
    a = te.placeholder((rows, columns), name="A")
    k = te.reduce_axis((0, rows), "k")
    total = te.compute((columns,), lambda j: te.sum(a[k, j], axis=k), "total")
    o = te.compute((rows, columns), lambda i, j: a[i, j] - total[j] / float(rows), "O")
    return Program(from_te(a, o), lambda a: a - a.astype("float64").mean(0))


def full_sum(n: int) -> Program:
    a = te.placeholder((n,), name="A")
    k = te.reduce_axis((0, n), "k")
    o = te.compute((1,), lambda _: te.sum(a[k], axis=k), "O")
    return Program(from_te(a, o), lambda a: a.astype("float64").sum(keepdims=True))


def normalize_vector(n: int) -> Program:
    a = te.placeholder((n,), name="A")
    k = te.reduce_axis((0, n), "k")
    total = te.compute((1,), lambda _: te.sum(a[k] * a[k], axis=k), "total")
    o = te.compute((n,), lambda i: a[i] / te.sqrt(total[0]), "O")
    return Program(from_te(a, o), lambda a: a / np.sqrt((a.astype("float64") ** 2).sum()))


def attention(heads: int, queries: int, keys: int, dim: int) -> Program:
    q, k, v = (
        te.placeholder((heads, length, dim), name=name)
        for name, length in (("Q", queries), ("K", keys), ("V", keys))
    )
    d, j, j2, j3 = (te.reduce_axis((0, extent), "r") for extent in (dim, keys, keys, keys))
    rows, full = (heads, queries), (heads, queries, keys)
    s = te.compute(full, lambda h, i, j: te.sum(q[h, i, d] * k[h, j, d], axis=d), "s")
    top = te.compute(rows, lambda h, i: te.max(s[h, i, j], axis=j), "top")
    p = te.compute(full, lambda h, i, j: te.exp(s[h, i, j] - top[h, i]), "p")
    total = te.compute(rows, lambda h, i: te.sum(p[h, i, j2], axis=j2), "total")
    mixed = te.compute(
        (heads, queries, dim), lambda h, i, c: te.sum(p[h, i, j3] * v[h, j3, c], axis=j3), "mixed"
    )
    o = te.compute(mixed.shape, lambda h, i, c: mixed[h, i, c] / total[h, i], "O")

    def reference(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        s = q.astype("float64") @ k.transpose(0, 2, 1)
        p = np.exp(s - s.max(-1, keepdims=True))
        return p @ v / p.sum(-1, keepdims=True)

    return Program(from_te(q, k, v, o), reference)


def two_outputs(n: int) -> Program:
    a = te.placeholder((n,), name="A")
    sine = te.compute((n,), lambda i: te.sin(a[i]), "sine")
    square = te.compute((n,), lambda i: a[i] * a[i], "square")
    return Program(from_te(a, sine, square), lambda a: (np.sin(a), a * a), outputs=2)


def concat() -> Program:
    text = """
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer((37,), "float32"),
    B: T.Buffer((500,), "float32"),
    O: T.Buffer((537,), "float32"),
):
    for i in range(37):
        with T.sblock("first"):
            vi = T.axis.spatial(37, i)
            O[vi] = A[vi]
    for i in range(500):
        with T.sblock("second"):
            vi = T.axis.spatial(500, i)
            O[vi + 37] = B[vi]
"""
    return Program(from_text(text), lambda a, b: np.concatenate([a, b]))


def halves() -> Program:
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((60, 50), "float32"), O: T.Buffer((60, 50), "float32")):
    for i, j in T.grid(60, 50):
        with T.sblock("low"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.where(i + j < 50)
            O[vi, vj] = A[vi, vj]
    for i, j in T.grid(60, 50):
        with T.sblock("high"):
            vi, vj = T.axis.remap("SS", [i, j])
            T.where(50 <= i + j)
            O[vi, vj] = -A[vi, vj]
"""

    def reference(a: np.ndarray) -> np.ndarray:
        i, j = np.indices(a.shape)
        return np.where(i + j < 50, a, -a)

    return Program(from_text(text), reference)


def opaque(rows: int = 45) -> Program:
    """An insertion sort of each row, the fallback form: any body below spatial axes."""
    text = f"""
@T.prim_func(s_tir=True)
def main(A: T.Buffer(({rows}, 9), "float32"), O: T.Buffer(({rows}, 9), "float32")):
    for i in range({rows}):
        with T.sblock("sort"):
            vi = T.axis.spatial({rows}, i)
            T.reads(A[vi, 0:9])
            T.writes(O[vi, 0:9])
            row = T.sblock_alloc_buffer((9,), "float32", scope="local")
            for k in range(9):
                row[k] = A[vi, k]
            for k in range(9):
                for m in range(8):
                    if row[m] > row[m + 1]:
                        low = T.float32()
                        row[m] = row[m] + row[m + 1]
                        row[m + 1] = row[m] - row[m + 1]
                        row[m] = row[m] - row[m + 1]
            for k in range(9):
                O[vi, k] = row[k]
"""
    text = text.replace("                        low = T.float32()\n", "")
    return Program(from_text(text), lambda a: np.sort(a, -1))


def sequential() -> Program:
    """A scan: one block without axes, in order."""
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((100,), "float32"), O: T.Buffer((100,), "float32")):
    with T.sblock("root"):
        with T.sblock("scan"):
            T.reads(A[0:100])
            T.writes(O[0:100])
            O[0] = A[0]
            for k in range(99):
                O[k + 1] = O[k] + A[k + 1]
"""
    return Program(from_text(text), lambda a: np.cumsum(a.astype("float64")))


def saxpy() -> Program:
    """Scalars by value, one of them a bound."""
    text = """
@T.prim_func(s_tir=True)
def main(
    alpha: T.float32,
    n: T.int32,
    X: T.Buffer((1000,), "float32"),
    Y: T.Buffer((1000,), "float32"),
    O: T.Buffer((1000,), "float32"),
):
    for i in range(1000):
        with T.sblock("O"):
            vi = T.axis.spatial(1000, i)
            O[vi] = T.if_then_else(vi < n, alpha * X[vi] + Y[vi], T.float32(0))
"""

    def reference(alpha: float, n: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where(np.arange(1000) < n, alpha * x + y, 0)

    return Program(from_text(text), reference)


def flat_rows(rows: int = 40, columns: int = 100) -> Program:
    """Row sums of a flat array, subtracted in place from another."""
    text = f"""
@T.prim_func(s_tir=True)
def main(A: T.Buffer(({rows * columns},), "float32"), O: T.Buffer(({rows * columns},), "float32")):
    with T.sblock("root"):
        total = T.sblock_alloc_buffer(({rows},), "float32")
        for i, k in T.grid({rows}, {columns}):
            with T.sblock("total"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    total[vi] = T.float32(0)
                total[vi] = total[vi] + A[vi * {columns} + vk]
        for i, j in T.grid({rows}, {columns}):
            with T.sblock("O"):
                vi, vj = T.axis.remap("SS", [i, j])
                O[vi * {columns} + vj] = A[vi * {columns} + vj] - total[vi]
"""

    def reference(a: np.ndarray) -> np.ndarray:
        table = a.astype("float64").reshape(rows, columns)
        return (table - table.sum(-1, keepdims=True)).reshape(-1)

    return Program(from_text(text), reference)


def overwritten() -> Program:
    """Two stages of which the second reads and writes what the first wrote."""
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((30, 40), "float32"), O: T.Buffer((30, 40), "float32")):
    for i, j in T.grid(30, 40):
        with T.sblock("first"):
            vi, vj = T.axis.remap("SS", [i, j])
            O[vi, vj] = A[vi, vj] * T.float32(2)
    for i, j in T.grid(30, 40):
        with T.sblock("second"):
            vi, vj = T.axis.remap("SS", [i, j])
            O[vi, vj] = O[vi, vj] + A[vi, 39 - vj]
"""
    return Program(from_text(text), lambda a: a * 2 + a[:, ::-1])


def opaque_scratch() -> Program:
    """An opaque body with an array of its own, in no scope in particular."""
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((33, 20), "float32"), O: T.Buffer((33, 20), "float32")):
    for i in range(33):
        with T.sblock("reverse"):
            vi = T.axis.spatial(33, i)
            T.reads(A[vi, 0:20])
            T.writes(O[vi, 0:20])
            row = T.sblock_alloc_buffer((20,), "float32")
            for k in range(20):
                row[19 - k] = A[vi, k]
            for k in range(20):
                O[vi, k] = row[k]
"""
    return Program(from_text(text), lambda a: a[:, ::-1])


def shared_loop() -> Program:
    """Two stages below one loop."""
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((50, 60), "float32"), O: T.Buffer((50, 60), "float32")):
    with T.sblock("root"):
        total = T.sblock_alloc_buffer((50,), "float32")
        for i in range(50):
            for k in range(60):
                with T.sblock("total"):
                    vi, vk = T.axis.remap("SR", [i, k])
                    with T.init():
                        total[vi] = T.float32(0)
                    total[vi] = total[vi] + A[vi, vk]
            for j in range(60):
                with T.sblock("O"):
                    vi, vj = T.axis.remap("SS", [i, j])
                    O[vi, vj] = A[vi, vj] / (total[vi] * total[vi] + T.float32(1))
"""

    def reference(a: np.ndarray) -> np.ndarray:
        total = a.astype("float64").sum(-1, keepdims=True)
        return a / (total * total + 1)

    return Program(from_text(text), reference)


def kept_mean() -> Program:
    """An output of one stage that another stage reads: no barrier orders global memory."""
    text = """
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer((40, 300), "float32"),
    M: T.Buffer((40,), "float32"),
    O: T.Buffer((40, 300), "float32"),
):
    for i, k in T.grid(40, 300):
        with T.sblock("M"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                M[vi] = T.float32(0)
            M[vi] = M[vi] + A[vi, vk]
    for i, j in T.grid(40, 300):
        with T.sblock("O"):
            vi, vj = T.axis.remap("SS", [i, j])
            O[vi, vj] = A[vi, vj] - M[vi]
"""

    def reference(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        total = a.astype("float64").sum(-1)
        return total, a - total[:, None]

    return Program(from_text(text), reference, 2)


def gemm_update(m: int, n: int, k: int) -> Program:
    """`C = 1.5 A^T B - 0.5 C`: what a block overwrites is not listed as read."""
    text = f"""
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer(({k}, {m}), "float32"),
    B: T.Buffer(({k}, {n}), "float32"),
    C: T.Buffer(({m}, {n}), "float32"),
):
    with T.sblock("root"):
        acc = T.sblock_alloc_buffer(({m}, {n}), "float32")
        for i, j, k in T.grid({m}, {n}, {k}):
            with T.sblock("acc"):
                vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                with T.init():
                    acc[vi, vj] = T.float32(0)
                acc[vi, vj] = acc[vi, vj] + A[vk, vi] * B[vk, vj]
        for i, j in T.grid({m}, {n}):
            with T.sblock("C"):
                vi, vj = T.axis.remap("SS", [i, j])
                T.reads(acc[vi, vj])
                T.writes(C[vi, vj])
                C[vi, vj] = T.float32(1.5) * acc[vi, vj] - T.float32(0.5) * C[vi, vj]
"""

    def reference(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        return 1.5 * (a.astype("float64").T @ b) - 0.5 * c

    return Program(from_text(text), reference, in_place=True)


def momentum(n: int) -> Program:
    """Two arrays updated in place, the second from what the first held before."""
    text = f"""
@T.prim_func(s_tir=True)
def main(
    G: T.Buffer(({n},), "float32"), M: T.Buffer(({n},), "float32"), P: T.Buffer(({n},), "float32")
):
    with T.sblock("root"):
        held = T.sblock_alloc_buffer(({n},), "float32")
        for i in range({n}):
            with T.sblock("held"):
                vi = T.axis.spatial({n}, i)
                T.reads(M[vi], G[vi])
                T.writes(held[vi])
                held[vi] = M[vi] / (T.fabs(G[vi]) + T.float32(1))
        for i in range({n}):
            with T.sblock("M"):
                vi = T.axis.spatial({n}, i)
                T.reads(G[vi])
                T.writes(M[vi])
                M[vi] = T.float32(0.5) * M[vi] + G[vi]
        for i in range({n}):
            with T.sblock("P"):
                vi = T.axis.spatial({n}, i)
                T.reads(held[vi])
                T.writes(P[vi])
                P[vi] = P[vi] - held[vi]
"""

    def reference(g: np.ndarray, m: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 0.5 * m + g, p - m / (np.abs(g) + 1)

    return Program(from_text(text), reference, outputs=2, in_place=True)


def rotated(tokens: int = 17, heads: int = 3, pairs: int = 20) -> Program:
    """Pairs turned in place by angles from a table; the stages index them by one axis or three."""
    count = tokens * heads * pairs
    point = f"vt * {heads * pairs} + vh * {pairs} + vp"
    text = f"""
@T.prim_func(s_tir=True)
def main(Q: T.Buffer(({count}, 2), "float32")):
    with T.sblock("root"):
        angle = T.sblock_alloc_buffer(({pairs},), "float32")
        x = T.sblock_alloc_buffer(({count},), "float32")
        y = T.sblock_alloc_buffer(({count},), "float32")
        for p in range({pairs}):
            with T.sblock("angle"):
                vp = T.axis.spatial({pairs}, p)
                angle[vp] = T.exp(T.Cast("float32", vp) * T.float32(-0.1))
        for i in range({count}):
            with T.sblock("x"):
                vi = T.axis.spatial({count}, i)
                x[vi] = Q[vi, 0]
        for i in range({count}):
            with T.sblock("y"):
                vi = T.axis.spatial({count}, i)
                y[vi] = Q[vi, 1]
        for t, h, p in T.grid({tokens}, {heads}, {pairs}):
            with T.sblock("left"):
                vt, vh, vp = T.axis.remap("SSS", [t, h, p])
                Q[{point}, 0] = x[{point}] * T.cos(angle[vp]) - y[{point}] * T.sin(angle[vp])
        for t, h, p in T.grid({tokens}, {heads}, {pairs}):
            with T.sblock("right"):
                vt, vh, vp = T.axis.remap("SSS", [t, h, p])
                Q[{point}, 1] = x[{point}] * T.sin(angle[vp]) + y[{point}] * T.cos(angle[vp])
"""

    def reference(q: np.ndarray) -> np.ndarray:
        angle = np.tile(np.exp(np.arange(pairs) * -0.1), tokens * heads)
        x, y = q[:, 0].astype("float64"), q[:, 1].astype("float64")
        left, right = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
        return np.stack([left, right], -1)

    return Program(from_text(text), reference, in_place=True)


def gemm_parts(m: int, n: int, k: int) -> Program:
    """A matrix product written out for each component of a vector of four."""

    def part(c: int) -> str:
        return f"""
    for i, j, k in T.grid({m}, {n}, {k}):
        with T.sblock("C{c}"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj, {c}] = T.float32(0)
            C[vi, vj, {c}] = C[vi, vj, {c}] + A[vi, vk] * B[vk, vj, {c}]
"""

    text = f"""
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer(({m}, {k}), "float32"),
    B: T.Buffer(({k}, {n}, 4), "float32"),
    C: T.Buffer(({m}, {n}, 4), "float32"),
):
{"".join(map(part, range(4)))}
"""
    return Program(from_text(text), lambda a, b: np.einsum("ik,kjc->ijc", a.astype("float64"), b))


def causal(rows: int, dim: int) -> Program:
    """Scores below a diagonal only, scaled by a constant that is a stage of its own."""
    text = f"""
@T.prim_func(s_tir=True)
def main(
    Q: T.Buffer(({rows}, {dim}), "float32"),
    K: T.Buffer(({rows}, {dim}), "float32"),
    O: T.Buffer(({rows},), "float32"),
):
    with T.sblock("root"):
        scale = T.sblock_alloc_buffer((1,), "float32")
        score = T.sblock_alloc_buffer(({rows}, {rows}), "float32")
        with T.sblock("scale"):
            scale[0] = T.rsqrt(T.float32({dim}))
        for i, j, d in T.grid({rows}, {rows}, {dim}):
            with T.sblock("score"):
                vi, vj, vd = T.axis.remap("SSR", [i, j, d])
                T.where(j <= i)
                with T.init():
                    score[vi, vj] = T.float32(0)
                score[vi, vj] = score[vi, vj] + Q[vi, vd] * K[vj, vd]
        for i, j in T.grid({rows}, {rows}):
            with T.sblock("O"):
                vi, vj = T.axis.remap("SR", [i, j])
                with T.init():
                    O[vi] = T.float32(0)
                O[vi] = O[vi] + T.if_then_else(
                    vj <= vi, T.exp(score[vi, vj] * scale[0]), T.float32(0)
                )
"""

    def reference(q: np.ndarray, k: np.ndarray) -> np.ndarray:
        score = np.exp(q.astype("float64") @ k.T / math.sqrt(dim))
        return np.tril(score).sum(-1)

    return Program(from_text(text), reference)


def halo(n: int, block: int) -> Program:
    """A sum over seven neighbours, by blocks of which the last is not full."""
    blocks = -(-n // block)
    text = f"""
@T.prim_func(s_tir=True)
def main(A: T.Buffer(({n},), "int32"), O: T.Buffer(({n},), "int32")):
    for b, t, k in T.grid({blocks}, {block}, 7):
        with T.sblock("O"):
            vb, vt, vk = T.axis.remap("SSR", [b, t, k])
            T.where(b * {block} + t < {n})
            with T.init():
                O[vb * {block} + vt] = 0
            O[vb * {block} + vt] = O[vb * {block} + vt] + T.if_then_else(
                vt + vk < 3,
                T.if_then_else(3 <= vb * {block} + vt + vk, A[vb * {block} + vt + vk - 3], 0),
                T.if_then_else(
                    vb * {block} + vt + vk < {n + 3}, A[vb * {block} + vt + vk - 3], 0
                ),
            )
"""

    def reference(a: np.ndarray) -> np.ndarray:
        return np.convolve(a, np.ones(7, "int32"))[3:-3]

    return Program(from_text(text), reference)


def total_beside(rows: int, columns: int) -> Program:
    """Doubled columns, and their sum in the last one: a reduction writes a part of a result."""
    text = f"""
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer(({rows}, {columns}), "float32"), O: T.Buffer(({rows}, {columns + 1}), "float32")
):
    for i, j in T.grid({rows}, {columns}):
        with T.sblock("twice"):
            vi, vj = T.axis.remap("SS", [i, j])
            O[vi, vj] = A[vi, vj] * T.float32(2)
    for i, k in T.grid({rows}, {columns}):
        with T.sblock("total"):
            vi, vk = T.axis.remap("SR", [i, k])
            with T.init():
                O[vi, {columns}] = T.float32(0)
            O[vi, {columns}] = O[vi, {columns}] + A[vi, vk]
"""

    def reference(a: np.ndarray) -> np.ndarray:
        return np.concatenate([a * 2, a.astype("float64").sum(-1, keepdims=True)], -1)

    return Program(from_text(text), reference)


def with_tail(n: int, tail: int) -> Program:
    """A sum by vectors, and what is left over by elements."""
    text = f"""
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer(({n + tail},), "float32"),
    B: T.Buffer(({n + tail},), "float32"),
    O: T.Buffer(({n + tail},), "float32"),
):
    for i in range({n}):
        with T.sblock("body"):
            vi = T.axis.spatial({n}, i)
            O[vi] = A[vi] + B[vi]
    for i in range({tail}):
        with T.sblock("tail"):
            vi = T.axis.spatial({tail}, i)
            O[vi + {n}] = A[vi + {n}] + B[vi + {n}]
"""
    return Program(from_text(text), lambda a, b: a + b)


def by_digits(rows: int, heads: int, width: int) -> Program:
    """What one axis of rows and heads makes, a result with an axis for each of them reads."""
    text = f"""
@T.prim_func(s_tir=True)
def main(
    V: T.Buffer(({rows}, 1000), "float32"),
    L: T.Buffer(({rows * heads}, 4), "float32"),
    O: T.Buffer(({rows}, {heads}, {width}), "float32"),
):
    with T.sblock("root"):
        low = T.sblock_alloc_buffer(({rows * heads}, 4), "int32")
        for u, p in T.grid({rows * heads}, 4):
            with T.sblock("low"):
                vu, vp = T.axis.remap("SS", [u, p])
                T.sblock_attr({{"xpiler.kept": 1}})
                low[vu, vp] = T.max(
                    T.min(T.Cast("int32", T.floor(L[vu, vp] * T.float32(64))) + 400, 900), 0
                )
        for i, h, j, p in T.grid({rows}, {heads}, {width}, 4):
            with T.sblock("sum"):
                vi, vh, vj, vp = T.axis.remap("SSSR", [i, h, j, p])
                with T.init():
                    O[vi, vh, vj] = T.float32(0)
                O[vi, vh, vj] = (
                    O[vi, vh, vj]
                    + V[vi, low[vi * {heads} + vh, vp] + vj] * L[vi * {heads} + vh, vp]
                )
"""

    def reference(v: np.ndarray, places: np.ndarray) -> np.ndarray:
        low = np.clip(np.floor(places * 64).astype(int) + 400, 0, 900)
        at = low.reshape(rows, heads, 1, 4) + np.arange(width).reshape(1, 1, -1, 1)
        read = v[np.arange(rows).reshape(-1, 1, 1, 1), at]
        return (read * places.reshape(rows, heads, 1, 4)).sum(-1)

    return Program(from_text(text), reference)


def gemm_steps(m: int, n: int, k: int, padded: int) -> Program:
    """A product of int8, whose depth is rounded up and whose factors are worked out."""
    text = f"""
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer(({m}, {k}), "int8"),
    B: T.Buffer(({n}, {k}), "int8"),
    C: T.Buffer(({m}, {n}), "int32"),
):
    for i, j, k in T.grid({m}, {n}, {padded}):
        with T.sblock("C"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0
            C[vi, vj] = C[vi, vj] + T.if_then_else(vk < {k}, T.Cast("int32", A[vi, vk]) * 3, 0) * (
                T.if_then_else(vk < {k}, T.Cast("int32", B[vj, vk]), 0) - 1
            )
"""

    def reference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a.astype("int32") * 3) @ (b.astype("int32") - 1).T

    return Program(from_text(text), reference)


PROGRAMS: dict[str, Callable[[], Program]] = {
    "vector_add_prime": lambda: vector_add(1000003),
    "vector_add_small": lambda: vector_add(7),
    "gelu": lambda: gelu(5, 12, 23),
    "softmax": lambda: softmax(64, 1000),
    "softmax_long": lambda: softmax(3, 5003),
    "softmax_short": lambda: softmax(45, 7),
    "softmax_prime": lambda: softmax(127, 101),
    "layernorm": lambda: layernorm(2, 8, 128),
    "gemm": lambda: gemm(128, 128, 128),
    "gemm_odd": lambda: gemm(67, 130, 51),
    "gemm_f16": lambda: gemm(64, 96, 33, "float16 float16 float32"),
    "gemm_int8": lambda: gemm(48, 80, 64, "int8 int8 int32"),
    "gemm_vnni": lambda: gemm(67, 130, 51, "uint8 int8 int32"),
    "gemm_thin": lambda: gemm(3, 200, 40),
    "dense_relu": lambda: dense_relu(33, 70, 40),
    "batched_gemm": lambda: batched_gemm(3, 65, 40, 32),
    "gemv": lambda: gemv(125, 320),
    "conv2d": lambda: conv2d(2, 8, 16, 32, 2),
    "stencil": lambda: stencil(101, 97),
    "transpose": lambda: transpose(70, 45, perm=(1, 0)),
    "transpose_3d": lambda: transpose(36, 24, 48, perm=(0, 2, 1)),
    "transpose_201": lambda: transpose(24, 32, 48, perm=(2, 0, 1)),
    "maxpool": lambda: maxpool(2, 17, 64, 3, 2),
    "avgpool": lambda: avgpool(2, 9, 5),
    "column_sum": lambda: column_sum(300, 512),
    "column_sum_prime": lambda: column_sum(300, 509),
    "column_center": lambda: column_center(100, 96),
    "full_sum": lambda: full_sum(100003),
    "normalize_vector": lambda: normalize_vector(5000),
    "attention": lambda: attention(2, 6, 70, 24),
    "two_outputs": lambda: two_outputs(1003),
    "concat": concat,
    "halves": halves,
    "opaque": opaque,
    "sequential": sequential,
    "saxpy": saxpy,
    "flat_rows": flat_rows,
    "overwritten": overwritten,
    "opaque_scratch": opaque_scratch,
    "shared_loop": shared_loop,
    "kept_mean": kept_mean,
    "bmm_tall": lambda: batched_gemm(2, 200, 20, 30),
    "gemm_update": lambda: gemm_update(70, 90, 50),
    "momentum": lambda: momentum(4097),
    "rotated": rotated,
    "gemm_parts": lambda: gemm_parts(33, 13, 21),
    "causal": lambda: causal(45, 16),
    "halo": lambda: halo(1000, 64),
    "with_tail": lambda: with_tail(8188, 2),
    "gemm_steps": lambda: gemm_steps(40, 50, 70, 80),
    "by_digits": lambda: by_digits(300, 12, 96),
    "total_beside": lambda: total_beside(70, 17),
    "prefix_columns": lambda: column_sum(7, 20000),
}
