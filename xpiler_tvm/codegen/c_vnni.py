"""C with AVX-512 intrinsics for CPUs with VNNI: the text beside what LLVM makes of a schedule.

    for v in T.vectorized(32): C[i * 32 + v] += a[k] * B[k * 32 + v]

    ->  _mm512_storeu_ps(&C[i * 32], _mm512_fmadd_ps(_mm512_set1_ps(a[k]), ...));
        _mm512_storeu_ps(&C[i * 32 + 16], ...);

Loops that a schedule vectorised become intrinsics register by register, through TVM's own
VectorizeLoop; instructions that it tensorised become theirs. What has no intrinsic here stays a
loop, with `#pragma omp simd` where the schedule or the loop itself says that its steps are
independent. The file is C and C++ alike; `-fopenmp` is needed for threads alone.
"""

from __future__ import annotations

import re
from collections.abc import Set

import tvm
import tvm_ffi
from tvm import tirx
from tvm.target import Target

from xpiler_tvm.dialects.math import BY_C_NAME
from xpiler_tvm.kernel import Kernel

from .c_family import (
    BUILTINS,
    C_TYPES,
    UNARY,
    Text,
    banner,
    dtype_of,
    entry_name,
    signature,
)
from .lower import DeviceFunction, merge_guards, pipeline
from .registers import RegisterDialect, VectorPrinter

HEAP_BYTES = 256 * 1024
"""Arrays of at least so many bytes go to the heap, smaller ones to the stack."""

ALIGNMENT = 64

C_VNNI = RegisterDialect(
    name="C",
    types={**C_TYPES, "float16": "_Float16"},
    scopes={"local": "", "global": ""},
    functions=BUILTINS,
    bits="{to} bits; memcpy(&bits, &value, sizeof(bits)); return bits;",
    helper="static inline",
    restrict="__restrict__",
    registers=frozenset({"local", "global"}),
    unroll="",
)

_EXTREMA = {"Min": "<", "Max": ">"}


class CpuPrinter(VectorPrinter):
    """Prints a function for a CPU: threads and vectors as the schedule has them."""

    def __init__(self, function: DeviceFunction, kernel: Kernel) -> None:
        super().__init__(C_VNNI, function, kernel)
        self.heap: list[list[str]] = []

    # --- memory -----------------------------------------------------------------------------

    def stmt_SeqStmt(self, node: tirx.SeqStmt) -> None:
        self.heap.append([])
        super().stmt_SeqStmt(node)
        for name in reversed(self.heap.pop()):
            self.line(f"free({name});")

    def array(self, buffer: tirx.Buffer, name: str, size: int) -> str:
        ctype = self.dialect.type(str(buffer.dtype))
        used = size * tvm.DataType(str(buffer.dtype)).bits // 8
        if used < HEAP_BYTES:
            return f"{ctype} {name}[{size}] __attribute__((aligned({ALIGNMENT})));"
        if not self.heap:
            self.refuse(buffer, f"nothing follows the declaration of {name!r}")
        self.heap[-1].append(name)
        whole = -(-used // ALIGNMENT) * ALIGNMENT
        return f"{ctype}* {name} = ({ctype}*)aligned_alloc({ALIGNMENT}, {whole});"

    # --- loops ------------------------------------------------------------------------------

    def stmt_For(self, node: tirx.For) -> None:
        if node.kind == tirx.ForKind.VECTORIZED and self.vectorised(node):
            return
        if node.kind == tirx.ForKind.PARALLEL:
            self.line("#pragma omp parallel for")
        elif node.kind == tirx.ForKind.UNROLLED:
            if isinstance(node.extent, tirx.IntImm) and int(node.extent) > 1:
                self.line(f"#pragma GCC unroll {node.extent}")
        elif node.kind == tirx.ForKind.VECTORIZED or _independent(node):
            self.line("#pragma omp simd")
        super().stmt_For(node)

    def stmt_AttrStmt(self, node: tirx.AttrStmt) -> None:
        self.stmt(node.body)

    # --- expressions ------------------------------------------------------------------------

    def extremum(self, node: tvm.ir.Expr, sign: str, function: str) -> Text:
        """Of floats through a function that compilers turn into one instruction."""
        dtype = dtype_of(node)
        if not dtype.startswith("float"):
            return super().extremum(node, sign, function)
        kind = "max" if _EXTREMA[type(node).__name__] == ">" else "min"
        name, ctype = f"{kind}_{dtype}", self.dialect.type(dtype)
        self.helpers[name] = (
            f"static inline {ctype} {name}({ctype} a, {ctype} b) {{\n"
            f"  return a {sign} b ? a : b;\n"
            "}\n"
        )
        return self.call(name, node.a, node.b)

    def call_rsqrt(self, node: tvm.ir.Call) -> Text:
        one = tirx.FloatImm(dtype_of(node), 1.0)
        return self.expr(one / tirx.sqrt(node.args[0]))

    def call_reinterpret(self, node: tvm.ir.Call) -> Text:
        """The bits of a number, or of neighbours in memory, as another type."""
        source = node.args[0]
        if isinstance(source, tvm.ir.TensorLoad):
            ctype = self.dialect.type(dtype_of(node))
            address = self.address(source.source, source.indices)
            return Text(f"*(const {ctype}*){address}", UNARY)
        return super().call_reinterpret(node)


def emit_c(scheduled_mod: tvm.IRModule, kernel: Kernel, target: Target) -> tuple[str, Kernel]:
    """The text of a C file, and the kernel in it.

    Parameters
    ----------
    scheduled_mod : a module whose `main` is scheduled for a CPU; its parameters are named as the
        kernel's.
    kernel : the resolved source kernel; the emitted one has the same parameters in their order.
    target : what the module is lowered for.

    Raises
    ------
    EmitError XP4001 : a construct has no form in C, such as bfloat16.
    """
    main = scheduled_mod["main"].without_attr("target")
    func = pipeline(target)(tvm.IRModule({"main": main}))["main"]
    function = DeviceFunction(tuple(func.params), merge_guards(func.body))
    printer = CpuPrinter(function, kernel)
    body = printer.body()
    name = entry_name(kernel)
    code = "\n".join([f"void {name}({signature(kernel, C_VNNI)}) {{", *body, "}", ""])
    helpers = list(printer.helpers.values())
    parts = [
        banner(kernel, "C with AVX-512 VNNI", "one call", scheduled_mod),
        _includes("\n".join([*helpers, code]), printer.called),
        *helpers,
        code,
    ]
    text = "\n".join(part for part in parts if part)
    return text, Kernel(text, "vnni", name, kernel.params, filename=f"{name}.c")


def _includes(code: str, called: Set[str]) -> str:
    """Headers that the code needs, and no others."""
    wanted = {
        "<immintrin.h>": "_mm" in code,
        "<math.h>": bool(called & {*BY_C_NAME, "isnan"}) or "INFINITY" in code or "NAN" in code,
        "<stdbool.h>": re.search(r"\bbool\b", code),
        "<stdint.h>": re.search(r"\bu?int\d+_t\b", code),
        "<stdlib.h>": "aligned_alloc" in code,
        "<string.h>": "memcpy(" in code,
    }
    return "".join(f"#include {header}\n" for header, needed in wanted.items() if needed)


def _independent(loop: tirx.For) -> bool:
    """Whether the steps of an innermost loop surely do not depend on each other.

    Each stores to one element of its own, and reads no other element of what is stored to.
    """
    stores: list[tirx.BufferStore] = []
    loads: list[tvm.ir.TensorLoad] = []
    others: list[object] = []
    tvm_ffi.structural_walk(
        loop.body,
        [
            (tirx.BufferStore, stores.append),
            (tvm.ir.TensorLoad, loads.append),
            ((tirx.For, tirx.While, tirx.Evaluate, tirx.AllocBuffer), others.append),
        ],
    )
    if others or not stores or any(len(store.indices) != 1 for store in stores):
        return False
    written = {store.buffer: store.indices[0] for store in stores}
    analyzer = tvm.sym.Analyzer()
    for store in stores:
        index = store.indices[0]
        if dtype_of(index) != dtype_of(loop.loop_var):
            return False
        step = analyzer.simplify(_at(index, loop.loop_var, 1) - _at(index, loop.loop_var, 0))
        again = analyzer.simplify(index - _at(index, loop.loop_var, 0) - step * loop.loop_var)
        linear = isinstance(again, tirx.IntImm) and int(again) == 0
        if not linear or not isinstance(step, tirx.IntImm) or int(step) == 0:
            return False
        if not tvm_ffi.structural_equal(index, written[store.buffer]):
            return False
    return all(
        tvm_ffi.structural_equal(load.indices[0], written[load.source])
        for load in loads
        if load.source in written
    )


def _at(index: tvm.ir.Expr, var: tirx.Var, value: int) -> tvm.ir.Expr:
    fixed = tirx.IntImm(dtype_of(var), value)
    return tvm_ffi.structural_map(index, (tirx.Var, lambda v: fixed if v.same_as(var) else v))
