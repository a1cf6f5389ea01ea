"""What a kernel keeps in NRAM: the schedule's buffers, and slots for vectors on the way.

Buffers have the sizes the schedule gave them. What is left of the memory is divided into slots of
equal length, as many as the most demanding loop needs and no longer than the longest loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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

Snapshot = tuple[dict[str, tuple[str, int, int]], int, int]


def padded(size: int) -> int:
    """`size` in bytes, rounded up to whole vector words."""
    return -(-size // ALIGN) * ALIGN


@dataclass
class NramPlan:
    """Sizes in bytes. `arrays` gives C type, elements and bytes by name, in order of appearance;
    `weights` the same of those in WRAM.

    `slot_bytes` is the length of a slot while printing; `best_slot` tells, after printing, what it
    should have been. Loops are `pipelined` where they can be.
    """

    arch: Arch
    slot_bytes: int
    longest_slot: int = LONGEST_SLOT
    pipelined: bool = False
    weights: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    arrays: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    slots: int = 0
    longest: int = ALIGN

    def add(self, name: str, ctype: str, size: int, item: int, *, weights: bool = False) -> None:
        """Declare an array of `size` elements of `item` bytes, padded to whole vector words.

        What is declared again is as large as the largest of both.
        """
        space = self.weights if weights else self.arrays
        known = space[name][2] if name in space else 0
        total = max(known, padded(size * item))
        space[name] = (ctype, total // item, total)

    def names(self) -> set[str]:
        return {*self.arrays, *self.weights}

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

        Raises `EmitError` XP4002 where the arrays leave no room for them, or weights do not fit.
        """
        weights = sum(size for *_, size in self.weights.values())
        if weights > self.arch.wram:
            raise EmitError(
                "XP4002",
                f"the kernel keeps {weights} bytes in WRAM, {self.arch.name} has {self.arch.wram}",
                hint="a schedule with smaller tiles fits",
            )
        fixed = sum(size for *_, size in self.arrays.values())
        room = self.arch.nram_usable - fixed
        if room < self.slots * ALIGN or self.slots > MOST_SLOTS:
            largest = max(self.arrays, key=lambda name: self.arrays[name][2], default="")
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
                f"__nram__ {ctype} {name}[{size}];"
                for name, (ctype, size, _) in self.arrays.items()
            ),
            *(
                f"__wram__ {ctype} {name}[{size}];"
                for name, (ctype, size, _) in self.weights.items()
            ),
            *(
                f"__nram__ float {self.slot_name(index)}[{self.slot_bytes // 4}];"
                for index in range(self.slots)
            ),
        ]
