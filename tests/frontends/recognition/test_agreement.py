"""Modules that are the same but for names and orders, and what differs where they are not."""

from __future__ import annotations

import pytest
import tvm
from tvm import te

from xpiler_tvm.frontends.recognition import canonical_form, difference

from .support import module

HEAD = """
@T.prim_func(s_tir=True)
def main(
    x: T.Buffer((4, 6), "float32"), y: T.Buffer((6, 4), "float32"), z: T.Buffer((4, 4), "float32")
):
    T.func_attr({"global_symbol": "main"})
"""
PRODUCT = """
    for i, j, k in T.grid(4, 4, 6):
        with T.sblock("z"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            with T.init():
                z[vi, vj] = T.float32(0)
            z[vi, vj] = z[vi, vj] + x[vi, vk] * y[vk, vj]
"""
RENAMED = """
    for c, a, u, b in T.grid(6, 4, 1, 4):
        with T.sblock("product"):
            vk, vj, vu, vi = T.axis.remap("RSSS", [c, a, u, b])
            with T.init():
                z[vi, vj + vu] = T.float32(0)
            z[vi, vj + vu] = y[vk, vj] * x[vi, vk] + z[vi, vj + vu]
"""


def of(text: str) -> tvm.IRModule:
    return tvm.IRModule({"main": tvm.script.from_source(text)})


def test_names_and_orders_do_not_matter() -> None:
    one, two = of(HEAD + PRODUCT), of(HEAD + RENAMED)
    assert canonical_form(one) == canonical_form(two)
    assert difference(one, two) == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("y[vk, vj]", "y[5 - vk, vj]"), "expression of z"),
        (("T.float32(0)", "T.float32(1)"), "constants"),
        (("x[vi, vk] *", 'T.Cast("float32", T.Cast("float64", x[vi, vk])) *'), "casts"),
        (
            ("            with T.init", "            T.where(i < j)\n            with T.init"),
            "guards",
        ),
    ],
    ids=["index", "constant", "cast", "guard"],
)
def test_what_differs_has_a_name(change: tuple[str, str], named: str) -> None:
    assert difference(of(HEAD + PRODUCT), of(HEAD + PRODUCT.replace(*change))) == named


def test_the_shape_of_a_parameter() -> None:
    flat = HEAD.replace('y: T.Buffer((6, 4), "float32")', 'y: T.Buffer((24,), "float32")')
    two = of(flat + PRODUCT.replace("y[vk, vj]", "y[vk * 4 + vj]"))
    assert difference(of(HEAD + PRODUCT), two) == "layout of y"


def test_blocks_are_counted() -> None:
    x = te.placeholder((8,), "float32", "x")
    once = module(x, te.compute((8,), lambda i: x[i] * 2.0, "y"))
    half = te.compute((8,), lambda i: x[i] + 1.0, "h")
    twice = module(x, te.compute((8,), lambda i: half[i] * 2.0, "y"))
    assert difference(once, twice) == "1 more block"
    assert difference(twice, once) == "1 fewer block"
    flat = module(x, te.compute((8,), lambda i: (x[i] + 1.0) * 2.0, "y"))
    assert difference(flat, twice) == "1 more block of the same term"


def test_intermediates_go_by_what_is_in_them() -> None:
    x = te.placeholder((8,), "float32", "x")

    def both(swapped: bool) -> tvm.IRModule:
        one = te.compute((8,), lambda i: x[i] + 1.0, "p" if swapped else "q")
        two = te.compute((8,), lambda i: x[i] * 3.0, "q" if swapped else "p")
        first, second = (two, one) if swapped else (one, two)
        return module(x, te.compute((8,), lambda i: first[i] * second[i], "y"))

    assert difference(both(False), both(True)) == ""
