"""Random statements: declarations, assignments, branches and loops that end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .choices import Choices
from .expressions import SMALL, Expressions
from .scope import Array, Variable
from .terms import (
    BOOL,
    BYTE,
    CHAR,
    DOUBLE,
    FLOAT,
    INT,
    LONG,
    SHORT,
    ULONG,
    UNSIGNED,
    USHORT,
    Term,
    Type,
    literal,
)

SUM = 1 << 24
TRIPS = 64
DEPTH = 3
KINDS = (INT, FLOAT, UNSIGNED, BYTE, SHORT, LONG, CHAR, USHORT, BOOL, DOUBLE, ULONG)


def variable(name: str, kind: Type, *, writable: bool = True) -> Variable:
    """A variable with the values that all of its type have here: signed sums may not overflow."""
    if kind.is_float:
        return Variable(name, kind, -64, 64, 2, writable)
    if kind in (INT, LONG):
        size = SMALL if kind == INT else 1 << 40
        return Variable(name, kind, -size, size, writable=writable)
    return Variable(name, kind, *kind.range, writable=writable)


@dataclass(frozen=True)
class Enclosing:
    """A loop or switch around a statement: what may leave it, and whether all threads agree."""

    converged: bool
    continues: bool = True


class Statements(Expressions):
    """Statements, written as lines.

    `converged`: all threads of a block come here together. `trips` bounds how often a statement is
    run, `returns` is how a function may be left early, if it may.
    """

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices)
        self.lines: list[str] = []
        self.margin = 0
        self.names = 0
        self.loops: list[Enclosing] = []
        self.converged = False
        self.trips = 1
        self.returns: Variable | None = None
        self.leaves = False
        self.depth = 0

    def kinds(self) -> list[tuple[int, Callable[[], None]]]:
        """What statements there are, and how often each is made."""
        return [
            (20, self._assign),
            (12, self._declare),
            (10, self._compound),
            (6, self._step),
            (12, self._if),
            (10, self._for),
            (5, self._while),
            (3, self._do),
            (5, self._switch),
            (5, self._local_array),
            (8, self._store),
            (5, self._sum),
            (5, self._exit),
            (4, self._comma),
            (3, self._block),
        ]

    # ------------------------------------------------------------ text

    def emit(self, line: str) -> None:
        self.lines.append("  " * self.margin + line)

    def fresh(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    @contextmanager
    def braces(self, head: str, tail: str = "}") -> Iterator[None]:
        self.emit(f"{head} {{".lstrip())
        self.margin += 1
        with self.scope.block():
            yield
        self.margin -= 1
        self.emit(tail)

    def body(self, most: int = 4, percent: int = 80) -> None:
        """Up to `most` statements."""
        self.depth += 1
        for _ in self.c.parts(most, percent):
            self.c.weighted(self.kinds())()
        self.depth -= 1

    @contextmanager
    def inside_of(self, around: Enclosing, trips: int = 1) -> Iterator[None]:
        before = self.converged, self.trips
        self.converged = self.converged and around.converged
        self.trips *= max(1, trips)
        self.loops.append(around)
        yield
        self.loops.pop()
        self.converged, self.trips = before

    @contextmanager
    def diverged(self, really: bool = True) -> Iterator[None]:
        before = self.converged
        self.converged = before and not really
        yield
        self.converged = before

    # ------------------------------------------------------------ values

    def _declare(self) -> None:
        new = variable(self.fresh("v"), self.c.pick(KINDS))
        if self.c.chance(15) and new.type == INT:
            self._declare_sum()
            return
        self.declare(new)

    def declare(self, new: Variable) -> None:
        value = self.for_variable(new)
        style = self.c.pick(("{0} {1} = {2};", "{0} {1}({2});", "{0} {1}; {1} = {2};"))
        self.emit(style.format(new.type.name, new.name, value.text))
        self.scope.variables.append(new)

    def _declare_sum(self) -> None:
        kind = self.c.pick((INT, FLOAT, LONG))
        grain = 2 if kind.is_float else 0
        size = SUM >> grain
        new = Variable(self.fresh("sum"), kind, -size, size, grain, writable=False, room=size)
        self.emit(f"{kind.name} {new.name} = {literal(0, kind).text};")
        self.scope.variables.append(new)

    def _assign(self) -> None:
        known = self.scope.writable()
        if not known:
            self._declare()
            return
        to = self.c.pick(known)
        self.emit(f"{to.name} = {self.for_variable(to).text};")

    def _compound(self) -> None:
        """`v += e` and its like, where no value of `v` can leave its interval."""
        free = [v for v in self.scope.writable() if _wraps(v.type)]
        if not free:
            self._assign()
            return
        to = self.c.pick(free)
        with self.scope.without(to.name):
            op, value = self.change(to.type)
        self.emit(f"{to.name} {op}= {value.text};")

    def change(self, kind: Type) -> tuple[str, Term]:
        """An operator and an operand that may change any value of a type that wraps."""
        op = self.c.pick(("+", "-", "^", "|", "&", "*", "<<", ">>", "/", "%"))
        value = self.integer(2)
        if kind == BOOL:
            return self.c.pick("^|&"), value
        if op in ("/", "%"):
            return op, self.divisor(value)
        if op in ("<<", ">>"):
            op = ">>" if kind.signed else op
            return op, self.inside(value, 0, min(kind.bits, 32) - 1)
        if kind.bits < 32 or (value.type.signed and kind.bits < value.type.bits):
            value = self.inside(value, -SMALL, SMALL)
        return op, value

    def _step(self) -> None:
        """`++v`, and `w = v++`."""
        free = [v for v in self.scope.writable() if _wraps(v.type) and v.type != BOOL]
        if not free:
            self._assign()
            return
        one, op = self.c.pick(free), self.c.pick(("++", "--"))
        text = self.c.pick((f"{one.name}{op}", f"{op}{one.name}"))
        others = [v for v in free if v is not one and v.type == one.type]
        if others and self.c.chance(60):
            to = self.c.pick(others)
            self.emit(f"{to.name} = {text};")
        else:
            self.emit(f"{text};")

    def _sum(self) -> None:
        """`s += e`, with what room there is."""
        sums = [v for v in self.scope.readable(False) if v.room > 0]
        if not sums:
            self._declare_sum()
            return
        to = self.c.pick(sums)
        with self.scope.without(to.name):
            value = self.for_variable(variable("", FLOAT if to.type.is_float else INT), 2)
        if value.most * self.trips > to.room:
            return
        to.room -= value.most * self.trips
        op = self.c.pick("+-")
        plain = f"{to.name} {op}= {value.text};"
        self.emit(self.c.pick((plain, f"{to.name} = {to.name} {op} {value.text};")))

    def _comma(self) -> None:
        """Several effects in one expression, in an order that the language fixes."""
        known = self.scope.writable()
        if len(known) < 2:
            self._declare()
            return
        one, two = self.c.pick(known), self.c.pick(known)
        first, second = self.for_variable(one, 2).text, self.for_variable(two, 2).text
        form = self.c.weighted([(6, "chain"), (6, "comma"), (1, "and"), (1, "choice")])
        if form == "chain":
            self.emit(f"{one.name} = {first}, {two.name} = {second};")
        elif form == "comma":
            self.emit(f"{two.name} = ({one.name} = {first}, {second});")
        elif form == "and":
            sign = self.c.pick(("&&", "||"))
            self.emit(f"if ({self.test(1)} {sign} (({one.name} = {first}) != 0)) "
                      f"{two.name} = {second};")  # fmt: skip
        else:
            test = self.test(1)
            self.emit(f"{test} ? (void)({one.name} = {first}) : (void)({two.name} = {second});")

    # ------------------------------------------------------------ arrays

    def _local_array(self) -> None:
        kind = self.c.pick((INT, FLOAT, UNSIGNED, BYTE, SHORT))
        extent = self.c.pick((4, 8, 3, 6))
        array = Array(self.fresh("loc"), variable("", kind), extent)
        name, how = array.name, self.c.pick(("list", "zero", "loop"))
        if how == "loop":
            self.emit(f"{kind.name} {name}[{extent}];")
            counter = Variable(self.fresh("i"), INT, 0, extent - 1, writable=False, uniform=True)
            with self.braces(f"for (int {counter.name} = 0; {counter.name} < {extent}; "
                             f"++{counter.name})"):  # fmt: skip
                self.scope.variables.append(counter)
                self.emit(f"{name}[{counter.name}] = {self.for_variable(array.element, 2).text};")
        else:
            count = 0 if how == "zero" else self.c.between(1, extent)
            values = [self._narrowed(self.for_variable(array.element, 2), kind)
                      for _ in range(count)]  # fmt: skip
            self.emit(f"{kind.name} {name}[{extent}] = {{{', '.join(values)}}};")
        self.scope.arrays.append(array)

    def _narrowed(self, value: Term, kind: Type) -> str:
        """A value for a list in braces, which does not narrow by itself."""
        return f"({kind.name}){value.text}"

    def _store(self) -> None:
        arrays = [a for a in self.scope.indexed(False) if a.element.writable]
        if not arrays:
            self._local_array()
            return
        array = self.c.pick(arrays)
        place = array.at(self.index(array.extent).text).text
        if _wraps(array.element.type) and self.c.chance(30):
            op, value = self.change(array.element.type)
            self.emit(f"{place} {op}= {value.text};")
        else:
            self.emit(f"{place} = {self.for_variable(array.element, 2).text};")

    # ------------------------------------------------------------ branches

    def _if(self) -> None:
        if self.depth > DEPTH:
            self._assign()
            return
        same = self.converged and self.c.chance(60)
        with self.uniformly(same):
            test = self.test()
        with self.diverged(not same):
            with self.braces(f"if {test}", "}"):
                self.body(3)
            if self.c.chance(40):
                with self.braces("else"):
                    self.body(3)

    def _switch(self) -> None:
        if self.depth > DEPTH:
            self._assign()
            return
        labels = [self.c.below(6) for _ in range(self.c.between(1, 4))]
        labels = sorted(set(labels), key=labels.index)
        default = self.c.below(len(labels) + 1) if self.c.chance(70) else -1
        value = self.inside(self.integer(2), 0, 7).text
        outer = self.loops[-1] if self.loops else None
        continues = outer is not None and outer.continues and not outer.converged
        with self.braces(f"switch ({value})"), self.inside_of(Enclosing(False, continues)):
            for number, label in enumerate(labels):
                if number == default:
                    self.emit("default:")
                self.emit(f"case {label}:")
                if self.c.chance(15) and number + 1 < len(labels):
                    continue
                with self.braces(""):
                    self.body(2)
                if not self.c.chance(25):
                    self.emit("break;")
            if default == len(labels):
                with self.braces("default:"):
                    self.body(2)

    def _block(self) -> None:
        with self.braces(""):
            self.body(3)

    def _exit(self) -> None:
        """`break`, `continue` or `return` under a condition."""
        ways = []
        around = self.loops[-1] if self.loops else None
        if around is not None and (self.converged or not around.converged):
            ways += ["break;", "continue;"] if around.continues else ["break;"]
        if self.leaves:
            ways.append("return;")
        if not ways:
            self._assign()
            return
        way = self.c.pick(ways)
        with self.uniformly(around is not None and around.converged and way != "return;"):
            test = self.test()
        if way == "return;" and self.returns is not None:
            way = f"return {self.for_variable(self.returns, 2).text};"
        self.emit(f"if {test} {way}")

    # ------------------------------------------------------------ loops

    def _room_for_loop(self) -> bool:
        return self.depth <= DEPTH and self.trips * 8 <= TRIPS * 2

    def _for(self) -> None:
        if not self._room_for_loop():
            self._assign()
            return
        count, step = self.c.between(1, 8), self.c.pick((1, 1, 2, 3))
        same = self.converged and self.c.chance(70)
        name = self.fresh("i")
        kind = self.c.pick((INT, INT, UNSIGNED, LONG, SHORT))
        bound: Term | None = None
        if self.c.chance(35):
            with self.uniformly(same):
                bound = self.inside(self.integer(2), 0, 8)
        top = bound.text if bound is not None else f"{count * step}"
        most = 7 if bound is not None else count * step - 1
        form = self.c.pick(("up", "down", "unsigned down", "not equal", "no test"))
        trips = most // step + 1
        if form == "down":
            head = f"for (int {name} = {top}; {name} > 0; {name} -= {step})"
            counter = Variable(name, INT, 1, most + 1, writable=False, uniform=same)
        elif form == "unsigned down":
            head, trips = f"for (unsigned {name} = {top}; {name}-- > 0;)", most + 1
            counter = Variable(name, UNSIGNED, 0, most, writable=False, uniform=same)
        elif form == "not equal":
            if bound is not None:  # what the body changes must not move the end
                self.emit(f"int {name}n = {top};")
                top = f"{name}n"
            head, trips = f"for (int {name} = 0; {name} != {top}; ++{name})", most + 1
            counter = Variable(name, INT, 0, most, writable=False, uniform=same)
        elif form == "no test":
            head = f"for (int {name} = 0;; {name} += {step})"
            counter = Variable(name, INT, 0, most + step, writable=False, uniform=same)
        else:
            op = self.c.pick(("<", "<="))
            most += op == "<="
            trips = most // step + 1
            change = f"++{name}" if step == 1 else f"{name} += {step}"
            cast = f"({kind.name})" if kind in (UNSIGNED, LONG) else ""
            head = f"for ({kind.name} {name} = 0; {name} {op} {cast}{top}; {change})"
            counter = Variable(name, kind, 0, most, writable=False, uniform=same)
        with self.braces(head), self.inside_of(Enclosing(same), trips):
            if form == "no test":
                self.emit(f"if ({name} >= {top}) break;")
                counter.high = most
            self.scope.variables.append(counter)
            self.body()

    def _while(self) -> None:
        """A loop that a counter of its own ends, changed at the start or the end of the body."""
        if not self._room_for_loop():
            self._assign()
            return
        name, early = self.fresh("w"), self.c.chance(50)
        start = self.inside(self.integer(2), 0, 15)
        test, change, trips = self.c.pick((
            (f"{name} > 0", f"{name} -= 2;", 8),
            (f"{name} > 0", f"{name} /= 2;", 4),
            (f"{name} != 0", f"{name} >>= 1;", 4),
            (f"{name} < 16", f"{name} += 2 + ({name} & 1);", 8),
            (f"{name}", f"{name} &= {name} - 1;", 4),
            ("true", f"if (({name} += 3) > 15) break;", 5),
        ))  # fmt: skip
        self.emit(f"int {name} = {start.text};")
        counter = Variable(name, INT, -2, 18, writable=False)
        with self.braces(f"while ({test})"), self.inside_of(Enclosing(False, early), trips):
            self.scope.variables.append(counter)
            if early:
                self.emit(change)
            self.body()
            if not early:
                self.emit(change)
        self.scope.variables.append(counter)

    def _do(self) -> None:
        if not self._room_for_loop():
            self._assign()
            return
        name = self.fresh("d")
        start = self.inside(self.integer(2), 0, 7)
        self.emit(f"int {name} = {start.text};")
        test = self.c.pick((f"--{name} > 0", f"{name}-- > 1", f"(++{name}) < 7"))
        counter = Variable(name, INT, -1, 8, writable=False)
        with (
            self.braces("do", f"}} while ({test});"),
            self.inside_of(Enclosing(False), 8),
        ):
            self.scope.variables.append(counter)
            self.body(3)
        self.scope.variables.append(counter)


def _wraps(kind: Type) -> bool:
    """Whether any sum may be stored in a variable of the type."""
    return not kind.is_float and kind not in (INT, LONG)
