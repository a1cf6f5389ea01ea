"""Nests of loops as a whole: their dimensions, digits of indices, layouts and strided copies."""

from __future__ import annotations

import itertools

import tvm
import tvm_ffi
from hypothesis import given
from hypothesis import strategies as st
from tvm import tirx

from xpiler_tvm.codegen_bang.copies import box_copy
from xpiler_tvm.codegen_bang.loops import bounds
from xpiler_tvm.codegen_bang.nests import (
    Dimension,
    Nest,
    digits,
    is_compact,
    joined,
    perfect_nest,
)
from xpiler_tvm.codegen_bang.whole import _layout, _steps


def walked(dimensions) -> list[tuple[int, int]]:
    """Every pair of places, in the order of the target."""
    steps = [range(each.extent) for each in dimensions]
    return sorted(
        (
            sum(i * each.target for i, each in zip(at, dimensions, strict=True)),
            sum(i * each.source for i, each in zip(at, dimensions, strict=True)),
        )
        for at in itertools.product(*steps)
    )


@given(st.permutations([4, 3, 2, 1]), st.permutations([0, 1, 2, 3]))
def test_joining_dimensions_changes_no_place(extents, order):
    steps = dict(
        zip(
            order,
            itertools.accumulate((extents[i] for i in order), int.__mul__, initial=1),
            strict=False,
        )
    )
    target = list(itertools.accumulate(extents[:-1], int.__mul__, initial=1))
    dimensions = [
        Dimension(e, t, steps[i]) for i, (e, t) in enumerate(zip(extents, target, strict=True))
    ]
    found = joined(dimensions)
    assert walked(found) == walked(dimensions)
    assert len(found) <= len(dimensions)
    assert is_compact([(each.extent, each.source) for each in found])


def test_rows_without_gaps_are_one_dimension():
    assert joined([Dimension(4, 8, 8), Dimension(8, 1, 1)]) == (Dimension(32, 1, 1),)
    assert not is_compact([(4, 16), (8, 1)])


@given(st.integers(1, 5), st.integers(1, 4), st.integers(-3, 9), st.booleans())
def test_bounds_through_quotients_of_quotients(inner, outer, limit, above):
    var = tirx.Var("i", "int32")
    value = tirx.floordiv(tirx.floordiv(var, inner) + 3, outer)
    condition = value >= limit if above else value < limit
    found = bounds(condition, var, tvm.sym.Analyzer())
    assert found is not None
    low = -100 if found.low is None else int(found.low)
    high = 100 if found.high is None else int(found.high)
    for i in range(-40, 40):
        number = (i // inner + 3) // outer
        assert (low <= i < high) == (number >= limit if above else number < limit)


def test_a_part_of_a_box_is_one_copy():
    h, w, c = (tirx.Var(name, "int32") for name in "hwc")
    t = tirx.Var("t", "int32")
    target, source = tirx.decl_buffer((800,), name="d"), tirx.decl_buffer((800,), name="s")
    store = tirx.BufferStore(target, source[(h + t) * 40 + w * 8 + c - 48], [h * 48 + w * 8 + c])
    guards = (h + t >= 1, h + t < 10, w >= 1, w < 6)
    nest = Nest((h, w, c), (4, 6, 8), guards, store)
    found = box_copy(nest, tvm.sym.Analyzer())
    assert found is not None
    assert [str(part.count) for part in found.parts][1:] == ["40"]
    assert [(part.target, part.source) for part in found.parts] == [(48, 40), (1, 1)]
    beside = Nest((h, w, c), (4, 6, 8), (h + w < 5,), store)
    assert box_copy(beside, tvm.sym.Analyzer()) is None


def test_layouts_that_are_instructions():
    turned = (Dimension(5, 3, 1), Dimension(3, 1, 5))
    assert _layout(turned, 4) == ("__bang_transpose", (3, 5))
    banks = (Dimension(64, 2 * 32, 32), Dimension(2, 32, 64 * 32), Dimension(32, 1, 1))
    assert _layout(banks, 4) == ("__bang_reshape_filter", (128, 1, 1, 32))
    assert _layout(banks, 2) is None  # a filter of 64 bytes


def test_copies_in_up_to_three_steps():
    on_chip, weights = ("GDRAM", "NRAM"), ("NRAM", "WRAM")
    row, plane = Dimension(6, 16, 20), Dimension(3, 128, 200)
    assert _steps((Dimension(8, 1, 1),), 4, on_chip) == (32, [])
    assert _steps((row, Dimension(8, 1, 1)), 4, on_chip) == (32, ["64", "80", "5"])
    three = _steps((plane, row, Dimension(8, 1, 1)), 4, on_chip)
    assert three == (32, ["64", "5", "512", "2", "80", "5", "800", "2"])
    assert _steps((row, Dimension(8, 1, 2)), 4, on_chip) is None
    assert _steps((row, Dimension(8, 1, 1)), 4, weights) is None
    assert _steps((Dimension(3, 1, 1),), 4, weights) is None  # no multiple of 16 bytes


def nest(extent: int, place):
    """for k: d[k] = s[place(k)]"""
    k = tirx.Var("k", "int32")
    source = tirx.decl_buffer((4096,), "float32", "s")
    target = tirx.decl_buffer((4096,), "float32", "d")
    store = tirx.BufferStore(target, source[place(k)], [k])
    return tirx.For(k, tirx.IntImm("int32", 0), extent, tirx.ForKind.SERIAL, store)


def places(loop: tirx.For) -> list[tuple[int, int]]:
    """Where each iteration writes and reads."""
    found = perfect_nest(loop)
    analyzer, pairs = tvm.sym.Analyzer(), []
    for at in itertools.product(*(range(extent) for extent in found.extents)):
        known = dict(zip(found.variables, at, strict=True))

        def at_values(var: tirx.Var, known=known) -> tirx.Expr:
            return next((tirx.IntImm("int32", v) for k, v in known.items() if k.same_as(var)), var)

        indices = (found.store.indices[0], found.store.value.indices[0])
        values = (tvm_ffi.structural_map(each, (tirx.Var, at_values)) for each in indices)
        pairs.append(tuple(int(analyzer.simplify(value)) for value in values))
    return pairs


def test_digits_of_an_index_become_loops():
    loop = nest(48, lambda k: k // 8 * 64 + k % 8 // 2 * 16 + k % 2)
    split = digits(loop, tvm.sym.Analyzer())
    assert perfect_nest(split).extents == (6, 4, 2)
    assert places(split) == places(loop)


def test_digits_that_do_not_divide_the_loop():
    assert digits(nest(50, lambda k: k // 8 * 64 + k % 8), tvm.sym.Analyzer()) is None
    assert digits(nest(48, lambda k: k * 2), tvm.sym.Analyzer()) is None
