"""Verdicts about races in random programs with barriers, held against an execution that counts how
many barriers each access stands behind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import sym, tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.frontends.partial_eval import ThreadProgram
from xpiler_tvm.frontends.program import Barrier, Body, Branch, Loop, Statement, Store
from xpiler_tvm.verification.proofs.accesses import trace_of
from xpiler_tvm.verification.proofs.races import races
from xpiler_tvm.verification.proofs.solver import Solver

THREADS, TILE = 8, 4
SPAN = Span("k.cu", 1, 1)
T = tirx.Var("t", "int32")
MEMORY = tirx.decl_buffer((64,), "int32", "s", scope="shared")
OWN = tirx.decl_buffer((1,), "int32", "own", scope="local")
ZERO = tir.const(0, "int32")

Maker = Any  # of a statement, from the variables of the loops around it


def access(stores: bool, kind: int) -> Maker:
    def make(loops: tuple[Any, ...]) -> Statement:
        i = loops[-1] if loops else ZERO
        index = (
            T,
            (T + 1) % THREADS,
            THREADS - 1 - T,
            T // 2,
            T + THREADS * (i % 2),
            THREADS * i + T // 4,
            (T + i) % THREADS,
        )[kind]
        if stores:
            return Store(MEMORY, index, ZERO, SPAN)
        return Store(OWN, ZERO, MEMORY[index], SPAN)

    return make


def barrier(lanes: int) -> Maker:
    return lambda loops: Barrier(SPAN, lanes < THREADS, lanes)


def loop(extent: int, inner: list[Maker]) -> Maker:
    def make(loops: tuple[Any, ...]) -> Statement:
        var = tirx.Var(f"i{len(loops)}", "int32")
        body = tuple(one((*loops, var)) for one in inner)
        return Loop(var, tir.const(extent, "int32"), body, False, SPAN)

    return make


def branch(inner: list[Maker], other: list[Maker]) -> Maker:
    def make(loops: tuple[Any, ...]) -> Statement:
        test = loops[-1] % 2 < 1 if loops else ZERO < 1
        then, beside = (tuple(one(loops) for one in side) for side in (inner, other))
        return Branch(test, then, beside, SPAN)

    return make


def some_threads(most: int, inner: Maker) -> Maker:
    return lambda loops: Branch(tirx.LT(T, tir.const(most, "int32")), (inner(loops),), (), SPAN)


accesses = st.builds(access, st.booleans(), st.integers(0, 6))
leaves = st.one_of(
    accesses,
    st.builds(some_threads, st.integers(1, 7), accesses),
    st.sampled_from([THREADS, TILE]).map(barrier),
)
makers = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(loop, st.integers(0, 3), st.lists(inner, min_size=1, max_size=4)),
        st.builds(branch, st.lists(inner, max_size=3), st.lists(inner, max_size=2)),
    ),
    max_leaves=8,
)
programs = st.lists(makers, min_size=2, max_size=6)

Visit = tuple[int, bool, int, int]  # element, whether it is stored to, barriers of each kind before


def visits(body: Body, thread: int) -> list[Visit]:
    """The accesses of a thread."""
    analyzer, passed = sym.Analyzer(), {THREADS: 0, TILE: 0}

    def value(expr: Any, at: Mapping[Any, Any]) -> int:
        found = tir.as_const(analyzer.simplify(tir.substitute(expr, at)))
        assert found is not None
        return found

    def run(body: Body, at: Mapping[Any, Any]) -> Iterator[Visit]:
        for one in body:
            if isinstance(one, Barrier):
                passed[one.lanes] += 1
            elif isinstance(one, Loop):
                for round_ in range(value(one.extent, at)):
                    yield from run(one.body, {**at, one.var: tir.const(round_, "int32")})
            elif isinstance(one, Branch):
                yield from run(one.then if value(one.test, at) else one.other, at)
            elif isinstance(one, Store):
                stores = one.buffer.same_as(MEMORY)
                index = one.index if stores else one.value.indices[0]
                yield value(index, at), stores, passed[THREADS], passed[THREADS] + passed[TILE]

    return list(run(body, {T: tir.const(thread, "int32")}))


def has_race(body: Body) -> bool:
    each = [visits(body, thread) for thread in range(THREADS)]
    for (one, mine), (other, theirs) in itertools.combinations(enumerate(each), 2):
        level = 3 if one // TILE == other // TILE else 2
        stored = (
            {(v[0], v[level]) for v in mine if v[1]},
            {(v[0], v[level]) for v in theirs if v[1]},
        )
        seen = {(v[0], v[level]) for v in mine}, {(v[0], v[level]) for v in theirs}
        if stored[0] & seen[1] or seen[0] & stored[1]:
            return True
    return False


@settings(max_examples=80, deadline=None, derandomize=True)
@given(programs)
def test_races_between_barriers(made: list[Maker]) -> None:
    body = tuple(one(()) for one in made)
    empty: Any = frozenset()
    thread = ThreadProgram(
        (), ((T, THREADS),), (), (MEMORY,), body, {}, empty, empty, 0, (), {}, empty, (), (), (), ()
    )
    trace = trace_of(thread)
    loops = {var: extent for one in trace.accesses for var, extent in one.around.loops}
    solver = Solver([(T, THREADS)], trace.data)
    for var, extent in loops.items():
        solver.bind(var, extent)
    found = list(races(thread, trace, solver))
    seen = {one.verdict for one in found}
    if has_race(body):
        assert seen - {"proved"}
    else:
        assert "refuted" not in seen
