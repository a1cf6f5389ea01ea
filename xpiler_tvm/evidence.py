"""What is known about a translation, and how it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["proved", "tested", "refuted", "unknown", "unsupported"]


@dataclass(frozen=True)
class Check:
    """One piece of evidence.

    `name` says what was compared or proved, `verdict` how it came out, `detail` is for people
    (worst error over its bound, the counterexample, the reason). `worst` is the largest
    error divided by its bound (at most 1 where the check passed), `seconds` is CPU time.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    worst: float | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.verdict in ("proved", "tested")

    def _repr_html_(self) -> str:
        from .display import check_page

        return check_page(self)
