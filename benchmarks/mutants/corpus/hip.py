"""HIP kernels: waves of 64 lanes, local data share, matrix instructions."""

from __future__ import annotations

import numpy as np

from .case import Book, given, made, number, updated

BOOK = Book()
add = BOOK.add
Array = np.ndarray


@add(
    "axpby.hip",
    given("x", 517),
    given("z", 517),
    made("y", 517),
    number("a", 0.75, "float32"),
    number("b", -1.25, "float32"),
    number("n", 517),
    grid=(2,),
    block=(128,),
)
def axpby(x: Array, z: Array) -> Array:
    return 0.75 * x - 1.25 * z


@add(
    "wave_sum.hip",
    given("x", 5, 107),
    made("y", 5),
    number("rows", 5),
    number("cols", 107),
    grid=(3,),
    block=(64, 2),
)
def wave_sum(x: Array) -> Array:
    return x.sum(1)


@add(
    "softmax_wave.hip",
    given("x", 3, 83),
    made("y", 3, 83),
    number("cols", 83),
    grid=(3,),
    block=(64,),
)
def softmax_wave(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@add(
    "matmul_lds.hip",
    given("a", 13, 24),
    given("b", 29, 24),
    given("bias", 29),
    made("c", 13, 29),
    number("m", 13),
    number("k", 24),
    number("n", 29),
    grid=(2, 2),
    block=(8, 8),
)
def matmul_lds(a: Array, b: Array, bias: Array) -> Array:
    return a @ b.T + bias


@add(
    "mfma_gemm.hip",
    given("a", 32, 20),
    given("b", 20, 48),
    made("c", 32, 48),
    number("k", 20),
    number("n", 48),
    grid=(3, 2),
    block=(64,),
)
def mfma_gemm(a: Array, b: Array) -> Array:
    return a @ b


@add(
    "dot_u8.hip",
    given("x", 5, 18, dtype="uint8"),
    given("w", 11, 18, dtype="int8"),
    given("bias", 11, dtype="int32"),
    made("y", 5, 11, dtype="uint8"),
    number("rows", 5),
    number("cols", 11),
    number("inner", 18),
    grid=(2, 2),
    block=(8, 4),
)
def dot_u8(x: Array, w: Array, bias: Array) -> Array:
    return np.clip((x @ w.T + bias) >> 9, 0, 255)


@add(
    "avgpool.hip",
    given("x", 3, 8, 7),
    made("y", 3, 3, 4),
    *(
        number(name, value)
        for name, value in zip(
            ("planes", "height", "width", "out_h", "out_w"), (3, 8, 7, 3, 4), strict=True
        )
    ),
    grid=(2,),
    block=(32,),
)
def avgpool(x: Array) -> Array:
    return np.array(
        [
            [[plane[h : h + 3, w : w + 2].mean() for w in range(0, 7, 2)] for h in range(0, 8, 3)]
            for plane in x
        ]
    )


@add(
    "rmsnorm.hip",
    given("x", 3, 101),
    given("g", 101),
    made("y", 3, 101),
    number("cols", 101),
    grid=(3,),
    block=(64,),
    shared_bytes=256,
)
def rmsnorm(x: Array, g: Array) -> Array:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 0.25) * g


@add(
    "column_sum.hip",
    given("x", 13, 39),
    updated("y", 39),
    number("rows", 13),
    number("cols", 39),
    grid=(2, 3),
    block=(32,),
)
def column_sum(x: Array, y: Array) -> Array:
    return y + x.sum(0)


@add(
    "permute.hip",
    given("x", 5, 7, 11, dtype="int32"),
    made("y", 11, 5, 7, dtype="int32"),
    number("a", 5),
    number("b", 7),
    number("c", 11),
    grid=(7,),
    block=(64,),
)
def permute(x: Array) -> Array:
    return x.transpose(2, 0, 1)


@add(
    "sort_rows.hip",
    given("x", 3, 22, dtype="int32"),
    made("y", 3, 22, dtype="int32"),
    grid=(3,),
    block=(32,),
)
def sort_rows(x: Array) -> Array:
    return np.sort(x, 1)
