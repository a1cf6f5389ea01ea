"""clang AST -> kernel IR, for device and host functions alike.

c_types <- c_expressions <- c_statements <- c_reader
"""

from __future__ import annotations

from collections.abc import Iterator

from clang import cindex

from xpiler_tvm.errors import Span

from . import c_source, clang_ast, ir
from .c_expressions import NO_EXPRESSIONS, ident_of
from .c_statements import Statements
from .c_types import CLASSES
from .clang_ast import Cursor, Places
from .spelling import parse_argument, parse_type

_SPACES = ("nram", "wram", "sram", "ldram")


def read_unit(text: str, dialect: str, filename: str) -> ir.Unit:
    """The functions and variables of a source file. Raises `ReadError` where it is malformed."""
    parsed = clang_ast.parse(text, dialect, filename)
    reader = _Reader(Places(text, filename))
    if dialect == "vnni":
        reader.refusals = [
            *_errors(parsed, text, filename),
            *c_source.refused_directives(clang_ast.without_includes(text), filename),
        ]
    return reader.unit(parsed)


def _errors(parsed: Cursor, text: str, filename: str) -> Iterator[tuple[int, ir.Unreadable]]:
    for offset, error in clang_ast.errors(parsed, text, filename):
        span = error.span or Span(filename, 1, 1)
        yield offset, ir.Unreadable(error.code, error.message, span, error.hint)


def read_unit_loosely(text: str, dialect: str, filename: str) -> ir.Unit:
    """The same, whatever in it is unknown or malformed: signatures and host code are still read."""
    unit = clang_ast.parse_loosely(text, dialect, filename)
    return _Reader(Places(text, filename)).unit(unit)


_PARTIAL = "CLASS_TEMPLATE_PARTIAL_SPECIALIZATION"
_TEMPLATE_PARAMETERS = (
    "TEMPLATE_TYPE_PARAMETER",
    "TEMPLATE_NON_TYPE_PARAMETER",
    "TEMPLATE_TEMPLATE_PARAMETER",
)


class _Reader(Statements):
    """Functions, variables and classes of a file."""

    def unit(self, parsed: Cursor) -> ir.Unit:
        self.file = parsed.spelling
        self._file_scope(parsed.cursor)
        return self.unit_read

    def _file_scope(self, scope: Cursor) -> None:
        for cursor in scope.get_children():
            if not self._is_ours(cursor):
                continue
            kind = cursor.kind.name
            if kind in ("FUNCTION_DECL", "FUNCTION_TEMPLATE"):
                self._add_function(self.function(cursor))
            elif kind == "VAR_DECL":
                variable = self.variable(cursor)
                self.unit_read.variables[variable.ident] = variable
            elif kind in CLASSES:
                self.class_declared(cursor)
            elif kind in ("TYPE_ALIAS_DECL", "TYPEDEF_DECL"):
                alias = self.type(cursor.underlying_typedef_type)
                self.unit_read.aliases[cursor.spelling] = alias
            elif kind == "ENUM_DECL":
                for variable in self._enumerators(cursor).values():
                    self.unit_read.variables[variable.ident] = variable
            elif kind == _PARTIAL:
                self.class_declared(cursor)
            elif kind in ("NAMESPACE", "LINKAGE_SPEC", "UNEXPOSED_DECL"):
                self._file_scope(cursor)

    def _add_function(self, function: ir.Function) -> None:
        unit = self.unit_read
        if function.of:
            known = unit.specialised.get(function.ident, ())
            unit.specialised[function.ident] = (*known, function)
        elif function.body is not None or function.ident not in unit.functions:
            unit.functions[function.ident] = function

    def class_declared(self, cursor: Cursor) -> None:
        """Notes a class with its methods, static members and the types that it names."""
        ident = cursor.canonical.hash
        if ident in self.entered or not cursor.is_definition():
            return
        self.entered.add(ident)
        template: list[tuple[str, int]] = []
        defaults: dict[int, ir.Type | ir.Expr] = {}
        fields: list[tuple[ir.Variable, ir.Expr | None]] = []
        methods: dict[str, tuple[ir.Function, ...]] = {}
        members: dict[str, ir.Variable] = {}
        types: dict[str, ir.Type] = {}
        for child in cursor.get_children():
            kind = child.kind.name
            if kind in _TEMPLATE_PARAMETERS:
                template.append((child.spelling, child.canonical.hash))
                defaults.update(self._default_of(child))
            elif kind == "FIELD_DECL":
                fields.append(self._field(child))
            elif kind in ("CXX_METHOD", "CONSTRUCTOR", "FUNCTION_TEMPLATE"):
                name = "" if kind == "CONSTRUCTOR" else child.spelling
                methods[name] = (*methods.get(name, ()), self.function(child))
            elif kind == "VAR_DECL":
                members[child.spelling] = variable = self.variable(child)
                self.unit_read.variables[variable.ident] = variable
            elif kind in ("TYPE_ALIAS_DECL", "TYPEDEF_DECL"):
                types[child.spelling] = self.type(child.underlying_typedef_type)
            elif kind in CLASSES:
                self.class_declared(child)
            elif kind == "ENUM_DECL":
                members.update(self._enumerators(child))
        bases = [one for one in cursor.get_children() if one.kind.name == "CXX_BASE_SPECIFIER"]
        functions = [one for one in cursor.get_children() if one.kind.name == "CXX_METHOD"]
        virtual = any(one.is_virtual_method() for one in functions)
        virtual |= any("virtual" in [token.spelling for token in one.get_tokens()] for one in bases)
        of: tuple[ir.Type | int, ...] = ()
        pattern: tuple[ir.Type | ir.Expr, ...] = ()
        if cursor.kind.name == _PARTIAL:
            spelled = parse_type(cursor.displayname, self.places.span(cursor))
            pattern = spelled.args if isinstance(spelled, ir.Instance) else ()
        elif cursor.kind.name != "CLASS_TEMPLATE":
            of = self._arguments(cursor)
        self.unit_read.classes[ident] = ir.Class(
            cursor.spelling,
            ident,
            tuple(template),
            tuple(fields),
            methods,
            members,
            types,
            of,
            defaults,
            tuple(self.type(base.type) for base in bases),
            virtual,
            self.places.span(cursor),
            pattern,
        )

    def _default_of(self, cursor: Cursor) -> dict[int, ir.Type | ir.Expr]:
        """A template parameter's default."""
        words = [token.spelling for token in cursor.get_tokens()]
        if "=" not in words:
            return {}
        text = " ".join(words[words.index("=") + 1 :])
        return {cursor.canonical.hash: parse_argument(text, self.places.span(cursor))}

    def _enumerators(self, cursor: Cursor) -> dict[str, ir.Variable]:
        kind, span = ir.Arithmetic("int32"), self.places.span(cursor)
        scope = f"{cursor.spelling}::" if cursor.is_scoped_enum() else ""
        return {
            child.spelling: ir.Variable(
                scope + child.spelling,
                child.canonical.hash,
                kind,
                "",
                False,
                ir.Literal(child.enum_value, "int32", span),
                span,
            )
            for child in cursor.get_children()
            if child.kind.name == "ENUM_CONSTANT_DECL"
        }

    def _field(self, cursor: Cursor) -> tuple[ir.Variable, ir.Expr | None]:
        variable = self.variable(cursor)
        init = None
        if any(token.spelling in ("=", "{") for token in cursor.get_tokens()):
            children = [child for child in cursor.get_children() if child.kind.is_expression()]
            init = self.expression(children[-1]) if children else None
        return variable, init

    def function(self, cursor: Cursor) -> ir.Function:
        attributes, parameters, template, body = set(), [], [], None
        inits: list[tuple[str, tuple[ir.Expr, ...]]] = []
        defaults: dict[int, ir.Type | ir.Expr] = {}
        enumerations: dict[int, dict[str, ir.Variable]] = {}
        field = ""
        constructor = cursor.kind.name == "CONSTRUCTOR"
        for child in cursor.get_children():
            kind = child.kind.name
            if kind.endswith("_ATTR"):
                attributes.add(kind)
            elif kind == "PARM_DECL":
                parameters.append(self.variable(child))
            elif kind in _TEMPLATE_PARAMETERS:
                template.append((child.spelling, child.canonical.hash))
                defaults.update(self._default_of(child))
                if child.type.get_canonical().kind.name == "ENUM":
                    of = child.type.get_declaration()
                    enumerations[child.canonical.hash] = self._enumerators(of)
            elif kind == "COMPOUND_STMT":
                body = self.block(child)
            elif kind == "MEMBER_REF":
                field = child.spelling
            elif constructor and kind in ("TYPE_REF", "TEMPLATE_REF"):
                field = ir.BASE + child.referenced.spelling
            elif field and child.kind.is_expression():
                inits.append((field, (self.expression(child),)))
                field = ""
        if body is not None:
            start, end = cursor.extent.start.offset, cursor.extent.end.offset
            refused = [why for offset, why in self.refusals if start <= offset < end]
            body = ir.Block((*refused[:1],), body.span) if refused else body
        role = "host"
        if "CUDAGLOBAL_ATTR" in attributes:
            role = "kernel"
        elif "CUDADEVICE_ATTR" in attributes:
            role = "both" if "CUDAHOST_ATTR" in attributes else "device"
        specialised = cursor.kind.name == "FUNCTION_DECL" and clang_ast.template_of(cursor)
        # The constructor of a template is spelled with the parameters: `Best<K>`.
        return ir.Function(
            cursor.spelling.partition("<")[0] if constructor else cursor.spelling,
            ident_of(cursor),
            role,
            tuple(template),
            tuple(parameters),
            self.type(cursor.result_type),
            body,
            self.places.span(cursor),
            self._arguments(cursor) if specialised else (),
            defaults,
            tuple(inits),
            {ident: _values(found) for ident, found in enumerations.items()},
        )

    def variable(self, cursor: Cursor) -> ir.Variable:
        children = list(cursor.get_children())
        attributes = {child.kind.name for child in children if child.kind.name.endswith("_ATTR")}
        space = ""
        for attribute, name in (
            ("CUDASHARED_ATTR", "shared"),
            ("CUDACONSTANT_ATTR", "constant"),
            ("CUDADEVICE_ATTR", "device"),
        ):
            if attribute in attributes:
                space = name
        for child in children:
            if child.kind.name == "ANNOTATE_ATTR" and child.spelling in _SPACES:
                space = child.spelling
        init = None
        if cursor.kind.name in ("VAR_DECL", "PARM_DECL"):  # of a parameter, its default
            init = clang_ast.initializer(cursor)
        extents = [  # libclang visits the innermost first
            child
            for child in reversed(children)
            if child.kind.is_expression()
            and (init is None or child != init)
            and child.kind.name not in NO_EXPRESSIONS
        ]
        kind = self.type(cursor.type, extents)
        if cursor.kind.name == "PARM_DECL" and isinstance(kind, ir.ArrayType):
            kind = ir.Pointer(kind.of)
        return ir.Variable(
            cursor.spelling,
            cursor.canonical.hash,
            kind,
            space,
            cursor.storage_class == cindex.StorageClass.EXTERN,
            None if init is None else self.expression(init),
            self.places.span(cursor),
        )


def _values(enumerators: dict[str, ir.Variable]) -> dict[int, str]:
    """What the numbers of an enumeration are called."""
    return {
        int(one.init.value): one.name
        for one in enumerators.values()
        if isinstance(one.init, ir.Literal)
    }
