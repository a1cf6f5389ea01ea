"""What the references of the wild kernels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Shape = dict[str, Any]
Arrays = dict[str, np.ndarray]
Adjust = Callable[[Shape, Arrays, np.random.Generator], None]

ADJUST: dict[str, Adjust] = {}
"""By the name of the file."""


def adjusting(name: str) -> Callable[[Adjust], Adjust]:
    """Notes the decorated function in `ADJUST`."""

    def note(adjust: Adjust) -> Adjust:
        ADJUST[name] = adjust
        return adjust

    return note


def wide(array: np.ndarray, *extents: int) -> np.ndarray:
    """In the type that references compute in, and of the given extents where there are any."""
    found = array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)
    return found.reshape(extents) if extents else found


def chunks(x: np.ndarray, length: int) -> np.ndarray:
    """The array in rows of `length`, zeros behind its end."""
    return np.pad(x, (0, -x.size % length)).reshape(-1, length)


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)
