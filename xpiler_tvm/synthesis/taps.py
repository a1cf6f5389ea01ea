"""Intermediate values of a kernel: what every statement stored, in the order of the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from xpiler_tvm.emulation.repeated import Repeated
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.pairing import Subject

from .specification import Arrays
from .tree import Node, functions

_LOG = "hole_taps"
_ROOM = 1 << 15
_VECTOR = 64
_NUMBERS = ("float", "double", "half", "_Float16", "__half", "signed char", "unsigned char", "int")
_SAME = 1e-4


@dataclass(frozen=True, eq=False)
class Tap:
    """A statement and the values it stored: `buffer` is the variable or array, `found` in order."""

    node: Node
    buffer: str
    found: np.ndarray = field(repr=False)

    @property
    def is_call(self) -> bool:
        return self.node.kind == "CALL_EXPR"


def taps_of(subject: Subject, inputs: Arrays, arch: str | None = None) -> list[Tap]:
    """What the statements of a kernel stored in a run, in the order in which they were reached.

    Statements that were not reached are left out; nothing is found of a run that fails.
    """
    kernel, text = subject.kernel, subject.text
    nodes = [
        node for function in functions(kernel, text) for node in function.walk() if _stores(node)
    ]
    try:
        runner = Repeated(
            kernel,
            inputs,
            text=_tapped(text, nodes),
            variables={_LOG: np.zeros(1 + 2 * _ROOM)},
            arch=arch,
            flags=("-O1",),
        )
    except XpilerError:
        return []
    seen = runner.observe({}, [_LOG])
    if seen is None:
        return []
    log = seen[_LOG]
    rows = log[1 : 1 + 2 * int(log[0])].reshape(-1, 2)
    order = list(dict.fromkeys(rows[:, 0].astype(int).tolist()))
    return [Tap(nodes[at], buffer_of(nodes[at]), rows[rows[:, 0] == at, 1]) for at in order]


def matched(tap: Tap, pool: np.ndarray) -> float:
    """The part of a statement's values that are in a sorted pool of values."""
    values = tap.found[np.isfinite(tap.found)]
    if not values.size or not pool.size:
        return 0.0 if pool.size else 1.0
    at = np.searchsorted(pool, values)
    near = np.minimum(
        np.abs(pool[np.minimum(at, pool.size - 1)] - values),
        np.abs(pool[np.maximum(at - 1, 0)] - values),
    )
    right = near <= _SAME * np.maximum(np.abs(values), 1e-3)
    return float(right.sum()) / tap.found.size


def pool_of(taps: Sequence[Tap], arrays: Arrays) -> np.ndarray:
    """All values of a run, sorted: what is matched against knows no names."""
    parts = [tap.found for tap in taps]
    parts += [np.asarray(one, np.float64).reshape(-1) for one in arrays.values()]
    whole = np.concatenate([*parts, np.zeros(1)])
    return np.unique(whole[np.isfinite(whole)])


def buffer_of(node: Node) -> str:
    """The variable that a statement stores to."""
    target = node.children[1] if node.kind == "CALL_EXPR" else node.children[0]
    while target.children and target.kind != "MEMBER_REF_EXPR":
        target = target.children[0]
    return target.text


def _stores(node: Node) -> bool:
    above = node.parent
    if above is None or above.kind not in ("COMPOUND_STMT", "IF_STMT", "FOR_STMT"):
        return False
    if above.kind != "COMPOUND_STMT" and node is not above.children[-1]:
        return False
    if node.kind in ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR"):
        assigns = node.operator.endswith("=") and node.operator not in ("==", "<=", ">=", "!=")
        return assigns and node.type.removeprefix("const ") in _NUMBERS
    if node.kind == "CALL_EXPR" and node.name.startswith(("__bang_", "__memcpy", "__nramset")):
        return len(node.children) > 1 and _length(node.children[1]) > 0
    return False


def _length(node: Node) -> int:
    """Elements of an array that is named, of a type that can be noted; 0 for anything else."""
    if node.kind != "DECL_REF_EXPR" or "[" not in node.type:
        return 0
    kind, _, rest = node.type.partition("[")
    size = rest.rstrip("]").split("][")[0]
    return int(size) if kind.strip() in _NUMBERS and size.isdigit() and "][" not in rest else 0


def _tapped(text: str, nodes: Sequence[Node]) -> str:
    head = f"""static double {_LOG}[{1 + 2 * _ROOM}];
template <class T> static void hole_tap(int statement, const T& value) {{
  if ({_LOG}[0] >= {_ROOM}) return;
  double* line = {_LOG} + 1 + 2 * (int){_LOG}[0];
  {_LOG}[0] += 1;
  line[0] = statement;
  line[1] = (double)(float)value;
}}
"""
    pieces, place = [head], 0
    for number, node in sorted(enumerate(nodes), key=lambda pair: pair[1].start):
        if node.start < place:
            continue
        pieces += [text[place : node.start], "".join(_noted(number, node))]
        place = node.end
    return "".join([*pieces, text[place:]])


def _noted(number: int, node: Node) -> Iterator[str]:
    if node.kind != "CALL_EXPR":
        yield f"hole_tap({number}, ({node.text}))"
        return
    array = node.children[1]
    count = min(_VECTOR, _length(array))
    loop = f"for (int hole = 0; hole < {count}; ++hole) hole_tap({number}, {array.text}[hole])"
    yield f"do {{ {node.text}; {loop}; }} while (0)"
