"""TensorIR through LLVM, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xpiler_tvm.emulation import run_library, run_module
from xpiler_tvm.errors import CheckError

from .support import random

tvm = pytest.importorskip("tvm")


def module(text: str) -> object:
    return tvm.IRModule({"main": tvm.script.from_source(text).with_attr("global_symbol", "main")})


SCALE = """@T.prim_func
def main(A: T.Buffer((4, 8), "{dtype}"), n: T.int32, B: T.Buffer((32,), "{dtype}")):
    for i in range(n):
        B[i] = A[i // 8, i % 8] + A[i // 8, i % 8]"""


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "bfloat16"])
def test_a_module_runs_on_shared_copies(dtype: str) -> None:
    from xpiler_tvm.emulation import numpy_dtype, unwritten_array

    x = (random(32) * 50).astype(numpy_dtype(dtype))
    y = unwritten_array((2, 16), x.dtype)
    run = run_module(module(SCALE.format(dtype=dtype)), [x, y], scalars=[32])
    np.testing.assert_array_equal(run.arrays[0], x)
    np.testing.assert_array_equal(run.arrays[1], (x + x).reshape(2, 16))
    assert run.seconds > 0


def test_a_branch_in_one_side_of_another_stays_there() -> None:
    """TVM would hoist both inner tests out of the loop over j, and nothing would be stored."""
    text = """@T.prim_func
def main(B: T.Buffer((4,), "float32")):
    for i, j in T.grid(2, 2):
        if j == 1:
            if i < 1:
                B[i * 2 + j] = T.float32(1)
        else:
            if 0 < i:
                B[i * 2 + j] = T.float32(2)"""
    run = run_module(module(text), [np.zeros(4, "float32")])
    np.testing.assert_array_equal(run.arrays[0], [0, 1, 2, 0])


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("B[i * 100000] = A[i]", "XP5002", "'B'"),
        ("B[i - 1] = A[i]", "XP5002", "'B'"),
        ("B[i] = A[i] // (i - i * A[0])", "XP5006", "zero"),
        ("B[i] = A[i * 1000000]", "XP5002", "'A'"),
    ],
)
def test_a_crash_has_its_code(body: str, code: str, said: str) -> None:
    text = f"""@T.prim_func
def main(A: T.Buffer((16,), "int32"), B: T.Buffer((16,), "int32")):
    for i in range(16):
        {body}"""
    ones = np.ones(16, "int32")
    with pytest.raises(CheckError) as caught:
        run_module(module(text), [ones, ones.copy()])
    assert caught.value.code == code
    assert said in caught.value.message


def test_an_endless_module_meets_its_limit() -> None:
    text = """@T.prim_func
def main(A: T.Buffer((16,), "int32")):
    while A[0] < 2:
        A[1] = A[1] + 1"""
    with pytest.raises(CheckError) as caught:
        run_module(module(text), [np.zeros(16, "int32")], seconds=0.3)
    assert caught.value.code == "XP5004"


def test_parallel_loops_run_in_a_worker_after_the_caller_ran_some() -> None:
    text = """@T.prim_func
def main(A: T.Buffer((64,), "float32"), B: T.Buffer((64,), "float32")):
    for i in T.parallel(64):
        B[i] = A[i] * T.float32(2)"""
    mod, x = module(text), random(64)
    tvm.compile(mod, target="llvm")["main"](x, np.empty_like(x))
    np.testing.assert_array_equal(run_module(mod, [x, np.empty_like(x)]).arrays[1], 2 * x)


def test_a_failed_run_leaves_nothing_to_the_next() -> None:
    """Objects of the run before are freed in the worker too, whose memory must not be theirs."""
    text = """@T.prim_func
def main(A: T.Buffer((32,), "int32"), B: T.Buffer((32,), "int32")):
    for i in range(32):
        B[i] = A[i * 1000000]"""
    for _ in range(3):
        with pytest.raises(CheckError) as caught:
            run_module(module(text), [np.arange(32, dtype="int32"), np.zeros(32, "int32")])
        assert "element 1000000 of 'A'" in caught.value.message


def test_what_tvm_refuses_is_an_error_of_ours() -> None:
    text = """@T.prim_func
def main(A: T.Buffer((16,), "float32")):
    A[0] = T.call_extern("float32", "no_such_function_anywhere", A[0])"""
    with pytest.raises(CheckError) as caught:
        run_module(module(text), [random(16)])
    assert caught.value.code == "XP5005"


def test_arguments_that_do_not_fit() -> None:
    mod, x = module(SCALE.format(dtype="float32")), random(32)
    for arrays, scalars in (([x], [32]), ([x, x], []), ([x, x[:5]], [1]), ([x, x > 0], [1])):
        with pytest.raises(CheckError) as caught:
            run_module(mod, arrays, scalars=scalars)
        assert caught.value.code == "XP5007"


def test_importing_the_emulator_does_not_import_tvm() -> None:
    code = (
        "import sys, xpiler_tvm.emulation, xpiler_tvm.verification; assert 'tvm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def exported(mod: tvm.IRModule, folder: Path) -> Path:
    path = folder / "made.so"
    tvm.compile(mod, target="llvm").export_library(str(path))
    return path


def test_a_library_runs_as_it_is(tmp_path: Path) -> None:
    mod = module(SCALE.format(dtype="float32"))
    path, x = exported(mod, tmp_path), random(32)
    run = run_library(path, "main", mod["main"], [x, np.empty_like(x)], scalars=[32])
    np.testing.assert_array_equal(run.arrays[1], x + x)
    with pytest.raises(CheckError) as caught:
        run_library(path, "main", mod["main"], [x], scalars=[32])
    assert caught.value.code == "XP5007"


def test_a_library_takes_bfloat16_at_any_address(tmp_path: Path) -> None:
    from xpiler_tvm.emulation import numpy_dtype

    text = """@T.prim_func
def main(A: T.Buffer((31,), "bfloat16", align=2), B: T.Buffer((31,), "bfloat16", align=2)):
    for i in range(31):
        B[i] = A[30 - i]"""
    mod, x = module(text), random(31).astype(numpy_dtype("bfloat16"))
    path = exported(mod, tmp_path)
    run = run_library(path, "main", mod["main"], [x, np.zeros_like(x)])
    np.testing.assert_array_equal(run.arrays[1], x[::-1])


def test_a_library_that_does_not_fit(tmp_path: Path) -> None:
    mod, x = module(SCALE.format(dtype="float32")), random(32)
    path = exported(mod, tmp_path)
    for place, entry in ((path, "other"), (tmp_path / "missing.so", "main")):
        with pytest.raises(CheckError) as caught:
            run_library(place, entry, mod["main"], [x, x.copy()], scalars=[32])
        assert caught.value.code == "XP5005"


def test_a_library_that_leaves_its_arrays(tmp_path: Path) -> None:
    mod, x = module(SCALE.format(dtype="float32")), random(32)
    path = exported(mod, tmp_path)
    with pytest.raises(CheckError) as caught:
        run_library(path, "main", mod["main"], [x, x.copy()], scalars=[40])
    assert caught.value.code == "XP5002"
