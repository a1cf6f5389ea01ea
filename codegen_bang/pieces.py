"""What vector code is made for: some values of a loop variable, or of two for whole rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import tvm
from tvm.ir import Expr

from .loops import Range


@dataclass(frozen=True)
class Piece:
    """`count` (a C expression, at most `most`) of the values of `span`, from `start` on.

    Where `start` is `None` the printed loop variable is the first value. With `rows` it is that
    for each of some rows, all elements of them one vector.
    """

    span: Range
    count: str
    most: int
    start: Expr | None
    rows: Rows | None = None


@dataclass(frozen=True)
class Rows:
    """`count` (a C expression, at most `most`) rows of `length` elements, from row `start` on."""

    var: tvm.ir.Var
    count: str
    most: int
    length: int
    start: Expr | None


class Access(NamedTuple):
    """How far an element moves with the row and with the loop variable, and the first element."""

    across: int
    along: int
    first: Expr
