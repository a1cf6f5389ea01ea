"""HIP C++ for AMD GPUs: a kernel and a host function that launches it, in one file."""

from __future__ import annotations

import functools

import tvm
from tvm.target import Target

from xpiler_tvm.dialects.simt import DEFAULT_GPUS, GPUS
from xpiler_tvm.kernel import Kernel

from .c_family import C_TYPES, CDialect
from .fragments import MfmaForm
from .reductions import Shuffles
from .simt import INDEX_NAMES, RESERVED, SimtLanguage, emit_simt

DEFAULT_ARCH = DEFAULT_GPUS["hip"]

HIP = CDialect(
    name="HIP",
    types={**C_TYPES, "float16": "_Float16", "bfloat16": "__hip_bfloat16"},
    indices={tag: tag for tag in INDEX_NAMES},
    index_names=INDEX_NAMES,
    scopes={"local": "", "shared": "__shared__ ", "shared.dyn": "__shared__ "},
    barriers={
        "shared": "__syncthreads();",
        "shared.dyn": "__syncthreads();",
        # The lanes of a wave run in lockstep; only the compiler must not move memory accesses.
        "warp": "__builtin_amdgcn_wave_barrier();",
    },
    functions={
        "tvm_warp_shuffle": "__shfl",
        "tvm_warp_shuffle_up": "__shfl_up",
        "tvm_warp_shuffle_down": "__shfl_down",
        "tvm_warp_shuffle_xor": "__shfl_xor",
        "popcount": "__popc",
        "popcount64": "__popcll",
        "clz": "__clz",
        "clz64": "__clzll",
    },
    reinterpret={
        ("float32", "int32"): "__float_as_int",
        ("int32", "float32"): "__int_as_float",
        ("float32", "uint32"): "__float_as_uint",
        ("uint32", "float32"): "__uint_as_float",
        ("float64", "int64"): "__double_as_longlong",
        ("int64", "float64"): "__longlong_as_double",
    },
    helper="static __device__ inline",
    restrict="__restrict__",
    reserved=RESERVED,
)


@functools.cache
def hip_language(arch: str = DEFAULT_ARCH) -> SimtLanguage:
    """HIP for an architecture, whose waves have 64 lanes (CDNA) or 32 (RDNA)."""
    return SimtLanguage(
        HIP,
        "hip",
        "hip/hip_runtime.h",
        Shuffles(GPUS[arch].warp, "__shfl_xor({value}, {distance}, {width})"),
        {"bfloat16": "hip/hip_bf16.h"},
        fragments=MfmaForm(arch),
    )


@functools.cache
def hip_target(arch: str = DEFAULT_ARCH) -> Target:
    """The TVM target that scheduled modules are lowered for: lanes of a wave, 64 KB of LDS.

    Of kind `cuda` on purpose. The passes that lower reductions across threads know only one kind
    that combines waves through shuffles *and* shared memory; what makes it HIP is the width.
    """
    return Target(
        {
            "kind": "cuda",
            "arch": "sm_80",
            "max_num_threads": 1024,
            "max_threads_per_block": 1024,
            "max_shared_memory_per_block": 65536,
            "thread_warp_size": GPUS[arch].warp,
        },
        host="llvm",
    )


def emit_hip(
    scheduled_mod: tvm.IRModule, kernel: Kernel, arch: str = DEFAULT_ARCH
) -> tuple[str, Kernel]:
    """The text of a HIP file, and the kernel in it. Raises what `emit_simt` raises."""
    title = f"HIP for {arch}"
    return emit_simt(hip_language(arch), scheduled_mod, kernel, hip_target(arch), title)
