"""Programs as terms: equal where all outputs are, whatever is computed beside them."""

from __future__ import annotations

import pytest
import tvm

from .support import script

BLOCKS = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(
        x: T.Buffer((6,), "float32"), n: T.Buffer((6,), "int32"), y: T.Buffer((4,), "float32")
    ):
        t = T.sblock_alloc_buffer((6,))
        for i in range(6):
            with T.sblock("t"):
                vi = T.axis.spatial(6, i)
                T.where(i < 5)
                t[vi] = T.exp(x[vi]) * T.float32(2.0)
        for i, k in T.grid(4, 2):
            with T.sblock("y"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    y[vi] = T.float32(0.0)
                y[vi] = y[vi] + T.if_then_else(n[vi] < 3, t[vi + vk], T.float32(1.0))
"""

FLAT = """
@I.ir_module
class Module:
    @T.prim_func
    def main(
        x: T.Buffer((6,), "float32"), n: T.Buffer((6,), "int32"), y: T.Buffer((4,), "float32")
    ):
        t = T.alloc_buffer((6,), "float32")
        for i in range(6):
            if i % 3 < 2 or i == 2:
                t[i] = x[i] * T.float32(2.0)
        y[n[0] & 3] = t[0]
        for i in range(4):
            y[i] = t[(i << 1) % 5]
"""


def same(text: str, old: str, new: str) -> bool:
    assert old in text
    terms = script("mutants.terms")
    modules = map(tvm.script.from_source, (text, text.replace(old, new)))
    return bool(terms.same_terms(*modules))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("i < 5", "i < 6"),  # nobody reads t[5]
        ("i < 5", "i <= 4"),
        ("vi + vk", "vk + vi"),
        ("T.grid(4, 2)", "T.grid(4, 1 + 1)"),
    ],
)
def test_what_no_output_needs_makes_no_difference(old: str, new: str) -> None:
    assert same(BLOCKS, old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("i < 5", "i < 4"),  # t[4] is read
        ("vi + vk", "vi + 1 - vk"),  # another order of a sum
        ("n[vi] < 3", "n[vi] < 4"),
        ("T.exp(x[vi])", "T.exp(x[5 - vi])"),
        ("y[vi] = T.float32(0.0)", "y[vi] = T.float32(1.0)"),
        ("t[vi + vk]", "t[vi + vk * 3]"),  # outside, for one of the rows
        ("T.float32(2.0)", "T.float32(3.0)"),
    ],
)
def test_what_an_output_needs_makes_one(old: str, new: str) -> None:
    assert not same(BLOCKS, old, new)


def test_plain_loops_and_stores_that_data_decides() -> None:
    known = FLAT.replace("        y[n[0] & 3] = t[0]\n", "")
    assert same(known, "i % 3 < 2 or i == 2", "i != 5")
    assert not same(known, "i << 1", "i << 0")
    # Where the store goes is not known: nothing is said, not even of the same text.
    assert not same(FLAT, "i << 1", "i << 1")
