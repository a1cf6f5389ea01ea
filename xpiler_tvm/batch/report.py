"""A page about a ledger: verdicts, refusals by reason, time. One file, no scripts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from xpiler_tvm.display.page import page, part
from xpiler_tvm.errors import CODES

from .job import Result
from .ledger import Ledger

MOST_ROWS = 2000
"""Results that the page lists one by one; it counts all of them."""


@dataclass
class Summary:
    """Counts of a ledger.

    `by_target` has statuses of each target, `by_code` refusals, `by_rung` forms of translations;
    `seconds` are CPU seconds together, `peak` the most bytes that a job took.
    """

    by_target: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_code: Counter[str] = field(default_factory=Counter)
    by_rung: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    peak: int = 0
    count: int = 0

    def add(self, result: Result) -> None:
        self.count += 1
        self.by_target[result.target][result.status] += 1
        if result.status == "refused":
            self.by_code[result.code] += 1
        if result.status == "translated":
            self.by_rung[result.rung] += 1
        self.verdicts.update(result.checks)
        self.seconds += result.seconds
        self.peak = max(self.peak, result.peak)


def summary_of(ledger: Ledger) -> Summary:
    """The counts of all results."""
    summary = Summary()
    for result in ledger:
        summary.add(result)
    return summary


def fragment(ledger: Ledger) -> str:
    """The page as a fragment for a notebook."""
    summary = summary_of(ledger)
    results = list(islice(ledger, MOST_ROWS))
    # What needs a look comes first.
    order = {"crashed": 0, "refused": 1, "translated": 2}
    results.sort(key=lambda one: (order[one.status], one.code, one.name, one.target))
    inner = part(
        "library.html",
        summary=summary,
        results=results,
        codes=CODES,
        slowest=sorted(results, key=lambda one: -one.seconds)[:5],
        most=MOST_ROWS,
    )
    return page("Library of kernels", inner, about=f"{summary.count} results")


def write_report(ledger: Ledger, path: Path) -> None:
    """Writes the page as a file that stands alone."""
    head = '<!doctype html><html lang="en"><meta charset="utf-8">'
    head += '<meta name="viewport" content="width=device-width"><title>Library of kernels</title>'
    style = "<style>:root { color-scheme: light dark } body { margin: 0 }</style>"
    path.write_text(f"{head}{style}<body>{fragment(ledger)}</body></html>\n", encoding="utf-8")
