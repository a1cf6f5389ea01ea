"""Cooperative groups: the flat program against the emulated source."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import LiftError, ReadError, XpilerError, frontends
from xpiler_tvm.kernel import Dialect

from .support import flat_and_source, kernel, out, random

X = random(128)
N = random(128, seed=2, dtype="int32")
GROUPS = """namespace cg = cooperative_groups; cg::thread_block block = cg::this_thread_block();
auto tile = cg::tiled_partition<16>(block);
cg::thread_block_tile<8> small = cg::tiled_partition<8>(tile); int t = block.thread_rank();
"""
VALUES = (
    "cg::reduce(tile, x[t], cg::plus<float>())",
    "cg::reduce(tile, x[t], cg::greater<float>())",
    "cg::reduce(small, n[t], [](int a, int b) { return a ^ b; })",
    "tile.shfl_down(x[t], 3) + tile.shfl_xor(x[t], 5) + tile.shfl(x[t], t) + tile.shfl_up(x[t], 2)",
    "tile.ballot(x[t] > 0) + tile.any(x[t] > 0.9f) + tile.all(x[t] > -2)",
    "small.meta_group_rank() + 10 * small.meta_group_size() + 100 * tile.meta_group_rank()",
    "small.thread_rank() + small.size() + tile.num_threads()",
    "cg::inclusive_scan(tile, n[t])",
    "cg::exclusive_scan(tile, n[t], cg::plus<int>())",
    "tile.match_any(n[t] % 3)",
    "block.size() + block.group_index().x + block.thread_index().x + block.dim_threads().x",
)


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_what_groups_know_and_do(dialect: Dialect) -> None:
    body = GROUPS + "".join(f"y[{at * 64} + t] = {value};\n" for at, value in enumerate(VALUES))
    target = out("y", 64 * len(VALUES), dtype="float64")
    flat, source = flat_and_source(body, ("x", X), ("n", N), target, block=(64,), dialect=dialect)
    for at, value in enumerate(VALUES):
        rows = slice(at * 64, at * 64 + 64)
        np.testing.assert_array_equal(flat[rows], source[rows], err_msg=value)


def test_groups_that_wait_and_copy() -> None:
    body = (
        GROUPS
        + """__shared__ float s[100]; cg::memcpy_async(block, s, x, sizeof(float) * 100);
cg::wait(block);
y[t] = s[99 - t]; block.sync(); cg::sync(tile); cg::thread_group g = cg::tiled_partition(block, 16);
g.sync(); y[t] += g.thread_rank() + g.size(); int all; y[t] += tile.match_all(t / 16, all) + all;
if (tile.meta_group_rank() == 1) y[t] += cg::reduce(tile, n[t], cg::less<int>());"""
    )
    flat, source = flat_and_source(body, ("x", X), ("n", N), out("y", 64), block=(64,))
    np.testing.assert_array_equal(flat, source)


@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        ("auto g = cg::coalesced_threads(); y[t] = g.size();", ReadError, "XP1009"),
        ("cg::this_grid().sync();", ReadError, "XP1009"),
        ("y[t] = cg::binary_partition(tile, t % 2).size();", ReadError, "XP1009"),
        ("if (t < 20) y[t] = cg::reduce(tile, n[t], cg::plus<int>());", LiftError, "XP2001"),
    ],
)
def test_groups_that_are_not_read(body: str, error: type[XpilerError], code: str) -> None:
    known = kernel(GROUPS + "y[t] = 0;" + body, ("n", N), out("y", 64), block=(64,))
    with pytest.raises(error) as refusal:
        frontends.read(known)
    assert refusal.value.code == code
