"""Lane maps of matrix instructions: every element has one place, and the places are those known."""

from __future__ import annotations

import pytest

from xpiler_tvm.dialects.matrix import MFMA, WAVE, WMMA, Mfma, source_block

IDS = [row.name for row in MFMA]
BY_NAME = {row.name: row for row in MFMA}


@pytest.mark.parametrize("row", MFMA, ids=IDS)
def test_every_element_has_a_place_of_its_own(row: Mfma) -> None:
    for elements, count in ((row.a(), row.depth), (row.b(), row.depth), (row.d(), row.registers)):
        places = [(one.lane, one.register) for one in elements]
        assert sorted(places) == [(lane, r) for lane in range(WAVE) for r in range(count)]


@pytest.mark.parametrize("row", MFMA, ids=IDS)
def test_operands_hold_consecutive_k_of_one_row(row: Mfma) -> None:
    for one in row.a():
        assert one.lane % row.m == one.row
        assert one.register == one.column % row.depth
    for one in row.b():
        assert one.lane % row.n == one.column
        assert one.register == one.row % row.depth


@pytest.mark.parametrize("name", ["f32_32x32x2f32", "f32_16x16x16f16", "i32_32x32x8i8"])
def test_results_of_one_block(name: str) -> None:
    """Register r of lane l: row 4 * (64 / N) * (r / 4) + 4 * (l / N) + r % 4."""
    row = BY_NAME[name]
    for one in row.d():
        r, l = one.register, one.lane  # noqa: E741
        assert one.column == l % row.n
        assert one.row == 4 * (WAVE // row.n) * (r // 4) + 4 * (l // row.n) + r % 4


def test_results_of_several_blocks() -> None:
    for one in BY_NAME["f32_32x32x1f32"].d():
        assert one.block == one.register // 16
    for one in BY_NAME["f32_16x16x1f32"].d():
        assert one.block == one.register // 4
        assert one.row == 4 * (one.lane // 16) + one.register % 4
    for one in BY_NAME["f32_4x4x1f32"].d():
        assert (one.block, one.row) == (one.lane // 4, one.register)


def test_results_of_doubles() -> None:
    for one in BY_NAME["f64_16x16x4f64"].d():
        assert one.row == one.lane // 16 + 4 * one.register
    for one in BY_NAME["f64_4x4x4f64"].d():
        assert (one.block, one.row, one.column) == (
            one.lane // 16,
            one.lane // 4 % 4,
            one.lane % 4,
        )


def test_broadcasts_take_the_block_of_their_group() -> None:
    assert [source_block(block, 0, 0) for block in range(4)] == [0, 1, 2, 3]
    assert [source_block(block, 1, 1) for block in range(4)] == [1, 1, 3, 3]
    assert [source_block(block, 2, 3) for block in range(8)] == [3] * 4 + [7] * 4


def test_fragments_are_whole_shares_of_a_warp() -> None:
    for row in WMMA:
        for m, n, k in row.shapes:
            for size in (m * k, k * n, m * n):
                assert size % 32 == 0 and size & (size - 1) == 0
            if row.operand_elements:
                assert row.operand_elements % (k * n // 32) == 0
