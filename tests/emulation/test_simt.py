"""Each feature of CUDA and HIP device code, in a kernel of its own, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.emulation import is_unwritten, run_text
from xpiler_tvm.errors import CheckError, ReadError
from xpiler_tvm.kernel import Kernel, Launch, Tensor

from .support import execute, first, number, out, random


def test_three_dimensional_grids_and_blocks() -> None:
    source = """
    __global__ void k(int* y) {
      int i = threadIdx.x + blockDim.x * blockIdx.x;
      int j = threadIdx.y + blockDim.y * blockIdx.y;
      int l = threadIdx.z + blockDim.z * blockIdx.z;
      int width = gridDim.x * blockDim.x, height = gridDim.y * blockDim.y;
      y[(l * height + j) * width + i] = 100 * i + 10 * j + l;
    }"""
    got = first(execute(source, out("y", (6, 4, 8), "int32"), grid=(4, 2, 3), block=(2, 2, 2)))
    depth, row, column = np.indices((6, 4, 8))
    np.testing.assert_array_equal(got, 100 * column + 10 * row + depth)


def test_static_shared_memory_in_a_template_instance() -> None:
    source = """#include <cuda_runtime.h>
    template <int B, typename T>
    __global__ void __launch_bounds__(B) k(const T* __restrict__ x, T* y) {
      __shared__ T s[B];
      s[threadIdx.x] = x[blockIdx.x * B + threadIdx.x];
      __syncthreads();
      y[blockIdx.x * B + threadIdx.x] = s[B - 1 - threadIdx.x];
    }"""
    x = random(4, 64)
    run = execute(source, ("x", x), out("y", (4, 64)), grid=(4,), block=(64,), entry="k<64, float>")
    np.testing.assert_array_equal(first(run), x[:, ::-1])


@pytest.mark.parametrize(
    "how", ["extern __shared__ float s[];", "extern __shared__ __align__(16) float s[];"]
)
@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_dynamic_shared_memory(how: str, dialect: str) -> None:
    source = f"""
    __global__ void k(const float* x, float* y) {{
      {how}
      s[threadIdx.x] = x[threadIdx.x];
      __syncthreads();
      y[threadIdx.x] = s[(threadIdx.x + 1) % blockDim.x];
    }}"""
    x = random(96)
    run = execute(
        source,
        ("x", x),
        out("y", 96),
        block=(96,),
        shared=96 * 4,
        dialect=dialect,  # type: ignore[arg-type]
    )
    np.testing.assert_array_equal(first(run), np.roll(x, -1))


def test_shared_memory_is_not_zero_at_a_block_s_start() -> None:
    source = """
    __global__ void k(float* y) {
      __shared__ float s[32];
      extern __shared__ float d[];
      y[2 * blockIdx.x] = s[threadIdx.x];
      y[2 * blockIdx.x + 1] = d[threadIdx.x];
      __syncthreads();
      s[threadIdx.x] = d[threadIdx.x] = 1;
    }"""
    assert np.isnan(first(execute(source, out("y", 4), grid=(2,), shared=128))).all()


def test_barriers_separate_the_phases_of_a_tiled_product() -> None:
    source = """
    #define TILE 8
    __global__ void k(const float* a, const float* b, float* c, int m, int n, int p) {
      __shared__ float sa[TILE][TILE], sb[TILE][TILE];
      int row = blockIdx.y * TILE + threadIdx.y, col = blockIdx.x * TILE + threadIdx.x;
      float sum = 0.f;
      for (int t = 0; t < (p + TILE - 1) / TILE; ++t) {
        int ka = t * TILE + threadIdx.x, kb = t * TILE + threadIdx.y;
        sa[threadIdx.y][threadIdx.x] = row < m && ka < p ? a[row * p + ka] : 0.f;
        sb[threadIdx.y][threadIdx.x] = kb < p && col < n ? b[kb * n + col] : 0.f;
        __syncthreads();
        for (int i = 0; i < TILE; ++i) sum += sa[threadIdx.y][i] * sb[i][threadIdx.x];
        __syncthreads();
      }
      if (row < m && col < n) c[row * n + col] = sum;
    }"""
    a, b = random(20, 13), random(13, 30, seed=1)
    sizes = (number("m", 20), number("n", 30), number("p", 13))
    run = execute(source, ("a", a), ("b", b), out("c", (20, 30)), *sizes, grid=(4, 3), block=(8, 8))
    np.testing.assert_allclose(first(run, "c"), a @ b, rtol=1e-5, atol=1e-5)


def test_votes_of_a_whole_block() -> None:
    source = """
    __global__ void k(int* y) {
      int t = threadIdx.x;
      int count = __syncthreads_count(t < 7);
      int any = __syncthreads_or(t == 40), none = __syncthreads_or(0);
      int all = __syncthreads_and(1), most = __syncthreads_and(t != 3);
      if (t == 47) { y[0] = count; y[1] = any; y[2] = none; y[3] = all; y[4] = most; }
    }"""
    run = execute(source, out("y", 5, "int32"), block=(48,))
    np.testing.assert_array_equal(first(run) != 0, [1, 1, 0, 1, 0])
    assert first(run)[0] == 7


def test_threads_that_have_returned_do_not_hold_a_barrier_up() -> None:
    source = """
    __global__ void k(float* y, int n) {
      __shared__ float s[64];
      if (threadIdx.x >= n) return;
      s[threadIdx.x] = threadIdx.x;
      __syncthreads();
      y[threadIdx.x] = s[n - 1 - threadIdx.x];
    }"""
    got = first(execute(source, out("y", 40), number("n", 40), block=(64,)))
    np.testing.assert_array_equal(got, np.arange(40)[::-1])


SHUFFLES = {
    # form: (expression for CUDA, lane that is read among `lanes` with segments of `width`)
    "idx": ("__shfl_sync(0xffffffffu, v, 3, 8)", lambda lane, width: lane // 8 * 8 + 3),
    "up": (
        "__shfl_up_sync(0xffffffffu, v, 2)",
        lambda lane, w: lane - 2 if lane % w >= 2 else lane,
    ),
    "down": (
        "__shfl_down_sync(0xffffffffu, v, 5, 16)",
        lambda lane, w: lane + 5 if lane % 16 < 11 else lane,
    ),
    "xor": ("__shfl_xor_sync(0xffffffffu, v, 9)", lambda lane, w: lane ^ 9),
}


@pytest.mark.parametrize("form", SHUFFLES)
@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_shuffles_read_the_lane_the_manual_says(form: str, dialect: str) -> None:
    expression, lane_read = SHUFFLES[form]
    if dialect == "hip":
        expression = expression.replace("_sync(0xffffffffu, ", "(")
    source = "__global__ void k(const float* x, float* y) {"
    source += f" float v = x[threadIdx.x]; y[threadIdx.x] = {expression}; }}"
    x, width = random(128), 64 if dialect == "hip" else 32
    run = execute(source, ("x", x), out("y", 128), block=(128,), dialect=dialect)  # type: ignore[arg-type]
    want = [x[lane // width * width + lane_read(lane % width, width)] for lane in range(128)]
    np.testing.assert_array_equal(first(run), want)


def test_shuffles_of_eight_bytes_and_of_half_a_warp() -> None:
    source = """
    __global__ void k(const double* x, double* y) {
      double v = x[threadIdx.x];
      if (threadIdx.x < 16) v += __shfl_xor_sync(0x0000ffffu, v, 8);
      else v -= __shfl_xor_sync(0xffff0000u, v, 1);
      y[threadIdx.x] = v;
    }"""
    x = random(32, dtype="float64")
    lane = np.arange(32)
    want = np.where(lane < 16, x + x[lane ^ 8], x - x[lane ^ 1])
    np.testing.assert_array_equal(first(execute(source, ("x", x), out("y", 32, "float64"))), want)


def test_lanes_that_diverge_without_a_mask_shuffle_among_themselves() -> None:
    source = """
    __global__ void k(const int* x, int* y) {
      int v = x[threadIdx.x];
      if (threadIdx.x < 32) v = __shfl_xor(v, 1); else v = 10 * __shfl_xor(v, 2);
      y[threadIdx.x] = v;
    }"""
    x, lane = random(64, dtype="int32"), np.arange(64)
    run = execute(source, ("x", x), out("y", 64, "int32"), block=(64,), dialect="hip")
    np.testing.assert_array_equal(first(run), np.where(lane < 32, x[lane ^ 1], 10 * x[lane ^ 2]))


def test_votes_of_a_warp() -> None:
    source = """
    __global__ void k(const int* x, unsigned* y) {
      int t = threadIdx.x, p = x[t] > 0;
      unsigned ballot = __ballot_sync(0xffffffff, p);
      int any = __any_sync(-1, x[t] > 98), all = __all_sync(0xffffffff, x[t] < 100);
      __syncwarp();
      unsigned sum = __reduce_add_sync(0xffffffff, (unsigned)t), lanes = __popc(__activemask());
      unsigned same = __match_any_sync(0xffffffff, t / 8);
      if (t % 32 == 9) {
        unsigned* row = y + t / 32 * 8;
        row[0] = ballot; row[1] = any; row[2] = all; row[3] = lanes;
        row[4] = sum; row[5] = __ffs(ballot); row[6] = same; row[7] = __popc(__activemask());
      }
    }"""
    x = random(64, dtype="int32")
    got = first(execute(source, ("x", x), out("y", (2, 8), "uint32"), block=(64,)))
    for warp, lanes in enumerate(x.reshape(2, 32)):
        ballot = sum(1 << i for i in range(32) if lanes[i] > 0)
        total, lowest = 496 + 1024 * warp, (ballot & -ballot).bit_length()
        want = [ballot, (lanes > 98).any(), 1, 32, total, lowest, 0xFF00, 1]
        np.testing.assert_array_equal(got[warp], want)


def test_hip_ballots_have_sixty_four_bits() -> None:
    source = """
    extern "C" __global__ __launch_bounds__(256) void k(unsigned long long* y) {
      unsigned long long b = __ballot(threadIdx.x % 3 == 0);
      if (threadIdx.x == 0) { y[0] = b; y[1] = __popcll(b); y[2] = warpSize; }
    }"""
    got = first(execute(source, out("y", 3, "uint64"), block=(64,), dialect="hip"))
    assert got.tolist() == [sum(1 << i for i in range(0, 64, 3)), 22, 64]


@pytest.mark.parametrize(
    ("dtype", "call", "want"),
    [
        ("int32", "atomicAdd(y, x[i])", lambda x: 5 + x.sum()),
        ("int32", "atomicSub(y, x[i])", lambda x: 5 - x.sum()),
        ("int32", "atomicMin(y, x[i])", lambda x: min(5, x.min())),
        ("int32", "atomicMax(y, x[i])", lambda x: max(5, x.max())),
        ("int32", "atomicOr(y, x[i])", lambda x: 5 | np.bitwise_or.reduce(x)),
        ("int32", "atomicXor(y, x[i])", lambda x: 5 ^ np.bitwise_xor.reduce(x)),
        ("float32", "atomicAdd(y, x[i])", lambda x: 5 + x.sum(dtype="float64")),
        ("float64", "atomicAdd(y, x[i])", lambda x: 5 + x.sum()),
        ("float32", "atomicMaxByCas(y, x[i])", lambda x: max(5, x.max())),
    ],
)
def test_atomics(dtype: str, call: str, want: object) -> None:
    kind = {"int32": "int", "float32": "float", "float64": "double"}[dtype]
    source = f"""
    __device__ void atomicMaxByCas(float* a, float v) {{
      int* word = (int*)a; int old = *word, seen;
      do {{
        seen = old;
        old = atomicCAS(word, seen, __float_as_int(fmaxf(v, __int_as_float(seen))));
      }}
      while (seen != old);
    }}
    __device__ void atomicMaxByCas(double* a, double v) {{}}
    __device__ void atomicMaxByCas(int* a, int v) {{}}
    __global__ void k(const {kind}* x, {kind}* y) {{
      int i = blockIdx.x * blockDim.x + threadIdx.x;
      {call};
    }}"""
    x = random(256, dtype=dtype)
    y = Tensor("y", (1,), dtype, "inout")
    kernel = Kernel(source, "cuda", "k", (Tensor("x", (256,), dtype), y), Launch((4,), (64,)))
    start = np.full(1, 5, dtype)
    run = run_text(kernel, {"x": x, "y": start})
    np.testing.assert_allclose(run.arrays["y"][0], want(x), rtol=1e-5)  # type: ignore[operator]
    assert start[0] == 5, "the caller's array is untouched"


def test_half_and_its_intrinsics() -> None:
    source = """
    #include <cuda_fp16.h>
    __global__ void k(const half* x, const __half* w, half* y, float* z) {
      int i = threadIdx.x;
      half v = __hfma(x[i], w[i], __float2half(0.5f));
      half2 p = __hadd2(__halves2half2(x[i], w[i]), __float2half2_rn(1.0f));
      y[i] = __hmul(v, p.y);
      z[i] = __half2float(x[i]) * __half2float(w[i]) + __low2float(p) + float(hexp(x[i]));
    }"""
    x, w = random(32, dtype="float16"), random(32, seed=1, dtype="float16")
    run = execute(source, ("x", x), ("w", w), out("y", 32, "float16"), out("z", 32))
    wide, half = x.astype("float32"), np.float16
    fma = (wide * w + half(0.5)).astype(half)
    np.testing.assert_array_equal(first(run), fma * (w + half(1)))
    want = wide * w + (x + half(1)).astype("float32") + np.exp(wide)
    np.testing.assert_allclose(first(run, "z"), want, atol=2e-3)


def test_bfloat16() -> None:
    import ml_dtypes

    source = """
    #include <cuda_bf16.h>
    __global__ void k(const __nv_bfloat16* x, __nv_bfloat16* y) {
      y[threadIdx.x] = __float2bfloat16(__bfloat162float(x[threadIdx.x]) * 3.0f);
    }"""
    x = random(32).astype(ml_dtypes.bfloat16)
    got = first(execute(source, ("x", x), out("y", 32, "bfloat16")))
    want = (x.astype("float32") * 3).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(got.view("u2"), want.view("u2"))


@pytest.mark.parametrize("count", [5, 8])
def test_vector_types_over_arrays_of_any_length(count: int) -> None:
    source = """
    __global__ void k(const float* x, float* y, int n) {
      int i = threadIdx.x;
      if (4 * i + 3 < n) {
        float4 v = reinterpret_cast<const float4*>(x)[i];
        ((float4*)y)[i] = make_float4(v.w, v.z, v.y, v.x);
      } else if (4 * i < n) {
        for (int j = 4 * i; j < n; ++j) y[j] = __ldg(&x[j]);
      }
    }"""
    x = random(count)
    want = x.copy()
    for start in range(0, count - 3, 4):
        want[start : start + 4] = x[start : start + 4][::-1]
    run = execute(source, ("x", x), out("y", count), number("n", count))
    np.testing.assert_array_equal(first(run), want)


def test_integer_vectors_and_packed_dot_products() -> None:
    source = """
    __global__ void k(const int* a, const int* b, int* y) {
      int i = threadIdx.x;
      int4 v = make_int4(i, i + 1, i + 2, i + 3);
      char4 c = *(const char4*)&a[i];
      y[i] = __dp4a(a[i], b[i], v.x + v.w) + c.x;
    }"""
    a, b = random(32, 4, dtype="int8"), random(32, 4, seed=1, dtype="int8")
    run = execute(
        source, ("a", a.view("int32")[:, 0]), ("b", b.view("int32")[:, 0]), out("y", 32, "int32")
    )
    dot = (a.astype(int) * b).sum(1)
    np.testing.assert_array_equal(first(run), dot + 2 * np.arange(32) + 3 + a[:, 0])


def test_math_functions_of_the_table_in_all_forms() -> None:
    from xpiler_tvm.dialects.math import MATH

    values = {
        1: ("0.3f", "0.3"),
        2: ("0.3f, 0.7f", "0.3, 0.7"),
        3: ("0.3f, 0.7f, 2.f", "0.3, 0.7, 2."),
    }
    calls = []
    for row in MATH:
        single, double = values[row.arity]
        if row.name == "acosh":
            continue
        calls += [f"{row.single}({single})", f"{row.name}({single})", f"{row.name}({double})"]
        calls += [f"{fast}({single})" for fast in row.fast]
    body = "\n".join(f"y[{i}] = {call};" for i, call in enumerate(calls))
    got = first(
        execute(
            f"__global__ void k(double* y) {{\n{body}\n}}",
            out("y", len(calls), "float64"),
            block=(1,),
        )
    )
    assert np.isfinite(got).all()
    at = dict(zip(calls, got, strict=True))
    assert at["expf(0.3f)"] == pytest.approx(np.exp(0.3), rel=1e-6)
    assert at["rsqrt(0.3)"] == pytest.approx(0.3**-0.5, rel=1e-15)
    assert at["__powf(0.3f, 0.7f)"] == pytest.approx(0.3**0.7, rel=1e-6)
    assert at["fma(0.3, 0.7, 2.)"] == pytest.approx(2.21)


def test_scalar_functions_beyond_the_table() -> None:
    source = """
    __global__ void k(float* y, int n, unsigned u, float f, long long l, size_t s) {
      y[0] = max(n, 3) + min(f, 2.5f) + fmaxf(f, 1) + abs(-n);
      y[1] = rsqrtf(4.0f) + __fdividef(f, 2.0f) + __saturatef(7.0f) + fabsf(-f);
      y[2] = __clz(u) + __popc(u) + __brev(u) + __float2int_rn(2.5f) + __float2int_rz(-1.7f);
      y[3] = (float)(l + s);
      y[4] = INFINITY;
      y[5] = isnan(NAN) + isinf(f);
    }"""
    scalars = (
        number("n", 7),
        number("u", 0x80000000, "uint32"),
        number("f", 1.25, "float32"),
        number("l", -5, "int64"),
        number("s", 8, "uint64"),
    )
    got = first(execute(source, out("y", 6), *scalars, block=(1,)))
    np.testing.assert_allclose(
        got, [7 + 1.25 + 1.25 + 7, 0.5 + 0.625 + 1 + 1.25, 0 + 1 + 1 + 2 - 1, 3, np.inf, 1]
    )


def test_device_functions_constants_and_a_kernel_named_like_libm() -> None:
    source = """
    #include <math.h>
    __constant__ float table[3] = {1.f, 2.f, 4.f};
    static __device__ __forceinline__ float twice(float v) { return 2 * v; }
    extern "C" {
    __global__ void sin(const float* x, float* y) {
      y[threadIdx.x] = twice(sinf(x[threadIdx.x])) + sin(0.5f) * table[2];
    }
    }"""
    x = random(32)
    got = first(execute(source, ("x", x), out("y", 32), entry="sin"))
    np.testing.assert_allclose(got, 2 * np.sin(x) + 4 * np.sin(0.5), rtol=1e-6)


def test_standard_headers_keep_working() -> None:
    source = """#include <cstdint>
    #include <limits>
    #include <type_traits>
    #include <cmath>
    template <typename T> __global__ void k(uint8_t* y, float* z) {
      static_assert(std::is_same<T, float>::value, "");
      y[threadIdx.x] = std::numeric_limits<uint8_t>::max();
      z[threadIdx.x] = std::exp(1.0f) + expf(0.0f) + exp(T(0));
    }"""
    run = execute(source, out("y", 4, "uint8"), out("z", 4), block=(4,), entry="k<float>")
    assert (first(run) == 255).all()
    np.testing.assert_allclose(first(run, "z"), np.e + 2, rtol=1e-6)


def test_includes_count_where_the_device_text_has_blanked_them_out() -> None:
    source = """#include <type_traits>
#include <vector>
__global__ void k(float* y) { y[0] = std::is_same<float, float>::value ? FLT_MAX : 0; }"""
    params = (Tensor("y", (1,), intent="out"),)
    kernel = Kernel(source, "cuda", "k", params, Launch((1,), (1,)))
    text = "\n\n" + source.splitlines()[2]
    assert run_text(kernel, {}, text=text).arrays["y"][0] == np.finfo("float32").max


def test_hip_includes_names_and_vector_arithmetic() -> None:
    source = """#include "hip/hip_runtime.h"
    __global__ void k(const float* x, float* y) {
      HIP_DYNAMIC_SHARED(float, s)
      int i = hipBlockIdx_x * hipBlockDim_x + hipThreadIdx_x;
      float4 v = ((const float4*)x)[i];
      v += v * make_float4(1, 2, 3, 4);
      s[hipThreadIdx_x] = v.x + v.y + v.z + v.w;
      __syncthreads();
      y[i] = s[hipThreadIdx_x];
    }"""
    x = random(64, 4)
    run = execute(source, ("x", x), out("y", 64), block=(64,), shared=256, dialect="hip")
    np.testing.assert_allclose(first(run), (x * [2, 3, 4, 5]).sum(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_cooperative_groups(dialect: str) -> None:
    source = """#include <cooperative_groups.h>
    #include <cooperative_groups/reduce.h>
    namespace cg = cooperative_groups;
    __global__ void k(const float* x, float* y) {
      __shared__ float s[8];
      cg::thread_block block = cg::this_thread_block();
      cg::thread_block_tile<16> tile = cg::tiled_partition<16>(block);
      float v = x[block.thread_rank()];
      float sum = cg::reduce(tile, v, cg::plus<float>());
      for (int d = tile.size() / 2; d > 0; d /= 2) v = fmaxf(v, tile.shfl_down(v, d));
      if (tile.thread_rank() == 0) s[tile.meta_group_rank()] = v + sum;
      block.sync();
      if (threadIdx.x < 8) y[threadIdx.x] = s[7 - threadIdx.x];
    }"""
    x = random(8, 16)
    got = first(execute(source, ("x", x), out("y", 8), block=(128,), dialect=dialect))  # type: ignore[arg-type]
    np.testing.assert_allclose(got[::-1], x.sum(1) + x.max(1), rtol=1e-5, atol=1e-6)


def test_outputs_start_unwritten_and_inputs_stay() -> None:
    source = """
    __global__ void k(float* y, int* z) {
      if (threadIdx.x) { y[threadIdx.x] = 1; z[threadIdx.x] = 1; }
    }"""
    run = execute(source, out("y", 4), out("z", 4, "int32"), block=(4,))
    for name in ("y", "z"):
        np.testing.assert_array_equal(is_unwritten(run.arrays[name]), [1, 0, 0, 0])


@pytest.mark.parametrize(("dialect", "count"), [("cuda", 12289), ("hip", 16385)])
def test_static_shared_memory_has_a_limit(dialect: str, count: int) -> None:
    source = """
    __global__ void k(float* y) {
      __shared__ float s[%d];
      s[threadIdx.x] = 1;
      __syncthreads();
      y[threadIdx.x] = s[31 - threadIdx.x];
    }"""
    assert (first(execute(source % (count - 1), out("y", 32), dialect=dialect)) == 1).all()  # type: ignore[arg-type]
    with pytest.raises(ReadError) as caught:
        execute(source % count, out("y", 32), dialect=dialect)  # type: ignore[arg-type]
    assert caught.value.code == "XP1011"


def test_arguments_that_do_not_fit() -> None:
    source = "__global__ void k(float* y, int n) { y[0] = n; }"
    for params in ((out("y", 1),), (number("n", 1), out("y", 1))):
        with pytest.raises(CheckError) as caught:
            execute(source, *params)
        assert caught.value.code == "XP5007"


def test_wave_barriers_order_a_wave() -> None:
    """96 threads are a wave and a half; half of each is active in the second part."""
    source = """
    __global__ void k(const float* x, float* y) {
      volatile __shared__ float s[96];
      int t = threadIdx.x;
      s[t] = x[t];
      __builtin_amdgcn_wave_barrier();
      float left = s[t ^ 1];
      __builtin_amdgcn_wave_barrier();
      if (t % 2 == 0) {
        s[t] = left;
        __builtin_amdgcn_wave_barrier();
        left += s[t ^ 2];
      }
      y[t] = left;
    }"""
    x = random(96)
    got = first(execute(source, ("x", x), out("y", 96), block=(96,), dialect="hip"))
    lanes = np.arange(96)
    swapped = x[lanes ^ 1]
    np.testing.assert_array_equal(
        got, np.where(lanes % 2 == 0, swapped + swapped[lanes ^ 2], swapped)
    )
