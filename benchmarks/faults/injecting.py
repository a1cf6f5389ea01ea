"""Faults of the paper's kinds: which of those of `mutants` are of which, and some of their own.

What is made here is known to no repairer: a fault is a change of the text, and it gets the text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mutants.fault import TextFault
from mutants.text_faults import text_faults

from xpiler_tvm.kernel import Kernel
from xpiler_tvm.synthesis.tree import Node, functions

KINDS: dict[str, str] = {
    "index": "a wrong index or offset",
    "bound": "a loop with a wrong bound",
    "split remainder": "a guard for what a split leaves over",
    "stride": "a wrong step of a loop, multiplier of an index or stride of a copy",
    "cache offset": "a wrong place in on-chip memory",
    "tensorize parameter": "a wrong parameter of a tensor or vector instruction",
    "memcpy size": "a wrong number of bytes of a copy",
    "thread mapping": "a wrong thread, block or task",
}
_TAKEN = (
    "index swapped",
    "transposed",
    "bound",
    "comparison",
    "guard",
    "stride",
    "count",
    "constant",
    "plus minus",
    "times divide",
    "operand",
)
_INTEGERS = ("int", "unsigned int", "long", "unsigned long", "long long", "unsigned long long")
_ON_CHIP = r"__(?:shared|nram|wram|mlu_shared)__[^;]*\b{}\b|HIP_DYNAMIC_SHARED\(\w+, {}\)"
_THREADS = re.compile(r"\b(?:threadIdx|blockIdx|blockDim|taskId\w?|coreId|clusterId)\b")
_TENSOR = re.compile(r"__bang_\w+|\w*mma\w*|__dp4a|\w+_matrix_sync|_mm512_\w+|__shfl\w*")


@dataclass(frozen=True)
class Fault:
    """A kind, the changes of a text, and the lines they are in."""

    kind: str
    parts: tuple[TextFault, ...]

    def apply(self, kernel: Kernel) -> Kernel:
        text = kernel.source
        for part in sorted(self.parts, key=lambda one: -one.start):
            text = text[: part.start] + part.new + text[part.end :]
        return replace(kernel, source=text)

    def lines(self, text: str) -> tuple[int, ...]:
        return tuple(part.line(text) for part in self.parts)

    def diff(self, text: str) -> str:
        pairs = (part.diff(text) for part in self.parts)
        return "; ".join(f"{before}  =>  {after}" for before, after in pairs)


def singles(kernel: Kernel) -> list[Fault]:
    """Every fault of one change."""
    nodes = [node for function in functions(kernel, kernel.source) for node in function.walk()]
    found: dict[tuple[int, int, str], Fault] = {}
    for one in [*_own(nodes), *text_faults(kernel)]:
        kind = _kind(one, nodes)
        if kind:
            found.setdefault((one.start, one.end, one.new), Fault(kind, (one,)))
    return list(found.values())


def doubles(faults: list[Fault], count: int, rng: random.Random) -> list[Fault]:
    """Pairs of faults in different statements, of any two kinds."""
    found: list[Fault] = []
    for _ in range(20 * count):
        if len(found) == count or len(faults) < 2:
            break
        one, other = rng.sample(faults, 2)
        (a,), (b,) = one.parts, other.parts
        if a.end + 1 < b.start or b.end + 1 < a.start:
            kind = one.kind if one.kind == other.kind else f"{one.kind} + {other.kind}"
            found.append(Fault(kind, (a, b)))
    return found


def _own(nodes: list[Node]) -> Iterator[TextFault]:
    """Integers in places that `mutants` leaves alone, a little off, and offsets left out."""
    for node in nodes:
        above = node.parent
        if above is None or node.type not in _INTEGERS:
            continue
        if above.kind == "CALL_EXPR" and node is not above.children[0]:
            name = above.name
            if _TENSOR.fullmatch(name) and not name.startswith("_mm") and node.text.isidentifier():
                for change in ("+ 1", "- 1", "* 2"):
                    yield TextFault("parameter", node.start, node.end, f"{node.text} {change}")
        if above.kind == "ARRAY_SUBSCRIPT_EXPR" and node is above.children[1]:
            yield TextFault("index", node.start, node.end, f"{node.text} + 1")
            if node.kind == "BINARY_OPERATOR" and node.operator == "+":
                for child in node.children:
                    yield TextFault("index", node.start, node.end, child.text)
        offset = above.kind == "BINARY_OPERATOR" and above.type.endswith("*")
        if offset and above.operator == "+" and node is above.children[1]:
            yield TextFault("index", above.start, above.end, above.children[0].text)


def _kind(fault: TextFault, nodes: list[Node]) -> str:
    """Which of the paper's kinds a fault is of, by where it is; '' for none."""
    if fault.kind not in (*_TAKEN, "parameter", "index"):
        return ""
    inside = [node for node in nodes if node.start <= fault.start and fault.end <= node.end]
    if not inside:
        return ""
    node = inside[-1]
    chain = [node, *node.ancestors()]
    numeric = node.type in (*_INTEGERS, "bool") or node.kind in ("IF_STMT", "CALL_EXPR")
    if not numeric and fault.kind not in ("index", "stride"):
        return ""
    if fault.kind == "operand" and node.type not in _INTEGERS:
        return ""
    below = node
    for above in chain[1:]:
        if above.kind == "CALL_EXPR":
            name = above.name
            if name.startswith("__memcpy") and below in above.children[1:]:
                place = above.children.index(below)
                return "memcpy size" if place == 3 else "stride" if place > 4 else "index"
            if _TENSOR.fullmatch(name) and below in above.children[1:]:
                return "tensorize parameter" if "*" not in below.type else "cache offset"
            if not name.startswith(("_mm", "__")):
                return ""
        if above.kind == "ARRAY_SUBSCRIPT_EXPR" and below is above.children[1]:
            array = re.match(r"\w+", above.text)
            name = array.group(0) if array else ""
            if name and re.search(_ON_CHIP.format(name, name), above.source):
                return "cache offset"
            return "stride" if fault.kind == "stride" else "index"
        if above.kind in ("FOR_STMT", "WHILE_STMT"):
            if below is above.children[-1]:
                return "index" if fault.kind == "index" else ""
            if below.kind == "DECL_STMT" or below.type == "bool":
                return "bound"
            return "stride"
        if above.kind in ("IF_STMT", "CONDITIONAL_OPERATOR") and below is above.children[0]:
            return "split remainder"
        if above.kind == "VAR_DECL":
            if _THREADS.search(above.text):
                return "thread mapping"
            if above.type.endswith("*"):
                return "index"
            return "index" if above.type.removeprefix("const ") in _INTEGERS else ""
        if above.kind in ("COMPOUND_STMT", "RETURN_STMT"):
            return "index" if fault.kind == "index" else ""
        below = above
    return ""
