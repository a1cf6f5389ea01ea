"""The differences between two kernels, and a kernel beside its translation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xpiler_tvm import cli
from xpiler_tvm.commands.diff import _columns, _rows
from xpiler_tvm.display.code import Linked

KERNEL = "__global__ void k(const float *a, float *y) { int i = threadIdx.x; y[i] = a[i] + 1; }\n"
SHAPES = (
    "--grid",
    "1",
    "--block",
    "32",
    "--param",
    "a:float32[32]",
    "--param",
    "y:float32[32]:out",
)
LAUNCH = (*SHAPES, "--grid-b", "1", "--block-b", "32")


def test_names_make_no_difference_and_operations_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, same, other = (tmp_path / name for name in ("one.cu", "same.cu", "other.cu"))
    one.write_text(KERNEL)
    same.write_text(KERNEL.replace("float *a", "float *b").replace("a[", "b["))
    other.write_text(KERNEL.replace("+ 1", "+ 2"))
    assert cli.main(["diff", str(one), str(same), *LAUNCH]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["diff", str(one), str(other), *LAUNCH, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    changed = [line for line in found["diff"] if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert found["files"] == ["one.cu", "other.cu"] and len(changed) == 2
    assert "T.float32(2.0)" in changed[1]


def test_lines_on_the_same_arrays_stand_beside_each_other() -> None:
    def side(*lines: tuple[str, str]) -> list[Linked]:
        return [Linked(n, text, frozenset(names)) for n, (text, names) in enumerate(lines, 1)]

    left = side(("int i;", ""), ("int j;", ""), ("s[i] = x[i];", "sx"), ("y[i] = s[i];", "sy"))
    right = side(("s_shared[t] = x[t];", "sx"), ("__syncthreads();", ""), ("y[t] = s;", "sy"))
    rows = [(a and a.number, b and b.number) for a, b in _rows(left, right)]
    assert rows == [(1, None), (2, None), (3, 1), (None, 2), (4, 3)]
    assert _columns(left[2], right[0], 33) == "   3 s[i] = x[… |    1 s_shared[…"
    assert _columns(None, right[1], 60).startswith(" " * 28 + " |    2 ")
