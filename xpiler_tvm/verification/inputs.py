"""Inputs that make a wrong kernel show itself.

All-ones operands hide every wrong index, non-negative ones hide signs, equal ones hide swapped
operands. Ours are random, signed, never constant and different for each tensor.
"""

from __future__ import annotations

import zlib

import numpy as np

from xpiler_tvm.emulation import numpy_dtype, unwritten_array
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.kernel import Kernel, Tensor

# Integers wider than eight bits stay small: sums of products then fit 32 bits, so that both
# programs are defined, and as indices or lengths they stay small as well.
SMALL = 100


def inputs_for(kernel: Kernel, seed: int = 0) -> dict[str, np.ndarray]:
    """An array for every tensor of a resolved kernel, by name; the same ones for the same seed.

    Floats are uniform in [-1, 1] without zero. 8-bit integers cover their range, with both
    extremes present where there is room; wider ones are uniform in [-100, 100], or [0, 100] where
    unsigned; booleans are fair coins. `out` tensors start unwritten (NaN, or a pattern).

    Raises `ReadError` XP1015 where a tensor's shape is not known.
    """
    return {
        tensor.name: _tensor(tensor, np.random.default_rng([seed, position, _number(tensor.name)]))
        for position, tensor in enumerate(kernel.tensors)
    }


def _number(name: str) -> int:
    """A number that depends on the name alone, unlike `hash`."""
    return zlib.crc32(name.encode())


def _tensor(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    dtype, size = numpy_dtype(tensor.dtype), tensor.size
    shape = tensor.shape or ()
    if tensor.intent == "out":
        return unwritten_array(shape, dtype)
    if is_float(dtype):
        # Zero would hide a factor; the smallest magnitude keeps 16-bit types out of subnormals.
        magnitude = rng.uniform(2.0**-7, 1.0, size)
        flat = (magnitude * rng.choice((-1.0, 1.0), size)).astype(dtype)
    elif dtype.kind == "b":
        flat = rng.integers(0, 2, size).astype(dtype)
    elif dtype.itemsize == 1:
        limits = np.iinfo(dtype)
        flat = rng.integers(limits.min, limits.max, size, dtype=dtype, endpoint=True)
        if size >= 4:
            places = rng.choice(size, 2, replace=False)
            flat[places] = limits.min, limits.max
    else:
        low = 0 if dtype.kind == "u" else -SMALL
        flat = rng.integers(low, SMALL, size, endpoint=True).astype(dtype)
    return flat.reshape(shape)
