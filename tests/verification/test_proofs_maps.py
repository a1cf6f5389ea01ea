"""Verdicts about random index maps, held against all their points."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import sym, tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.frontends.partial_eval import ThreadProgram
from xpiler_tvm.frontends.program import Branch, Loop, Store
from xpiler_tvm.verification.proofs.accesses import Around, trace_of
from xpiler_tvm.verification.proofs.bounds import bounds
from xpiler_tvm.verification.proofs.coverage import Fill, coverage
from xpiler_tvm.verification.proofs.races import races
from xpiler_tvm.verification.proofs.solver import Solver

THREADS, ROUNDS = 12, 5
SPAN = Span("k.cu", 1, 1)
T, R = tirx.Var("t", "int32"), tirx.Var("i", "int32")

leaves = st.sampled_from([T, R]) | st.integers(-4, 13).map(lambda value: tir.const(value, "int32"))


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    factors = st.integers(2, 9).map(lambda value: tir.const(value, "int32"))
    return st.one_of(
        st.builds(tirx.Add, inner, inner),
        st.builds(tirx.Sub, inner, inner),
        st.builds(tirx.Mul, inner, factors),
        st.builds(tirx.floordiv, inner, factors),
        st.builds(tirx.floormod, inner, factors),
        st.builds(tirx.truncdiv, inner, factors),
        st.builds(tirx.truncmod, inner, factors),
        st.builds(tirx.max, inner, inner),
        st.builds(lambda a, b: tirx.Select(a < b, a, b + 1), inner, inner),
    )


numbers = st.recursive(leaves, _grown, max_leaves=6)
tests = st.builds(lambda a, b: a < b, numbers, numbers)


def values(expr: Any) -> dict[tuple[int, int], int]:
    """The expression at all points, by thread and round, as TVM folds constants."""
    analyzer = sym.Analyzer()
    found = {}
    for t, i in itertools.product(range(THREADS), range(ROUNDS)):
        at = {T: tir.const(t, "int32"), R: tir.const(i, "int32")}
        value = tir.as_const(analyzer.simplify(tir.substitute(expr, at)))
        assert value is not None
        found[t, i] = value
    return found


def solver_of(data: dict[Any, str]) -> Solver:
    solver = Solver([(T, THREADS)], data)
    solver.bind(R, ROUNDS)
    return solver


def thread_program(buffer: Any, test: Any, *indices: Any) -> ThreadProgram:
    """`for i: if (test) { buffer[index] = 0; … }` by each thread."""
    stores = tuple(Store(buffer, index, tir.const(0, "int32"), SPAN) for index in indices)
    body = (Branch(test, stores, (), SPAN),)
    loop = Loop(R, tir.const(ROUNDS, "int32"), body, False, SPAN)
    empty: Any = frozenset()
    return ThreadProgram(
        (),
        ((T, THREADS),),
        (),
        (buffer,),
        (loop,),
        {},
        empty,
        empty,
        0,
        (),
        {},
        empty,
        (),
        (),
        (),
        (),
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(numbers, tests, st.integers(1, 60))
def test_bounds(index: Any, test: Any, extent: int) -> None:
    buffer = tirx.decl_buffer((extent,), "int32", "b", scope="shared")
    thread = thread_program(buffer, test, index)
    trace = trace_of(thread)
    solver = solver_of(trace.data)
    (found,) = bounds(trace.accesses, solver)
    at, happens = values(index), values(test)
    wrong = {place for place in at if happens[place] and not 0 <= at[place] < extent}
    assert found.verdict == ("refuted" if wrong else "proved")
    if wrong:
        named = dict(found.counterexample)
        places = [p for p in at if all(named.get(n, v) == v for n, v in zip("ti", p, strict=True))]
        assert set(places) & wrong


@settings(max_examples=40, deadline=None, derandomize=True)
@given(numbers, numbers, tests)
def test_races(one: Any, other: Any, test: Any) -> None:
    buffer = tirx.decl_buffer((1000,), "int32", "b", scope="shared")
    thread = thread_program(buffer, test, one, other)
    trace = trace_of(thread)
    solver = solver_of(trace.data)
    (found,) = races(thread, trace, solver)
    happens = values(test)
    who: dict[int, set[int]] = {}
    for index in (one, other):
        for place, element in values(index).items():
            if happens[place]:
                who.setdefault(element, set()).add(place[0])
    raced = any(len(threads) > 1 for threads in who.values())
    assert found.verdict == ("refuted" if raced else "proved")
    if raced:
        named = dict(found.counterexample)
        assert named["t"] != named["t'"]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(numbers, tests, st.integers(1, 40))
def test_coverage(index: Any, test: Any, extent: int) -> None:
    buffer = tirx.decl_buffer((extent,), "int32", "b")
    loops = ((T, tir.const(THREADS, "int32")), (R, tir.const(ROUNDS, "int32")))
    fill = Fill(index, Around(loops, (test,)), False)
    found = coverage(buffer, [fill], solver_of({}), None)
    at, happens = values(index), values(test)
    stored = {at[place] for place in at if happens[place]}
    missing = set(range(extent)) - stored
    assert found.verdict == ("refuted" if missing else "proved")
    if missing:
        assert dict(found.counterexample)["element"] in missing
