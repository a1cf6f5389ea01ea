"""Mutants of the corpus that do what the original does, each with the reason.

The reasons were found by reading the kernels, never by running the mutants: an entry says why no
input and no order of the threads can tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Equivalent:
    """A line of a kernel of the corpus, as `TextFault.diff` gives it before and after the fault."""

    kernel: str
    before: str
    after: str
    reason: str


EQUIVALENTS: tuple[Equivalent, ...] = ()
