"""Clang's builtins for AMD's processors that compute; `test_warp` has those that cross lanes."""

from __future__ import annotations

import numpy as np

from .support import execute, first, out, random


def test_ids() -> None:
    source = """
    __global__ void k(int* y) {
      int x = __builtin_amdgcn_workitem_id_x(), b = __builtin_amdgcn_workgroup_id_y();
      int i = (b * 3 + __builtin_amdgcn_workitem_id_y()) * 4 + x;
      __builtin_amdgcn_s_waitcnt(0);
      __builtin_amdgcn_sched_barrier(0);
      __builtin_amdgcn_s_setprio(1);
      y[i] = 100 * b + 10 * threadIdx.y + x + 1000 * __builtin_amdgcn_workgroup_size_y();
    }"""
    got = first(
        execute(source, out("y", (2, 3, 4), "int32"), grid=(1, 2), block=(4, 3), dialect="hip")
    )
    b, row, column = np.indices((2, 3, 4))
    np.testing.assert_array_equal(got, 100 * b + 10 * row + column + 3000)


def test_a_barrier_and_a_fence() -> None:
    source = """
    __global__ void k(const float* x, float* y) {
      __shared__ float s[128];
      s[threadIdx.x] = x[threadIdx.x];
      __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
      __builtin_amdgcn_s_barrier();
      __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
      y[threadIdx.x] = s[127 - threadIdx.x];
    }"""
    x = random(128)
    got = first(execute(source, ("x", x), out("y", 128), block=(128,), dialect="hip"))
    np.testing.assert_array_equal(got, x[::-1])


def test_floating_point() -> None:
    source = """
    typedef _Float16 half2_t __attribute__((ext_vector_type(2)));
    __global__ void k(const float* x, float* y) {
      int t = threadIdx.x, n = 64;
      float v = x[t], w = x[(t + 1) % n], u = x[(t + 2) % n];
      y[t] = __builtin_amdgcn_rcpf(v);
      y[n + t] = __builtin_amdgcn_rsqf(v);
      y[2 * n + t] = __builtin_amdgcn_exp2f(v);
      y[3 * n + t] = __builtin_amdgcn_logf(v);
      y[4 * n + t] = __builtin_amdgcn_fmed3f(v, w, u);
      y[5 * n + t] = __builtin_amdgcn_fractf(-v);
      half2_t a = {(_Float16)v, (_Float16)w}, b = {(_Float16)u, (_Float16)2};
      y[6 * n + t] = __builtin_amdgcn_fdot2(a, b, 0.5f, false);
      y[7 * n + t] = __builtin_amdgcn_fdot2(a, b, 0.5f, true);
      y[8 * n + t] = __builtin_amdgcn_sinf(v / 4);
    }"""
    x = np.random.default_rng(2).uniform(0.1, 3, 64).astype("float32")
    got = first(execute(source, ("x", x), out("y", (9, 64)), block=(64,), dialect="hip"))
    w, u = np.roll(x, -1), np.roll(x, -2)
    h = [v.astype("float16").astype("float64") for v in (x, w, u)]
    dot = h[0] * h[2] + 2 * h[1] + 0.5
    want = [1 / x, x**-0.5, 2.0**x, np.log2(x), np.median([x, w, u], 0), -x - np.floor(-x)]
    want += [dot, np.clip(dot, 0, 1), np.sin(x * np.pi / 2)]
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-6)


def test_conversions() -> None:
    source = """
    __global__ void k(const float* x, const unsigned* u, unsigned* y, float* z) {
      int t = threadIdx.x;
      auto pair = __builtin_amdgcn_cvt_pkrtz(x[2 * t], x[2 * t + 1]);
      y[t] = *(unsigned*)&pair;
      z[4 * t] = __builtin_amdgcn_cvt_f32_ubyte0(u[t]);
      z[4 * t + 1] = __builtin_amdgcn_cvt_f32_ubyte1(u[t]);
      z[4 * t + 2] = __builtin_amdgcn_cvt_f32_ubyte2(u[t]);
      z[4 * t + 3] = __builtin_amdgcn_cvt_f32_ubyte3(u[t]);
    }"""
    x, u = 1000 * random(64, 2), np.random.default_rng(1).integers(0, 2**32, 64, "uint32")
    run = execute(
        source,
        ("x", x),
        ("u", u),
        out("y", 64, "uint32"),
        out("z", (64, 4)),
        block=(64,),
        dialect="hip",
    )
    near = x.astype("float16")
    beyond = abs(near.astype("float32")) > abs(x)
    cut = np.where(beyond, np.nextafter(near, np.float16(0)), near)
    np.testing.assert_array_equal(first(run).view("float16").reshape(64, 2), cut)
    np.testing.assert_array_equal(first(run, "z"), u.view("uint8").reshape(64, 4))
