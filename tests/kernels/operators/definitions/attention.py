"""Attention in three forms."""

from __future__ import annotations

import math

import numpy as np

from .computing import out, softmax_of, take
from .declaring import Arrays, Operand, Shape, operator, product, table


@operator(
    table(
        "B S H D",
        "1,2048,6,256; 1,2048,12,256; 1,4096,6,256; 1,4096,12,256; 1,4096,12,512; "
        "64,2048,12,256; 64,2048,12,512; 64,4096,12,256",
    ),
    Operand("Q", "B*S*H*D", ("float32", "int8", "float32"), integers=("-2", "2")),
    Operand("K", "B*S*H*D", ("float32", "int8", "float32"), integers=("-2", "2")),
    Operand("V", "B*S*H*D"),
    out("O", "B*S*H*D"),
    work=lambda s: 2 * s["B"] * s["S"] * s["H"] * s["H"] * s["D"],
    reduce={"B": 2, "S": 4},
)
def mha(shape: Shape, inputs: Arrays) -> Arrays:
    """Attention over the heads of each position: softmax(Q K^T / sqrt(D)) V with H x H scores."""
    dims = [shape[name] for name in ("B", "S", "H", "D")]
    q, k, v = (take(inputs, name, *dims) for name in ("Q", "K", "V"))
    return {"O": softmax_of(q @ k.swapaxes(-1, -2) / math.sqrt(dims[-1])) @ v}


_HALF_RESULT = ("float16|float32", "float32", "float16|float32")


@operator(
    product(B=(1, 2, 4, 8), H=(2, 4), SQ=(16,), D=(16,), SK=(512,)),
    Operand("Q", "B*H*SQ*D", ("float16", "int16", "float16"), integers=("-2", "2")),
    Operand("K", "B*G*SK*D", ("float16", "int16", "float16"), integers=("-2", "2")),
    Operand("V", "B*G*SK*D", ("float16", "float32", "float16")),
    out("O", "B*H*SQ*D", *_HALF_RESULT),
    derived=lambda s: {"G": s["H"] // 2},
    work=lambda s: 2 * s["B"] * s["H"] * s["SQ"] * s["D"] * s["SK"],
    reduce={"B": 1},
)
def gqa(shape: Shape, inputs: Arrays) -> Arrays:
    """softmax(Q K^T / sqrt(D)) V; G = H / 2 heads of K and V, head h of Q meets h / 2 of them."""
    b, h, sq, d, sk = shape.values()
    q = take(inputs, "Q", b, h, sq, d)
    k, v = (take(inputs, name, b, h // 2, sk, d).repeat(2, axis=1) for name in ("K", "V"))
    return {"O": softmax_of(q @ k.swapaxes(-1, -2) / math.sqrt(d)) @ v}


LEVELS = ((84, 117), (42, 59), (21, 30), (11, 15))


def _level_shapes(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["shapes"][:] = np.array(LEVELS).ravel()


@operator(
    product(N=(1, 4), M=(8,), D=(256, 512), LQ=(100, 200), L=(4,), P=(4,)),
    Operand("value", "N*LEN*M*D"),
    Operand("shapes", "L*2", ("int32",)),
    Operand("locations", "N*LQ*M*L*P*2", floats=(-0.1, 1.1)),
    Operand("weights", "N*LQ*M*L*P"),
    out("output", "N*LQ*M*D"),
    derived=lambda s: {"LEN": sum(h * w for h, w in LEVELS)},
    work=lambda s: s["N"] * s["M"] * s["D"] * (s["LQ"] * s["L"] * s["P"] * 4 + s["LEN"]),
    reduce={"N": 1, "D": 32, "M": 1},
    adjust=_level_shapes,
)
def deformable(shape: Shape, inputs: Arrays) -> Arrays:
    """Multi-scale deformable attention over four levels whose pixels lie one behind another.

    A query's head takes P points of each level, (x, y) in units of the level's width and height,
    between pixels by bilinear interpolation, zero outside, and sums them by weight. `shapes` holds
    height and width of each level.
    """
    n, m, d, lq, levels, points = shape.values()
    start = 0
    locations = take(inputs, "locations", n, lq, m, levels, points, 2)
    weights = take(inputs, "weights", n, lq, m, levels, points)
    value = take(inputs, "value", n, -1, m, d)
    image, head = np.arange(n).reshape(n, 1, 1, 1), np.arange(m).reshape(1, 1, m, 1)
    output = np.zeros((n, lq, m, d))
    for level, (height, width) in enumerate(inputs["shapes"].reshape(levels, 2).tolist()):
        x = locations[..., level, :, 0] * width - 0.5
        y = locations[..., level, :, 1] * height - 0.5
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            i, j = top + row, left + column
            part = (1 - abs(y - i)) * (1 - abs(x - j)) * weights[..., level, :]
            part *= (i >= 0) & (i < height) & (j >= 0) & (j < width)
            place = start + i.clip(0, height - 1) * width + j.clip(0, width - 1)
            output += np.einsum("nqmp,nqmpd->nqmd", part, value[image, place, head])
        start += height * width
    return {"output": output}
