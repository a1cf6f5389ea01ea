"""HIP C++ for AMD GPUs: a kernel and a host function that launches it, in one file."""

from __future__ import annotations

import functools

import tvm
from tvm.target import Target

from xpiler_tvm.kernel import Kernel, Launch

from .c_family import (
    C_TYPES,
    INDENT,
    CDialect,
    CPrinter,
    arguments,
    banner,
    entry_name,
    signature,
)
from .lower import DeviceFunction, device_function

WAVE = 64
"""Threads that run in lockstep on CDNA GPUs."""

_INDEX_NAMES = {
    "blockIdx.x": "bx",
    "blockIdx.y": "by",
    "blockIdx.z": "bz",
    "threadIdx.x": "tx",
    "threadIdx.y": "ty",
    "threadIdx.z": "tz",
}

HIP = CDialect(
    name="HIP",
    types={**C_TYPES, "float16": "_Float16", "bfloat16": "__hip_bfloat16"},
    indices={tag: tag for tag in _INDEX_NAMES},
    index_names=_INDEX_NAMES,
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
        "clz": "__clz",
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
    reserved=frozenset({"warpSize", "blockIdx", "threadIdx", "blockDim", "gridDim", "stream"}),
)


@functools.cache
def hip_target() -> Target:
    """The TVM target that scheduled modules are lowered for: 64 lanes a wave, 64 KB of LDS.

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
            "thread_warp_size": WAVE,
        },
        host="llvm",
    )


def emit_hip(scheduled_mod: tvm.IRModule, kernel: Kernel) -> tuple[str, Kernel]:
    """The text of a HIP file, and the kernel in it.

    Parameters
    ----------
    scheduled_mod : a module whose `main` has its loops bound to blocks and threads; its parameters
        are named as the kernel's.
    kernel : the resolved source kernel. The emitted one has the same parameters in the same
        order, also those that the scheduled program no longer reads.

    Raises
    ------
    EmitError XP4001 : the schedule makes several kernels, or a construct has no form in HIP.
    """
    function = device_function(scheduled_mod, hip_target())
    printer = CPrinter(HIP, function, kernel)
    body = printer.body()
    name = entry_name(kernel)
    launch = Launch(grid=function.grid, block=function.block)
    half = any(param.dtype == "bfloat16" for param in kernel.params or ())
    includes = ["#include <hip/hip_runtime.h>"] + ["#include <hip/hip_bf16.h>"] * half
    parts = [
        banner(kernel, "HIP", f"grid {launch.grid}, block {launch.block}", scheduled_mod),
        "\n".join(includes) + "\n",
        *printer.helpers.values(),
        kernel_text(name, kernel, function, body, HIP),
        launcher_text(name, kernel, launch, HIP, prefix="hip"),
    ]
    text = "\n".join(parts)
    emitted = Kernel(text, "hip", name, kernel.params, launch, filename=f"{name}.hip")
    return text, emitted


def kernel_text(
    name: str, kernel: Kernel, function: DeviceFunction, body: list[str], dialect: CDialect
) -> str:
    """The definition of a `__global__` function; CUDA and HIP write it alike."""
    x, y, z = function.block
    head = f'extern "C" __global__ void __launch_bounds__({x * y * z}) {name}'
    return "\n".join([f"{head}({signature(kernel, dialect)}) {{", *body, "}", ""])


def launcher_text(
    name: str, kernel: Kernel, launch: Launch, dialect: CDialect, *, prefix: str
) -> str:
    """A host function that starts the kernel on a stream; `prefix` is `hip` or `cuda`."""
    formal = signature(kernel, dialect, restrict=False)
    grid = ", ".join(str(extent) for extent in launch.grid)
    block = ", ".join(str(extent) for extent in launch.block)
    shared = launch.shared_bytes
    return "\n".join(
        [
            f'extern "C" {prefix}Error_t launch_{name}({formal}, {prefix}Stream_t stream) {{',
            f"{INDENT}{name}<<<dim3({grid}), dim3({block}), {shared}, stream>>>"
            f"({arguments(kernel)});",
            f"{INDENT}return {prefix}GetLastError();",
            "}",
            "",
        ]
    )
