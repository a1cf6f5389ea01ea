"""CUDA C++: the body of the kernel as TVM prints it, with the source's name and parameters.

TVM's text opens with a page of helpers for every type that it knows and renames and reorders the
parameters. Here the parameters get their names back in TIR, before TVM prints; of the text the body
is kept, and around it go the head and the launcher that HIP files have too.
"""

from __future__ import annotations

import functools
import re
from dataclasses import replace

import tvm
import tvm_ffi
from tvm import tirx
from tvm.target import Target

from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel, Launch
from xpiler_tvm.tir import UNSOUND_PASSES

from .c_family import C_TYPES, banner, entry_name, signature
from .hip import HIP, launcher_text
from .lower import device_function

CUDA = replace(HIP, name="CUDA", types={**C_TYPES, "float16": "half", "bfloat16": "nv_bfloat16"})

_SHORT_TYPES = {"uint": "unsigned int", "uchar": "unsigned char", "ushort": "unsigned short"}
"""Type names that TVM prints and no CUDA header defines everywhere."""

_HEADERS = {
    "half": "cuda_fp16.h",
    "nv_bfloat16": "cuda_bf16.h",
    "__nv_fp8": "cuda_fp8.h",
}

_CONSTANTS = {
    "CUDART_INF_F": "__int_as_float(0x7f800000)",
    "CUDART_NAN_F": "__int_as_float(0x7fffffff)",
    "CUDART_INF": "__longlong_as_double(0x7ff0000000000000LL)",
    "CUDART_NAN": "__longlong_as_double(0x7fffffffffffffffLL)",
}
"""Constants of `math_constants.h` that TVM uses, without that header."""

_HALF_HELPERS = {
    "max": "half max(half a, half b) { return __hgt(a, b) ? a : b; }",
    "min": "half min(half a, half b) { return __hlt(a, b) ? a : b; }",
    **{
        name: f"half {name}(half x) {{ return __float2half({single}(__half2float(x))); }}"
        for name, single in {"htan": "tanf", "hatan": "atanf", "herf": "erff"}.items()
    },
    "hpow": "half hpow(half x, half y) "
    "{ return __float2half(powf(__half2float(x), __half2float(y))); }",
}
"""Functions on `half` that TVM calls and CUDA does not have."""


@functools.cache
def cuda_target(arch: str = "sm_80") -> Target:
    """The TVM target for GPUs of an architecture; the host side is of no interest."""
    return Target({"kind": "cuda", "arch": arch, "max_num_threads": 1024}, host="llvm")


def emit_cuda(
    scheduled_mod: tvm.IRModule, kernel: Kernel, arch: str = "sm_80"
) -> tuple[str, Kernel]:
    """The text of a CUDA file, and the kernel in it.

    Parameters
    ----------
    scheduled_mod : a module whose `main` has its loops bound to blocks and threads; its parameters
        are named as the kernel's.
    kernel : the resolved source kernel. The emitted one has the same parameters in the same order,
        also those that the scheduled program no longer reads.
    arch : the compute capability that TVM may count on.

    Raises
    ------
    EmitError XP4001 : the schedule makes several kernels or leaves work outside of them.
    """
    # The common lowering says in one sentence what is wrong where this is not one kernel.
    function = device_function(scheduled_mod, cuda_target(arch))
    launch = Launch(grid=function.grid, block=function.block)
    name = entry_name(kernel)
    body = _body(scheduled_mod, kernel, name, arch)
    head = (
        f'extern "C" __global__ void __launch_bounds__({_count(launch.block)})\n'
        f"{name}({signature(kernel, CUDA)}) {body}\n"
    )
    launcher = launcher_text(name, kernel, launch, CUDA, prefix="cuda")
    parts = [
        banner(
            kernel,
            f"CUDA for {arch} and later",
            f"grid {launch.grid}, block {launch.block}",
            scheduled_mod,
        ),
        _preamble(head),
        head,
        launcher,
    ]
    text = "\n".join(parts)
    emitted = Kernel(text, "cuda", name, kernel.params, launch, filename=f"{name}.cu")
    return text, emitted


def _count(extents: tuple[int, ...]) -> int:
    return functools.reduce(lambda product, extent: product * extent, extents, 1)


def _body(mod: tvm.IRModule, kernel: Kernel, name: str, arch: str) -> str:
    """The kernel's braces and what is between them, as TVM prints it."""
    target = cuda_target(arch)
    lower, _, finish = tirx.get_tir_pipeline("s_tir")
    source = mod["main"].without_attr("target")
    mod = tirx.transform.BindTarget(target)(tvm.IRModule({"main": source}))
    # A C++ compiler removes common subexpressions and unrolls; the text stays short without.
    config = {"tirx.disable_cse_tir": True, "tirx.UnrollLoop": {"explicit_unroll": False}}
    with tvm.transform.PassContext(config=config, disabled_pass=list(UNSOUND_PASSES)):
        lowered = lower(mod)
    device = {
        var: func
        for var, func in lowered.functions.items()
        if func.attrs["target"].kind.name == "cuda"
    }
    if len(device) != 1:
        raise EmitError("XP4001", f"the schedule makes {len(device)} kernels instead of one")
    (func,) = device.values()
    named = tvm.IRModule({name: _with_source_names(func, kernel)})
    text = str(tvm.get_global_func("target.build.cuda")(finish()(named), target).inspect_source())
    definition = text.rindex('extern "C" __global__')
    return text[text.index("{", definition) :].rstrip()


def _with_source_names(func: tirx.PrimFunc, kernel: Kernel) -> tirx.PrimFunc:
    """The device function with its parameters named as the source's.

    The pipeline turns a buffer `x` into a pointer `x_ptr` and leaves scalars as they are.
    """
    known = {param.name for param in kernel.params or ()}
    renamed: list[tuple[tvm.ir.Var, tvm.ir.Var]] = []
    for param in func.params:
        name = str(param.name)
        if name not in known:
            name = name.removesuffix("_ptr")
        if name not in known:
            raise EmitError("XP4001", f"the schedule reads {name!r}, which is no parameter")
        renamed.append((param, tirx.Var(name, param.ty)))

    def new(var: tvm.ir.Var) -> tvm.ir.Var:
        return next((fresh for old, fresh in renamed if old.same_as(var)), var)

    body = tvm_ffi.structural_map(func.body, (tirx.Var, new))
    return tirx.PrimFunc([fresh for _, fresh in renamed], body, func.ret_type, func.attrs)


def _preamble(code: str) -> str:
    """Includes, type names and functions that the code needs, and no others."""
    lines = [f"#include <{header}>" for word, header in _HEADERS.items() if _uses(code, word)]
    if re.search(r"\bu?int\d+_t\b", code):
        lines.append("#include <cstdint>")
    lines += [f"typedef {long} {name};" for name, long in _SHORT_TYPES.items() if _uses(code, name)]
    lines += [
        f"#ifndef {name}\n#define {name} {value}\n#endif"
        for name, value in _CONSTANTS.items()
        if re.search(rf"\b{name}\b", code)
    ]
    if _uses(code, "half"):
        lines += [
            f"static __device__ inline {text}"
            for name, text in _HALF_HELPERS.items()
            if re.search(rf"\b{name}\(", code)
        ]
    return "".join(f"{line}\n" for line in ["#include <cuda_runtime.h>", *lines])


def _uses(code: str, word: str) -> bool:
    return re.search(rf"\b{word}", code) is not None
