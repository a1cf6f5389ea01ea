"""Proof obligations of a lift.

    accesses    a thread's accesses: loops, tests, and barriers around each
    phases      which accesses no barrier orders
    encoding    TIR's integers in z3
    solver      questions to z3, under a limit that counts its steps
    radix       indices that tell the values of their variables
    points      all points of small loops, counted
    bounds      every access lies in its array
    races       no two threads meet at an element between two barriers
    numbers     no index leaves its type; how C's divisions were read
    blocks      the raised module's stores
    writes      no element is stored twice, or read before it is stored
    coverage    every element of an output is stored

A kernel's obligations are decided by TVM's Analyzer where it can, then by z3, then by counting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm import tir
from xpiler_tvm.kernel import Tensor

from .accesses import Trace, trace_of
from .blocks import Raised, touches_of
from .bounds import bounds
from .coverage import Fill, coverage
from .numbers import divisions, operations, overflow
from .obligation import (
    INDEX_KINDS,
    KINDS,
    Kind,
    Obligation,
    Verdict,
    counted,
    doubts_of,
    holds_throughout,
    refuted,
)
from .races import races
from .solver import Solver
from .writes import writes

if TYPE_CHECKING:
    import tvm

    from xpiler_tvm.errors import Span
    from xpiler_tvm.frontends.reading import Reading
    from xpiler_tvm.tir import Buffer


def obligations(reading: Reading, mod: tvm.IRModule, rung: str) -> tuple[Obligation, ...]:
    """The obligations of a kernel as read and of what it was raised to, `rung` says how far."""
    thread = reading.thread
    trace = trace_of(thread)
    loops = {var: extent for one in trace.accesses for var, extent in one.around.loops}
    loops |= {var: extent for one in trace.numbers for var, extent in one.around.loops}
    known = {size.name: size for size in reading.kernel.sizes}
    scalars = {
        var: known.get(param.name)
        for param, var in thread.params
        if not isinstance(param, Tensor) and tir.is_int(var)
    }
    solver = Solver([*thread.blocks, *thread.threads], trace.data, scalars)
    for var, extent in loops.items():
        solver.bind(var, extent)
    spans: dict[str, Span] = {}
    for access in trace.accesses:
        if access.stores:
            spans.setdefault(str(access.buffer.name), access.span)
    raised = Raised((), (), ()) if rung == "opaque" else touches_of(mod, solver)
    outputs = [
        coverage(place, _fills(trace, raised, place), solver, spans.get(param.name))
        for param, place in thread.params
        if isinstance(param, Tensor) and param.intent == "out"
    ]
    return (
        *bounds(trace.accesses, solver),
        *overflow(trace, solver),
        *operations(thread.operations, solver),
        *races(thread, trace, solver),
        *divisions(thread.divisions),
        *writes(raised, solver, spans),
        *outputs,
    )


def _fills(trace: Trace, raised: Raised, param: Buffer) -> list[Fill]:
    """What stores to a parameter: blocks where there are any, else the threads of the source."""
    name = str(param.name)
    if not raised.touches or name in {str(one.name) for one in raised.unclear}:
        return [
            Fill(one.index, one.around, False)
            for one in trace.accesses
            if one.stores and one.buffer.same_as(param)
        ]
    return [
        Fill(one.flat, one.around, one.is_whole)
        for one in raised.touches
        if one.stores and not one.first and str(one.buffer.name) == name
    ]


__all__ = [
    "INDEX_KINDS",
    "KINDS",
    "Kind",
    "Obligation",
    "Verdict",
    "counted",
    "doubts_of",
    "holds_throughout",
    "obligations",
    "refuted",
]
