"""What has to hold of a lift, and how that came out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from xpiler_tvm.errors import Span

Kind = Literal["bounds", "injective", "coverage", "disjoint", "race", "overflow", "division"]
KINDS: tuple[Kind, ...] = get_args(Kind)
INDEX_KINDS: tuple[Kind, ...] = ("bounds", "injective", "coverage", "disjoint", "overflow")
"""Kinds that are about the values of indices alone."""

OTHER = "'"
"""What names of a second thread's variables end in."""

Values = tuple[tuple[str, int], ...]
Verdict = Literal["proved", "refuted", "unknown"]
Prover = Literal["", "analyzer", "z3", "enumeration", "reading"]


@dataclass(frozen=True)
class Obligation:
    """One thing that has to hold, for every thread and every iteration.

    Attributes
    ----------
    subject : what it is about: an access, an array between two barriers, an output.
    by : who proved or refuted it: TVM's Analyzer, z3, counting all points, or the reader.
    detail : the counterexample of what is refuted, the reason where it is unknown.
    counterexample : ids and loop values by name; of a race those of the second thread end in `'`.
    raised : whether it is about the raised module; else it is about the source.
    """

    kind: Kind
    subject: str
    verdict: Verdict
    by: Prover = ""
    detail: str = ""
    counterexample: Values = ()
    span: Span | None = None
    raised: bool = False

    def __str__(self) -> str:
        where = f"{self.span}: " if self.span else ""
        how = f" by {self.by}" if self.by else ""
        tail = f": {self.detail}" if self.detail else ""
        return f"{where}{self.kind}: {self.subject}: {self.verdict}{how}{tail}"


def refuted(obligations: Iterable[Obligation], raised: bool) -> list[Obligation]:
    """What does not hold of the raised module, or of the source."""
    return [one for one in obligations if one.verdict == "refuted" and one.raised is raised]


def doubts_of(obligations: Iterable[Obligation]) -> list[str]:
    """What is refuted of a source that ran without a fault, for people. Elements that are never
    stored are left out: runs show these."""
    found = [one for one in refuted(obligations, raised=False) if one.kind != "coverage"]
    return [f"{one} (no run shows it)" for one in found]


def holds_throughout(obligations: Iterable[Obligation], kind: Kind) -> bool:
    """Whether all obligations of a kind are proved."""
    return all(one.verdict == "proved" for one in obligations if one.kind == kind)


def counted(obligations: Iterable[Obligation]) -> dict[Kind, dict[Verdict, int]]:
    """How many obligations of each kind came out how; kinds that do not occur are missing."""
    found: dict[Kind, dict[Verdict, int]] = {}
    for one in obligations:
        row = found.setdefault(one.kind, {"proved": 0, "refuted": 0, "unknown": 0})
        row[one.verdict] += 1
    return {kind: found[kind] for kind in KINDS if kind in found}
