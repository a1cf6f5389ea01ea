"""Stages, shared axes and the recognition of sums of products."""

from __future__ import annotations

import pytest

from xpiler_tvm.schedules.analysis import (
    coupled_buffers,
    runs_along,
    shared_axes,
    stages,
)
from xpiler_tvm.schedules.base import Declined, fresh
from xpiler_tvm.schedules.matmul import contraction, find_contraction, normalize
from xpiler_tvm.schedules.steps import inline_injective, private_scratch

from .programs import (
    PROGRAMS,
    attention,
    batched_gemm,
    column_center,
    concat,
    conv2d,
    gemm,
    opaque_scratch,
    softmax,
    transpose,
)
from .running import check_module


def extents(name: str) -> list[int]:
    sch = fresh(PROGRAMS[name]().mod)
    inline_injective(sch)
    return [row[0].extent for row in shared_axes(stages(sch))]


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("softmax", [64]),
        ("layernorm", [2, 8]),
        ("column_center", [96]),
        ("attention", [2, 6]),
        ("avgpool", [2, 7, 7, 5]),
        ("flat_rows", [40]),
        ("shared_loop", [50]),
        ("normalize_vector", []),
        ("halves", [60, 50]),
        ("overwritten", [30, 40]),
        ("sequential", []),
    ],
)
def test_shared_axes(name: str, shared: list[int]) -> None:
    assert extents(name) == shared


def test_each_stage_gets_its_own_axis() -> None:
    sch = fresh(column_center(100, 96).mod)
    ((total, centered),) = shared_axes(inline_injective(sch))
    assert (total.position, centered.position) == (0, 1)


def test_disjoint_writes_are_independent() -> None:
    assert coupled_buffers(stages(fresh(concat().mod))) == ()


def test_rows_along_memory() -> None:
    sch = fresh(column_center(100, 96).mod)
    program = inline_injective(sch)
    assert runs_along(program, shared_axes(program)[0])
    sch = fresh(softmax(64, 100).mod)
    program = inline_injective(sch)
    assert not runs_along(program, shared_axes(program)[0])


def test_costly_values_are_not_repeated() -> None:
    sch = fresh(attention(2, 6, 70, 24).mod)
    # p = exp(...) is read once by its sum but 24 times by the product with V.
    assert "p" in [stage.name for stage in inline_injective(sch)]
    sch = fresh(softmax(64, 100).mod)
    assert "e" not in [stage.name for stage in inline_injective(sch)]


@pytest.mark.parametrize(
    ("program", "sizes"),
    [
        (gemm(3, 5, 7), (1, 3, 5, 7)),
        (batched_gemm(2, 3, 5, 7), (2, 3, 5, 7)),
        (conv2d(2, 8, 16, 32, 2), (1, 32, 32, 64)),
    ],
)
def test_contractions(program: object, sizes: tuple[int, ...]) -> None:
    sch = fresh(program.mod)  # type: ignore[attr-defined]
    found = find_contraction(sch)
    assert not isinstance(found, Declined)
    assert found.extents() == sizes
    normalize(sch, found)
    check_module(sch.mod, program)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("maxpool", "does not start from zero"),
        ("column_sum", "no sum of products"),
        ("gemv", "a vector at most"),
        ("normalize_vector", "with itself"),
    ],
)
def test_no_contractions(name: str, why: str) -> None:
    sch = fresh(PROGRAMS[name]().mod)
    reducing = next(stage for stage in stages(sch) if stage.is_reduction)
    answer = contraction(reducing)
    assert isinstance(answer, Declined)
    assert why in answer.reason


def test_kinds_of_stages() -> None:
    (stage,) = stages(fresh(transpose(4, 5, perm=(1, 0)).mod))
    assert stage.is_injective and not stage.is_opaque and not stage.is_reduction
    (stage,) = stages(fresh(opaque_scratch().mod))
    assert stage.is_opaque and not stage.is_injective


def test_scratch_of_opaque_bodies_moves() -> None:
    program = opaque_scratch()
    moved = private_scratch(program.mod, "local")
    assert 'scope="local"' in moved.script()
    assert 'scope="local"' not in program.mod.script()
    check_module(moved, program)
    whole = softmax(4, 5).mod
    assert private_scratch(whole, "local").same_as(whole)
