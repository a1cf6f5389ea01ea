"""Softmax and the norms."""

from __future__ import annotations

import numpy as np

from .computing import EPS, out, softmax_of, take, wide
from .declaring import Arrays, Operand, Shape, last_axis, operator, product, table
from .elementwise import ACTIVATIONS


@operator(
    last_axis(ACTIVATIONS),
    Operand("x", "ROWS*COLS", floats=(-2, 2)),
    out("y", "ROWS*COLS"),
)
def softmax(shape: Shape, inputs: Arrays) -> Arrays:
    """Over the rows of COLS elements."""
    return {"y": softmax_of(take(inputs, "x", shape["ROWS"], shape["COLS"]))}


@operator(
    product(B=(1, 2), S=(4, 8), D=(32, 128)),
    Operand("x", "B*S*D"),
    Operand("gamma", "D"),
    Operand("beta", "D"),
    out("y", "B*S*D"),
)
def layernorm(shape: Shape, inputs: Arrays) -> Arrays:
    """(x - mean) / (sqrt(variance) + 1e-5) * gamma + beta over D, the variance that of D terms."""
    x = take(inputs, "x", shape["B"] * shape["S"], shape["D"])
    normal = (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + EPS)
    return {"y": normal * wide(inputs["gamma"]) + wide(inputs["beta"])}


@operator(
    {
        **product(ROWS=(2048, 4096), D=(2048, 4096, 8192)),
        **product(ROWS=(8192,), D=(4096, 8192)),
    },
    Operand("x", "ROWS*D"),
    out("y", "ROWS*D"),
    reduce={"ROWS": 16},
)
def rmsnorm(shape: Shape, inputs: Arrays) -> Arrays:
    """x / sqrt(mean(x * x) + 1e-5) over D."""
    x = take(inputs, "x", shape["ROWS"], shape["D"])
    return {"y": x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS)}


@operator(
    table(
        "N C H W",
        "1,512,1,1; 1,64,56,56; 2,128,28,28; 4,256,14,14; "
        "1,32,112,112; 2,16,7,7; 8,512,7,7; 3,3,224,224",
    ),
    Operand("x", "N*C*H*W"),
    Operand("mean", "C"),
    Operand("var", "C", floats=(0.25, 2)),
    Operand("gamma", "C"),
    Operand("beta", "C"),
    out("y", "N*C*H*W"),
)
def batchnorm(shape: Shape, inputs: Arrays) -> Arrays:
    """Inference: (x - mean) / sqrt(var + 1e-5) * gamma + beta, by channel."""
    x = take(inputs, "x", shape["N"], shape["C"], shape["H"] * shape["W"])
    mean, var, gamma, beta = (
        take(inputs, name, shape["C"], 1) for name in ("mean", "var", "gamma", "beta")
    )
    return {"y": (x - mean) / np.sqrt(var + EPS) * gamma + beta}


@operator(
    table(
        "N C H W",
        "1,1,64,64; 1,3,128,128; 2,64,32,32; 2,16,56,56; "
        "1,32,112,112; 4,8,28,28; 3,3,224,224; 4,3,256,256",
    ),
    Operand("x", "N*C*H*W"),
    out("y", "N*C*H*W"),
)
def instancenorm(shape: Shape, inputs: Arrays) -> Arrays:
    """(x - mean) / sqrt(variance + 1e-5) over H and W, for each image and channel."""
    x = take(inputs, "x", shape["N"] * shape["C"], shape["H"] * shape["W"])
    return {"y": (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPS)}
