"""The nodes of terms, each with a key that equal terms share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from .affine import Affine, Axis

COMMUTATIVE = frozenset({"add", "multiply", "maximum", "minimum", "and", "or", "equal"})


@dataclass(frozen=True, eq=False)
class Node(ABC):
    """A term; `dtype` is the type of its value."""

    dtype: str

    @property
    @abstractmethod
    def key(self) -> str:
        """What terms that are equal have in common, and no others."""

    @property
    @abstractmethod
    def axes(self) -> frozenset[Axis]:
        """The axes that its value depends on."""

    @property
    def children(self) -> tuple[Node, ...]:
        return ()

    @cached_property
    def nodes(self) -> int:
        """The number of nodes of the term written out."""
        return 1 + sum(child.nodes for child in self.children)


@dataclass(frozen=True, eq=False)
class Const(Node):
    value: float | int

    @cached_property
    def key(self) -> str:
        return f"{self.value!r}:{self.dtype}"

    @cached_property
    def axes(self) -> frozenset[Axis]:
        return frozenset()


@dataclass(frozen=True, eq=False)
class Scalar(Node):
    """A parameter that is passed by value."""

    name: str

    @cached_property
    def key(self) -> str:
        return f"${self.name}"

    @cached_property
    def axes(self) -> frozenset[Axis]:
        return frozenset()


@dataclass(frozen=True, eq=False)
class Index(Node):
    """The value of a sum of axes."""

    value: Affine

    @cached_property
    def key(self) -> str:
        return f"<{affine_key(self.value)}>"

    @cached_property
    def axes(self) -> frozenset[Axis]:
        return affine_axes(self.value)


@dataclass(frozen=True, eq=False)
class Read(Node):
    """The element at `address` of a parameter's memory, which holds `size` elements."""

    name: str
    size: int
    address: Affine

    @cached_property
    def key(self) -> str:
        return f"{self.name}[{affine_key(self.address)}]"

    @cached_property
    def axes(self) -> frozenset[Axis]:
        return affine_axes(self.address)

    @property
    def indices(self) -> tuple[Indirect, ...]:
        """The parts of the address that are no axes."""
        return tuple(term for term in self.address.factors if isinstance(term, Indirect))


@dataclass(frozen=True, eq=False)
class Apply(Node):
    """A scalar operation."""

    name: str
    args: tuple[Node, ...]

    @cached_property
    def key(self) -> str:
        keys = [arg.key for arg in self.args]
        if self.name in COMMUTATIVE:
            keys.sort()
        dtype = self.dtype if self.name == "cast" else ""
        return f"{self.name}{dtype}({','.join(keys)})"

    @cached_property
    def axes(self) -> frozenset[Axis]:
        return frozenset().union(*(arg.axes for arg in self.args))

    @property
    def children(self) -> tuple[Node, ...]:
        return self.args


@dataclass(frozen=True, eq=False)
class Reduce(Node):
    """`op` over `over` of `body`, from the neutral element on. `name` is the program's for it."""

    op: str
    over: tuple[Axis, ...]
    body: Node
    name: str

    @cached_property
    def key(self) -> str:
        # Bound axes are called by the order in which the body uses them.
        text = self.body.key
        order = sorted(self.over, key=lambda axis: text.find(axis_key(axis)) % (len(text) + 1))
        depth = _depth(self.body)
        for place, axis in enumerate(order):
            text = text.replace(axis_key(axis), f"@{depth}.{place}:{axis.extent}@")
        return f"{self.op}{{{','.join(str(axis.extent) for axis in order)}}}({text})"

    @cached_property
    def axes(self) -> frozenset[Axis]:
        return self.body.axes - frozenset(self.over)

    @property
    def children(self) -> tuple[Node, ...]:
        return (self.body,)


@dataclass(frozen=True)
class Indirect:
    """An integer as part of an address that is no sum of axes: read from memory, or clamped."""

    value: Node

    def __hash__(self) -> int:
        return hash(self.value.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Indirect) and self.value.key == other.value.key


# -- Keys -----------------------------------------------------------------------------------------


def axis_key(axis: Axis) -> str:
    return f"%{axis.name}%"


def affine_key(value: Affine) -> str:
    parts = [
        f"{factor}*{axis_key(term) if isinstance(term, Axis) else _indirect_key(term)}"
        for term, factor in value.factors.items()
    ]
    return "+".join([*sorted(parts), str(value.const)])


def _indirect_key(term: object) -> str:
    return term.value.key if isinstance(term, Indirect) else str(term)


def affine_axes(value: Affine) -> frozenset[Axis]:
    found = set(value.axes)
    for term in value.factors:
        if isinstance(term, Indirect):
            found |= term.value.axes
    return frozenset(found)


def _depth(node: Node) -> int:
    """How many reductions are nested in a term."""
    inner = max((_depth(child) for child in node.children), default=0)
    return inner + isinstance(node, Reduce)
