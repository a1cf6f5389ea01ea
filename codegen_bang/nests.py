"""Perfect nests of loops over one store, and what a nest that copies or fills does as a whole.

for l in range(64):                                      dimensions, by target:
    for g in range(4):                           ->      (64, 4e apart from e), (4, e from 64e),
        for k in range(e):                               (e, 1 from 1)
            d[l*4*e + g*e + k] = s[(g*64 + l)*e + k]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tvm
from tvm import tirx
from tvm.ir import Expr, Var

from .loops import conjuncts


@dataclass(frozen=True)
class Nest:
    """`store` at all values of `variables`, each from 0 up to its extent, where `guards` hold."""

    variables: tuple[Var, ...]
    extents: tuple[int, ...]
    guards: tuple[Expr, ...]
    store: tirx.BufferStore


@dataclass(frozen=True)
class Dimension:
    """`extent` steps, each of which moves so many elements in the target and in the source."""

    extent: int
    target: int
    source: int


def perfect_nest(loop: tirx.For) -> Nest | None:
    """The nest that begins with `loop`; `None` where a loop's extent is not constant."""
    variables: list[Var] = []
    extents: list[int] = []
    guards: list[Expr] = []
    body: tirx.Stmt = loop
    while not isinstance(body, tirx.BufferStore):
        if isinstance(body, tirx.IfThenElse) and body.else_case is None:
            guards += conjuncts(body.condition)
            body = body.then_case
            continue
        if (
            not isinstance(body, tirx.For)
            or not isinstance(body.extent, tirx.IntImm)
            or not isinstance(body.min, tirx.IntImm)
            or int(body.min) != 0
            or (body.step is not None and int(body.step) != 1)
        ):
            return None
        variables.append(body.loop_var)
        extents.append(int(body.extent))
        body = body.body
    return Nest(tuple(variables), tuple(extents), tuple(guards), body)


def strides(
    indices: Sequence[Expr], variables: Sequence[Var], analyzer: tvm.sym.Analyzer
) -> tuple[tuple[int, ...], Expr] | None:
    """How far each variable moves a flat index, and the index where all are 0."""
    if len(indices) != 1:
        return None
    parts = tvm.sym.detect_linear_equation(analyzer.simplify(indices[0]), list(variables))
    if len(parts) != len(variables) + 1:
        return None
    if not all(isinstance(part, tirx.IntImm) for part in parts[:-1]):
        return None
    return tuple(int(part) for part in parts[:-1]), parts[-1]


def joined(dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """The same walk in as few dimensions as possible, the target's largest step first."""
    found: list[Dimension] = []
    kept = [each for each in dimensions if each.extent != 1]
    for inner in sorted(kept, key=lambda each: (each.target, each.source)):
        last = found[-1] if found else None
        if (
            last is not None
            and inner.target == last.target * last.extent
            and inner.source == last.source * last.extent
        ):
            found[-1] = Dimension(last.extent * inner.extent, last.target, last.source)
        else:
            found.append(inner)
    return tuple(reversed(found))


def is_compact(extents_and_steps: Sequence[tuple[int, int]]) -> bool:
    """Whether a walk reaches every element of one piece of memory, each once."""
    size = 1
    for extent, step in sorted(extents_and_steps, key=lambda pair: pair[1]):
        if extent == 1:
            continue
        if step != size:
            return False
        size *= extent
    return True
