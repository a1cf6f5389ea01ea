"""CUDA from sm_80 on: `mma`, `ldmatrix` and `cp.async` as small functions around inline assembly.

    tvm_load_matrix_sync(A, 16, 16, 16, i, &x[o], 40, "row_major")
        ->  ldmatrix_x4(A[i], &x[o + tx % 16 * 40 + tx / 16 * 8]);
    tvm_mma_sync(C, 0, A, 0, B, 0, C, 0)
        ->  for (int h = 0; h < 2; ++h) mma_m16n8k16(C[0] + h * 4, A[0], B[0] + h * 2);

A fragment of 16 columns is two operands of `mma` side by side, which one `ldmatrix` brings. What
lane holds what of them stands in `dialects.ptx`.
"""

from __future__ import annotations

from collections.abc import Sequence

from xpiler_tvm.dialects.ptx import BITS, COLUMNS, MMA, ROWS, WARP, Mma, ldmatrix_mnemonic

from .async_copies import COMMIT, WAIT
from .fragments import TOTAL, A, Fragment, Printer

_HELPER = "static __device__ __forceinline__"
_ON_CHIP = "(unsigned)__cvta_generic_to_shared"
_PTX = {
    "float16": "f16",
    "bfloat16": "bf16",
    "int8": "s8",
    "uint8": "u8",
    "float32": "f32",
    "int32": "s32",
}
_ROW_BYTES = 16
"""Of a matrix of `ldmatrix`: eight rows of so many bytes."""


class MmaForm:
    """Fragments as arrays of registers, the totals of 16 rows and columns as two times four."""

    def declare(self, out: Printer, name: str, fragment: Fragment, count: int) -> list[str]:
        ctype = out.type_of(fragment.dtype) if fragment.scope == TOTAL else "unsigned"
        return [f"{ctype} {name}[{count}][{_registers(fragment)}];"]

    def fill(self, out: Printer, place: str, fragment: Fragment, value: str) -> list[str]:
        loop = f"for (int r = 0; r < {_registers(fragment)}; ++r)"
        return ["#pragma unroll", f"{loop} {place}[r] = {value};"]

    def load(
        self, out: Printer, place: str, fragment: Fragment, source: tuple[str, str, str]
    ) -> list[str]:
        """Four matrices: along the registers of A first the rows, along those of B first k."""
        array, offset, stride = source
        across = (fragment.layout == "col_major") == (fragment.scope == A)
        bits = BITS[_PTX[fragment.dtype]]
        if across and bits != 16:
            raise ValueError("only matrices of 16-bit elements are transposed into registers")
        # With rows of the first pair below each other, lane 16 begins the second pair.
        below = fragment.layout == "row_major"
        thread, part = out.thread(), _ROW_BYTES * 8 // bits
        row = f"{thread} % 16" if below else f"({thread} % 8 + {thread} / 16 * 8)"
        column = f"{thread} / 16 * {part}" if below else f"{thread} / 8 % 2 * {part}"
        name = "ldmatrix_x4_trans" if across else "ldmatrix_x4"
        out.define(name, _ldmatrix(name, across))
        return [f"{name}({place}, &{array}[{offset} + {row} * {stride} + {column}]);"]

    def store(
        self, out: Printer, place: str, fragment: Fragment, target: tuple[str, str, str]
    ) -> list[str]:
        """Neighbours in pairs: two rows of the left half, two of the right one."""
        array, offset, stride = target
        thread, ctype = out.thread(), out.type_of(fragment.dtype)
        row = f"({thread} / 4 + r % 2 * 8) * {stride}"
        index = f"{offset} + {row} + r / 2 * {COLUMNS} + {thread} % 4 * 2"
        pair = f"make_{ctype}2({place}[2 * r], {place}[2 * r + 1])"
        return [
            "#pragma unroll",
            "for (int r = 0; r < 4; ++r) {",
            f"  *reinterpret_cast<{ctype}2*>(&{array}[{index}]) = {pair};",
            "}",
        ]

    def multiply(
        self, out: Printer, places: tuple[str, str, str], kinds: tuple[Fragment, Fragment, Fragment]
    ) -> list[str]:
        (c, a, b), (total, left, right) = places, kinds
        types = (_PTX[left.dtype], _PTX[right.dtype]), _PTX[total.dtype]
        fitting = [each for each in MMA if (each.operands, each.total) == types]
        row = next((each for each in fitting if each.k == left.k), None)
        if row is None or (left.m, left.n) != (ROWS, 2 * COLUMNS):
            of = f"{left.dtype} by {right.dtype}"
            raise ValueError(f"no mma of {left.m} x {left.n} x {left.k} for {of}")
        name = f"mma_m{ROWS}n{COLUMNS}k{row.k}"
        out.define(name, _mma(name, row, out.type_of(total.dtype)))
        half = f"{c} + h * {row.total_registers}, {a}, {b} + h * {row.b_registers}"
        return ["#pragma unroll", f"for (int h = 0; h < 2; ++h) {name}({half});"]


def copy(out: Printer, size: int, target: str, source: str, inside: str | None) -> str:
    """The statement for a copy of `size` bytes; zeros where it is not `inside`."""
    name = f"cp_async_{size}"
    cache = "cg" if size == 16 else "ca"
    out.define(
        name,
        f"""// {size} bytes to shared memory, or zeros. They are there after a wait and a barrier.
{_HELPER} void {name}(void* to, const void* from, bool inside = true) {{
  asm volatile("cp.async.{cache}.shared.global [%0], [%1], {size}, %2;"
               :: "r"({_ON_CHIP}(to)), "l"(from), "r"(inside ? {size} : 0) : "memory");
}}
""",
    )
    return f"{name}({', '.join([target, source, *([inside] if inside else [])])});"


def of_copies(out: Printer, name: str, args: Sequence[int]) -> str:
    """The call of `cp_async_commit` or `cp_async_wait`."""
    if name == COMMIT:
        out.define(
            name,
            f"// The copies since the last call are a group.\n{_HELPER} void {name}() {{\n"
            '  asm volatile("cp.async.commit_group;" ::: "memory");\n}\n',
        )
        return f"{name}()"
    assert name == WAIT
    out.define(
        name,
        "// Waits for this thread's copies, but not for those of its last groups.\n"
        f"template <int groups>\n{_HELPER} void {name}() {{\n"
        '  asm volatile("cp.async.wait_group %0;" :: "n"(groups) : "memory");\n}\n',
    )
    return f"{name}<{args[0]}>()"


def _registers(fragment: Fragment) -> int:
    """Words of a lane for a whole fragment."""
    return fragment.elements * BITS[_PTX[fragment.dtype]] // 32 // WARP


def _ldmatrix(name: str, transposed: bool) -> str:
    turned = ", turned" if transposed else ""
    return f"""// Four 8 x 8 matrices of 16 bits{turned}: lane l knows row l % 8 of matrix l / 8.
{_HELPER} void {name}(unsigned* to, const void* row) {{
  asm volatile("{ldmatrix_mnemonic(4, transposed)} {{%0, %1, %2, %3}}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"({_ON_CHIP}(row)) : "memory");
}}
"""


def _mma(name: str, row: Mma, total: str) -> str:
    """The function for a product; its operands are numbered through."""
    counts = (row.total_registers, row.a_registers, row.b_registers)
    starts = (0, counts[0], counts[0] + counts[1])
    d, a, b = (
        "{" + ", ".join(f"%{start + i}" for i in range(count)) + "}"
        for start, count in zip(starts, counts, strict=True)
    )
    kind = "f" if row.total == "f32" else "r"
    sums = ", ".join(f'"+{kind}"(c[{i}])' for i in range(counts[0]))
    operands = ", ".join(
        f'"r"({name_of}[{i}])'
        for name_of, count in (("a", counts[1]), ("b", counts[2]))
        for i in range(count)
    )
    return f"""// c += a * b: {ROWS} x {row.k} times {row.k} x {COLUMNS}, in registers of a warp.
{_HELPER} void {name}({total}* c, const unsigned* a, const unsigned* b) {{
  asm volatile("{row.mnemonic} "
               "{d}, {a}, {b}, {d};"
               : {sums}
               : {operands});
}}
"""
