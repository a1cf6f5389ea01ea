"""Conditions on sizes: where a result that was made for all of them holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import LiftError, Span
from .extents import names_of, value_of


@dataclass(frozen=True)
class Condition:
    """`text` is a comparison of expressions in sizes, such as `n % 256 == 0` or `1 <= n <= 4096`.

    Names like `blockDim.x` are the launch's. `why` says what is wrong elsewhere, `span` where in
    the source.
    """

    text: str
    why: str
    span: Span | None = None

    def holds(self, values: Mapping[str, int]) -> bool:
        """Whether it holds; raises `ReadError` XP1014 where a name has no value."""
        return bool(value_of(self.text, values))

    @property
    def names(self) -> tuple[str, ...]:
        return names_of(self.text)

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span else ""
        return f"{where}{self.text} ({self.why})"


def require(conditions: Iterable[Condition], values: Mapping[str, int]) -> None:
    """Raises `LiftError` XP2007 for the first condition that these values do not meet."""
    for condition in conditions:
        if not condition.holds(values):
            given = ", ".join(f"{name} is {values[name]}" for name in condition.names)
            raise LiftError(
                "XP2007",
                f"{condition.text} does not hold: {given}; {condition.why}",
                span=condition.span,
                hint="lift the kernel at these sizes: xt.lift(lifted.kernel.at(sizes))",
            )
