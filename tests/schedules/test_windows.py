"""Convolutions found by how their iterators move, and brought to one form."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import te, tirx

from xpiler_tvm.emulation import run_module
from xpiler_tvm.schedules.base import Declined
from xpiler_tvm.schedules.windowed import Multiples, windowed
from xpiler_tvm.schedules.windows import Windows, find_windows, without_small_parts

from .programs import Program, from_te


def lines(
    batch: int, width: int, channels: int, *, taps: int, stride: int, filters: int
) -> Program:
    """A line of pixels, its taps and channels one axis, as raising leaves them."""
    out = (width - taps) // stride + 1
    x = te.placeholder((batch, width * channels), name="X")
    w = te.placeholder((filters, taps * channels), name="W")
    k = te.reduce_axis((0, taps * channels), "k")
    shape = (batch, out, filters)
    y = te.compute(
        shape, lambda n, i, o: te.sum(x[n, i * stride * channels + k] * w[o, k], axis=k), "Y"
    )

    def reference(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        starts = [i * stride * channels for i in range(out)]
        return np.stack([x[:, at : at + taps * channels] @ w.T for at in starts], axis=1)

    return Program(from_te(x, w, y), reference)


def planes(h: int, w: int, c: int, filters: int, *, pad: int = 0, stride: int = 1) -> Program:
    """Channels first, in an array without dimensions, 3 x 3 taps."""
    tall, wide = ((size + 2 * pad - 3) // stride + 1 for size in (h, w))
    x = te.placeholder((c * h * w,), name="X")
    f = te.placeholder((filters, c, 3, 3), name="W")
    r, q, k = (te.reduce_axis((0, extent), name) for extent, name in ((3, "r"), (3, "q"), (c, "k")))

    def term(o: tirx.Var, i: tirx.Var, j: tirx.Var) -> tvm.ir.Expr:
        row, column = i * stride + r - pad, j * stride + q - pad
        value = x[k * (h * w) + row * w + column] * f[o, k, r, q]
        inside = tirx.all(row >= 0, row < h, column >= 0, column < w)
        return tirx.if_then_else(inside, value, 0.0) if pad else value

    y = te.compute(
        (filters, tall, wide), lambda o, i, j: te.sum(term(o, i, j), axis=[r, q, k]), "Y"
    )

    def reference(x: np.ndarray, f: np.ndarray) -> np.ndarray:
        image = np.pad(x.reshape(c, h, w), [(0, 0), (pad, pad), (pad, pad)])
        found = np.zeros((filters, tall, wide))
        for i, j in itertools.product(range(3), range(3)):
            part = image[:, i::stride, j::stride][:, :tall, :wide]
            found += np.einsum("ok,khw->ohw", f[:, :, i, j], part)
        return found

    return Program(from_te(x, f, y), reference)


def found_in(program: Program) -> Windows:
    found = find_windows(program.mod)
    assert isinstance(found, Windows)
    return found


def test_taps_and_channels_of_a_line_are_told_apart():
    found = found_in(lines(4, 20, 32, taps=5, stride=1, filters=8))
    assert (found.height.outputs, found.height.taps) == (4, 1)
    assert (found.width.outputs, found.width.taps, found.width.unit) == (16, 5, 32)
    assert found.depth == 32


def test_strides_are_the_steps_of_outputs_by_those_of_taps():
    found = found_in(planes(9, 11, 4, 8, stride=2))
    assert (found.height.stride, found.width.stride) == (2, 2)
    assert (found.height.unit, found.width.unit, found.depth) == (11, 1, 4)
    assert found.image_steps == (11, 1, 99)
    assert found.filter_steps == (36, 3, 1, 9)


def test_a_matrix_product_has_no_windows():
    a, b = te.placeholder((16, 32), name="A"), te.placeholder((8, 32), name="B")
    k = te.reduce_axis((0, 32), "k")
    c = te.compute((16, 8), lambda i, j: te.sum(a[i, k] * b[j, k], axis=k), "C")
    answer = find_windows(from_te(a, b, c))
    assert isinstance(answer, Declined)
    assert answer.reason == "it has no windows"


@pytest.mark.parametrize("step", [1, 2])
def test_single_taps_are_windows_where_they_leave_pixels_out(step):
    x, w = te.placeholder((8, 8, 16), name="X"), te.placeholder((4, 16), name="W")
    k = te.reduce_axis((0, 16), "k")
    y = te.compute(
        (8 // step, 8 // step, 4),
        lambda i, j, o: te.sum(x[i * step, j * step, k] * w[o, k], axis=k),
        "Y",
    )
    found = find_windows(from_te(x, w, y))
    assert isinstance(found, Declined if step == 1 else Windows)


def test_windows_at_places_from_memory_are_declined():
    x, at = te.placeholder((64,), name="X"), te.placeholder((8,), "int32", "at")
    w, k = te.placeholder((4, 3), name="W"), te.reduce_axis((0, 3), "k")
    y = te.compute((8, 4), lambda i, o: te.sum(x[at[i] + k] * w[o, k], axis=k), "Y")
    answer = find_windows(from_te(x, at, w, y))
    assert isinstance(answer, Declined)


@pytest.mark.parametrize(
    "program",
    [
        lines(3, 17, 8, taps=3, stride=2, filters=5),
        planes(7, 6, 3, 5, pad=1),
        planes(8, 9, 2, 4, stride=2),
    ],
    ids=["line", "borders", "strided"],
)
@pytest.mark.parametrize("sizes", [Multiples(), Multiples(4, 5, 64, 16)], ids=["same", "padded"])
def test_the_form_computes_the_same(program, sizes):
    made = windowed(program.mod, found_in(program), sizes)
    arrays = program.inputs()
    (got,) = run_module(made.mod, arrays).arrays[-1:]
    (want,) = program.expected(arrays)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@given(
    st.lists(st.integers(-40, 40), min_size=1, max_size=3),
    st.lists(st.integers(1, 4), min_size=3, max_size=3),
    st.integers(-60, 60),
)
def test_small_parts_of_a_comparison_change_nothing(weights, extents, constant):
    names = [tirx.Var(f"v{place}", "int32") for place in range(len(weights))]
    sizes = dict(zip(names, extents, strict=False))
    form = (dict(zip(names, weights, strict=True)), constant)
    simpler = without_small_parts(form, sizes)
    for at in itertools.product(*(range(extents[place]) for place in range(len(names)))):
        values = [
            sum(said[0][name] * value for name, value in zip(names, at, strict=True)) + said[1]
            for said in (form, simpler)
        ]
        assert (values[0] >= 0) == (values[1] >= 0)
