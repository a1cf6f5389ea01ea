"""C expressions of the dialects' tables as values, through the arithmetic that reads kernels.

"a >= b ? a : b"  ->  the kernel IR of it  ->  max(x[i], y[i])
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Expr, Var

from .. import ir
from ..spelling import BUILTIN
from ..values import Address, Number, Value

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?[fuL]?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%<>!~&|^?:(),\[\]]))"
)
_BINARY: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
"""Operators, those that bind least first."""

LIBRARY = -1
"""The identity of a library's function, whatever the file calls its own."""

_CONSTANTS = {"INFINITY": float("inf"), "NAN": float("nan")}


def evaluate(ev: Calls, text: str, values: Mapping[str, Value], span: Span) -> Number:
    """The value of a C expression of the names in `values`, for a call at `span`."""
    with _named(ev, values):
        return ev.number(parsed(text, span))


def place(ev: Calls, text: str, values: Mapping[str, Value], span: Span) -> Address:
    """The place that a C expression of the names in `values` stands for."""
    with _named(ev, values):
        found = ev.place(parsed(text, span))
    assert isinstance(found, Address)
    return found


@contextmanager
def _named(ev: Calls, values: Mapping[str, Value]) -> Iterator[None]:
    env = ev.env
    ev.env = {**env, **{_ident(name): value for name, value in values.items()}}
    try:
        yield
    finally:
        ev.env = env


def of_elements(ev: Calls, text: str, values: Mapping[str, Number], span: Span) -> Number:
    """The same where `values` are read from memory: all of them are, whichever the result needs."""
    places: dict[str, Number] = {}
    given: dict[Var, Expr] = {}
    for name, value in values.items():
        places[name] = value
        if tir.has_load(value.expr):
            var = tirx.Var(name, tir.dtype_of(value.expr))
            given[var], places[name] = value.expr, Number(var, value.dtype)
    found = evaluate(ev, text, places, span)
    return Number(tir.substitute(found.expr, given), found.dtype)


def _ident(name: str) -> int:
    """The identity of a name; the parser's are positive."""
    return -int.from_bytes(name.encode(), "big")


@lru_cache(maxsize=4096)
def parsed(text: str, span: Span) -> ir.Expr:
    """The kernel IR of a C expression; every node has the place `span`."""
    return _Parser(text, span).whole()


class _Parser:
    def __init__(self, text: str, span: Span) -> None:
        self.span = span
        self.tokens: list[tuple[str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise ValueError(f"{text[at:]!r} is no C expression")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.at = 0

    def whole(self) -> ir.Expr:
        found = self.expression()
        if self.at < len(self.tokens):
            raise ValueError(f"{self.tokens[self.at][1]!r} is left over")
        return found

    def take(self, *signs: str) -> str | None:
        """The next token, where it is one of `signs`."""
        kind, word = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind != "sign" or word not in signs:
            return None
        self.at += 1
        return word

    def expect(self, sign: str) -> None:
        if self.take(sign) is None:
            raise ValueError(f"{sign!r} is missing")

    def expression(self) -> ir.Expr:
        test = self.binary(0)
        if not self.take("?"):
            return test
        then = self.expression()
        self.expect(":")
        return ir.Conditional(test, then, self.expression(), self.span)

    def binary(self, level: int) -> ir.Expr:
        if level == len(_BINARY):
            return self.unary()
        value = self.binary(level + 1)
        while op := self.take(*_BINARY[level]):
            value = ir.Binary(op, value, self.binary(level + 1), self.span)
        return value

    def unary(self) -> ir.Expr:
        if op := self.take("-", "!", "~", "*"):
            return ir.Unary(op, self.unary(), self.span)
        value = self.primary()
        while self.take("["):
            value = ir.Subscript(value, self.expression(), self.span)
            self.expect("]")
        return value

    def primary(self) -> ir.Expr:
        if self.take("("):
            target = self.type()
            if target is not None:
                self.expect(")")
                return ir.Cast(target, self.unary(), self.span)
            value = self.expression()
            self.expect(")")
            return value
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return self.number(word)
        if self.take("("):
            args = [self.expression()]
            while self.take(","):
                args.append(self.expression())
            self.expect(")")
            return ir.Call(ir.Name(word, LIBRARY, self.span), tuple(args), (), self.span)
        if word in _CONSTANTS:
            return ir.Literal(_CONSTANTS[word], "float32", self.span)
        return ir.Name(word, _ident(word), self.span)

    def type(self) -> ir.Type | None:
        """The type of a cast, where one begins here."""
        start = self.at
        words = []
        while self.at < len(self.tokens) and self.tokens[self.at][0] == "name":
            words.append(self.tokens[self.at][1])
            self.at += 1
        dtype = BUILTIN.get(" ".join(word for word in words if word != "const"))
        if dtype is None:
            self.at = start
            return None
        kind: ir.Type = ir.Arithmetic(dtype)
        while self.take("*"):
            kind = ir.Pointer(kind)
        return kind

    def number(self, word: str) -> ir.Expr:
        digits = word.rstrip("fuL")
        if re.search(r"[.eE]", digits):
            kind = "float32" if word.endswith("f") else "float64"
            return ir.Literal(float(digits), kind, self.span)
        dtype = {"u": "uint32", "L": "int64"}.get(word[-1], "int32")
        return ir.Literal(int(digits), dtype, self.span)
