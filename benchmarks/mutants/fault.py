"""What a fault is: a kind, a place, and the change of the text or of the program."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from xpiler_tvm.kernel import Kernel

KINDS: dict[str, str] = {
    "index swapped": "components of an index exchanged: .x for .y, [i][j] for [j][i]",
    "transposed": "a row-major index read as column-major: i * n + k to k * n + i",
    "bound": "a bound of a loop or guard off by one",
    "comparison": "a comparison that includes its bound, or no longer does",
    "reversed": "a comparison the other way round",
    "guard": "a guard that is always passed, or that forgets one of its conditions",
    "barrier": "a barrier, a fence or a wait for copies left out",
    "initial": "a wrong initial value",
    "stride": "a wrong step of a loop, multiplier of an index or stride of a copy",
    "count": "a wrong number of elements or bytes",
    "copy": "a copy between memories left out",
    "direction": "a copy in the wrong direction",
    "plus minus": "a sum for a difference, or the reverse",
    "times divide": "a product for a quotient, or the reverse",
    "max min": "a maximum for a minimum, or the reverse",
    "swapped": "the operands of a difference or quotient exchanged",
    "operand": "another variable or array of the same type",
    "constant": "a wrong constant",
    "statement": "a statement left out",
    "axis": "an axis summed over that is none, or the reverse",
    "shuffle": "a wrong distance, mask or kind of shuffle",
    "atomic": "an atomic operation made of plain accesses",
    "signedness": "a signed type for an unsigned one, or the reverse",
}
"""Every kind of fault, and what it does."""


@dataclass(frozen=True)
class TextFault:
    """`text[start:end]` becomes `new`."""

    kind: str
    start: int
    end: int
    new: str

    def apply(self, kernel: Kernel) -> Kernel:
        text = kernel.source
        return replace(kernel, source=text[: self.start] + self.new + text[self.end :])

    def line(self, text: str) -> int:
        return text.count("\n", 0, self.start) + 1

    def diff(self, text: str) -> tuple[str, str]:
        """The lines of the text that change, before and after, without their indent."""
        first = text.rfind("\n", 0, self.start) + 1
        last = text.find("\n", self.end)
        last = len(text) if last < 0 else last
        before = text[first:last]
        after = text[first : self.start] + self.new + text[self.end : last]
        return " ".join(before.split()), " ".join(after.split())


@dataclass(frozen=True, eq=False)
class ProgramFault:
    """A node of a program becomes another; `before` and `after` are the two as TVM prints their
    first line. `flat` where it is plain loops, not blocks."""

    kind: str
    place: str
    before: str
    after: str
    module: Any
    node: Any
    new: Any
    flat: bool = True

    def apply(self) -> Any:
        """The IRModule with the fault."""
        import tvm
        import tvm_ffi

        def change(node: Any) -> Any:
            return self.new if node.same_as(self.node) else node

        func = self.module["main"]
        changed = tvm_ffi.structural_map(func, (type(self.node), change), order="pre")
        return tvm.IRModule({"main": changed})
