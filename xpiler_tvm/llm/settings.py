"""What is asked of a language model, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Mode = Literal["off", "record", "replay"]
MODES: tuple[Mode, ...] = ("off", "record", "replay")


@dataclass(frozen=True)
class Price:
    """What a million tokens cost, in a currency of the user's choice.

    `cached` is for those of the input that the server had seen before; `None`: as any others.
    """

    input: float
    output: float
    cached: float | None = None

    def of(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> float:
        """What so many tokens cost; `tokens_in` counts the cached ones too."""
        cached = self.input if self.cached is None else self.cached
        fresh = (tokens_in - tokens_cached) * self.input
        return (fresh + tokens_cached * cached + tokens_out * self.output) / 1e6


@dataclass(frozen=True)
class Budget:
    """The most that one client may spend; `None` is without a limit.

    `calls` are requests that reach a server, repetitions included; `tokens` of input and output;
    `seconds` on the clock since the first request; `money` by the price of the settings.
    """

    calls: int | None = 60
    tokens: int | None = 400_000
    seconds: float | None = 900.0
    money: float | None = None


@dataclass(frozen=True)
class Settings:
    """How a model is asked.

    Attributes
    ----------
    base_url : of the server, with `/v1`; `OPENAI_BASE_URL`, or OpenAI's, by default.
    api_key : `OPENAI_API_KEY` by default. It is not printed, recorded, or part of any key.
    temperature, seed, max_tokens : of an answer.
    timeout : seconds that the server may stay silent.
    retries : how often a request is repeated after a failure that may pass.
    budget, price : what it may cost, and what tokens cost.
    mode : `record` keeps answers in `folder` and uses those that are there, `replay` uses those
        alone and needs no server, `off` does neither.
    strip_comments : whether questions show kernels without their comments.
    """

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 4096
    timeout: float = 60.0
    retries: int = 2
    budget: Budget = Budget()
    price: Price | None = None
    mode: Mode = "off"
    folder: Path | None = None
    strip_comments: bool = False
