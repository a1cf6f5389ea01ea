"""Reductions along an axis, and copies that move elements along axes."""

from __future__ import annotations

import numpy as np

from .computing import out, take
from .declaring import Arrays, Operand, Shape, one_axis, operator

_REDUCED = one_axis(
    "1x64(1); 4x64(1); 16x256(1); 64x512(1); 8x32x64(1); 5x128x7(1); 16x128x128(0); 512x1024(0)"
)
_ALONG, _OVER = Operand("x", "OUTER*AXIS*INNER"), out("y", "OUTER*INNER")


def _axis(shape: Shape, inputs: Arrays, name: str = "x") -> np.ndarray:
    return take(inputs, name, shape["OUTER"], shape["AXIS"], shape["INNER"])


@operator(_REDUCED, _ALONG, _OVER)
def sum_(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).sum(1)}


@operator(_REDUCED, _ALONG, _OVER)
def mean(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).mean(1)}


@operator(_REDUCED, _ALONG, _OVER)
def max_(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).max(1)}


@operator(_REDUCED, _ALONG, _OVER)
def min_(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).min(1)}


_PICKED = one_axis(
    "32x128x32(1); 128x512x3(0); 1000x2048x8(2); 64x256(0); "
    "16x100x64(1); 4x8x512(2); 50x128x7(1); 8192x64(0)",
    lambda shape: {"COUNT": shape["AXIS"] // 2},
)
_INDEX = Operand("index", "COUNT", ("int32|int64",), integers=("0", "AXIS-1"))
_PICKED_REDUCE = {"OUTER": 1, "INNER": 32}


def _picked_work(s: Shape) -> int:
    return s["OUTER"] * s["AXIS"] * s["INNER"]


@operator(
    _PICKED,
    _ALONG,
    _INDEX,
    out("y", "OUTER*COUNT*INNER"),
    work=_picked_work,
    reduce=_PICKED_REDUCE,
)
def gather(shape: Shape, inputs: Arrays) -> Arrays:
    """y[o, k, i] = x[o, index[k], i]."""
    return {"y": _axis(shape, inputs)[:, inputs["index"]]}


def _different_indices(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["index"][:] = rng.permutation(shape["AXIS"])[: shape["COUNT"]]


@operator(
    _PICKED,
    Operand("updates", "OUTER*COUNT*INNER"),
    _INDEX,
    Operand("y", "OUTER*AXIS*INNER", intent="inout"),
    work=_picked_work,
    reduce=_PICKED_REDUCE,
    adjust=_different_indices,
)
def scatter(shape: Shape, inputs: Arrays) -> Arrays:
    """y[o, index[k], i] = updates[o, k, i]; no index comes twice, the rest of y stays."""
    y = _axis(shape, inputs, "y")
    y[:, inputs["index"]] = take(inputs, "updates", shape["OUTER"], -1, shape["INNER"])
    return {"y": y}


def _concat_shapes(rows: str) -> dict[str, Shape]:
    """The second operand has half as many channels as the first, where these are even."""
    found = {}
    for name, shape in one_axis(rows).items():
        first = shape.pop("AXIS")
        found[name] = {**shape, "CA": first, "CB": first // 2 if first % 2 == 0 else first}
    return found


@operator(
    _concat_shapes(
        "1x64x56x56(1); 2x32x28x28(1); 1x3x32x32(1); 4x16x14x14(1); "
        "16x128(1); 3x5x7(2); 128x64(0); 8x768x1x1(1)"
    ),
    Operand("a", "OUTER*CA*INNER"),
    Operand("b", "OUTER*CB*INNER"),
    out("y", "OUTER*(CA+CB)*INNER"),
    work=lambda s: s["OUTER"] * (s["CA"] + s["CB"]) * s["INNER"],
)
def concat(shape: Shape, inputs: Arrays) -> Arrays:
    """Along the middle axis: CA of a, then CB of b."""
    a = take(inputs, "a", shape["OUTER"], shape["CA"], shape["INNER"])
    b = take(inputs, "b", shape["OUTER"], shape["CB"], shape["INNER"])
    return {"y": np.concatenate((a, b), 1)}


def _transpose_shapes() -> dict[str, Shape]:
    """Each permutation of the grid swaps two neighbouring groups of axes: 4 extents, 0213."""
    rows = {
        "24x36(10)": (1, 24, 36, 1),
        "33x40x5(021)": (33, 40, 5, 1),
        "36x24x16(102)": (1, 36, 24, 16),
        "36x16x48(021)": (36, 16, 48, 1),
        "42x36x55(102)": (1, 42, 36, 55),
        "24x32x48(201)": (1, 24 * 32, 48, 1),
        "2x32x4x64(0231)": (2, 32, 4 * 64, 1),
        "1x3x224x224(0312)": (1, 3 * 224, 224, 1),
    }
    return {
        name: dict(zip(("D0", "D1", "D2", "D3"), extents, strict=True))
        for name, extents in rows.items()
    }


@operator(_transpose_shapes(), Operand("x", "D0*D1*D2*D3"), out("y", "D0*D1*D2*D3"))
def transpose(shape: Shape, inputs: Arrays) -> Arrays:
    """y[a, c, b, d] = x[a, b, c, d]."""
    return {"y": take(inputs, "x", *shape.values()).transpose(0, 2, 1, 3)}
