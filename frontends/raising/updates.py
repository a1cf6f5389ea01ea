"""Consecutive updates of one element as one.

    s = s + a;  s = s + b     ->    s = (s + a) + b

A loop that is unrolled by hand, or sums the four parts of a vector, is then one accumulation.
"""

from __future__ import annotations

from dataclasses import replace

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from ..program import Alloc, Body, Branch, Loop, Program, Statement, Store, While


def merge_updates(program: Program) -> Program:
    """The program with stores merged into the next store to the same local element."""
    return replace(program, body=_merged(program.body))


def _merged(body: Body) -> Body:
    done: list[Statement] = []
    for statement in body:
        new = statement
        if isinstance(statement, (Loop, While)):
            new = replace(statement, body=_merged(statement.body))
        elif isinstance(statement, Branch):
            then, other = _merged(statement.then), _merged(statement.other)
            new = replace(statement, then=then, other=other)
        elif isinstance(statement, Store) and statement.buffer.scope() == "local":
            earlier = _previous(done, statement)
            if earlier is not None and _stays_small(earlier, statement):
                new = _joined(earlier, statement)
                done = [one for one in done if one is not earlier]
        done.append(new)
    return tuple(done)


def _previous(done: list[Statement], store: Store) -> Store | None:
    """The store just before to the same element, if it may move down to `store`."""
    written: set[Buffer] = set()
    for statement in reversed(done):
        if isinstance(statement, Alloc):
            continue
        if not isinstance(statement, Store):
            return None
        if statement.buffer.same_as(store.buffer) and tir.same(statement.index, store.index):
            moves = {load.source for load in tir.loads(statement.value)} & written
            return None if moves or not _reads(store, store.buffer) else statement
        if _reads(statement, store.buffer):
            return None
        written.add(statement.buffer)
    return None


def _reads(store: Store, buffer: Buffer) -> bool:
    reads = (*tir.loads(store.value), *tir.loads(store.index))
    return any(load.source.same_as(buffer) for load in reads)


def _stays_small(earlier: Store, later: Store) -> bool:
    """Whether joining two updates does not multiply an expression that is long already: what a
    hash makes of a number would double with each step."""
    reads = sum(load.source.same_as(earlier.buffer) for load in tir.loads(later.value))
    return reads < 2 or not tir.is_large(earlier.value)


def _joined(earlier: Store, later: Store) -> Store:
    def change(load: Expr) -> Expr:
        same = load.source.same_as(earlier.buffer) and tir.same(load.indices[0], earlier.index)
        return earlier.value if same else load

    return replace(later, value=tir.map_loads(later.value, change))
