"""Running host functions on concrete numbers and symbolic memory.

Contents of arrays are not followed beyond single stores (a value read from one is `Unknown`), so
loops that only fill or check arrays are given up after a few steps, with everything they assign
unknown afterwards. What is recorded are events in their order: launches, copies, fills, and what
host code does to memories itself.

Integers are exact and wrap where a variable of a width takes them. Methods and constructors of
classes are not followed: what they may change becomes unknown.

The first launch of a kernel is known before all of the code has been run, so that what comes after
it may be left out where it is not understood. A run of the `whole` leaves nothing out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal, cast

from xpiler_tvm.errors import ReadError, Span

from . import ir
from .host_values import (
    ARITHMETIC,
    COMPARISONS,
    INTEGER,
    Address,
    Cell,
    Closure,
    Copied,
    Element,
    Event,
    Field,
    Filled,
    Launched,
    Memory,
    Place,
    Touched,
    Unknown,
    Value,
    bytes_of,
    depends,
    number_function,
    plain,
    rounded,
    spelled,
)

STEPS = 100_000  # statements of one run
LOOP_STEPS = 1_000  # statements of a loop that launches and copies nothing
CALL_DEPTH = 32
GIVE = "give params and launch yourself: --param ... --grid ... --block ..."

# ---------------------------------------------------------------- what calls what


def nodes(node: object) -> Iterator[Any]:
    """`node` and all IR below it."""
    if isinstance(node, tuple):
        for item in node:
            yield from nodes(item)
    elif dataclasses.is_dataclass(node) and not isinstance(node, Span):
        yield node
        for part in dataclasses.fields(node):
            yield from nodes(getattr(node, part.name))


class Calls:
    """The static part: which code launches or copies, itself or through the functions it calls."""

    def __init__(self, unit: ir.Unit) -> None:
        self.unit = unit
        self._acts: dict[int, bool] = {}

    def hosts(self) -> list[ir.Function]:
        """The host functions with a body, in the order of the file."""
        found = [f for f in self.unit.functions.values() if _runs_on_host(f)]
        return sorted(found, key=lambda function: function.span.line)

    def function(self, name: ir.Name) -> ir.Function | None:
        """The function with a body that `name` means; in templates the parser knows no identity."""
        found = self.unit.functions.get(name.ident)
        if found is None and not name.ident:
            found = self.unit.named(name.name)
        return found if found is not None and found.body is not None else None

    def callees(self, node: object) -> Iterator[ir.Function]:
        """The host functions that `node` itself names."""
        for name in nodes(node):
            if isinstance(name, ir.Name):
                function = self.function(name)
                if function is not None and _runs_on_host(function):
                    yield function

    def code(self, node: object) -> Iterator[Any]:
        """All IR of `node` and of the host functions it may get to."""
        seen: set[int] = set()
        todo = [node]
        while todo:
            node = todo.pop()
            yield from nodes(node)
            for function in self.callees(node):
                if function.ident not in seen:
                    seen.add(function.ident)
                    todo.append(function.body)

    def assigned(self, code: list[Any]) -> Iterator[ir.Expr]:
        """What `code` may change: assigned, counted, or handed out by address or reference."""
        for part in code:
            if isinstance(part, ir.Assign):
                yield part.target
            elif isinstance(part, ir.Unary):
                if part.op == "&" or part.op.endswith(("++", "--")):
                    yield part.value
            elif isinstance(part, ir.Variable):
                if isinstance(part.type, ir.Reference) and part.init is not None:
                    yield part.init
            elif isinstance(part, ir.Call) and isinstance(part.callee, ir.Name):
                function = self.function(part.callee)
                if function is None and _by_reference(part.callee.name):
                    yield from part.args
                for param, arg in zip(function.params if function else (), part.args, strict=False):
                    if isinstance(param.type, ir.Reference):
                        yield arg

    def stored(self, node: object) -> Iterator[int]:
        """The identities of the pointers through which `node` stores."""
        for target in self.assigned(list(nodes(node))):
            base = target
            while isinstance(base, (ir.Subscript, ir.Member, ir.Unary, ir.Cast)):
                base = base.value if isinstance(base, (ir.Unary, ir.Cast)) else base.base
            if isinstance(base, ir.Name) and base is not target:
                yield base.ident

    def acts(self, node: object) -> bool:
        """Whether running `node` may launch, allocate or copy."""
        if id(node) not in self._acts:
            self._acts[id(node)] = any(
                isinstance(part, ir.LaunchExpr)
                or (isinstance(part, ir.Name) and _device_call(part.name) in _ACTIONS)
                for part in self.code(node)
            )
        return self._acts[id(node)]

    def reaches(self, function: ir.Function, entry: str | None) -> bool:
        """Whether `function` launches the kernel of that name, directly or not."""
        name = entry.partition("<")[0] if entry else None
        return any(
            isinstance(part, ir.LaunchExpr)
            and isinstance(part.call.callee, ir.Name)
            and name in (None, part.call.callee.name)
            for part in self.code(function.body)
        )

    def roots(self, entry: str | None) -> list[ir.Function]:
        """Where to start: `main` first, then outer functions before the ones they call."""
        found = [function for function in self.hosts() if self.reaches(function, entry)]
        inner = {f.ident for function in found for f in self.callees(function.body)}
        return sorted(found, key=lambda f: (f.name != "main", f.ident in inner))

    def settable(self, roots: list[ir.Function]) -> list[str]:
        """The names that `args` may set: parameters and variables of numbers in host functions."""
        names: dict[str, None] = {}
        for root in roots:
            variables = [
                *root.params,
                *(n for n in nodes(root.body) if isinstance(n, ir.Variable)),
            ]
            for variable in variables:
                if isinstance(plain(variable.type), ir.Arithmetic) or variable.type == ir.AUTO:
                    names[variable.name] = None
        return list(names)


def _runs_on_host(function: ir.Function) -> bool:
    return function.body is not None and function.kind in ("host", "both")


def _device_call(name: str) -> str:
    """`Malloc` for `cudaMalloc`, `hipMalloc` and `cnrtMalloc`; empty for other names."""
    for prefix in ("cuda", "hip", "cnrt"):
        if name.startswith(prefix) and name[len(prefix) : len(prefix) + 1].isupper():
            return name[len(prefix) :]
    return ""


# ---------------------------------------------------------------- the run


class _Return(Exception):
    def __init__(self, value: Value) -> None:
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Exit(Exception):
    """The program calls `exit` or `abort`."""


class _GivenUp(Exception):
    """The steps of a loop that neither launches nor copies are used up."""


class Run:
    """One run of the host code, from one function on.

    `symbols` are the device's variables that nothing initialises, by name, and `entered` the host
    functions that ran, by identity.
    """

    def __init__(self, calls: Calls, args: dict[str, int | float], whole: bool = False) -> None:
        self.calls = calls
        self.unit = calls.unit
        self.args = args
        self.whole = whole
        self.launches: list[Launched] = []
        self.events: list[Event] = []
        self.symbols: dict[str, Memory] = {}
        self.entered: set[int] = set()
        self.complete = False
        self.from_main = False
        self.doubt: Unknown | None = None  # on which it rests whether the code that follows runs
        self.steps = 0
        self.loop_end: int | None = None  # the step at which the outermost inert loop is given up
        self.frame: dict[int, Place] = {}
        self.types: dict[str, ir.Type] = {}  # type parameters of the template that runs
        self.depth = 0

    def start(self, root: ir.Function) -> None:
        self.from_main = root.name == "main"
        if self.whole:
            self._refuse_methods()
        for variable in self.unit.variables.values():
            if not variable.space:
                self.declare(variable, overridden=False)
            elif variable.space in ("constant", "device") and variable.init is None:
                memory = Memory("device", size=self.size_of(variable.type))
                self.symbols[variable.name] = memory
                self.frame[variable.ident] = Cell(Address(memory))
        values = self._root_values(root)
        try:
            self.call_function(root, values, ())
            self.complete = True
        except _Exit:
            pass
        except ReadError:
            # What comes after the launch only serves to find the intents.
            if self.whole or not self.launches:
                raise

    def _refuse_methods(self) -> None:
        for found in self.unit.classes.values():
            for method in (one for overloads in found.methods.values() for one in overloads):
                if _runs_on_host(method) and self.calls.acts(method.body):
                    raise ReadError(
                        "XP1013",
                        f"methods of classes are not followed, and {found.name}::{method.name} "
                        "launches or copies",
                        span=method.span,
                    )

    def _not_followed(self, node: ir.Call) -> Value:
        """The result of a call of which it is not known what it calls."""
        if self.whole:
            raise ReadError("XP1013", "it is not known what this calls", span=node.span)
        return Unknown("a call", node.span)

    def _touch(self, memory: Memory, span: Span) -> None:
        last = self.events[-1] if self.events else None
        if not isinstance(last, Touched) or last.memory is not memory:
            self.events.append(Touched(memory, span))

    def _root_values(self, root: ir.Function) -> list[Value]:
        missing = []
        values: list[Value] = []
        for param in root.params:
            kind = plain(param.type)
            if param.name in self.args:
                values.append(self.args[param.name])
            elif isinstance(kind, ir.Pointer):
                values.append(Address(Memory("caller"), 0, kind.to))
            elif root.name == "main":
                values.append(1)  # argc: the program as it runs without arguments
            elif param.init is not None:
                values.append(self.value(param.init))
            else:
                if isinstance(kind, ir.Arithmetic) and not kind.dtype.startswith("float"):
                    missing.append(param.name)
                values.append(Unknown(f"the argument {param.name!r} of {root.name}", param.span))
        if missing:
            raise ReadError(
                "XP1006",
                f"{root.name} needs values for {', '.join(missing)}",
                span=root.span,
                hint="give "
                + " ".join(f"--arg {name}=..." for name in missing)
                + ", or args={"
                + ", ".join(f'"{name}": ...' for name in missing)
                + "}",
            )
        return values

    # ------------------------------------------------------------ statements

    def run(self, node: ir.Stmt) -> None:
        self.steps += 1
        if self.loop_end is not None and self.steps > self.loop_end:
            raise _GivenUp
        if self.steps > STEPS:
            raise ReadError(
                "XP1013", f"the host code takes more than {STEPS} steps", span=node.span, hint=GIVE
            )
        if isinstance(node, ir.Block):
            for part in node.body:
                self.run(part)
        elif isinstance(node, ir.Declare):
            for variable in node.variables:
                self.declare(variable, overridden=True)
        elif isinstance(node, ir.Evaluate):
            self.value(node.value)
        elif isinstance(node, ir.If):
            test = self.truth(node.test)
            if isinstance(test, Unknown):
                self.skip(node, test)
            elif test:
                self.run(node.then)
            elif node.other is not None:
                self.run(node.other)
        elif isinstance(node, ir.Loop):
            self.loop(node)
        elif isinstance(node, ir.RangeLoop):
            self.skip(node, Unknown("a loop over data", node.span))
        elif isinstance(node, ir.Switch):
            self.switch(node)
        elif isinstance(node, ir.Return):
            raise _Return(self.value(node.value) if node.value is not None else None)
        elif isinstance(node, ir.Break):
            raise _Break
        elif isinstance(node, ir.Continue):
            raise _Continue
        elif isinstance(node, ir.Unreadable):
            raise ReadError("XP1013", f"in host code {node.message}", span=node.span, hint=GIVE)

    def declare(self, variable: ir.Variable, overridden: bool) -> None:
        kind = variable.type
        if overridden and variable.name in self.args and not isinstance(kind, ir.Pointer):
            value: Value = self.args[variable.name]
        elif isinstance(kind, ir.ArrayType):
            value = self._local_array(kind, variable)
        elif isinstance(kind, ir.Reference) and variable.init is not None:
            self.frame[variable.ident] = self.place(variable.init)
            return
        elif variable.init is None:
            value = self.construct(kind, (), variable.span)
        else:
            value = self.value(variable.init)
        self.frame[variable.ident] = Cell(self.convert(value, kind), kind)

    def _local_array(self, kind: ir.ArrayType, variable: ir.Variable) -> Value:
        memory = Memory("host", size=self.size_of(kind))
        if isinstance(variable.init, ir.InitList):
            step = self.size_of(kind.of)
            if memory.size is None and isinstance(step, int):
                memory.size = step * len(variable.init.items)
            for number, item in enumerate(variable.init.items):
                if isinstance(step, int):
                    memory.items[number * step] = self.convert(self.value(item), kind.of)
        return Address(memory, 0, kind.of)

    def loop(self, node: ir.Loop) -> None:
        if self.loop_end is not None or self.calls.acts(node):
            self._iterate(node)
            return
        self.loop_end = self.steps + LOOP_STEPS
        try:
            self._iterate(node)
        except _GivenUp:
            self._refuse_endless(node)
            why = Unknown("a loop over data", node.span)
            self.forget(node, why)
            self._doubt(node, why)
        finally:
            self.loop_end = None

    def _iterate(self, node: ir.Loop) -> None:
        if node.init is not None:
            self.run(node.init)
        first = not node.test_first
        while True:
            test = True if first or node.test is None else self.truth(node.test)
            first = False
            if isinstance(test, Unknown):
                self.skip(node, test)
                return
            if not test:
                return
            try:
                self.run(node.body)
            except _Break:
                return
            except _Continue:
                pass
            if node.step is not None:
                self.value(node.step)

    def _refuse_endless(self, node: ir.Loop) -> None:
        """A loop whose test reads nothing that the loop changes, and which has no other way out."""
        if any(
            isinstance(part, (ir.Break, ir.Return))
            or (isinstance(part, ir.Name) and part.name in _EXITS)
            for part in nodes(node.body)
        ):
            return
        parts = list(nodes(node.test)) if node.test is not None else []
        targets = self.calls.assigned(list(nodes((node.body, node.step, node.test))))
        changed = {part.ident for part in nodes(tuple(targets)) if isinstance(part, ir.Name)}
        known = all(not isinstance(part, (ir.Call, ir.Unreadable)) for part in parts)
        if known and not any(isinstance(p, ir.Name) and p.ident in changed for p in parts):
            raise ReadError("XP1013", "this loop of the host code never ends", span=node.span)

    def switch(self, node: ir.Switch) -> None:
        value = self.value(node.value)
        if isinstance(value, Unknown):
            self.skip(node, value)
            return
        labels = [[None if x is None else self.value(x) for x in case] for case, _ in node.cases]
        start = next((n for n, case in enumerate(labels) if value in case), None)
        if start is None:
            start = next((n for n, case in enumerate(labels) if None in case), len(labels))
        try:
            for _, body in node.cases[start:]:
                for part in body:
                    self.run(part)
        except _Break:
            pass

    def skip(self, node: ir.Stmt, why: Unknown) -> None:
        """Go past code of which it is unknown whether it runs. It must not launch or copy.

        Ways out of the function in it (`if (worst > limit) return 1;`) are taken not to be used,
        except in a run of the whole.
        """
        if self.calls.acts(node):
            raise depends("whether this runs", why, node.span)
        self.forget(node, why)
        self._doubt(node, why)

    def _doubt(self, node: ir.Stmt, why: Unknown) -> None:
        """In a run of the whole: it is not known whether `node` goes on to what follows it."""
        ways = [way for way in _ways_out(node) if not self._is_failure(way)]
        if not self.whole or not ways:
            return
        if self.loop_end is not None and not any(isinstance(way, ir.Return) for way in ways):
            raise _GivenUp
        self.doubt = why

    def _is_failure(self, way: ir.Stmt) -> bool:
        """Whether a program ends there that has failed."""
        value = way.value if isinstance(way, ir.Return) else None
        outermost = self.from_main and self.depth == 1
        return outermost and isinstance(value, ir.Literal) and value.value not in (0, False)

    def _record(self, event: Launched | Copied | Filled) -> None:
        if self.doubt is not None:
            raise depends("whether this runs", self.doubt, event.span)
        self.events.append(event)

    def forget(self, node: object, why: Unknown) -> None:
        """Make all that `node`, or a function that it calls, may assign unknown."""
        code = list(self.calls.code(node))
        for target in self.calls.assigned(code):
            self._forget_target(target, why)
        for part in code:
            place = self.frame.get(part.ident) if isinstance(part, ir.Name) else None
            if place is not None and isinstance(place.value, Closure):
                self.forget(place.value.code.body, why)
            callee = part.callee if isinstance(part, ir.Call) else None
            if isinstance(callee, ir.Member) and callee.field in _RESIZING:
                base = self.value(callee.base)
                if isinstance(base, Memory):
                    base.length = why

    def _forget_target(self, target: ir.Expr, why: Unknown) -> None:
        while isinstance(target, ir.Cast):
            target = target.value
        parts = list(nodes(target))
        if isinstance(target, ir.Name):
            if target.ident in self.frame:
                self.frame[target.ident].value = why
        elif isinstance(target, ir.Member) and not any(isinstance(p, ir.Call) for p in parts):
            self.place(target).value = why
        else:  # what lies behind the pointers in it
            for part in parts:
                if isinstance(part, ir.Name) and part.ident in self.frame:
                    self._forget_behind(self.frame[part.ident].value, why)

    def _forget_behind(self, value: Value, why: Unknown) -> None:
        if isinstance(value, Address):
            target = value.target
            if isinstance(target, Memory):
                target.items.clear()
                self._touch(target, why.span or _NOWHERE)
            else:
                target.value = why
        elif isinstance(value, Memory):
            value.items.clear()
        elif isinstance(value, dict):
            for member in value.values():
                self._forget_behind(member, why)

    # ------------------------------------------------------------ places

    def place(self, node: ir.Expr) -> Place:
        """What `node` denotes, to be read or assigned."""
        if isinstance(node, ir.Name) and node.ident in self.frame:
            return self.frame[node.ident]
        if isinstance(node, ir.Member):
            base = self.value(node.base)
            return (
                Field(base, node.field, node.span)
                if isinstance(base, dict)
                else Cell(self.value(node))
            )
        if isinstance(node, ir.Subscript):
            return self._at(self.value(node.base), self.value(node.index), node.span)
        if isinstance(node, ir.Unary) and node.op == "*":
            return self._at(self.value(node.value), 0, node.span)
        if isinstance(node, ir.Cast) and isinstance(node.to, ir.Reference):
            return self.place(node.value)
        return Cell(self.value(node))

    def _at(self, base: Value, index: Value, span: Span) -> Place:
        if isinstance(base, Address) and not isinstance(base.target, Memory) and index == 0:
            return base.target
        if isinstance(base, Memory):  # a vector, whose elements are not followed
            return Cell(Unknown("an element of an array", span))
        if isinstance(base, Address) and isinstance(base.target, Memory) and isinstance(index, int):
            step = self.size_of(base.to)
            if isinstance(step, int):
                return Element(base.target, base.offset + index * step, span, base.to)
        why = base if isinstance(base, Unknown) else index if isinstance(index, Unknown) else None
        return Cell(why or Unknown("an element of an array", span))

    def _store(self, place: Place, value: Value) -> None:
        place.value = self.convert(value, place.type)
        if isinstance(place, Element):
            self._touch(place.memory, place.span)

    # ------------------------------------------------------------ expressions

    def truth(self, node: ir.Expr) -> bool | Unknown:
        value = self.value(node)
        if isinstance(value, Unknown):
            return value
        return bool(value) if isinstance(value, (int, float)) else value is not None

    def value(self, node: ir.Expr) -> Value:
        if isinstance(node, ir.Literal):
            return (
                self.convert(node.value, ir.Arithmetic(node.dtype))
                if node.dtype != "text"
                else (node.value)
            )
        if isinstance(node, ir.Name):
            place = self.frame.get(node.ident)
            return place.value if place is not None else Unknown(f"{node.name!r}", node.span)
        if isinstance(node, ir.Unary):
            return self.unary(node)
        if isinstance(node, ir.Binary):
            return self.binary(node)
        if isinstance(node, ir.Assign):
            place = self.place(node.target)
            value = self.value(node.value)
            if node.op:
                value = self.arithmetic(node.op, place.value, value, node.span)
            self._store(place, value)
            return place.value
        if isinstance(node, ir.Conditional):
            test = self.truth(node.test)
            if isinstance(test, Unknown):
                self.forget((node.then, node.other), test)
                return test
            return self.value(node.then if test else node.other)
        if isinstance(node, ir.Subscript):
            return self.place(node).value
        if isinstance(node, ir.Member):
            base = self.value(node.base)
            if isinstance(base, dict):
                return Field(base, node.field, node.span).value
            return base if isinstance(base, Unknown) else Unknown(f"{node.field!r}", node.span)
        if isinstance(node, ir.Cast):
            return self.convert(self.value(node.value), node.to)
        if isinstance(node, ir.SizeOf):
            size = self.size_of(node.of)
            return Unknown("the size of a type", node.span) if size is None else size
        if isinstance(node, ir.Construct):
            return self.construct(node.to, tuple(self.value(a) for a in node.args), node.span)
        if isinstance(node, ir.InitList):
            return tuple(self.value(item) for item in node.items)
        if isinstance(node, ir.Lambda):
            return Closure(node, self.frame)
        if isinstance(node, ir.LaunchExpr):
            return self.launch(node)
        if isinstance(node, ir.Call):
            return self.call(node)
        what = f" ({node.message})" if isinstance(node, ir.Unreadable) else ""
        return Unknown(f"a construct that is not read{what}", node.span)

    def unary(self, node: ir.Unary) -> Value:
        if node.op == "&":
            return self._address(node.value)
        if node.op == "*":
            return self.place(node).value
        if node.op.endswith(("++", "--")):
            place = self.place(node.value)
            before = place.value
            after = self.arithmetic(node.op[-1], before, 1, node.span)
            self._store(place, after)
            return before if node.op.startswith("post") else place.value
        if node.op == "!":
            test = self.truth(node.value)
            return test if isinstance(test, Unknown) else int(not test)
        value = self.value(node.value)
        if isinstance(value, (int, float)) and node.op in "+-":
            return -value if node.op == "-" else value
        if isinstance(value, int) and node.op == "~":
            return ~value
        return value if isinstance(value, Unknown) else Unknown("this expression", node.span)

    def _address(self, node: ir.Expr) -> Value:
        place = self.place(node)
        if isinstance(place, Element):
            return Address(place.memory, place.offset, place.type)
        if isinstance(node, ir.Subscript):  # &v[0] of a vector
            base = self.value(node.base)
            if isinstance(base, Memory):
                return Address(base)
        return Address(place, 0, place.type)

    def binary(self, node: ir.Binary) -> Value:
        if node.op in ("&&", "||"):
            left = self.truth(node.left)
            if not isinstance(left, Unknown) and left == (node.op == "||"):
                return int(left)
            right = self.truth(node.right)
            if isinstance(left, Unknown):
                if not isinstance(right, Unknown) and right == (node.op == "||"):
                    return int(right)
                return left
            return right if isinstance(right, Unknown) else int(right)
        left_value = self.value(node.left)
        right_value = self.value(node.right)
        if node.op == ",":
            return right_value
        return self.arithmetic(node.op, left_value, right_value, node.span)

    def arithmetic(self, op: str, left: Value, right: Value, span: Span) -> Value:
        for side in (left, right):
            if isinstance(side, Unknown):
                return side
        if isinstance(left, Address) or isinstance(right, Address):
            return self._pointer_arithmetic(op, left, right, span)
        if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
            return Unknown("this expression", span)
        if op in ("/", "%") and right == 0:
            if isinstance(left, int) and isinstance(right, int):
                raise ReadError("XP1013", "the host code divides by zero here", span=span)
            return Unknown("a division by zero", span)
        if op in COMPARISONS:
            return int(COMPARISONS[op](left, right))
        if op in ARITHMETIC:
            return cast("int | float", ARITHMETIC[op](left, right))
        if isinstance(left, int) and isinstance(right, int) and op in INTEGER:
            if op in ("<<", ">>") and not 0 <= right < 64:
                return Unknown("a shift by more than the width", span)
            return cast(int, INTEGER[op](left, right))
        return Unknown("this expression", span)

    def _pointer_arithmetic(self, op: str, left: Value, right: Value, span: Span) -> Value:
        if op in ("==", "!="):
            same = (
                isinstance(left, Address)
                and isinstance(right, Address)
                and left.target is right.target
                and left.offset == right.offset
            )
            return int(same == (op == "=="))
        if op == "+" and isinstance(right, Address):
            left, right = right, left
        if op in "+-" and isinstance(left, Address) and isinstance(right, int):
            step = self.size_of(left.to)
            if isinstance(step, int):
                shift = right * step if op == "+" else -right * step
                return dataclasses.replace(left, offset=left.offset + shift)
        return Unknown("arithmetic on a pointer", span)

    # ------------------------------------------------------------ types

    def convert(self, value: Value, kind: ir.Type | None) -> Value:
        """`value` as a variable of that type holds it."""
        kind = self.resolved(kind)
        if isinstance(value, tuple) and not isinstance(kind, ir.Struct):
            value = value[0] if len(value) == 1 else 0 if not value else Unknown("a list")
        if isinstance(kind, ir.Arithmetic) and isinstance(value, (int, float)):
            return rounded(value, kind.dtype)
        if isinstance(kind, ir.Pointer) and isinstance(value, Address) and kind.to != ir.VOID:
            return dataclasses.replace(value, to=kind.to)
        if isinstance(kind, ir.Struct):
            if kind.name == "dim3" and isinstance(value, (int, float)):
                return self.construct(kind, (value,), _NOWHERE)
            if isinstance(value, tuple):
                fields = zip(kind.fields, value, strict=False)
                return {name: self.convert(item, inner) for (name, inner), item in fields}
            if isinstance(value, dict):  # a copy
                return {
                    name: self.convert(value[name], inner)
                    for name, inner in kind.fields
                    if name in value
                }
        return value

    def resolved(self, kind: ir.Type | None) -> ir.Type | None:
        kind = plain(kind)
        if isinstance(kind, ir.Named):
            return self.types.get(kind.name, kind)
        return kind

    def size_of(self, kind: ir.Type | None) -> int | None:
        """Bytes of a type, `None` where not known."""
        kind = self.resolved(kind)
        if isinstance(kind, ir.Arithmetic):
            return bytes_of(kind.dtype)
        if isinstance(kind, ir.Pointer):
            return 8
        if isinstance(kind, ir.ArrayType) and kind.extent is not None:
            extent, step = self.value(kind.extent), self.size_of(kind.of)
            return extent * step if isinstance(extent, int) and step is not None else None
        if isinstance(kind, ir.Struct) and kind.fields:
            offset, widest = 0, 1
            for _, inner in kind.fields:
                size = self.size_of(inner)
                if size is None:
                    return None
                align = min(size, 8) or 1
                offset = -(-offset // align) * align + size
                widest = max(widest, align)
            return -(-offset // widest) * widest
        return None

    def construct(self, kind: ir.Type | None, args: tuple[Value, ...], span: Span) -> Value:
        """A value of that type from constructor arguments."""
        kind = self.resolved(kind)
        if isinstance(kind, ir.Struct):
            if kind.name == "vector":
                if len(args) == 1 and isinstance(args[0], Memory):
                    return dataclasses.replace(args[0], items={})
                return Memory("host", length=args[0] if args else 0)
            if kind.name == "dim3" and not (args and isinstance(args[0], dict)):
                parts = zip("xyz", (*args, 1, 1, 1)[:3], strict=True)
                return {axis: self.convert(part, _UNSIGNED) for axis, part in parts}
            if len(args) == 1 and isinstance(args[0], (dict, tuple, Address, Memory)):
                return self.convert(args[0], kind)  # a copy, or a smart pointer
            return {}  # what other constructors do is not followed
        if args:
            return self.convert(args[0], kind)
        return Unknown("a variable without a value", span)

    # ------------------------------------------------------------ calls

    def call(self, node: ir.Call) -> Value:
        if isinstance(node.callee, ir.Member):
            return self._method(node, node.callee)
        if not isinstance(node.callee, ir.Name):
            return self._not_followed(node)
        function = self.calls.function(node.callee)
        if function is not None:
            places = [
                self.place(arg) if isinstance(param.type, ir.Reference) else self.value(arg)
                for param, arg in zip(function.params, node.args, strict=False)
            ]
            return self.call_function(function, places, node.template_args)
        if _by_reference(node.callee.name):
            return self._by_reference(node, node.callee.name)
        values = [self.value(arg) for arg in node.args]
        place = self.frame.get(node.callee.ident)
        if place is not None and isinstance(place.value, Closure):
            return self._invoke(
                place.value.code.params, place.value.code.body, values, {}, place.value.frame
            )
        code = [value.code for value in values if isinstance(value, Closure)]
        handed_over = not _device_call(node.callee.name) and self.calls.acts((node.args, *code))
        if place is not None or handed_over:
            self._not_followed(node)
        return self._library(node, node.callee.name, values)

    def call_function(
        self,
        function: ir.Function,
        values: list[Value | Place] | list[Value],
        template_args: tuple[ir.Type | ir.Expr, ...],
    ) -> Value:
        types: dict[str, ir.Type] = {}
        frame: dict[int, Place] = dict(self.frame)
        for (name, ident), argument in zip(function.template_params, template_args, strict=False):
            if _is_type(argument):
                types[name] = self.resolved(cast(ir.Type, argument)) or ir.AUTO
            else:
                frame[ident] = Cell(self.value(cast(ir.Expr, argument)))
        named = [
            self.args[param.name]
            if param.name in self.args and isinstance(plain(param.type), ir.Arithmetic)
            else value
            for param, value in zip(function.params, values, strict=False)
        ]
        assert function.body is not None
        self.entered.add(function.ident)
        return self._invoke(function.params, function.body, named, types, frame)

    def _invoke(
        self,
        params: tuple[ir.Variable, ...],
        body: ir.Block,
        values: list[Any],
        types: dict[str, ir.Type],
        frame: dict[int, Place],
    ) -> Value:
        if self.depth >= CALL_DEPTH:
            raise ReadError("XP1013", "the host code calls itself too often", span=body.span)
        outer_frame, outer_types = self.frame, self.types
        self.frame, self.types = dict(frame), {**outer_types, **types}
        self.depth += 1
        try:
            for number, param in enumerate(params):
                if number < len(values):
                    value = values[number]
                else:
                    value = self.value(param.init) if param.init is not None else None
                if isinstance(value, (Cell, Field, Element)):
                    self.frame[param.ident] = value
                else:
                    self.frame[param.ident] = Cell(self.convert(value, param.type), param.type)
            self.run(body)
        except _Return as result:
            return result.value
        finally:
            self.frame, self.types = outer_frame, outer_types
            self.depth -= 1
        return None

    def _method(self, node: ir.Call, callee: ir.Member) -> Value:
        base = self.value(callee.base)
        values = [self.value(arg) for arg in node.args]
        if isinstance(base, Memory):
            if callee.field == "size" and base.length is not None:
                return base.length
            if callee.field in ("data", "begin"):
                return Address(base)
            if callee.field in ("resize", "assign") and values:
                base.length = values[0]
                return None
            if callee.field in ("push_back", "emplace_back"):
                length = base.length
                base.length = length + 1 if isinstance(length, int) else length
                return None
            if callee.field == "empty" and isinstance(base.length, int):
                return int(base.length == 0)
        if isinstance(base, Address) and callee.field == "get":
            return base
        if isinstance(base, dict):
            base.clear()  # what methods do is not followed
        return base if isinstance(base, Unknown) else Unknown(f"{callee.field}()", node.span)

    def _by_reference(self, node: ir.Call, name: str) -> Value:
        places = [self.place(arg) for arg in node.args]
        if name == "operator=" and len(places) == 2:
            places[0].value = self.convert(places[1].value, places[0].type)
            return places[0].value
        if name == "swap" and len(places) == 2:
            places[0].value, places[1].value = places[1].value, places[0].value
            return None
        for arg in node.args:
            self._forget_target(arg, Unknown(f"what {name} stores", node.span))
        return Unknown(f"the result of {name}", node.span)

    def _library(self, node: ir.Call, name: str, values: list[Value]) -> Value:
        """A function without a body in the file."""
        action = _device_call(name)
        if action:
            handler = _ACTIONS.get(action)
            if handler is not None:
                handler(self, values, node.span)
            elif action not in _HARMLESS:
                self._outputs(values, name, node.span)
            return "" if action == "GetErrorString" else 0  # success
        if name in _EXITS:
            raise _Exit
        if name in ("malloc", "aligned_alloc") and values:
            return Address(Memory("host", size=values[-1]))
        if name == "calloc" and len(values) == 2:
            return Address(
                Memory("host", size=self.arithmetic("*", values[0], values[1], node.span))
            )
        if name == "new":
            kind = node.template_args[0] if node.template_args else None
            return Address(Memory("host"), 0, cast("ir.Type | None", kind))
        function = number_function(name)
        if function is not None and all(isinstance(value, (int, float)) for value in values):
            try:
                return cast("int | float", function(*values))
            except (ValueError, OverflowError, TypeError):
                return Unknown(f"the result of {name}", node.span)
        if name not in _HARMLESS:
            self._outputs(values, name, node.span)
        return Unknown(f"the result of {name}", node.span)

    def _outputs(self, values: list[Value], name: str, span: Span) -> None:
        """Variables whose address an unknown function gets hold unknown values afterwards."""
        for value in values:
            if isinstance(value, Address):
                if isinstance(value.target, Memory):
                    value.target.items.clear()
                    self._touch(value.target, span)
                else:
                    value.target.value = Unknown(f"what {name} stores", span)

    # ------------------------------------------------------------ the device

    def launch(self, node: ir.LaunchExpr) -> Value:
        callee = node.call.callee
        function = self.calls.function(callee) if isinstance(callee, ir.Name) else None
        if function is None:
            raise ReadError("XP1013", "this launch names no kernel of the file", span=node.span)
        if len(node.call.template_args) < len(function.template_params):
            # Inside a template the parser does not show types that are written as keywords.
            raise ReadError(
                "XP1013",
                f"the template arguments of {function.name} are not all known here",
                span=node.span,
                hint="give params and launch yourself, and the instance: "
                f"--entry '{function.name}<...>'",
            )
        types: dict[str, ir.Type] = {}
        words = []
        for (name, _), argument in zip(
            function.template_params, node.call.template_args, strict=False
        ):
            if _is_type(argument):
                types[name] = self.resolved(cast(ir.Type, argument)) or ir.AUTO
                words.append(spelled(types[name]))
            else:
                value = self.value(cast(ir.Expr, argument))
                if isinstance(value, Unknown):
                    raise depends("the template's argument", value, node.span)
                words.append(str(value))
        entry = function.name + (f"<{', '.join(words)}>" if words else "")
        config = tuple(self.value(part) for part in node.config)
        values = tuple(
            self.convert(self.value(arg), param.type)
            for param, arg in zip(function.params, node.call.args, strict=False)
        )
        self.launches.append(Launched(entry, function, config, values, types, node.span))
        self._record(self.launches[-1])
        return None

    def allocate(self, values: list[Value], space: Literal["device", "managed", "host"]) -> None:
        pointer, size = values[0], values[1]
        if isinstance(pointer, Address) and not isinstance(pointer.target, Memory):
            pointer.target.value = self.convert(
                Address(Memory(space, size=size)), pointer.target.type
            )
        elif isinstance(pointer, Address):
            # `&buffers[i]`: an element of an array of pointers
            assert isinstance(pointer.target, Memory)
            of = pointer.to.to if isinstance(pointer.to, ir.Pointer) else None
            pointer.target.items[pointer.offset] = Address(Memory(space, size=size), 0, of)

    def copy(self, values: list[Value], span: Span) -> None:
        """`values` as `cudaMemcpy` takes them."""
        to, source, size, kind = values[:4]
        if isinstance(to, Address) and isinstance(to.target, Memory) and not self.launches:
            to.target.filled = True
        if isinstance(source, Address) and isinstance(source.target, Memory) and self.launches:
            source.target.fetched = True
        self._record(Copied(to, source, size, kind, span))

    def copy_rows(self, values: list[Value], span: Span) -> None:
        to, pitch, source, other, width, height, kind = values[:7]
        dense = pitch == other == width
        size = self.arithmetic("*", width, height, span) if dense else Unknown("its pitch", span)
        self.copy([to, source, size, kind], span)

    def copy_symbol(self, values: list[Value], span: Span, kind: int) -> None:
        to, source, size = values[:3]
        offset = values[3] if len(values) > 3 else 0
        if kind == 1:
            to = self._inside(to, offset)
        else:
            source = self._inside(source, offset)
        self.copy([to, source, size, values[4] if len(values) > 4 else kind], span)

    def _inside(self, symbol: Value, offset: Value) -> Value:
        if isinstance(symbol, Address) and isinstance(offset, int):
            return dataclasses.replace(symbol, offset=symbol.offset + offset)
        return offset if isinstance(offset, Unknown) else symbol

    def fill(self, values: list[Value], span: Span) -> None:
        if isinstance(values[0], Address) and isinstance(values[0].target, Memory):
            values[0].target.filled |= not self.launches
        self._record(Filled(values[0], values[1], values[2], span))


_ACTIONS: dict[str, Callable[[Run, list[Value], Span], None]] = {
    "Malloc": lambda run, values, span: run.allocate(values, "device"),
    "MallocAsync": lambda run, values, span: run.allocate(values, "device"),
    "MallocManaged": lambda run, values, span: run.allocate(values, "managed"),
    "MallocHost": lambda run, values, span: run.allocate(values, "host"),
    "HostAlloc": lambda run, values, span: run.allocate(values, "host"),
    "Memcpy": Run.copy,
    "MemcpyAsync": Run.copy,
    "Memcpy2D": Run.copy_rows,
    "MemcpyToSymbol": lambda run, values, span: run.copy_symbol(values, span, 1),
    "MemcpyFromSymbol": lambda run, values, span: run.copy_symbol(values, span, 2),
    "Memset": Run.fill,
    "MemsetAsync": Run.fill,
}
# Functions that leave the memories they are given as they were.
_HARMLESS = ("Free", "FreeAsync", "FreeHost", "FuncSetAttribute", "printf", "fprintf", "free")
_UNSIGNED = ir.Arithmetic("uint32")
_NOWHERE = Span("", 1, 1)
_EXITS = ("exit", "abort", "_Exit", "quick_exit")
_RESIZING = ("push_back", "emplace_back", "pop_back", "resize", "assign", "insert", "clear")


# ---------------------------------------------------------------- helpers


def _ways_out(node: ir.Stmt) -> Iterator[ir.Stmt]:
    """The statements in `node` that leave it for elsewhere than the statement after it."""
    loops = [one for one in nodes(node) if isinstance(one, (ir.Loop, ir.RangeLoop))]
    switches = [one for one in nodes(node) if isinstance(one, ir.Switch)]
    looped = {id(part) for loop in loops for part in nodes(loop.body)}
    switched = {id(part) for switch in switches for part in nodes(switch.cases)}
    for part in nodes(node):
        inside = id(part) in looped
        if (
            isinstance(part, ir.Return)
            or (isinstance(part, ir.Continue) and not inside)
            or (isinstance(part, ir.Break) and not inside and id(part) not in switched)
        ):
            yield part


def _by_reference(name: str) -> bool:
    """Whether a library function of that name may change the variables that it is given."""
    return name == "swap" or (name.startswith("operator") and name != "operator<<")


def _is_type(node: object) -> bool:
    return isinstance(node, (ir.Arithmetic, ir.Pointer, ir.Reference, ir.Struct, ir.Named))
