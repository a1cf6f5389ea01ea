"""The headers of CUDA and HIP: for every compiler, without a library, and only as needed."""

from __future__ import annotations

import re

import pytest

from xpiler_tvm.dialects.simt import GPUS
from xpiler_tvm.emulation import simt
from xpiler_tvm.emulation.compiler import HERE
from xpiler_tvm.emulation.source import math_functions

cindex = pytest.importorskip("clang.cindex")

SMALL = "__global__ void k(const float* x, float* y) { y[threadIdx.x] = 2 * x[threadIdx.x]; }"
# Pasted words may be any, so all headers and all functions of the tables are there.
EVERYTHING = "#define PASTE(a, b) a##b\n" + SMALL


def errors_of(text: str, arch: str, *flags: str) -> list[str]:
    """What clang says of `text` and the headers, with no header of any library to be found."""
    parts = ['#include "runtime.h"', "namespace xp { namespace {", math_functions()]
    parts += [simt.prelude(text, GPUS[arch]), text, "} }"]
    unit = cindex.TranslationUnit.from_source(
        "kernel.cc",
        ["-x", "c++", "-std=c++17", "-nostdinc", f"-I{HERE}", *flags],
        unsaved_files=[("kernel.cc", "\n".join(parts))],
    )
    return [
        f"{one.location.file}:{one.location.line}: {one.spelling}"
        for one in unit.diagnostics
        if one.severity >= cindex.Diagnostic.Error
    ]


@pytest.mark.parametrize("flags", [(), ("-DXP_CHECKED",), ("-DXP_FRAGMENT_ORDER=1",)], ids=str)
@pytest.mark.parametrize("arch", ["sm_70", "sm_90", "gfx90a", "gfx942", "gfx1100"])
def test_clang_takes_everything(arch: str, flags: tuple[str, ...]) -> None:
    assert errors_of(EVERYTHING, arch, *flags) == []


FEATURES = {
    "sm_90": """
    namespace cg = cooperative_groups;
    using namespace nvcuda;
    template <int N> __device__ __forceinline__ float scaled(float v) { return N * v; }
    __constant__ float table[2] = {1.f, 2.f};
    __device__ int counter;
    __global__ void k(const half* a, float* y, int* z) {
      __shared__ __align__(16) float s[256];
      extern __shared__ half dynamic[];
      auto tile = cg::tiled_partition<16>(cg::this_thread_block());
      s[threadIdx.x] = cg::reduce(tile, scaled<2>(table[1]), cg::plus<float>());
      __syncthreads();
      wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> fa;
      wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::col_major> fb;
      wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
      wmma::fill_fragment(fc, 0.f);
      wmma::load_matrix_sync(fa, a, 16);
      wmma::load_matrix_sync(fb, a, 16);
      wmma::mma_sync(fc, fa, fb, fc);
      wmma::store_matrix_sync(s, fc, 16, wmma::mem_row_major);
      half2 h = __hfma2(__float2half2_rn(1.f), __halves2half2(a[0], a[1]), __float2half2_rn(2.f));
      atomicAdd(&counter, __popc(__ballot_sync(~0u, __hgt(h.x, h.y))));
      y[0] = __fadd_rz(s[0], __shfl_xor_sync(~0u, s[1], 1)) + normcdff(s[2]) + __half2float(h.x);
      z[0] = __vadd4(z[1], z[2]) + __dp4a(z[3], z[4], z[5]);
      const auto twice = [](auto v) { return v + v; };
      y[1] = twice(__ldg(y + 2));
    }""".replace("extern __shared__ half dynamic[];", ""),
    "gfx90a": """
    typedef float acc __attribute__((ext_vector_type(4)));
    __global__ void k(const float* a, float* y, int* z) {
      acc d = {};
      d = __builtin_amdgcn_mfma_f32_16x16x4f32(a[0], a[1], d, 0, 0, 0);
      float4 v = make_float4(d[0], d[1], d[2], d[3]) * 2.f;
      unsafeAtomicAdd(y, v.x + __shfl_down(v.y, 1));
      z[0] = __builtin_amdgcn_update_dpp(0, z[1], 0x111, 0xf, 0xf, false);
      __builtin_nontemporal_store(__builtin_nontemporal_load(a), y + 1);
      __hip_atomic_fetch_add(z, 1, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
    }""",
}


@pytest.mark.parametrize("arch", FEATURES)
def test_clang_takes_kernels_that_use_them(arch: str) -> None:
    assert errors_of(FEATURES[arch], arch) == []


@pytest.mark.parametrize("arch", ["sm_90", "gfx90a"])
def test_a_small_kernel_gets_little(arch: str) -> None:
    few, all_of_them = (simt.prelude(text, GPUS[arch]) for text in (SMALL, EVERYTHING))
    assert re.findall(r'#include "(\w+\.h)"', few) == ["cuda.h" if arch == "sm_90" else "hip.h"]
    assert few.count("\n") < 12
    assert all_of_them.count("\n") > 200


def test_functions_come_where_they_are_mentioned() -> None:
    text = "__global__ void k(half* y) { y[0] = __hadd(y[1], y[2]); }"
    made = simt.prelude(text, GPUS["sm_90"])
    assert '#include "half.h"' in made
    assert "half __hadd(half x, half y)" in made and "__hsub" not in made
    assert "mma_sync" not in made
