"""`transcompile` of symbolic sizes: what is emitted takes them, and its launcher checks them."""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from symbolic_kernels import gemm, row_sums, scale

import xpiler_tvm as xt
from xpiler_tvm.codegen.sizes import in_c, of_launcher


@lru_cache(maxsize=1)
def unguarded() -> xt.Lifted:
    """`y[i] = 2 * x[i]` without a test: only for multiples of a block."""
    return xt.lift(scale(guard="", grid="n / 128"))


def test_sizes_reach_the_kernel_and_the_launcher() -> None:
    result = xt.transcompile(unguarded(), "cuda")
    assert result.kernel is not None and result.kernel.launch is not None
    grid = result.kernel.launch.grid[0]
    assert isinstance(grid, str) and "n" in grid
    assert f"dim3({grid}, 1, 1)" in result.source
    assert "float* __restrict__ y, int n)" in result.source
    assert "if (!(n % 128 == 0)) return cudaErrorInvalidValue;" in result.source
    assert result.evidence[-1].name == "emitted cuda = source"
    assert "n is " in result.evidence[-1].detail
    for n in (128, 1280):
        x, y = np.arange(n, dtype="float32"), np.zeros(n, "float32")
        result(x, y, n=n)
        np.testing.assert_array_equal(y, 2 * x)
    with pytest.raises(xt.LiftError) as refusal:
        result(x[:100], y[:100], n=100)
    assert refusal.value.code == "XP2007"
    with pytest.raises(xt.CheckError) as refused:
        result(x, y)
    assert refused.value.code == "XP5007" and "n=..." in refused.value.hint


@pytest.mark.parametrize(("make", "target"), [(row_sums, "hip"), (gemm, "cuda")])
def test_classes_of_kernels(make, target: str) -> None:
    result = xt.transcompile(make(), target)
    assert result.rung == "blocks"
    assert all(check.ok for check in result.evidence)
    (launch,) = re.findall(r"<<<dim3\((.*)\), dim3", result.source)
    assert any(letter.isalpha() for letter in launch)


def test_other_targets_say_why_not() -> None:
    for target in ("bang", "vnni", "opencl"):
        with pytest.raises(xt.EmitError) as refusal:
            xt.transcompile(unguarded(), target)
        assert refusal.value.code == "XP4001"
        assert "the sizes n are symbolic" in refusal.value.message
        assert "lifted.kernel.at" in refusal.value.hint
    with pytest.raises(xt.EmitError) as refused:
        xt.transcompile(unguarded(), "cuda", main=True)
    assert refused.value.code == "XP4001"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 <= n <= 4096", "1 <= n && n <= 4096"),
        ("(n + 255) / 256", "(n + 255) / 256"),
        ("n // 4 * m", "(n / 4) * m"),
        ("(n + 1) * (m + 1)", "(n + 1) * (m + 1)"),
        ("min(n, 3) % 2 != 1", "(n < 3 ? n : 3) % 2 != 1"),
        ("-n + 1", "-n + 1"),
    ],
)
def test_conditions_in_c(text: str, code: str, tmp_path: Path) -> None:
    assert in_c(text) == code
    file = tmp_path / "condition.c"
    file.write_text(f"int f(int n, int m) {{ return {code}; }}\n")
    subprocess.run(["g++", "-fsyntax-only", str(file)], check=True)


def test_the_sources_launch_is_no_condition_of_ours() -> None:
    assert of_launcher(["blockDim.x == 256", "n >= 4"]) == ["n >= 4"]
