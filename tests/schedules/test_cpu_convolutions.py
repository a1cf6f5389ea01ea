"""Convolutions on CPUs as products: images with borders, lines behind each other."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te, tirx

from xpiler_tvm import schedules
from xpiler_tvm.processor import missing_features
from xpiler_tvm.schedules.joined_lines import with_joined_lines
from xpiler_tvm.tuning.space import Space

from .programs import Program, from_te, gemm
from .running import check_module

Expr = tvm.ir.Expr


def planes(
    size: int,
    *,
    images: int = 1,
    channels: int = 5,
    filters: int = 8,
    taps: int = 3,
    stride: int = 1,
    border: int = 0,
    dtypes: str = "float32 float32 float32",
    finished: bool = False,
) -> Program:
    """[N, C, H, W]; `finished` by a bias and the larger of it and zero."""
    left, right, result = dtypes.split()
    x = te.placeholder((images, channels, size, size), left, "X")
    w = te.placeholder((filters, channels, taps, taps), right, "W")
    b = te.placeholder((filters,), result, "B")
    c, k, q = (te.reduce_axis((0, e), n) for e, n in ((channels, "c"), (taps, "k"), (taps, "q")))
    count = (size + 2 * border - taps) // stride + 1
    zero = tirx.const(0, result)

    def point(n: Expr, o: Expr, i: Expr, j: Expr) -> Expr:
        y, z = i * stride + k - border, j * stride + q - border
        term = x[n, c, y, z].astype(result) * w[o, c, k, q].astype(result)
        if border:
            inside = tirx.all(y >= 0, y < size, z >= 0, z < size)
            term = tirx.if_then_else(inside, term, zero)
        return te.sum(term, axis=[c, k, q])

    shape = (images, filters, count, count)
    sums = te.compute(shape, point, "S")
    if not finished:
        sums_only = from_te(x, w, sums)
    else:
        out = te.compute(shape, lambda n, o, i, j: te.max(sums[n, o, i, j] + b[o], zero), "O")

    def reference(x: np.ndarray, w: np.ndarray, *more: np.ndarray) -> np.ndarray:
        x, w = x.astype(result), w.astype(result)
        x = np.pad(x, [(0, 0), (0, 0), (border, border), (border, border)])
        found = np.lib.stride_tricks.sliding_window_view(x, (taps, taps), axis=(2, 3))
        found = np.einsum("ncijkl,ockl->noij", found[:, :, ::stride, ::stride], w, optimize=True)
        return np.maximum(found + more[0][:, None, None], 0) if finished else found

    return Program(from_te(x, w, b, out) if finished else sums_only, reference)


def grouped(size: int, groups: int, channels: int, filters: int) -> Program:
    """[G, C, H, W], 3 x 3 with a border: each group has filters of its own."""
    x = te.placeholder((groups, channels, size, size), name="X")
    w = te.placeholder((groups, filters, channels, 3, 3), name="W")
    c, k, q = (te.reduce_axis((0, n), name) for n, name in ((channels, "c"), (3, "k"), (3, "q")))

    def point(g: Expr, o: Expr, i: Expr, j: Expr) -> Expr:
        y, z = i + k - 1, j + q - 1
        inside = tirx.all(y >= 0, y < size, z >= 0, z < size)
        term = x[g, c, y, z] * w[g, o, c, k, q]
        return te.sum(tirx.if_then_else(inside, term, 0.0), axis=[c, k, q])

    def reference(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        x = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
        found = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        return np.einsum("gcijkl,gockl->goij", found, w, optimize=True)

    return Program(from_te(x, w, te.compute((groups, filters, size, size), point, "S")), reference)


def channels_last(size: int, channels: int, filters: int, dtypes: str) -> Program:
    """[H, W, C], 3 x 3 with a border, filters [O, 3, 3, C]."""
    left, right, result = dtypes.split()
    x = te.placeholder((size, size, channels), left, "X")
    w = te.placeholder((filters, 3, 3, channels), right, "W")
    c, k, q = (te.reduce_axis((0, n), name) for n, name in ((channels, "c"), (3, "k"), (3, "q")))

    def point(i: Expr, j: Expr, o: Expr) -> Expr:
        y, z = i + k - 1, j + q - 1
        inside = tirx.all(y >= 0, y < size, z >= 0, z < size)
        term = x[y, z, c].astype(result) * w[o, k, q, c].astype(result)
        return te.sum(tirx.if_then_else(inside, term, tirx.const(0, result)), axis=[k, q, c])

    def reference(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        x, w = x.astype(result), w.astype(result)
        found = np.pad(x, [(1, 1), (1, 1), (0, 0)])
        found = np.lib.stride_tricks.sliding_window_view(found, (3, 3), axis=(0, 1))
        return np.einsum("ijckl,oklc->ijo", found, w, optimize=True)

    return Program(from_te(x, w, te.compute((size, size, filters), point, "S")), reference)


JOINED = {
    "plain": planes(20),
    "border": planes(14, border=1),
    "two borders": planes(11, border=2, taps=5),
    "images": planes(14, images=3, border=1),
    "finished": planes(14, border=1, finished=True),
    "finished, no border": planes(18, finished=True),
    "groups": grouped(14, 3, 6, 8),
}
APART = {
    "steps": planes(16, border=1, stride=2),
    "whole vectors": planes(34),
    "channels last": channels_last(14, 8, 32, "float32 float32 float32"),
    "whole vectors, border": planes(32, border=1),
}


@pytest.mark.parametrize("name", [*JOINED, *APART])
def test_planes(name: str) -> None:
    program = (JOINED | APART)[name]
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.matmul"
    assert ("_lines" in scheduled.mod.script()) == (name in JOINED)
    check_module(scheduled.mod, program)


@pytest.mark.parametrize("dtypes", ["uint8 int8 int32", "int8 int8 int32"])
@pytest.mark.parametrize("last", [False, True], ids=["planes", "channels last"])
def test_bytes_with_borders(dtypes: str, *, last: bool) -> None:
    if last:
        program = channels_last(28, 64, 64, dtypes)
    else:
        program = planes(14, channels=8, filters=16, border=1, dtypes=dtypes)
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.vnni"
    if missing_features("cascadelake"):
        pytest.skip("this CPU has no vpdpbusd")
    check_module(scheduled.mod, program, "cascadelake")


def test_every_choice_is_right() -> None:
    program = JOINED["border"]
    space = Space(program.mod, "vnni")
    names = {knob.name for knob in space.default.knobs}
    assert {"lines of images", "S_sums: right operand"} <= names
    for knob in space.default.knobs:
        for option in knob.options:
            candidate = space.at({knob.name: option})
            if candidate is not None:
                check_module(candidate.scheduled.mod, program)


def test_what_has_no_lines() -> None:
    assert with_joined_lines(gemm(64, 96, 48).mod, 32) is None
    assert with_joined_lines(planes(16, stride=2).mod, 32) is None
    assert with_joined_lines(planes(16, border=1).mod, 32) is None  # its border comes first
    found = with_joined_lines(planes(16).mod, 32)
    assert found is not None
    # 14 lines of 16, without what follows the last sum, in whole vectors of 32.
    assert found.worth == pytest.approx(14 * 14 / 224) and found.length == 14
