"""Calls: functions and lambdas inlined, what the dialect brings, lanes of a warp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm.errors import ReadError, Span

from .. import ir, library
from ..arenas import Arena
from ..program import Barrier
from ..values import Address, Closure, Lanes, Number, Record, Value
from .classes import Classes
from .questions import returns_once, walk
from .state import (
    Alias,
    Binding,
    Constant,
    Frame,
    Place,
    Stored,
    VariablePlace,
)

INLINE_DEPTH = 64


class Calls(Classes):
    """Calls: functions and lambdas inlined, what the dialect brings, lanes of a warp."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def run(self, statements: list[ir.Stmt]) -> bool: ...

        def _local(self, variable: ir.Variable, kind: ir.Type, value: Value) -> None: ...

    def _call(self, expr: ir.Call) -> Value:
        callee = expr.callee
        self.returned = None
        if isinstance(callee, ir.Member):
            return self._method_called(callee, expr)
        if isinstance(callee, ir.Scoped):
            return self._static_called(callee, expr)
        if not isinstance(callee, ir.Name):
            return self._object_called(self.value(callee), expr)
        binding = self.env.get(callee.ident)
        if binding is not None:
            return self._object_called(self.value(callee), expr)
        if callee.name == "new":
            raise ReadError(
                "XP1009",
                "memory that a kernel allocates with `new` is not read",
                span=expr.span,
                hint="use a local array",
            )
        method = self._own_method(callee, expr)
        if method is not None:
            return method
        function = self._overload(self._candidates(callee), expr)
        if function is not None:
            return self._inline(function, expr)
        if callee.name.startswith("operator"):
            found = self._operator_of_class(callee.name, expr)
            if found is not None:
                return found
        return library.call(self, callee.name, expr)

    def library_call(self, name: str, expr: ir.Call) -> Value:
        """A call of a function of the dialect's library."""
        return library.call(self, name, expr)

    def _candidates(self, callee: ir.Name) -> list[ir.Function]:
        if callee.ident < 0:  # of a library's own text
            return []
        exact = self.unit.functions.get(callee.ident)
        if exact is not None and exact.body is not None:
            return [exact]
        if exact is None and callee.ident:  # the dialect's, whatever the file calls so too
            return []
        return [f for f in self.unit.overloads(callee.name) if f.body is not None]

    def _overload(self, candidates: list[ir.Function], expr: ir.Call) -> ir.Function | None:
        """The function that takes the arguments, as far as their number and kinds tell."""
        count = len(expr.args)
        fitting = [
            function
            for function in candidates
            if len(function.params) >= count
            and all(variable.init is not None for variable in function.params[count:])
        ]
        if len(fitting) < 2:
            return fitting[0] if fitting else (candidates[0] if candidates else None)
        kinds = [self.kind_of(arg) for arg in expr.args]

        def distance(function: ir.Function) -> int:
            return sum(
                self._distance(variable.type, kind)
                for variable, kind in zip(function.params, kinds, strict=False)
            )

        return min(fitting, key=distance)

    def kind_of(self, expr: ir.Expr) -> ir.Type | None:
        """The type of an expression, of which nothing else remains."""
        with self.dry():
            value = self.value(expr)
        if isinstance(value, Number):
            return ir.Arithmetic(value.dtype)
        if isinstance(value, Address):
            return ir.Pointer(value.of)
        return value.kind if isinstance(value, (Record, Lanes)) else None

    def _distance(self, wanted: ir.Type, given: ir.Type | None) -> int:
        """How far an argument's type is from a parameter's: 0 the same, 1 a template's, ..."""
        if isinstance(wanted, ir.Reference):
            wanted = wanted.to
        if wanted == given:
            return 0
        if isinstance(wanted, ir.Struct) and isinstance(given, ir.Struct):
            return 0 if (wanted.name, wanted.ident) == (given.name, given.ident) else 100
        if isinstance(wanted, ir.Pointer) and isinstance(given, ir.Pointer):
            return self._distance(wanted.to, given.to)
        if isinstance(wanted, (ir.Named, ir.Instance, ir.MemberType)):
            return 1
        both = isinstance(wanted, ir.Arithmetic) and isinstance(given, ir.Arithmetic)
        return 2 if both else 100

    def referred(self, expr: ir.Expr) -> Place:
        """The place that a reference to an expression stands for."""
        place = self.place(expr)
        return self.fixed(place, expr.span) if isinstance(place, Address) else place

    def _inline_lambda(self, closure: Closure, expr: ir.Call) -> Value:
        source = closure.source
        frame = Frame("lambda", {}, self._number_type(source.result, expr.span), len(self.frames))
        frame.copies = closure.copies
        return self._inlined(frame, source.params, source.body, expr)

    def _number_type(self, kind: ir.Type, span: Span) -> ir.Type:
        """The type, where it is a number's: what is none keeps its type by itself."""
        try:
            known = self.resolve(kind, span) if kind != ir.AUTO else kind
        except ReadError:
            return ir.AUTO
        return known if isinstance(known, ir.Arithmetic) else ir.AUTO

    def captured(self, expr: ir.Lambda) -> dict[int, Binding]:
        """What a lambda captures by value, as it is now."""
        names = {
            node.ident: node.name
            for node in walk(expr.body)
            if isinstance(node, ir.Name) and node.ident in self.env and expr.copied(node.name)
        }
        return {ident: self._copy_of(ident, name, expr.span) for ident, name in names.items()}

    def _copy_of(self, ident: int, name: str, span: Span) -> Binding:
        binding = self.env[ident]
        place = self._target(binding) if isinstance(binding, (Stored, Alias)) else None
        if not isinstance(place, Address):
            value = self.load(VariablePlace(ident), span)
            return self.freeze(value, span) if isinstance(value, (Number, Address)) else value
        memory = place.buffer
        if (memory.scope if isinstance(memory, Arena) else memory.scope()) != "local":
            return binding
        kind = self._as_vector(place.of, span) if isinstance(place.of, ir.ArrayType) else place.of
        copy = self.allocate(name, place.of, span)
        value = self.load(Address(place.buffer, place.offset, kind), span)
        self.store(Address(copy.buffer, copy.offset, kind), value, span)
        return Stored(copy)

    def _inline(
        self, function: ir.Function, expr: ir.Call, this: Address | Constant | None = None
    ) -> Value:
        """The function's body with its parameters bound; of a method, for the object `this`."""
        if len(self.frames) > INLINE_DEPTH:
            raise ReadError(
                "XP1009",
                f"{function.name!r} calls itself",
                span=expr.span,
                hint="recursion has no form on the other platforms; write it as a loop",
            )
        templates = self._bind_templates(function, expr)
        function = self._specialised(function, templates)
        of = this.of if this is not None else None
        frame = self.frame(function.name, function.template_params, templates, of)
        frame.this = self.fixed(this, expr.span) if isinstance(this, Address) else this
        self.frames.append(frame)
        try:
            if function.result != ir.AUTO:
                frame.result = self.resolve(function.result, expr.span)
            else:
                frame.result = ir.AUTO
        finally:
            self.frames.pop()
        if function.body is None:
            raise ReadError("XP1010", f"{function.name!r} is declared, not defined", span=expr.span)
        return self._inlined(frame, function.params, function.body, expr, function.inits)

    def _specialised(
        self, function: ir.Function, templates: dict[int, ir.Type | int]
    ) -> ir.Function:
        """The full specialisation for these arguments, where there is one."""
        args = tuple(templates.get(ident) for _, ident in function.template_params)
        for known in self.unit.specialised.get(function.ident, ()):
            if known.of == args:
                return known
        return function

    def _bind_templates(self, function: ir.Function, expr: ir.Call) -> dict[int, ir.Type | int]:
        bound: dict[int, ir.Type | int] = {}
        for (_, ident), arg in zip(function.template_params, expr.template_args, strict=False):
            bound[ident] = self.template_argument(arg, expr.span)
        open_ = {name: ident for name, ident in function.template_params if ident not in bound}
        for variable, arg in zip(function.params, expr.args, strict=False):
            if open_ and _names_in(variable.type) & set(open_):  # deduced from the arguments
                kind = self.kind_of(arg)
                found = _deduced(variable.type, kind) if kind is not None else {}
                for name in sorted(set(found) & set(open_)):
                    bound[open_.pop(name)] = found[name]
        params, defaults = function.template_params, function.template_defaults
        return self.with_defaults(params, defaults, bound, expr.span)

    def _inlined(
        self,
        frame: Frame,
        params: tuple[ir.Variable, ...],
        body: ir.Block,
        expr: ir.Call,
        inits: tuple[tuple[str, tuple[ir.Expr, ...]], ...] = (),
    ) -> Value:
        bindings: list[tuple[ir.Variable, ir.Type, Value | Place]] = []
        self.frames.append(frame)
        try:
            kinds = [self.resolve(v.type, v.span) if v.type != ir.AUTO else ir.AUTO for v in params]
        finally:
            self.frames.pop()
        defaults = [variable.init for variable in params[len(expr.args) :]]
        args = [*expr.args, *(default for default in defaults if default is not None)]
        if len(params) != len(args):
            raise ReadError(
                "XP1009",
                f"{frame.name!r} takes {len(params)} arguments, not {len(expr.args)}",
                span=expr.span,
            )
        for variable, declared, arg in zip(params, kinds, args, strict=True):
            kind = declared
            if isinstance(kind, ir.Reference):
                if isinstance(arg, ir.Name) and isinstance(
                    self.env.get(arg.ident), (Number, Record, Closure)
                ):
                    bindings.append((variable, kind, VariablePlace(arg.ident)))
                    continue
                try:
                    bindings.append((variable, kind, self.referred(arg)))
                    continue
                except ReadError:
                    kind = kind.to  # a temporary bound to a const reference
            value = self.initial(arg, kind)
            if kind == ir.AUTO and isinstance(value, Number):
                kind = ir.Arithmetic(value.dtype)
            bindings.append((variable, kind, self.convert(value, kind, expr.span)))
        owned = [*params, *(node for node in walk(body) if isinstance(node, ir.Variable))]
        copies = frame.copies
        if any(
            isinstance(given, VariablePlace) and given.ident in copies for *_, given in bindings
        ):
            raise ReadError("XP1009", "a reference to what a lambda copied", span=expr.span)
        idents = [*(one.ident for one in owned), *copies]
        before = {ident: self.env.get(ident) for ident in idents}
        self.env |= copies
        self.frames.append(frame)
        try:
            for variable, kind, given in bindings:
                if isinstance(kind, ir.Reference):
                    self.env[variable.ident] = Alias(given)  # type: ignore[arg-type]
                else:
                    self._local(variable, kind, given)  # type: ignore[arg-type]
            self._initialise_fields(frame, inits, expr.span)
            plain = frame.result not in (ir.VOID, ir.AUTO)
            if plain and not isinstance(frame.result, ir.Reference) and not returns_once(body):
                frame.result_place = self.allocate(frame.name + "_result", frame.result, expr.span)
            self.run([body])
        finally:
            self.frames.pop()
        if any(self.env.get(ident) is not copy for ident, copy in copies.items()):
            raise ReadError("XP1009", "a lambda changes what it copied", span=expr.span)
        for ident, binding in before.items():  # what it declares ends with it
            if binding is None:
                self.env.pop(ident, None)
            else:
                self.env[ident] = binding
        self.returned = frame.place
        if frame.place is not None:
            return self.load(frame.place, expr.span)
        if frame.result_place is not None:
            return self.load(frame.result_place, expr.span)
        return frame.value

    def barrier(self, span: Span, warp: bool = False, lanes: int | None = None) -> None:
        """A barrier of the block or the warp, which orders the memory of all its threads unless
        these are fewer: consecutive `lanes`."""
        if lanes is None:
            lanes = self.ids.warp if warp else self.ids.size
        self.emit(Barrier(span, warp, lanes))


def _names_in(kind: ir.Type) -> set[str]:
    """The names that a type is made of."""
    if isinstance(kind, ir.Named):
        return {kind.name}
    if isinstance(kind, (ir.Pointer, ir.Reference)):
        return _names_in(kind.to)
    if isinstance(kind, ir.ArrayType):
        extent = {kind.extent.name} if isinstance(kind.extent, ir.Name) else set()
        return _names_in(kind.of) | extent
    if isinstance(kind, ir.Instance):
        inner: set[str] = set()
        for arg in kind.args:
            if isinstance(arg, ir.Name):
                inner.add(arg.name)
            elif not isinstance(arg, ir.Literal):
                inner |= _names_in(arg)  # type: ignore[arg-type]
        return inner
    return set()


def _deduced(wanted: ir.Type, given: ir.Type) -> dict[str, ir.Type | int]:
    """What the names in a parameter's type stand for where an argument has type `given`."""
    if isinstance(wanted, ir.Reference):
        return _deduced(wanted.to, given)
    if isinstance(wanted, ir.Named):
        return {wanted.name: given}
    if isinstance(wanted, ir.Pointer) and isinstance(given, ir.Pointer):
        return _deduced(wanted.to, given.to)
    if isinstance(wanted, ir.ArrayType) and isinstance(given, (ir.Pointer, ir.ArrayType)):
        found = _deduced(wanted.of, given.of if isinstance(given, ir.ArrayType) else given.to)
        extent = given.extent if isinstance(given, ir.ArrayType) else None
        if isinstance(wanted.extent, ir.Name) and isinstance(extent, ir.Literal):
            found[wanted.extent.name] = int(extent.value)
        return found
    if isinstance(wanted, ir.Instance) and isinstance(given, ir.Struct):
        found = {}
        for arg, value in zip(wanted.args, given.args, strict=False):
            if isinstance(arg, (ir.Named, ir.Name)):
                found[arg.name] = value
        return found
    return {}
