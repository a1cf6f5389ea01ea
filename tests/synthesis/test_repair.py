"""Repairs of texts in four dialects: what comes out does what the source does, or nothing does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import xpiler_tvm as xt
from xpiler_tvm import cli
from xpiler_tvm.synthesis import localise, repair

CUDA = """__global__ void scale(const float* x, float* y, int rows, int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  int r = blockIdx.y;
  if (c < cols) y[r * cols + c] = x[r * cols + c] * 2.0f + 1.0f;
}
"""
BANG = """__nram__ float buf[64];
__mlu_entry__ void scale(const float* x, float* y, int rows, int cols) {
  for (int r = taskId; r < rows; r += taskDim) {
    __memcpy(buf, x + r * cols, cols * sizeof(float), GDRAM2NRAM);
    __bang_mul_scalar(buf, buf, 2.0f, cols);
    __bang_add_scalar(buf, buf, 1.0f, cols);
    __memcpy(y + r * cols, buf, cols * sizeof(float), NRAM2GDRAM);
  }
}
"""
PARAMS = (
    xt.Tensor("x", (7, 45)),
    xt.Tensor("y", (7, 45), intent="out"),
    xt.Scalar("rows", "int32", 7),
    xt.Scalar("cols", "int32", 45),
)
SOURCE = xt.Kernel(CUDA, "cuda", "scale", PARAMS, xt.Launch((2, 7), (32,)), filename="scale.cu")
MLU = xt.Kernel(BANG, "bang", "scale", PARAMS, xt.Launch(tasks=(4, 1, 1)), filename="scale.mlu")


def _broken(kernel: xt.Kernel, old: str, new: str) -> xt.Kernel:
    assert kernel.source.count(old) == 1, old
    return replace(kernel, source=kernel.source.replace(old, new))


@pytest.mark.parametrize(
    ("kernel", "old", "new", "kind"),
    [
        (SOURCE, "if (c < cols)", "if (c < cols - 1)", "guard"),
        (MLU, "buf, x + r * cols, cols * sizeof(float)", "buf, x, cols / sizeof(float)", "count"),
        (MLU, "r += taskDim", "rows -= taskDim", "stride"),
        (MLU, "int r = taskId", "int r = rows", "bound"),
    ],
)
def test_a_mistake_is_undone(kernel: xt.Kernel, old: str, new: str, kind: str) -> None:
    done = repair(_broken(kernel, old, new), like=SOURCE)
    assert done.verdict == "repaired", done.reason
    assert kind in [edit.kind for edit in done.edits]
    assert xt.check(SOURCE, done.kernel).ok
    assert done.diff.startswith(f"--- {kernel.filename}\n+++ {kernel.filename}\n@@")


def test_two_mistakes_are_undone() -> None:
    once = _broken(MLU, "r < rows", "r < rows - 2")
    twice = _broken(once, "y + r * cols", "y + r * rows")
    done = repair(twice, like=SOURCE)
    assert done.verdict == "repaired", done.reason
    assert len(done.edits) == 2


def test_what_traces_tell_is_solved_for() -> None:
    """No change that is tried by itself has both numbers."""
    broken = _broken(SOURCE, "= x[r * cols + c]", "= x[r * 11 + c + 5]")
    done = repair(broken, like=SOURCE)
    assert done.verdict == "repaired", done.reason
    assert done.edits[0].span.line == 4
    assert xt.check(SOURCE, done.kernel).ok


def test_what_is_right_stays() -> None:
    done = repair(MLU, like=SOURCE)
    assert done.verdict == "equal"
    assert done.kernel.source == BANG
    assert not done.diff


def test_what_no_integer_mends_is_refused() -> None:
    broken = _broken(SOURCE, "* 2.0f + 1.0f", "* 3.0f + 1.0f")
    done = repair(broken, like=SOURCE, runs=800)
    assert done.verdict in ("unsatisfiable", "out of budget")
    assert done.kernel.source == broken.source
    assert done.reason


def test_a_spent_budget_is_no_proof() -> None:
    done = repair(_broken(SOURCE, "* 2.0f + 1.0f", "* 3.0f + 1.0f"), like=SOURCE, runs=10)
    assert done.verdict == "out of budget"
    assert "10 runs" in done.reason


def test_the_place_is_told() -> None:
    places = localise(_broken(MLU, "y + r * cols", "y + r * rows"), SOURCE)
    assert places[0].span is not None
    assert places[0].span.line == 7
    assert places[0].mistake == "index"


def test_the_command_prints_the_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, fixed = (tmp_path / name for name in ("good.cu", "bad.cu", "fixed.cu"))
    good.write_text(CUDA)
    bad.write_text(CUDA.replace("c < cols", "c <= cols"))
    launch = ["--grid", "2,7", "--block", "32"]
    params = ["x:float32[7,45]", "y:float32[7,45]:out", "rows:int32=7", "cols:int32=45"]
    given = [word for param in params for word in ("--param", param)]
    second = ["--grid-b", "2,7", "--block-b", "32"]
    command = ["repair", str(bad), "--like", str(good), *launch, *given, *second]
    assert cli.main([*command, "-o", str(fixed)]) == 0
    assert "+  if (c < cols)" in capsys.readouterr().out
    assert fixed.read_text() == CUDA
    assert cli.main([*command, "--where"]) == 1
    assert "bad.cu:4" in capsys.readouterr().out
