"""Types as clang spells them, where templates leave it nothing else: text -> `ir.Type`.

    const Tile<BM * 2, typename Traits<T>::type> &  ->  Reference(Instance("Tile", ...))

Names stay names; whoever evaluates the kernel knows what template parameters stand for.
"""

from __future__ import annotations

import re

from xpiler_tvm.errors import Span

from . import ir

BUILTIN = {
    "bool": "bool",
    "char": "int8",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned": "uint32",
    "unsigned int": "uint32",
    "long": "int64",
    "unsigned long": "uint64",
    "long long": "int64",
    "unsigned long long": "uint64",
    "float": "float32",
    "double": "float64",
    "_Float16": "float16",
    "__bf16": "bfloat16",
    "half": "float16",
    "__half": "float16",
    "__nv_bfloat16": "bfloat16",
    "size_t": "uint64",
    "ptrdiff_t": "int64",
    **{f"{sign}int{bits}_t": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""C's names of numbers, and TVM's."""

_TOKEN = re.compile(r"\s*(::|&&|\|\||<<|>=|<=|==|!=|[A-Za-z_]\w*|\d\w*|.)")
_WORDS = {"signed", "unsigned", "char", "short", "int", "long", "float", "double", "bool"}
_DROPPED = {"const", "volatile", "typename", "struct", "class", "enum", "template", "restrict"}
_DROPPED |= {"__restrict", "__restrict__"}
_LEVELS = (("||",), ("&&",), ("==", "!="), ("<=", ">="), ("+", "-"), ("*", "/", "%"))


class _Unparsable(Exception):
    pass


def parse_type(text: str, span: Span) -> ir.Type:
    """The type that `text` spells; `Named` where it is none that is known here."""
    parser = _Parser(text, span)
    try:
        kind = parser.type()
        if parser.peek():
            raise _Unparsable
    except _Unparsable:
        return ir.Named(text.strip())
    return kind


def parse_argument(text: str, span: Span) -> ir.Type | ir.Expr:
    """The template argument that `text` spells. A name alone is taken for a type."""
    parser = _Parser(text, span)
    try:
        found = parser.argument()
        if parser.peek():
            raise _Unparsable
    except _Unparsable:
        return ir.Named(text.strip())
    return found


def split_arguments(text: str) -> list[str]:
    """`a, b<c, d>` in its two parts."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    return [word.strip() for word in words] if text.strip() else []


class _Parser:
    def __init__(self, text: str, span: Span) -> None:
        self.tokens = [token for token in _TOKEN.findall(text) if token not in _DROPPED]
        self.span = span
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, token: str = "") -> str:
        found = self.peek()
        if not found or (token and found != token):
            raise _Unparsable
        self.at += 1
        return found

    def type(self) -> ir.Type:
        kind = self._plain_type()
        while self.peek() in ("*", "&", "&&"):
            kind = ir.Pointer(kind) if self.take() == "*" else ir.Reference(kind)
        return kind

    def _plain_type(self) -> ir.Type:
        words = []
        while self.peek() in _WORDS:
            words.append(self.take())
        if words:
            name = " ".join(words)
            if name not in BUILTIN:
                raise _Unparsable
            return ir.Arithmetic(BUILTIN[name])
        kind: ir.Type | None = None
        while True:
            name = self.take()
            if not re.match(r"[A-Za-z_]", name) or name in ("true", "false", "sizeof"):
                raise _Unparsable
            args: tuple[ir.Type | ir.Expr, ...] | None = None
            if self.peek() == "<":
                args = self._arguments()
            if args is not None:
                kind = ir.Instance(name, args)
            elif kind is not None:
                kind = ir.MemberType(kind, name)
            else:
                kind = ir.Named(name)
            if self.peek() != "::":
                break
            self.take()
        if isinstance(kind, ir.Named):
            if kind.name == "void":
                return ir.VOID
            if kind.name in BUILTIN:
                return ir.Arithmetic(BUILTIN[kind.name])
        return kind

    def _arguments(self) -> tuple[ir.Type | ir.Expr, ...]:
        self.take("<")
        found: list[ir.Type | ir.Expr] = []
        while self.peek() != ">":
            found.append(self.argument())
            if self.peek() == ",":
                self.take()
        self.take(">")
        return tuple(found)

    def argument(self) -> ir.Type | ir.Expr:
        start = self.at
        try:
            kind = self.type()
            if self.peek() in (",", ">", ""):
                return kind
        except _Unparsable:
            pass
        self.at = start
        return self._sum(0)

    def _sum(self, level: int) -> ir.Expr:
        if level == len(_LEVELS):
            return self._atom()
        left = self._sum(level + 1)
        while self.peek() in _LEVELS[level]:
            left = ir.Binary(self.take(), left, self._sum(level + 1), self.span)
        return left

    def _atom(self) -> ir.Expr:
        token = self.take()
        if token == "(":
            inner = self._sum(0)
            self.take(")")
            return inner
        if token == "!":
            return ir.Unary("!", self._atom(), self.span)
        if token == "-":
            return ir.Unary("-", self._atom(), self.span)
        if token in ("true", "false"):
            return ir.Literal(int(token == "true"), "bool", self.span)
        if token == "sizeof":
            self.take("(")
            kind = self.type()
            self.take(")")
            return ir.SizeOf(kind, self.span)
        if token[0].isdigit():
            return ir.Literal(int(token.rstrip("uUlL"), 0), "int32", self.span)
        if not re.match(r"[A-Za-z_]", token):
            raise _Unparsable
        if self.peek() in ("::", "<"):
            self.at -= 1
            kind = self._plain_type()
            if isinstance(kind, ir.MemberType):
                return ir.Scoped(kind.of, kind.name, self.span)
            if isinstance(kind, ir.Instance):
                return ir.Scoped(kind, "", self.span)
            raise _Unparsable
        return ir.Name(token, 0, self.span)
