"""Instructions that a schedule can put in place of loops.

TVM has a table of its own, but loading it takes 15 seconds, and its form of this instruction no
longer fits LLVM's signature.
"""

from __future__ import annotations

import functools

import tvm
import tvm_ffi
from tvm import tirx
from tvm.s_tir import TensorIntrin

VPDPBUSD = "llvm.x86.avx512.vpdpbusd.512"

_DOT_PRODUCT = """
@T.prim_func(s_tir=True)
def description(
    A: T.Buffer((4,), "uint8", offset_factor=1),
    B: T.Buffer((16, 4), "int8", offset_factor=1),
    C: T.Buffer((16,), "int32", offset_factor=1, scope="local"),
):
    with T.sblock("root"):
        T.reads(C[0:16], A[0:4], B[0:16, 0:4])
        T.writes(C[0:16])
        for i, k in T.grid(16, 4):
            with T.sblock("update"):
                vi, vk = T.axis.remap("SR", [i, k])
                C[vi] = C[vi] + T.cast(A[vk], "int32") * T.cast(B[vi, vk], "int32")
"""

_VPDPBUSD = f"""
@T.prim_func(s_tir=True)
def implementation(
    A: T.Buffer((4,), "uint8", offset_factor=1),
    B: T.Buffer((16, 4), "int8", offset_factor=1),
    C: T.Buffer((16,), "int32", offset_factor=1, scope="local"),
):
    with T.sblock("root"):
        T.reads(C[0:16], A[0:4], B[0:16, 0:4])
        T.writes(C[0:16])
        four = T.reinterpret(A.vload([0], "uint8x4"), dtype="int32")
        C[T.ramp(T.int32(0), 1, 16)] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("{VPDPBUSD}"),
            C.vload([0], dtype="int32x16"),
            T.reinterpret(T.broadcast(four, 16), dtype="uint8x64"),
            B.vload([0, 0], dtype="int8x64"),
            dtype="int32x16",
        )
"""


@functools.cache
def dot_product_u8_i8() -> str:
    """The name of `C[16] += A[4] * B[16, 4]`, uint8 by int8, as one `vpdpbusd`."""
    name = "xpiler_vpdpbusd_16x4"
    TensorIntrin.register(
        name,
        tvm.script.from_source(_DOT_PRODUCT),
        tvm.script.from_source(_VPDPBUSD),
        override=True,
    )
    return name


def portable(mod: tvm.IRModule) -> tvm.IRModule:
    """The program with each instruction written as what it computes, for any processor.

        vpdpbusd(c, a, b)   ->   c + i32(a[0::4]) * i32(b[0::4]) + ... + i32(a[3::4]) * i32(b[3::4])

    with `c` of 16 lanes, `a` of 64 unsigned and `b` of 64 signed bytes. LLVM ends the process on an
    instruction that its target lacks.
    """
    functions = {
        var: tvm_ffi.structural_map(func, (tvm.ir.Call, _meaning), order="post")
        if isinstance(func, tirx.PrimFunc)
        else func
        for var, func in mod.functions.items()
    }
    return tvm.IRModule(functions, attrs=mod.attrs)


def _meaning(call: tvm.ir.Call) -> tvm.ir.Expr:
    if getattr(call.op, "name", "") != "tirx.call_llvm_pure_intrin":
        return call
    number, *operands = call.args
    if tvm.target.codegen.llvm_get_intrinsic_name(int(number)) != VPDPBUSD:
        return call
    total, left, right = operands
    for place in range(4):
        lanes = [4 * lane + place for lane in range(16)]
        factors = [
            tirx.Cast("int32x16", tirx.Shuffle([operand], lanes)) for operand in (left, right)
        ]
        total += factors[0] * factors[1]
    return total
