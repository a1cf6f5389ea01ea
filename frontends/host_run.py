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

from collections.abc import Iterator
from typing import Any, cast

from xpiler_tvm.errors import ReadError

from . import ir
from .host_calls import by_reference, device_call, nodes, runs_on_host
from .host_library import EXITS, Exit, HostLibrary, is_type
from .host_values import (
    Address,
    Cell,
    Closure,
    Element,
    Field,
    Memory,
    Names,
    Place,
    Unknown,
    Value,
    depends,
    plain,
)

STEPS = 100_000  # statements of one run
LOOP_STEPS = 1_000  # statements of a loop that launches and copies nothing
CALL_DEPTH = 32
GIVE = "give params and launch yourself: --param ... --grid ... --block ..."


class _Return(Exception):
    def __init__(self, value: Value) -> None:
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _GivenUp(Exception):
    """The steps of a loop that neither launches nor copies are used up."""


class Run(HostLibrary):
    """One run of the host code, from one function on."""

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
        except Exit:
            pass
        except ReadError:
            # What comes after the launch only serves to find the intents.
            if self.whole or not self.launches:
                raise

    def _refuse_methods(self) -> None:
        for found in self.unit.classes.values():
            for method in (one for overloads in found.methods.values() for one in overloads):
                if runs_on_host(method) and self.calls.acts(method.body):
                    raise ReadError(
                        "XP1013",
                        f"methods of classes are not followed, and {found.name}::{method.name} "
                        "launches or copies",
                        span=method.span,
                    )

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
            self.types |= {name: self.resolved(kind) or kind for name, kind in node.aliases}
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
            items = self.value(variable.init) if isinstance(variable.init, ir.InitList) else ()
            value = self.array(kind, items if isinstance(items, tuple) else ())
        elif isinstance(kind, ir.Reference) and variable.init is not None:
            self.frame[variable.ident] = self.place(variable.init)
            return
        elif variable.init is None:
            value = self.construct(kind, (), variable.span)
        else:
            value = self.value(variable.init)
        self.frame[variable.ident] = Cell(self.convert(value, kind), kind)

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
            or (isinstance(part, ir.Name) and part.name in EXITS)
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
        if by_reference(node.callee.name):
            return self._by_reference(node, node.callee.name)
        values = [self.value(arg) for arg in node.args]
        place = self.frame.get(node.callee.ident)
        if place is not None and isinstance(place.value, Closure):
            return self._invoke(
                place.value.code.params, place.value.code.body, values, {}, place.value.frame
            )
        code = [value.code for value in values if isinstance(value, Closure)]
        handed_over = not device_call(node.callee.name) and self.calls.acts((node.args, *code))
        if place is not None or handed_over:
            self._not_followed(node)
        return self._library(node, node.callee.name, values)

    def call_function(
        self,
        function: ir.Function,
        values: list[Value | Place] | list[Value],
        template_args: tuple[ir.Type | ir.Expr, ...],
    ) -> Value:
        types: Names = {}
        frame: dict[int, Place] = dict(self.frame)
        for (name, ident), argument in zip(function.template_params, template_args, strict=False):
            if is_type(argument):
                types[name] = self.resolved(cast(ir.Type, argument)) or ir.AUTO
            else:
                value = self.value(cast(ir.Expr, argument))
                frame[ident] = Cell(value)
                if isinstance(value, int):
                    types[name] = value
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
        types: Names,
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
