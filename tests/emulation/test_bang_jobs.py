"""BANG C's jobs: ids, memories of each core, barriers, and cores that wait forever."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.errors import CheckError

from .bang_support import failure, run
from .support import out, random


def test_ids_of_a_block_job_in_three_dimensions() -> None:
    body = """int* p = y + 6 * taskId;
    p[0] = taskIdX; p[1] = taskIdY; p[2] = taskIdZ; p[3] = taskDim;
    p[4] = taskDimX; p[5] = clusterDim;"""
    got = run(body, out("y", (2, 3, 4, 6), "int32"), tasks=(4, 3, 2))
    z, y, x = np.indices((2, 3, 4))
    np.testing.assert_array_equal(got[..., 0], x)
    np.testing.assert_array_equal(got[..., 1], y)
    np.testing.assert_array_equal(got[..., 2], z)
    assert (got[..., 3:] == [24, 4, 0]).all()


def test_ids_of_a_union_job() -> None:
    body = """int* p = y + 4 * taskId;
    p[0] = clusterId; p[1] = coreId; p[2] = clusterDim; p[3] = coreDim;"""
    got = run(body, out("y", (16, 4), "int32"), tasks=(16,), kind="union2")
    task = np.arange(16)
    np.testing.assert_array_equal(got[:, 0], task // 4 % 2)
    np.testing.assert_array_equal(got[:, 1], task % 4)
    assert (got[:, 2:] == [2, 4]).all()


def test_cores_of_a_cluster_exchange_data_through_sram() -> None:
    body = """
    IN(a, x + 32 * taskId, 32);
    __memcpy(s + 32 * coreId, a, 128, NRAM2SRAM);
    __sync_cluster();
    __memcpy(b, s + 32 * ((coreId + 1) % 4), 128, SRAM2NRAM);
    __bang_sub(b, b, a, 32);
    __memcpy(y + 32 * taskId, b, 128, NRAM2GDRAM);"""
    x = random(8, 32)
    got = run(
        body,
        ("x", x),
        out("y", (8, 32)),
        declare="__mlu_shared__ float s[128];",
        tasks=(8,),
        kind="union2",
    )
    neighbour = np.roll(x.reshape(2, 4, 32), -1, axis=1).reshape(8, 32)
    np.testing.assert_array_equal(got, neighbour - x)


def test_all_cores_of_a_union_wait_for_each_other_with_nram_of_their_own() -> None:
    body = """
    __bang_write_value(a, 32, (float)taskId);
    __memcpy(y + 32 * taskId, a, 128, NRAM2GDRAM);
    __sync_all();
    IN(b, y + 32 * ((taskId + 5) % 8), 32);
    __sync_all();
    __bang_add(a, a, b, 32);
    __memcpy(y + 32 * taskId, a, 128, NRAM2GDRAM);"""
    got = run(body, out("y", (8, 32)), tasks=(8,), kind="union2")
    task = np.arange(8)
    np.testing.assert_array_equal(got[:, 0], task + (task + 5) % 8)


def test_the_memory_core_loads_for_the_others() -> None:
    body = """
    if (__is_mpu()) { __memcpy(s, x, 512, GDRAM2SRAM); __sync_cluster(); return; }
    __sync_cluster();
    __memcpy(y + 32 * coreId, s + 32 * coreId, 128, SRAM2GDRAM);"""
    x = random(4, 32)
    got = run(
        body,
        ("x", x),
        out("y", (4, 32)),
        declare="__mlu_shared__ float s[128];",
        tasks=(4,),
        kind="union1",
    )
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize(("kind", "clusters"), [("union4", 4), ("union8", 8), ("union16", 16)])
def test_large_unions(kind: str, clusters: int) -> None:
    body = """
    if (__is_mpu()) { __memcpy(s, x + 4 * clusterId, 16, GDRAM2SRAM); }
    __sync_all();
    if (__is_ipu()) __memcpy(y + taskId, s + coreId, 4, SRAM2GDRAM);"""
    x = random(4 * clusters)
    declare = "__mlu_shared__ float s[4];"
    got = run(body, ("x", x), out("y", x.size), declare=declare, tasks=(x.size,), kind=kind)
    np.testing.assert_array_equal(got, x)


def test_several_jobs_in_three_dimensions_start_with_memories_of_their_own() -> None:
    body = """
    __memcpy(y + 4 * taskId, s + coreId, 4, SRAM2GDRAM);
    __memcpy(y + 4 * taskId + 1, a, 4, NRAM2GDRAM);
    y[4 * taskId + 2] = taskIdX + 10 * taskIdY + 100 * taskIdZ;
    __bang_write_value(a, 1, 1.0f); __memcpy(s + coreId, a, 4, NRAM2SRAM); __sync_cluster();
    y[4 * taskId + 3] = taskDimX + 10 * taskDimY + 100 * taskDimZ;"""
    declare = "__mlu_shared__ float s[4];"
    got = run(body, out("y", (2, 3, 8, 4)), declare=declare, tasks=(8, 3, 2), kind="union1")
    z, y, x = np.indices((2, 3, 8))
    assert np.isnan(got[..., :2]).all()
    np.testing.assert_array_equal(got[..., 2], x + 10 * y + 100 * z)
    assert (got[..., 3] == 8 + 30 + 200).all()


def test_each_core_has_its_own_nram_wram_and_ldram() -> None:
    body = """
    __bang_write_value(a, 32, (float)coreId); __memcpy(l, a, 128, NRAM2LDRAM);
    __memcpy(w, a, 128, NRAM2WRAM); __sync_cluster();
    __memcpy(b, w, 128, WRAM2NRAM); __memcpy(c, l, 128, LDRAM2NRAM); __sync_cluster();
    y[3 * coreId] = a[0]; y[3 * coreId + 1] = b[31]; y[3 * coreId + 2] = c[31];"""
    got = run(body, out("y", (4, 3)), declare="__ldram__ float l[32];", tasks=(4,), kind="union1")
    np.testing.assert_array_equal(got, np.arange(4)[:, None] + np.zeros(3))


def test_barriers_of_one_kind_of_core() -> None:
    """The memory cores hand data on among themselves while the others do the same."""
    body = """
    if (__is_mpu()) {
      __memcpy(s, x + clusterId, 4, GDRAM2SRAM);
      __memcpy(s + 1, s, 4, SRAM2SRAM, 1 - clusterId);
      __sync_all_mpu();
    } else {
      y[taskId] = taskId; __sync_all_ipu(); y[8 + taskId] = y[(taskId + 5) % 8];
    }
    __sync_cluster();
    if (coreId == 0) __memcpy(y + 16 + clusterId, s + 1, 4, SRAM2GDRAM);"""
    x = random(2)
    declare = "__mlu_shared__ float s[2];"
    got = run(body, ("x", x), out("y", 18), declare=declare, tasks=(8,), kind="union2")
    np.testing.assert_array_equal(got[8:16], (np.arange(8) + 5) % 8)
    np.testing.assert_array_equal(got[16:], x[::-1])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("if (coreId != 2) __sync_cluster();", "3 of 4 cores have come to the barrier in line 8"),
        ("if (taskId < 3) __sync_all();", "3 of 4 cores have come"),
        ("if (__is_mpu()) return; __sync_cluster();", "4 of 5 cores have come"),
        ("if (__is_mpu()) return; __sync_all();", "the memory core counts"),
        (
            "if (__is_mpu()) { __sync_all_mpu(); __sync_all(); } else __sync_cluster();",
            "another one",
        ),
    ],
)
def test_cores_that_wait_forever(body: str, said: str) -> None:
    error = failure(body, out("y", 1), tasks=(4,), kind="union1")
    assert isinstance(error, CheckError)
    assert error.code == "XP5008"
    assert said.lower() in error.message.lower()
    assert error.span is not None
    assert error.span.line == 8


def test_a_memory_core_that_only_its_kind_waits_for_is_no_deadlock() -> None:
    run("if (__is_mpu()) return; __sync_all_ipu(); y[taskId] = 1;", out("y", 4), tasks=(4,),
        kind="union1")  # fmt: skip


def test_barriers_in_a_loop_over_cores_of_different_speed() -> None:
    body = """
    for (int i = 0; i < 5; ++i) {
      if (coreId == i % 4) { __bang_write_value(a, 1, (float)i); __memcpy(s, a, 4, NRAM2SRAM); }
      __sync_cluster();
      __memcpy(a, s, 4, SRAM2NRAM); y[5 * taskId + i] = a[0];
      __sync_cluster();
    }"""
    declare = "__mlu_shared__ float s[1];"
    got = run(body, out("y", (8, 5)), declare=declare, tasks=(8,), kind="union2")
    np.testing.assert_array_equal(got, np.zeros((8, 1)) + np.arange(5))


def test_vector_work_on_the_memory_core() -> None:
    body = "if (coreId == 0x80) { __bang_add(a, a, a, 32); }"
    error = failure(body, out("y", 1), tasks=(4,), kind="union1")
    assert "the memory core, which has no NRAM" in error.message
