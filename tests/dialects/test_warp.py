"""Source lanes of shuffles, DPP and swizzles, from their definitions."""

from __future__ import annotations

import pytest

from xpiler_tvm.dialects.warp import Form, dpp_source, shuffle_source, swizzle_source


@pytest.mark.parametrize("width", [1, 2, 8, 32, 64])
def test_shuffles_by_ptx_s_definition(width: int) -> None:
    """PTX computes a lane and a predicate from the segment's ends (`shfl`)."""

    def ptx(form: Form, lane: int, by: int) -> int:
        first, last = lane & -width, lane | (width - 1)
        source, valid = {
            "": (first | (by & (width - 1)), True),
            "up": (lane - by, lane - by >= first),
            "down": (lane + by, lane + by <= last),
            "xor": (lane ^ by, lane ^ by <= last),
        }[form]
        return source if valid else lane

    forms: tuple[Form, ...] = ("", "up", "down", "xor")
    for form in forms:
        for lane in range(64):
            for by in range(32):
                assert shuffle_source(form, lane, by, width) == ptx(form, lane, by)


@pytest.mark.parametrize("lanes", [32, 64])
def test_dpp_permutes_or_loses_lanes(lanes: int) -> None:
    row = range(lanes)
    assert [dpp_source(0xE4, lane, lanes) for lane in row] == list(row)
    assert [dpp_source(0x1B, lane, lanes) for lane in row] == [lane ^ 3 for lane in row]
    for control in (0x121, 0x12F, 0x140, 0x141):
        assert sorted(dpp_source(control, lane, lanes) or 0 for lane in row) == list(row)
    for amount in range(1, 16):
        for control, direction in ((0x100, 1), (0x110, -1)):
            for lane in row:
                source = dpp_source(control + amount, lane, lanes)
                inside = lane // 16 == (lane + direction * amount) // 16
                assert source == (lane + direction * amount if inside else None)


def test_dpp_of_one_generation() -> None:
    assert [dpp_source(0x142, lane, 64) for lane in (0, 15, 16, 47, 63)] == [None, None, 15, 31, 47]
    assert [dpp_source(0x143, lane, 64) for lane in (0, 31, 32, 63)] == [None, None, 31, 31]
    assert [dpp_source(0x138, lane, 64) for lane in (0, 1, 63)] == [None, 0, 62]
    assert [dpp_source(0x13C, lane, 64) for lane in (0, 1, 63)] == [63, 0, 62]
    assert dpp_source(0x163, 5, 32) == 6
    for control, lanes in ((0x142, 32), (0x160, 64), (0x100, 64), (0x200, 64)):
        with pytest.raises(ValueError, match="DPP control"):
            dpp_source(control, 0, lanes)


def test_swizzles() -> None:
    assert [swizzle_source(0x1F, lane) for lane in range(64)] == list(range(64))
    assert [swizzle_source(0x041F, lane) for lane in range(64)] == [lane ^ 1 for lane in range(64)]
    broadcast = 0x5 << 5  # and 0, or 5: lane 5 of each 32
    assert [swizzle_source(broadcast, lane) for lane in (0, 31, 32, 63)] == [5, 5, 37, 37]
    assert [swizzle_source(0x8000, lane) for lane in (0, 3, 6)] == [0, 0, 4]
