"""Short loops written out, for what is carried from one iteration to the next.

    for k < 3: p = p*x + c[k]     ->    p = p*x + c[0];  p = p*x + c[1];  p = p*x + c[2]

Tried where a program was refused as it stood: polynomials and Newton steps are then expressions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from ..program import Body, Branch, Loop, Program, Statement, Store, While, map_body
from .tensors import knowing, simplified

LONGEST = 16  # iterations of a loop that is written out
MOST_STORES = 64  # that one loop becomes


def unroll(program: Program) -> Program:
    """The program with its short sequential loops written out."""
    return replace(program, body=_unrolled(program.body))


def _unrolled(body: Body) -> Body:
    done: list[Statement] = []
    for original in body:
        statement = original
        if isinstance(statement, Branch):
            then, other = _unrolled(statement.then), _unrolled(statement.other)
            statement = replace(statement, then=then, other=other)
        elif isinstance(statement, (Loop, While)):
            statement = replace(statement, body=_unrolled(statement.body))
        extent = tir.as_const(statement.extent) if isinstance(statement, Loop) else None
        if (
            isinstance(statement, Loop)
            and not statement.parallel
            and extent is not None
            and extent <= LONGEST
            and extent * _stores(statement.body) <= MOST_STORES
        ):
            for number in range(extent):
                done.extend(_at(statement.body, statement.var, number))
        else:
            done.append(statement)
    return tuple(done)


def _stores(body: Body) -> int:
    count = 0
    for statement in body:
        count += isinstance(statement, Store)
        if isinstance(statement, (Loop, While)):
            count += MOST_STORES + 1  # only innermost loops are written out
        elif isinstance(statement, Branch):
            count += _stores((*statement.then, *statement.other))
    return count


def _at(body: Body, var: Var, number: int) -> Body:
    return map_body(body, _substitution({var: tir.const(number, "int32")}))


def _substitution(mapping: dict[Var, Expr]) -> Callable[[Expr], Expr]:
    def change(expr: Expr) -> Expr:
        with knowing(()) as analyzer:
            return simplified(analyzer, tir.substitute(expr, mapping))

    return change
