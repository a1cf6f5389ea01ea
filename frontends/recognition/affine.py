"""Sums of multiples of axes, and what of `//` and `%` is such a sum.

    (8 i + j) // 8 = i    where 0 <= j < 8          (8 i + j) % 4 = j % 4

Where an axis has to be divided, `Split` says at which step: `k // 4` is `k_hi` once `k` is
`4 k_hi + k_lo`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Axis:
    """An index that takes the values below `extent`."""

    name: str
    extent: int


@dataclass(frozen=True)
class Split(Exception):
    """An axis that is used as two digits: `lo`, of extent `at`, and `hi`."""

    axis: Axis
    at: int


class NotAffine(Exception):
    """An index that is no sum of multiples of axes."""


Term = Axis | Hashable
"""What is multiplied: an axis, or something read from memory."""


@dataclass(frozen=True)
class Affine:
    """`const + sum(factor * term)`; no factor is zero."""

    factors: Mapping[Term, int] = field(default_factory=dict)
    const: int = 0

    @classmethod
    def of(cls, term: Term) -> Affine:
        return cls({term: 1})

    def __hash__(self) -> int:
        return hash((frozenset(self.factors.items()), self.const))

    def __add__(self, other: Affine | int) -> Affine:
        if isinstance(other, int):
            return Affine(self.factors, self.const + other)
        factors = dict(self.factors)
        for term, factor in other.factors.items():
            factors[term] = factors.get(term, 0) + factor
        kept = {term: factor for term, factor in factors.items() if factor}
        return Affine(kept, self.const + other.const)

    def __mul__(self, by: int) -> Affine:
        if by == 0:
            return Affine()
        return Affine({term: by * f for term, f in self.factors.items()}, by * self.const)

    def __sub__(self, other: Affine | int) -> Affine:
        return self + (other * -1 if isinstance(other, Affine) else -other)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(term for term in self.factors if isinstance(term, Axis))

    def factor(self, term: Term) -> int:
        return self.factors.get(term, 0)

    def bounds(self) -> tuple[int, int] | None:
        """The least and the greatest value; `None` where something from memory is in it."""
        low = high = self.const
        for term, factor in self.factors.items():
            if not isinstance(term, Axis):
                return None
            reach = factor * (term.extent - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high

    def substitute(self, values: Mapping[Axis, Affine]) -> Affine:
        if not any(term in values for term in self.axes):
            return self
        found = Affine({}, self.const)
        for term, factor in self.factors.items():
            one = values[term] if isinstance(term, Axis) and term in values else Affine.of(term)
            found = found + one * factor
        return found

    def without(self, axes: Iterable[Axis]) -> Affine:
        gone = set(axes)
        return Affine({t: f for t, f in self.factors.items() if t not in gone}, self.const)

    def divided(self, by: int) -> tuple[Affine, Affine]:
        """The floored quotient and the remainder. Raises `Split` or `NotAffine`."""
        whole = {t: f // by for t, f in self.factors.items() if f % by == 0}
        rest = Affine(
            {t: f for t, f in self.factors.items() if f % by}, self.const - self.const // by * by
        )
        quotient = Affine(whole, self.const // by)
        for shift in (0, by):  # a constant just below a multiple counts from the next one
            moved = rest - shift
            bounds = moved.bounds()
            if bounds and bounds[0] >= 0 and bounds[1] < by:
                return (quotient + 1 if shift else quotient), moved
        for axis in rest.axes:
            at = by // abs(rest.factors[axis]) if by % rest.factors[axis] == 0 else 0
            if rest.factors[axis] > 0 and 1 < at < axis.extent and axis.extent % at == 0:
                raise Split(axis, at)
        raise NotAffine(f"quotient by {by}")
