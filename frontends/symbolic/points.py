"""Points at which a kernel with symbolic sizes is looked at: to generalise, and to try."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import Kernel, Size

from .limits import LIMIT

LARGEST = 2111  # about the smallest of the sizes that programs are generalised from
SPREAD = 1.17  # from one size to the next, so that no two are taken for each other
STEP = 0.083  # from one point to the next

FIRST = 11  # the least factor of a size

MOST_ELEMENTS = 1 << 17  # of all tensors, where a program is run


def generic(kernel: Kernel, count: int, largest: int = LARGEST) -> list[dict[str, int]]:
    """Points that have nothing in common: primes, times what sizes are multiples of.

    The same size is the larger one in all points, so that terms are in the same order. There may be
    fewer points than asked for where ranges are narrow.
    """
    start = float(largest)
    while True:
        columns = [
            _growing(first, size, count)
            for first, size in zip(_firsts(kernel, start, count), kernel.sizes, strict=True)
        ]
        names = [size.name for size in kernel.sizes]
        points = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=False)]
        if start < 8 or all(_fits(kernel, point) for point in points):
            return points
        start *= 0.8


def _fits(kernel: Kernel, point: dict[str, int]) -> bool:
    return _elements(kernel, point) < LIMIT


def _firsts(kernel: Kernel, start: float, count: int) -> list[int]:
    """The first value of each size, in its multiples: about `start` and larger from size to size,
    as far as ranges allow, and never near that of another size."""
    taken: list[int] = []
    firsts = []
    for place, size in enumerate(kernel.sizes):
        unit = size.multiple
        least = max(-(-size.least // unit), FIRST)
        most = (size.most if size.most is not None else LIMIT) // unit
        first = max(least, min(int(start * SPREAD**place / unit), most - 16 * count, most * 3 // 5))
        lower = first
        while any(abs(lower * unit - other) * 8 < other for other in taken) and lower > least:
            lower = max(least, int(lower / SPREAD))
        firsts.append(lower)
        taken.append(lower * unit)
    return firsts


def _growing(first: int, size: Size, count: int) -> list[int]:
    """Multiples of one size from `first` of them on, no two the same."""
    unit, found, last = size.multiple, [], -1
    most = (size.most if size.most is not None else LIMIT) // unit
    # Little is left in the last tile, so that no part of it is full by accident.
    tile = 256 if unit == 1 and most > 64 * 256 else 16
    small = first < 100
    for number in range(count):
        value = max(int(first * (1 + STEP * number)), last + 1)
        while not _is_prime(value) or not (small or 2 < value % tile < 14):
            value += 1
        if value > most:
            break
        found.append(value * unit)
        last = value
    return found


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % d for d in range(2, isqrt(number) + 1))


def nasty(kernel: Kernel, steps: Sequence[int]) -> list[dict[str, int]]:
    """Points to run: ends of ranges, and values on both sides of multiples of `steps`.

    Each size goes through its values at a pace of its own, so that they meet in many ways.
    """
    values = {size.name: _values(size, steps) for size in kernel.sizes}
    points: list[dict[str, int]] = []
    rounds = max(map(len, values.values()), default=0)
    for number in range(rounds):
        point = {
            name: found[(number * (2 * place + 1) + place) % len(found)]
            for place, (name, found) in enumerate(values.items())
        }
        point = _smaller(kernel, point)
        if point not in points:
            points.append(point)
    return points


def _values(size: Size, steps: Sequence[int]) -> list[int]:
    """Values of one size, the least first."""
    wanted = [size.least, 2, 37, 131]
    for step in steps:
        wanted += [step - 1, step, step + 1, 2 * step + 1]
    most = size.most if size.most is not None else LIMIT
    wanted.append(min(most, 509))
    found: list[int] = []
    for value in wanted:
        rounded = max(-(-value // size.multiple), 1) * size.multiple
        if size.least <= rounded <= most and rounded not in found:
            found.append(rounded)
    return found or [-(-size.least // size.multiple) * size.multiple]


def _elements(kernel: Kernel, point: dict[str, int]) -> int:
    """Elements of all tensors; none where there is no launch."""
    try:
        return sum(tensor.size for tensor in kernel.at(point).tensors)
    except ReadError:
        return 0


def _smaller(kernel: Kernel, point: dict[str, int]) -> dict[str, int]:
    """The point with its largest size halved until a run is short."""
    ranges = {size.name: size for size in kernel.sizes}
    while _elements(kernel, point) > MOST_ELEMENTS:
        name = max(point, key=lambda one: point[one])
        size = ranges[name]
        half = max(size.least, point[name] // 2 // size.multiple * size.multiple, size.multiple)
        if half == point[name]:
            break
        point = {**point, name: half}
    return point
