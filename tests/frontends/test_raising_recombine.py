"""Digits that stand apart, put together: equal at every point of small extents."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.frontends.raising.recombine import recombined
from xpiler_tvm.frontends.raising.tensors import divisions
from xpiler_tvm.tir import Expr

from .evaluation import value_of
from .support import kernel, out, random, run_both

A, B = (tirx.Var(name, "int32") for name in "ab")
EXTENTS = {A: 7, B: 20}


def shortened(expr: Expr) -> Expr:
    """What becomes of an expression; equal to it at every point."""
    analyzer = tir.analyzer_for(EXTENTS)
    found = recombined(analyzer.simplify(expr), analyzer)
    for values in product(*map(range, EXTENTS.values())):
        at = dict(zip(EXTENTS, values, strict=True))
        assert value_of(found, at) == value_of(expr, at)
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(16, 1), (16, 4), (12, 3), (6, 2)]),
    st.integers(0, 3),
    st.integers(0, 40),
    st.integers(1, 3),
    st.integers(-3, 3),
)
def test_digits_of_one_number(
    parts: tuple[int, int], periods: int, offset: int, unit: int, rest: int
) -> None:
    """u*(x // n * n/m + y % n // m) + rest, y = x less some multiple of n."""
    extent, divisor = parts
    number = A * 18 + B + offset
    other = number + extent * periods
    high = tirx.floordiv(number, extent) * (extent // divisor)
    low = tirx.floordiv(tirx.floormod(other, extent), divisor)
    found = shortened((high + low) * unit + rest)
    assert divisions(found) == (divisor > 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 12), st.integers(0, 12))
def test_digits_of_others_stay_what_they_are(n: int, q: int, factor: int, offset: int) -> None:
    number = A * 18 + B
    shortened(tirx.floordiv(number + 12, n) * factor + tirx.floormod(number + offset, q))


@pytest.mark.parametrize(
    "expr",
    [
        tirx.floordiv(A * 18 + B, 16) * 16 + tirx.floormod(A * 18 + B + 1, 16),
        tirx.floordiv(A * 18 + B, 16) * 8 + tirx.floormod(A * 18 + B, 16),
        tirx.floordiv(A * 18 + B, 16) * 16 + tirx.floormod(A + B, 16),
        tirx.floordiv(A * 18 + B, 16) * 16 - tirx.floormod(A * 18 + B, 16),
    ],
)
def test_what_is_no_number_s_digits(expr: Expr) -> None:
    assert divisions(shortened(expr)) == 2


def test_a_tile_with_a_border_disappears() -> None:
    text = """__shared__ float tile[18 * 18];
    for (int i = threadIdx.y * 16 + threadIdx.x; i < 18 * 18; i += 256) {
      int y = min(max((int)(blockIdx.y * 16 + i / 18) - 1, 0), 28);
      int x = min(max((int)(blockIdx.x * 16 + i % 18) - 1, 0), 44);
      tile[i] = a[y * 45 + x];
    }
    __syncthreads();
    int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
    int at = (threadIdx.y + 1) * 18 + threadIdx.x + 1;
    if (x < 45 && y < 29) b[y * 45 + x] = tile[at] - tile[at + 19] + 2 * tile[at - 18];
    """
    given_ = ("a", random(29 * 45))
    known = kernel(text, given_, out("b", 29 * 45), grid=(3, 2), block=(16, 16))
    form, flat, result = run_both(known, given_)
    script = form.mod.script()
    assert form.rung == "blocks" and "//" not in script and "%" not in script
    assert "a[T.min(vi + 1, 28), T.min(vi_ + 1, 44)]" in script
    assert (flat == result).all()
