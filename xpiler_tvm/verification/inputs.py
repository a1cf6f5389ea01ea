"""Inputs that make a wrong kernel show itself.

All-ones operands hide every wrong index, non-negative ones hide signs, equal ones hide swapped
operands. Ours come in five families, all of them signed, never constant and different for each
tensor:

* `random`: drawn, without zeros; what cancels by accident in one family does not in another.
* `indexed`: an element tells its position. Neighbours, rows and columns are far apart in value,
  and no two elements are equal as long as the type has that many values.
* `extreme`: ends of ranges, signed zeros, powers of two, numbers beside rounding boundaries.
* `peaked`: single elements tower over their row, first of all at its ends, and whole rows lie far
  below zero. A maximum that is missed, or starts at zero, makes an exponential overflow or vanish.
* `lone`: one element is the largest of all and one the smallest, others from seed to seed. The
  maximum of an array is one element: a run tells nothing of how the others were read. So kernels
  with few outputs get several of these, see `lone_seeds`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from xpiler_tvm.emulation import numpy_dtype, unwritten_array
from xpiler_tvm.emulation.arrays import is_float
from xpiler_tvm.kernel import Kernel, Tensor
from xpiler_tvm.ranges import Distinct, Encoded, Ranges

Family = Literal["random", "indexed", "extreme", "peaked", "lone"]
FAMILIES: tuple[Family, ...] = ("random", "indexed", "extreme", "peaked")
"""Those that every kernel can be run on."""

# Integers wider than eight bits stay small: sums of products then fit 32 bits, so that both
# programs are defined, and as indices or lengths they stay small as well.
SMALL = 100
# Significant bits: that many positions, as odd multiples of a power of two, are exact in the type.
_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
# The largest magnitude of the extremes; exp of it, and sums of its squares, stay finite.
_LARGE = {"float16": 8.0, "bfloat16": 64.0, "float32": 64.0, "float64": 64.0}
# Peaks: exp of one overflows.
_PEAK = {"float16": 12.0, "bfloat16": 90.0, "float32": 90.0, "float64": 720.0}
# Rows below zero: exp of each vanishes, and exp of what lies between the largest and the others
# overflows, in the float32 that half numbers are computed in as well.
_DEEP = {"float16": -300.0, "bfloat16": -300.0, "float32": -300.0, "float64": -2000.0}
# The golden ratio's multiples are spread most evenly: neighbours in place are far apart in value.
_GOLDEN = 0.6180339887498949
# With as many outputs as this, the usual families have extrema in many places.
_MANY = 32
_LONE, _FEW_LONE = 16, 6
_SMALL_ARRAYS, _LARGE_ARRAYS = 1 << 14, 1 << 20  # elements of all tensors


def inputs_for(
    kernel: Kernel, seed: int = 0, family: Family = "random", ranges: Ranges | None = None
) -> dict[str, np.ndarray]:
    """An array for every tensor of a resolved kernel, by name; the same ones for the same seed.

    `out` tensors start unwritten (NaN, or a pattern). Elements of a tensor that `ranges` names are
    integers between its two bounds, both included; they are all different where the bounds are
    `Distinct` and there are so many numbers, and the bits of numbers where they are `Encoded`.

    ========  ==========================  ==========================  ==========================
    family    floats                      8-bit integers              wider integers
    ========  ==========================  ==========================  ==========================
    random    uniform in [-1, 1], not 0   the whole range, with both  uniform in [-100, 100], or
                                          extremes where room is      [0, 100] where unsigned
    indexed   odd multiples of 2^-k in    a permutation of the range  a permutation of [-100, 100]
              (-1, 1), a permutation      by position                 or [0, 100] by position
    extreme   0, -0, powers of two, one   -128, -1, 0, 1, 127, 255    -128, -1, 0, 1, 127, 255,
              ulp beside them, +-64 (+-8  as the type has them        without negatives where
              in half), thirds                                        unsigned
    peaked    as random, with peaks of    as random, with peaks at    as random, with peaks at
              90 to 108 (12 to 14 in      the type's end              100
              half, 720 to 864 in double),
              and rows of -112 (-750) and less
    lone      as random, with one of      as random without its ends,  as random without its ends,
              1.5 and one of -1.5         which are at one place each  which are at one place each
    ========  ==========================  ==========================  ==========================

    Booleans are fair coins, and in `indexed` the parity of the position's bits, which no shift maps
    to itself.

    Raises `ReadError` XP1015 where a tensor's shape is not known.
    """
    arrays = {}
    for position, tensor in enumerate(kernel.tensors):
        dtype, shape = numpy_dtype(tensor.dtype), tensor.shape or ()
        if tensor.intent == "out":
            arrays[tensor.name] = unwritten_array(shape, dtype)
            continue
        rng = np.random.default_rng([seed, position, _number(tensor.name)])
        bounds = (ranges or {}).get(tensor.name)
        if isinstance(bounds, Encoded):
            flat = _encoded(tensor, bounds.dtype, rng, family, seed)
        elif bounds is not None:
            flat = _within(tensor.size, bounds, family, rng)
        else:
            flat = _MAKERS[family](tensor, dtype, rng, seed)
        arrays[tensor.name] = flat.astype(dtype).reshape(shape)
    return arrays


def lone_seeds(kernel: Kernel) -> range:
    """The seeds of the family `lone` that a resolved kernel is to be run on: for few outputs."""
    written = sum(tensor.size for tensor in kernel.tensors if tensor.written)
    given = [tensor.size for tensor in kernel.tensors if tensor.intent != "out"]
    if not given or written >= _MANY or sum(given) > _LARGE_ARRAYS:
        return range(0)
    return range(min(max(given), _LONE if sum(given) <= _SMALL_ARRAYS else _FEW_LONE))


def rounds(
    kernel: Kernel, seeds: Sequence[int], families: Sequence[Family] = FAMILIES
) -> list[tuple[Family, int]]:
    """Families with their seeds: each of these, and `lone` where the kernel has few outputs."""
    usual = [(family, seed) for family in families for seed in seeds]
    return [*usual, *(("lone", seed) for seed in lone_seeds(kernel))]


def _number(name: str) -> int:
    """A number that depends on the name alone, unlike `hash`."""
    return zlib.crc32(name.encode())


def _bounds(dtype: np.dtype) -> tuple[int, int]:
    """The integers that are used of a type."""
    if dtype.itemsize == 1:
        limits = np.iinfo(dtype)
        return int(limits.min), int(limits.max)
    return (0 if dtype.kind == "u" else -SMALL), SMALL


def _within(
    size: int, bounds: tuple[int, int], family: Family, rng: np.random.Generator
) -> np.ndarray:
    """Integers of a range that a kernel relies on."""
    least, most = bounds
    if isinstance(bounds, Distinct) and size <= most - least + 1:
        return least + rng.permutation(most - least + 1)[:size]
    if family == "indexed":
        return least + scattered(size, most - least + 1, rng)
    drawn = rng.integers(least, most, size, endpoint=True)
    if family == "extreme":
        ends = rng.choice((least, most), size)
        drawn = np.where(rng.integers(0, 2, size) == 0, drawn, ends)
    return drawn


def _encoded(
    tensor: Tensor, kind: str, rng: np.random.Generator, family: Family, seed: int
) -> np.ndarray:
    """The bits of numbers; what is left of an element or less is zero."""
    held, dtype = numpy_dtype(tensor.dtype), numpy_dtype(kind)
    count = max(1, tensor.size * held.itemsize // dtype.itemsize)
    numbers = _MAKERS[family](Tensor(tensor.name, (count,), kind), dtype, rng, seed)
    data = np.asarray(numbers).astype(dtype).tobytes()[: tensor.size * held.itemsize]
    return np.frombuffer(data.ljust(tensor.size * held.itemsize, b"\0"), held)


def _random(tensor: Tensor, dtype: np.dtype, rng: np.random.Generator, _: int = 0) -> np.ndarray:
    size = tensor.size
    if is_float(dtype):
        # Zero would hide a factor; the smallest magnitude keeps 16-bit types out of subnormals.
        return rng.uniform(2.0**-7, 1.0, size) * rng.choice((-1.0, 1.0), size)
    if dtype.kind == "b":
        return rng.integers(0, 2, size)
    low, high = _bounds(dtype)
    if dtype.itemsize > 1:
        return rng.integers(low, high, size, endpoint=True)
    flat = rng.integers(low, high, size, dtype=dtype, endpoint=True)
    if size >= 4:
        places = rng.choice(size, 2, replace=False)
        flat[places] = low, high
    return flat


def scattered(size: int, values: int, rng: np.random.Generator) -> np.ndarray:
    """`size` numbers in [0, values), by position: `values` in a row are all different.

    Number i is (i * step + start + i // values) mod values. `step`, near a golden section of
    `values`, is coprime to it; the last summand sets apart what lies `values` apart.
    """
    step = max(1, round(values * _GOLDEN)) + 2 * int(rng.integers(0, max(1, values // 16)))
    while np.gcd(step, values) != 1:
        step += 1
    place = np.arange(size, dtype=np.int64)
    return (place * step + int(rng.integers(0, values)) + place // values) % values


def _indexed(tensor: Tensor, dtype: np.dtype, rng: np.random.Generator, _: int) -> np.ndarray:
    size = tensor.size
    if is_float(dtype):
        bits = min(_PRECISION[dtype.name], max(4, (size - 1).bit_length()))
        count = 1 << bits
        return (2.0 * scattered(size, count, rng) + 1 - count) / count
    if dtype.kind == "b":
        place = np.arange(size, dtype=np.uint64) + np.uint64(rng.integers(0, 1 << 16))
        for shift in (32, 16, 8, 4, 2, 1):
            place = place ^ (place >> np.uint64(shift))
        return place & np.uint64(1)
    low, high = _bounds(dtype)
    return low + scattered(size, high - low + 1, rng)


def _extreme(tensor: Tensor, dtype: np.dtype, rng: np.random.Generator, _: int) -> np.ndarray:
    size = tensor.size
    if dtype.kind == "b":
        return rng.integers(0, 2, size)
    if is_float(dtype):
        large, ulp = _LARGE[dtype.name], 2.0 ** (1 - _PRECISION[dtype.name])
        tiny = 2.0**-10 if dtype.name == "float16" else 2.0**-20
        table = [0.0, 1.0, 1 + ulp, 1 - ulp / 2, 0.5 + ulp / 2, 1 / 3, large, large / 3, tiny]
        table = [sign * value for value in table for sign in (1.0, -1.0)]
    else:
        limits = np.iinfo(dtype)
        table = [v for v in (-128, 127, 0, 255, -1, 1) if limits.min <= v <= limits.max]
    flat = np.array(rng.choice(table, size))
    if size > 1 and (flat == flat[0]).all():
        flat[0] = table[1] if flat[0] != table[1] else table[0]
    return flat


def _peaked(tensor: Tensor, dtype: np.dtype, rng: np.random.Generator, seed: int) -> np.ndarray:
    shape = tensor.shape or ()
    # How long a row of a flat array is nobody says: about as long as there are rows.
    length = shape[-1] if len(shape) > 1 else max(1, math.isqrt(tensor.size))
    flat = _random(tensor, dtype, rng).copy()
    if dtype.kind == "b":
        return flat
    low, high = (_DEEP[dtype.name], _PEAK[dtype.name]) if is_float(dtype) else _bounds(dtype)
    # Arrays of one row meet every kind of row from one seed to another.
    for number, start in enumerate(range(0, tensor.size, length), 3 * seed):
        row = flat[start : start + length]
        drawn = int(rng.integers(0, len(row)))
        place = {0: len(row) - 1, 1: 0}.get(number, drawn)
        if number % 4 == 3 and low < 0:
            # Nothing in this row is positive.
            row[:] = low * rng.uniform(0.75, 1.0, len(row))
            row[place] = low * 0.375
        else:
            row[place] = high * rng.uniform(1.0, 1.2) if is_float(dtype) else high
    return flat


def _lone(tensor: Tensor, dtype: np.dtype, rng: np.random.Generator, seed: int) -> np.ndarray:
    size, flat = tensor.size, _random(tensor, dtype, rng).copy()
    if dtype.kind == "b":
        return flat
    low, high = (-1.5, 1.5) if is_float(dtype) else _bounds(dtype)
    if not is_float(dtype):
        flat = np.clip(flat, low + 1, high - 1)
    # The same order for every seed: one seed after the other meets all places.
    order = np.random.default_rng(_number(tensor.name)).permutation(size)
    flat[order[(seed + size // 2) % size]] = low
    flat[order[seed % size]] = high
    return flat


_MAKERS = {
    "random": _random,
    "indexed": _indexed,
    "extreme": _extreme,
    "peaked": _peaked,
    "lone": _lone,
}
