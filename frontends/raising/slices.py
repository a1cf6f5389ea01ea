"""Bodies of statements: what of them a result needs, and under which names.

s += x[k]; n += 1; k += 1      ->     s += x[k]; k += 1        where s alone is asked for
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Alloc, Body, Branch, Loop, Statement, Store, While, map_bodies, statements


def needed(body: Body, results: Iterable[Buffer]) -> Body:
    """The statements on which what `results` hold at the end depends."""
    wanted = set(results)
    while True:
        read = {load.source for expr in _asked(body, wanted) for load in tir.loads(expr)}
        if read <= wanted:
            return _kept(body, wanted)
        wanted |= read


def without_allocs(body: Body) -> Body:
    """The statements without the places where arrays begin to live."""
    return tuple(map_bodies(one, without_allocs) for one in body if not isinstance(one, Alloc))


def renamed(body: Body, names: Mapping[Var, Var]) -> Body:
    """The statements with other variables for their loops; expressions are left alone."""

    def of(one: Statement) -> Statement:
        one = map_bodies(one, lambda inner: renamed(inner, names))
        return replace(one, var=names.get(one.var, one.var)) if isinstance(one, Loop) else one

    return tuple(map(of, body))


def _stores(statement: Statement, wanted: set[Buffer]) -> bool:
    return any(isinstance(one, Store) and one.buffer in wanted for one in statements((statement,)))


def _asked(body: Body, wanted: set[Buffer]) -> Iterable[Expr]:
    """The expressions on which stores to the wanted arrays depend."""
    for one in statements(body):
        if not _stores(one, wanted):
            continue
        if isinstance(one, Store):
            yield from (one.index, one.value)
        elif isinstance(one, Loop):
            yield one.extent
        elif isinstance(one, (Branch, While)):
            yield one.test


def _kept(body: Body, wanted: set[Buffer]) -> Body:
    return tuple(
        map_bodies(one, lambda inner: _kept(inner, wanted))
        for one in body
        if (one.buffer in wanted if isinstance(one, Alloc) else _stores(one, wanted))
    )
