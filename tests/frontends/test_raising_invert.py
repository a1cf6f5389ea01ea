"""Inverting indices, held against every point of small extents."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.raising.invert import injective, quotient, solve, strides

from .evaluation import value_of

Term = tuple[int, int]  # coefficient and extent
terms = st.lists(
    st.tuples(st.sampled_from([-24, -6, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 24]), st.integers(1, 5)),
    min_size=1,
    max_size=3,
)


@st.composite
def mixed_radix(draw: st.DrawFn) -> list[Term]:
    """Strides that do not overlap, some of them negative, in any order."""
    found, reach = [], 0
    for _ in range(draw(st.integers(1, 3))):
        stride, extent = reach + draw(st.integers(1, 3)), draw(st.integers(1, 4))
        reach += stride * (extent - 1)
        found.append((stride * draw(st.sampled_from([1, 1, -1])), extent))
    return draw(st.permutations(found))


def sum_of(given_terms: list[Term], offset: int = 0) -> tuple[Any, list[tuple[Any, int]]]:
    """`offset + c0*v0 + …` and the axes."""
    axes = [(tirx.Var(f"v{k}", "int32"), extent) for k, (_, extent) in enumerate(given_terms)]
    index = tir.const(offset, "int32")
    for (c, _), (var, _) in zip(given_terms, axes, strict=True):
        index = index + var * c
    return index, axes


def points(axes: list[tuple[Any, int]]) -> list[dict[Any, int]]:
    names = [var for var, _ in axes]
    return [
        dict(zip(names, values, strict=True))
        for values in product(*(range(extent) for _, extent in axes))
    ]


@settings(max_examples=150, deadline=None)
@given(st.one_of(terms, mixed_radix()), st.integers(-5, 5))
def test_injective_indices_are(given_terms: list[Term], offset: int) -> None:
    index, axes = sum_of(given_terms, offset)
    values = [value_of(index, at) for at in points(axes)]
    if injective(index, axes):
        assert len(set(values)) == len(values)
    used = strides(index, axes)
    if used is not None:
        assert [c for c, _ in used] == sorted((c for c, _ in used), reverse=True)
        assert injective(index, [axis for _, axis in used])


@settings(max_examples=100, deadline=None)
@given(terms, st.integers(2, 7), st.integers(-8, 8), st.integers(-2, 2))
@example([(6, 4), (2, 3), (1, 2)], 3, 3, 1)
@example([(6, 4), (2, 3), (1, 2)], 3, 2, 1)
def test_numbers_that_are_taken_apart(
    given_terms: list[Term], base: int, high: int, low: int
) -> None:
    """`high * (t // base) + low * (t % base)` differs where the numbers t and their digits do."""
    number, axes = sum_of(given_terms)
    index = tirx.floordiv(number, base) * high + tirx.floormod(number, base) * low
    values = [value_of(index, at) for at in points(axes)]
    found = injective(index, axes)
    if found:
        assert len(set(values)) == len(values)
    if given_terms == [(6, 4), (2, 3), (1, 2)]:
        assert found == (high >= base)


@settings(max_examples=60, deadline=None)
@given(mixed_radix())
def test_mixed_radix_is_injective(given_terms: list[Term]) -> None:
    index, axes = sum_of(given_terms)
    assert injective(index, axes)


@settings(max_examples=150, deadline=None)
@given(st.one_of(terms, mixed_radix()), st.integers(-4, 4))
@example([(16, 2), (-8, 2), (1, 8)], 8)
@example([(-1, 5)], 4)
@example([(4, 3), (0, 4)], 1)
def test_a_solution_is_one_exactly_where_its_conditions_hold(
    given_terms: list[Term], offset: int
) -> None:
    index, axes = sum_of(given_terms, offset)
    values = {value_of(index, at) for at in points(axes)}
    low, high = min(values) - 3, max(values) + 3
    target = tirx.Var("t", "int32")
    shifted = target + low  # t >= 0
    analyzer = tir.analyzer_for({target: high - low + 1})
    solution = solve(index, shifted, axes, analyzer)
    if solution is None:
        assert strides(index, axes) is None
        return
    for t in range(high - low + 1):
        at = {target: t}
        solvable = all(value_of(condition, at) for condition in solution.conditions)
        assert solvable == (t + low in values)
        if solvable:
            found = {var: value_of(value, at) for var, value in solution.values.items()}
            for var, extent in axes:
                assert 0 <= found.get(var, 0) < extent
            assert value_of(index, {var: found.get(var, 0) for var, _ in axes}) == t + low


@settings(max_examples=100, deadline=None)
@given(mixed_radix(), mixed_radix())
def test_an_index_in_terms_of_another(stored: list[Term], read: list[Term]) -> None:
    """Store at one mixed-radix index, read at another: who wrote what is read."""
    index, axes = sum_of(stored)
    target, others = sum_of(read)
    assume(len(points(axes)) * len(points(others)) < 2000)
    solution = solve(index, target, axes, tir.analyzer_for(dict(others)))
    assert solution is not None
    values = {value_of(index, at) for at in points(axes)}
    for at in points(others):
        holds = all(value_of(condition, at) for condition in solution.conditions)
        assert holds == (value_of(target, at) in values)
        if holds:
            found = {var: value_of(value, at) for var, value in solution.values.items()}
            point = {var: found.get(var, 0) for var, _ in axes}
            assert value_of(index, point) == value_of(target, at)


@settings(max_examples=150, deadline=None)
@given(terms, st.integers(-9, 9), st.integers(1, 24))
@example([(16, 3), (-8, 2), (1, 5)], 8, 16)
def test_quotients(given_terms: list[Term], offset: int, divisor: int) -> None:
    value, axes = sum_of(given_terms, offset)
    found, rest = quotient(value, divisor, tir.analyzer_for(dict(axes)))
    for at in points(axes):
        assert value_of(found, at) == value_of(value, at) // divisor
        assert value_of(rest, at) == value_of(value, at) % divisor


def test_a_hidden_quotient() -> None:
    index, axes = sum_of([(16, 3), (-8, 2), (1, 8)], 8)
    found, _ = quotient(index, 16, tir.analyzer_for(dict(axes)))
    assert tir.same(found, axes[0][0])


def test_what_is_not_linear_has_no_strides() -> None:
    v, w = tirx.Var("v", "int32"), tirx.Var("w", "int32")
    axes = [(v, 4), (w, 4)]
    for index in (v * w, v * v, tirx.floordiv(v, 2) + w * 4):
        assert strides(index, axes) is None
        assert solve(index, tir.const(3, "int32"), axes, tir.analyzer_for(dict(axes))) is None


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(
        [(4, 64, 4, 1), (2, 32, 2, 1), (5, 7, 1, 1), (6, 6, 6, 1), (3, 5, 1, 2), (4, 3, 1, 1)]
    ),
    st.integers(2, 24),
    st.sampled_from([1, 2]),
    st.integers(0, 6),
)
def test_a_number_that_is_taken_apart_is_put_together(
    parts: tuple[int, int, int, int], extent: int, width: int, offset: int
) -> None:
    """k // d * high + j * low + k % d * unit + offset, k = 3*a + b or one variable."""
    divisor, high, low, unit = parts
    a, b, j = (tirx.Var(name, "int32") for name in "abj")
    axes = [(a, extent), (b, 3 if width == 2 else 1), (j, 2)]
    number = a * 3 + b if width == 2 else a + b
    index = tirx.floordiv(number, divisor) * high + j * low + tirx.floormod(number, divisor) * unit
    index = index + offset
    target = tirx.Var("t", "int32")
    limit = 200
    solution = solve(index, target, axes, tir.analyzer_for({target: limit}))
    assert solution is not None or parts != (4, 64, 4, 1)
    assume(solution is not None)
    assert solution is not None
    written: dict[int, list[dict[Any, int]]] = {}
    for at in points(axes):
        written.setdefault(value_of(index, at), []).append(at)
    for value in range(limit):
        at = {target: value}
        holds = all(value_of(test, at) for test in solution.conditions)
        assert holds == (value in written)
        if holds:
            (point,) = written[value]
            used = {var: value_of(found, at) for var, found in solution.values.items()}
            assert all(point[var] == number for var, number in used.items())


def test_digits_go_no_further_than_tests_let_them() -> None:
    a, b, c, t = (tirx.Var(name, "int32") for name in "abct")
    axes = [(a, 6), (b, 3), (c, 8)]
    index = a * 20 + b * 8 + c
    analyzer = tir.analyzer_for({t: 120})
    assert solve(index, t, axes, analyzer) is None
    assert solve(index, t, axes, analyzer, [b * 8 + c < 21]) is None
    solution = solve(index, t, axes, analyzer, [b * 8 + c < 20])
    assert solution is not None and not solution.conditions
    for value in range(120):
        found = {var: value_of(expr, {t: value}) for var, expr in solution.values.items()}
        assert value_of(index, found) == value
        assert found[b] * 8 + found[c] < 20
