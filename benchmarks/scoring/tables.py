"""Rows as tables: for a terminal, and in Markdown."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from .published import RULES, XPILER
from .rows import OUTCOMES, Row

STEPS = ("understood", "lifted", "emitted", "built", "made", "clean", "numpy", "back")
_SHORT = {
    "built": "does not compile",
    "clean": "has findings",
    "numpy": "differs from numpy",
    "back": "does not read back",
}
_WIDTH = 150
"""Of lines where there is no terminal, in characters."""
HEADINGS = ("read", "lifted", "emitted", "compiled", "right", "no finding", "= numpy", "reads back")


def directions(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows by dialect and target."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.dialect, row.target), []).append(row)
    return dict(sorted(found.items()))


def share(part: int, whole: int) -> str:
    """A percentage; all is only all where nothing is missing."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    return "100 %" if part == whole else f"{min(percent, 99.9):.1f} %"


def cells(rows: Sequence[Row]) -> list[str]:
    """How many kernels there are, what held of each step, and what was proved."""
    steps = []
    for step in STEPS:
        known = [value for row in rows if (value := getattr(row, step)) is not None]
        steps.append(f"{sum(known)}/{len(known)}" if known else "-")
    proved = share(sum(row.proved for row in rows), sum(row.obligations for row in rows))
    return [str(len(rows)), *steps, proved]


def summary(rows: Sequence[Row]) -> Table:
    """By direction, how many kernels each step held for."""
    table = Table(title="translations")
    for column in ("direction", "kernels", *HEADINGS, "proved"):
        first = column == "direction"
        table.add_column(column, justify="left" if first else "right", no_wrap=first)
    for (dialect, target), some in directions(rows).items():
        table.add_row(f"{dialect} -> {target}", *cells(some))
    table.add_section()
    table.add_row("all", *cells(rows))
    return table


def shortfall(row: Row) -> list[str]:
    """What a row fell short in."""
    if not row.made:
        return [row.outcome]
    return [words for step, words in _SHORT.items() if getattr(row, step) is False]


def reason(row: Row, longest: int = 400) -> str:
    return " ".join((row.reason or row.findings).split())[:longest]


def misses(rows: Iterable[Row]) -> Table:
    """Every row that fell short, with its reason."""
    table = Table(title="what is missing")
    for column in ("kernel", "target", "what", "code", "reason"):
        table.add_column(column, overflow="fold")
    for row in rows:
        if what := shortfall(row):
            text = reason(row).replace("[", r"\[")
            table.add_row(row.kernel, row.target, ", ".join(what), row.code, text)
    return table


def totals(rows: Sequence[Row]) -> list[str]:
    """Outcomes, shapes, and what a translation costs."""
    counts = Counter(row.outcome for row in rows)
    lines = [
        ", ".join(f"{name} {counts[name]}" for name in OUTCOMES),
        f"{sum(row.reduced for row in rows)} of {len(rows)} at a reduced shape",
    ]
    made = [row for row in rows if row.seconds]
    if made:
        worst = max(made, key=lambda row: row.seconds)
        most = max(made, key=lambda row: row.megabytes)
        lines.append(
            f"CPU seconds a translation: median {statistics.median(r.seconds for r in made):.1f}, "
            f"worst {worst.seconds:.1f} ({worst.kernel} -> {worst.target}); "
            f"memory: at most {most.megabytes} MiB ({most.kernel} -> {most.target})"
        )
    return lines


def show(rows: Sequence[Row]) -> None:
    """Prints the tables and totals."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(summary(rows))
    console.print(misses(rows))
    for line in totals(rows):
        console.print(line, highlight=False)


# ---------------------------------------------------------------- Markdown


def markdown(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table; bars in cells are escaped."""
    rows = [headings, ["---"] * len(headings), *lines]
    texts = [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in texts)


def accuracy(rows: Sequence[Row]) -> str:
    """By direction, beside what others report."""
    lines = []
    for (dialect, target), some in directions(rows).items():
        rule = RULES.get((dialect, target))
        lines.append(
            [
                f"{dialect} -> {target}",
                *cells(some),
                share(sum(row.right for row in some), len(some)),
                f"{XPILER[dialect, target]} %" if (dialect, target) in XPILER else "-",
                f"{rule[1]} % ({rule[0]})" if rule else "-",
            ]
        )
    whole = share(sum(row.right for row in rows), len(rows))
    lines.append(["all", *cells(rows), whole, "", ""])
    return markdown(
        ["direction", "kernels", *HEADINGS, "proved", "accuracy", "QiMeng-Xpiler", "by rules"],
        lines,
    )


def shortfalls(rows: Iterable[Row]) -> str:
    """Every row that fell short, with its reason."""
    found = [
        [row.kernel, row.target, ", ".join(what), row.code, reason(row)]
        for row in rows
        if (what := shortfall(row))
    ]
    return (
        markdown(["kernel", "target", "what", "code", "reason"], found) if found else "Nothing.\n"
    )
