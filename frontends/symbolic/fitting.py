"""Numbers as expressions in sizes: what stands at one place of a program at several points.

    n: 1009, 1103, 1201     4, 5, 5     ->     "(n + 255) // 256"

An expression is taken only if it gives every one of the numbers. Polynomials, and quotients by
divisors that the program knows, are tried from the simplest on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from math import gcd, prod

from xpiler_tvm.extents import value_of

Point = Mapping[str, int]

DEGREE = 4  # of the greatest product of sizes
DEPTH = 3  # factors and terms that are taken off before a quotient is looked for


class Fitting:
    """Finds expressions over `points`; `divisors` are those that quotients may have.

    `known` expressions are taken before all others, the first of those that fit.
    """

    def __init__(
        self, points: Sequence[Point], divisors: Sequence[int], known: Sequence[str] = ()
    ) -> None:
        self.points = points
        self.divisors = [d for d in dict.fromkeys(divisors) if d > 1]
        self.names = sorted(points[0])
        self._found: dict[tuple[int, ...], str | None] = {}
        self._known: dict[tuple[int, ...], str] = {}
        for text in known:
            values = tuple(int(value_of(text, point)) for point in points)
            if len(set(values)) > 1:
                self._known.setdefault(values, text)
        self._found.update(self._known)

    def expression(self, values: Sequence[int]) -> str | None:
        """The simplest expression that has these values, or `None`."""
        key = tuple(values)
        if key not in self._found:
            text = self._fit(key, DEPTH)
            if text is not None:
                assert all(
                    value_of(text, point) == value
                    for point, value in zip(self.points, key, strict=True)
                )
            self._found[key] = text
        return self._found[key]

    def _fit(self, values: tuple[int, ...], depth: int) -> str | None:
        first = values[0]
        if all(value == first for value in values):
            return str(first)
        return (
            self._plain(values)
            or self._multiple(values)
            or self._scaled(values)
            or self._quotient(values)
            or (self._product(values, depth) if depth else None)
            or self._sum_of_sizes(values)
            or (self._sum(values, depth) if depth else None)
            or self._quotient(values, plain=False)
        )

    def _monomials(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Products of sizes, as text and as values, small ones first."""
        for degree in range(1, DEGREE + 1):
            for names in combinations_with_replacement(self.names, degree):
                numbers = tuple(prod(point[name] for name in names) for point in self.points)
                yield " * ".join(names), numbers

    def _plain(self, values: tuple[int, ...]) -> str | None:
        """A product of sizes."""
        return next((text for text, numbers in self._monomials() if numbers == values), None)

    def _multiple(self, values: tuple[int, ...]) -> str | None:
        """`a` times a known expression."""
        for numbers, text in self._known.items():
            factor, rest = divmod(values[0], numbers[0]) if numbers[0] else (0, 1)
            if rest == 0 and factor > 1 and values == tuple(factor * x for x in numbers):
                return f"{_factor(text)} * {factor}"
        return None

    def _scaled(self, values: tuple[int, ...]) -> str | None:
        """`a * n * m + b`."""
        for text, numbers in self._monomials():
            run = numbers[1] - numbers[0]
            rise = values[1] - values[0]
            if run == 0 or rise % run or rise == 0:
                continue
            factor = rise // run
            shift = values[0] - factor * numbers[0]
            if all(factor * x + shift == value for x, value in zip(numbers, values, strict=True)):
                return _plus(_times(factor, text), shift)
        return None

    def _quotient(self, values: tuple[int, ...], plain: bool = True) -> str | None:
        """`(n * m + b) // d`, where b is none, or rounds up, or is beside these.

        One that is not `plain` may have any b up to twice the divisor, the least that fits.
        """
        for text, numbers in self._monomials():
            for divisor in self.divisors:
                bounds = [v * divisor - x for v, x in zip(values, numbers, strict=True)]
                least, most = max(bounds), min(bounds) + divisor - 1
                if least > most or abs(least) > 2 * divisor:
                    continue
                usual = (0, divisor - 1, -1, divisor, divisor - 2)
                shifts = [b for b in usual if least <= b <= most]
                if not plain:
                    shifts = [min(range(least, most + 1), key=abs)]
                if shifts:
                    top = _plus(text, shifts[0])
                    return f"{_factor(top)} // {divisor}"
        return None

    def _product(self, values: tuple[int, ...], depth: int) -> str | None:
        """A size, or a number, times something simpler."""
        for name in self.names:
            factors = [point[name] for point in self.points]
            if all(v % x == 0 for v, x in zip(values, factors, strict=True)):
                rest = tuple(v // x for v, x in zip(values, factors, strict=True))
                found = self._fit(rest, depth - 1)
                if found is not None:
                    return f"{_factor(found)} * {name}"
        common = gcd(*values)
        for divisor in dict.fromkeys((common, *self.divisors)):
            if divisor > 1 and common % divisor == 0:
                found = self._fit(tuple(v // divisor for v in values), 0)
                if found is not None:
                    return f"{_factor(found)} * {divisor}"
        return None

    def _sum_of_sizes(self, values: tuple[int, ...]) -> str | None:
        """`a * n + b * m + c` with whole coefficients, where the points determine them."""
        columns = [[1] * len(values)] + [[p[name] for p in self.points] for name in self.names]
        if len(values) < len(columns) + 1:
            return None
        solved = _solve([list(row) for row in zip(*columns, strict=True)], list(values))
        if solved is None:
            return None
        shift, *factors = solved
        terms = [_times(f, name) for f, name in zip(factors, self.names, strict=True) if f]
        return _plus(" + ".join(terms), shift) if terms else None

    def _sum(self, values: tuple[int, ...], depth: int) -> str | None:
        """A product of sizes more or less than something simpler."""
        for text, numbers in self._monomials():
            if "*" in text and text.count("*") > 1:
                break
            for sign, word in ((1, "+"), (-1, "-")):
                rest = tuple(sign * (v - x) for v, x in zip(values, numbers, strict=True))
                found = self._quotient(rest) or (self._product(rest, 1) if depth > 1 else None)
                if found is not None:
                    return f"{text} {word} {_factor(found)}"
        return None


def _times(factor: int, text: str) -> str:
    if factor == 1:
        return text
    return f"{factor} * {text}" if factor >= 0 else f"({factor}) * {text}"


def _plus(text: str, shift: int) -> str:
    if shift == 0:
        return text
    return f"{text} + {shift}" if shift > 0 else f"{text} - {-shift}"


def _factor(text: str) -> str:
    """A text that may stand beside an operator."""
    return text if text.isidentifier() or text.isdigit() else f"({text})"


def _solve(rows: list[list[int]], values: list[int]) -> list[int] | None:
    """The whole numbers `x` with `rows @ x == values`, where there is exactly one solution."""
    width = len(rows[0])
    table = [[*row, value] for row, value in zip(rows, values, strict=True)]
    for column in range(width):
        pivot = next((r for r in range(column, len(table)) if table[r][column]), None)
        if pivot is None:
            return None
        table[column], table[pivot] = table[pivot], table[column]
        for row in range(len(table)):
            if row != column and table[row][column]:
                a, b = table[column][column], table[row][column]
                table[row] = [a * y - b * x for x, y in zip(table[column], table[row], strict=True)]
    if any(row[-1] for row in table[width:]):
        return None
    found = []
    for column in range(width):
        value, factor = table[column][-1], table[column][column]
        if value % factor:
            return None
        found.append(value // factor)
    return found
