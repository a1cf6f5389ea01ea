"""BANG C's copies: their forms, and that asynchronous ones are late until they are waited for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xpiler_tvm.dialects.bang import DIRECTIONS, SYNCS, spaces

from .bang_support import run, whole_run
from .support import out, random

MEMORIES = """__mlu_shared__ float s[64], t[64]; __ldram__ float l[64], m[64];
__nram__ float e[64]; __wram__ float v[256];"""
PLACES = {"GDRAM": "y", "NRAM": "a", "WRAM": "w", "SRAM": "s", "LDRAM": "l"}
UNION: dict[str, Any] = {"tasks": (4,), "kind": "union1", "declare": MEMORIES}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", ["__memcpy", "__memcpy_async"])
def test_every_direction(direction: str, name: str) -> None:
    """512 bytes from one memory to the other and back out."""
    source, target = spaces(direction)
    start, end = PLACES[source], PLACES[target]
    if start == end:
        end = {"y": "y + 256", "a": "b", "s": "t", "l": "m"}[start]
    strides = ", 256, 256, 1" if direction == "LDRAM2LDRAM" else ""
    size = 256 if strides else 512
    fill = "" if source == "GDRAM" else f"__memcpy({start}, y, 512, GDRAM2{source});"
    back = "" if target == "GDRAM" else f"__memcpy(y + 256, {end}, 512, {target}2GDRAM);"
    if target == "GDRAM" and source != "GDRAM":
        end = "y + 256"
    body = f"""if (coreId == 0) {{
      __bang_write_value(c, 128, 3.0f); __memcpy(y, c, 512, NRAM2GDRAM);
      {fill} {name}({end}, {start}, {size}, {direction}{strides}); __sync(); {back}
    }}"""
    declare = MEMORIES.replace("[64]", "[128]")
    got = run(body, out("y", 512), **{**UNION, "declare": declare})
    assert (got[256:384] == 3).all()


@pytest.mark.parametrize("name", ["__memcpy", "__memcpy_async"])
def test_copies_in_three_dimensions(name: str) -> None:
    """Segment k of the source's order goes to segment k of the destination's."""
    body = f"""
    IN(a, x, 4 * 3 * 8);
    {name}(b, a + 88, 12, NRAM2NRAM, 16, 2, 48, 3, -32, 11, 0, 0);
    {name}(c, a, 8, NRAM2NRAM, 8, 11, 0, 0, 96, 3, 32, 2);
    __sync(); OUT(b, 48); __memcpy(y + 48, c, 96, NRAM2GDRAM);"""
    x = random(4, 3, 8)
    got = run(body, ("x", x), out("y", 72))
    backwards = x.reshape(12, 8)[::-1, :3]
    np.testing.assert_array_equal(got[:48].reshape(12, 4)[:, :3], backwards)
    np.testing.assert_array_equal(got[48:].reshape(3, 4, 2), x.transpose(1, 0, 2)[..., :2])


@pytest.mark.parametrize("name", ["__memcpy", "__memcpy_async"])
@pytest.mark.parametrize(
    "form",
    [
        "(s, t, 128, SRAM2SRAM, 1 - clusterId)",
        "(s, t, 32, SRAM2SRAM, 32, 32, 3, 1 - clusterId)",
        "(s, t, 32, SRAM2SRAM, 32, 1, 64, 1, 32, 3, 0, 0, 1 - clusterId)",
    ],
)
def test_copies_into_the_sram_of_another_cluster(name: str, form: str) -> None:
    body = f"""
    if (coreId == 0) {{
      __memcpy(t, x + 32 * clusterId, 128, GDRAM2SRAM); {name}{form};
    }}
    __sync_all();
    if (coreId == 0) __memcpy(y + 32 * clusterId, s, 128, SRAM2GDRAM);"""
    x = random(2, 32)
    got = run(body, ("x", x), out("y", (2, 32)), **{**UNION, "tasks": (8,), "kind": "union2"})
    np.testing.assert_array_equal(got, x[::-1])


# --- copies that are under way

LATE = "IN(a, z, 32); __memcpy_async(a, x, 128, GDRAM2NRAM);"


def both() -> tuple[np.ndarray, np.ndarray]:
    return random(32, seed=1), random(32, seed=2)


def test_a_kernel_without_its_sync_computes_on_what_was_there() -> None:
    x, z = both()
    body = f"{LATE} __bang_mul_scalar(b, a, 2.0f, 32); OUT(b, 32);"
    done = whole_run(body, ("x", x), ("z", z), out("y", 32))
    np.testing.assert_array_equal(done.arrays["y"], 2 * z)
    (finding,) = done.findings
    assert finding.kind == "asynchronous access"
    assert "operand 1 is what the copy of line 8 is still writing" in finding.message
    assert finding.span is not None
    synced = whole_run(body.replace("__bang", "__sync(); __bang"), ("x", x), ("z", z), out("y", 32))
    np.testing.assert_array_equal(synced.arrays["y"], 2 * x)
    assert synced.findings == ()


def test_memory_that_no_copy_has_reached_is_nan() -> None:
    body = "__memcpy_async(a, x, 128, GDRAM2NRAM); __bang_relu(b, a, 32); OUT(b, 32);"
    assert not np.array_equal(run(body, ("x", random(32)), out("y", 32)), np.maximum(random(32), 0))
    body = "__memcpy_async(a, x, 128, GDRAM2NRAM); y[0] = a[0];"
    assert np.isnan(run(body, ("x", random(32)), out("y", 1))).all()


def test_a_source_that_is_overwritten_too_early() -> None:
    body = """IN(a, x, 32); __memcpy_async(y, a, 128, NRAM2GDRAM); {}
    __bang_write_zero(a, 32); __sync();"""
    x = random(32)
    done = whole_run(body.format(""), ("x", x), out("y", 32))
    assert (done.arrays["y"] == 0).all()
    (finding,) = done.findings
    assert "overwrites what the copy of line 8 is still reading" in finding.message
    done = whole_run(body.format("__sync_io();"), ("x", x), out("y", 32))
    np.testing.assert_array_equal(done.arrays["y"], x)
    assert done.findings == ()


def test_reading_a_source_is_no_collision() -> None:
    body = """IN(a, x, 32); __memcpy_async(y, a, 128, NRAM2GDRAM); __bang_relu(b, a, 32);
    __bang_write_zero(a + 32, 32); __sync();"""
    assert whole_run(body, ("x", random(32)), out("y", 32)).findings == ()


def test_columns_between_those_that_are_copied_are_free() -> None:
    body = """__memcpy_async(a, x, 4, GDRAM2NRAM, 8, 4, 31);
    __memcpy(b, a + 1, 4, NRAM2NRAM, 4, 8, 30);
    __sync();"""
    assert whole_run(body, ("x", random(32)), out("y", 32)).findings == ()
    done = whole_run(body.replace("a + 1", "a + 2"), ("x", random(32)), out("y", 32))
    assert [one.kind for one in done.findings] == ["asynchronous access"]


def late(sync: str, direction: str) -> bool:
    """Whether a copy into NRAM is still to be made after `sync`."""
    start = {**PLACES, "NRAM": "b"}[spaces(direction)[0]]
    body = f"""if (coreId == 0) {{
      __memcpy_async(a, {start}, 512, {direction}); {sync}(); __bang_relu(d, a, 4); y[0] = 0;
    }}"""
    declare = MEMORIES.replace("[64]", "[128]")
    return bool(whole_run(body, out("y", 128), **{**UNION, "declare": declare}).findings)


@pytest.mark.parametrize("sync", SYNCS)
def test_functions_that_wait_for_copies_into_nram(sync: str) -> None:
    for direction in DIRECTIONS:
        if spaces(direction)[1] == "NRAM":
            assert late(sync, direction) == (direction not in SYNCS[sync]), direction


def test_waiting_for_one_direction_waits_for_what_its_unit_did_before() -> None:
    body = """IN(a, z, 32);
    __memcpy_async(y, a, 128, NRAM2GDRAM); __memcpy_async(b, x, 128, GDRAM2NRAM);
    __sync_copy_{}(); __bang_write_zero(a, 32);"""
    x, z = both()
    got = run(body.format("dram_to_nram"), ("x", x), ("z", z), out("y", 32))
    np.testing.assert_array_equal(got, z)
    done = whole_run(body.format("sram_to_nram"), ("x", x), ("z", z), out("y", 32))
    assert (done.arrays["y"] == 0).all()


def test_a_blocking_copy_waits_for_its_own_unit_only() -> None:
    body = """IN(a, x, 32); __memcpy_async(b, a, 128, NRAM2NRAM); IN(c, z, 32); {}
    __bang_add(d, b, c, 32); OUT(d, 32);"""
    x, z = both()
    done = whole_run(body.format(""), ("x", x), ("z", z), out("y", 32))
    assert np.isnan(done.arrays["y"]).all()
    assert "operand 1 is what the copy of line 8 is still writing" in done.findings[0].message
    more = "__memcpy(d, c, 128, NRAM2NRAM);"
    done = whole_run(body.format(more), ("x", x), ("z", z), out("y", 32))
    np.testing.assert_array_equal(done.arrays["y"], x + z)
    assert done.findings == ()


def test_copies_of_one_unit_keep_their_order() -> None:
    body = """__memcpy_async(a, x, 128, GDRAM2NRAM); __memcpy_async(y, a, 128, NRAM2GDRAM);
    __memcpy_async(a, z, 128, GDRAM2NRAM); __memcpy_async(y + 32, a, 128, NRAM2GDRAM);
    __sync();"""
    x, z = both()
    done = whole_run(body, ("x", x), ("z", z), out("y", (2, 32)))
    np.testing.assert_array_equal(done.arrays["y"], [x, z])
    assert done.findings == ()


def test_copies_of_different_units_need_a_sync_between_them() -> None:
    body = """__memcpy_async(a, x, 128, GDRAM2NRAM); {} __memcpy_async(b, a, 128, NRAM2NRAM);
    __sync(); OUT(b, 32);"""
    done = whole_run(body.format(""), ("x", random(32)), out("y", 32))
    (finding,) = done.findings
    assert "the source is what the copy of line 8 is still writing" in finding.message
    done = whole_run(body.format("__sync_io();"), ("x", random(32)), out("y", 32))
    assert done.findings == ()


@pytest.mark.parametrize("barrier", ["__sync_cluster", "__sync_all"])
def test_barriers_and_the_end_wait_for_a_core_s_own_copies(barrier: str) -> None:
    body = f"""
    __memcpy_async(s + 16 * coreId, x + 16 * coreId, 64, GDRAM2SRAM);
    {barrier}();
    __memcpy_async(y + 16 * coreId, s + 16 * (3 - coreId), 64, SRAM2GDRAM);"""
    x = random(4, 16)
    done = whole_run(body, ("x", x), out("y", (4, 16)), **UNION)
    np.testing.assert_array_equal(done.arrays["y"], x[::-1])
    (finding,) = done.findings
    assert finding.message == "__memcpy_async: the kernel ends while this copy is under way"
    done = whole_run(body + "__sync();", ("x", x), out("y", (4, 16)), **UNION)
    assert done.findings == ()


def test_copies_outlive_a_switch_of_cores() -> None:
    """The other cores run while this one's copy is under way; NRAM is theirs meanwhile."""
    body = """
    __bang_write_value(a, 32, (float)coreId); __sync_cluster();
    __memcpy_async(y + 32 * coreId, a, 128, NRAM2GDRAM);
    __sync_compute();
    __sync_all();
    __bang_write_value(a, 32, -1.0f);"""
    got = run(body, out("y", (4, 32)), **UNION)
    np.testing.assert_array_equal(got, np.arange(4)[:, None] + np.zeros(32))


def test_three_stages_with_two_buffers() -> None:
    """Loads, computing and stores of different tiles overlap; one sync a step."""
    body = """
    const int n = 8, tile = 32;
    for (int t = 0; t < n + 2; ++t) {
      if (t >= 2) __memcpy_async(y + (t - 2) * tile, c + (t & 1) * tile, 128, NRAM2GDRAM);
      const int was = ((t - 1) & 1) * tile;
      if (t >= 1 && t <= n) __bang_mul_scalar(c + was, a + was, 3.0f, tile);
      if (t < n) __memcpy_async(a + (t & 1) * tile, x + t * tile, 128, GDRAM2NRAM);
      {}
    }"""
    x = random(8, 32)
    done = whole_run(body.replace("{}", "__sync();"), ("x", x), out("y", (8, 32)))
    np.testing.assert_array_equal(done.arrays["y"], 3 * x)
    assert done.findings == ()
    done = whole_run(body.replace("{}", "__sync_move();"), ("x", x), out("y", (8, 32)))
    assert not np.array_equal(done.arrays["y"], 3 * x)
    assert {one.kind for one in done.findings} == {"asynchronous access"}
