"""TVMScript of strangers: what is read of it, and that nothing else of it happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xpiler_tvm as xt
from xpiler_tvm.emulation import run_module
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.frontends.scripts import read_script

LOOPS = """
from tvm.script import tirx as T

@T.prim_func
def k(x: T.Buffer((4, 8), "float32"), y: T.Buffer((4,), "float32")):
    for i in range(4):
        s = T.alloc_buffer((1,), "float32")
        s[0] = T.float32(0)
        for j in T.serial(8):
            if j < 6:
                s[0] = s[0] + T.max(x[i, j], T.float32(0))
        y[i] = s[0]
"""

BLOCKS = """
@T.prim_func(s_tir=True)
def k(x: T.Buffer((4, 8), "float32"), y: T.Buffer((4,), "float32")):
    for i, j in T.grid(4, 6):
        with T.sblock("y"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                y[vi] = T.float32(0)
            y[vi] = y[vi] + T.max(x[vi, vj], T.float32(0))
"""


def kernel() -> xt.Kernel:
    params = (xt.Tensor("x", (4, 8)), xt.Tensor("y", (4,), intent="out"))
    return xt.Kernel("", "cuda", "k", params, xt.Launch((1,), (4,)))


@pytest.mark.parametrize("text", [LOOPS, BLOCKS], ids=["loops", "blocks"])
def test_a_script_becomes_a_program(text: str) -> None:
    program = read_script(text, kernel())
    x = np.random.default_rng(0).standard_normal((4, 8)).astype("float32")
    raised = raise_program(program)
    assert raised.rung == "blocks"
    for mod in (to_module(program), raised.mod):
        y = run_module(mod, [x, np.zeros(4, "float32")]).arrays[1]
        np.testing.assert_allclose(y, np.maximum(x[:, :6], 0).sum(1), rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("T.max(x[i, j], ", "T.max(__import__('os').system('touch {mark}') + x[i, j], ", "XP1009"),
        ("T.max(x[i, j], ", "T.max(open('{mark}', 'w') + x[i, j], ", "XP1009"),
        ("T.max(x[i, j], ", "T.max(x.__class__.__base__ + x[i, j], ", "XP1009"),
        ("T.max(x[i, j], ", "T.max((lambda: x[i, j])(), ", "XP1009"),
        ("T.max(x[i, j], ", "T.max([q for q in (1,)][0], ", "XP1009"),
        ("T.max(x[i, j], ", "T.max(T.call_extern('float32', 'system', '{mark}'), ", "XP1009"),
        ("T.max(x[i, j], ", "T.max(f'{{x}}', ", "XP1009"),
        ("range(4)", "range(2 ** 40)", "XP1009"),
        ("range(4)", "range(4000000000)", "XP1009"),
        ("range(4)", "T.thread_binding(4, 'threadIdx.x')", "XP1009"),
        ("def k(", "@eval\ndef k(", "XP1009"),
        ("    for i in range(4)", "    import os\n    for i in range(4)", "XP1009"),
        ("@T.prim_func", "import os\n@T.prim_func", "XP1009"),
        ("y[i] = s[0]", "y[i] = T.float32('nonsense')", "XP1002"),
        ("y[i] = s[0]", "y[i] = unknown", "XP1009"),
        ("y[i] = s[0]", "T = 1", "XP1009"),
        ("y[i] = s[0]", "y[i + 1] = s[0]", "XP2006"),
        ("j < 6", "j < 9", "XP2006"),
        ("(4, 8)", "(4, 9)", "XP1007"),
        ('"float32")):', '"float64")):', "XP1007"),
        ("for i", "for i in", "XP1009"),
    ],
)  # fmt: skip
def test_what_is_refused(old: str, new: str, code: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    base = LOOPS.replace("T.serial(8)", "T.serial(9)") if code == "XP2006" else LOOPS
    assert old in base
    with pytest.raises(XpilerError) as error:
        read_script(base.replace(old, new.format(mark=mark), 1), kernel())
    assert error.value.code == code, error.value
    assert not mark.exists()


def test_accesses_under_a_test_are_in_bounds() -> None:
    shifted = LOOPS.replace(
        "T.max(x[i, j], ", "T.max(T.if_then_else(j > 0, x[i, j - 1], T.float32(1)), "
    )
    assert read_script(shifted, kernel()).body
    with pytest.raises(XpilerError) as error:
        read_script(shifted.replace("j > 0", "j > -1"), kernel())
    assert error.value.code == "XP2006"


def test_texts_without_end_are_refused() -> None:
    for text in (LOOPS + "#" * 30_000, "(" * 5_000, LOOPS.replace("s[0] + ", "s[0] + (" * 90)):
        with pytest.raises(XpilerError) as error:
            read_script(text, kernel())
        assert error.value.code == "XP1009"
