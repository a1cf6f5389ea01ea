"""What is known of the elements of a kernel's integer inputs."""

from __future__ import annotations

from collections.abc import Mapping

Ranges = Mapping[str, tuple[int, int]]
"""The least and the largest element of an input, by its name."""


class Distinct(tuple[int, int]):
    """Bounds of elements that are all different: the places that a kernel's threads store to."""


class Encoded(tuple[int, int]):
    """The bits of numbers of the floating-point type `dtype`, as elements of an integer type."""

    dtype: str

    def __new__(cls, dtype: str, held: str) -> Encoded:
        bits, signed = int(held.lstrip("uint")), held.startswith("int")
        least = -(1 << (bits - 1)) if signed else 0
        made = super().__new__(cls, (least, least + (1 << bits) - 1))
        made.dtype = dtype
        return made
