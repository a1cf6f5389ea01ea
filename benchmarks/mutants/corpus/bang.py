"""BANG C kernels: staged copies, the vector unit, the matrix unit, clusters."""

from __future__ import annotations

import numpy as np

from .case import Arrays, Book, given, made, number, updated

BOOK = Book()
add = BOOK.add
Array = np.ndarray


@add(
    "add_tiles.mlu",
    given("x", 500),
    given("z", 500),
    made("y", 500),
    number("n", 500),
    tasks=(3,),
)
def add_tiles(x: Array, z: Array) -> Array:
    return 0.75 * (x + z)


@add(
    "silu_mul.mlu",
    given("g", 411),
    given("u", 411),
    made("y", 411),
    number("n", 411),
    tasks=(4,),
    kind="union1",
)
def silu_mul(g: Array, u: Array) -> Array:
    return g / (1 + np.exp(-g)) * u


@add(
    "block_copy.mlu",
    given("x", 14, 19),
    updated("y", 14, 15),
    number("pitch_x", 19),
    number("pitch_y", 15),
    tasks=(2,),
)
def block_copy(x: Array, y: Array) -> Array:
    y[:, :12] = -x[:, 3:15]
    return y


@add(
    "row_sum.mlu",
    given("x", 5, 107),
    made("y", 5),
    number("rows", 5),
    number("cols", 107),
    tasks=(2,),
)
def row_sum(x: Array) -> Array:
    return x.sum(1)


@add("softmax.mlu", given("x", 5, 72), made("y", 5, 72), number("rows", 5), tasks=(2,))
def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@add("double_buffer.mlu", given("x", 320), made("y", 320), number("n", 320), tasks=(1,))
def double_buffer(x: Array) -> Array:
    return x * x - 0.5


@add(
    "sram_neighbours.mlu",
    given("x", 8, 40),
    made("y", 8, 40),
    number("rounds", 3),
    tasks=(8,),
    kind="union2",
)
def sram_neighbours(x: Array) -> Array:
    mine = x.reshape(2, 4, 40)
    for _ in range(3):
        mine = mine + np.roll(mine, -1, axis=1)
    return mine.reshape(8, 40)


@add(
    "sram_broadcast.mlu",
    given("x", 6, 56),
    given("w", 56),
    made("y", 6, 56),
    number("rows", 6),
    tasks=(4,),
    kind="union1",
)
def sram_broadcast(x: Array, w: Array) -> Array:
    return np.maximum(x * w, 0)


@add(
    "matmul.mlu",
    given("x", 12, 32),
    given("w", 64, 32),
    given("bias", 64),
    made("y", 12, 64),
    tasks=(2,),
)
def matmul(x: Array, w: Array, bias: Array) -> Array:
    return x @ w.T + bias


@add(
    "maxpool.mlu",
    given("x", 3, 7, 9, 32),
    made("y", 3, 3, 4, 32),
    number("images", 3),
    tasks=(2,),
)
def maxpool(x: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (1, 2))
    return windows[:, ::2, ::2].max((-1, -2))


@add("transpose.mlu", given("x", 48, 24), made("y", 24, 48), number("all_rows", 48), tasks=(2,))
def transpose(x: Array) -> Array:
    return x.T


@add(
    "conv.mlu",
    given("x", 2, 5, 6, 16),
    given("w", 64, 2, 2, 16),
    made("y", 2, 2, 5, 64),
    tasks=(2,),
)
def conv(x: Array, w: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (1, 2))[:, ::2]
    return np.einsum("nhwcij,oijc->nhwo", windows, w)


@add(
    "normalize.mlu",
    given("x", 5, 80),
    given("g", 80),
    made("y", 5, 80),
    number("rows", 5),
    tasks=(2,),
)
def normalize(x: Array, g: Array) -> Array:
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 0.1) * g


@add(
    "half_scale.mlu",
    given("x", 130, dtype="float16"),
    made("y", 130),
    number("n", 130),
    tasks=(4,),
    kind="union1",
)
def half_scale(x: Array) -> Array:
    return (x + 1.5) ** 2


@add(
    "two_phase.mlu",
    given("x", 8, 36),
    made("partial", 8),
    made("y", 8, 36),
    tasks=(8,),
    kind="union2",
)
def two_phase(x: Array) -> Arrays:
    return {"partial": x.sum(1), "y": x * x.sum()}
