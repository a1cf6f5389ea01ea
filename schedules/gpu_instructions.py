"""Matrix instructions of GPUs: which there are, and what each of them computes.

A schedule marks the loops that an instruction will do (`mark`) and leaves them as they are, so that
the scheduled program still runs anywhere. On the way to a device they are replaced (`replaced`),
and TVM checks then that the loops are what the instruction computes. The calls are TVM's own for
fragments (`tvm_load_matrix_sync` and so on); a printer writes them as wmma or as mfma.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import tvm
import tvm_ffi
from tvm import s_tir
from tvm.s_tir import TensorIntrin
from tvm.s_tir.schedule import LoopRV

from xpiler_tvm.dialects.matrix import MFMA

from .base import fresh

INSTRUCTION = "xpiler.instruction"
"""The annotation of a block that an instruction will do, with the name of a `TensorIntrin`."""

FRAGMENT_A, FRAGMENT_B, ACCUMULATOR = "wmma.matrix_a", "wmma.matrix_b", "wmma.accumulator"
"""Memories of fragments: registers in which the lanes of a warp hold a matrix together."""

Layout = Literal["row_major", "col_major"]


@dataclass(frozen=True)
class MatrixInstruction:
    """`C[m, n] += A[m, k] * B[k, n]` by one warp; `operand` and `total` are TIR dtypes, and so is
    `other`, that of B where it is not A's.

    With `along_depth` what a lane holds of A and B must be neighbours in k in memory too. Rows of
    operands in shared memory should lie an odd number of `row_bytes` apart: at multiples of what
    one load takes, in different banks.
    """

    m: int
    n: int
    k: int
    operand: str
    total: str
    along_depth: bool = False
    row_bytes: int = 16
    other: str = ""

    @property
    def operands(self) -> tuple[str, str]:
        """The dtypes of A and B."""
        return self.operand, self.other or self.operand

    @property
    def sizes(self) -> str:
        return f"{self.m}, {self.n}, {self.k}"

    def load_a(self, layout: Layout) -> str:
        """The name of "a fragment of A from shared memory", where it lies by rows or columns."""
        return self._load(self.m, self.k, FRAGMENT_A, layout)

    def load_b(self, layout: Layout) -> str:
        return self._load(self.k, self.n, FRAGMENT_B, layout)

    def _load(self, rows: int, columns: int, scope: str, layout: Layout) -> str:
        by_rows = layout == "row_major"
        dtype = self.operands[scope == FRAGMENT_B]
        lies = _Matrix("S", *((rows, columns) if by_rows else (columns, rows)), dtype)
        fragment = _Matrix("D", rows, columns, dtype, scope)
        return _intrinsic(
            f"{scope}_{layout}_{dtype}_{self.sizes}",
            (lies, fragment),
            ("i", "j"),
            f"D[vi, vj] = S[{'vi, vj' if by_rows else 'vj, vi'}]",
            f"T.tvm_load_matrix_sync(D.data, {self.sizes}, {fragment.number}, "
            f'S.access_ptr("r"), S_row, "{layout}")',
        )

    def fill(self) -> str:
        """The name of "zero in a fragment of C"."""
        fragment = _Matrix("D", self.m, self.n, self.total, ACCUMULATOR)
        zero = f"T.{self.total}(0)"
        return _intrinsic(
            f"fill_{self.total}_{self.sizes}",
            (fragment,),
            ("i", "j"),
            f"D[vi, vj] = {zero}",
            f"T.tvm_fill_fragment(D.data, {self.sizes}, {fragment.number}, {zero})",
        )

    def store(self) -> str:
        """The name of "a fragment of C to shared memory"."""
        fragment = _Matrix("S", self.m, self.n, self.total, ACCUMULATOR)
        return _intrinsic(
            f"store_{self.total}_{self.sizes}",
            (fragment, _Matrix("D", self.m, self.n, self.total)),
            ("i", "j"),
            "D[vi, vj] = S[vi, vj]",
            f"T.tvm_store_matrix_sync(S.data, {self.sizes}, {fragment.number}, "
            'D.access_ptr("w"), D_row, "row_major")',
        )

    def multiply(self) -> str:
        """The name of the product itself."""
        of_a, of_b = self.operands
        a = _Matrix("A", self.m, self.k, of_a, FRAGMENT_A)
        b = _Matrix("B", self.k, self.n, of_b, FRAGMENT_B)
        c = _Matrix("D", self.m, self.n, self.total, ACCUMULATOR)
        left, right = "A[vi, vk]", "B[vk, vj]"
        if self.operand != self.total:
            left, right = (f'T.cast({each}, "{self.total}")' for each in (left, right))
        places = ", ".join(f"{each.name}.data, {each.number}" for each in (c, a, b, c))
        return _intrinsic(
            f"multiply_{of_a}_{of_b}_{self.total}_{self.sizes}",
            (a, b, c),
            ("i", "j", "k"),
            f"D[vi, vj] = D[vi, vj] + {left} * {right}",
            f"T.tvm_mma_sync({places})",
        )


@dataclass(frozen=True)
class _Matrix:
    """A parameter of an intrinsic; the one that is named D is written."""

    name: str
    rows: int
    columns: int
    dtype: str
    scope: str = "shared"

    @property
    def number(self) -> str:
        """Of the fragment that begins here, in an array of fragments that lie like tiles."""
        offset, row = f"{self.name}.elem_offset", f"{self.name}_row"
        return (
            f"{offset} // {row} // {self.rows} * ({row} // {self.columns})"
            f" + {offset} % {row} // {self.columns}"
        )

    def declared(self, *, strides: bool) -> str:
        given = f", strides=[{self.name}_row, {self.name}_one]" if strides else ""
        return (
            f"    {self.name} = T.match_buffer({self.name.lower()}, ({self.rows}, {self.columns}), "
            f'"{self.dtype}", align=16, offset_factor=4, scope="{self.scope}"{given})\n'
        )

    @property
    def whole(self) -> str:
        return f"{self.name}[0:{self.rows}, 0:{self.columns}]"


@functools.cache
def _intrinsic(
    name: str, matrices: tuple[_Matrix, ...], loops: tuple[str, ...], body: str, call: str
) -> str:
    """Registers an intrinsic of one store under loops, and gives its name."""
    extents = {"i": matrices[-1].rows, "j": matrices[-1].columns, "k": matrices[0].columns}
    kinds = "".join("R" if loop == "k" else "S" for loop in loops)
    arguments = ", ".join(f"{each.name.lower()}: T.handle" for each in matrices)
    written = [each.whole for each in matrices if each.name == "D"]
    reads = [each.whole for each in matrices if each.name != "D"]
    if "k" in loops:
        reads = [*written, *reads]
    head = (
        '    with T.sblock("root"):\n'
        f"        T.reads({', '.join(reads)})\n"
        f"        T.writes({', '.join(written)})\n"
    )
    description = (
        f"@T.prim_func(s_tir=True)\ndef description({arguments}) -> None:\n"
        + "".join(each.declared(strides=False) for each in matrices)
        + head
        + f"        for {', '.join(loops)} in T.grid("
        + f"{', '.join(str(extents[loop]) for loop in loops)}):\n"
        + '            with T.sblock("inner"):\n'
        + f"                {', '.join(f'v{loop}' for loop in loops)} = "
        + f'T.axis.remap("{kinds}", [{", ".join(loops)}])\n'
        + f"                {body}\n"
    )
    strides = "".join(
        f"    {each.name}_row = T.int32()\n    {each.name}_one = T.int32()\n" for each in matrices
    )
    implementation = (
        f"@T.prim_func(s_tir=True)\ndef implementation({arguments}) -> None:\n"
        + strides
        + "".join(each.declared(strides=True) for each in matrices)
        + head
        + f"        T.evaluate({call})\n"
    )
    registered = f"xpiler_{name.replace(', ', 'x')}"
    TensorIntrin.register(
        registered,
        tvm.script.from_source(description),
        tvm.script.from_source(implementation),
        override=True,
    )
    return registered


def mark(sch: s_tir.Schedule, loop: LoopRV, instruction: str) -> None:
    """Note that an instruction does the loops from `loop` inwards."""
    sch.annotate(sch.blockize(loop), INSTRUCTION, instruction)


def replaced(mod: tvm.IRModule) -> tvm.IRModule:
    """The program with instructions for the loops that are marked.

    Raises TVM's `ScheduleError` where some loops are not what their instruction does.
    """
    marked: list[s_tir.SBlock] = []

    def note(block: s_tir.SBlock) -> None:
        if INSTRUCTION in block.annotations:
            marked.append(block)

    tvm_ffi.structural_walk(mod["main"].body, [(s_tir.SBlock, note)])
    if not marked:
        return mod
    sch = fresh(mod)
    for block in marked:
        found = sch.get_sblock(block.name_hint)
        sch.unannotate(found, INSTRUCTION)
        sch.tensorize(found, str(block.annotations[INSTRUCTION]))
        # An instruction replaces a block with all that was noted of it.
        for place, axis, factor, offset in _alignments(block):
            sch.storage_align(block.name_hint, place, axis, factor, offset)
    return sch.mod


_ALIGNMENT = "buffer_dim_align"
"""The annotation that `storage_align` makes."""


def _alignments(block: s_tir.SBlock) -> list[list[int]]:
    """The arguments of `storage_align` for the arrays that a block's inside writes."""
    inside: list[s_tir.SBlock] = []
    tvm_ffi.structural_walk(block.body, [(s_tir.SBlock, inside.append)])
    noted = [one.annotations[_ALIGNMENT] for one in inside if _ALIGNMENT in one.annotations]
    return [[int(number) for number in one] for several in noted for one in several]


_SHORT = (("float16", "float32", 70), ("bfloat16", "float32", 80))
_BYTES = (("int8", "int32", 72), ("uint8", "int32", 72))


def nvidia(capability: int) -> tuple[MatrixInstruction, ...]:
    """Those of CUDA's warps by compute capability, times ten.

    From 80 on two `mma` side by side, which reach deeper into bytes; before, wmma.
    """
    if capability < 80:
        return tuple(
            MatrixInstruction(16, 16, 16, operand, total, row_bytes=32)
            for operand, total, since in (*_SHORT, *_BYTES)
            if since <= capability
        )
    # Only 16-bit elements change places on their way into registers.
    return (
        *(MatrixInstruction(16, 16, 16, operand, total) for operand, total, _ in _SHORT),
        *(
            MatrixInstruction(16, 16, 32, one, "int32", along_depth=True, other=other)
            for one in ("int8", "uint8")
            for other in ("int8", "uint8")
        ),
    )


def mfma(arch: str) -> tuple[MatrixInstruction, ...]:
    """Those of AMD's waves on an architecture: for each type the deepest of 16 by 16."""
    dtypes = {
        "half": ("float16", "float32"),
        "bfloat16": ("bfloat16", "float32"),
        "float": ("float32", "float32"),
        "signed char": ("int8", "int32"),
    }
    deepest: dict[str, int] = {}
    for each in MFMA:
        if (each.m, each.n, each.blocks) == (16, 16, 1) and arch in each.archs:
            deepest[each.element] = max(each.k, deepest.get(each.element, 0))
    return tuple(
        MatrixInstruction(16, 16, deepest[element], *dtypes[element], along_depth=True)
        for element in dtypes
        if element in deepest
    )
