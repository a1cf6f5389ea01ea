"""Matrix instructions of CUDA's warps (wmma) and AMD's waves (mfma): shapes, types, lane maps.

Sources: the CUDA C++ programming guide (warp matrix functions: element types and matrix sizes);
AMD's CDNA ISA documents (matrix arithmetic instructions: dense matrix layout) and the names of
Clang's builtins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

WAVE = 64
"""Lanes that take part in an mfma."""


@dataclass(frozen=True)
class Element:
    """Where one element of a matrix lives: its block, row and column; lane and register."""

    block: int
    row: int
    column: int
    lane: int
    register: int


@dataclass(frozen=True)
class Mfma:
    """`blocks` products D = A * B + C of `m` x `k` by `k` x `n` matrices.

    `operand` is the C type of what a lane holds of A (and of B), `element` that of one of its
    elements, `total` that of C's and D's elements. `group` rows of D that follow each other lie in
    one lane: 4, or 1 for double.
    """

    name: str
    m: int
    n: int
    k: int
    blocks: int
    element: str
    total: str
    operand: str
    archs: tuple[str, ...]
    group: int = 4

    @property
    def builtin(self) -> str:
        return f"__builtin_amdgcn_mfma_{self.name}"

    @property
    def depth(self) -> int:
        """Elements of A (and of B) that a lane holds: that many k in a row."""
        return self.m * self.k * self.blocks // WAVE

    @property
    def registers(self) -> int:
        """Elements of D that a lane holds."""
        return self.m * self.n * self.blocks // WAVE

    def a(self) -> Iterator[Element]:
        """A[block][row][column = k]: lane and register (the element within the operand)."""
        for block in range(self.blocks):
            for row in range(self.m):
                for k in range(self.k):
                    yield Element(block, row, k, self.operand_lane(block, row, k), k % self.depth)

    def b(self) -> Iterator[Element]:
        """B[block][row = k][column], laid out like A with columns for rows."""
        for block in range(self.blocks):
            for column in range(self.n):
                for k in range(self.k):
                    lane = self.operand_lane(block, column, k)
                    yield Element(block, k, column, lane, k % self.depth)

    def _across(self) -> tuple[int, int, int]:
        # Groups of rows lie beside each other in the lanes, then in the registers; whole blocks
        # too, where a block does not fill the lanes.
        blocks_across = -(-WAVE // (self.n * self.m // self.group))
        groups_across = WAVE // blocks_across // self.n
        return blocks_across, groups_across, self.m // (self.group * groups_across)

    def held(self, lane: Any, register: Any) -> tuple[Any, Any, Any]:
        """Block, row and column of D that a lane holds in a register: integers or expressions."""
        blocks_across, groups_across, groups_down = self._across()
        part, rest = register // self.group, register % self.group
        across, block_across = lane // self.n % groups_across, lane // self.n // groups_across
        row = self.group * (part % groups_down * groups_across + across) + rest
        return part // groups_down * blocks_across + block_across, row, lane % self.n

    def operand_lane(self, block: Any, row: Any, k: Any) -> Any:
        """The lane that holds A[block][row][k], or of B the column `row`; k modulo the depth is
        the element in it."""
        return row + self.m * (block + self.blocks * (k // self.depth))

    def d(self) -> Iterator[Element]:
        """D[block][row][column], and C."""
        blocks_across, groups_across, groups_down = self._across()
        for block in range(self.blocks):
            for row in range(self.m):
                part, rest = divmod(row, self.group)
                down, across = divmod(part, groups_across)
                block_down, block_across = divmod(block, blocks_across)
                for column in range(self.n):
                    lane = column + self.n * (across + groups_across * block_across)
                    register = rest + self.group * (down + groups_down * block_down)
                    yield Element(block, row, column, lane, register)


_CDNA1 = ("gfx908", "gfx90a")
_CDNA2 = ("gfx90a", "gfx942")
_CDNA3 = ("gfx942",)
_ALL = ("gfx908", "gfx90a", "gfx942")

MFMA: tuple[Mfma, ...] = (
    Mfma("f32_32x32x1f32", 32, 32, 1, 2, "float", "float", "float", _ALL),
    Mfma("f32_16x16x1f32", 16, 16, 1, 4, "float", "float", "float", _ALL),
    Mfma("f32_4x4x1f32", 4, 4, 1, 16, "float", "float", "float", _ALL),
    Mfma("f32_32x32x2f32", 32, 32, 2, 1, "float", "float", "float", _ALL),
    Mfma("f32_16x16x4f32", 16, 16, 4, 1, "float", "float", "float", _ALL),
    Mfma("f32_32x32x4f16", 32, 32, 4, 2, "half", "float", "XpHalf4", _ALL),
    Mfma("f32_16x16x4f16", 16, 16, 4, 4, "half", "float", "XpHalf4", _ALL),
    Mfma("f32_4x4x4f16", 4, 4, 4, 16, "half", "float", "XpHalf4", _ALL),
    Mfma("f32_32x32x8f16", 32, 32, 8, 1, "half", "float", "XpHalf4", _ALL),
    Mfma("f32_16x16x16f16", 16, 16, 16, 1, "half", "float", "XpHalf4", _ALL),
    Mfma("f32_32x32x2bf16", 32, 32, 2, 2, "bfloat16", "float", "XpShort2", _CDNA1),
    Mfma("f32_16x16x2bf16", 16, 16, 2, 4, "bfloat16", "float", "XpShort2", _CDNA1),
    Mfma("f32_4x4x2bf16", 4, 4, 2, 16, "bfloat16", "float", "XpShort2", _CDNA1),
    Mfma("f32_32x32x4bf16", 32, 32, 4, 1, "bfloat16", "float", "XpShort2", _CDNA1),
    Mfma("f32_16x16x8bf16", 16, 16, 8, 1, "bfloat16", "float", "XpShort2", _CDNA1),
    Mfma("f32_32x32x4bf16_1k", 32, 32, 4, 2, "bfloat16", "float", "XpShort4", _CDNA2),
    Mfma("f32_16x16x4bf16_1k", 16, 16, 4, 4, "bfloat16", "float", "XpShort4", _CDNA2),
    Mfma("f32_4x4x4bf16_1k", 4, 4, 4, 16, "bfloat16", "float", "XpShort4", _CDNA2),
    Mfma("f32_32x32x8bf16_1k", 32, 32, 8, 1, "bfloat16", "float", "XpShort4", _CDNA2),
    Mfma("f32_16x16x16bf16_1k", 16, 16, 16, 1, "bfloat16", "float", "XpShort4", _CDNA2),
    Mfma("i32_32x32x4i8", 32, 32, 4, 2, "signed char", "int", "int", _ALL),
    Mfma("i32_16x16x4i8", 16, 16, 4, 4, "signed char", "int", "int", _ALL),
    Mfma("i32_4x4x4i8", 4, 4, 4, 16, "signed char", "int", "int", _ALL),
    Mfma("i32_32x32x8i8", 32, 32, 8, 1, "signed char", "int", "int", _CDNA1),
    Mfma("i32_16x16x16i8", 16, 16, 16, 1, "signed char", "int", "int", _CDNA1),
    Mfma("i32_32x32x16_i8", 32, 32, 16, 1, "signed char", "int", "long", _CDNA3),
    Mfma("i32_16x16x32_i8", 16, 16, 32, 1, "signed char", "int", "long", _CDNA3),
    Mfma("f64_16x16x4f64", 16, 16, 4, 1, "double", "double", "double", _CDNA2, 1),
    Mfma("f64_4x4x4f64", 4, 4, 4, 4, "double", "double", "double", _CDNA2, 1),
    Mfma("f32_16x16x8_xf32", 16, 16, 8, 1, "XpXf32", "float", "XpFloat2", _CDNA3),
    Mfma("f32_32x32x4_xf32", 32, 32, 4, 1, "XpXf32", "float", "XpFloat2", _CDNA3),
)


def source_block(block: int, cbsz: int, abid: int) -> int:
    """Whose A a block multiplies with: of each 2^`cbsz` blocks all take that of number `abid`."""
    return (block >> cbsz << cbsz) + abid if cbsz else block


@dataclass(frozen=True)
class Wmma:
    """Fragments of `m` x `k` by `k` x `n` products whose operands have the C type `operand`.

    `operand_elements` is `num_elements` of the fragments of A and B where that is more than a
    lane's share: elements are then held twice or more. `totals` are the accumulators' types,
    `since` the compute capability that has it (times ten).
    """

    operand: str
    shapes: tuple[tuple[int, int, int], ...]
    totals: tuple[str, ...]
    since: int
    operand_elements: int = 0


_SHAPES = ((16, 16, 16), (32, 8, 16), (8, 32, 16))

WMMA: tuple[Wmma, ...] = (
    Wmma("half", _SHAPES, ("float", "half"), 70, 16),
    Wmma("signed char", _SHAPES, ("int",), 72),
    Wmma("unsigned char", _SHAPES, ("int",), 72),
    Wmma("bfloat16", _SHAPES, ("float",), 80),
    Wmma("precision::tf32", ((16, 16, 8),), ("float",), 80),
    Wmma("double", ((8, 8, 4),), ("double",), 80),
)

_DEEP = tuple((size, size, depth) for size in (16, 32) for depth in (8, 16, 32, 64))
_FLAT = tuple((size, size, depth) for size in (16, 32) for depth in (2, 4, 8, 16, 32))

ROCWMMA: tuple[Wmma, ...] = (
    Wmma("half", _DEEP, ("float", "half"), 0),
    Wmma("bfloat16", _DEEP, ("float", "bfloat16"), 0),
    Wmma("signed char", _DEEP, ("int",), 0),
    Wmma("float", _FLAT, ("float",), 0),
    Wmma("double", ((16, 16, 4), (16, 16, 8), (16, 16, 16), (16, 16, 32)), ("double",), 0),
)
"""rocWMMA's square blocks, which a wave of 64 holds without duplicates."""
