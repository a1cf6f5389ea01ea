"""What is not understood of a program becomes regions, what stands before and after it is raised.

    for b: { A; for t: { B; s[f(t)] = C; D } }
        ->    for b: { A; for t: B; [for t: s[f(t)] = C]; for t: D }          [region]

A region grows outwards until all that reads what it leaves is understood: to the next loop or
branch around it. Around it, loops whose iterations do not depend on each other are split, and so
are branches whose test no store can change; arrays that live in such a loop get an element of each
for every iteration. Other loops and branches become part of the region whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import (
    Alloc,
    Body,
    Branch,
    Loop,
    Program,
    Region,
    Statement,
    Store,
    While,
    expressions,
    map_bodies,
    map_body,
    statements,
)


def outlined(program: Program, span: Span) -> Program | None:
    """The program with what stands at `span` in a region, or, where that is part of regions, with
    these grown; `None` where nothing of the program would be left outside."""
    body, found = _within(program.body, span)
    return replace(program, body=body) if found and not _grow(body) else None


def is_worthwhile(program: Program, parallel: bool) -> bool:
    """Whether regions leave more to schedule than one opaque block does: stores outside of them,
    and parallel loops around them where the block has such, too."""
    inside = {
        one
        for region in statements(program.body)
        if isinstance(region, Region)
        for one in statements(region.body)
    }
    outside = [
        one for one in statements(program.body) if isinstance(one, Store) and one not in inside
    ]
    serial = any(isinstance(one, Region) and _holds_parallel(one) for one in program.body)
    return bool(outside) and not (parallel and serial)


def _holds_parallel(region: Region) -> bool:
    return any(isinstance(one, Loop) and one.parallel for one in statements(region.body))


class _Growing(Region):
    """A region that is to become part of what stands around it."""


def _grow(body: Body) -> bool:
    return any(isinstance(one, _Growing) for one in body)


def _within(body: Body, span: Span) -> tuple[Body, bool]:
    """Statements with those at `span` in regions, and whether any was found."""
    done: list[Statement] = []
    found = False
    for one in body:
        changed: Body = (one,)
        if isinstance(one, Region):
            if any(_is_at(inner, span) for inner in statements(one.body)):
                changed = (_Growing(one.body, one.span),)
        elif _is_at(one, span):
            changed = (Region((one,), span),)
        else:
            changed, inside = _around(one, span)
            found = found or inside
        found = found or changed[0] is not one
        done += changed
    return _joined(done), found


def _is_at(statement: Statement, span: Span) -> bool:
    """Whether the text has a statement there: threads and blocks are no loops of the text."""
    made = isinstance(statement, Alloc) or (isinstance(statement, Loop) and statement.parallel)
    return not made and statement.span == span


def _around(statement: Statement, span: Span) -> tuple[Body, bool]:
    """`_within` of what a statement holds; regions that are to grow then stand outside of it."""
    found = False

    def change(body: Body) -> Body:
        nonlocal found
        body, inside = _within(body, span)
        found = found or inside
        return body

    whole = map_bodies(statement, change)
    if not found:
        return (statement,), False
    if isinstance(whole, Branch):
        if not (_grow(whole.then) or _grow(whole.other)):
            return (whole,), True
        if not tir.has_load(whole.test):
            return _split_branch(whole), True
    elif isinstance(whole, (Loop, While)):
        if not _grow(whole.body):
            return (whole,), True
        if isinstance(whole, Loop) and _may_split(whole):
            return _split_loop(whole), True
    return (Region((whole,), span),), True


def _joined(body: Iterable[Statement]) -> Body:
    """Regions that follow each other as one; arrays between them begin to live before."""
    done: list[Statement] = []
    arrays: list[Statement] = []  # since the last region
    for one in body:
        last = done[-1] if done else None
        if isinstance(one, Alloc) and isinstance(last, Region):
            arrays.append(one)
            continue
        if isinstance(one, Region) and isinstance(last, Region):
            kind = _Growing if _grow((last, one)) else Region
            done[-1:] = [*arrays, kind((*last.body, *one.body), last.span)]
        else:
            done += [*arrays, one]
        arrays = []
    return (*done, *arrays)


def _pieces(body: Body) -> list[tuple[Body, Span | None]]:
    """Statements up to each region that grows, and that region's own, with its place."""
    done: list[tuple[Body, Span | None]] = []
    current: list[Statement] = []
    for one in body:
        if isinstance(one, _Growing):
            done += [(tuple(current), None), (one.body, one.span)]
            current = []
        else:
            current.append(one)
    done.append((tuple(current), None))
    return [(rest, span) for piece, span in done if (rest := _without(piece))]


def _piece(statement: Statement, span: Span | None) -> Statement:
    return statement if span is None else Region((statement,), span)


def _may_split(loop: Loop) -> bool:
    """Whether a loop's iterations may do what regions do when all have done what is before them.

    Those of a parallel loop do not race; but they may take turns at what an atomic operation finds
    and leaves, which has to stay together: so does all that is done to an array of several threads.
    """
    if not loop.parallel or tir.as_const(loop.extent) is None:
        return False
    pieces = _pieces(loop.body)
    own = {one.buffer for one in loop.body if isinstance(one, Alloc)}
    for number, (piece, span) in enumerate(pieces):
        stored = {one.buffer for one in statements(piece) if isinstance(one, Store)}
        met = {buffer for buffer in stored - own if buffer.scope() != "local"}
        others = [other for place, (other, _) in enumerate(pieces) if place != number]
        if span is not None and any(_touches(other, one) for other in others for one in met):
            return False
    return True


def _split_loop(loop: Loop) -> Body:
    """`for v: { A; [R]; B }` as `for v: A; [for v: R]; for v: B`."""
    extent = tir.as_const(loop.extent)
    assert extent is not None
    pieces = _pieces(loop.body)
    own: list[list[Statement]] = [[] for _ in pieces]  # arrays of one piece alone
    done: list[Statement] = []
    wide: dict[Buffer, Buffer] = {}
    for one in loop.body:
        if not isinstance(one, Alloc):
            continue
        old = one.buffer
        users = [number for number, (piece, _) in enumerate(pieces) if _touches(piece, old)]
        if len(users) == 1:
            own[users[0]].append(one)
        elif users:
            shape = [int(old.shape[0]) * extent]
            wide[old] = tirx.decl_buffer(shape, old.dtype, old.name, scope=old.scope())
            done.append(Alloc(wide[old], one.span))
    for (piece, span), arrays in zip(pieces, own, strict=True):
        var = tirx.Var(loop.var.name, "int32")
        inner = map_body((*arrays, *piece), _renaming(loop.var, var))
        done.append(_piece(replace(loop, var=var, body=_widened(inner, wide, var)), span))
    return _joined(done)


def _renaming(old: Var, new: Var) -> Callable[[Expr], Expr]:
    return lambda expr: tir.substitute(expr, {old: new})


def _without(body: Body) -> Body:
    """The statements without the arrays that begin to live directly among them."""
    return tuple(one for one in body if not isinstance(one, Alloc))


def _split_branch(branch: Branch) -> Body:
    """`if c: { A; [R]; B }` as `if c: A; [if c: R]; if c: B`."""
    done: list[Statement] = [one for one in (*branch.then, *branch.other) if isinstance(one, Alloc)]
    for piece, span in _pieces(branch.then):
        done.append(_piece(replace(branch, then=piece, other=()), span))
    for piece, span in _pieces(branch.other):
        done.append(_piece(replace(branch, then=(), other=piece), span))
    return _joined(done)


def _touches(body: Body, buffer: Buffer) -> bool:
    stores = any(isinstance(one, Store) and one.buffer.same_as(buffer) for one in statements(body))
    return stores or any(
        load.source.same_as(buffer) for expr in expressions(body) for load in tir.loads(expr)
    )


def _widened(body: Body, wide: Mapping[Buffer, Buffer], var: Var) -> Body:
    """Statements in which arrays have one part for each value of a loop's variable."""
    if not wide:
        return body

    def place(buffer: Buffer, index: Expr) -> Expr:
        return var * int(buffer.shape[0]) + index

    def read(load: Expr) -> Expr:
        buffer = wide.get(load.source)
        return load if buffer is None else buffer[place(load.source, load.indices[0])]

    def of(one: Statement) -> Statement:
        if isinstance(one, Store) and one.buffer in wide:
            return replace(one, buffer=wide[one.buffer], index=place(one.buffer, one.index))
        return map_bodies(one, lambda inner: tuple(map(of, inner)))

    return tuple(map(of, map_body(body, lambda expr: tir.map_loads(expr, read))))
