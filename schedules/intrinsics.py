"""Instructions that a schedule can put in place of loops.

TVM has a table of its own, but loading it takes 15 seconds, and its form of these instructions no
longer fits LLVM's signatures.
"""

from __future__ import annotations

from dataclasses import dataclass

import tvm
import tvm_ffi
from tvm import tirx
from tvm.s_tir import TensorIntrin

_DESCRIPTION = """
@T.prim_func(s_tir=True)
def description(
    A: T.Buffer(({group},), "{left}", offset_factor=1),
    B: T.Buffer(({lanes}, {group}), "{right}", offset_factor=1),
    C: T.Buffer(({lanes},), "int32", offset_factor=1, scope="local"),
):
    with T.sblock("root"):
        T.reads({reads})
        T.writes(C[0:{lanes}])
        for i, k in T.grid({lanes}, {group}):
            with T.sblock("update"):
                vi, vk = T.axis.remap("SR", [i, k])
                C[vi] = C[vi] + {product}
"""

_IMPLEMENTATION = """
@T.prim_func(s_tir=True)
def implementation(
    A: T.Buffer(({group},), "{left}", offset_factor=1),
    B: T.Buffer(({lanes}, {group}), "{right}", offset_factor=1),
    C: T.Buffer(({lanes},), "int32", offset_factor=1, scope="local"),
):
    with T.sblock("root"):
        T.reads(C[0:{lanes}], A[0:{group}], B[0:{lanes}, 0:{group}])
        T.writes(C[0:{lanes}])
        word = T.reinterpret(A.vload([0], "{left}x{group}"), dtype="int32")
        row = T.reinterpret(T.broadcast(word, {lanes}), dtype="{left}x{width}")
        columns = B.vload([0, 0], dtype="{right}x{width}")
        C[T.ramp(T.int32(0), 1, {lanes})] = T.call_llvm_pure_intrin(
            T.llvm_lookup_intrinsic_id("{instruction}"),
            C.vload([0], dtype="int32x{lanes}"),
            {operands},
            dtype="int32x{lanes}",
        )
"""


@dataclass(frozen=True)
class DotProduct:
    """`C[lanes] += A[group] * B[lanes, group]` of AVX512-VNNI, exact in int32.

    `left` is the type of A and `right` that of B. `swapped` says that the instruction takes B's
    type first: of its two factors the first is unsigned.
    """

    instruction: str
    left: str
    right: str
    group: int
    lanes: int = 16
    swapped: bool = False

    def register(self, right_first: bool = False) -> str:
        """The name under which a schedule may tensorize with it.

        `right_first` is for programs that write the factor of B before that of A.
        """
        name = f"xpiler_{self.left}_{self.right}_{self.lanes}x{self.group}"
        factors = ['T.cast(A[vk], "int32")', 'T.cast(B[vi, vk], "int32")']
        read = [f"A[0:{self.group}]", f"B[0:{self.lanes}, 0:{self.group}]"]
        if right_first:
            name, factors, read = f"{name}_right_first", factors[::-1], read[::-1]
        facts = {
            "reads": ", ".join([f"C[0:{self.lanes}]", *read]),
            "group": self.group,
            "lanes": self.lanes,
            "left": self.left,
            "right": self.right,
            "width": self.lanes * self.group,
            "instruction": self.instruction,
            "operands": "columns, row" if self.swapped else "row, columns",
            "product": " * ".join(factors),
        }
        texts = (text.format(**facts) for text in (_DESCRIPTION, _IMPLEMENTATION))
        TensorIntrin.register(name, *map(tvm.script.from_source, texts), override=True)
        return name


_BYTES, _WORDS = "llvm.x86.avx512.vpdpbusd.512", "llvm.x86.avx512.vpdpwssd.512"

DOT_PRODUCTS: dict[tuple[str, str], DotProduct] = {
    (each.left, each.right): each
    for each in (
        DotProduct(_BYTES, "uint8", "int8", 4),
        DotProduct(_BYTES, "int8", "uint8", 4, swapped=True),
        DotProduct(_WORDS, "int16", "int16", 2),
    )
}
"""By the types of A and B."""


def portable(mod: tvm.IRModule) -> tvm.IRModule:
    """The program with each instruction written as what it computes, for any processor.

        vpdpbusd(c, a, b)   ->   c + i32(a[0::4]) * i32(b[0::4]) + ... + i32(a[3::4]) * i32(b[3::4])

    with `c` of 16 lanes, `a` of 64 unsigned and `b` of 64 signed bytes; vpdpwssd is the same of
    pairs of words. LLVM ends the process on an instruction that its target lacks.
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
    name = tvm.target.codegen.llvm_get_intrinsic_name(int(number))
    dot = next((each for each in DOT_PRODUCTS.values() if each.instruction == name), None)
    if dot is None:
        return call
    total, left, right = operands
    for place in range(dot.group):
        lanes = [dot.group * lane + place for lane in range(dot.lanes)]
        factors = [
            tirx.Cast(f"int32x{dot.lanes}", tirx.Shuffle([operand], lanes))
            for operand in (left, right)
        ]
        total += factors[0] * factors[1]
    return total
