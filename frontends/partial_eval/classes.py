"""Classes: methods, constructors, operators and static members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm.errors import ReadError, Span

from .. import ir, library
from ..library import traits
from ..values import Address, Closure, Nothing, Number, Record, Value, offsets_of
from .expressions import Expressions
from .operators import same_class
from .state import Constant, Frame, Place


class Classes(Expressions):
    """Classes: methods, constructors, operators and static members."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def _inline(
            self, function: ir.Function, expr: ir.Call, this: Address | Constant | None = None
        ) -> Value: ...

        def _clear(self, place: Address, span: Span) -> None: ...

        def _inline_lambda(self, closure: Closure, expr: ir.Call) -> Value: ...

        def _overload(self, candidates: list[ir.Function], expr: ir.Call) -> ir.Function | None: ...

    def _object_called(self, value: Value, expr: ir.Call) -> Value:
        """`object(args)`: a lambda, or a class with such an operator."""
        if isinstance(value, Closure):
            return self._inline_lambda(value, expr)
        constant = self.constant(expr.callee)
        if constant is not None:
            return self._method("operator()", constant, expr)
        if isinstance(value, Record):
            return self._method("operator()", self._at(value, expr.span), expr)
        raise ReadError("XP1009", "a call through a pointer is not read", span=expr.span)

    def _at(self, value: Record, span: Span) -> Address:
        """A temporary object with this value."""
        address = self.allocate(value.kind.name.lower(), value.kind, span)
        self.store(address, value, span)
        return address

    def _object(self, expr: ir.Expr) -> tuple[Value | None, Address | Constant | None]:
        """The object that a method is called for: its value, or its place in memory."""
        constant = self.constant(expr)
        if constant is not None:
            return constant.value, constant
        try:
            place: Place | None = self.place(expr)
        except ReadError:
            place = None
        if isinstance(place, Address):
            return None, place
        value = self.value(expr) if place is None else self.load(place, expr.span)
        ours = isinstance(value, Record) and self._is_ours(value)
        return value, self._at(value, expr.span) if ours else None  # type: ignore[arg-type]

    def _is_ours(self, value: Value) -> bool:
        return isinstance(value, Record) and self.class_of(value.kind) is not None

    def _method_called(self, callee: ir.Member, expr: ir.Call) -> Value:
        """`object.method(args)`; of an object of a library, a function of the library."""
        value, this = self._object(callee.base)
        if this is not None and self.class_of(this.of) is not None:
            return self._method(callee.field, this, expr)
        if value is None and isinstance(this, Address):
            value = self.load(this, expr.span)
        kind = value.kind.name if isinstance(value, Record) else ""
        args = (ir.Evaluated(value, callee.span), *expr.args)
        name = f"{kind}::{callee.field}"
        return self.library_call(name, ir.Call(callee, args, expr.template_args, expr.span))

    def _method(self, name: str, this: Address | Constant, expr: ir.Call) -> Value:
        known = self.class_of(this.of)
        function = None
        if known is not None:
            function = self._overload(list(known.methods.get(name, ())), expr)
        if function is None:
            for base in self.bases(this.of):
                if self.has_method(base, name):
                    return self._method(name, self._as_base(this, base, expr.span), expr)
            what = this.of.name if isinstance(this.of, ir.Struct) else "this object"
            raise ReadError("XP1010", f"{what!r} has no method {name!r}", span=expr.span)
        return self._inline(function, expr, this)

    def _as_base(self, this: Address | Constant, base: ir.Struct, span: Span) -> Address | Constant:
        """An object as one of the class that its own is derived from."""
        name, kind = ir.BASE + base.name, this.of
        assert isinstance(kind, ir.Struct)
        names = [field for field, _ in kind.fields]
        if isinstance(this, Constant):
            inner = this.value.fields.get(name)
            return Constant(this.ident, inner if isinstance(inner, Record) else Record(base, {}))
        start = offsets_of(kind, span)[names.index(name)] if name in names else 0
        return self.moved(this, start, base)

    def _own_method(self, callee: ir.Name, expr: ir.Call) -> Value | None:
        """`method(args)` inside of a method of the same object."""
        frame = self.frames[-1]
        kind = frame.this_type
        if kind is None or frame.this is None or not self.has_method(kind, callee.name):
            return None
        return self._method(callee.name, frame.this, expr)

    def _static_called(self, callee: ir.Scoped, expr: ir.Call) -> Value:
        """`Class::method(args)`."""
        of = self.resolve(callee.of, callee.span)
        known = self.class_of(of)
        if known is None:
            kind = of.name if isinstance(of, ir.Struct) else ""
            args = of.args if isinstance(of, ir.Struct) else ()
            given = tuple(
                ir.Literal(arg, "int32", expr.span) if isinstance(arg, int) else arg for arg in args
            )
            call = ir.Call(callee, expr.args, given, expr.span)
            return self.library_call(f"{kind}::{callee.name}", call)
        function = self._overload(list(known.methods.get(callee.name, ())), expr)
        if function is None:
            raise ReadError(
                "XP1010", f"{known.name!r} has no function {callee.name!r}", span=expr.span
            )
        frame = self.frames[-1]
        mine = frame.this if frame.this_type == of else None
        return self._inline(function, expr, mine or self._nowhere(of))

    def _nowhere(self, of: ir.Type) -> Address:
        """The object of a static method, which has none."""
        from xpiler_tvm import tir

        from ..arenas import Arena

        arena = Arena("nothing", 0, "local", 0, 0, [])
        return Address(arena, tir.const(0, "int32"), of)

    def static_member(self, expr: ir.Scoped) -> Value:
        """`Class::member`, a constant."""
        enumerator = self._enumerator(expr.of, expr.name)
        if enumerator is not None:
            return self.value(ir.Name(expr.name, enumerator.ident, expr.span))
        of = self.resolve(expr.of, expr.span)
        known = self.class_of(of)
        if known is None and isinstance(of, ir.Struct) and expr.name in ("value", ""):
            answered = traits.answer(of.name, of.args)
            if answered is not None:
                return self.math.number(int(answered), "bool")
        member = known.members.get(expr.name) if known is not None else None
        if member is None or member.init is None:
            raise ReadError("XP1010", f"{expr.name!r} is not known here", span=expr.span)
        with self.inside(of):
            kind = self.resolve(member.type, member.span)
            return self.convert(self.value(member.init), kind, member.span)

    # ------------------------------------------------------------ operators

    def class_operator(self, op: str, values: list[Value | Constant], span: Span) -> Value | None:
        """The value of an operator of classes; `None` where there is none."""
        first, called = values[0], "operator" + op
        if isinstance(first, Constant) and self.has_method(first.of, called):
            # Such a method may be called without an object in memory.
            rest = tuple(ir.Evaluated(value, span) for value in values[1:])
            return self._method(called, first, ir.Call(ir.Name(called, 0, span), rest, (), span))
        args = tuple(
            ir.Evaluated(value.value if isinstance(value, Constant) else value, span)
            for value in values
        )
        name = ir.Name("operator" + op, 0, span)
        call = ir.Call(name, args, (), span)
        candidates = [f for f in self.unit.overloads(name.name) if f.body is not None]
        function = self._overload(candidates, call)
        if function is not None and len(function.params) == len(args):
            return self._inline(function, call)
        return self._operator_of_class(name.name, call)

    def _operator_of_class(self, name: str, expr: ir.Call) -> Value | None:
        """`operator+(a, b)` where it is a method of a."""
        first = expr.args[0] if expr.args else None
        if first is None:
            return None
        this: Address | Constant | None = None
        if isinstance(first, ir.Evaluated):
            value = first.value
            if isinstance(value, Address):
                this = value
            elif self._is_ours(value):
                this = self._at(value, expr.span)
        else:
            _, this = self._object(first)
        if this is None or not self.has_method(this.of, name):
            return None
        rest = ir.Call(expr.callee, expr.args[1:], expr.template_args, expr.span)
        return self._method(name, this, rest)

    # ------------------------------------------------------------ construction

    def constructed(self, kind: ir.Struct, args: tuple[ir.Expr, ...], span: Span) -> Value:
        """A new object: by a constructor of the class, or field by field."""
        if library.matrix.is_fragment(kind):
            return Nothing()
        if library.cooperative.is_group(kind) and len(args) == 1:
            return self.value(args[0])
        known = self.class_of(kind)
        if len(args) == 1 and isinstance(args[0], ir.InitList):
            args = args[0].items
        if known is not None and known.methods.get(""):
            call = ir.Call(ir.Name(known.name, 0, span), args, (), span)
            if len(args) == 1:
                only = self.value(args[0])
                if isinstance(only, Record) and only.kind.ident == kind.ident:
                    return only
                call = ir.Call(call.callee, (ir.Evaluated(only, span),), (), span)
            function = self._overload(list(known.methods[""]), call)
            assert function is not None
            if function.body is not None:
                this = self.allocate(known.name.lower(), kind, span)
                self._inline(function, call, this)
                return self.load(this, span)
        values = [self.initial(arg, of) for arg, (_, of) in zip(args, kind.fields, strict=False)]
        if (
            len(values) == 1
            and isinstance(values[0], Record)
            and same_class(values[0], Record(kind, {}))
        ):
            return values[0]
        if not values and not self._sets_itself(kind):
            return Nothing() if kind.fields else Record(kind, {})
        return self._record(kind, values, span)

    def _sets_itself(self, kind: ir.Struct) -> bool:
        """Whether a new object has values though nothing is said of them; so has a library's."""
        known = self.class_of(kind)
        return (
            known is None
            or bool(known.methods.get("") or any(init for _, init in known.fields))
            or any(
                self._sets_itself(of)
                for _, of in kind.fields
                if isinstance(of, ir.Struct) and self.class_of(of) is not None
            )
        )

    def _default(self, kind: ir.Struct, name: str) -> Value | None:
        """What a field starts as where nothing else is said."""
        known = self.class_of(kind)
        if known is None:
            return None
        for variable, init in known.fields:
            if variable.name == name and init is not None:
                with self.inside(kind):
                    return self.initial(init, self.resolve(variable.type, variable.span))
        return None

    def _initialise_fields(
        self, frame: Frame, inits: tuple[tuple[str, tuple[ir.Expr, ...]], ...], span: Span
    ) -> None:
        """What stands between a constructor's parameters and its body."""
        this = frame.this
        if (
            not isinstance(this, Address)
            or not isinstance(this.of, ir.Struct)
            or frame.name != this.of.name
        ):
            return
        given = dict(inits)
        for name, of in this.of.fields:
            place = self.place(ir.Member(ir.This(span), name, span))
            assert isinstance(place, Address)
            if name in given:
                if isinstance(of, ir.ArrayType):
                    self._clear(place, span)
                    continue
                self.store(place, self.initial(given[name][0], of), span)
                continue
            value = self._default(this.of, name)
            if name.startswith(ir.BASE) and isinstance(of, ir.Struct):
                value = self.constructed(of, (), span)
            if isinstance(value, (Number, Record)):
                self.store(place, value, span)
