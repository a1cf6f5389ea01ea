"""Cores of a cluster that share what its memory core brings: what is right, and what goes wrong.

Four clusters add up parts of a vector, a part a round: the memory core fills one half of SRAM while
the others read the other half.
"""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.emulation import Run
from xpiler_tvm.emulation.source import Build
from xpiler_tvm.errors import CheckError

from .support import execute, out, random

ROUNDS, PART = 5, 128

KERNEL = """#include <bang.h>
__mlu_shared__ float part[2 * 128];
__nram__ float sum[32], mine[32];
__mlu_global__ void k(const float* x, float* y) {
  const float* from = x + (taskIdY * clusterDim + clusterId) * 5 * 128;
  if (__is_mpu()) __memcpy(part, from, 512, GDRAM2SRAM);
  else __bang_write_zero(sum, 32);
  __sync_cluster();
  for (int r = 0; r < 5; ++r) {
    if (__is_mpu()) {
      if (r < 4) __memcpy(part + (r + 1) % 2 * 128, from + (r + 1) * 128, 512, GDRAM2SRAM);
    } else {
      __memcpy(mine, part + r % 2 * 128 + coreId * 32, 128, SRAM2NRAM);
      __bang_add(sum, sum, mine, 32);
    }
    __sync_cluster();  // of a round
  }
  if (!__is_mpu()) __memcpy(y + taskId * 32, sum, 128, NRAM2GDRAM);
}"""


def run(kind: str = "union1", clusters: int = 1, build: Build = "checked", **changes: str) -> Run:
    """The kernel with texts replaced by others, each of which must occur once."""
    source = KERNEL
    for old, new in changes.get("replaced", ()):  # type: ignore[str-unpack]
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    x = random(4, ROUNDS * PART)
    tasks = (4 * clusters, 4 // clusters)
    found = execute(source, ("x", x), out("y", (4, 128)), tasks=tasks, kind=kind, build=build)
    if not found.findings:
        want = x.reshape(4, ROUNDS, PART).sum(1)
        np.testing.assert_allclose(found.arrays["y"], want, rtol=1e-5, atol=1e-5)
    return found


@pytest.mark.parametrize("build", ["fast", "checked"])
@pytest.mark.parametrize(("kind", "clusters"), [("union1", 1), ("union2", 2), ("union4", 4)])
def test_rounds_of_a_memory_core_and_four_others(kind: str, clusters: int, build: Build) -> None:
    assert run(kind, clusters, build).findings == ()


RACES = {
    "nobody waits for the first part": ("  __sync_cluster();\n  for", "  for"),
    "nobody waits for the end of a round": ("    __sync_cluster();  // of a round\n", ""),
    "one half only is filled": ("part + (r + 1) % 2 * 128, from", "part, from"),
    "the half that is read is filled": (
        "part + (r + 1) % 2 * 128, from",
        "part + r % 2 * 128, from",
    ),
    "a part begins in the other half": (
        "__memcpy(part + (r + 1) % 2 * 128, from + (r + 1) * 128, 512,",
        "__memcpy(part + (r + 1) % 2 * 128 - r % 2 * 4 + 4, from + (r + 1) * 128, 496,",
    ),
    "the others meet without the memory core": (
        "__sync_cluster();  // of",
        "__sync_all_ipu();  // of",
    ),
}


@pytest.mark.parametrize("name", RACES)
@pytest.mark.parametrize(("kind", "clusters"), [("union1", 1), ("union4", 4)])
def test_a_half_that_is_filled_while_it_is_read_is_a_race(
    name: str, kind: str, clusters: int
) -> None:
    finding = run(kind, clusters, replaced=(RACES[name],)).findings[0]
    assert finding.kind == "race" or "uninitialised" in finding.kind
    assert "part" in finding.memory
    assert finding.span is not None


MISSING = {
    "the memory core has left": (
        "  const float* from",
        "  if (__is_mpu()) return;\n  const float* from",
    ),
    "the memory core has one round less": ("r < 5; ++r", "r < (__is_mpu() ? 4 : 5); ++r"),
    "one of the others has left": (
        "  __sync_cluster();\n  for",
        "  __sync_cluster();\n  if (coreId == 2) return;\n  for",
    ),
    "the memory core waits elsewhere": (
        "if (r < 4) __memcpy",
        "if (r == 3) { __sync_all_mpu(); __sync_all(); }\n      if (r < 4) __memcpy",
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_core_that_never_comes_is_a_deadlock(name: str) -> None:
    with pytest.raises(CheckError) as caught:
        run(build="fast", replaced=(MISSING[name],))
    assert caught.value.code == "XP5008"
    assert "have come to the barrier" in caught.value.message
    checked = run(replaced=(MISSING[name],))
    assert not checked.complete
    assert any("have come to the barrier" in one.message for one in checked.findings)


def test_a_result_that_is_overwritten_while_it_is_stored() -> None:
    """Copies that are under way are their core's own: no barrier of a cluster hides them."""
    under_way = (
        "      __bang_add(sum, sum, mine, 32);\n",
        "      __memcpy_async(y + taskId * 32, sum, 128, NRAM2GDRAM);\n"
        "      __bang_add(sum, sum, mine, 32);\n",
    )
    assert run(replaced=(under_way,)).findings[0].kind == "asynchronous access"


HANDED_ON = """#include <bang.h>
__mlu_shared__ float row[512], other[16];
__mlu_global__ void k(const float* x, float* y) {
  if (__is_mpu() && clusterId == 0) {
    __memcpy(row, x, 2048, GDRAM2SRAM);
    for (int to = 1; to < clusterDim; ++to) {
      __memcpy(row, row, 512, SRAM2SRAM, 2048 / 4, 2048 / 4, 3, to);
    }
  }
  __sync_all();
  if (__is_ipu()) __memcpy(y + taskId * 128, row + coreId * 128, 512, SRAM2GDRAM);
}"""


@pytest.mark.parametrize("build", ["fast", "checked"])
def test_a_row_that_a_cluster_hands_on_to_the_others(build: Build) -> None:
    x = random(512)
    about = {"tasks": (16,), "kind": "union4", "build": build}
    found = execute(HANDED_ON, ("x", x), out("y", (4, 512)), **about)  # type: ignore[arg-type]
    assert found.findings == ()
    np.testing.assert_array_equal(found.arrays["y"], np.tile(x, (4, 1)))


def test_a_row_that_nobody_waits_for() -> None:
    source = HANDED_ON.replace("__sync_all();", "__sync_cluster();")
    about = {"tasks": (16,), "kind": "union4", "build": "checked"}
    found = execute(source, ("x", random(512)), out("y", (4, 512)), **about)  # type: ignore[arg-type]
    kinds = {one.kind for one in found.findings}
    assert kinds & {"race", "uninitialised read"}
    assert all("row" in one.memory for one in found.findings)
