"""Types: template parameters, classes and their instances, extents of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from xpiler_tvm.errors import ReadError, Span

from .. import ir, library
from ..library import traits
from ..values import Number
from .accesses import Accesses
from .state import Frame


class Types(Accesses):
    """Types: template parameters, classes and their instances, extents of arrays."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def number(self, expr: ir.Expr) -> Number: ...

    def resolve(self, kind: ir.Type, span: Span) -> ir.Type:
        """`kind` with template parameters replaced and array extents evaluated."""
        if isinstance(kind, ir.Pointer):
            return ir.Pointer(self.resolve(kind.to, span))
        if isinstance(kind, ir.Reference):
            return ir.Reference(self.resolve(kind.to, span))
        if isinstance(kind, ir.ArrayType):
            if kind.extent is None:
                return ir.ArrayType(self.resolve(kind.of, span), None)
            extent = ir.Literal(self._extent(kind.extent, span), "int32", span)
            return ir.ArrayType(self.resolve(kind.of, span), extent)
        if isinstance(kind, ir.Struct):
            self._refuse_virtual(kind, span)
            if library.matrix.is_fragment(kind):
                return library.matrix.class_of(self, kind, span)  # type: ignore[arg-type]
            if all(isinstance(of, ir.Arithmetic) for _, of in kind.fields):
                return kind
            fields = tuple((name, self.resolve(of, span)) for name, of in kind.fields)
            return ir.Struct(kind.name, ir.with_contents(fields), kind.args, kind.ident)
        if isinstance(kind, ir.Union):
            fields = tuple((name, self.resolve(of, span)) for name, of in kind.fields)
            return ir.Union(kind.name, fields)
        if isinstance(kind, ir.Instance):
            args = tuple(self.template_argument(arg, span) for arg in kind.args)
            return self._instance(kind.name, args, span)
        if isinstance(kind, ir.MemberType):
            return self._member_type(kind, span)
        if isinstance(kind, ir.Named) and kind not in (ir.VOID, ir.AUTO):
            return self._named_type(kind, span)
        return kind

    def _extent(self, expr: ir.Expr, span: Span) -> int:
        value = self.number(expr)
        extent = self.math.known(value.expr)
        if extent is None:
            self.refuse_symbolic(value.expr, "the extent of an array", span)
        if extent is None or extent <= 0:
            raise ReadError("XP1009", "an array's extent must be a positive constant", span=span)
        return extent

    def _named_type(self, kind: ir.Named, span: Span) -> ir.Type:
        for frame in reversed(self.frames):
            found = frame.names.get(kind.name)
            if found is not None and not isinstance(found, int):
                return found if found == kind else self.resolve(found, span)
        for known in self.unit.classes_named(kind.name):
            if not known.template_params:
                return self._struct(known, (), span)
        alias = self.unit.aliases.get(kind.name)
        if alias is not None and alias != kind:
            return self.resolve(alias, span)
        raise ReadError("XP1009", f"the type {kind.name!r} is not read here", span=span)

    def template_argument(self, arg: ir.Type | ir.Expr, span: Span) -> ir.Type | int:
        """A type, or the value of a constant. Of a name alone only its use tells which it is."""
        if isinstance(arg, ir.Named):
            for frame in reversed(self.frames):
                found = frame.names.get(arg.name)
                if isinstance(found, int):
                    return found
            variable = self._variable_named(arg.name)
            if variable is not None and not self.unit.classes_named(arg.name):
                return self._constant(ir.Name(arg.name, variable.ident, span), span)
            templates = [one for one in self.unit.classes_named(arg.name) if one.template_params]
            if templates and not any(arg.name in frame.names for frame in self.frames):
                return arg  # a template for a template's parameter
            return self.resolve(arg, span)
        if isinstance(arg, ir.MemberType):
            enumerator = self._enumerator(arg.of, arg.name)
            if enumerator is not None:
                return self._constant(ir.Name(arg.name, enumerator.ident, span), span)
            if self._is_namespace(arg.of):
                return self.template_argument(ir.Named(arg.name), span)
            of = self.resolve(arg.of, span)
            known = self.class_of(of)
            if (known is not None and arg.name in known.members) or arg.name == "value":
                return self._constant(ir.Scoped(of, arg.name, span), span)
            return self.resolve(arg, span)
        if isinstance(arg, ir.TYPES):
            kind = self.resolve(arg, span)
            if isinstance(kind, ir.Struct) and kind.name.endswith("_v"):
                answered = traits.answer(kind.name, kind.args)
                return kind if answered is None else int(answered)
            return kind
        return self._constant(arg, span)

    def _constant(self, expr: ir.Expr, span: Span) -> int:
        known = self.math.known(self.number(expr).expr)
        if known is None:
            raise ReadError("XP1009", "a template argument is no constant", span=span)
        return known

    # ------------------------------------------------------------ classes

    def class_of(self, kind: ir.Type) -> ir.Class | None:
        """The class of the file that an object of type `kind` is of."""
        return self.unit.classes.get(kind.ident) if isinstance(kind, ir.Struct) else None

    def _instance(self, name: str, args: tuple[ir.Type | int, ...], span: Span) -> ir.Type:
        """A class template's instance; one of a library has no fields here."""
        general = None
        for frame in reversed(self.frames):
            given = frame.names.get(name)
            if isinstance(given, ir.Named) and given.name != name:
                return self._instance(given.name, args, span)
        chosen = traits.choice(name, args) if name.endswith("_t") else None
        if chosen is not None and not self.unit.classes_named(name):
            return chosen
        if traits.is_trait(name):
            return ir.Struct(name, (), args)
        for known in self.unit.classes_named(name):
            if known.of and known.of == args:
                return self._struct(known, args, span)
            if known.template_params:
                general = known
        if general is None:
            kind = ir.Struct(name, (), args)
            if library.matrix.is_fragment(kind):
                return library.matrix.class_of(self, kind, span)  # type: ignore[arg-type]
            return kind
        idents = [ident for _, ident in general.template_params]
        first = dict(zip(idents, args, strict=False))
        bound = self.with_defaults(general.template_params, general.template_defaults, first, span)
        whole = tuple(bound[ident] for ident in idents)
        for known in self.unit.classes_named(name):
            if known.of == whole:
                return self._struct(known, whole, span)
        # Of several partial ones the one that leaves least open.
        for partial in sorted(self.unit.partials(name), key=lambda one: len(one.template_params)):
            own = matched(partial, whole)
            if own is not None:
                return self._struct(partial, own, span)
        return self._struct(general, whole, span)

    def with_defaults(
        self,
        params: tuple[tuple[str, int], ...],
        defaults: dict[int, ir.Type | ir.Expr],
        bound: dict[int, ir.Type | int],
        span: Span,
    ) -> dict[int, ir.Type | int]:
        """Template arguments with the defaults of those that are left out."""
        whole = dict(bound)
        for name, ident in params:
            if ident in whole:
                continue
            if ident not in defaults:
                raise ReadError("XP1009", f"the template argument {name!r} is missing", span=span)
            self.frames.append(self.frame("template", params, whole))
            try:
                whole[ident] = self.template_argument(defaults[ident], span)
            finally:
                self.frames.pop()
        return whole

    def _refuse_virtual(self, kind: ir.Struct, span: Span) -> None:
        known = self.class_of(kind)
        if known is not None and known.virtual:
            raise ReadError(
                "XP1009",
                f"{kind.name!r} has virtual functions or bases, which are not read",
                span=span,
                hint="call the functions of the object's own class",
            )

    def _struct(self, known: ir.Class, args: tuple[ir.Type | int, ...], span: Span) -> ir.Struct:
        kind = ir.Struct(known.name, (), args, known.ident)
        self._refuse_virtual(kind, span)
        with self.inside(kind):
            inherited = [self.resolve(base, known.span) for base in known.bases]
            fields = (
                *((ir.BASE + of.name, of) for of in inherited if isinstance(of, ir.Struct)),
                *(
                    (variable.name, self.resolve(variable.type, variable.span))
                    for variable, _ in known.fields
                ),
            )
        return ir.Struct(known.name, ir.with_contents(fields), args, known.ident)

    def bases(self, kind: ir.Type) -> list[ir.Struct]:
        """The classes that one is derived from."""
        known = self.class_of(kind)
        if known is None or not known.bases:
            return []
        with self.inside(kind):
            found = [self.resolve(base, known.span) for base in known.bases]
        return [base for base in found if isinstance(base, ir.Struct)]

    def has_method(self, kind: ir.Type, name: str) -> bool:
        """Whether a class, or one that it is derived from, has a method of that name."""
        known = self.class_of(kind)
        return known is not None and (
            name in known.methods or any(self.has_method(base, name) for base in self.bases(kind))
        )

    def _variable_named(self, name: str) -> ir.Variable | None:
        return next((one for one in self.unit.variables.values() if one.name == name), None)

    def _enumerator(self, of: ir.Type, name: str) -> ir.Variable | None:
        """`Enumeration::name`, which goes by its own name too where the enumeration is no class."""
        if not isinstance(of, ir.Named) or not self._is_namespace(of):
            return None
        return self._variable_named(f"{of.name}::{name}") or self._variable_named(name)

    def _is_namespace(self, kind: ir.Type) -> bool:
        """Whether a name stands for neither a class nor a template parameter."""
        return (
            isinstance(kind, ir.Named)
            and not any(kind.name in frame.names for frame in self.frames)
            and not self.unit.classes_named(kind.name)
        )

    def _member_type(self, kind: ir.MemberType, span: Span) -> ir.Type:
        if self._is_namespace(kind.of):
            return self.resolve(ir.Named(kind.name), span)
        of = self.resolve(kind.of, span)
        known = self.class_of(of)
        if kind.name == "type" and isinstance(of, ir.Struct) and known is None:
            chosen = traits.choice(of.name, of.args)
            if chosen is not None:
                return chosen
        if known is None or kind.name not in known.types:
            raise ReadError("XP1009", f"the type {kind.name!r} is not read here", span=span)
        with self.inside(of):
            return self.resolve(known.types[kind.name], span)

    @contextmanager
    def inside(self, kind: ir.Type) -> Iterator[None]:
        """Inside, names are those of a class."""
        self.frames.append(self.frame("class", (), {}, kind))
        try:
            yield
        finally:
            self.frames.pop()

    def frame(
        self,
        name: str,
        template_params: tuple[tuple[str, int], ...],
        templates: dict[int, ir.Type | int],
        of: ir.Type | None = None,
    ) -> Frame:
        """A frame for a function, or for a method of class `of`, with its names."""
        bound = dict(templates)
        names: dict[str, ir.Type | int] = {}
        known = self.class_of(of) if of is not None else None
        if known is not None:
            assert isinstance(of, ir.Struct)
            names.update(known.types)
            names[known.name] = of
            for (param, ident), arg in zip(known.template_params, of.args, strict=False):
                bound[ident] = names[param] = arg
        for param, ident in template_params:
            if ident in templates:
                names[param] = templates[ident]
        return Frame(name, bound, ir.VOID, len(self.frames), names=names, this_type=of)


def matched(partial: ir.Class, args: tuple[ir.Type | int, ...]) -> tuple[ir.Type | int, ...] | None:
    """What a partial specialisation's parameters are for these arguments; `None` for no match."""
    names = [name for name, _ in partial.template_params]
    bound: dict[str, ir.Type | int] = {}

    def fits(pattern: ir.Type | ir.Expr, arg: ir.Type | int) -> bool:
        if isinstance(pattern, (ir.Named, ir.Name)) and pattern.name in names:
            return bound.setdefault(pattern.name, arg) == arg
        if isinstance(pattern, ir.Literal):
            return isinstance(arg, int) and int(pattern.value) == arg
        if isinstance(pattern, ir.Pointer):
            return isinstance(arg, ir.Pointer) and fits(pattern.to, arg.to)
        if isinstance(pattern, ir.Instance) and isinstance(arg, ir.Struct):
            return arg.name == pattern.name and all(map(fits, pattern.args, arg.args))
        return pattern == arg

    if len(partial.pattern) != len(args) or not all(map(fits, partial.pattern, args)):
        return None
    return tuple(bound[name] for name in names) if len(bound) == len(names) else None
