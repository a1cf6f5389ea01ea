"""Every access lies in its array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import tvm_ffi

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .accesses import Access, Around
from .obligation import Obligation, Values
from .solver import PROVED, Answer, Solver, both


def bounds(accesses: Iterable[Access], solver: Solver) -> Iterator[Obligation]:
    """One obligation for each access; what is alike is asked once."""
    answers: dict[tuple[Buffer, int, Around], Answer] = {}
    for access in accesses:
        digest = int(tvm_ffi.structural_hash(access.index, map_free_vars=False))
        key = access.buffer, digest, access.around
        if key not in answers:
            answers[key] = _inside(access, solver)
        answer = answers[key]
        detail = answer.detail
        if answer.verdict == "refuted":
            extent = access.buffer.shape[0]
            detail = f"outside its {extent} elements for {shown(answer.values)}"
        yield Obligation(
            "bounds", access.name, answer.verdict, answer.by, detail, answer.values, access.span
        )


def _inside(access: Access, solver: Solver) -> Answer:
    extent = tir.constant_or_self(access.buffer.shape[0])
    low, high = solver.bounds(access.index)
    if isinstance(extent, int) and low >= 0 and high < extent:
        return PROVED
    return within(access.index, extent, access.around, solver)


def within(index: Expr, extent: Expr | int, around: Around, solver: Solver) -> Answer:
    """Whether `0 <= index < extent` at a place."""
    least = solver.holds(index >= 0, around)
    if least.verdict != "proved":
        return least
    return both(least, solver.holds(index < extent, around))


def shown(values: Values) -> str:
    """A counterexample for people."""
    return ", ".join(f"{name} = {value}" for name, value in values) or "every thread"


__all__ = ["bounds", "shown", "within"]
