"""What came of the mutants: counts by kind and by dialect, and every survivor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .equivalence import difference
from .judging import Verdict
from .sampling import Mutant

COLUMNS = (
    "injected",
    "equivalent",
    "caught",
    "values",
    "findings",
    "crash",
    "score",
    "by ones",
    "score of ones",
)


@dataclass(frozen=True)
class Outcome:
    """A mutant and its fate. `equivalent` is the reason, where it is one."""

    mutant: Mutant
    verdict: Verdict
    ones: bool
    equivalent: str = ""

    @property
    def survived(self) -> bool:
        return not self.verdict.caught and not self.equivalent

    @property
    def false_alarm(self) -> bool:
        return self.verdict.caught and bool(self.equivalent)


def row(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The numbers of some mutants, by the names of `COLUMNS`; scores in percent."""
    faults = [one for one in outcomes if not one.equivalent]
    caught = [one for one in faults if one.verdict.caught]
    ones = [one for one in faults if one.ones]
    by = [one.verdict.by for one in caught]

    def score(count: int) -> float | None:
        return round(100 * count / len(faults), 1) if faults else None

    return {
        "injected": len(outcomes),
        "equivalent": len(outcomes) - len(faults),
        "caught": len(caught),
        "values": by.count("values"),
        "findings": by.count("findings"),
        "crash": by.count("crash"),
        "score": score(len(caught)),
        "by ones": len(ones),
        "score of ones": score(len(ones)),
    }


def rows(outcomes: Sequence[Outcome], key: Callable[[Mutant], str]) -> dict[str, dict[str, Any]]:
    """The numbers of each group, and of all."""
    names = sorted({key(one.mutant) for one in outcomes})
    table = {name: row([o for o in outcomes if key(o.mutant) == name]) for name in names}
    return {**table, "all": row(outcomes)}


def table(title: str, outcomes: Sequence[Outcome], key: Callable[[Mutant], str]) -> str:
    """The numbers of each group, as text."""
    found = rows(outcomes, key)
    width = max(map(len, (*found, title)))
    lines = ["  ".join([title.ljust(width), *COLUMNS])]
    for name, numbers in found.items():
        cells = [_cell(numbers[column]).rjust(len(column)) for column in COLUMNS]
        lines.append("  ".join([name.ljust(width), *cells]))
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else str(value)


def described(outcome: Outcome) -> dict[str, Any]:
    """A mutant as plain data."""
    mutant = outcome.mutant
    before, after = difference(mutant.original.case, mutant.fault)
    return {
        "place": mutant.place,
        "dialect": mutant.dialect,
        "kind": mutant.kind,
        "before": before,
        "after": after,
        "caught by": outcome.verdict.by,
        "detail": outcome.verdict.detail,
        "caught by ones": outcome.ones,
        "equivalent": outcome.equivalent,
    }


def listed(outcomes: Sequence[Outcome]) -> str:
    """Mutants with their place and their change, as text."""
    lines = []
    for outcome in outcomes:
        about = described(outcome)
        why = f" ({outcome.equivalent})" if outcome.equivalent else ""
        lines.append(f"{about['place']}: {about['kind']}{why}")
        lines += [f"  - {about['before']}", f"  + {about['after']}"]
        if outcome.false_alarm:
            lines.append(f"  said: {about['detail']}")
    return "\n".join(lines)
