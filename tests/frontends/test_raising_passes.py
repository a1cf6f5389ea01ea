"""The passes of the raiser one by one: what they make of a program computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import frontends, tir
from xpiler_tvm.emulation import run_module
from xpiler_tvm.frontends.program import Alloc, Loop, Statement, to_module
from xpiler_tvm.frontends.raising.dataflow import to_tensors
from xpiler_tvm.frontends.raising.dead import without_dead_stores
from xpiler_tvm.frontends.raising.digits import split_digits
from xpiler_tvm.frontends.raising.scalars import scalarise
from xpiler_tvm.frontends.raising.updates import merge_updates

from .support import arrays_for, kernel, out, random, run_both

X = random(128)
T = "int t = threadIdx.x;\n"


def extents(statement: Statement) -> list[int]:
    """The extents of a nest of loops with one statement in each."""
    if not isinstance(statement, Loop):
        return []
    extent = tir.as_const(statement.extent)
    assert extent is not None
    return [extent, *(extents(statement.body[0]) if len(statement.body) == 1 else [])]


DIGITS = {
    "warps and lanes": ("y[t % 32 * 4 + t / 32] = x[t];", [4, 32]),
    "bits of a butterfly": ("y[t] = x[t ^ 8];", [8, 16]),
    "rows of a tile": ("y[t % 8 * 16 + t / 8] = x[t];", [16, 8]),
    "three digits": ("y[t % 4 * 32 + t / 4 % 8 * 4 + t / 32] = x[t];", [4, 8, 4]),
    "of a multiple": ("y[t] = x[t * 2 / 64 * 2 + t % 2];", [4, 16, 2]),
    "none": ("y[t] = x[t];", [128]),
    "no chain of divisors": ("y[t] = x[t % 48];", [128]),
}


@pytest.mark.parametrize("name", DIGITS)
def test_digits(name: str) -> None:
    text, wanted = DIGITS[name]
    known = kernel(T + text, ("x", X), out("y", 128), block=(128,))
    program = frontends.read(known).program
    split = split_digits(merge_updates(scalarise(program)))
    nests = [extents(statement) for statement in split.body]
    assert max(nests, key=len) == wanted
    arrays = arrays_for(known, (("x", X),))
    before, after = (run_module(to_module(p), arrays).arrays[-1] for p in (program, split))
    np.testing.assert_array_equal(before, after)


def test_dead_stores() -> None:
    """The place of the largest element, and what depends on it alone."""
    text = """float best = x[0], other[4]; int place = 0;
    for (int i = 1; i < 128; ++i) {
      place = x[i] > best ? i : place;
      if (place > 3) other[i % 4] = best;
      best = fmaxf(x[i], best);
    }
    y[0] = best;"""
    known = kernel(text, ("x", X), out("y", 1))
    form, flat, raised = run_both(known, ("x", X))
    assert form.rung == "blocks", form.reason
    np.testing.assert_array_equal(flat, raised)
    program = frontends.read(known).program
    before, after = (
        [one.buffer.name for one in form.body if isinstance(one, Alloc)]
        for form in (program, without_dead_stores(program))
    )
    assert before == ["best", "other", "place"] and after == ["best"]


SCALARS = {
    "an unrolled array": "float v[2]; v[0] = x[t]; v[1] = v[0] * 2; y[t] = v[1] - v[0];",
    "updates": "float s = x[t]; s = s * 2; s = s + 1; s += x[127 - t]; y[t] = s;",
    "updates with a read between": "float s = x[t]; float r = s; s = s * 2; y[t] = s + r;",
    "a swap": "float a = x[t], b = x[127 - t]; float c = a; a = b; b = c; y[t] = a * 2 - b;",
}


@pytest.mark.parametrize("name", SCALARS)
def test_scalars_and_updates(name: str) -> None:
    known = kernel(T + SCALARS[name], ("x", X), out("y", 128), block=(128,))
    program = frontends.read(known).program
    arrays = arrays_for(known, (("x", X),))
    forms = (program, scalarise(program), merge_updates(scalarise(program)))
    results = [run_module(to_module(form), arrays).arrays[-1] for form in forms]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_merged_updates_are_fewer() -> None:
    known = kernel(T + SCALARS["updates"], ("x", X), out("y", 128), block=(128,))
    program = scalarise(frontends.read(known).program)
    (before,), (after,) = program.body, merge_updates(program).body
    assert isinstance(before, Loop) and isinstance(after, Loop)
    assert len(after.body) < len(before.body)


def test_a_store_becomes_a_tensor() -> None:
    known = kernel(T + "if (t < 100) y[t] = x[t + 28];", ("x", X), out("y", 128), block=(128,))
    graph = to_tensors(frontends.read(known).program)
    (output,) = graph.outputs
    assert [extent for _, extent in output.tensor.axes] in ([100], [128])
    assert len(output.tensor.guard) == ([extent for _, extent in output.tensor.axes] == [128])


# text; grid; block; extents of the output's block after the axes pass
AXES = {
    "fused ids": (
        "int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < 100) y[i] = x[i] * 2;",
        (4, 1),
        (32, 1),
        [100],
    ),
    "a split of a flat id": (
        "int i = blockIdx.x * blockDim.x + threadIdx.x; y[i % 8 * 16 + i / 8] = x[i];",
        (4, 1),
        (32, 1),
        [8, 16],
    ),
    "rows and columns": (
        "int c = blockIdx.x * 4 + threadIdx.x, r = blockIdx.y * 4 + threadIdx.y;"
        "if (c < 15 && r < 7) y[c * 7 + r] = x[r * 15 + c];",
        (4, 2),
        (4, 4),
        [15, 7],
    ),
    "a grid stride": (
        "for (int i = blockIdx.x * 8 + threadIdx.x; i < 100; i += 16) y[i] = x[i] + 1;",
        (2, 1),
        (8, 1),
        [100],
    ),
    "four at a time": (
        "int i = (blockIdx.x * 8 + threadIdx.x) * 4; for (int j = 0; j < 4; j++)"
        "y[i + j] = x[i + j] * 3;",
        (4, 1),
        (8, 1),
        [128],
    ),
}


@pytest.mark.parametrize("name", AXES)
def test_axes(name: str) -> None:
    from .test_raising_forms import shapes

    text, grid, block, wanted = AXES[name]
    known = kernel(text, ("x", X), out("y", 128), grid=grid, block=block)
    form, flat, result = run_both(known, ("x", X))
    assert form.rung == "blocks", form.reason
    ((spatial, reduced),) = shapes(form.mod)
    assert (spatial, reduced) == (wanted, [])
    np.testing.assert_array_equal(result, flat)
