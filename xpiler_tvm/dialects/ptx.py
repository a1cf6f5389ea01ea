"""Instructions of PTX that kernels write as inline assembly: which there are, and what they do.

    mma       D = A * B + C of 16 x K by K x 8 matrices, in the registers of a warp
    ldmatrix  8 x 8 matrices of 16-bit elements from shared memory to registers
    cp.async  a copy from global to shared memory that goes on while the thread does

Source: PTX ISA, "Matrix fragments for mma.m16n8k*", "ldmatrix", "cp.async". Registers are words of
32 bits; one of an operand holds as many elements as fit, neighbours in k, the first lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WARP = 32
ROWS, COLUMNS = 16, 8
"""Of D and C."""

BITS = {"f16": 16, "bf16": 16, "tf32": 32, "s8": 8, "u8": 8, "f32": 32, "s32": 32}
"""By PTX's names of types."""


@dataclass(frozen=True)
class Mma:
    """`mma.sync.aligned.m16n8kK`, A by rows and B by columns; types as PTX names them.

    B is of the type `other`, of the same size, where it is not A's.
    """

    k: int
    operand: str
    total: str
    since: int = 80
    """The compute capability that has it, times ten."""
    other: str = ""

    @property
    def operands(self) -> tuple[str, str]:
        """The types of A and B."""
        return self.operand, self.other or self.operand

    @property
    def mnemonic(self) -> str:
        types = ".".join((self.total, *self.operands, self.total))
        return f"mma.sync.aligned.m{ROWS}n{COLUMNS}k{self.k}.row.col.{types}"

    @property
    def name(self) -> str:
        """What a call of it is named."""
        types = "_".join(dict.fromkeys((*self.operands, self.total)))
        return f"__ptx_mma_m{ROWS}n{COLUMNS}k{self.k}_{types}"

    @property
    def packed(self) -> int:
        """Elements in a register of A or B."""
        return 32 // BITS[self.operand]

    @property
    def a_registers(self) -> int:
        return ROWS * self.k // WARP // self.packed

    @property
    def b_registers(self) -> int:
        return COLUMNS * self.k // WARP // self.packed

    @property
    def total_packed(self) -> int:
        """Elements in a register of C or D."""
        return 32 // BITS[self.total]

    @property
    def total_registers(self) -> int:
        return ROWS * COLUMNS // WARP // self.total_packed

    # Where an element lies. Numbers may be integers or expressions.

    def a(self, row: Any, k: Any) -> tuple[Any, Any, Any]:
        """Lane, register and place in it of A[row, k]."""
        half = 4 * self.packed
        lane = row % 8 * 4 + k % half // self.packed
        return lane, row // 8 + k // half * 2, k % self.packed

    def b(self, k: Any, column: Any) -> tuple[Any, Any, Any]:
        """The same of B[k, column]."""
        half = 4 * self.packed
        return column * 4 + k % half // self.packed, k // half, k % self.packed

    def held(self, lane: Any, element: Any) -> tuple[Any, Any]:
        """Row and column of an element of D that a lane holds: four in all, in their order."""
        return lane // 4 + element // 2 * 8, lane % 4 * 2 + element % 2


MMA: tuple[Mma, ...] = (
    Mma(8, "f16", "f32", 75),
    Mma(8, "f16", "f16", 75),
    Mma(16, "f16", "f32"),
    Mma(16, "f16", "f16"),
    Mma(8, "bf16", "f32"),
    Mma(16, "bf16", "f32"),
    Mma(4, "tf32", "f32"),
    Mma(8, "tf32", "f32"),
    Mma(16, "s8", "s32"),
    Mma(32, "s8", "s32"),
    Mma(16, "u8", "s32"),
    Mma(32, "u8", "s32"),
    *(
        Mma(k, one, "s32", other=other)
        for one, other in (("u8", "s8"), ("s8", "u8"))
        for k in (16, 32)
    ),
)

LDMATRIX_COUNTS = (1, 2, 4)


def ldmatrix_name(count: int, transposed: bool) -> str:
    return f"__ptx_ldmatrix_x{count}" + "_trans" * transposed


def ldmatrix_mnemonic(count: int, transposed: bool) -> str:
    return f"ldmatrix.sync.aligned.m8n8.x{count}{'.trans' * transposed}.shared.b16"


COPY_BYTES = (4, 8, 16)
"""What one cp.async moves; past the caches of a multiprocessor (`.cg`) only the last."""

COPY, COMMIT, WAIT, WAIT_ALL = (
    f"__ptx_cp_async{form}" for form in ("", "_commit", "_wait", "_wait_all")
)
