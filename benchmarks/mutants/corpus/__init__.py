"""Correct kernels of three dialects, each with its arguments, its launch and a reference in numpy.

Shapes are small, so that a run takes milliseconds, and no multiples of the blocks and tiles that
work on them: guards and remainders have something to do, and a fault in them shows.
"""

from __future__ import annotations

from functools import lru_cache

from .case import Case


@lru_cache(maxsize=1)
def cases() -> dict[str, Case]:
    """Every case by its name, which is its file's."""
    from . import bang, cuda, hip

    found = [*cuda.BOOK.cases, *hip.BOOK.cases, *bang.BOOK.cases]
    return {case.name: case for case in found}


__all__ = ["Case", "cases"]
