"""Bodies of statements: what of them a result needs, and under which names.

s += x[k]; n += 1; k += 1      ->     s += x[k]; k += 1        where s alone is asked for
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Alloc, Body, Branch, Loop, Region, Statement, Store, While, statements


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
    done: list[Statement] = []
    for one in body:
        if isinstance(one, (Loop, While, Region)):
            done.append(replace(one, body=without_allocs(one.body)))
        elif isinstance(one, Branch):
            then, other = without_allocs(one.then), without_allocs(one.other)
            done.append(replace(one, then=then, other=other))
        elif not isinstance(one, Alloc):
            done.append(one)
    return tuple(done)


def renamed(body: Body, names: Mapping[Var, Var]) -> Body:
    """The statements with other variables for their loops; expressions are left alone."""
    done: list[Statement] = []
    for one in body:
        if isinstance(one, Loop):
            var = names.get(one.var, one.var)
            done.append(replace(one, var=var, body=renamed(one.body, names)))
        elif isinstance(one, (While, Region)):
            done.append(replace(one, body=renamed(one.body, names)))
        elif isinstance(one, Branch):
            then, other = renamed(one.then, names), renamed(one.other, names)
            done.append(replace(one, then=then, other=other))
        else:
            done.append(one)
    return tuple(done)


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
    done: list[Statement] = []
    for one in body:
        if isinstance(one, Alloc):
            if one.buffer in wanted:
                done.append(one)
        elif not _stores(one, wanted):
            continue
        elif isinstance(one, (Loop, While, Region)):
            done.append(replace(one, body=_kept(one.body, wanted)))
        elif isinstance(one, Branch):
            then, other = _kept(one.then, wanted), _kept(one.other, wanted)
            done.append(replace(one, then=then, other=other))
        else:
            done.append(one)
    return tuple(done)
