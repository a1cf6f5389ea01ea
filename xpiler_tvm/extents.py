"""Extents as expressions: `"(n + 255) / 256"`, over names that stand for sizes.

The text is Python's: numbers, names, `+ - * / %`, `min`, `max` and comparisons; `/` and `//` both
round down. What an expression is worth depends on the names' values: integers, or TIR expressions.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from .errors import ReadError

Extent = Any  # an int, or such a text

_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def is_text(extent: Extent) -> bool:
    """Whether an extent is an expression and no number."""
    return isinstance(extent, str)


def checked(extent: Extent) -> Extent:
    """The extent: an int where it is one, else the text, which can be read.

    Raises `ReadError` XP1014 for any other text.
    """
    if not is_text(extent):
        return int(extent)
    node = _parsed(extent)
    _names(node, [])
    return node.value if isinstance(node, ast.Constant) else extent.strip()


def names_of(extent: Extent) -> tuple[str, ...]:
    """The names in an extent, each once, in order."""
    found: list[str] = []
    if is_text(extent):
        _names(_parsed(extent), found)
    return tuple(dict.fromkeys(found))


def value_of(extent: Extent, names: Mapping[str, Any]) -> Any:
    """The extent where names have these values: an int, or an expression in TIR.

    Raises `ReadError` XP1014 for a name without a value and for a division by zero.
    """
    if not is_text(extent):
        return extent
    try:
        return _value(_parsed(extent), names)
    except (KeyError, ZeroDivisionError) as error:
        raise ReadError("XP1014", f"the extent {extent!r} has no value: {error}") from None


def renamed(extent: Extent, names: Mapping[str, str]) -> Extent:
    """The extent with other expressions in place of names."""
    if not is_text(extent):
        return extent

    class Rename(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return _parsed(names[node.id]) if node.id in names else node

    copied = ast.parse(extent.strip(), mode="eval").body
    return ast.unparse(Rename().visit(copied))


@lru_cache(maxsize=1024)
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise _malformed(text) from None


def _malformed(text: str) -> ReadError:
    return ReadError(
        "XP1014",
        f"{text!r} is no extent",
        hint="a number, or an expression in names such as '(n + 255) / 256'",
    )


def _names(node: ast.expr, found: list[str]) -> None:
    """Appends the names of an expression. Raises `ReadError` XP1014 for what is none."""
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return
        case ast.Name(id=name):
            found.append(name)
            return
        case ast.Attribute(value=ast.Name(id=name), attr=field):
            found.append(f"{name}.{field}")
            return
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _names(operand, found)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            _names(left, found)
            return _names(right, found)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            for part in (left, *others):
                _names(part, found)
            return
        case ast.Call(func=ast.Name(id="min" | "max"), args=[left, right], keywords=[]):
            _names(left, found)
            return _names(right, found)
    raise _malformed(ast.unparse(node))


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=number):
            return number
        case ast.Name(id=name):
            return names[name]
        case ast.Attribute(value=ast.Name(id=name), attr=field):
            return names[f"{name}.{field}"]
        case ast.UnaryOp(operand=operand):
            return -_value(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](_value(left, names), _value(right, names))
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _chain([_value(part, names) for part in (left, *others)], ops)
        case ast.Call(func=ast.Name(id=name), args=[left, right]):
            return _extremum(name, _value(left, names), _value(right, names))
    raise _malformed(ast.unparse(node))


def _chain(values: list[Any], ops: list[ast.cmpop]) -> bool:
    """`a <= b < c` over integers."""
    pairs = zip(ops, values, values[1:], strict=False)
    return all(_COMPARISONS[type(op)](left, right) for op, left, right in pairs)


def _extremum(name: str, left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        return min(left, right) if name == "min" else max(left, right)
    from tvm import tirx

    return tirx.min(left, right) if name == "min" else tirx.max(left, right)
