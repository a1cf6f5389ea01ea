"""What the lanes of a warp do together, against the tables of `dialects.warp` and numpy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from xpiler_tvm.dialects.warp import Form, dpp_source, shuffle_source, swizzle_source
from xpiler_tvm.errors import CheckError
from xpiler_tvm.kernel import Dialect

from .support import execute, first, out, random

DEVICES: list[tuple[Dialect, str, int]] = [
    ("cuda", "sm_90", 32),
    ("hip", "gfx90a", 64),
    ("hip", "gfx1100", 32),
]
FORMS: list[Form] = ["", "up", "down", "xor"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("dialect", "arch", "lanes"), DEVICES)
def test_shuffles_read_the_lane_of_the_table(
    form: Form, dialect: Dialect, arch: str, lanes: int
) -> None:
    """Every width, and amounts within and beyond it."""
    cases = [
        (by, 1 << bits)
        for bits in range(lanes.bit_length())
        for by in {0, 1, 2, 3, 5, (1 << bits) - 1, 1 << bits, lanes - 1} & set(range(lanes))
    ]
    name = f"__shfl_{form}" if form else "__shfl"
    mask = "0xffffffffu" if dialect == "cuda" else "0xffffffffffffffffull"
    calls = [
        f"y[{i} * n + t] = {name}_sync({mask}, t, {b}, {w});" for i, (b, w) in enumerate(cases)
    ]
    source = f"__global__ void k(int* y) {{ int t = threadIdx.x, n = {lanes}; {' '.join(calls)} }}"
    shape = (len(cases), lanes)
    got = first(
        execute(source, out("y", shape, "int32"), block=(lanes,), dialect=dialect, arch=arch)
    )
    want = [[shuffle_source(form, lane, *case) for lane in range(lanes)] for case in cases]
    np.testing.assert_array_equal(got, want)


TYPES = ["int8", "int16", "float16", "int32", "float32", "int64", "float64"]


@pytest.mark.parametrize("dtype", TYPES)
def test_shuffles_of_every_size(dtype: str) -> None:
    kind = {
        "int8": "signed char",
        "int16": "short",
        "float16": "half",
        "int32": "int",
        "float32": "float",
        "int64": "long long",
        "float64": "double",
    }[dtype]
    source = f"""
    __global__ void k(const {kind}* x, {kind}* y) {{
      y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 5);
    }}"""
    x = (100 * random(32, dtype="float64")).astype(dtype)
    got = first(execute(source, ("x", x), out("y", 32, dtype)))
    np.testing.assert_array_equal(got, x[np.arange(32) ^ 5])


def test_shuffles_of_pairs_and_of_sixteen_bytes() -> None:
    source = """
    __global__ void k(const float4* x, const half2* h, const __nv_bfloat162* b, float4* y,
                      half2* z, __nv_bfloat162* w) {
      int t = threadIdx.x;
      y[t] = __shfl_down_sync(~0u, x[t], 3);
      z[t] = __shfl_up_sync(~0u, h[t], 1);
      w[t] = __shfl_sync(~0u, b[t], 31 - t);
    }"""
    x, h = random(32, 4), random(32, 2, dtype="float16")
    b = random(32, 2, seed=1, dtype="int16")
    run = execute(
        source,
        ("x", x),
        ("h", h),
        ("b", b),
        out("y", (32, 4)),
        out("z", (32, 2), "float16"),
        out("w", (32, 2), "int16"),
    )
    lane = np.arange(32)
    np.testing.assert_array_equal(first(run), x[np.where(lane < 29, lane + 3, lane)])
    np.testing.assert_array_equal(first(run, "z"), h[np.maximum(lane - 1, 0)])
    np.testing.assert_array_equal(first(run, "w"), b[::-1])


@pytest.mark.parametrize(("dialect", "arch", "lanes"), DEVICES)
def test_votes_and_matches(dialect: Dialect, arch: str, lanes: int) -> None:
    """Half of the lanes take part in each."""
    mask = "unsigned" if dialect == "cuda" else "unsigned long long"
    source = f"""
    __global__ void k(const int* x, unsigned long long* y) {{
      int t = threadIdx.x, v = x[t], all;
      unsigned long long even = 0x5555555555555555ull;
      {mask} mine = t % 2 ? ({mask})(even << 1) : ({mask})even;
      unsigned long long* row = y + 8 * t;
      row[0] = __ballot_sync(mine, v > 0);
      row[1] = __any_sync(mine, v > 97) != 0;
      row[2] = __all_sync(mine, v < 100) != 0;
      row[3] = __match_any_sync(mine, v % 4);
      row[4] = __match_all_sync(mine, t % 2, &all);
      row[5] = all != 0;
      row[6] = __match_all_sync(mine, (long long)v, &all);
      if (t < 7) row[7] = __activemask(); else row[7] = 0;
      __syncwarp(mine);
    }}"""
    x = random(lanes, dtype="int32")
    run = execute(
        source, ("x", x), out("y", (lanes, 8), "uint64"), block=(lanes,), dialect=dialect, arch=arch
    )
    truncated = np.sign(x) * (abs(x) % 4)
    for lane in range(lanes):
        mine = range(lane % 2, lanes, 2)

        def bits(holds: object, mine: range = mine) -> int:
            return sum(1 << i for i in mine if holds[i])  # type: ignore[index]

        want = [
            bits(x > 0),
            bool((x[mine] > 97).any()),
            True,
            bits(truncated == truncated[lane]),
            bits(np.ones(lanes)),
            True,
            0,
            127 if lane < 7 else 0,
        ]
        assert first(run)[lane].tolist() == want


@pytest.mark.parametrize("name", ["add", "min", "max", "and", "or", "xor"])
@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_reductions_of_a_warp(name: str, dtype: str) -> None:
    if dtype == "int32" and name in ("and", "or", "xor"):
        pytest.skip("bits are unsigned")
    kind = "int" if dtype == "int32" else "unsigned"
    source = f"""
    __global__ void k(const {kind}* x, {kind}* y) {{
      unsigned mask = threadIdx.x < 10 ? 0x3ffu : ~0x3ffu;
      y[threadIdx.x] = __reduce_{name}_sync(mask, x[threadIdx.x]);
    }}"""
    x = np.random.default_rng(3).integers(-(2**31), 2**31, 32).astype("int32").view(dtype)
    ufunc = {
        "add": np.add,
        "min": np.minimum,
        "max": np.maximum,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
    }[name]
    want = np.repeat([ufunc.reduce(x[:10]), ufunc.reduce(x[10:])], [10, 22]).astype(dtype)
    np.testing.assert_array_equal(first(execute(source, ("x", x), out("y", 32, dtype))), want)


def test_a_lane_is_in_its_own_mask() -> None:
    source = "__global__ void k(int* y) { y[threadIdx.x] = __shfl_sync(1u, 1, 0); }"
    with pytest.raises(CheckError) as caught:
        execute(source, out("y", 32, "int32"))
    assert caught.value.code == "XP5008"


DPP = [
    *(0x1B, 0xB1, 0x101, 0x10F, 0x111, 0x118, 0x121, 0x12F, 0x140, 0x141, 0x150, 0x15F),
    *(0x130, 0x134, 0x138, 0x13C, 0x142, 0x143),
]


@pytest.mark.parametrize(("arch", "lanes"), [("gfx90a", 64), ("gfx1100", 32)])
def test_dpp_reads_the_lane_of_the_table(arch: str, lanes: int) -> None:
    controls = [*DPP[:12], 0x160, 0x16F] if lanes == 32 else DPP
    calls = "\n".join(
        f"y[{i} * n + t] = __builtin_amdgcn_update_dpp(-1, t, {control}, 0xf, 0xf, false);"
        for i, control in enumerate(controls)
    )
    source = f"__global__ void k(int* y) {{ int t = threadIdx.x, n = {lanes}; {calls} }}"
    shape = (len(controls), lanes)
    got = first(execute(source, out("y", shape, "int32"), block=(lanes,), dialect="hip", arch=arch))
    sources = [[dpp_source(control, lane, lanes) for lane in range(lanes)] for control in controls]
    want = [[-1 if lane is None else lane for lane in row] for row in sources]
    np.testing.assert_array_equal(got, want)


def test_dpp_masks_and_bounds() -> None:
    source = """
    __global__ void k(int* y) {
      int t = threadIdx.x;
      y[t] = __builtin_amdgcn_update_dpp(-1, t, 0x111, 0x5, 0xf, true);
      y[64 + t] = __builtin_amdgcn_update_dpp(-1, t, 0x1b, 0xf, 0x3, true);
      y[128 + t] = __builtin_amdgcn_mov_dpp(t, 0x101, 0xf, 0xf, true);
    }"""
    got = first(execute(source, out("y", (3, 64), "int32"), block=(64,), dialect="hip"))
    t = np.arange(64)
    shifted = np.where(t % 16 > 0, t - 1, 0)
    np.testing.assert_array_equal(got[0], np.where(t // 16 % 2 == 0, shifted, -1))
    np.testing.assert_array_equal(got[1], np.where(t // 4 % 4 < 2, t ^ 3, -1))
    np.testing.assert_array_equal(got[2], np.where(t % 16 < 15, t + 1, 0))


def test_dpp_that_the_device_lacks() -> None:
    source = """
    __global__ void k(int* y) { y[0] = __builtin_amdgcn_mov_dpp(1, 0x142, 0xf, 0xf, true); }"""
    with pytest.raises(CheckError) as caught:
        execute(source, out("y", 1, "int32"), dialect="hip", arch="gfx1100")
    assert caught.value.code == "XP5011"
    assert "0x142" in caught.value.message


def test_swizzles_read_the_lane_of_the_table() -> None:
    patterns = [0x041F, 0x081F, 0x7C1F, 0x0010, 0x00F5, 0x8000 | 0x1B, 0x8000 | 0x4E, 0x1A2B]
    calls = "\n".join(
        f"y[{i} * 64 + t] = __builtin_amdgcn_ds_swizzle(t, {pattern});"
        for i, pattern in enumerate(patterns)
    )
    source = f"__global__ void k(int* y) {{ int t = threadIdx.x; {calls} }}"
    shape = (len(patterns), 64)
    got = first(execute(source, out("y", shape, "int32"), block=(64,), dialect="hip"))
    want = [[swizzle_source(pattern, lane) for lane in range(64)] for pattern in patterns]
    np.testing.assert_array_equal(got, want)


def test_lanes_by_number_permutes_and_counts() -> None:
    source = """
    __global__ void k(const int* x, int* y) {
      int t = threadIdx.x, v = x[t];
      int* row = y + 10 * t;
      row[0] = __builtin_amdgcn_readlane(v, 17);
      row[1] = __builtin_amdgcn_ds_bpermute(4 * (63 - t), v);
      row[2] = __builtin_amdgcn_ds_permute(4 * ((t + 5) % 64), v);
      row[3] = __builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0));
      row[4] = __popcll(__builtin_amdgcn_ballot_w64(t < 9));
      row[5] = __lane_id();
      row[6] = row[7] = 0;
      if (t >= 20) {
        row[6] = __builtin_amdgcn_readfirstlane(v);
        row[7] = __popcll(__builtin_amdgcn_read_exec());
      }
      row[8] = __shfl(v, 3, 8);
      row[9] = __any(v > 90) + 2 * __all(v < 100) + 4 * (__ballot(1) == ~0ull);
    }"""
    x = random(64, dtype="int32")
    got = first(
        execute(source, ("x", x), out("y", (64, 10), "int32"), block=(64,), dialect="hip")
    ).T
    t = np.arange(64)
    want = [
        np.full(64, x[17]),
        x[::-1],
        x[(t - 5) % 64],
        t,
        np.full(64, 9),
        t,
        np.where(t >= 20, x[20], 0),
        np.where(t >= 20, 44, 0),
        x[t // 8 * 8 + 3],
        np.full(64, int((x > 90).any()) + 6),
    ]
    for row, expected in itertools.zip_longest(got, want):
        np.testing.assert_array_equal(row, expected)
