"""TVM's own passes for CPUs, but for one: small arrays are on the stack.

    acc = T.alloc_buffer((8, 32))   ->   alloca, not TVMBackendAllocWorkspace(1024 bytes)

TVM asks its runtime for every array of more than one element, each time that its scope is entered:
for the results of a tile, for the partial sums of a row. What is on the stack costs nothing, and
LLVM keeps it in registers where it can.
"""

from __future__ import annotations

import math
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir

PIPELINE = "xpiler.cpu"
"""The name under which `tvm.compile` finds these passes."""
STACK_BYTES = 16 << 10
"""The largest array that goes to the stack."""


@tirx.transform.prim_func_pass(opt_level=0)
def small_arrays_on_the_stack(
    func: tirx.PrimFunc, _mod: tvm.IRModule, _ctx: tvm.transform.PassContext
) -> tirx.PrimFunc:
    """Mark what TVM's lowering of allocations is to leave to LLVM."""
    body = tvm_ffi.structural_map(func.body, (tirx.AllocBuffer, _marked))
    return tirx.PrimFunc(list(func.params), body, func.ret_type, func.attrs)


def _marked(allocation: tirx.AllocBuffer) -> tirx.AllocBuffer:
    buffer = allocation.buffer
    extents = [tir.as_const(extent) for extent in buffer.shape]
    known = [extent for extent in extents if extent is not None]
    dtype = tvm.DataType(str(buffer.dtype))
    size = math.prod(known) * dtype.bits * dtype.lanes // 8
    if len(known) < len(extents) or size > STACK_BYTES:
        return allocation
    return tirx.AllocBuffer(buffer, {"disable_lower_builtin": tirx.const(True, "bool")})


def _pipeline() -> tuple[Any, Any, Any]:
    passes, finalize_host, finalize_device = tirx.get_tir_pipeline("s_tir")

    def finalize() -> tvm.transform.Pass:
        return tvm.transform.Sequential([small_arrays_on_the_stack, finalize_host()])

    return passes, finalize, finalize_device


tirx.compilation_pipeline.register_tir_pipeline(PIPELINE, _pipeline)
