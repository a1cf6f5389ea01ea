"""CUDA kernels."""

from __future__ import annotations

import numpy as np

from .case import Arrays, Book, given, made, number, updated

BOOK = Book()
add = BOOK.add
Array = np.ndarray


@add(
    "axpy.cu",
    given("x", 301),
    given("b", 301),
    made("y", 301),
    number("a", 1.75, "float32"),
    number("n", 301),
    grid=(5,),
    block=(64,),
)
def axpy(x: Array, b: Array) -> Array:
    return 1.75 * x - b / 3


@add("gelu.cu", given("x", 461), made("y", 461), number("n", 461), grid=(3,), block=(64,))
def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(0.79788456 * (x + 0.044715 * x**3)))


@add(
    "blend3d.cu",
    given("x", 3, 7, 13),
    given("w", 13),
    given("g", 3, 7),
    updated("y", 3, 7, 17),
    number("depth", 3),
    number("rows", 7),
    number("cols", 13),
    number("pitch", 17),
    grid=(2, 2, 2),
    block=(8, 4, 2),
)
def blend3d(x: Array, w: Array, g: Array, y: Array) -> Array:
    y[:, :, :13] = x * w + g[:, :, None]
    return y


@add(
    "matmul_tile.cu",
    given("a", 19, 24),
    given("b", 24, 13),
    made("c", 19, 13),
    number("m", 19),
    number("k", 24),
    number("n", 13),
    grid=(2, 3),
    block=(8, 8),
)
def matmul_tile(a: Array, b: Array) -> Array:
    return a @ b


@add(
    "transpose_tile.cu",
    given("x", 21, 13),
    made("y", 13, 21),
    number("rows", 21),
    number("cols", 13),
    grid=(2, 3),
    block=(8, 8),
)
def transpose_tile(x: Array) -> Array:
    return x.T


@add(
    "stencil_halo.cu",
    given("x", 97),
    given("w", 5),
    made("y", 97),
    number("n", 97),
    grid=(4,),
    block=(32,),
)
def stencil_halo(x: Array, w: Array) -> Array:
    return np.convolve(np.pad(x, 2), w[::-1], "valid")


@add(
    "laplace2d.cu",
    given("x", 11, 19),
    made("y", 11, 19),
    number("rows", 11),
    number("cols", 19),
    grid=(3, 3),
    block=(8, 4),
)
def laplace2d(x: Array) -> Array:
    y = x.copy()
    around = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
    y[1:-1, 1:-1] = around - 4 * x[1:-1, 1:-1]
    return y


@add(
    "sum_tree.cu",
    given("x", 3, 77),
    made("y", 3),
    number("cols", 77),
    grid=(3,),
    block=(32,),
    shared_bytes=128,
)
def sum_tree(x: Array) -> Array:
    return (x * x).sum(1)


@add(
    "dot_shuffle.cu",
    given("a", 3, 205),
    given("b", 3, 205),
    made("y", 3),
    number("n", 205),
    grid=(3,),
    block=(128,),
)
def dot_shuffle(a: Array, b: Array) -> Array:
    return (a * b).sum(1)


@add(
    "softmax_rows.cu",
    given("x", 5, 45),
    made("y", 5, 45),
    number("rows", 5),
    number("cols", 45),
    grid=(3,),
    block=(32, 2),
)
def softmax_rows(x: Array) -> Array:
    return softmax(x)


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@add(
    "layernorm.cu",
    given("x", 3, 91),
    given("gamma", 91),
    given("beta", 91),
    made("y", 3, 91),
    number("cols", 91),
    grid=(3,),
    block=(64,),
)
def layernorm(x: Array, gamma: Array, beta: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 0.1) * gamma + beta


@add(
    "scan_rows.cu",
    given("x", 3, 53, dtype="int32"),
    made("y", 3, 53, dtype="int32"),
    number("cols", 53),
    grid=(3,),
    block=(64,),
)
def scan_rows(x: Array) -> Array:
    return x.cumsum(1)


@add(
    "histogram.cu",
    given("x", 333, dtype="uint8"),
    updated("counts", 12, dtype="int32"),
    number("n", 333),
    grid=(2,),
    block=(64,),
)
def histogram(x: Array, counts: Array) -> Array:
    return counts + np.bincount(x % 12, minlength=12)


@add(
    "scale_float4.cu",
    given("x", 135),
    given("s", 135),
    made("y", 135),
    number("n", 135),
    grid=(2,),
    block=(32,),
)
def scale_float4(x: Array, s: Array) -> Array:
    return x * s


@add(
    "half_fma.cu",
    given("x", 150, dtype="float16"),
    given("w", 150, dtype="float16"),
    made("y", 150),
    number("n", 150),
    grid=(3,),
    block=(64,),
)
def half_fma(x: Array, w: Array) -> Array:
    return x * w + 0.5 * x


@add(
    "gemm_dp4a.cu",
    given("a", 7, 20, dtype="int8"),
    given("b", 11, 20, dtype="int8"),
    made("c", 7, 11, dtype="int32"),
    number("m", 7),
    number("k", 20),
    number("n", 11),
    grid=(2, 2),
    block=(8, 4),
)
def gemm_dp4a(a: Array, b: Array) -> Array:
    return a @ b.T


@add(
    "conv_u8.cu",
    given("x", 140, dtype="uint8"),
    given("w", 7, dtype="int8"),
    made("y", 134, dtype="int32"),
    number("n", 140),
    number("taps", 7),
    grid=(3,),
    block=(64,),
)
def conv_u8(x: Array, w: Array) -> Array:
    return np.convolve(x, w[::-1], "valid")


@add(
    "conv2d.cu",
    given("x", 3, 9, 8),
    given("w", 4, 3, 3, 3),
    made("y", 4, 5, 4),
    *(
        number(name, value)
        for name, value in zip(
            ("channels", "height", "width", "filters", "out_h", "out_w"),
            (3, 9, 8, 4, 5, 4),
            strict=True,
        )
    ),
    grid=(3,),
    block=(32,),
)
def conv2d(x: Array, w: Array) -> Array:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2]
    return np.einsum("chwij,fcij->fhw", windows, w)


@add(
    "maxpool.cu",
    given("x", 8, 7, 5),
    made("y", 4, 5, 5),
    *(
        number(name, value)
        for name, value in zip(
            ("height", "width", "channels", "out_h", "out_w"), (8, 7, 5, 4, 5), strict=True
        )
    ),
    grid=(5, 4),
    block=(8,),
)
def maxpool(x: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 3), (0, 1))
    return windows[::2].max((-1, -2))


@add(
    "wmma_gemm.cu",
    given("a", 32, 48, dtype="float16"),
    given("b", 48, 48, dtype="float16"),
    made("c", 32, 48),
    number("k", 48),
    number("n", 48),
    grid=(3, 2),
    block=(32,),
)
def wmma_gemm(a: Array, b: Array) -> Array:
    return a @ b


@add(
    "argmax_rows.cu",
    given("x", 4, 75),
    made("y", 4, dtype="int32"),
    number("cols", 75),
    grid=(4,),
    block=(32,),
)
def argmax_rows(x: Array) -> Array:
    return x.argmax(1)


@add(
    "gather_rows.cu",
    given("table", 9, 21),
    given("index", 6, dtype="int32"),
    made("y", 6, 21),
    number("entries", 9),
    number("picked", 6),
    number("cols", 21),
    ranges={"index": (-1, 9)},
    grid=(2, 7),
    block=(16,),
)
def gather_rows(table: Array, index: Array) -> Array:
    known = (index >= 0) & (index < 9)
    return np.where(known[:, None], table[index % 9], 0)


@add(
    "last_block_sum.cu",
    given("x", 147),
    made("partial", 5),
    updated("done", 1, dtype="int32"),
    made("y", 1),
    number("n", 147),
    ranges={"done": (0, 0)},
    grid=(5,),
    block=(32,),
)
def last_block_sum(x: Array, done: Array) -> Arrays:
    partial = np.pad(x, (0, 13)).reshape(5, 32).sum(1)
    return {"partial": partial, "done": done + 5, "y": partial.sum(keepdims=True)}


@add(
    "gemv_syncwarp.cu",
    given("a", 7, 41),
    given("x", 41),
    made("y", 7),
    number("rows", 7),
    number("cols", 41),
    grid=(4,),
    block=(64,),
)
def gemv_syncwarp(a: Array, x: Array) -> Array:
    return a @ x


@add(
    "quantize.cu",
    given("x", 150),
    made("y", 150, dtype="int8"),
    number("n", 150),
    number("scale", 0.0078125, "float32"),
    grid=(3,),
    block=(64,),
)
def quantize(x: Array) -> Array:
    return np.clip(np.rint(x / 0.0078125), -128, 127)


@add(
    "clip_max.cu",
    given("x", 5, 37, dtype="int32"),
    updated("most", 5, dtype="int32"),
    updated("least", 5, dtype="int32"),
    number("rows", 5),
    number("cols", 37),
    grid=(3, 2),
    block=(16, 4),
)
def clip_max(x: Array, most: Array, least: Array) -> Arrays:
    return {"most": np.maximum(most, x.max(1)), "least": np.minimum(least, x.min(1))}
