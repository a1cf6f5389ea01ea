"""Which tensors read which, kept up to date while some are rewritten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import tvm
import tvm_ffi

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .tensors import Graph, Output, Tensor, parts, rewritten


class Uses:
    """The tensors and outputs of a graph by number, in its order."""

    def __init__(self, graph: Graph) -> None:
        self._nodes: list[Tensor | Output | None] = [*graph.tensors, *graph.outputs]
        self._read: list[Counter[Buffer]] = [Counter() for _ in self._nodes]
        self._sizes = [0] * len(self._nodes)
        self._readers: dict[Buffer, set[int]] = {}
        for number in range(len(self._nodes)):
            self._count(number)

    def tensor(self, number: int) -> Tensor:
        node = self._nodes[number]
        assert node is not None
        return node.tensor if isinstance(node, Output) else node

    def readers(self, buffer: Buffer) -> list[int]:
        return sorted(self._readers.get(buffer, ()))

    def reads(self, buffer: Buffer) -> int:
        """How many reads a buffer has."""
        return sum(self._read[number][buffer] for number in self.readers(buffer))

    @property
    def size(self) -> int:
        """Reads, choices and calls of the whole graph."""
        return sum(self._sizes)

    def outputs(self) -> tuple[Output, ...]:
        return tuple(node for node in self._nodes if isinstance(node, Output))

    def graph(self) -> Graph:
        tensors = tuple(node for node in self._nodes if isinstance(node, Tensor))
        return Graph(tensors, self.outputs())

    def drop(self, number: int) -> None:
        self._nodes[number] = None
        self._count(number)

    def rewrite(self, number: int, change: Callable[[Expr, Tensor], Expr]) -> None:
        node = self._nodes[number]
        if isinstance(node, Output):
            index = change(node.index, node.tensor)
            self._nodes[number] = replace(node, tensor=rewritten(node.tensor, change), index=index)
        elif node is not None:
            self._nodes[number] = rewritten(node, change)
        self._count(number)

    def _count(self, number: int) -> None:
        for buffer in self._read[number]:
            self._readers[buffer].discard(number)
        node = self._nodes[number]
        exprs: tuple[Expr, ...] = ()
        if isinstance(node, Output):
            exprs = (*parts(node.tensor), node.index)
        elif node is not None:
            exprs = parts(node)
        self._read[number] = Counter(load.source for expr in exprs for load in tir.loads(expr))
        self._sizes[number] = sum(map(size_of, exprs))
        for buffer in self._read[number]:
            self._readers.setdefault(buffer, set()).add(number)


def size_of(expr: Expr) -> int:
    """Reads, choices and calls of an expression."""
    size = 0

    def count(_: Expr) -> None:
        nonlocal size
        size += 1

    tvm_ffi.structural_walk(expr, [(tir.Load, count), (tvm.ir.Call, count)], order="pre")
    return size
