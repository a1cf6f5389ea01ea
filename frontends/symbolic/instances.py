"""A program with symbolic sizes at a point: numbers in extents, indices and tests.

    for bx < (n + 255) // 256: …  y[i] = s / (float)n     ->     for bx < 4: …  y[i] = s / (float)n

A size that is converted to floating point is data and stays a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.kernel import Kernel, Param, Tensor
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Body, Branch, Loop, Program, Statement, Store, While, map_body, statements
from ..raising.tensors import knowing, simplified


def sizes_of(program: Program, kernel: Kernel) -> dict[str, Var]:
    """The variables of the kernel's sizes, by name."""
    names = {size.name for size in kernel.sizes}
    return {param.name: place for param, place in program.params if param.name in names}


def at_point(program: Program, kernel: Kernel, point: Mapping[str, int]) -> Program:
    """The program where the kernel's sizes have these values."""
    there = {tensor.name: tensor for tensor in kernel.at(point).tensors}
    sizes = sizes_of(program, kernel)
    buffers: dict[Buffer, Buffer] = {}
    params: list[tuple[Param, Any]] = []
    for param, place in program.params:
        if isinstance(param, Tensor):
            fixed = there[param.name]
            buffers[place] = tirx.decl_buffer((fixed.size,), place.dtype, place.name)
            params.append((fixed, buffers[place]))
        else:
            params.append((param, place))
    values = {var: tir.const(point[name], "int32") for name, var in sizes.items()}

    def expr(old: Expr) -> Expr:
        moved = tir.map_loads(
            old, lambda load: buffers.get(load.source, load.source)[tuple(load.indices)]
        )
        return _with_values(moved, values)

    body = map_body(program.body, expr, lambda old: buffers.get(old, old))
    return replace(program, params=tuple(params), body=_folded(body, ()))


def _with_values(expr: Expr, values: Mapping[Var, Expr]) -> Expr:
    """`expr` with numbers for sizes, except where these alone are converted to floating point."""
    kept: dict[Var, Expr] = {}

    def hide(cast: Expr) -> Expr:
        if not tir.dtype_of(cast).startswith("float") or tir.has_load(cast):
            return cast
        names = tir.variables(cast)
        if not names or any(name not in values for name in names):
            return cast
        place = tirx.Var("size", tir.dtype_of(cast))
        kept[place] = cast
        return place

    hidden = tvm_ffi.structural_map(expr, (tirx.Cast, hide), order="pre")
    return tir.substitute(tir.substitute(hidden, values), kept)


Axes = tuple[tuple[Var, int], ...]


def _folded(body: Body, axes: Axes) -> Body:
    """Statements simplified; loops and branches that never run are gone."""
    return tuple(done for statement in body for done in _statement(statement, axes))


def _statement(statement: Statement, axes: Axes) -> Body:
    with knowing(axes) as analyzer:
        if isinstance(statement, Store):
            index = simplified(analyzer, statement.index)
            return (replace(statement, index=index, value=simplified(analyzer, statement.value)),)
        if isinstance(statement, Loop):
            extent = analyzer.simplify(statement.extent)
            known = tir.as_const(extent)
            if known is not None and known <= 0:
                return ()
            inner = axes if known is None else (*axes, (statement.var, known))
            body = _folded(statement.body, inner)
            return (replace(statement, extent=extent, body=body),) if body else ()
        if isinstance(statement, Branch):
            test = simplified(analyzer, statement.test)
            known = tir.as_const(test)
            if known is not None:
                return _folded(statement.then if known else statement.other, axes)
            then, other = _folded(statement.then, axes), _folded(statement.other, axes)
            return (replace(statement, test=test, then=then, other=other),)
        if isinstance(statement, While):
            test = simplified(analyzer, statement.test)
            return (replace(statement, test=test, body=_folded(statement.body, axes)),)
    return (statement,)


@dataclass(frozen=True, eq=False)
class Choice:
    """A test that sizes alone decide, and where it stands."""

    test: Expr
    span: Span


def choices_of(program: Program, kernel: Kernel) -> list[Choice]:
    """The comparisons of a program that are decided by its sizes, those of extrema too."""
    sizes = list(sizes_of(program, kernel).values())
    found: list[Choice] = []

    def note(test: Expr, span: Span) -> None:
        names = tir.variables(test)
        fixed = bool(names) and not tir.has_load(test)
        fixed = fixed and all(any(name.same_as(size) for size in sizes) for name in names)
        if fixed and not any(tir.same(test, known.test) for known in found):
            found.append(Choice(test, span))

    for statement in statements(program.body):
        for expr in _expressions(statement):
            for kind in (tirx.LT, tirx.LE, tirx.GT, tirx.GE, tirx.EQ, tirx.NE):
                for test in _nodes(expr, kind):
                    note(test, statement.span)
            for kind in (tirx.Min, tirx.Max):
                for node in _nodes(expr, kind):
                    if tir.is_int(node):
                        note(node.a <= node.b, statement.span)
    return found


def _nodes(expr: Expr, kind: type) -> list[Expr]:
    found: list[Expr] = []
    tvm_ffi.structural_walk(expr, [(kind, found.append)], order="pre")
    return found


def _expressions(statement: Statement) -> tuple[Expr, ...]:
    if isinstance(statement, Store):
        return statement.index, statement.value
    if isinstance(statement, Loop):
        return (statement.extent,)
    return (statement.test,) if isinstance(statement, (Branch, While)) else ()
