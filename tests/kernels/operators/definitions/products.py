"""Products of matrices, and what is fused with them."""

from __future__ import annotations

import numpy as np

from .computing import logistic, out, take, wide
from .declaring import Arrays, Operand, Shape, operator, table

_LEFT = ("float16", "uint8|int8", "int8|float16")
_RIGHT = ("float16", "int8", "int8|float16")
_PRODUCT = ("float32", "int32", "float32")


@operator(
    table(
        "M K N",
        "32,32,128; 32,32,1024; 32,128,128; 32,128,1024; "
        "1024,16,128; 1024,16,1024; 1024,128,128; 1024,128,4096",
    ),
    Operand("A", "M*K", _LEFT),
    Operand("B", "K*N", _RIGHT),
    out("C", "M*N", *_PRODUCT),
    reduce={"N": 128, "M": 64},
)
def gemm(shape: Shape, inputs: Arrays) -> Arrays:
    m, k, n = shape["M"], shape["K"], shape["N"]
    return {"C": take(inputs, "A", m, k) @ take(inputs, "B", k, n)}


@operator(
    {
        f"{batch}x{m}x{k}x{n}": {"BATCH": batch, "M": m, "K": k, "N": n}
        for batch in (1, 4)
        for m, k, n in ((128, 128, 128), (128, 256, 512), (256, 256, 256), (512, 512, 512))
    },
    Operand("A", "BATCH*M*K", _LEFT),
    Operand("B", "BATCH*K*N", _RIGHT),
    out("C", "BATCH*M*N", *_PRODUCT),
    reduce={"N": 64, "M": 64, "K": 64},
)
def bmm(shape: Shape, inputs: Arrays) -> Arrays:
    b, m, k, n = shape["BATCH"], shape["M"], shape["K"], shape["N"]
    return {"C": take(inputs, "A", b, m, k) @ take(inputs, "B", b, k, n)}


@operator(
    table("M N", "3,16; 3,512; 32,64; 32,512; 112,128; 112,224; 125,128; 125,320"),
    Operand("A", "M*N", ("float32", "int8|uint8", "float32")),
    Operand("x", "N", ("float32", "int8", "float32")),
    out("y", "M", *_PRODUCT),
)
def gemv(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": take(inputs, "A", shape["M"], shape["N"]) @ wide(inputs["x"])}


@operator(
    table(
        "M K N",
        "16,64,64; 16,128,128; 16,256,256; 16,512,512; 16,1024,1024; "
        "32,512,512; 64,768,768; 80,1024,1024",
    ),
    Operand("A", "M*K", ("float16", "int16", "float16")),
    Operand("B", "K*N", ("float16", "int16", "float16")),
    Operand("bias", "N", ("float32", "int32", "float32|float16")),
    out("C", "M*N", "float32", "int32", "float32|float16"),
    reduce={"N": 64, "K": 128, "M": 16},
)
def dense(shape: Shape, inputs: Arrays) -> Arrays:
    m, k, n = shape["M"], shape["K"], shape["N"]
    found = take(inputs, "A", m, k) @ take(inputs, "B", k, n)
    return {"C": found + wide(inputs["bias"])}


_SHORTS = ("float16", "int16", "float16")
_FEW = ("-2", "2")  # sums stay where the gate is neither open nor shut


@operator(
    table(
        "M K N",
        "32,64,64; 32,128,128; 32,256,256; 32,512,512; "
        "16,512,512; 16,768,768; 16,1024,1024; 16,4096,4096",
    ),
    Operand("X", "M*K", _SHORTS, integers=_FEW),
    Operand("A", "K*N", _SHORTS, floats=(-0.25, 0.25), integers=_FEW),
    Operand("B", "K*N", _SHORTS, floats=(-0.25, 0.25), integers=_FEW),
    out("Y", "M*N", "float32", "float32", "float32|float16"),
    reduce={"N": 64, "K": 128},
)
def gatemlp(shape: Shape, inputs: Arrays) -> Arrays:
    """silu(X A) * (X B), silu(x) = x / (1 + exp(-x))."""
    m, k, n = shape["M"], shape["K"], shape["N"]
    x = take(inputs, "X", m, k)
    gate, up = x @ take(inputs, "A", k, n), x @ take(inputs, "B", k, n)
    with np.errstate(over="ignore"):
        return {"Y": gate * logistic(gate) * up}
