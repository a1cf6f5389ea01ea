"""CUDA C++ for NVIDIA GPUs: a kernel and a host function that launches it, in one file."""

from __future__ import annotations

import functools
from dataclasses import replace

import tvm
from tvm.target import Target

from xpiler_tvm.dialects.simt import GPUS
from xpiler_tvm.kernel import Kernel

from .c_family import C_TYPES
from .fragments import WmmaForm
from .hip import HIP
from .ptx import MmaForm
from .reductions import Shuffles
from .simt import SimtLanguage, emit_simt

WARP = 32
"""Threads that run together."""

MASK = "0xffffffffu"
"""All lanes of a warp."""

CUDA = replace(
    HIP,
    name="CUDA",
    types={**C_TYPES, "float16": "half", "bfloat16": "nv_bfloat16"},
    barriers={**HIP.barriers, "warp": "__syncwarp();"},
    functions={
        "tvm_warp_shuffle": "__shfl_sync",
        "tvm_warp_shuffle_up": "__shfl_up_sync",
        "tvm_warp_shuffle_down": "__shfl_down_sync",
        "tvm_warp_shuffle_xor": "__shfl_xor_sync",
        "popcount": "__popc",
        "popcount64": "__popcll",
        "clz": "__clz",
        "clz64": "__clzll",
    },
)

LANGUAGE = SimtLanguage(
    CUDA,
    "cuda",
    "cuda_runtime.h",
    Shuffles(WARP, f"__shfl_xor_sync({MASK}, {{value}}, {{distance}}, {{width}})"),
    {"float16": "cuda_fp16.h", "bfloat16": "cuda_bf16.h"},
    mask=MASK,
    fragments=WmmaForm(),
    resident_blocks=2,
    fragment_head="#include <mma.h>\n\nusing namespace nvcuda;\n",
)


@functools.cache
def cuda_language(arch: str = "sm_80") -> SimtLanguage:
    """CUDA for an architecture: from sm_80 on with `mma`, `ldmatrix` and `cp.async`."""
    gpu = GPUS[arch]
    if gpu.capability < 80:
        return LANGUAGE
    return replace(LANGUAGE, fragments=MmaForm(), fragment_head="", shared_bytes=gpu.shared)


@functools.cache
def cuda_target(arch: str = "sm_80") -> Target:
    """The TVM target for GPUs of an architecture; the host side is of no interest."""
    return Target({"kind": "cuda", "arch": arch, "max_num_threads": 1024}, host="llvm")


def emit_cuda(
    scheduled_mod: tvm.IRModule, kernel: Kernel, arch: str = "sm_80"
) -> tuple[str, Kernel]:
    """The text of a CUDA file, and the kernel in it. Raises what `emit_simt` raises.

    `arch` is the compute capability that the code may count on.
    """
    title = f"CUDA for {arch} and later"
    return emit_simt(cuda_language(arch), scheduled_mod, kernel, cuda_target(arch), title)
