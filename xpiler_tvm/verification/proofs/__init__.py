"""Proof obligations of a lift.

    accesses    a thread's accesses: loops, tests, and barriers around each
    phases      which accesses no barrier orders
    encoding    TIR's integers in z3
    solver      questions to z3, under a limit that counts its steps
    points      all points of small loops, counted
    bounds      every access lies in its array
    races       no two threads meet at an element between two barriers
    numbers     no index leaves its type; how C's divisions were read
    blocks      the raised module's stores
    writes      stores reach every element of an output, and none twice

A kernel's obligations are decided by TVM's Analyzer where it can, then by z3, then by counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .obligation import INDEX_KINDS, KINDS, Kind, Obligation, Verdict, counted

if TYPE_CHECKING:
    import tvm

    from xpiler_tvm.frontends.reading import Reading


def obligations(reading: Reading, mod: tvm.IRModule, rung: str) -> tuple[Obligation, ...]:
    """The obligations of a kernel as read and of what it was raised to, `rung` says how far."""
    from .accesses import trace_of
    from .bounds import bounds
    from .numbers import divisions, overflow
    from .races import races
    from .solver import Solver

    thread = reading.thread
    trace = trace_of(thread)
    loops = {var: extent for one in trace.accesses for var, extent in one.around.loops}
    loops |= {var: extent for one in trace.numbers for var, extent in one.around.loops}
    solver = Solver([*thread.blocks, *thread.threads, *loops.items()], trace.data)
    return (
        *bounds(trace.accesses, solver),
        *overflow(trace, solver),
        *races(thread, trace, solver),
        *divisions(thread.divisions),
    )


__all__ = [
    "INDEX_KINDS",
    "KINDS",
    "Kind",
    "Obligation",
    "Verdict",
    "counted",
    "obligations",
]
