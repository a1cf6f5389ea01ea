"""What we know of platforms, as short texts for a question: made from the tables in `dialects`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

PLATFORMS: dict[str, str] = {
    "cuda": (
        "CUDA C++ for NVIDIA GPUs. A grid of blocks of up to 1024 threads, in warps of 32; "
        "`__shared__` memory of 48 KB a block; `__syncthreads()` is reached by all threads or "
        "none. TVM binds loops to `blockIdx.x` and `threadIdx.x`; on-chip scopes are `shared` and "
        "`local`."
    ),
    "hip": (
        "HIP for AMD GPUs. A grid of blocks of up to 1024 threads, in waves of 64; LDS of 64 KB is "
        "`__shared__`. Shuffles go over the whole wave. TVM binds loops to `blockIdx.x` and "
        "`threadIdx.x`; on-chip scopes are `shared` and `local`."
    ),
    "bang": (
        "BANG C for Cambricon MLUs. A job of tasks, each on a core, told by `taskId`; a core works "
        "on vectors in NRAM and multiplies matrices with weights in WRAM; data comes by `__memcpy` "
        "from GDRAM. Operands of vector functions are whole arrays in NRAM, best of multiples of "
        "128 bytes. TVM binds tasks to `blockIdx.x`, or clusters with `threadIdx.x` for their four "
        "cores, which share `shared.sram`; a core's own scopes are `local.nram`, `local.wram`."
    ),
    "vnni": (
        "C for CPUs with AVX-512 VNNI: vectors of 16 float32 or 64 bytes, 32 registers. "
        "`vpdpbusd` adds four products of unsigned by signed bytes to each of 16 int32. "
        "TVM's loops are `parallel`, `vectorize`d or `unroll`ed; accumulators lie in `local`."
    ),
    "opencl": (
        "OpenCL C. An index space of work groups of work items; `local` memory of a group. TVM "
        "binds loops to `blockIdx.x` and `threadIdx.x`; on-chip scopes are `shared` and `local`."
    ),
}
"""Each dialect and target in a few sentences."""


@dataclass(frozen=True)
class Fact:
    """One thing to know; it is told on its platforms alone."""

    text: str
    platforms: frozenset[str]


@cache
def facts() -> tuple[Fact, ...]:
    """Everything, in a fixed order."""
    found = [
        *(
            Fact(text, frozenset(("cuda", "hip", "vnni", "bang", "opencl")))
            for text in _mathematics()
        ),
        *(Fact(text, frozenset(("bang",))) for text in _bang()),
        *(Fact(text, frozenset(("vnni",))) for text in _avx512()),
        *(Fact(text, frozenset(("cuda", "hip"))) for text in _simt()),
        *(Fact(text, frozenset(("cuda", "hip", "bang", "vnni"))) for text in _readings()),
    ]
    return tuple(dict.fromkeys(found))


def _mathematics() -> Iterator[str]:
    from xpiler_tvm.dialects.math import MATH

    for row in MATH:
        tir = f"T.{row.tir} in TensorIR" if row.tir else "no function of TensorIR"
        fast = f", fast forms {', '.join(row.fast)}" if row.fast else ""
        yield f"{row.single}: {row.name} of {row.arity} float numbers; {tir}{fast}"


def _bang() -> Iterator[str]:
    from xpiler_tvm.dialects.bang import ARCHS, DEFAULT_ARCH, DIRECTIONS
    from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE

    for row in ELEMENTWISE:
        operands = ", ".join(
            f"{name} ({kind})" for name, kind in zip("abc", row.operands, strict=False)
        )
        types = ", ".join(row.dtypes)
        yield f"{row.name}(dst, {operands}, n): dst[i] = {row.meaning} on NRAM vectors of {types}"
    arch = ARCHS[DEFAULT_ARCH]
    yield (
        f"a core has {arch.nram // 1024} KB of NRAM and {arch.wram // 1024} KB of WRAM, "
        f"a cluster {arch.sram // 1024} KB of SRAM"
    )
    yield f"__memcpy(dst, src, bytes, direction) copies; directions are {', '.join(DIRECTIONS)}"


def _avx512() -> Iterator[str]:
    from xpiler_tvm.dialects.avx512 import rows

    for name, row in sorted(rows().items()):
        # Masked and narrower forms mean the same.
        if name.startswith("_mm512_") and "mask" not in name:
            operands = ", ".join(operand.name for operand in row.operands)
            yield f"{name}({operands}): lane i is {row.meaning}"


def _simt() -> Iterator[str]:
    from xpiler_tvm.dialects.atomics import ATOMICS

    for row in ATOMICS:
        meaning = row.meaning.replace("xp_", "")
        yield f"{row.name}(address, value): {meaning}; it gives what was there before"
    yield "__shfl_down_sync(mask, v, d): lane l reads v of lane l + d, itself beyond the segment"
    yield "__shfl_xor_sync(mask, v, d): lane l reads v of lane l ^ d"
    yield "__syncthreads() in a loop: the loop must run equally often in every thread of the block"


def _readings() -> Iterator[str]:
    """How what the frontend refuses can be written instead."""
    yield "goto backwards: write `while (test) { … }` or a for loop with the same counter"
    yield "goto forwards: negate the test and put what is skipped into the branch"
    yield "a pointer to one of two arrays: load both elements, or branch, and choose the value"
    yield "a function pointer: pass a number, and branch over the functions by it"
    yield "recursion that data ends: a while loop; a local array as its stack where it needs one"
    yield "a virtual method: a plain device function of the object's class"
    yield "printf in a kernel: leave it out, no output of the kernel depends on it"
