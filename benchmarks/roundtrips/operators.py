"""Random operators in TVM's tensor expressions, of random and often awkward shapes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import te, tirx

Expression = Any


@dataclass(frozen=True)
class Operator:
    """An operator: its name, and a PrimFunc `main` whose last parameter is the result."""

    name: str
    mod: tvm.IRModule


def operator(rng: random.Random, name: str | None = None) -> Operator:
    """A random operator; of a given kind where `name` says one of `NAMES`."""
    name = name or rng.choice(NAMES)
    inputs, result = _MAKERS[name](rng)
    return _operator(name, inputs, result)


def _operator(name: str, inputs: list[te.Tensor], result: te.Tensor) -> Operator:
    func = te.create_prim_func([*inputs, result]).with_attr("global_symbol", "main")
    return Operator(name, tvm.IRModule({"main": func}))


def _size(rng: random.Random, most: int = 40) -> int:
    """An extent, often one that no tile divides."""
    return rng.choice([1, 3, 7, 8, 16, 17, 32, 33, 64, rng.randint(2, most)])


def _shape(rng: random.Random, ranks: tuple[int, int] = (1, 3)) -> tuple[int, ...]:
    shape = [_size(rng) for _ in range(rng.randint(*ranks))]
    while _count(shape) > 8192:
        shape[rng.randrange(len(shape))] = rng.randint(1, 8)
    return tuple(shape)


def _count(shape: list[int] | tuple[int, ...]) -> int:
    product = 1
    for extent in shape:
        product *= extent
    return product


def _input(name: str, shape: tuple[int, ...], dtype: str = "float32") -> te.Tensor:
    return te.placeholder(shape, dtype, name=name)


def _constant(value: float, dtype: str) -> Expression:
    return tirx.const(value, dtype)


# ---------------------------------------------------------------- elementwise


def _elementwise(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    """A chain of steps over one or two tensors, one of which may be broadcast."""
    shape, dtype = _shape(rng), rng.choice(["float32", "float32", "float16", "int32"])
    a = _input("A", shape, dtype)
    inputs, value = [a], a
    if rng.random() < 0.6:
        other = tuple(1 if rng.random() < 0.3 else extent for extent in shape)
        b = _input("B", other, dtype)
        inputs.append(b)
        op = rng.choice([tirx.Add, tirx.Mul, tirx.Sub, tirx.max, tirx.min])
        value = te.compute(
            shape,
            lambda *i: op(a(*i), b(*(0 if e == 1 else at for e, at in zip(other, i, strict=True)))),
            name="both",
        )
    for number in range(rng.randint(1, 3)):
        step = rng.choice(_FLOAT_STEPS if dtype.startswith("float") else _INT_STEPS)
        before = value
        value = te.compute(shape, lambda *i: step(before(*i)), name=f"step{number}")  # noqa: B023
    return inputs, value


_FLOAT_STEPS: list[Callable[[Expression], Expression]] = [
    lambda x: x * _constant(0.5, x.ty.dtype) + _constant(1.25, x.ty.dtype),
    lambda x: tirx.max(x, _constant(0, x.ty.dtype)),
    tirx.tanh,
    tirx.sigmoid,
    lambda x: tirx.exp(tirx.min(x, _constant(2, x.ty.dtype))),
    lambda x: tirx.sqrt(tirx.abs(x)),
    lambda x: tirx.Select(x > _constant(0.25, x.ty.dtype), x, x * _constant(0.1, x.ty.dtype)),
    lambda x: tirx.floor(x * _constant(4, x.ty.dtype)),
]
_INT_STEPS: list[Callable[[Expression], Expression]] = [
    lambda x: x * 3 + 1,
    lambda x: tirx.floordiv(x, 4),
    lambda x: tirx.floormod(x, 7),
    lambda x: tirx.truncdiv(x, 3),
    lambda x: tirx.truncmod(x, 5),
    lambda x: tirx.bitwise_xor(x, tirx.const(21, "int32")),
    lambda x: tirx.shift_right(x, tirx.const(2, "int32")),
    lambda x: tirx.Select(tirx.GT(x, 10), x - 10, x),
]


def _where_cast(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    shape = _shape(rng)
    a, b, c = _input("A", shape), _input("B", shape, "int8"), _input("C", shape, "int32")

    def chosen(*i: Expression) -> Expression:
        wide = tirx.Cast("float32", b(*i)) * tirx.const(0.125, "float32")
        return tirx.Select(tirx.GT(c(*i), 0), a(*i), wide)

    to = rng.choice(["float32", "int32", "float16"])
    chosen_ = te.compute(shape, chosen, name="chosen")
    return [a, b, c], te.compute(shape, lambda *i: chosen_(*i).astype(to), name="cast")


# ---------------------------------------------------------------- reductions


def _reduction(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    shape = _shape(rng, (2, 3))
    dtype = rng.choice(["float32", "float32", "int32", "float16"])
    over = sorted(rng.sample(range(len(shape)), rng.randint(1, len(shape) - 1)))
    keep = [axis for axis in range(len(shape)) if axis not in over]
    a = _input("A", shape, dtype)
    axes = {axis: te.reduce_axis((0, shape[axis]), f"k{axis}") for axis in over}
    how = rng.choice([te.sum, te.max, te.min])
    wide = "float32" if dtype == "float16" else dtype

    def element(*i: Expression) -> Expression:
        at = dict(zip(keep, i, strict=True))
        index = [axes[axis].var if axis in axes else at[axis] for axis in range(len(shape))]
        return how(a(*index).astype(wide), axis=list(axes.values()))

    return [a], te.compute(tuple(shape[axis] for axis in keep), element, name="reduced")


def _softmax(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    rows, cols = _size(rng), _size(rng, 70)
    a = _input("A", (rows, cols))
    k, k2 = te.reduce_axis((0, cols), "k"), te.reduce_axis((0, cols), "k2")
    most = te.compute((rows,), lambda i: te.max(a[i, k], axis=k), name="most")
    powers = te.compute((rows, cols), lambda i, j: tirx.exp(a[i, j] - most[i]), name="powers")
    total = te.compute((rows,), lambda i: te.sum(powers[i, k2], axis=k2), name="total")
    return [a], te.compute((rows, cols), lambda i, j: powers[i, j] / total[i], name="softmax")


def _layernorm(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    rows, cols = _size(rng), max(2, _size(rng, 70))
    a, g, b = _input("A", (rows, cols)), _input("G", (cols,)), _input("B", (cols,))
    k, k2 = te.reduce_axis((0, cols), "k"), te.reduce_axis((0, cols), "k2")
    total = te.compute((rows,), lambda i: te.sum(a[i, k], axis=k), name="total")
    squares = te.compute((rows,), lambda i: te.sum(a[i, k2] * a[i, k2], axis=k2), name="squares")
    part = tirx.const(1.0 / cols, "float32")

    def normal(i: Expression, j: Expression) -> Expression:
        mean = total[i] * part
        spread = tirx.max(squares[i] * part - mean * mean, tirx.const(0, "float32"))
        return (a[i, j] - mean) * tirx.rsqrt(spread + tirx.const(1e-3, "float32")) * g[j] + b[j]

    return [a, g, b], te.compute((rows, cols), normal, name="layernorm")


def _cumsum(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    """A sum over everything before, as a reduction under a condition."""
    rows, cols = _size(rng, 16), min(_size(rng), 33)
    dtype = rng.choice(["float32", "int32"])
    a, k = _input("A", (rows, cols), dtype), te.reduce_axis((0, cols), "k")
    zero = tirx.const(0, dtype)

    def element(i: Expression, j: Expression) -> Expression:
        return te.sum(tirx.if_then_else(k.var <= j, a[i, k], zero), axis=k)

    return [a], te.compute((rows, cols), element, name="cumsum")


# ---------------------------------------------------------------- products


def _matmul(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    m, n, k = (rng.choice([1, 7, 16, 17, 24, 32, 48, 64]) for _ in range(3))
    batch = rng.choice([(), (), (rng.randint(1, 3),)])
    dtype = rng.choice(["float32", "float32", "float16", "int8"])
    wide = {"float32": "float32", "float16": "float32", "int8": "int32"}[dtype]
    first, second = rng.random() < 0.25, rng.random() < 0.4
    a = _input("A", (*batch, *((k, m) if first else (m, k))), dtype)
    b = _input("B", (*batch, *((n, k) if second else (k, n))), dtype)
    axis = te.reduce_axis((0, k), "k")

    def element(*i: Expression) -> Expression:
        *outer, row, col = i
        x = a(*outer, *((axis.var, row) if first else (row, axis.var)))
        y = b(*outer, *((col, axis.var) if second else (axis.var, col)))
        return te.sum(x.astype(wide) * y.astype(wide), axis=axis)

    product = te.compute((*batch, m, n), element, name="matmul")
    if rng.random() < 0.3 and wide == "float32":
        bias = _input("D", (n,))
        shifted = te.compute(
            (*batch, m, n),
            lambda *i: tirx.max(product(*i) + bias[i[-1]], tirx.const(0, "float32")),
            name="biased",
        )
        return [a, b, bias], shifted
    return [a, b], product


def _gemv(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    m, k = _size(rng, 70), _size(rng, 130)
    a, x, axis = _input("A", (m, k)), _input("X", (k,)), te.reduce_axis((0, k), "k")
    return [a, x], te.compute((m,), lambda i: te.sum(a[i, axis] * x[axis], axis=axis), name="gemv")


def _padded(a: te.Tensor, pad: int, low: float = 0.0) -> te.Tensor:
    """The last two axes with a border."""
    if not pad:
        return a
    *outer, h, w = (int(extent) for extent in a.shape)

    def element(*i: Expression) -> Expression:
        *at, y, x = i
        inside = tirx.all(y >= pad, y < h + pad, x >= pad, x < w + pad)
        return tirx.if_then_else(inside, a(*at, y - pad, x - pad), tirx.const(low, a.dtype))

    return te.compute((*outer, h + 2 * pad, w + 2 * pad), element, name="padded")


def _conv1d(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    n, c, o = rng.randint(1, 2), rng.randint(1, 6), rng.randint(1, 8)
    size, window, stride = rng.randint(8, 33), rng.randint(1, 4), rng.randint(1, 3)
    a, w = _input("A", (n, c, size)), _input("W", (o, c, window))
    rc, rx = te.reduce_axis((0, c), "rc"), te.reduce_axis((0, window), "rx")
    out = (size - window) // stride + 1

    def element(b: Expression, f: Expression, x: Expression) -> Expression:
        return te.sum(a[b, rc, x * stride + rx] * w[f, rc, rx], axis=[rc, rx])

    return [a, w], te.compute((n, o, out), element, name="conv1d")


def _conv2d(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    n, c, o = rng.randint(1, 2), rng.randint(1, 5), rng.randint(1, 8)
    size, window, stride = rng.randint(5, 14), rng.randint(1, 3), rng.randint(1, 2)
    pad = rng.choice([0, 1])
    a, w = _input("A", (n, c, size, size + 1)), _input("W", (o, c, window, window))
    rc = te.reduce_axis((0, c), "rc")
    ry, rx = te.reduce_axis((0, window), "ry"), te.reduce_axis((0, window), "rx")
    source = _padded(a, pad)
    h, v = ((int(extent) - window) // stride + 1 for extent in source.shape[2:])

    def element(b: Expression, f: Expression, y: Expression, x: Expression) -> Expression:
        at = source[b, rc, y * stride + ry, x * stride + rx]
        return te.sum(at * w[f, rc, ry, rx], axis=[rc, ry, rx])

    return [a, w], te.compute((n, o, h, v), element, name="conv2d")


def _depthwise(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    n, c, size, window = rng.randint(1, 2), _size(rng, 9), rng.randint(5, 14), rng.randint(2, 3)
    a, w = _input("A", (n, c, size, size)), _input("W", (c, window, window))
    ry, rx = te.reduce_axis((0, window), "ry"), te.reduce_axis((0, window), "rx")
    source = _padded(a, 1)
    out = size + 3 - window

    def element(b: Expression, f: Expression, y: Expression, x: Expression) -> Expression:
        return te.sum(source[b, f, y + ry, x + rx] * w[f, ry, rx], axis=[ry, rx])

    return [a, w], te.compute((n, c, out, out), element, name="depthwise")


def _pool(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    n, c, size = rng.randint(1, 2), _size(rng, 9), rng.randint(6, 17)
    window, stride = rng.randint(2, 3), rng.randint(1, 2)
    a = _input("A", (n, c, size, size))
    ry, rx = te.reduce_axis((0, window), "ry"), te.reduce_axis((0, window), "rx")
    how, out = rng.choice([te.max, te.sum, te.min]), (size - window) // stride + 1

    def element(b: Expression, f: Expression, y: Expression, x: Expression) -> Expression:
        return how(a[b, f, y * stride + ry, x * stride + rx], axis=[ry, rx])

    return [a], te.compute((n, c, out, out), element, name="pool")


# ---------------------------------------------------------------- movement


def _transpose(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    shape = _shape(rng, (2, 4))
    order = rng.sample(range(len(shape)), len(shape))
    a = _input("A", shape, rng.choice(["float32", "int8", "float16"]))

    def element(*i: Expression) -> Expression:
        return a(*(i[order.index(axis)] for axis in range(len(shape))))

    return [a], te.compute(tuple(shape[axis] for axis in order), element, name="transposed")


def _gather(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    rows, cols, count = _size(rng), _size(rng), _size(rng)
    table, index = _input("A", (rows, cols)), _input("I", (count,), "int32")

    def element(i: Expression, j: Expression) -> Expression:
        return table[tirx.max(tirx.min(index[i], rows - 1), 0), j]

    return [table, index], te.compute((count, cols), element, name="gathered")


def _concat(rng: random.Random) -> tuple[list[te.Tensor], te.Tensor]:
    rows, left, right = _size(rng), _size(rng, 20), _size(rng, 20)
    a, b = _input("A", (rows, left)), _input("B", (rows, right))

    def element(i: Expression, j: Expression) -> Expression:
        return tirx.if_then_else(j < left, a[i, tirx.min(j, left - 1)],
                                 b[i, tirx.max(j - left, 0)])  # fmt: skip

    return [a, b], te.compute((rows, left + right), element, name="joined")


_MAKERS: dict[str, Callable[[random.Random], tuple[list[te.Tensor], te.Tensor]]] = {
    "elementwise": _elementwise,
    "where_cast": _where_cast,
    "reduction": _reduction,
    "softmax": _softmax,
    "layernorm": _layernorm,
    "cumsum": _cumsum,
    "matmul": _matmul,
    "gemv": _gemv,
    "conv1d": _conv1d,
    "conv2d": _conv2d,
    "depthwise": _depthwise,
    "pool": _pool,
    "transpose": _transpose,
    "gather": _gather,
    "concat": _concat,
}
NAMES = tuple(_MAKERS)
