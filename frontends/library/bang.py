"""What the functions of BANG C mean: every row of the dialect's tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.dialects.bang import BARRIERS, CORES_PER_CLUSTER, SYNCS, Meeting
from xpiler_tvm.dialects.bang_names import UNSUPPORTED
from xpiler_tvm.errors import LiftError, ReadError, Span

from .. import ir
from ..bang_declarations import LOCKS
from ..partial_eval.meetings import HINT
from ..partial_eval.tasks import Cores
from ..values import Nothing, Number, Value
from . import (
    bang_conversions,
    bang_copies,
    bang_elementwise,
    bang_layouts,
    bang_matrix,
    bang_reductions,
)
from .bang_calls import Intrinsic

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

Handler = Callable[[Intrinsic], Value | None]

_HANDLERS: dict[str, Handler] = {
    **bang_copies.HANDLERS,
    **bang_elementwise.HANDLERS,
    **bang_conversions.HANDLERS,
    **bang_reductions.HANDLERS,
    **bang_layouts.HANDLERS,
    **bang_matrix.HANDLERS,
}


def call(ev: Calls, name: str, expr: ir.Call) -> Value | None:
    """The value of `name(args)`; `None` for an unknown function."""
    cores, span = ev.ids.cores, expr.span
    assert cores is not None
    if name == "__is_mpu":
        return Number(cores.on_memory_core, "bool")
    if name == "__is_ipu":
        return Number(ev.math.simplify(tirx.Not(cores.on_memory_core)), "bool")
    if name in SYNCS:
        # A copy is made where it is issued; what would see it earlier is a fault of the kernel.
        return Nothing()
    if name in BARRIERS:
        _barrier(ev, cores, BARRIERS[name], span)
        return Nothing()
    if name in LOCKS:
        raise ReadError(
            "XP1009",
            "what cores do under a lock depends on their order",
            span=span,
            hint="use __bang_atomic_reduce_add and the like, or let one core collect the results",
        )
    if name == "__bang_printf":
        raise ReadError("XP1009", "printing from device code is not read", span=span)
    if name in UNSUPPORTED:
        raise ReadError("XP1009", f"{name} is not read: {UNSUPPORTED[name]}", span=span)
    handler = _HANDLERS.get(name)
    if handler is None:
        return None
    found = handler(Intrinsic(ev, name, [ev.value(arg) for arg in expr.args], span))
    return Nothing() if found is None else found


def _barrier(ev: Calls, cores: Cores, meeting: Meeting, span: Span) -> None:
    """A barrier that all cores of its group come to, whatever the others do meanwhile."""
    if not cores.job.clusters or (meeting == "mpu" and not cores.with_memory_core):
        return
    memory_core = cores.on_memory_core
    if meeting == "mpu" and ev.math.known(memory_core) == 0:
        return
    if meeting == "ipu" and ev.math.known(memory_core) == 1:
        return
    apart = {"cluster": [cores.core], "all": [cores.core, cores.cluster]}
    for test in ev.path:
        if meeting in apart and cores.tells_kinds(test):
            continue  # where the other kind comes to is known at the end, see `meetings`
        divergent = tir.has_load(test) or tir.uses(test, apart.get(meeting, [cores.cluster]))
        if divergent or (meeting in ("ipu", "mpu") and not _holds(ev, cores, meeting, test)):
            raise LiftError(
                "XP2001",
                "not every core that this barrier waits for comes to it",
                span=span,
                hint=HINT if tir.uses(test, [cores.core]) else "move the barrier out of the branch",
            )
    lanes = {"cluster": cores.job.lanes, "all": cores.job.cores}.get(meeting)
    if lanes is None and not cores.with_memory_core:
        lanes = cores.job.cores
    elif lanes is None:  # the memory core, the last of a cluster, does not wait, or does so alone
        lanes = CORES_PER_CLUSTER if meeting == "ipu" and cores.job.clusters == 1 else 1
    ev.barrier(span, warp=True, lanes=lanes)


def _holds(ev: Calls, cores: Cores, meeting: Meeting, test: tir.Expr) -> bool:
    """Whether `test` keeps none of a kind of cores from coming: it does not tell them apart."""
    if not tir.uses(test, [cores.core]):
        return True
    lanes = range(CORES_PER_CLUSTER) if meeting == "ipu" else [CORES_PER_CLUSTER]
    return all(
        ev.math.known(tir.substitute(test, {cores.core: tir.const(lane, "int32")})) == 1
        for lane in lanes
    )
