"""The forms of a program that rules are tried on, and arrays that are updated in place."""

from __future__ import annotations

import pytest
import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import schedules
from xpiler_tvm.schedules.analysis import same_region, stages
from xpiler_tvm.schedules.base import RULE_ATTRIBUTE, fresh
from xpiler_tvm.schedules.canonical import forms
from xpiler_tvm.schedules.in_place import join_updates, split_all, split_updates

from .programs import PROGRAMS, from_text, gemm_update, momentum
from .running import check_module


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_form_computes_the_same(name: str) -> None:
    program = PROGRAMS[name]()
    first, *others = forms(program.mod)
    for form in (first, *others):
        if not form.same_as(program.mod):
            check_module(form, program)


@pytest.mark.parametrize(
    ("name", "count"),
    [("gemm_parts", 1), ("with_tail", 1), ("total_beside", 3), ("concat", 2), ("softmax", 4)],
)
def test_stages_of_the_first_form(name: str, count: int) -> None:
    form = next(forms(PROGRAMS[name]().mod))
    assert len(stages(fresh(form))) == count


def test_guards_across_axes_become_one_axis() -> None:
    (stage,) = stages(fresh(next(forms(PROGRAMS["halo"]().mod))))
    assert [axis.extent for axis in stage.axes] == [1000, 7]


def test_an_array_of_digits_gets_an_axis_for_each() -> None:
    *_, apart = forms(PROGRAMS["by_digits"]().mod)
    low, total = stages(fresh(apart))
    assert [axis.extent for axis in low.axes] == [300, 12, 4]
    assert [int(each) for each in low.block.writes[0].source.shape] == [300, 12, 4]
    (array,) = (region.source for region in low.block.writes)
    (read,) = (region for region in total.block.reads if region.source.same_as(array))
    assert len(read.region) == 3


def test_rows_that_are_digits_are_shared_out() -> None:
    scheduled = schedules.apply(PROGRAMS["by_digits"]().mod, "cuda")
    assert scheduled.rule in ("gpu.rows", "gpu.threads")
    assert "blockIdx.x" in scheduled.mod.script()


def test_regions_of_different_arrays_differ() -> None:
    one, two = (tirx.decl_buffer((8,), "float32", name) for name in "ab")
    index = tirx.Var("i", "int32")
    regions = [
        tirx.BufferRegion(each, [tvm.ir.Range.from_min_extent(index, 1)]) for each in (one, two)
    ]
    assert same_region(regions[0], regions[0])
    assert not same_region(*regions)


def test_an_update_goes_by_two_names() -> None:
    mod = gemm_update(8, 8, 8).mod
    split = split_updates(mod)
    assert [str(old.name) for old, _ in split.pairs] == ["C_before"]
    joined = join_updates(split.mod, split)
    assert joined is not None
    assert tvm_ffi.structural_equal(joined["main"], mod["main"])


def test_what_others_read_keeps_its_name() -> None:
    # M is read by a stage that does not replace it; P only by the one that does.
    split = split_updates(momentum(16).mod)
    assert [str(new.name) for _, new in split.pairs] == ["P"]


def test_an_element_that_is_updated_many_times_keeps_its_name() -> None:
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((8,), "float32"), O: T.Buffer((1,), "float32")):
    for i in range(8):
        with T.sblock("O"):
            vi = T.axis.spatial(8, i)
            T.reads(A[vi])
            T.writes(O[0])
            O[0] = O[0] + A[vi]
"""
    assert split_updates(from_text(text)).pairs == ()


def test_reads_of_other_elements_stay_listed() -> None:
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((8,), "float32"), O: T.Buffer((8, 2), "float32")):
    for i in range(8):
        with T.sblock("left"):
            vi = T.axis.spatial(8, i)
            O[vi, 0] = A[vi]
    for i in range(8):
        with T.sblock("right"):
            vi = T.axis.spatial(8, i)
            T.reads(O[vi, 1], O[7 - vi, 0])
            T.writes(O[vi, 1])
            O[vi, 1] = O[vi, 1] + O[7 - vi, 0]
"""
    split = split_all(from_text(text))
    joined = join_updates(split.mod, split)
    assert joined is not None
    _, right = stages(fresh(joined))
    assert len(right.block.reads) == 1 and "7 - vi" in str(right.block.reads[0])


def test_a_value_that_is_read_elsewhere_is_not_joined() -> None:
    split = split_updates(gemm_update(8, 8, 8).mod)
    sch = fresh(split.mod)
    before = next(
        place
        for place, region in enumerate(sch.get(sch.get_sblock("C")).reads)
        if region.source.same_as(split.pairs[0][0])
    )
    sch.cache_read("C", before, "local")  # now a copy reads it, long before it is replaced
    assert join_updates(sch.mod, split) is None


def test_the_program_names_its_rule() -> None:
    scheduled = schedules.apply(PROGRAMS["gelu"]().mod, "cuda")
    assert scheduled.mod["main"].attrs[RULE_ATTRIBUTE] == scheduled.rule
