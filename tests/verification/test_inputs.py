from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from xpiler_tvm.emulation import is_unwritten
from xpiler_tvm.kernel import DTYPES, Kernel, Tensor
from xpiler_tvm.verification import inputs_for


def kernel(dtype: str, shape: tuple[int, ...] = (16, 32)) -> Kernel:
    tensors = (
        Tensor("a", shape, dtype),
        Tensor("b", shape, dtype, "inout"),
        Tensor("y", shape, dtype, "out"),
    )
    return Kernel("", "cuda", "k", tensors)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operand_is_different_and_not_constant(dtype: str) -> None:
    arrays = inputs_for(kernel(dtype))
    assert {name: array.dtype.name for name, array in arrays.items()} == dict.fromkeys("aby", dtype)
    wide = {name: arrays[name].astype("float64") for name in "ab"}
    assert (wide["a"] != wide["b"]).any()
    assert len(np.unique(wide["a"])) >= 2
    if not dtype.startswith("u") and dtype != "bool":
        assert (wide["a"] < 0).any()
        assert (wide["a"] > 0).any()
    if dtype != "bool":
        assert is_unwritten(arrays["y"]).all()
        assert not is_unwritten(arrays["a"]).all()


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_bytes_have_both_extremes(dtype: str) -> None:
    limits = np.iinfo(dtype)
    array = inputs_for(kernel(dtype, (2, 2)))["a"]
    assert array.min() == limits.min
    assert array.max() == limits.max


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_floats_are_in_one_and_never_zero(dtype: str) -> None:
    array = inputs_for(kernel(dtype))["a"]
    assert (np.abs(array) <= 1).all()
    assert (array != 0).all()


def test_the_seed_decides_and_nothing_else() -> None:
    code = """if True:
        from xpiler_tvm.kernel import Kernel, Tensor
        from xpiler_tvm.verification import inputs_for
        kernel = Kernel("", "cuda", "k", (Tensor("a", (8,)), Tensor("b", (8,))))
        print(inputs_for(kernel)["b"].tobytes().hex())"""
    command = [sys.executable, "-c", code]
    runs = [
        subprocess.run(
            command, check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout.strip()
        for seed in "12"
    ]
    pair = Kernel("", "cuda", "k", (Tensor("a", (8,)), Tensor("b", (8,))))
    here = [inputs_for(pair, seed)["b"].tobytes().hex() for seed in (0, 1)]
    assert runs[0] == runs[1] == here[0] != here[1]
