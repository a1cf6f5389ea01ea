"""Convolutions and pools: windows over images, without padding."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .computing import out, take, wide
from .declaring import Arrays, Operand, Reference, Shape, operator, table


@operator(
    table("OUT KW", "5,3; 25,3; 44,3; 126,3; 190,3; 222,3; 256,3; 312,3"),
    Operand("x", "IN"),
    Operand("w", "KW"),
    out("y", "OUT"),
    derived=lambda s: {"IN": s["OUT"] + s["KW"] - 1},
)
def conv1d(shape: Shape, inputs: Arrays) -> Arrays:
    """y[i] = sum of x[i + k] * w[k]: w is not reversed."""
    return {"y": np.correlate(wide(inputs["x"]), wide(inputs["w"]), "valid")}


def _conv_out(s: Shape) -> Shape:
    step = s["STRIDE"]
    return {"OH": (s["H"] - s["KH"]) // step + 1, "OW": (s["W"] - s["KW"]) // step + 1}


def _conv_work(s: Shape) -> int:
    return math.prod(s[name] for name in ("N", "OH", "OW", "CI", "CO", "KH", "KW"))


def _conv_shapes(*channels: tuple[int, int]) -> dict[str, Shape]:
    names = ("N", "H", "W", "CI", "CO", "KH", "KW", "STRIDE")
    rows = [
        (n, 8, 8, ci, co, 2, 2, step) for n in (16, 32) for ci, co in channels for step in (2, 3)
    ]
    return {"x".join(map(str, row)): dict(zip(names, row, strict=True)) for row in rows}


_IMAGE = ("float32", "uint8|int8", "float32")
_WEIGHTS = ("float32", "int8", "float32")
_SUM = ("float32", "int32", "float32")


def _windows(x: np.ndarray, kh: int, kw: int, sh: int, sw: int) -> np.ndarray:
    """Of an NHWC image: N, OH, OW, C, KH, KW."""
    return sliding_window_view(x, (kh, kw), (1, 2))[:, ::sh, ::sw]


@operator(
    _conv_shapes((64, 64), (128, 64)),
    Operand("x", "N*H*W*CI", _IMAGE),
    Operand("w", "CO*KH*KW*CI", _WEIGHTS),
    out("y", "N*OH*OW*CO", *_SUM),
    derived=_conv_out,
    work=_conv_work,
    reduce={"N": 2, "CO": 64},
)
def conv2d(shape: Shape, inputs: Arrays) -> Arrays:
    """NHWC, weights O,KH,KW,I."""
    n, h, w, ci, co, kh, kw, step = shape.values()
    windows = _windows(take(inputs, "x", n, h, w, ci), kh, kw, step, step)
    return {"y": np.einsum("nhwikl,okli->nhwo", windows, take(inputs, "w", co, kh, kw, ci))}


@operator(
    _conv_shapes((64, 128), (128, 64)),
    Operand("x", "N*CI*H*W", _IMAGE),
    Operand("w", "CO*CI*KH*KW", _WEIGHTS),
    out("y", "N*CO*OH*OW", *_SUM),
    derived=_conv_out,
    work=_conv_work,
    reduce={"N": 2, "CO": 64},
)
def conv2dnchw(shape: Shape, inputs: Arrays) -> Arrays:
    """NCHW, weights O,I,KH,KW."""
    n, h, w, ci, co, kh, kw, step = shape.values()
    image = take(inputs, "x", n, ci, h, w).transpose(0, 2, 3, 1)
    windows = _windows(image, kh, kw, step, step)
    return {"y": np.einsum("nhwikl,oikl->nohw", windows, take(inputs, "w", co, ci, kh, kw))}


@operator(
    {
        f"{h}x{h}x{c}": {"H": h, "W": h, "C": c, "KH": 3, "KW": 3}
        for h in (6, 128, 192, 256)
        for c in (3, 128)
    },
    Operand("x", "H*W*C"),
    Operand("w", "KH*KW*C"),
    out("y", "OH*OW*C"),
    derived=lambda s: {"OH": s["H"] - s["KH"] + 1, "OW": s["W"] - s["KW"] + 1},
    work=lambda s: math.prod(s[name] for name in ("OH", "OW", "C", "KH", "KW")),
    reduce={"C": 64, "H": 16, "W": 16},
)
def depthwiseconv(shape: Shape, inputs: Arrays) -> Arrays:
    """HWC, weights KH,KW,C, stride 1."""
    h, w, c, kh, kw = shape.values()
    windows = _windows(take(inputs, "x", 1, h, w, c), kh, kw, 1, 1)[0]
    return {"y": np.einsum("hwckl,klc->hwc", windows, take(inputs, "w", kh, kw, c))}


_POOLS = table(
    "N H W C KH KW SH SW",
    "1,5,5,64,5,5,1,1; 4,8,8,64,3,3,1,1; 4,35,35,192,3,3,2,2; 4,56,56,128,3,3,2,2; "
    "5,32,32,64,5,5,1,1; 5,112,112,64,3,3,3,3; 16,64,64,64,5,5,2,2; 16,112,112,64,3,3,3,3",
)


def _pool(reference: Reference) -> Reference:
    return operator(
        _POOLS,
        Operand("x", "N*H*W*C"),
        out("y", "N*OH*OW*C"),
        derived=lambda s: {
            "OH": (s["H"] - s["KH"]) // s["SH"] + 1,
            "OW": (s["W"] - s["KW"]) // s["SW"] + 1,
        },
        work=lambda s: math.prod(s[name] for name in ("N", "OH", "OW", "C", "KH", "KW")),
        reduce={"N": 1, "C": 64, "H": 8, "W": 8},
    )(reference)


def _pooled(shape: Shape, inputs: Arrays) -> np.ndarray:
    n, h, w, c, kh, kw, sh, sw = shape.values()
    return _windows(take(inputs, "x", n, h, w, c), kh, kw, sh, sw)


@_pool
def maxpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).max((-1, -2))}


@_pool
def avgpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).mean((-1, -2))}


@_pool
def minpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).min((-1, -2))}


@_pool
def sumpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).sum((-1, -2))}
