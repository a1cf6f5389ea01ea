"""Windows on CPUs: what is tiled, what gets borders, and that every choice is right."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te, tirx

from xpiler_tvm import schedules
from xpiler_tvm.schedules.base import Declined
from xpiler_tvm.schedules.borders import with_borders
from xpiler_tvm.schedules.cpu_limits import CpuLimits
from xpiler_tvm.schedules.cpu_windows import WindowTiles
from xpiler_tvm.tuning.space import Space

from .programs import Program, from_te, from_text, maxpool, stencil
from .running import check_module

Expr = tvm.ir.Expr


def windows(array: np.ndarray, taps: int, stride: int) -> np.ndarray:
    """Of the first two axes of an array: [y, x, ..., k, l]."""
    found = np.lib.stride_tricks.sliding_window_view(array, (taps, taps), axis=(0, 1))
    return found[::stride, ::stride]


def depthwise(
    size: int,
    channels: int,
    *,
    taps: int = 3,
    stride: int = 1,
    border: int = 0,
    last: bool = True,
    dtypes: str = "float32 float32",
    relu: bool = False,
) -> Program:
    """Each channel with weights of its own; channels run along memory where they are `last`."""
    operand, result = dtypes.split()
    count = (size + 2 * border - taps) // stride + 1

    def shape(side: int) -> tuple[int, int, int]:
        return (side, side, channels) if last else (channels, side, side)

    x, w = te.placeholder(shape(size), operand, "X"), te.placeholder(shape(taps), operand, "W")
    k, n = (te.reduce_axis((0, taps), name) for name in "kl")

    def at(tensor: te.Tensor, c: Expr, i: Expr, j: Expr) -> Expr:
        return tensor[i, j, c] if last else tensor[c, i, j]

    def point(*place: Expr) -> Expr:
        i, j, c = place if last else (*place[1:], place[0])
        y, z = i * stride + k - border, j * stride + n - border
        term = at(x, c, y, z).astype(result) * at(w, c, k, n).astype(result)
        if border:
            inside = tirx.all(y >= 0, y < size, z >= 0, z < size)
            term = tirx.if_then_else(inside, term, tirx.const(0, result))
        return te.sum(term, axis=[k, n])

    out = te.compute(shape(count), point, "S" if relu else "O")
    if relu:
        out = te.compute(shape(count), lambda *i: te.max(out[i], tirx.const(0, result)), "O")

    def reference(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        x, w = (a.astype(result) if last else np.moveaxis(a, 0, -1).astype(result) for a in (x, w))
        x = np.pad(x, [(border, border), (border, border), (0, 0)])
        found = np.einsum("yxckl,klc->yxc", windows(x, taps, stride), w)
        found = np.maximum(found, 0) if relu else found
        return found if last else np.moveaxis(found, -1, 0)

    return Program(from_te(x, w, out), reference)


def running_sum(count: int) -> Program:
    x, k = te.placeholder((count + 3,), name="X"), te.reduce_axis((0, 4), "k")
    out = te.compute((count,), lambda i: te.sum(x[i + k], axis=k), "O")
    return Program(from_te(x, out), lambda x: np.convolve(x, np.ones(4, "float32"), "valid"))


def padded_maxpool(size: int, channels: int) -> Program:
    """[C, H, W], 3 x 3 by steps of 2, where what lies outside is never the largest."""
    x = te.placeholder((channels, size, size), name="X")
    k, n = te.reduce_axis((0, 3), "k"), te.reduce_axis((0, 3), "l")
    count = (size - 1) // 2 + 1

    def point(c: Expr, i: Expr, j: Expr) -> Expr:
        y, z = i * 2 + k - 1, j * 2 + n - 1
        inside = tirx.all(y >= 0, y < size, z >= 0, z < size)
        return te.max(tirx.if_then_else(inside, x[c, y, z], -np.inf), axis=[k, n])

    def reference(x: np.ndarray) -> np.ndarray:
        x = np.pad(np.moveaxis(x, 0, -1), [(1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
        return np.moveaxis(windows(x, 3, 2).max((-1, -2)), -1, 0)

    return Program(from_te(x, te.compute((channels, count, count), point, "O")), reference)


PROGRAMS = {
    "channels last": depthwise(14, 64),
    "relu": depthwise(12, 32, relu=True),
    "uneven channels": depthwise(11, 20),
    "borders, channels last": depthwise(14, 32, border=1),
    "lines": depthwise(15, 6, last=False),
    "lines of vectors": depthwise(34, 3, last=False),
    "borders, lines": depthwise(14, 6, border=1, last=False),
    "steps of two": depthwise(16, 5, stride=2, border=1, last=False),
    "bytes": depthwise(10, 16, dtypes="int8 int32"),
    "many taps": depthwise(14, 16, taps=7),
    "many taps, lines": depthwise(15, 3, taps=7, last=False),
    "largest": maxpool(1, 13, 32, 3, 2),
    "largest, borders": padded_maxpool(16, 5),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_windows(name: str) -> None:
    program = PROGRAMS[name]
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.windows"
    text = scheduled.mod.script()
    assert ("_bordered" in text) == (name in BORDERED)
    assert 'scope="local"' in text
    check_module(scheduled.mod, program)


BORDERED = ("borders, lines", "steps of two", "largest, borders")
"""Where the borders lie along memory; elsewhere whole vectors are inside or outside."""


@pytest.mark.parametrize("name", ["borders, channels last", "borders, lines", "relu"])
def test_every_choice_is_right(name: str) -> None:
    program = PROGRAMS[name]
    space = Space(program.mod, "vnni")
    own = [each for each in space.default.knobs if each.name.startswith(("O: ", "S: "))]
    assert len(own) == 4
    for knob in own:
        for option in knob.options:
            candidate = space.at({knob.name: option})
            assert candidate is not None
            check_module(candidate.scheduled.mod, program)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (depthwise(17, 20, taps=9), "the taps are many"),
        (stencil(20, 33), "not one reduction"),
        (running_sum(100), "across memory"),
    ],
    ids=["taps", "injective", "one axis"],
)
def test_declined(program: Program, reason: str) -> None:
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule != "cpu.windows"
    assert reason in dict(scheduled.declined)["cpu.windows"]


def test_what_is_no_store_of_its_results_is_left_alone() -> None:
    """A reduction with a stage of several statements behind it, and one to a single number."""
    text = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((20, 34), "float32"), O: T.Buffer((18, 32), "float32")):
    S = T.sblock_alloc_buffer((18, 32))
    for i, j, k in T.grid(18, 32, 3):
        with T.sblock("S"):
            vi, vj, vk = T.axis.remap("SSR", [i, j, k])
            with T.init():
                S[vi, vj] = T.float32(0)
            S[vi, vj] = S[vi, vj] + A[vi + vk, vj]
    for i, j in T.grid(18, 32):
        with T.sblock("O"):
            vi, vj = T.axis.remap("SS", [i, j])
            O[vi, vj] = S[vi, vj]
            O[vi, vj] = O[vi, vj] * T.float32(2)
"""
    rule = WindowTiles(CpuLimits())
    assert isinstance(rule.apply(from_text(text)), Declined)
    x, k = te.placeholder((20,), name="X"), te.reduce_axis((0, 20), "k")
    total = te.compute((), lambda: te.sum(x[k], axis=k), "O")
    assert isinstance(rule.apply(from_te(x, total)), Declined)


def conditional(condition, otherwise: float = 0.0) -> tvm.IRModule:
    """A sum over three taps where a condition on the place holds."""
    x, w = te.placeholder((20,), name="X"), te.placeholder((3,), name="W")
    k = te.reduce_axis((0, 3), "k")

    def point(i: Expr) -> Expr:
        value = tirx.const(otherwise, "float32")
        return te.sum(tirx.if_then_else(condition(i + k), x[i + k - 1] * w[k], value), axis=k)

    return from_te(x, w, te.compute((20,), point, "O"))


def test_borders_are_what_being_inside_means() -> None:
    exact = with_borders(conditional(lambda p: tirx.all(p >= 1, p < 21)))
    assert exact.names == ("O_bordered",)
    text = exact.mod.script()
    assert "O_bordered[v_i + v_k] * W[v_k]" in text
    narrower = with_borders(conditional(lambda p: tirx.all(p >= 2, p < 21)))
    assert not narrower.names
    wider = with_borders(conditional(lambda p: p < 21))
    assert not wider.names
    filled = with_borders(conditional(lambda p: tirx.all(p >= 1, p < 21), otherwise=1.0))
    assert not filled.names
