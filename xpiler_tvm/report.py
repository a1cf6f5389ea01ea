"""Evidence and times as people read them (a table), as pipes take them (aligned text), as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from .errors import Span
from .evidence import Check
from .kernel import Kernel

if TYPE_CHECKING:
    from .verification.proofs import Obligation

_COLUMNS = ("check", "verdict", "error/bound", "CPU s", "detail")
_COLOURS = {"proved": "green", "tested": "green", "refuted": "bold red"}


@dataclass(frozen=True)
class Section:
    """The evidence of one thing: a lifted kernel, or the translation to one target.

    `seconds` maps the names of stages to CPU seconds, in the order in which they ran; `remarks`
    are lines of their own, see `remarks`.
    """

    title: str
    evidence: tuple[Check, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def remarks(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What a report says beside its checks: the form, the rule, operators, notes, assumptions,
    conditions."""
    lines = []
    if "rung" in found:
        rule = f", scheduled by {found['rule']}" if found.get("rule") else ""
        lines.append(f"form: {found['rung']}{rule}")
    lines += [f"computes: {operator}" for operator in found.get("operators", ())]
    lines += [f"note: {note}" for note in found.get("notes", ())]
    if "cost" in found:
        lines += _cost(found["cost"])
    lines += [f"assumes: {assumption}" for assumption in found.get("assumptions", ())]
    lines += [f"holds where: {condition}" for condition in found.get("conditions", ())]
    return tuple(lines)


def _cost(cost: Mapping[str, Any]) -> list[str]:
    """What a model says of the emitted kernel, and what it does slowly."""
    share = f", {100 * cost['share of peak']:.2g} % of its peak" if cost["share of peak"] else ""
    summary = f"{cost['microseconds']:.3g} us, bound by {cost['bound']}{share}"
    return [
        f"modelled for {cost['arch']}, not measured: {summary}",
        *(f"warning: {reason}" for reason in cost["slow"]),
    ]


def proofs(obligations: Sequence[Obligation]) -> tuple[str, ...]:
    """How many obligations of each kind are proved, then those that are not, each once."""
    from .verification.proofs import counted

    lines = []
    for kind, row in counted(obligations).items():
        counts = [f"{count} {verdict}" for verdict, count in row.items() if count]
        lines.append(f"{kind}: {', '.join(counts)}")
    return (*lines, *dict.fromkeys(str(one) for one in obligations if one.verdict != "proved"))


def proofs_as_dict(obligations: Sequence[Obligation]) -> dict[str, Any]:
    """The JSON form of obligations: counts, and those that are not proved."""
    from .verification.proofs import counted

    return {
        "counts": counted(obligations),
        "open": [
            {
                "kind": one.kind,
                "subject": one.subject,
                "verdict": one.verdict,
                "detail": one.detail,
                "counterexample": dict(one.counterexample),
                **span_as_dict(one.span),
            }
            for one in obligations
            if one.verdict != "proved"
        ],
    }


def as_dict(evidence: Iterable[Check], seconds: Mapping[str, float]) -> dict[str, Any]:
    """The JSON form. Errors that are no finite number become `null`, as JSON has none."""
    return {
        "evidence": [
            {
                "name": check.name,
                "verdict": check.verdict,
                "detail": check.detail,
                "worst": check.worst if _finite(check.worst) else None,
                "seconds": round(check.seconds, 6),
            }
            for check in evidence
        ],
        "seconds": {stage: round(value, 6) for stage, value in seconds.items()},
    }


def span_as_dict(span: Span | None) -> dict[str, Any]:
    """The JSON form of a place; empty without one."""
    return {"file": span.file, "line": span.line, "column": span.column} if span else {}


def kernel_as_dict(kernel: Kernel) -> dict[str, Any]:
    """The JSON form of a kernel: everything but its text."""
    launch = asdict(kernel.launch) if kernel.launch else None
    return {
        "file": kernel.filename,
        "dialect": kernel.dialect,
        "entry": kernel.entry,
        "params": [asdict(param) for param in kernel.params or ()],
        "launch": launch,
    }


def show(sections: Sequence[Section], stream: TextIO) -> None:
    """Print the sections: as tables on a terminal, else as aligned text without colours."""
    if stream.isatty():
        _show_tables(sections, stream)
    else:
        stream.write(text(sections))


def show_changes(changes: Iterable[tuple[str, str]], stream: TextIO) -> None:
    """Print what passes changed: each one's name, and its unified diff."""
    from rich.console import Console
    from rich.syntax import Syntax

    console = Console(file=stream)
    for name, diff in changes:
        if stream.isatty():
            console.rule(name)
            console.print(Syntax(diff, "diff", background_color="default", word_wrap=True))
        else:
            stream.write(f"==== {name}\n{diff}\n")


def text(sections: Sequence[Section]) -> str:
    """The sections as aligned plain text."""
    lines: list[str] = []
    for section in sections:
        rows = [_COLUMNS, *(_row(check) for check in section.evidence)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
        lines += [section.title, "-" * len(section.title)]
        for row in rows if section.evidence else []:
            cells = (
                cell.rjust(width) if column in (2, 3) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        lines += section.remarks
        lines += [_times(section.seconds)] if section.seconds else []
        lines.append("")
    return "\n".join(lines)


def _show_tables(sections: Sequence[Section], stream: TextIO) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(file=stream)
    for section in sections:
        table = Table(
            title=escape(section.title),
            caption=escape(_times(section.seconds)) if section.seconds else None,
            title_justify="left",
            caption_justify="left",
        )
        for number, column in enumerate(_COLUMNS):
            table.add_column(column, justify="right" if number in (2, 3) else "left")
        for check in section.evidence:
            name, verdict, *rest = (escape(cell) for cell in _row(check))
            colour = _COLOURS.get(check.verdict, "yellow")
            table.add_row(name, f"[{colour}]{verdict}[/]", *rest)
        console.print(table)
        for remark in section.remarks:
            console.print(escape(remark), highlight=False)


def _row(check: Check) -> tuple[str, ...]:
    worst = "" if check.worst is None else f"{check.worst:.3g}"
    return (
        check.name,
        check.verdict,
        worst,
        f"{check.seconds:.2f}",
        " ".join(check.detail.split()),
    )


def _times(seconds: Mapping[str, float]) -> str:
    stages = ", ".join(f"{stage} {value:.2f}" for stage, value in seconds.items())
    return f"CPU seconds: {stages}; together {sum(seconds.values()):.2f}"


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
