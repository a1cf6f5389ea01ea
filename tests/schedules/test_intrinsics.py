"""Instructions mean the same written out."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te

from xpiler_tvm import schedules
from xpiler_tvm.emulation import run_module
from xpiler_tvm.processor import missing_features
from xpiler_tvm.schedules.intrinsics import portable


def scheduled() -> tvm.IRModule:
    """Bytes by signed bytes in tiles of `vpdpbusd`."""
    a, b = te.placeholder((8, 64), "uint8", "A"), te.placeholder((64, 32), "int8", "B")
    k = te.reduce_axis((0, 64), "k")
    c = te.compute(
        (8, 32), lambda i, j: te.sum(a[i, k].astype("int32") * b[k, j].astype("int32"), axis=k), "C"
    )
    func = te.create_prim_func([a, b, c]).with_attr("global_symbol", "main")
    found = schedules.apply(tvm.IRModule({"main": func}), "vnni")
    assert found.rule == "cpu.vnni"
    return found.mod


def product(mod: tvm.IRModule, mcpu: str) -> tuple[np.ndarray, np.ndarray]:
    """What the program gives for extreme bytes among others, and what is right."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (8, 64), dtype="uint8")
    b = rng.integers(-128, 128, (64, 32), dtype="int8")
    a[0], b[:, 0] = 255, -128
    arrays = [a, b, np.zeros((8, 32), "int32")]
    run = run_module(mod, arrays, target={"kind": "llvm", "mcpu": mcpu})
    return run.arrays[2], a.astype(int) @ b


def test_written_out_for_any_processor() -> None:
    mod = scheduled()
    assert "call_llvm_pure_intrin" in str(mod)
    assert "call_llvm_pure_intrin" not in str(portable(mod))
    found, right = product(portable(mod), "x86-64")
    np.testing.assert_array_equal(found, right)


@pytest.mark.skipif(bool(missing_features("cascadelake")), reason="no VNNI here")
def test_the_instruction_itself() -> None:
    found, right = product(scheduled(), "cascadelake")
    np.testing.assert_array_equal(found, right)
