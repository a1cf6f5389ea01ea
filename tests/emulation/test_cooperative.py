"""Cooperative groups: ranks, exchanges, reductions and scans of every kind of group."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.errors import CheckError, XpilerError
from xpiler_tvm.kernel import Dialect

from .support import execute, first, number, out, random

HEADER = """#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;
"""
DEVICES: list[tuple[Dialect, str, int]] = [
    ("cuda", "sm_90", 32),
    ("hip", "gfx90a", 64),
    ("hip", "gfx1100", 32),
]


def test_the_block() -> None:
    source = (
        HEADER
        + """
    __global__ void k(unsigned* y) {
      __shared__ unsigned s[24];
      cg::thread_block block = cg::this_thread_block();
      dim3 place = block.thread_index(), group = block.group_index(), size = block.dim_threads();
      s[block.thread_rank()] = place.x + 10 * place.y + 100 * group.x + 1000 * size.z;
      cg::sync(block);
      y[24 * blockIdx.x + block.thread_rank()] = s[block.size() - 1 - block.thread_rank()];
      cg::thread_group any = block;
      any.sync();
      y[24 * blockIdx.x + any.thread_rank()] += 100000 * any.size();
    }"""
    )
    got = first(execute(source, out("y", (2, 24), "uint32"), grid=(2,), block=(4, 3, 2)))
    rank = np.arange(24)[::-1]
    base = rank % 4 + 10 * (rank // 4 % 3) + 2000 + 2400000
    np.testing.assert_array_equal(got, [base, base + 100])


@pytest.mark.parametrize(("dialect", "arch", "lanes"), DEVICES)
def test_tiles_of_every_size(dialect: Dialect, arch: str, lanes: int) -> None:
    sizes = [1 << bit for bit in range(lanes.bit_length())]
    threads = 2 * lanes
    parts = []
    for i, n in enumerate(sizes):
        parts.append(f"""{{
          cg::thread_block_tile<{n}> tile = cg::tiled_partition<{n}>(block);
          long long* row = y + ({i} * {threads} + block.thread_rank()) * 12;
          row[0] = tile.thread_rank(); row[1] = tile.size(); row[2] = tile.meta_group_rank();
          row[3] = tile.meta_group_size(); row[4] = tile.shfl(v, 1);
          row[5] = tile.shfl_up(v, 3); row[6] = tile.shfl_down(v, 2);
          row[7] = tile.shfl_xor(v, {n} / 2);
          row[8] = tile.ballot(v > 0); row[9] = tile.any(v > 95) + 2 * tile.all(v > -90);
          row[10] = cg::reduce(tile, v, cg::plus<int>());
          row[11] = cg::inclusive_scan(tile, v, cg::greater<int>()); tile.sync();
        }}""")
    source = (
        HEADER
        + f"""
    __global__ void k(const int* x, long long* y) {{
      cg::thread_block block = cg::this_thread_block();
      int v = x[block.thread_rank()];
      {"".join(parts)}
    }}"""
    )
    x = random(threads, dtype="int32")
    shape = (len(sizes), threads, 12)
    run = execute(
        source, ("x", x), out("y", shape, "int64"), block=(threads,), dialect=dialect, arch=arch
    )
    for got, n in zip(first(run), sizes, strict=True):
        for t in range(threads):
            rank, values = t % n, [int(v) for v in x[t // n * n : t // n * n + n]]
            ballot = sum(1 << i for i, v in enumerate(values) if v > 0)
            want = [
                *(rank, n, t // n, threads // n, values[1 % n]),
                values[rank - 3] if rank >= 3 else values[rank],
                values[rank + 2] if rank + 2 < n else values[rank],
                values[rank ^ n // 2],
                ballot if ballot < 2**63 else ballot - 2**64,
                any(v > 95 for v in values) + 2 * all(v > -90 for v in values),
                sum(values),
                max(values[: rank + 1]),
            ]
            assert got[t].tolist() == want, (n, t)


def test_tiles_of_tiles_and_of_a_size_known_at_run_time() -> None:
    source = (
        HEADER
        + """
    __device__ int total(cg::thread_group group, int* s, int v) {
      s[threadIdx.x] = v;
      group.sync();
      int sum = 0;
      for (unsigned i = 0; i < group.size(); ++i) sum += s[threadIdx.x - group.thread_rank() + i];
      group.sync();
      return sum;
    }
    __global__ void k(int* y, int n) {
      __shared__ int s[40];
      cg::thread_block block = cg::this_thread_block();
      auto outer = cg::tiled_partition<16>(block);
      auto inner = cg::tiled_partition<4>(outer);
      cg::thread_group dynamic = cg::tiled_partition(block, n);
      cg::thread_group nested = cg::tiled_partition(dynamic, 4);
      int* row = y + 8 * threadIdx.x;
      row[0] = inner.thread_rank(); row[1] = inner.meta_group_rank();
      row[2] = inner.meta_group_size();
      row[3] = inner.shfl((int)threadIdx.x, 2);
      row[4] = dynamic.thread_rank(); row[5] = dynamic.size();
      row[6] = total(dynamic, s, threadIdx.x); row[7] = total(nested, s, threadIdx.x);
    }"""
    )
    run = execute(source, out("y", (40, 8), "int32"), number("n", 8), block=(40,))
    t = np.arange(40)
    eight, four = t // 8 * 8, t // 4 * 4
    want = [t % 4, t % 16 // 4, np.full(40, 4), four + 2, t % 8, np.full(40, 8)]
    want += [8 * eight + 28, 4 * four + 6]
    np.testing.assert_array_equal(first(run).T, want)


def test_a_partial_warp_s_tile_has_the_threads_that_there_are() -> None:
    source = (
        HEADER
        + """
    __global__ void k(int* y) {
      cg::thread_group tile = cg::tiled_partition(cg::this_thread_block(), 32);
      y[threadIdx.x] = tile.size();
    }"""
    )
    got = first(execute(source, out("y", 40, "int32"), block=(40,)))
    assert got.tolist() == [32] * 32 + [8] * 8


@pytest.mark.parametrize(("dialect", "arch", "lanes"), DEVICES)
def test_lanes_that_are_together(dialect: Dialect, arch: str, lanes: int) -> None:
    source = (
        HEADER
        + """
    __global__ void k(const int* x, long long* y) {
      int t = threadIdx.x, v = x[t];
      long long* row = y + 10 * t;
      for (int i = 0; i < 10; ++i) row[i] = -1;
      if (t % 3 == 1) {
        cg::coalesced_group active = cg::coalesced_threads();
        row[0] = active.thread_rank(); row[1] = active.size(); row[2] = active.shfl(v, 2);
        row[3] = active.shfl_down(v, 1); row[4] = active.shfl_up(v, 2);
        row[5] = active.ballot(v > 0); row[6] = active.match_any(v > 0);
        row[7] = cg::reduce(active, v, [](int a, int b) { return a > b ? a : b; });
        row[8] = cg::exclusive_scan(active, v);
        row[9] = active.any(v == 1000) + 2 * active.all(v < 1000);
      }
    }"""
    )
    x = random(lanes, dtype="int32")
    run = execute(
        source, ("x", x), out("y", (lanes, 10), "int64"), block=(lanes,), dialect=dialect, arch=arch
    )
    members = [t for t in range(lanes) if t % 3 == 1]
    values = [int(x[t]) for t in members]
    count = len(members)
    for rank, t in enumerate(members):
        alike = sum(1 << i for i, v in enumerate(values) if (v > 0) == (values[rank] > 0))
        want = [
            *(rank, count, values[2]),
            values[min(rank + 1, count - 1)],
            values[rank - 2] if rank >= 2 else values[rank],
            sum(1 << i for i, v in enumerate(values) if v > 0),
            *(alike, max(values), sum(values[:rank]), 2),
        ]
        assert first(run)[t].tolist() == want
    assert (np.delete(first(run), members, 0) == -1).all()


def test_partitions_by_a_label_and_in_two() -> None:
    source = (
        HEADER
        + """
    __global__ void k(int* y) {
      int t = threadIdx.x;
      auto warp = cg::tiled_partition<32>(cg::this_thread_block());
      cg::coalesced_group same = cg::labeled_partition(warp, t * t % 5);
      cg::coalesced_group half = cg::binary_partition(warp, t < 12);
      int* row = y + 6 * t;
      row[0] = same.thread_rank(); row[1] = same.size(); row[2] = same.meta_group_rank();
      row[3] = half.size(); row[4] = half.meta_group_rank();
      row[5] = cg::reduce(same, t, cg::plus<int>());
    }"""
    )
    got = first(execute(source, out("y", (32, 6), "int32")))
    t = np.arange(32)
    labels = t * t % 5
    order = list(dict.fromkeys(labels.tolist()))
    for lane in t:
        same = np.flatnonzero(labels == labels[lane])
        want = [int((same < lane).sum()), len(same), order.index(labels[lane])]
        want += [12 if lane < 12 else 20, int(lane < 12), int(same.sum())]
        assert got[lane].tolist() == want


OPERATIONS = {
    "plus": np.add,
    "less": np.minimum,
    "greater": np.maximum,
    "bit_and": np.bitwise_and,
    "bit_or": np.bitwise_or,
    "bit_xor": np.bitwise_xor,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_reductions_and_scans_with_every_operation(name: str) -> None:
    source = (
        HEADER
        + f"""
    __global__ void k(const unsigned* x, unsigned* y) {{
      int t = threadIdx.x;
      auto tile = cg::tiled_partition<8>(cg::this_thread_block());
      y[t] = cg::reduce(tile, x[t], cg::{name}<unsigned>());
      y[32 + t] = cg::inclusive_scan(tile, x[t], cg::{name}<unsigned>());
      y[64 + t] = cg::exclusive_scan(tile, x[t], cg::{name}<unsigned>());
    }}"""
    )
    x = np.random.default_rng(2).integers(0, 2**32, 32, "uint32")
    got = first(execute(source, ("x", x), out("y", (3, 32), "uint32")))
    tiles, ufunc = x.reshape(4, 8), OPERATIONS[name]
    scan = np.stack([ufunc.accumulate(tile) for tile in tiles]).astype("uint32")
    np.testing.assert_array_equal(got[0].reshape(4, 8), np.repeat(scan[:, -1:], 8, 1))
    np.testing.assert_array_equal(got[1].reshape(4, 8), scan)
    np.testing.assert_array_equal(got[2].reshape(4, 8)[:, 1:], scan[:, :-1])
    assert (got[2].reshape(4, 8)[:, 0] == 0).all()


def test_lanes_exchange_structures_larger_than_a_record() -> None:
    source = (
        HEADER
        + """
    struct Moments { double sum, squares, count; };
    __global__ void k(const double* x, double* y) {
      int t = threadIdx.x;
      auto tile = cg::tiled_partition<16>(cg::this_thread_block());
      Moments mine = {x[t], x[t] * x[t], 1};
      Moments all = cg::reduce(tile, mine, [](Moments a, Moments b) {
        return Moments{a.sum + b.sum, a.squares + b.squares, a.count + b.count};
      });
      Moments next = tile.shfl(mine, tile.thread_rank() + 1);
      y[4 * t] = all.sum; y[4 * t + 1] = all.squares; y[4 * t + 2] = all.count;
      y[4 * t + 3] = next.squares;
    }"""
    )
    x = random(32, dtype="float64")
    got = first(execute(source, ("x", x), out("y", (32, 4), "float64")))
    tiles = x.reshape(2, 16)
    np.testing.assert_allclose(got[:, 0], np.repeat(tiles.sum(1), 16), rtol=1e-12)
    np.testing.assert_allclose(got[:, 1], np.repeat((tiles**2).sum(1), 16), rtol=1e-12)
    assert (got[:, 2] == 16).all()
    np.testing.assert_array_equal(got[:, 3], np.roll(tiles**2, -1, 1).ravel())


def test_a_copy_by_a_group() -> None:
    source = (
        HEADER
        + """#include <cooperative_groups/memcpy_async.h>
    __global__ void k(const float* x, float* y) {
      __shared__ float s[100];
      auto block = cg::this_thread_block();
      cg::memcpy_async(block, s, x, sizeof(float) * 100);
      cg::wait(block);
      for (int i = threadIdx.x; i < 100; i += 32) y[i] = s[99 - i];
    }"""
    )
    x = random(100)
    np.testing.assert_array_equal(first(execute(source, ("x", x), out("y", 100))), x[::-1])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("cg::this_grid().sync()", "this_grid"),
        ("cg::tiled_partition<24>(cg::this_thread_block())", "power of two"),
        ("cg::tiled_partition<64>(cg::this_thread_block())", "power of two"),
        ("cg::tiled_partition<8>(cg::tiled_partition<4>(cg::this_thread_block()))", "no larger"),
    ],
)
def test_groups_that_there_are_not(statement: str, said: str) -> None:
    source = HEADER + f"__global__ void k(int* y) {{\n{statement};\n}}"
    with pytest.raises(XpilerError) as caught:
        execute(source, out("y", 1, "int32"))
    assert said in caught.value.message
    assert caught.value.span is not None and caught.value.span.line == 6


def test_a_tile_of_a_size_that_does_not_fit() -> None:
    source = (
        HEADER
        + """
    __global__ void k(int* y) {
      cg::thread_group tile = cg::tiled_partition(cg::this_thread_block(), 24);
      y[0] = tile.size();
    }"""
    )
    with pytest.raises(CheckError) as caught:
        execute(source, out("y", 1, "int32"))
    assert (caught.value.code, "24" in caught.value.message) == ("XP5011", True)
