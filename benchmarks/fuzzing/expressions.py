"""Random expressions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from .choices import Choices
from .scope import Array, Function, Scope, Variable
from .terms import (
    BOOL,
    DOUBLE,
    FLOAT,
    INT,
    INTEGERS,
    LONG,
    SHORT,
    UNSIGNED,
    Real,
    Term,
    arithmetic,
    cast,
    common,
    converted,
    fits,
    literal,
    promoted,
)

SMALL = 1000
"""What is brought into an interval of no special size lies within +- this."""

COMPARISONS = ("<", "==", "!=", ">", "<=", ">=")
INTERESTING = (0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 100, 127, 128, 255, 256, 1000, 32767, 65535)
FLOATS = (0.0, 1.0, 0.5, 2.0, 0.25, 3.0, 1.5, 10.0, 4.75)


class Expressions:
    """Expressions over what is in scope, none of which changes anything.

    `simt`: the functions of CUDA and HIP are known.
    """

    def __init__(self, choices: Choices) -> None:
        self.c = choices
        self.scope = Scope()
        self.uniform = False
        self.simt = True

    @contextmanager
    def uniformly(self, on: bool = True) -> Iterator[None]:
        """Expressions made here have one value in all threads of a block."""
        before, self.uniform = self.uniform, self.uniform or on
        yield
        self.uniform = before

    # ------------------------------------------------------------ integers

    def integer(self, depth: int = 3) -> Term:
        with self.c.span():
            if depth <= 0:
                return self._leaf()
            make = self.c.weighted([
                (20, lambda _: self._leaf()),
                (30, self._operation),
                (8, self._cast),
                (6, self._choice),
                (5, self._sign),
                (5, self._comparison),
                (8, self._intrinsic),
                (6, self._element),
                (4, self._from_float),
                (4, self._call),
                (2, self._bits_of_float),
            ])  # fmt: skip
            return make(depth - 1)

    def _leaf(self) -> Term:
        known = [v for v in self.scope.readable(self.uniform) if not v.type.is_float]
        if not known or self.c.chance(25):
            return self.constant()
        return self.c.pick(known).term()

    def constant(self) -> Term:
        kind = self.c.weighted([(10, INT), (4, UNSIGNED), (2, LONG), (1, INTEGERS[7])])
        value = self.c.pick(INTERESTING)
        if self.c.chance(10):
            value = int(kind.range[1]) - value
        return literal(-value if kind.signed and self.c.chance(25) else value, kind)

    def _operation(self, depth: int) -> Term:
        op = self.c.pick(("+", "-", "*", "&", "|", "^", "/", "%", ">>", "<<"))
        left, right = self.integer(depth), self.integer(depth)
        if op in ("<<", ">>"):
            right = self.inside(right, 0, promoted(left.type).bits - 1)
        if op in ("/", "%"):
            right = self.divisor(right)
        found = arithmetic(op, left, right)
        if found is None:
            small = 15 if op == "<<" else SMALL
            left = self.inside(left, 0 if op == "<<" else -small, small)
            right = self.inside(right, 0, 15) if op == "<<" else right
            found = arithmetic(op, left, right)
        if found is None:
            found = arithmetic(op, left, self.inside(right, -SMALL, SMALL))
        if found is None:  # a divisor that became unsigned could be anything
            return left
        assert found is not None, (op, left, right)
        return found

    def divisor(self, term: Term) -> Term:
        """The term made one that is never zero."""
        if term.low > 0 or term.high < 0:
            return term
        if self.c.chance(50):
            value = self.c.pick((2, 3, 4, 7, 8, 10, 16, 31, 64, 1))
            return literal(-value if self.c.chance(20) else value, INT)
        found = arithmetic("+", self.inside(term, 0, 15), literal(1, INT))
        assert found is not None
        return found

    def _cast(self, depth: int) -> Term:
        return cast(self.integer(depth), self.c.pick(INTEGERS))

    def _choice(self, depth: int) -> Term:
        test, then, other = self.test(depth), self.integer(depth), self.integer(depth)
        return self._chosen(test, then, other)

    def _chosen(self, test: str, then: Term, other: Term) -> Term:
        kind = then.type if then.type == other.type else common(then.type, other.type)
        a, b = converted(then, kind), converted(other, kind)
        low, high = min(a.low, b.low), max(a.high, b.high)
        text = f"({test} ? {then.text} : {other.text})"
        return Term(text, kind, low, high, max(a.grain, b.grain))

    def _sign(self, depth: int) -> Term:
        op, term = self.c.pick(("-", "~", "!", "+")), self.integer(depth)
        if op == "!":
            return Term(f"(!{term.text})", BOOL, 0, 1)
        kind = promoted(term.type)
        zero, one = literal(0, kind), literal(1, kind)
        minus = arithmetic("-", zero, term)
        if minus is None:
            term = self.inside(term, -SMALL, SMALL)
            minus = arithmetic("-", zero, term)
        assert minus is not None
        if op == "~":
            inverse = arithmetic("-", minus, one)
            if inverse is None:
                return term
            minus = inverse
        return replace(minus if op != "+" else converted(term, kind), text=f"({op}{term.text})")

    def _comparison(self, depth: int) -> Term:
        return Term(self.test(depth), BOOL, 0, 1)

    def _intrinsic(self, depth: int) -> Term:
        """A function of the language, of ints and unsigned ints."""
        if not self.simt:
            return self._leaf()
        name = self.c.pick(("min", "max", "abs", "__popc", "__clz", "__ffs", "__mul24", "__brev"))
        a = self.integer(depth)
        if name in ("min", "max"):
            kind = self.c.pick((INT, UNSIGNED, LONG))
            x, y = cast(a, kind), cast(self.integer(depth), kind)
            choose = min if name == "min" else max
            text = f"{name}({x.text}, {y.text})"
            return Term(text, kind, choose(x.low, y.low), choose(x.high, y.high))
        if name == "abs":
            a = self.inside(cast(a, INT), -SMALL, SMALL)
            return Term(f"abs({a.text})", INT, 0, a.most)
        if name == "__mul24":
            x = self.inside(cast(a, INT), -SMALL, SMALL)
            y = self.inside(cast(self.integer(depth), INT), -SMALL, SMALL)
            top = x.most * y.most
            return Term(f"__mul24({x.text}, {y.text})", INT, -top, top)
        if name == "__brev":
            return Term(f"__brev({cast(a, UNSIGNED).text})", UNSIGNED, *UNSIGNED.range)
        return Term(f"{name}({cast(a, UNSIGNED if name == '__popc' else INT).text})", INT, 0, 32)

    def _element(self, depth: int) -> Term:
        arrays = [a for a in self.scope.indexed(self.uniform) if not a.element.type.is_float]
        if not arrays:
            return self._leaf()
        array = self.c.pick(arrays)
        return array.at(self.index(array.extent, depth).text)

    def _from_float(self, depth: int) -> Term:
        kind, term = self.c.pick((INT, LONG, UNSIGNED, SHORT)), self.real(depth)
        low = 0 if not kind.signed else -SMALL
        return cast(self.inside(term, low, SMALL), kind)

    def _bits_of_float(self, depth: int) -> Term:
        if not self.simt:
            return self._leaf()
        term = self.float_of(self.real(depth))
        return Term(f"__float_as_int(fabsf({term.text}))", INT, *INT.range)

    def _call(self, depth: int) -> Term:
        return self._called([f for f in self._pure() if not f.result.type.is_float], depth)

    def _pure(self) -> list[Function]:
        return [f for f in self.scope.functions if f.pure and f.name not in self.scope.hidden]

    def _called(self, functions: list[Function], depth: int) -> Term:
        if not functions or self.uniform:
            return self._leaf()
        return self.call(self.c.pick(functions), depth)

    def call(self, function: Function, depth: int) -> Term:
        """A call of a function whose parameters are values and arrays that it only reads."""
        args = [self.argument(param, depth) for param in function.params]
        result = function.result
        text = f"{function.name}({', '.join(args)})"
        return Term(text, result.type, result.low, result.high, result.grain)

    def argument(self, param: Variable | Array, depth: int) -> str:
        if isinstance(param, Variable):
            return self.for_variable(param, depth).text
        return self.c.pick(self.fitting(param)).name

    def fitting(self, param: Array) -> list[Array]:
        """Arrays that can be passed for a parameter."""
        one = param.element
        return [
            a
            for a in self.scope.arrays
            if a.element.type == one.type
            and not a.field
            and a.extent >= param.extent
            and one.low <= a.element.low
            and a.element.high <= one.high
            and (not one.writable or (a.element.writable and a.element.low == one.low))
            and a.element.grain <= one.grain
        ]

    # ------------------------------------------------------------ intervals

    def inside(self, term: Term, low: Real, high: Real) -> Term:
        """An integer or a float brought into an interval that contains zero."""
        if term.within(low, high):
            return term
        if term.type.is_float:
            return self._clamped(term, low, high)
        if low < 0 and self.c.chance(30) and term.type.signed:
            size = min(-low, high) + 1
            found = arithmetic("%", term, literal(size, INT))
            if found is not None:
                return found
        if self.c.chance(20) and high >= 2 and not promoted(term.type).signed:
            found = arithmetic("%", term, literal(high + 1, INT))
            if found is not None:
                return found
        if self.simt and self.c.chance(20) and term.type == INT:
            text = f"min(max({term.text}, {low}), {high})"
            return Term(text, INT, low, high)
        mask = (1 << (int(high) + 1).bit_length() - 1) - 1
        found = arithmetic("&", term, literal(mask, INT))
        assert found is not None
        return found

    def _clamped(self, term: Term, low: Real, high: Real) -> Term:
        kind = term.type
        least, most = ("fmaxf", "fminf") if kind == FLOAT else ("fmax", "fmin")
        a, b = literal(float(low), kind).text, literal(float(high), kind).text
        text = f"{most}({least}({term.text}, {a}), {b})"
        return Term(text, kind, low, high, term.grain)

    def index(self, extent: int, depth: int = 1) -> Term:
        """An index into `extent` elements."""
        term = self.integer(depth)
        if term.within(0, extent - 1):
            return term
        if extent & (extent - 1):
            term = term if not promoted(term.type).signed else cast(term, UNSIGNED)
            found = arithmetic("%", term, literal(extent, UNSIGNED))
        else:
            found = arithmetic("&", term, literal(extent - 1, INT))
        assert found is not None
        return found

    def for_variable(self, to: Variable, depth: int = 3) -> Term:
        """An expression whose values a variable may take."""
        if to.type.is_float:
            return self.fitted(self.real(depth), to)
        return self.fitted(self.integer(depth), to)

    def fitted(self, term: Term, to: Variable) -> Term:
        if to.type.is_float:
            if term.grain > to.grain:
                # Rounding to whole numbers; fewer places would do, this is shorter.
                name = self.c.pick(("floor", "trunc", "rint", "ceil"))
                name += "f" if term.type == FLOAT else ""
                low, high = float(term.low) - 1, float(term.high) + 1
                term = Term(f"{name}({term.text})", term.type, low, high)
            return self.inside(term, to.low, to.high)
        if fits(to.type, to.low, to.high) and (to.low, to.high) == to.type.range:
            return converted(term, to.type)
        if not term.within(to.low, to.high):
            term = self.inside(term, to.low, to.high)
        return term

    # ------------------------------------------------------------ floats

    def real(self, depth: int = 3) -> Term:
        with self.c.span():
            if depth <= 0:
                return self._float_leaf()
            make = self.c.weighted([
                (20, lambda _: self._float_leaf()),
                (30, self._float_operation),
                (8, self._float_element),
                (6, self._float_choice),
                (6, self._from_integer),
                (6, self._float_function),
                (3, self._other_width),
                (3, self._float_minus),
                (3, self._float_call),
            ])  # fmt: skip
            return make(depth - 1)

    def _float_leaf(self) -> Term:
        known = [v for v in self.scope.readable(self.uniform) if v.type.is_float]
        if not known or self.c.chance(25):
            value = self.c.pick(FLOATS)
            kind = DOUBLE if self.c.chance(10) else FLOAT
            return literal(-value if value and self.c.chance(20) else value, kind)
        return self.c.pick(known).term()

    def _float_operation(self, depth: int) -> Term:
        op, left, right = self.c.pick("+-*"), self.real(depth), self.real(depth)
        found = arithmetic(op, left, right)
        if found is None:
            whole = Variable("", FLOAT, -64, 64, 2)
            found = arithmetic(op, self.fitted(left, whole), self.fitted(right, whole))
        assert found is not None
        return found

    def _float_element(self, depth: int) -> Term:
        arrays = [a for a in self.scope.indexed(self.uniform) if a.element.type.is_float]
        if not arrays:
            return self._float_leaf()
        array = self.c.pick(arrays)
        return array.at(self.index(array.extent, depth).text)

    def _float_choice(self, depth: int) -> Term:
        test, then, other = self.test(depth), self.real(depth), self.real(depth)
        if then.type != other.type:
            then, other = self.float_of(then), self.float_of(other)
        return self._chosen(test, then, other)

    def _from_integer(self, depth: int) -> Term:
        return cast(self.inside(self.integer(depth), -SMALL, SMALL), FLOAT)

    def _float_function(self, depth: int) -> Term:
        name, a = self.c.pick(("fminf", "fmaxf", "fabsf", "floorf", "ceilf", "truncf")), None
        a = self.float_of(self.real(depth))
        if name == "fabsf":
            return Term(f"fabsf({a.text})", FLOAT, 0, a.most, a.grain)
        if name in ("fminf", "fmaxf"):
            b = self.float_of(self.real(depth))
            low, high = min(a.low, b.low), max(a.high, b.high)
            return Term(f"{name}({a.text}, {b.text})", FLOAT, low, high, max(a.grain, b.grain))
        return Term(f"{name}({a.text})", FLOAT, float(a.low) - 1, float(a.high) + 1)

    def _other_width(self, depth: int) -> Term:
        term = self.real(depth)
        return cast(term, DOUBLE) if term.type == FLOAT else self.float_of(term)

    def float_of(self, term: Term) -> Term:
        """The term as a float."""
        if term.type == FLOAT:
            return term
        if not fits(FLOAT, term.low, term.high, term.grain):
            term = self.fitted(term, Variable("", FLOAT, -64, 64, 2))
        return cast(term, FLOAT)

    def _float_minus(self, depth: int) -> Term:
        term = self.real(depth)
        return replace(term, text=f"(-{term.text})", low=-term.high, high=-term.low)

    def _float_call(self, depth: int) -> Term:
        functions = [f for f in self._pure() if f.result.type.is_float]
        if not functions or self.uniform:
            return self._float_leaf()
        return self.call(self.c.pick(functions), depth)

    # ------------------------------------------------------------ conditions

    def test(self, depth: int = 2) -> str:
        with self.c.span():
            kind = self.c.weighted([(10, "integers"), (4, "floats"), (3, "and"), (3, "or"),
                                    (2, "truth"), (2, "not")])  # fmt: skip
            if depth <= 0 or kind == "integers":
                op = self.c.pick(COMPARISONS)
                return f"({self.integer(depth - 1).text} {op} {self.integer(depth - 1).text})"
            if kind == "floats":
                op = self.c.pick(COMPARISONS)
                return f"({self.real(depth - 1).text} {op} {self.real(depth - 1).text})"
            if kind in ("and", "or"):
                sign = "&&" if kind == "and" else "||"
                return f"({self.test(depth - 1)} {sign} {self.test(depth - 1)})"
            if kind == "truth":
                return f"({self.integer(depth - 1).text} != 0)"
            return f"(!{self.test(depth - 1)})"
