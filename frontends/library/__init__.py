"""What the functions of each dialect's own library mean, as values and statements.

A module is a part of a library. Its `call(evaluator, name, expr)` gives the value of a call, or
`None` where it has no function of that name; the arguments are then still unevaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xpiler_tvm.errors import ReadError

from .. import ir
from ..values import Value
from . import (
    amdgcn,
    atomics,
    avx512,
    bang,
    c_memory,
    cooperative,
    headers,
    integers,
    limits,
    mathematics,
    matrix,
    mfma,
    packed,
    pairs,
    ptx,
    simt,
    sixteen,
    votes,
    warp,
)
from .calling import part

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

Part = Callable[["Calls", str, ir.Call], Value | None]

_SIMT: tuple[Part, ...] = (
    part(simt.HANDLERS),
    part(warp.HANDLERS),
    part(votes.HANDLERS),
    part(matrix.HANDLERS),
    part(cooperative.HANDLERS),
    part(limits.HANDLERS),
    part(sixteen.HANDLERS),
    part(pairs.HANDLERS),
    part(dict.fromkeys(pairs.OPERATORS, pairs.operator)),
    part(simt.VECTOR_OPERATORS),
    part(integers.HANDLERS),
    part(packed.HANDLERS),
    mathematics.call,
    headers.call,
)

LIBRARIES: dict[str, tuple[Part, ...]] = {
    "cuda": (part(atomics.handlers("cuda")), part(ptx.HANDLERS), *_SIMT),
    "hip": (part(atomics.handlers("hip")), part(mfma.HANDLERS), part(amdgcn.HANDLERS), *_SIMT),
    "bang": (bang.call, mathematics.call),
    "vnni": (part(integers.X86), avx512.call, part(c_memory.HANDLERS), mathematics.call),
}
"""The parts of each dialect's library; the first that knows a name has it."""


_BUILTINS = part(integers.BUILTINS)


def call(evaluator: Calls, name: str, expr: ir.Call) -> Value:
    """The value of `name(args)`. Raises `ReadError` XP1010 for an unknown function."""
    for known in (*LIBRARIES[evaluator.source.dialect], _BUILTINS):
        value = known(evaluator, name, expr)
        if value is not None:
            return value
    raise ReadError(
        "XP1010",
        f"the function {name!r} is not known",
        span=expr.span,
        hint="functions of the file itself and of the dialect's own library are known",
    )
