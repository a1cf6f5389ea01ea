"""Expressions in symbolic sizes: from TIR to texts as `xpiler_tvm.extents` has them, and to C.

(n + T.int32(255)) // 256   ->   "(n + 255) / 256"   ->   the same in C, where nothing is negative
"1 <= n <= 4096"            ->   "1 <= n && n <= 4096"
"""

from __future__ import annotations

import ast

import tvm
from tvm import tirx

from xpiler_tvm.errors import EmitError
from xpiler_tvm.extents import names_of

CONDITIONS_ATTRIBUTE = "xpiler.conditions"
"""The attribute of a scheduled `main` with the conditions, in C, that its launcher has to check."""

_SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "FloorDiv": "/", "FloorMod": "%", "Div": "/"}


def text_of(extent: tvm.ir.Expr) -> str:
    """An extent as text. Raises `EmitError` XP4001 where it is more than arithmetic on sizes."""
    return ast.unparse(ast.parse(_text_of(extent), mode="eval"))


def _text_of(extent: tvm.ir.Expr) -> str:
    kind = type(extent).__name__
    if kind == "IntImm":
        return str(int(extent.value))
    if isinstance(extent, tvm.ir.Var):
        return str(extent.name)
    if kind in _SIGNS:
        return f"({_text_of(extent.a)} {_SIGNS[kind]} {_text_of(extent.b)})"
    if kind in ("Min", "Max"):
        return f"{kind.lower()}({_text_of(extent.a)}, {_text_of(extent.b)})"
    if isinstance(extent, tirx.Cast):
        return _text_of(extent.value)
    raise EmitError("XP4001", f"the launch extent {extent} is no arithmetic on sizes")


def in_c(text: str) -> str:
    """An extent or a condition as an expression of C.

    Raises `EmitError` XP4001 for a construct that the texts of `extents` do not have.
    """
    return _bare(ast.parse(text.strip(), mode="eval").body)


def of_launcher(conditions: list[str]) -> list[str]:
    """The conditions that an emitted launcher can check: those about the source's own launch are
    met by the lift."""
    return [in_c(text) for text in conditions if not any("." in name for name in names_of(text))]


def _bare(node: ast.expr) -> str:
    """Where nothing around it binds as strongly as arithmetic does."""
    code = _in_c(node)
    return code[1:-1] if isinstance(node, ast.BinOp) else code


def _in_c(node: ast.expr) -> str:
    match node:
        case ast.Constant() | ast.Name():
            return ast.unparse(node)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{_in_c(operand)}"
        case ast.BinOp(left=left, op=op, right=right):
            sign = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Mod: "%"}.get(type(op), "/")
            return f"({_in_c(left)} {sign} {_in_c(right)})"
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_bare(one) for one in (left, *others)]
            parts = [
                f"{before} {_COMPARISONS[type(op)]} {after}"
                for before, op, after in zip(sides, ops, sides[1:], strict=False)
            ]
            return " && ".join(parts)
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=[left, right]):
            one, other = _in_c(left), _in_c(right)
            return f"({one} {'<' if name == 'min' else '>'} {other} ? {one} : {other})"
    raise EmitError("XP4001", f"{ast.unparse(node)!r} has no form in C")


_COMPARISONS: dict[type, str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
