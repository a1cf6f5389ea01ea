"""Instructions mean the same written out, and dot products are exact at the ends of their types."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te

from xpiler_tvm import schedules
from xpiler_tvm.emulation import run_module
from xpiler_tvm.processor import missing_features
from xpiler_tvm.schedules.base import Scheduled
from xpiler_tvm.schedules.intrinsics import portable

TYPES = ["uint8 int8", "int8 uint8", "int8 int8", "int16 int16"]


def scheduled(types: str, depth: int = 64) -> Scheduled:
    """A product of 8 x `depth` and `depth` x 32 in tiles of an instruction."""
    left, right = types.split()
    a, b = te.placeholder((8, depth), left, "A"), te.placeholder((depth, 32), right, "B")
    k = te.reduce_axis((0, depth), "k")
    c = te.compute(
        (8, 32), lambda i, j: te.sum(a[i, k].astype("int32") * b[k, j].astype("int32"), axis=k), "C"
    )
    func = te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")
    return schedules.apply(tvm.IRModule({"main": func}), "vnni")


def product(mod: tvm.IRModule, types: str, mcpu: str) -> tuple[np.ndarray, np.ndarray]:
    """What the program gives for extremes among others, and what is right modulo 2^32."""
    rng = np.random.default_rng(0)
    ends = [np.iinfo(dtype) for dtype in types.split()]
    a, b = (
        rng.integers(end.min, end.max, shape, dtype=end.dtype, endpoint=True)
        for end, shape in zip(ends, [(8, 64), (64, 32)], strict=True)
    )
    a[0], b[:, 0] = ends[0].max, ends[1].min
    a[1], b[:, 1] = ends[0].min, ends[1].max
    arrays = [a, b, np.zeros((8, 32), "int32")]
    run = run_module(mod, arrays, target={"kind": "llvm", "mcpu": mcpu})
    return run.arrays[2], (a.astype("int64") @ b).astype("int32")


@pytest.mark.parametrize("types", TYPES)
def test_written_out_for_any_processor(types: str) -> None:
    found = scheduled(types)
    assert found.rule == "cpu.vnni"
    assert "call_llvm_pure_intrin" in str(found.mod)
    assert "call_llvm_pure_intrin" not in str(portable(found.mod))
    got, right = product(portable(found.mod), types, "x86-64")
    np.testing.assert_array_equal(got, right)


@pytest.mark.skipif(bool(missing_features("cascadelake")), reason="no VNNI here")
@pytest.mark.parametrize("types", TYPES)
def test_the_instruction_itself(types: str) -> None:
    got, right = product(scheduled(types).mod, types, "cascadelake")
    np.testing.assert_array_equal(got, right)


def test_compensation_stays_within_int32() -> None:
    """128 times a sum of bytes must not pass its end."""
    found = scheduled("int8 int8", 1 << 17)
    assert found.rule == "cpu.matmul"
    assert "deep" in dict(found.declined)["cpu.vnni"]


def test_no_instruction_for_two_unsigned_operands() -> None:
    found = scheduled("uint8 uint8")
    assert found.rule == "cpu.matmul"
    assert "no instruction sums uint8 by uint8" in dict(found.declined)["cpu.vnni"]
