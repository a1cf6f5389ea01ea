"""What the references have in common."""

from __future__ import annotations

import numpy as np

from .declaring import Arrays, Operand

EPS = 1e-5
"""What the norms add to a variance or to its root."""


def wide(array: np.ndarray) -> np.ndarray:
    """An array in the type that references compute in."""
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)


def take(inputs: Arrays, name: str, *extents: int) -> np.ndarray:
    """An input as an array of some extents, in the type that references compute in."""
    return wide(inputs[name]).reshape(extents)


def out(name: str, extent: str, *dtypes: str) -> Operand:
    """An operand that is written; of float32 unless dtypes are given."""
    return Operand(name, extent, dtypes or ("float32",), "out")


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax_of(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
