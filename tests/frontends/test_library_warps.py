"""Shuffles, votes and reductions of a warp: the flat program against the emulated source."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import LiftError, frontends
from xpiler_tvm.kernel import Dialect

from .support import Given, flat_and_source, kernel, out, random

X = random(128)
N = random(128, seed=2, dtype="int32")
FULL = "const unsigned m = 0xffffffffu; "


def _stores(*values: str) -> str:
    """Each value in a part of the output of its own."""
    return "".join(f"y[{n} * blockDim.x + threadIdx.x] = {v};\n" for n, v in enumerate(values))


# A body, how many values of each thread it stores, threads, dialect.
PROGRAMS: dict[str, tuple[str, int, tuple[int, ...], Dialect]] = {
    "votes": (
        FULL
        + "int t = threadIdx.x, p = n[t] > 0; unsigned b = __ballot_sync(m, p); int all;\n"
        + "unsigned same = __match_all_sync(m, t / 32, &all);\n"
        + _stores(
            "b",
            "__any_sync(m, n[t] > 95)",
            "__all_sync(m, n[t] > -100)",
            "__uni_sync(m, t >= 0)",
            "__popc(b & ((1u << (t % 32)) - 1))",
            "__match_any_sync(m, n[t] % 3)",
            "__match_any_sync(m, n[t] / 2 * 0.5)",
            "same + all",
            "__activemask()",
            "__ballot_sync(0x0f0f0f0fu << (t / 4 % 2 * 4), p)",
        ),
        10,
        (64,),
        "cuda",
    ),
    "reductions": (
        FULL
        + "int t = threadIdx.x; unsigned u = n[t];\n"
        + _stores(
            "__reduce_add_sync(m, n[t])",
            "__reduce_add_sync(m, u)",
            "__reduce_max_sync(m, n[t])",
            "__reduce_min_sync(m, u)",
            "__reduce_and_sync(m, u | 3)",
            "__reduce_or_sync(m, u & 12)",
            "__reduce_xor_sync(m, u)",
            "__syncthreads_count(n[t] > 0)",
            "__syncthreads_or(n[t] > 98)",
            "__syncthreads_and(n[t] > -200)",
        ),
        10,
        (64,),
        "cuda",
    ),
    "shuffles of many types": (
        FULL
        + """int t = threadIdx.x; double d = x[t] * 1.1; bool b = n[t] > 0; short s = (short)n[t];
long long l = ((long long)n[t] << 33) | t; float2 f = make_float2(x[t], t);
__half2 h = __floats2half2_rn(x[t], 2 * x[t]); struct P { float v; int i; }; P p; p.v = x[t];
p.i = t;
l = __shfl_down_sync(m, l, 3); h = __shfl_sync(m, h, (t * 7) % 32); f = __shfl_up_sync(m, f, 2, 16);
p = __shfl_xor_sync(m, p, 1);
"""
        + _stores(
            "__shfl_xor_sync(m, d, 5)",
            "(l >> 33) + (l & 63)",
            "__low2float(h) + 3 * __high2float(h)",
            "f.x + f.y",
            "p.v + p.i",
            "__shfl_sync(m, b, 3) + __shfl_sync(m, s, n[t] & 31)",
            "__shfl_down_sync(m, x[t], n[t] & 7)",
        ),
        7,
        (64,),
        "cuda",
    ),
    "blocks of two dimensions": (
        "int t = threadIdx.y * 16 + threadIdx.x; float v = x[t];"
        "for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o); y[t] = v;",
        1,
        (16, 4),
        "cuda",
    ),
    "a warp that is not full": (
        "int t = threadIdx.x;" + _stores("__ballot_sync(~0u, x[t] > 0)", "__activemask()"),
        2,
        (48,),
        "cuda",
    ),
    "half of the lanes": (
        "int t = threadIdx.x; float v = x[t];"
        "if ((t & 31) < 16) v += __shfl_xor_sync(0xffffu, v, 8);" + _stores("v"),
        1,
        (64,),
        "cuda",
    ),
    "lanes that a vote chose": (
        """int t = threadIdx.x; float v = x[t], found = 0; bool p = v > 0;
unsigned m = __ballot_sync(~0u, p);
if (p) found = __shfl_sync(m, v, __ffs(m) - 1) + __popc(__ballot_sync(m, v > 0.5f));
"""
        + _stores("found"),
        1,
        (64,),
        "cuda",
    ),
    "warps on their own ways": (
        "int t = threadIdx.x; float v = 0; if (t >= 32) v = __reduce_max_sync(~0u, n[t]);"
        "else if (x[blockIdx.x] != 7) v = __popc(__ballot_sync(~0u, x[t] > 0));" + _stores("v"),
        1,
        (64,),
        "cuda",
    ),
    "waves of 64": (
        """__shared__ float first[256 / warpSize];
int t = threadIdx.x; float v = x[t]; v += __shfl_xor(v, 33); v += __shfl_down(v, 7);
v += __shfl_xor_sync(0xffffffffu, v, 1);
if (t % warpSize == 0) first[t / warpSize] = v;
__syncthreads(); v += first[3 - t / warpSize & 1];
"""
        + _stores(
            "v",
            "__popcll(__ballot(v > 0))",
            "__any(v > 3) + 2 * __all(v < 9) + 4 * __lane_id()",
            "__popcll(__match_any(n[t] % 4))",
            "__reduce_add_sync(~0ull, (long long)n[t])",
        ),
        5,
        (128,),
        "hip",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_warps(name: str) -> None:
    body, values, block, dialect = PROGRAMS[name]
    params: tuple[Given, ...] = (("x", X), ("n", N))
    target = out("y", values * int(np.prod(block)), dtype="float64")
    flat, source = flat_and_source(body, *params, target, block=block, dialect=dialect)
    np.testing.assert_array_equal(flat, source)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("cuda", "if (t < 20) y[t] = __shfl_down_sync(~0u, x[t], 1);"),
        ("cuda", "if (t >= 50) return; y[t] = __popc(__ballot_sync(~0u, x[t] > 0));"),
        ("cuda", "for (int i = t; i < 100; i += 64) y[t] += __shfl_xor_sync(~0u, x[i], 1);"),
        ("cuda", "if (x[t] > 0) y[t] = __shfl_down_sync(~0u, x[t], 1);"),
        ("cuda", "if (t % 2) y[t] = __activemask();"),
        ("cuda", "if (t < 32) y[t] = __syncthreads_count(1);"),
        ("cuda", "y[t] = t % 2 ? __shfl_xor_sync(~0u, x[t], 1) : 0;"),
        ("hip", "if (x[t] > 0) y[t] = __shfl_down(x[t], 1);"),
        ("hip", "float v = x[t]; if (v > 0) y[t] = __popcll(__ballot(1));"),
    ],
)
def test_lanes_that_part_are_refused(dialect: Dialect, body: str) -> None:
    known = kernel(
        "int t = threadIdx.x; " + body, ("x", X), out("y", 64), block=(64,), dialect=dialect
    )
    with pytest.raises(LiftError) as refusal:
        frontends.read(known)
    assert refusal.value.code == "XP2001"
