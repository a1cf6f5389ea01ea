"""Inputs made of the numbers that texts mention: what a test in a text asks for, it gets.

Two programs that differ only where `x == 0.125f` agree on drawn numbers for ever. The technique is
that of dictionaries in fuzzing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from xpiler_tvm.emulation.arrays import is_float, numpy_dtype
from xpiler_tvm.emulation.lexing import tokens
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.ranges import Ranges

from .inputs import inputs_for

MOST = 64
LARGEST = 30_000
"""Numbers beyond it, multiplied with each other, leave 32 bits."""


def numbers_of(texts: Sequence[str]) -> tuple[float, ...]:
    """The numbers in texts of C or Python, each once, with their negatives."""
    found: dict[float, None] = {}
    for text in texts:
        for token in tokens(text):
            value = _value(token.text) if token.kind == "number" else None
            if value is not None and abs(value) <= LARGEST:
                found.setdefault(value)
                found.setdefault(-value)
    return tuple(found)[:MOST]


def _value(text: str) -> float | None:
    plain = text.replace("'", "").lower()
    for known in (plain, plain.rstrip("ful")):
        try:
            value = float(int(known, 0))
        except ValueError:
            try:
                value = float(known)
            except ValueError:
                continue
        return value if math.isfinite(value) else None
    return None


def literal_inputs(
    kernel: Kernel, texts: Sequence[str], seed: int = 0, ranges: Ranges | None = None
) -> dict[str, np.ndarray]:
    """As `inputs_for` of the family `random`, with every second element a number of the texts, or
    its neighbour. Elements that `ranges` bounds stay as they are."""
    arrays = inputs_for(kernel, seed, "random", ranges)
    values = numbers_of(texts)
    for position, tensor in enumerate(kernel.tensors):
        dtype = numpy_dtype(tensor.dtype)
        if tensor.intent == "out" or tensor.name in (ranges or {}) or dtype.kind == "b":
            continue
        table = _table(values, dtype)
        if len(table):
            rng = np.random.default_rng([seed, position, len(table)])
            array = arrays[tensor.name]
            chosen = rng.integers(0, 2, array.shape) == 0
            arrays[tensor.name] = np.where(chosen, rng.choice(table, array.shape), array)
    return arrays


def _table(values: Sequence[float], dtype: np.dtype) -> np.ndarray:
    """The values of a type, and what is beside each of them."""
    if is_float(dtype):
        limit = 100.0 if dtype.itemsize == 2 else float(LARGEST)
        exact = np.array([value for value in values if abs(value) <= limit]).astype(dtype)
        if dtype.itemsize == 2:
            return exact
        return np.concatenate([exact, np.nextafter(exact, dtype.type(np.inf))])
    info = np.iinfo(dtype)
    whole = {int(value) + step for value in values if value.is_integer() for step in (-1, 0, 1)}
    return np.array(sorted(v for v in whole if info.min <= v <= info.max), dtype)
