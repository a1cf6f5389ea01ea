"""Statements of host code that the parser made nothing of: libraries may be unknown to it.

It leaves such a statement out, or parts of it. That is harmless where the statement prints or takes
the time, and not where it works on the arrays of a sequence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import Kernel

from . import clang_ast, ir
from .host_calls import nodes
from .host_run import Run
from .host_values import plain

_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_CHANGED = r"(?:[-+*/%&|^]|<<|>>)?=(?!=)|\+\+|--"


def refuse_gaps(unit: ir.Unit, kernel: Kernel, run: Run) -> None:
    """Raises `ReadError` XP1013 for a statement of the functions that `run` entered which is left
    out and may matter: it launches, names a pointer or an object, or changes a number."""
    text = kernel.source
    parsed = clang_ast.parse_loosely(text, kernel.dialect, kernel.filename)
    plain_text = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    starts = [match.end() for match in re.finditer(r"^", plain_text, re.MULTILINE)]
    functions = sorted(unit.functions.values(), key=lambda function: function.span.line)
    for _, error in clang_ast.errors(parsed, text, kernel.filename):
        if error.span is None:
            continue
        before = [one for one in functions if one.span.line <= error.span.line]
        if not before or before[-1].ident not in run.entered:
            continue
        place = starts[error.span.line - 1] + error.span.column - 1
        if _matters(_statement(plain_text, place), unit, before[-1]):
            raise ReadError(
                "XP1013",
                f"this is not read, and the arrays may depend on it: {error.message}",
                span=error.span,
                hint="read a host function without it: root=...",
            )


def _statement(text: str, place: int) -> str:
    """The statement at `place`, with the blocks that it holds."""
    start = max(text.rfind(mark, 0, place) for mark in ";{}") + 1
    depth = 0
    for end in range(place, len(text)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth <= 0 and text[end] in ";}":
            return text[start : end + 1]
    return text[start:]


def _matters(statement: str, unit: ir.Unit, function: ir.Function) -> bool:
    if "<<<" in statement or re.search(r"LaunchKernel|LaunchCooperative|GraphLaunch", statement):
        return True
    words = set(re.findall(r"\w+", statement))
    for variable in _variables(unit, function):
        if variable.name not in words:
            continue
        if not isinstance(plain(variable.type), ir.Arithmetic):
            return True
        name = re.escape(variable.name)
        if re.search(rf"\b{name}\s*({_CHANGED})|(\+\+|--|&)\s*{name}\b|>>\s*{name}\b", statement):
            return True
    return any(kernel.name in words for kernel in unit.kernels)


def _variables(unit: ir.Unit, function: ir.Function) -> Iterator[ir.Variable]:
    yield from unit.variables.values()
    yield from function.params
    for node in nodes(function.body):
        if isinstance(node, ir.Variable):
            yield node
