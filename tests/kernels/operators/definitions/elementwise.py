"""Operators of elements on their own."""

from __future__ import annotations

import math

import numpy as np

from .computing import logistic, out, wide
from .declaring import Arrays, Operand, Shape, flat, operator

_SUMS = flat("64; 320; 18x128; 21x192; 1x15x64; 3x3x256; 4x4x4x64; 100x2x10x1024")
ACTIVATIONS = "3x4x5; 5x128; 45x25; 12x3x128; 8x10x64; 7x1x6x7; 5x7x3x32; 5x12x23x128"
_SINES = "32x64; 32x26; 16x512; 7x1x6x7; 2x16x1024; 64x64x64; 8x16x32x32; 1x3x224x224"

_A, _B, _C = Operand("a", "N"), Operand("b", "N"), out("c", "N")
_X, _Y = Operand("x", "N", floats=(-4, 4)), out("y", "N")


@operator(_SUMS, _A, _B, _C, reduce={"N": 1024})
def add(shape: Shape, inputs: Arrays) -> Arrays:
    return {"c": wide(inputs["a"]) + wide(inputs["b"])}


@operator(_SUMS, _A, _B, _C, reduce={"N": 1024})
def sub(shape: Shape, inputs: Arrays) -> Arrays:
    return {"c": wide(inputs["a"]) - wide(inputs["b"])}


@operator(flat(ACTIVATIONS), _X, _Y)
def relu(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": np.maximum(wide(inputs["x"]), 0)}


@operator(flat(ACTIVATIONS), _X, _Y)
def gelu(shape: Shape, inputs: Arrays) -> Arrays:
    """Exact, by the error function; the usual approximation by tanh is 5e-4 away at most."""
    x = wide(inputs["x"])
    return {"y": 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))}


@operator(flat(ACTIVATIONS), _X, _Y)
def sigmoid(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": logistic(wide(inputs["x"]))}


def _some_zeros(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["x"][rng.integers(0, inputs["x"].size, max(1, inputs["x"].size // 8))] = 0


@operator(flat(ACTIVATIONS), _X, _Y, adjust=_some_zeros)
def sign(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": np.sign(wide(inputs["x"]))}


@operator(flat(_SINES), _X, _Y)
def sin(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": np.sin(wide(inputs["x"]))}
