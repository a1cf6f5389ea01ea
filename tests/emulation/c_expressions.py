"""Evaluates the C expressions of the dialects' tables on numpy arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?)[fu]?|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>\|\||&&|==|!=|<=|>=|[-+*/%<>=!~&|^?:(),]))"
)

_BINARY: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/", "%"),
)


def _divide(a: Any, b: Any) -> Any:
    if all(np.issubdtype(np.asarray(one).dtype, np.integer) for one in (a, b)):
        return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
    return np.divide(a, b)


_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "||": np.logical_or,
    "&&": np.logical_and,
    "|": np.bitwise_or,
    "^": np.bitwise_xor,
    "&": np.bitwise_and,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _divide,
    "%": np.fmod,
}


def half_away(x: Any) -> Any:
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "fabs": np.abs,
    "round": half_away,
    "erf": np.vectorize(math.erf, otypes=["f8"]),
    **{name: getattr(np, name) for name in ("exp", "exp2", "log", "log2", "log1p", "sqrt")},
    **{name: getattr(np, name) for name in ("sin", "cos", "tanh", "floor", "ceil", "trunc")},
    **{name: getattr(np, name) for name in ("rint", "copysign", "fmod")},
    "fmax": np.fmax,
    "fmin": np.fmin,
}

_CONSTANTS = {"INFINITY": np.float32(np.inf), "NAN": np.float32(np.nan)}


class _Parser:
    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self.values = values
        self.tokens = [(found.lastgroup, found[found.lastgroup]) for found in self._scan(text)]
        self.at = 0

    @staticmethod
    def _scan(text: str) -> list[Any]:
        found, place = [], 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            assert match, f"{text[place:]!r} is no C"
            found.append(match)
            place = match.end()
        return found

    def take(self, *signs: str) -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at] in [("sign", s) for s in signs]:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def expression(self) -> Any:
        test = self.binary(0)
        if not self.take("?"):
            return test
        yes = self.expression()
        assert self.take(":")
        return np.where(test, yes, self.expression())

    def binary(self, level: int) -> Any:
        if level == len(_BINARY):
            return self.unary()
        value = self.binary(level + 1)
        while sign := self.take(*_BINARY[level]):
            value = _OPERATIONS[sign](value, self.binary(level + 1))
        return value

    def unary(self) -> Any:
        sign = self.take("-", "!", "~")
        if sign:
            return {"-": np.negative, "!": np.logical_not, "~": np.invert}[sign](self.unary())
        if self.take("("):
            value = self.expression()
            assert self.take(")")
            return value
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return np.float32(word) if re.search("[.eE]", word) else int(word)
        if not self.take("("):
            return self.values[word] if word in self.values else _CONSTANTS[word]
        arguments = [self.expression()]
        while self.take(","):
            arguments.append(self.expression())
        assert self.take(")")
        name = word if word in _FUNCTIONS else word.removesuffix("f")
        return _FUNCTIONS[name](*arguments)


def evaluate(text: str, **values: Any) -> Any:
    """The value of a C expression. Floats are what numpy makes of the operands' types."""
    parser = _Parser(text, values)
    with np.errstate(all="ignore"):
        value = parser.expression()
    assert parser.at == len(parser.tokens), text
    return value


def grid(extents: tuple[tuple[str, str], ...], **parameters: int) -> dict[str, np.ndarray]:
    """Index arrays of loops over `extents`, each of the loops' shape, and the parameters."""
    shape = [int(evaluate(extent, **parameters)) for _, extent in extents]
    names = [name for name, _ in extents]
    return {**parameters, **dict(zip(names, np.indices(shape), strict=True))}
