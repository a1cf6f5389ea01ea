"""What a kernel keeps on the chip: the schedule's buffers, and slots for vectors on the way.

Buffers have the sizes the schedule gave them. What is left of NRAM is divided into slots of equal
length, as many as the most demanding loop needs and no longer than the longest loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from xpiler_tvm.dialects.bang import ALIGN, Arch
from xpiler_tvm.errors import EmitError

VECTOR_BYTES = 4
"""The largest elements that vectors have."""
ITEM_BYTES: Mapping[str, int] = {
    "bool": 1,
    **dict.fromkeys(("int8", "uint8"), 1),
    **dict.fromkeys(("float16", "bfloat16", "int16", "uint16"), 2),
    **dict.fromkeys(("float32", "int32", "uint32"), 4),
    **dict.fromkeys(("float64", "int64", "uint64"), 8),
}

LONGEST_SLOT = 64 * 1024
"""Bytes; beyond this a longer piece no longer hides the cost of starting an instruction.

Pieces of one-byte elements then have as many elements as a strided copy can have segments."""

MOST_SLOTS = 64

OnChip = Literal["NRAM", "WRAM", "SRAM"]
"""Memories that a kernel declares arrays in, as directions of copies name them."""

QUALIFIERS: Mapping[OnChip, str] = {
    "SRAM": "__mlu_shared__",
    "NRAM": "__nram__",
    "WRAM": "__wram__",
}
"""What declares an array in each memory, in the order in which a file has them."""


@dataclass(frozen=True)
class Array:
    """An array on the chip: its memory, C type, elements and bytes."""

    space: OnChip
    ctype: str
    elements: int
    size: int


Snapshot = tuple[dict[str, Array], int, int]


def padded(size: int) -> int:
    """`size` in bytes, rounded up to whole vector words."""
    return -(-size // ALIGN) * ALIGN


@dataclass
class MemoryPlan:
    """Sizes in bytes. `arrays` are what is declared, by name, in order of appearance.

    `slot_bytes` is the length of a slot while printing; `best_slot` tells, after printing, what it
    should have been. Loops are `pipelined` where they can be.
    """

    arch: Arch
    slot_bytes: int
    longest_slot: int = LONGEST_SLOT
    pipelined: bool = False
    arrays: dict[str, Array] = field(default_factory=dict)
    slots: int = 0
    longest: int = ALIGN

    def add(self, name: str, ctype: str, size: int, item: int, space: OnChip = "NRAM") -> None:
        """Declare an array of `size` elements of `item` bytes, padded to whole vector words.

        What is declared again is as large as the largest of both.
        """
        known = self.arrays[name].size if name in self.arrays else 0
        total = max(known, padded(size * item))
        self.arrays[name] = Array(space, ctype, total // item, total)

    def names(self) -> set[str]:
        return set(self.arrays)

    def used(self, space: OnChip) -> int:
        """Bytes of the arrays in a memory."""
        return sum(array.size for array in self.arrays.values() if array.space == space)

    def use_slots(self, count: int) -> None:
        self.slots = max(self.slots, count)

    def need(self, size: int | None) -> None:
        """Note that a loop would like slots of `size` bytes; `None`: as long as possible."""
        self.longest = max(self.longest, self.longest_slot if size is None else padded(size))

    def slot_name(self, index: int) -> str:
        return f"v{index}"

    def slot_names(self) -> set[str]:
        return {self.slot_name(index) for index in range(MOST_SLOTS)}

    def snapshot(self) -> Snapshot:
        return dict(self.arrays), self.slots, self.longest

    def restore(self, saved: Snapshot) -> None:
        self.arrays, self.slots, self.longest = saved

    def best_slot(self) -> int:
        """The length that slots can have beside the arrays.

        Raises `EmitError` XP4002 where the arrays leave no room for them, or another memory is too
        small for its own.
        """
        others: tuple[tuple[OnChip, int], ...] = (
            ("WRAM", self.arch.wram),
            ("SRAM", self.arch.sram_usable),
        )
        for space, limit in others:
            if self.used(space) > limit:
                raise EmitError(
                    "XP4002",
                    f"the kernel keeps {self.used(space)} bytes in {space}, {self.arch.name} has "
                    f"{limit}",
                    hint="a schedule with smaller tiles fits",
                )
        fixed = self.used("NRAM")
        room = self.arch.nram_usable - fixed
        if room < self.slots * ALIGN or self.slots > MOST_SLOTS:
            mine = {name: one.size for name, one in self.arrays.items() if one.space == "NRAM"}
            largest = max(mine, key=lambda name: mine[name], default="")
            raise EmitError(
                "XP4002",
                f"the kernel keeps {fixed} bytes and {self.slots} vectors in NRAM, "
                f"{self.arch.name} has {self.arch.nram_usable} beside the stack; "
                f"the largest array is {largest!r}",
                hint="a schedule with smaller tiles fits",
            )
        if self.slots == 0:
            return self.slot_bytes
        return min(self.longest, self.longest_slot, room // self.slots // ALIGN * ALIGN)

    def declarations(self) -> list[str]:
        """The arrays, one a line; each fills whole vector words."""
        return [
            *(
                f"{qualifier} {array.ctype} {name}[{array.elements}];"
                for space, qualifier in QUALIFIERS.items()
                for name, array in self.arrays.items()
                if array.space == space
            ),
            *(
                f"__nram__ float {self.slot_name(index)}[{self.slot_bytes // 4}];"
                for index in range(self.slots)
            ),
        ]
