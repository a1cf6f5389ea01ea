"""Arrays in the memories of BANG C's cores and clusters.

They are static: wherever a function declares one, there is one of it for each core, or cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError, Span

from .. import ir
from ..arenas import Arena
from ..values import Address, unit_of

if TYPE_CHECKING:
    from .calls import Calls

ON_CHIP = ("nram", "wram", "ldram", "sram")
"""What `ir.Variable.space` says of such an array."""


def on_chip_array(ev: Calls, variable: ir.Variable) -> Address:
    """The array in this core, or its cluster's part of what a job has in SRAM."""
    kind = _bounded(ev, variable.type, variable.span)
    found = ev.objects.get(variable.ident)
    if found is None:
        found = ev.objects[variable.ident] = _allocated(ev, variable, kind)
        ev.spaces[found.buffer] = variable.space.upper()
    if variable.space == "sram":
        found = in_cluster(ev, found, None, variable.span)
    return Address(found.buffer, found.offset, kind)


def _allocated(ev: Calls, variable: ir.Variable, kind: ir.Type) -> Address:
    name, span, ident = variable.name, variable.span, variable.ident
    if variable.init is not None and not isinstance(variable.init, ir.Construct):
        raise ReadError("XP1009", f"{name!r} cannot have an initialiser", span=span)
    if variable.space != "sram":
        outer, ev.out = ev.out, ev.tables
        try:
            return ev.allocate(name, kind, span, "local", ident)
        finally:
            ev.out = outer
    assert ev.ids.cores is not None
    clusters = ev.ids.cores.job.clusters
    if not clusters:
        raise ReadError(
            "XP1011",
            f"{name!r} lies in SRAM, which a block job does not have",
            span=span,
            hint="launch a union job",
        )
    if clusters > 1:
        kind = ir.ArrayType(kind, ir.Literal(clusters, "int32", span))
    return ev.allocate(name, kind, span, "shared", ident)


def in_cluster(ev: Calls, address: Address, cluster: tir.Expr | None, span: Span) -> Address:
    """What lies at `address` of all clusters' SRAM in that of `cluster`, by default one's own."""
    cores = ev.ids.cores
    assert cores is not None
    if cores.job.clusters < 2:
        return address
    memory = address.buffer
    size = memory.size if isinstance(memory, Arena) else int(memory.shape[0]) * unit_of(memory)
    part = size // cores.job.clusters // unit_of(memory)
    chosen = cores.cluster if cluster is None else cluster
    return Address(memory, ev.math.simplify(address.offset + chosen * part), address.of)


def _bounded(ev: Calls, kind: ir.Type, span: Span) -> ir.Type:
    """`kind` resolved; an outer extent that is known at run time only becomes the largest one."""
    if not isinstance(kind, ir.ArrayType) or kind.extent is None:
        return ev.resolve(kind, span)
    extent = ev.number(kind.extent).expr
    if ev.math.known(extent) is None:
        high = 1 << 31 if tir.has_load(extent) else ev.math.bounds(extent)[1]
        if 0 < high < 1 << 31:
            return ir.ArrayType(ev.resolve(kind.of, span), ir.Literal(high, "int32", span))
    return ev.resolve(kind, span)
