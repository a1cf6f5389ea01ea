"""Repairs of TensorIR, flat and of SBlocks."""

from __future__ import annotations

from typing import Any

import pytest
import tvm

import xpiler_tvm as xt
from xpiler_tvm.synthesis import repair

from .test_repair import SOURCE

FLAT = """@T.prim_func
def main(x: T.Buffer((315,), "float32"), y: T.Buffer((315,), "float32")):
    T.func_attr({"tirx.noalias": True})
    for r, c in T.grid(7, 45):
        y[r * 45 + c] = x[r * 45 + c] * T.float32(2.0) + T.float32(1.0)
"""
BLOCKS = """@T.prim_func(s_tir=True)
def main(x: T.Buffer((7, 45), "float32"), y: T.Buffer((7, 45), "float32")):
    T.func_attr({"tirx.noalias": True})
    for r, c in T.grid(7, 45):
        with T.sblock("y"):
            v, w = T.axis.remap("SS", [r, c])
            y[v, w] = x[v, w] * T.float32(2.0) + T.float32(1.0)
"""


def _module(script: str, old: str = "", new: str = "") -> Any:
    assert not old or script.count(old) == 1, old
    changed = script.replace(old, new) if old else script
    return tvm.IRModule({"main": tvm.script.from_source(changed)})


@pytest.mark.parametrize(
    ("script", "old", "new"),
    [
        (FLAT, "T.grid(7, 45)", "T.grid(7, 44)"),
        (FLAT, "x[r * 45 + c]", "x[r * 44 + c]"),
        (BLOCKS, "x[v, w]", "x[v, w - 1]"),
    ],
)
def test_a_mistake_is_undone(script: str, old: str, new: str) -> None:
    done = repair(_module(script, old, new), SOURCE)
    assert done.verdict == "repaired", done.reason
    assert all(check.verdict == "tested" for check in done.checks)
    assert "\n-" in done.diff


def test_what_is_right_stays() -> None:
    done = repair(xt.lift(SOURCE).mod, like=SOURCE)
    assert done.verdict == "equal"


def test_another_operator_is_refused() -> None:
    done = repair(_module(FLAT, "2.0", "3.0"), SOURCE, runs=300)
    assert not done.ok
    assert done.reason
