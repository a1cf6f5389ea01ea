"""Kernels with symbolic sizes are lifted once; the conditions are theirs, and are kept to."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import symbolic_kernels as kernels

import xpiler_tvm as xt
from xpiler_tvm.errors import CheckError, EmitError, LiftError, ReadError

Numbers = np.ndarray


@cache
def lifted(make: Callable[[], xt.Kernel]) -> xt.Lifted:
    return xt.lift(make())


def _own(lift: xt.Lifted) -> list[str]:
    """The conditions that are neither of ranges nor of the launch."""
    told = ("it was lifted for", "lifted with this launch")
    return [one.text for one in lift.conditions if not any(word in one.why for word in told)]


def _random(*shape: int) -> Numbers:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n", [1, 127, 128, 129, 1000, 7919])
@pytest.mark.parametrize("make", [kernels.scale, kernels.grid_stride])
def test_elementwise(make: Callable[[], xt.Kernel], n: int) -> None:
    lift = lifted(make)
    assert lift.rung == "blocks" and _own(lift) == []
    x, z, y = _random(n), _random(n + 1)[1:], np.empty(n, np.float32)
    if make is kernels.scale:
        lift(x, y, n=n)
        np.testing.assert_array_equal(y, 2 * x)
    else:
        lift(x, z, y, n=n)
        np.testing.assert_array_equal(y, x + z)


@pytest.mark.parametrize(("rows", "n"), [(1, 1), (3, 63), (5, 64), (2, 65), (7, 1009)])
def test_row_sums(rows: int, n: int) -> None:
    lift = lifted(kernels.row_sums)
    assert lift.rung == "blocks" and _own(lift) == []
    x, y = _random(rows, n), np.empty(rows, np.float32)
    lift(x, y, n=n, rows=rows)
    np.testing.assert_allclose(y, x.mean(axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (8, 9, 7), (17, 8, 31), (13, 101, 64)])
def test_gemm(m: int, n: int, k: int) -> None:
    lift = lifted(kernels.gemm)
    assert lift.rung == "blocks" and _own(lift) == []
    a, b, c = _random(m, k), _random(k, n), np.empty((m, n), np.float32)
    lift(a, b, c, m=m, n=n, k=k)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-4)


def test_gemm_is_one_block_over_its_sizes() -> None:
    script = lifted(kernels.gemm).mod.script()
    assert script.count("T.sblock(") == 2  # the root's and its own
    assert "T.grid(m, n, k)" in script
    assert 'a: T.Buffer(("m", "k"), "float32")' in script


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 17), (5, 16), (9, 31)])
def test_convolution(height: int, width: int) -> None:
    lift = lifted(kernels.convolution)
    assert lift.rung == "blocks" and _own(lift) == []
    x, w, y = _random(height, width), _random(9), np.empty((height, width), np.float32)
    lift(x, w, y, height=height, width=width)
    padded, taps = np.pad(x, 1), w.reshape(3, 3)
    wanted = sum(
        taps[i, j] * padded[i : i + height, j : j + width] for i in range(3) for j in range(3)
    )
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- conditions


def _no_guard() -> xt.Kernel:
    return kernels.scale(guard="")


def _whole_blocks() -> xt.Kernel:
    return kernels.scale(guard="", grid="n / 128")


@pytest.mark.parametrize(
    ("make", "condition", "reason", "line"),
    [
        (_no_guard, "n % 128 == 0", "leaves the array", 4),
        (_whole_blocks, "n % 128 == 0", "left out", 4),
        (kernels.vectors, "n % 4 == 0", "not written", None),
        (kernels.short_k, "k % 4 == 0", "left out", 4),
    ],
)
def test_tails_that_are_missing_are_conditions(
    make: Callable[[], xt.Kernel], condition: str, reason: str, line: int | None
) -> None:
    lift = lifted(make)
    (found,) = [one for one in lift.conditions if one.text == condition]
    assert reason in found.why
    assert (found.span.line if found.span else None) == line
    assert lift.rung == "blocks"
    assert "//" not in lift.mod.script()  # whole under the condition
    name = condition[0]
    lift.require(**{name: 4 * 128})
    with pytest.raises(LiftError) as error:
        lift.require(**{name: 4 * 128 + 2})
    assert error.value.code == "XP2007" and condition in error.value.message


def test_a_call_keeps_to_the_conditions() -> None:
    lift = lifted(_no_guard)
    x, y = _random(256), np.empty(256, np.float32)
    lift(x, y, n=256)
    np.testing.assert_array_equal(y, 2 * x)
    with pytest.raises(LiftError) as error:
        lift(_random(200), np.empty(200, np.float32), n=200)
    assert error.value.code == "XP2007"


def test_arrays_are_of_the_sizes() -> None:
    with pytest.raises(CheckError) as error:
        lifted(kernels.scale)(_random(8), np.empty(9, np.float32), n=9)
    assert error.value.code == "XP5007"
    with pytest.raises(CheckError) as error:
        lifted(kernels.scale)(_random(8), np.empty(8, np.float32))
    assert error.value.code == "XP5007"


def test_what_a_size_decides_is_a_condition() -> None:
    text = """
__global__ void pick(const float* x, float* y, int n) {
  int i = blockIdx.x * 64 + threadIdx.x;
  if (i >= n) return;
  if (n % 3 == 0)
    y[i] = x[i];
  else
    y[i] = -x[i];
}
"""
    params = (*kernels.tensors(x=("n",), y=("n",)), xt.Scalar("n"))
    lift = xt.lift(kernels.symbolic(text, *params, grid=("(n + 63) / 64",), block=(64,)))
    assert _own(lift) == ["n % 3 != 0"]
    (found,) = [one for one in lift.conditions if one.text == "n % 3 != 0"]
    assert found.span is not None and found.span.line == 6
    with pytest.raises(LiftError):
        lift.require(n=9)


def test_the_launch_is_a_condition() -> None:
    texts = [one.text for one in lifted(kernels.grid_stride).conditions]
    assert "blockDim.x == 64" in texts and "gridDim.x == 3" in texts


def test_ranges_are_conditions() -> None:
    lift = lifted(kernels.scale)
    lift.require(n=1 << 30)
    with pytest.raises(LiftError):
        lift.require(n=(1 << 30) + 1)
    with pytest.raises(ReadError) as error:
        lift.require()
    assert error.value.code == "XP1014"


def test_evidence_says_which_road_was_taken() -> None:
    verdicts = {check.name: check.verdict for check in lifted(kernels.gemm).evidence}
    assert verdicts["accesses in bounds"] == "proved"
    assert verdicts["raised form for all sizes"] == "tested"


def test_host_code_with_symbolic_arguments() -> None:
    with open("examples/softmax.cu", encoding="utf-8") as file:
        text = file.read()
    sizes = (xt.Size("rows", 1, 512), xt.Size("cols", 1, 2048))
    lift = xt.lift(xt.Kernel(text, "cuda", sizes=sizes, filename="softmax.cu"))
    assert lift.rung == "blocks"
    assert [tensor.shape for tensor in lift.kernel.tensors] == [("cols * rows",)] * 2
    x, y = _random(5, 77), np.empty((5, 77), np.float32)
    lift(x, y, rows=5, cols=77)
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(y, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)


def test_translations_without_a_launcher_that_checks_refuse_symbolic_sizes() -> None:
    with pytest.raises(EmitError) as error:
        xt.transcompile(lifted(kernels.scale), "bang")
    assert error.value.code == "XP4001"
