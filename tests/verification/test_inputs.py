from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpiler_tvm.emulation import is_unwritten
from xpiler_tvm.kernel import DTYPES, Kernel, Tensor
from xpiler_tvm.verification import FAMILIES, Family, inputs_for, lone_seeds
from xpiler_tvm.verification.inputs import scattered


def kernel(dtype: str, shape: tuple[int, ...] = (16, 32)) -> Kernel:
    tensors = (
        Tensor("a", shape, dtype),
        Tensor("b", shape, dtype, "inout"),
        Tensor("y", shape, dtype, "out"),
    )
    return Kernel("", "cuda", "k", tensors)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operand_is_different_and_not_constant(dtype: str, family: Family) -> None:
    arrays = inputs_for(kernel(dtype), 0, family)
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


# How many values a type can tell positions by: significant bits, or the integers that are used.
VALUES = {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24, "float64": 2**53}
VALUES |= {"int8": 256, "uint8": 256, "bool": 2}


@given(st.integers(2, 400), st.integers(1, 600), st.integers(0, 9))
def test_scattered_positions_are_different_as_long_as_there_are_values(
    values: int, size: int, seed: int
) -> None:
    numbers = scattered(size, values, np.random.default_rng(seed))
    assert numbers.min() >= 0 and numbers.max() < values
    for start in range(0, size - values + 1, values):
        assert len(set(numbers[start : start + values].tolist())) == values
    assert len(set(numbers[:values].tolist())) == min(size, values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_index_coded_array_is_not_itself_shifted_or_transposed(dtype: str) -> None:
    array = inputs_for(kernel(dtype, (48, 64)), 3, "indexed")["a"]
    for distance in (1, 2, 3, 16, 31, 32, 64, 127, 128, 256, 1024):
        assert (np.roll(array.reshape(-1), distance) != array.reshape(-1)).any()
    square = inputs_for(kernel(dtype, (64, 64)), 3, "indexed")["a"]
    assert (square != square.T).mean() > (0.3 if dtype == "bool" else 0.5)


@pytest.mark.parametrize("dtype", VALUES)
def test_an_index_coded_array_has_as_many_values_as_the_type(dtype: str) -> None:
    array = inputs_for(kernel(dtype, (3000,)), 0, "indexed")["a"]
    assert len(np.unique(array.astype("float64"))) == min(VALUES[dtype], 3000)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_neighbours_of_an_index_coded_array_are_far_apart(dtype: str) -> None:
    array = inputs_for(kernel(dtype, (1000,)), 0, "indexed")["a"].astype("float64")
    assert np.abs(np.diff(array)).min() > 0.1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_extreme_floats(dtype: str) -> None:
    array = inputs_for(kernel(dtype, (500,)), 0, "extreme")["a"].astype("float64")
    assert (array == 0).any() and (np.signbit(array) & (array == 0)).any()
    assert np.isfinite(np.exp(array).astype(array.dtype)).all()
    assert np.abs(array).max() >= 8 and np.abs(array[array != 0]).min() < 1e-2
    limit = np.finfo("float32").max if dtype != "float16" else 65504
    assert (array**2).sum() < limit and np.exp(np.abs(array).max()) < limit


@pytest.mark.parametrize(
    ("dtype", "wanted"), [("int8", {-128, 127, 0, -1, 1}), ("uint8", {127, 0, 255, 1})]
)
def test_extreme_integers(dtype: str, wanted: set[int]) -> None:
    array = inputs_for(kernel(dtype, (200,)), 0, "extreme")["a"]
    assert set(array.tolist()) == wanted


@pytest.mark.parametrize("family", FAMILIES)
def test_elements_with_a_range_stay_in_it_and_reach_its_ends(family: Family) -> None:
    array = inputs_for(kernel("int32"), 0, family, {"a": (3, 9)})["a"]
    assert array.min() == 3 and array.max() == 9
    assert (inputs_for(kernel("int32"), 0, family, {"a": (5, 5)})["a"] == 5).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint8", "int32"])
def test_lone_extrema_come_to_every_place(dtype: str) -> None:
    few = Kernel("", "cuda", params=(Tensor("x", (13,), dtype), Tensor("y", (1,), dtype, "out")))
    arrays = [inputs_for(few, seed, "lone")["x"] for seed in lone_seeds(few)]
    assert len(arrays) == 13
    for extremum in (np.argmin, np.argmax):
        assert {int(extremum(array)) for array in arrays} == set(range(13))
    for array in arrays:
        assert (array == array.max()).sum() == (array == array.min()).sum() == 1


@pytest.mark.parametrize(
    ("given", "written", "count"),
    [((5,), (1,), 5), ((100, 100), (31,), 16), ((1 << 18,), (4,), 6), ((8, 8), (32,), 0)],
)
def test_few_outputs_get_lone_extrema(
    given: tuple[int, ...], written: tuple[int, ...], count: int
) -> None:
    params = (Tensor("x", given), Tensor("y", written, intent="out"))
    assert len(lone_seeds(Kernel("", "cuda", params=params))) == count
