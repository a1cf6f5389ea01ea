"""C expressions with what is known of their values, so that nothing in them is undefined.

A term's value lies in a closed interval and is a multiple of `2**-grain`. Floating-point terms stay
where their type has every such number: arithmetic on them is exact, in whatever order it is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Real = int | float


@dataclass(frozen=True)
class Type:
    """An arithmetic type; `bits` of a floating-point number are those of its fraction."""

    name: str
    dtype: str
    bits: int
    signed: bool = True
    is_float: bool = False

    @property
    def range(self) -> tuple[Real, Real]:
        if self.is_float:
            return -(2**self.bits), 2**self.bits
        if self.dtype == "bool":
            return 0, 1
        top = 1 << self.bits - self.signed
        return (-top if self.signed else 0), top - 1


INT = Type("int", "int32", 32)
UNSIGNED = Type("unsigned", "uint32", 32, False)
LONG = Type("long long", "int64", 64)
ULONG = Type("unsigned long long", "uint64", 64, False)
SHORT = Type("short", "int16", 16)
USHORT = Type("unsigned short", "uint16", 16, False)
CHAR = Type("signed char", "int8", 8)
BYTE = Type("unsigned char", "uint8", 8, False)
BOOL = Type("bool", "bool", 1, False)
FLOAT = Type("float", "float32", 24, is_float=True)
DOUBLE = Type("double", "float64", 53, is_float=True)

INTEGERS = (INT, UNSIGNED, SHORT, BYTE, LONG, CHAR, USHORT, ULONG, BOOL)


@dataclass(frozen=True)
class Term:
    """An expression: its text, complete in itself, its type and its values."""

    text: str
    type: Type
    low: Real
    high: Real
    grain: int = 0

    @property
    def most(self) -> Real:
        """The greatest magnitude."""
        return max(abs(self.low), abs(self.high))

    def within(self, low: Real, high: Real) -> bool:
        return low <= self.low and self.high <= high


def literal(value: Real, kind: Type) -> Term:
    """A constant; `value` is one that the type has."""
    if kind.is_float:
        number = f"{float(value)!r}{'f' if kind == FLOAT else ''}"
        text = f"({number})" if value < 0 else number
        return Term(text, kind, value, value, grain_of(value))
    suffix = {INT: "", UNSIGNED: "u", LONG: "ll", ULONG: "ull"}
    if kind == BOOL:
        text = "true" if value else "false"
    elif kind in suffix:
        text = f"{value}{suffix[kind]}"
    else:
        text = f"({kind.name}){value}"
    return Term(f"({text})" if value < 0 or kind not in suffix else text, kind, value, value)


def grain_of(value: Real) -> int:
    """How many binary places a number has."""
    return float(value).as_integer_ratio()[1].bit_length() - 1


def promoted(kind: Type) -> Type:
    return INT if not kind.is_float and kind.bits < 32 else kind


def common(left: Type, right: Type) -> Type:
    """The type in which C computes with both."""
    if left.is_float or right.is_float:
        return max((t for t in (left, right) if t.is_float), key=lambda kind: kind.bits)
    left, right = promoted(left), promoted(right)
    if left.bits != right.bits:
        return left if left.bits > right.bits else right
    return right if left.signed else left


def fits(kind: Type, low: Real, high: Real, grain: int = 0) -> bool:
    """Whether a type has every multiple of `2**-grain` between the bounds."""
    if not kind.is_float:
        least, most = kind.range
        return grain == 0 and least <= low and high <= most
    return max(abs(low), abs(high)) * 2**grain <= 2**kind.bits


def converted(term: Term, kind: Type) -> Term:
    """The term as C converts it to `kind`, with the same text: floats have to be small enough."""
    if kind == term.type:
        return term
    if kind == BOOL:
        return replace(term, type=kind, low=0, high=1, grain=0)
    if kind.is_float:
        assert fits(kind, term.low, term.high, term.grain), term
        return replace(term, type=kind)
    low, high = term.low, term.high
    if term.type.is_float:
        low, high = int(low), int(high)
        assert fits(kind, low, high), term
    elif not fits(kind, low, high):
        low, high = kind.range
    return Term(term.text, kind, low, high)


def cast(term: Term, kind: Type) -> Term:
    return replace(converted(term, kind), text=f"(({kind.name}){term.text})")


def arithmetic(op: str, left: Term, right: Term) -> Term | None:
    """`left op right`, or `None` where C does not define it or a float would be rounded."""
    kind = common(left.type, right.type)
    if kind.is_float:
        if op not in "+-*" or not all(fits(kind, t.low, t.high, t.grain) for t in (left, right)):
            return None
        a, b = converted(left, kind), converted(right, kind)
        grain = a.grain + b.grain if op == "*" else max(a.grain, b.grain)
    elif op in ("<<", ">>"):
        return _shifted(op, left, right)
    else:
        a, b, grain = converted(left, kind), converted(right, kind), 0
    text = f"({left.text} {op} {right.text})"
    if op in ("/", "%"):
        return _divided(op, text, a, b, kind)
    low, high = _bounds(op, a, b)
    if not fits(kind, low, high, grain):
        if kind.is_float or kind.signed:
            return None
        low, high = kind.range
    return Term(text, kind, low, high, grain)


def _bounds(op: str, a: Term, b: Term) -> tuple[Real, Real]:
    if op == "+":
        return a.low + b.low, a.high + b.high
    if op == "-":
        return a.low - b.high, a.high - b.low
    if op == "*":
        corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
        return min(corners), max(corners)
    if op == "&" and min(a.low, b.low) >= 0:
        return 0, min(a.high, b.high)
    if op == "&" and max(a.low, b.low) >= 0:
        return 0, a.high if a.low >= 0 else b.high
    top = 1 << int(max(a.high, b.high, -a.low - 1, -b.low - 1)).bit_length()
    return (0 if min(a.low, b.low) >= 0 else -top), top - 1


def _divided(op: str, text: str, a: Term, b: Term, kind: Type) -> Term | None:
    if b.low <= 0 <= b.high:
        return None
    if kind.signed and a.low == kind.range[0] and b.low <= -1 <= b.high:
        return None
    if op == "/":
        corners = [int(abs(x)) // int(abs(y)) * (1 if (x < 0) == (y < 0) else -1)
                   for x in (a.low, a.high) for y in (b.low, b.high)]  # fmt: skip
        corners += [0] if a.low <= 0 <= a.high else []
        return Term(text, kind, min(corners), max(corners))
    most = min(b.most - 1, a.most)
    return Term(text, kind, -most if a.low < 0 else 0, most if a.high > 0 else 0)


def _shifted(op: str, left: Term, right: Term) -> Term | None:
    kind = promoted(left.type)
    if right.low < 0 or right.high >= kind.bits or right.type.is_float:
        return None
    a, text = converted(left, kind), f"({left.text} {op} {right.text})"
    least, most = int(right.low), int(right.high)
    if op == ">>":
        ends = [int(x) >> n for x in (a.low, a.high) for n in (least, most)]
        return Term(text, kind, min(ends), max(ends))
    low, high = int(a.low) << least, int(a.high) << most
    if not kind.signed:
        return Term(text, kind, *((low, high) if fits(kind, low, high) else kind.range))
    return Term(text, kind, low, high) if a.low >= 0 and fits(kind, low, high) else None
