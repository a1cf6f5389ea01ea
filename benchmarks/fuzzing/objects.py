"""Random pointers, references, classes and functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .choices import Choices
from .scope import Array, Function, Variable
from .statements import Enclosing, Statements, variable
from .terms import BYTE, DOUBLE, FLOAT, INT, LONG, SHORT, UNSIGNED, Term

_PARAMETERS = (INT, UNSIGNED, FLOAT, SHORT, LONG, BYTE, DOUBLE)


@dataclass(eq=False)
class Class:
    """A class: its members, and its methods by their names alone."""

    name: str
    members: list[Variable] = field(default_factory=list)
    methods: list[Function] = field(default_factory=list)


class Objects(Statements):
    """Statements over pointers, references, classes, lambdas and functions.

    `device` is what a function of the device is declared with, `method` one of a class.
    """

    device = method = "__device__ "

    def __init__(self, choices: Choices) -> None:
        super().__init__(choices)
        self.classes: list[Class] = []

    def kinds(self) -> list[tuple[int, Callable[[], None]]]:
        return [
            *super().kinds(),
            (6, self._walk),
            (5, self._pointer),
            (4, self._reference),
            (6, self._object),
            (5, self._lambda),
            (6, self._call_statement),
            (2, self._bits),
            (2, self._vector_load),
        ]

    # ------------------------------------------------------------ pointers

    def _walk(self) -> None:
        """A pointer that runs through an array."""
        arrays = [a for a in self.scope.indexed(False) if not a.field]
        if not arrays or not self._room_for_loop():
            self._assign()
            return
        array, name = self.c.pick(arrays), self.fresh("p")
        kind, count = array.element.type.name, self.c.between(1, min(8, array.extent))
        room = array.extent - count
        start = f" + {self.index(room, 1).text}" if room > 0 and self.c.chance(60) else ""
        const = "" if array.element.writable else "const "
        self.emit(f"{const}{kind}* {name} = {array.name}{start};")
        one = replace(array.element, name=f"(*{name})", writable=False)
        form = self.c.pick(("for", "end", "post"))
        if form == "for":
            index = self.fresh("i")
            heads = f"for (int {index} = 0; {index} < {count}; ++{index}, ++{name})", "}"
        elif form == "end":
            self.emit(f"{const}{kind}* {name}e = {name} + {count};")
            heads = f"for (; {name} < {name}e; ++{name})", "}"
        else:
            self.emit(f"{const}{kind}* {name}e = {name} + {count};")
            heads = f"while ({name} != {name}e)", "}"
        with self.braces(*heads), self.inside_of(Enclosing(False, form != "post"), count):
            if form == "post":
                one = variable(self.fresh("x"), array.element.type, writable=False)
                one.low, one.high, one.grain = (
                    array.element.low, array.element.high, array.element.grain)  # fmt: skip
                self.emit(f"{kind} {one.name} = *{name}++;")
            elif array.element.writable and self.c.chance(50):
                self.emit(f"*{name} = {self.for_variable(array.element, 2).text};")
            self.scope.variables.append(one)
            self.body(3)

    def _pointer(self) -> None:
        """A pointer into an array, which stands for the rest of it."""
        arrays = [a for a in self.scope.indexed(False) if not a.field and a.extent > 1]
        if not arrays:
            self._local_array()
            return
        array, name = self.c.pick(arrays), self.fresh("q")
        shift = self.c.below(array.extent - 1)
        kind = ("" if array.element.writable else "const ") + array.element.type.name
        form = self.c.pick(("{a} + {s}", "&{a}[{s}]", "{s} + {a}"))
        self.emit(f"{kind}* {name} = {form.format(a=array.name, s=shift)};")
        rest = Array(name, array.element, array.extent - shift)
        if rest.extent > 2 and self.c.chance(40):
            step = self.c.between(1, rest.extent - 1)
            self.emit(self.c.pick((f"{name} += {step};", f"{name} = {name} + {step};")))
            rest.extent -= step
        self.scope.arrays.append(rest)
        if self.c.chance(30):
            self.emit(f"int {name}d = (int)({name} - {array.name});")
            self.scope.variables.append(Variable(f"{name}d", INT, 0, array.extent, writable=False))

    def _reference(self) -> None:
        known = self.scope.writable()
        arrays = [a for a in self.scope.indexed(False) if a.element.writable]
        name = self.fresh("r")
        if known and (not arrays or self.c.chance(60)):
            of = self.c.pick(known)
            place, whole = of.name, of
        elif arrays:
            array = self.c.pick(arrays)
            place, whole = array.at(self.index(array.extent).text).text, array.element
        else:
            self._declare()
            return
        kind = whole.type.name
        if self.c.chance(50):
            self.emit(f"{kind}& {name} = {place};")
            self.scope.variables.append(replace(whole, name=name))
        else:
            self.emit(f"{kind}* {name} = &{place};")
            self.scope.variables.append(replace(whole, name=f"(*{name})"))

    def _bits(self) -> None:
        """The bits of a float as an integer, and back."""
        name = self.fresh("f")
        value = self.float_of(self.real(2))
        self.emit(f"float {name} = fabsf({value.text});")
        forms = ["*(int*)&{0}", "*reinterpret_cast<int*>(&{0})", "__float_as_int({0})"]
        form = self.c.pick(forms if self.simt else forms[:2])
        self.emit(f"int {name}i = {form.format(name)};")
        back = f"__int_as_float({name}i)" if self.simt else f"*(float*)&{name}i"
        self.emit(f"float {name}f = {back};")
        self.scope.variables += [
            Variable(f"{name}i", INT, 0, INT.range[1], writable=False),
            Variable(f"{name}f", FLOAT, 0, value.most, value.grain, writable=False),
        ]

    def _vector_load(self) -> None:
        """Several elements of an array at once, through a pointer to the dialect's vectors."""
        able = [a for a in self.scope.indexed(False)
                if a.extent == 32 and a.element.type in (INT, FLOAT) and not a.field]  # fmt: skip
        if not able or not self.simt:
            self._assign()
            return
        array, lanes = self.c.pick(able), self.c.pick((2, 4))
        name, kind = self.fresh("vec"), f"{array.element.type.name}{lanes}"
        const = "" if array.element.writable else "const "
        index = self.index(array.extent // lanes).text
        self.emit(f"{kind} {name} = reinterpret_cast<{const}{kind}*>({array.name})[{index}];")
        self.scope.variables += [
            replace(array.element, name=f"{name}.{part}", writable=False) for part in "xyzw"[:lanes]
        ]

    # ------------------------------------------------------------ classes

    def declare_class(self) -> None:
        """A class at the head of the file, with members of several types and methods."""
        made = Class(self.fresh("S"))
        kinds = [self.c.pick((INT, FLOAT, SHORT, UNSIGNED, LONG, BYTE)) for _ in range(3)]
        made.members = [variable(f"m{number}", kind) for number, kind in enumerate(kinds)]
        with self.braces(f"struct {made.name}", "};"):
            for member in made.members:
                self.emit(f"{member.type.name} {member.name};")
            for _ in self.c.parts(3, 70):
                made.methods.append(self._method(made))
        self.classes.append(made)

    def _method(self, of: Class) -> Function:
        changes, name = self.c.chance(40), self.fresh("get")
        param = variable(self.fresh("a"), INT, writable=False)
        result = variable("", self.c.pick((INT, FLOAT, UNSIGNED)))
        const = "" if changes else " const"
        head = f"{self.method}{result.type.name} {name}(int {param.name}){const}"
        with self.braces(head):
            members = of.members if changes else [replace(m, writable=False) for m in of.members]
            self.scope.variables += [*members, param]
            if changes:
                self._in_function(result, self.body, 3)
            self.emit(f"return {self.for_variable(result, 2).text};")
        return Function(name, (param,), result, pure=not changes)

    def _in_function(self, result: Variable | None, make: Callable[[int], None], most: int) -> None:
        """Statements of another function: its own loops and returns."""
        kept = self.loops, self.trips, self.converged, self.returns, self.leaves, self.depth
        self.loops, self.trips, self.converged, self.depth = [], 8, False, 1
        self.returns, self.leaves = result, True
        make(most)
        self.loops, self.trips, self.converged, self.returns, self.leaves, self.depth = kept

    def _object(self) -> None:
        """An object of a class, or an array of them."""
        if not self.classes:
            self._declare()
            return
        of, name = self.c.pick(self.classes), self.fresh("o")
        if self.c.chance(25):
            extent = self.c.pick((2, 4, 3))
            self.emit(f"{of.name} {name}[{extent}] = {{{{{self._members(of)}}}}};")
            self.scope.arrays += [
                Array(name, replace(member, name=""), extent, f".{member.name}")
                for member in of.members
            ]
            return
        if self.c.chance(50):
            self.emit(f"{of.name} {name} = {{{self._members(of)}}};")
        else:
            self.emit(f"{of.name} {name};")
            for member in of.members:
                self.emit(f"{name}.{member.name} = {self.for_variable(member, 1).text};")
        self._in_scope(of, name, ".")
        if self.c.chance(50):
            other = self.fresh("o")
            form, dot = self.c.pick((
                (f"{of.name} {other} = {name};", "."),
                (f"{of.name}& {other} = {name};", "."),
                (f"{of.name}* {other} = &{name};", "->"),
            ))  # fmt: skip
            self.emit(form)
            self._in_scope(of, other, dot)

    def _members(self, of: Class) -> str:
        return ", ".join(
            f"({member.type.name}){self.for_variable(member, 1).text}" for member in of.members
        )

    def _in_scope(self, of: Class, name: str, dot: str) -> None:
        for member in of.members:
            self.scope.variables.append(replace(member, name=f"{name}{dot}{member.name}"))
        for method in of.methods:
            self.scope.functions.append(replace(method, name=f"{name}{dot}{method.name}"))

    # ------------------------------------------------------------ functions

    def declare_function(self) -> None:
        """A function at the head of the file: one may change what it is given, or be a template."""
        name, pure = self.fresh("f"), self.c.chance(60)
        params: list[Variable | Array] = []
        for _ in self.c.parts(3):
            params.append(self._parameter(pure))
        result = variable("", self.c.pick((INT, FLOAT, UNSIGNED, LONG, SHORT)))
        number = self.c.between(1, 5) if self.c.chance(30) else 0
        head = f"{self.device}{result.type.name} {name}({', '.join(map(_declared, params))})"
        if number:
            self.emit("template <int N>")
        with self.braces(head):
            if number:
                known = Variable("N", INT, number, number, writable=False, uniform=True)
                self.scope.variables.append(known)
            for param in params:
                if isinstance(param, Variable):
                    self.scope.variables.append(param)
                else:
                    self.scope.arrays.append(param)
            self._in_function(result, self.body, 5)
            self.emit(f"return {self.for_variable(result, 2).text};")
        called = f"{name}<{number}>" if number else name
        self.scope.functions.append(Function(called, tuple(params), result, pure))

    def _parameter(self, pure: bool) -> Variable | Array:
        name = self.fresh("a")
        if self.c.chance(25):
            kind = self.c.pick((INT, FLOAT))
            return Array(name, variable("", kind, writable=not pure), self.c.pick((4, 3)))
        param = variable(name, self.c.pick(_PARAMETERS))
        if not pure and self.c.chance(50):
            return replace(param, reference=True)
        return param

    def _call_statement(self) -> None:
        """A call of a function that changes something, alone or as what is assigned."""
        able = [f for f in self.scope.functions if not f.pure and self._callable(f)]
        if not able:
            self._assign()
            return
        function = self.c.pick(able)
        args = []
        for param in function.params:
            if isinstance(param, Variable) and param.reference:
                args.append(self.c.pick(self._like(param)).name)
            else:
                args.append(self.argument(param, 2))
        result = function.result
        term = Term(f"{function.name}({', '.join(args)})", result.type, result.low, result.high,
                    result.grain)  # fmt: skip
        to = [v for v in self.scope.writable() if v.type == result.type]
        self.emit(f"{self.c.pick(to).name} = {term.text};" if to else f"{term.text};")

    def _callable(self, function: Function) -> bool:
        return all(
            bool(self.fitting(param)) if isinstance(param, Array)
            else not param.reference or bool(self._like(param))
            for param in function.params
        )  # fmt: skip

    def _like(self, param: Variable) -> list[Variable]:
        return [v for v in self.scope.writable() if v.type == param.type and not v.room]

    def _pure(self) -> list[Function]:
        return [f for f in super()._pure() if self._callable(f)]

    def _lambda(self) -> None:
        """A lambda of an int: one that only computes, or one that changes what it captures."""
        name, pure = self.fresh("g"), self.c.chance(60)
        param = variable(self.fresh("a"), INT)
        result = variable("", self.c.pick((INT, FLOAT)))
        capture = "=" if pure else "&"
        head = f"auto {name} = [{capture}](int {param.name}) -> {result.type.name}"
        with self.braces(head, "};"):
            if pure:
                frozen = [replace(v, writable=False, room=0) for v in self.scope.variables]
                constant = [replace(a, element=replace(a.element, writable=False))
                            for a in self.scope.arrays]  # fmt: skip
                kept = self.scope.variables, self.scope.arrays
                self.scope.variables, self.scope.arrays = [*frozen, param], constant
                self.emit(f"return {self.for_variable(result, 2).text};")
                self.scope.variables, self.scope.arrays = kept
            else:
                self.scope.variables.append(param)
                rooms = [(v, v.room) for v in self.scope.variables]
                for one, _ in rooms:
                    one.room = 0
                self._in_function(result, self.body, 3)
                for one, room in rooms:
                    one.room = room
                self.emit(f"return {self.for_variable(result, 2).text};")
        self.scope.functions.append(Function(name, (param,), result, pure))


def _declared(param: Variable | Array) -> str:
    if isinstance(param, Array):
        const = "" if param.element.writable else "const "
        return f"{const}{param.element.type.name}* {param.name}"
    sign = "&" if param.reference else ""
    return f"{param.type.name}{sign} {param.name}"
