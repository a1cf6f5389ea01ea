"""What language models were asked, and what it cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Usage:
    """Counts of one client.

    `calls` reached a server, `recorded` answers came from a folder. Tokens are the server's count;
    of a server that gives none they are estimated (`estimated` calls). `failures` are calls that
    gave nothing of use, by kind; `cost` is `None` without a price.
    """

    calls: int = 0
    recorded: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    estimated: int = 0
    seconds: float = 0.0
    cost: float | None = None
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain data."""
        return {
            "calls": self.calls,
            "recorded": self.recorded,
            "tokens in": self.tokens_in,
            "tokens out": self.tokens_out,
            "tokens cached": self.tokens_cached,
            "calls with estimated tokens": self.estimated,
            "seconds": round(self.seconds, 3),
            "cost": self.cost,
            "failures": dict(sorted(self.failures.items())),
        }

    def __str__(self) -> str:
        parts = [f"{self.calls} calls", f"{self.recorded} recorded", f"{self.tokens} tokens"]
        parts.append(f"{self.seconds:.1f} s")
        if self.cost is not None:
            parts.append(f"cost {self.cost:.4f}")
        parts += [f"{count} {kind}" for kind, count in sorted(self.failures.items())]
        return ", ".join(parts)
