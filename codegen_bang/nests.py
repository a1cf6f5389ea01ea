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
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, Var

from .loops import conjuncts, depends, loads, substitute


@dataclass(frozen=True)
class Nest:
    """`store` at all values of `variables`, each from 0 up to its extent, where `guards` hold."""

    variables: tuple[Var, ...]
    extents: tuple[int, ...]
    guards: tuple[Expr, ...]
    store: tirx.BufferStore

    def loops(self, body: tirx.Stmt) -> tirx.Stmt:
        """The loops around another body."""
        for variable, extent in reversed(list(zip(self.variables, self.extents, strict=True))):
            zero = tirx.IntImm(str(variable.ty.dtype), 0)
            body = tirx.For(variable, zero, extent, tirx.ForKind.SERIAL, body)
        return body


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


def digits(loop: tirx.For, analyzer: tvm.sym.Analyzer) -> tirx.For | None:
    """The nest with a loop for each digit of its variables where indices use digits.

    for k in range(64):                             for a in range(16): for b in range(4):
        d[k] = s[k // 4 * w + k % 4]        ->          d[a * 4 + b] = s[a * w + b]

    `None` where no index does, or some are not linear even so.
    """
    nest = perfect_nest(loop)
    if nest is None:
        return None
    changed = False
    while (found := _digit(nest)) is not None:
        place, base = found
        nest = _split(nest, place, base, analyzer)
        changed = True
    if not changed or any(
        strides(each, nest.variables, analyzer) is None for each in _places(nest)
    ):
        return None
    body: tirx.Stmt = nest.store
    if nest.guards:
        body = tirx.IfThenElse(tirx.all(*nest.guards), body, None)
    return nest.loops(body)


def _places(nest: Nest) -> list[Sequence[Expr]]:
    """The indices of everything that is stored or read."""
    return [nest.store.indices, *(load.indices for load in loads(nest.store.value))]


def _digit(nest: Nest) -> tuple[int, int] | None:
    """A variable by its position, and by what some index divides it: a divisor of its extent."""
    divisions: list[Expr] = []
    for indices in _places(nest):
        for index in indices:
            tvm_ffi.structural_walk(
                index, [(tirx.FloorDiv, divisions.append), (tirx.FloorMod, divisions.append)]
            )
    bases = [
        (place, int(each.b))
        for each in divisions
        if isinstance(each.b, tirx.IntImm)
        for place, variable in enumerate(nest.variables)
        if depends(each.a, variable)
        and 1 < int(each.b) < nest.extents[place]
        and nest.extents[place] % int(each.b) == 0
    ]
    return max(bases, key=lambda pair: pair[1], default=None)


def _split(nest: Nest, place: int, base: int, analyzer: tvm.sym.Analyzer) -> Nest:
    """The variable at `place` as two: its multiples of `base`, and what is left."""
    old = nest.variables[place]
    high, low = (tirx.Var(str(old.name), str(old.ty.dtype)) for _ in range(2))
    extents = (nest.extents[place] // base, base)
    for variable, extent in zip((high, low), extents, strict=True):
        analyzer.bind(variable, tvm.ir.Range(0, extent), allow_override=True)
    for variable, extent in zip(nest.variables, nest.extents, strict=True):
        analyzer.bind(variable, tvm.ir.Range(0, extent), allow_override=True)

    def renewed(node: Expr | tirx.Stmt) -> Expr | tirx.Stmt:
        replaced = substitute(node, old, high * base + low)
        simpler = [(kind, analyzer.simplify) for kind in (tirx.FloorDiv, tirx.FloorMod)]
        return tvm_ffi.structural_map(replaced, simpler, order="post")

    return Nest(
        (*nest.variables[:place], high, low, *nest.variables[place + 1 :]),
        (*nest.extents[:place], *extents, *nest.extents[place + 1 :]),
        tuple(renewed(guard) for guard in nest.guards),
        renewed(nest.store),
    )


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
