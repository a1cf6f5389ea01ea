"""Tables of what became of faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def table(title: str, rows: Sequence[Row], key: Callable[[Row], str]) -> Table:
    """Localised, repaired and median CPU seconds, for each key; equal ones are left out."""
    made = Table(title=title)
    made.add_column("")
    for name in ("faults", "localised", "repaired", "refused", "wrong", "median CPU s"):
        made.add_column(name, justify="right")
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    for name in sorted(groups):
        made.add_row(name, *_figures(groups[name]))
    made.add_section()
    made.add_row("all", *_figures(list(rows)))
    return made


def _figures(rows: Sequence[Row]) -> list[str]:
    count = len(rows)
    repaired = [row for row in rows if row["verdict"] == "repaired"]
    wrong = sum(bool(row["wrong"]) for row in rows)
    localised = sum(row["localised"] for row in rows)
    # Repairs are what one waits for; a search that ends with a refusal takes what it may.
    seconds = f"{median(row['seconds'] for row in repaired):.1f}" if repaired else "-"
    return [
        str(count),
        f"{100 * localised / max(1, count):.0f} %",
        f"{100 * (len(repaired) - wrong) / max(1, count):.0f} %",
        str(count - len(repaired)),
        str(wrong),
        seconds,
    ]


def show(rows: Sequence[Row]) -> None:
    """Prints all tables."""
    console = Console(width=100)
    real = [row for row in rows if row["verdict"] != "equal"]
    one = [row for row in real if row["faults"] == 1]
    two = [row for row in real if row["faults"] == 2]
    console.print(table("one fault, by kind", one, lambda row: row["kind"]))
    console.print(table("by number of simultaneous faults", real, lambda row: str(row["faults"])))
    console.print(table("two faults, by dialect", two, lambda row: row["dialect"]))
    console.print(table("one fault, by dialect", one, lambda row: row["dialect"]))
    for row in real:
        if row["wrong"] or row["verdict"] != "repaired":
            what = f"wrong: {row['wrong']}" if row["wrong"] else row["verdict"]
            console.print(f"{row['kernel']} [{row['kind']}] {row['diff']}: {what}", markup=False)
    equal = len(rows) - len(real)
    console.print(f"{len(real)} faults; {equal} more change nothing and are left out")
