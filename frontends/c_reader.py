"""clang AST -> kernel IR, for device and host functions alike."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clang import cindex

from xpiler_tvm.errors import Span

from . import c_source, clang_ast, ir
from .clang_ast import Cursor, Places
from .spelling import parse_argument, parse_type

_DTYPES = {
    "BOOL": "bool",
    "CHAR_S": "int8",
    "CHAR_U": "uint8",
    "SCHAR": "int8",
    "UCHAR": "uint8",
    "SHORT": "int16",
    "USHORT": "uint16",
    "INT": "int32",
    "UINT": "uint32",
    "LONG": "int64",
    "ULONG": "uint64",
    "LONGLONG": "int64",
    "ULONGLONG": "uint64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "HALF": "float16",
    "FLOAT16": "float16",
    "BFLOAT16": "bfloat16",
    "ENUM": "int32",
}
_ANY_POINTER = "XpMemory"  # of the prelude, what the C library's allocation gives
_SPACES = ("nram", "wram", "sram", "ldram")
_LAUNCH = ("__cudaPushCallConfiguration", "__hipPushCallConfiguration")
_CASTS = (
    "CSTYLE_CAST_EXPR",
    "CXX_STATIC_CAST_EXPR",
    "CXX_REINTERPRET_CAST_EXPR",
    "CXX_CONST_CAST_EXPR",
    "CXX_FUNCTIONAL_CAST_EXPR",
)
_NO_EXPRESSIONS = ("TYPE_REF", "TEMPLATE_REF", "NAMESPACE_REF", "OVERLOADED_DECL_REF", "MEMBER_REF")


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


_TEMPLATE_PARAMETERS = ("TEMPLATE_TYPE_PARAMETER", "TEMPLATE_NON_TYPE_PARAMETER")
_COMPARISONS = ("==", "!=", "<=", ">=")
_CALLEES = (
    "DECL_REF_EXPR",
    "MEMBER_REF_EXPR",
    "UNEXPOSED_EXPR",
    "PAREN_EXPR",
    "CALL_EXPR",
    "LAMBDA_EXPR",
)
_CLASSES = ("STRUCT_DECL", "CLASS_DECL", "CLASS_TEMPLATE", "UNION_DECL")


class _Reader:
    def __init__(self, places: Places) -> None:
        self.places = places
        self.unit_read = ir.Unit({}, {}, {}, {}, set())
        self.refusals: list[tuple[int, ir.Unreadable]] = []
        self.entered: set[int] = set()
        self.building: set[int] = set()

    # ------------------------------------------------------------ declarations

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
            elif kind in _CLASSES:
                self._class(cursor)
            elif kind == "CLASS_TEMPLATE_PARTIAL_SPECIALIZATION":
                self.unit_read.partial.add(cursor.spelling)
            elif kind in ("NAMESPACE", "LINKAGE_SPEC", "UNEXPOSED_DECL"):
                self._file_scope(cursor)

    def _is_ours(self, cursor: Cursor) -> bool:
        return cursor.location.file is not None and cursor.location.file.name == self.file

    def _add_function(self, function: ir.Function) -> None:
        unit = self.unit_read
        if function.of:
            known = unit.specialised.get(function.ident, ())
            unit.specialised[function.ident] = (*known, function)
        elif function.body is not None or function.ident not in unit.functions:
            unit.functions[function.ident] = function

    def _class(self, cursor: Cursor) -> None:
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
            elif kind in _CLASSES:
                self._class(child)
            elif kind == "ENUM_DECL":
                members.update(self._enumerators(child))
        kinds = {child.kind.name for child in cursor.get_children()}
        of: tuple[ir.Type | int, ...] = ()
        if cursor.kind.name != "CLASS_TEMPLATE":
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
            "CXX_BASE_SPECIFIER" in kinds,
            self.places.span(cursor),
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
        return {
            child.spelling: ir.Variable(
                child.spelling,
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

    def _arguments(self, cursor: Cursor) -> tuple[ir.Type | int, ...]:
        return tuple(
            argument if isinstance(argument, int) else self.type(argument)
            for argument in clang_ast.specialised_for(cursor)
        )

    def function(self, cursor: Cursor) -> ir.Function:
        attributes, parameters, template, body = set(), [], [], None
        inits: list[tuple[str, tuple[ir.Expr, ...]]] = []
        defaults: dict[int, ir.Type | ir.Expr] = {}
        field = ""
        for child in cursor.get_children():
            kind = child.kind.name
            if kind.endswith("_ATTR"):
                attributes.add(kind)
            elif kind == "PARM_DECL":
                parameters.append(self.variable(child))
            elif kind in _TEMPLATE_PARAMETERS:
                template.append((child.spelling, child.canonical.hash))
                defaults.update(self._default_of(child))
            elif kind == "COMPOUND_STMT":
                body = self.block(child)
            elif kind == "MEMBER_REF":
                field = child.spelling
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
        return ir.Function(
            cursor.spelling,
            _ident(cursor),
            role,
            tuple(template),
            tuple(parameters),
            self.type(cursor.result_type),
            body,
            self.places.span(cursor),
            self._arguments(cursor) if specialised else (),
            defaults,
            tuple(inits),
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
            and child.kind.name not in _NO_EXPRESSIONS
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

    def type(self, kind: cindex.Type, extents: list[Cursor] | None = None) -> ir.Type:
        """`extents` are the expressions of a declared array's extents, outermost first."""
        name = kind.kind.name
        if name in ("POINTER", "INCOMPLETEARRAY", "VARIABLEARRAY", "CONSTANTARRAY") or (
            name == "DEPENDENTSIZEDARRAY"
        ):
            return self._compound(kind, name, extents or [])
        if name in ("LVALUEREFERENCE", "RVALUEREFERENCE"):
            return ir.Reference(self.type(kind.get_pointee(), extents))
        if name in _DTYPES:
            return ir.Arithmetic(_DTYPES[name])
        if mask := re.fullmatch(r"(?:const )?__mmask(8|16|32|64)", kind.spelling):
            return ir.Vector(ir.Arithmetic("bool"), int(mask[1]))
        canonical = kind.get_canonical()
        if canonical.spelling.removeprefix("const ") == "__bf16":  # libclang has no kind for it
            return ir.Arithmetic("bfloat16")
        if canonical.kind.name in ("VECTOR", "EXTVECTOR"):
            of = self.type(canonical.element_type)
            assert isinstance(of, ir.Arithmetic)
            return ir.Vector(of, canonical.element_count)
        if canonical.kind.name == "RECORD":
            return self._record(canonical)
        if canonical != kind and canonical.kind.name not in ("UNEXPOSED", "INVALID"):
            return self.type(canonical, extents)
        if name == "VOID":
            return ir.VOID
        if name == "AUTO":
            return ir.AUTO
        return parse_type(kind.spelling, Span(self.places.filename, 1, 1))

    def _record(self, kind: cindex.Type) -> ir.Type:
        declaration = kind.get_declaration()
        name = declaration.spelling
        if name.startswith("(lambda"):
            return ir.AUTO
        ident = declaration.canonical.hash
        if ident in self.building:  # a class whose objects point to each other
            return ir.Named(name)
        args = self._arguments(declaration)
        ours = self._is_ours(declaration)
        if ours and clang_ast.template_of(declaration) is not None:
            span = self.places.span(declaration)
            values = (
                ir.Literal(arg, "int32", span) if isinstance(arg, int) else arg for arg in args
            )
            return ir.Instance(name, tuple(values))
        self.building.add(ident)
        fields = tuple((field.spelling, self.type(field.type)) for field in kind.get_fields())
        self.building.discard(ident)
        if declaration.kind.name == "UNION_DECL":
            return ir.Union(name, fields)
        if ours:
            self._class(declaration)
        return ir.Struct(name, fields, args, ident if ours else 0)

    def _compound(self, kind: cindex.Type, name: str, extents: list[Cursor]) -> ir.Type:
        if name == "POINTER":
            return ir.Pointer(self.type(kind.get_pointee()))
        if name == "INCOMPLETEARRAY":
            return ir.ArrayType(self.type(kind.get_array_element_type(), extents), None)
        extent: ir.Expr
        if extents:
            extent = self.expression(extents[0])
        else:
            nowhere = Span(self.places.filename, 1, 1)
            extent = ir.Literal(kind.element_count, "int32", nowhere)
        return ir.ArrayType(self.type(kind.get_array_element_type(), extents[1:]), extent)

    # ------------------------------------------------------------ statements

    def block(self, cursor: Cursor) -> ir.Block:
        body = tuple(self.statement(child) for child in cursor.get_children())
        return ir.Block(body, self.places.span(cursor))

    def statement(self, cursor: Cursor) -> ir.Stmt:
        kind, span = cursor.kind.name, self.places.span(cursor)
        children = list(cursor.get_children())
        if kind == "COMPOUND_STMT":
            return self.block(cursor)
        if kind == "DECL_STMT":
            variables = [child for child in children if child.kind.name == "VAR_DECL"]
            for child in children:
                if child.kind.name in _CLASSES:
                    self._class(child)
            return ir.Declare(tuple(self.variable(child) for child in variables), span)
        if kind == "IF_STMT":
            return self._if(children, span)
        if kind == "FOR_STMT":
            init, test, step, body = clang_ast.for_parts(cursor)
            return ir.Loop(
                self.statement(init) if init is not None else None,
                self.expression(test) if test is not None else None,
                self.expression(step) if step is not None else None,
                self.statement(body),
                True,
                span,
            )
        if kind == "WHILE_STMT":
            test, body = children[-2:]
            return ir.Loop(None, self.expression(test), None, self.statement(body), True, span)
        if kind == "DO_STMT":
            body, test = children
            return ir.Loop(None, self.expression(test), None, self.statement(body), False, span)
        if kind == "CXX_FOR_RANGE_STMT":
            variable, *_, range_, body = children
            return ir.RangeLoop(
                self.variable(variable), self.expression(range_), self.statement(body), span
            )
        if kind == "RETURN_STMT":
            return ir.Return(self.expression(children[0]) if children else None, span)
        if kind == "BREAK_STMT":
            return ir.Break(span)
        if kind == "CONTINUE_STMT":
            return ir.Continue(span)
        if kind == "UNEXPOSED_STMT" and children:  # a statement behind a pragma
            return self.statement(children[-1])
        if kind == "NULL_STMT":
            return ir.Block((), span)
        if kind == "SWITCH_STMT":
            return self._switch(children, span)
        if kind in ("ASM_STMT", "GCC_ASM_STMT", "MS_ASM_STMT"):
            return ir.Unreadable(
                "XP1008",
                "inline assembly has no reading on other platforms",
                span,
                "write the step in C++ or with the dialect's intrinsics",
            )
        if cursor.kind.is_expression():
            return ir.Evaluate(self.expression(cursor), span)
        what = kind.removesuffix("_STMT").lower().replace("_", " ")
        return ir.Unreadable("XP1009", f"a {what} statement is not read", span)

    def _if(self, children: list[Cursor], span: Span) -> ir.Stmt:
        before: list[ir.Stmt] = []  # `if (int e = f())` and `if (init; test)` become a block
        while children[0].kind.name in ("VAR_DECL", "DECL_STMT"):
            first = children.pop(0)
            if first.kind.name == "VAR_DECL":
                before.append(ir.Declare((self.variable(first),), span))
            else:
                before.append(self.statement(first))
        test, then, *other = children
        choice = ir.If(
            self.expression(test),
            self.statement(then),
            self.statement(other[0]) if other else None,
            span,
        )
        return ir.Block((*before, choice), span) if before else choice

    def _switch(self, children: list[Cursor], span: Span) -> ir.Stmt:
        value, body = children[-2:]
        cases: list[tuple[list[ir.Expr | None], list[ir.Stmt]]] = []
        for child in body.get_children():
            labels: list[ir.Expr | None] = []
            inner = child
            while inner.kind.name in ("CASE_STMT", "DEFAULT_STMT"):
                parts = list(inner.get_children())
                labels.append(self.expression(parts[0]) if inner.kind.name == "CASE_STMT" else None)
                inner = parts[-1]
            if labels:
                cases.append((labels, []))
            if not cases:
                return ir.Unreadable("XP1009", "a switch that starts without a case", span)
            cases[-1][1].append(self.statement(inner))
        return ir.Switch(
            self.expression(value),
            tuple((tuple(labels), tuple(body)) for labels, body in cases),
            span,
        )

    # ------------------------------------------------------------ expressions

    def expression(self, cursor: Cursor) -> ir.Expr:
        kind, span = cursor.kind.name, self.places.span(cursor)
        children = list(cursor.get_children())
        if kind in (
            "INTEGER_LITERAL",
            "FLOATING_LITERAL",
            "CXX_BOOL_LITERAL_EXPR",
            "CHARACTER_LITERAL",
        ):
            return self._number(cursor, span)
        if kind == "STRING_LITERAL":
            return ir.Literal(cursor.spelling, "text", span)
        if kind == "CXX_NULL_PTR_LITERAL_EXPR":
            return ir.Literal(0, "null", span)
        if kind in ("PAREN_EXPR", "UNEXPOSED_EXPR"):
            return self._wrapped(cursor, children, span)
        if kind == "DECL_REF_EXPR":
            return self._name(cursor, span)
        if kind == "BINARY_OPERATOR":
            left, right = (self.expression(child) for child in children)
            op = clang_ast.binary_operator(cursor)
            return (
                ir.Assign("", left, right, span) if op == "=" else ir.Binary(op, left, right, span)
            )
        if kind == "COMPOUND_ASSIGNMENT_OPERATOR":
            left, right = (self.expression(child) for child in children)
            return ir.Assign(clang_ast.binary_operator(cursor)[:-1], left, right, span)
        if kind == "UNARY_OPERATOR":
            return ir.Unary(clang_ast.unary_operator(cursor), self.expression(children[0]), span)
        if kind == "CONDITIONAL_OPERATOR":
            test, then, other = (self.expression(child) for child in children)
            return ir.Conditional(test, then, other, span)
        if kind == "ARRAY_SUBSCRIPT_EXPR":
            base, index = (self.expression(child) for child in children)
            return ir.Subscript(base, index, span)
        if kind == "CXX_THIS_EXPR":
            return ir.Unary("&", ir.This(span), span)
        if kind == "MEMBER_REF_EXPR":
            objects = [child for child in children if child.kind.is_expression()]
            name = cursor.spelling or clang_ast.dependent_name(cursor)
            if not objects:
                return ir.Member(ir.This(span), name, span)
            base = self.expression(objects[0])
            if objects[0].type.get_canonical().kind.name == "POINTER":
                base = ir.Unary("*", base, span)
            return ir.Member(base, name, span)
        if kind in _CASTS:
            values = [child for child in children if child.kind.name not in _NO_EXPRESSIONS]
            return ir.Cast(self.type(cursor.type), self.expression(values[-1]), span)
        if kind == "CXX_UNARY_EXPR":
            return self._sizeof(cursor, children, span)
        if kind == "CALL_EXPR":
            return self._call(cursor, children, span)
        if kind == "INIT_LIST_EXPR":
            return ir.InitList(tuple(self.expression(child) for child in children), span)
        if kind == "LAMBDA_EXPR":
            parameters = [child for child in children if child.kind.name == "PARM_DECL"]
            return ir.Lambda(
                tuple(self.variable(child) for child in parameters), self.block(children[-1]), span
            )
        if kind == "STMT_EXPR":
            return ir.Unreadable("XP1009", "a statement expression is not read", span)
        if kind in ("CXX_NEW_EXPR", "CXX_DELETE_EXPR"):
            return self._allocation(cursor, children, span)
        what = kind.removesuffix("_EXPR").lower().replace("_", " ")
        return ir.Unreadable("XP1009", f"a {what} expression is not read", span)

    def _number(self, cursor: Cursor, span: Span) -> ir.Expr:
        value = clang_ast.evaluate(cursor)
        kind = self.type(cursor.type)
        if value is None or not isinstance(kind, ir.Arithmetic):
            return ir.Unreadable("XP1009", "a literal of this kind is not read", span)
        return ir.Literal(value, kind.dtype, span)

    def _wrapped(self, cursor: Cursor, children: list[Cursor], span: Span) -> ir.Expr:
        """Parentheses, implicit conversions (worked out again from the types) and the like."""
        values = [child for child in children if child.kind.name not in _NO_EXPRESSIONS]
        if len(values) == 1:
            return self.expression(values[0])
        if any(child.kind.name == "OVERLOADED_DECL_REF" for child in children):
            return ir.Name(cursor.spelling or children[0].spelling, 0, span)
        value = clang_ast.evaluate(cursor)
        if value is not None:  # a default argument has no children
            kind = self.type(cursor.type)
            return ir.Literal(
                value, kind.dtype if isinstance(kind, ir.Arithmetic) else "null", span
            )
        if values:
            arguments = tuple(self.expression(child) for child in values)
            return ir.Construct(self.type(cursor.type), arguments, span)
        return ir.Construct(self.type(cursor.type), (), span)

    def _name(self, cursor: Cursor, span: Span) -> ir.Expr:
        target = cursor.referenced
        children = list(cursor.get_children())
        if target is None or target.kind.name == "OVERLOADED_DECL_REF":
            for child in children:
                if child.kind.name == "OVERLOADED_DECL_REF":
                    return ir.Name(child.spelling, 0, span)
            if not cursor.spelling:  # a member of what a template parameter stands for
                return self._scoped(cursor, span)
            return ir.Name(cursor.spelling, 0, span)
        if target.kind.name == "CXX_METHOD":
            return ir.Scoped(self._scope_of(target), target.spelling, span)
        if target.kind.name == "VAR_DECL" and target.semantic_parent.kind.name in _CLASSES:
            value = clang_ast.evaluate(cursor)
            kind = self.type(cursor.type)
            if value is not None and isinstance(kind, ir.Arithmetic):
                return ir.Literal(value, kind.dtype, span)
        if target.kind.name == "ENUM_CONSTANT_DECL":
            given = [child for child in target.get_children() if child.kind.is_expression()]
            if given and clang_ast.evaluate(given[0]) is None:  # it depends on a template
                return self.expression(given[0])
            return ir.Literal(target.enum_value, "int32", span)
        if target.kind.name in ("FUNCTION_DECL", "FUNCTION_TEMPLATE"):
            return ir.Name(target.spelling, _ident(target), span)
        return ir.Name(target.spelling, target.canonical.hash, span)

    def _scope_of(self, member: Cursor) -> ir.Type:
        parent = member.semantic_parent
        if parent.kind.name == "CLASS_TEMPLATE":
            return ir.Named(parent.spelling)
        return self.type(parent.type)

    def _scoped(self, cursor: Cursor, span: Span) -> ir.Expr:
        """`T::name`, whose parts clang gives as text alone."""
        text = "".join(f" {token.spelling}" for token in cursor.get_tokens())
        kind = parse_type(text, span)
        if isinstance(kind, ir.MemberType):
            return ir.Scoped(kind.of, kind.name, span)
        return ir.Name(clang_ast.dependent_name(cursor), 0, span)

    def _sizeof(self, cursor: Cursor, children: list[Cursor], span: Span) -> ir.Expr:
        value = clang_ast.evaluate(cursor)
        if value is not None:
            return ir.Literal(value, "uint64", span)
        if children and children[0].kind.name == "TYPE_REF":
            return ir.SizeOf(self.type(children[0].type), span)
        if children:
            return ir.SizeOf(self.type(children[0].type), span)
        return ir.Unreadable("XP1009", "this sizeof is not read", span)

    def _call(self, cursor: Cursor, children: list[Cursor], span: Span) -> ir.Expr:
        target = cursor.referenced
        if target is not None and target.kind.name == "CONVERSION_FUNCTION":
            given = next(children[0].get_children(), None)
            if target.semantic_parent.spelling == _ANY_POINTER and given is not None:
                return self.expression(given)
        operator = _operator_called(target, children)
        if operator:
            # the operator itself is one of the children
            parts = [child for child in children if not _names_operator(child)]
            ident = _ident(target) if target is not None and cursor.spelling else 0
            return self._operator(operator, ident, [self.expression(part) for part in parts], span)
        # T(x) in a template has the type for its callee
        cast = bool(children) and children[0].kind.name == "TYPE_REF"
        if (
            cast
            or (target is None and children and children[0].kind.name not in _CALLEES)
            or (target is not None and target.kind.name == "CONSTRUCTOR")
        ):
            values = [child for child in children if child.kind.name not in _NO_EXPRESSIONS]
            arguments = tuple(self.expression(child) for child in values)
            return ir.Construct(self.type(cursor.type), arguments, span)
        if not children:
            return ir.Construct(self.type(cursor.type), (), span)
        if target is not None and target.spelling == "operator()" and len(children) > 1:
            # `f(x)` of a lambda: the object stands first, the operator is one of the children
            parts = [
                c
                for c in children
                if not (c.referenced is not None and c.referenced.spelling == "operator()")
            ]
            callee, *rest = parts
            return ir.Call(
                self.expression(callee), tuple(self.expression(child) for child in rest), (), span
            )
        callee, *rest = children
        if rest and rest[0].kind.name == "CALL_EXPR" and rest[0].spelling in _LAUNCH:
            config = list(rest[0].get_children())[1:]
            call = self._plain_call(callee, rest[1:], span)
            return ir.LaunchExpr(call, tuple(self.expression(part) for part in config), span)
        return self._plain_call(callee, rest, span)

    def _operator(self, name: str, ident: int, values: list[ir.Expr], span: Span) -> ir.Expr:
        """An operator of a class: as C's own, which the evaluation finds the function of."""
        if name == "[]" and len(values) == 2:
            return ir.Subscript(values[0], values[1], span)
        if name == "=" and len(values) == 2:
            return ir.Assign("", values[0], values[1], span)
        if ident and not (name.endswith("=") and len(values) == 2 and name not in _COMPARISONS):
            return ir.Call(ir.Name("operator" + name, ident, span), tuple(values), (), span)
        if len(values) == 1:
            prefixed = "pre" + name if name in ("++", "--") else name
            return ir.Unary(prefixed, values[0], span)
        if name.endswith("=") and name not in _COMPARISONS:
            return ir.Assign(name[:-1], values[0], values[1], span)
        if name in ("++", "--"):
            return ir.Unary("post" + name, values[0], span)
        return ir.Binary(name, values[0], values[1], span)

    def _plain_call(self, callee: Cursor, arguments: list[Cursor], span: Span) -> ir.Call:
        # Defaults stand in the call without children. Those of no constant value are left out.
        while arguments and _is_default(arguments[-1]):
            arguments = arguments[:-1]
        return ir.Call(
            self.expression(callee),
            tuple(self.expression(argument) for argument in arguments),
            self._template_args(callee),
            span,
        )

    def _template_args(self, callee: Cursor) -> tuple[ir.Type | ir.Expr, ...]:
        """The callee's template arguments: as deduced by clang, else as written."""
        while callee.kind.name in ("UNEXPOSED_EXPR", "PAREN_EXPR"):
            inner = list(callee.get_children())
            if len(inner) != 1:
                break
            callee = inner[0]
        found: list[ir.Type | ir.Expr] = []
        target = callee.referenced
        if target is not None and target.kind.name == "FUNCTION_DECL":
            span = self.places.span(callee)
            for number in range(max(0, target.get_num_template_arguments())):
                try:
                    kind = target.get_template_argument_kind(number)
                except ValueError:  # a pack, which cindex has no name for
                    return ()
                if kind == cindex.TemplateArgumentKind.TYPE:
                    found.append(self.type(target.get_template_argument_type(number)))
                elif kind == cindex.TemplateArgumentKind.INTEGRAL:
                    value = target.get_template_argument_value(number)
                    found.append(ir.Literal(value, "int32", span))
            return tuple(found)
        for child in callee.get_children():
            if child.kind.name == "TYPE_REF":
                found.append(self.type(child.type))
            elif child.kind.is_expression() and child.kind.name != "OVERLOADED_DECL_REF":
                found.append(self.expression(child))
        return tuple(found)

    def _allocation(self, cursor: Cursor, children: list[Cursor], span: Span) -> ir.Expr:
        """`new T[n]` is a call of `new` with the extent; `delete` one of `free`."""
        values = [child for child in children if child.kind.name not in _NO_EXPRESSIONS]
        arguments = tuple(self.expression(child) for child in values if child.kind.is_expression())
        if cursor.kind.name == "CXX_DELETE_EXPR":
            return ir.Call(ir.Name("free", 0, span), arguments, (), span)
        pointee = self.type(cursor.type.get_pointee())
        return ir.Call(ir.Name("new", 0, span), arguments[:1], (pointee,), span)


def _is_default(cursor: Cursor) -> bool:
    childless = cursor.kind.name == "UNEXPOSED_EXPR" and not list(cursor.get_children())
    return childless and clang_ast.evaluate(cursor) is None


def _operator_called(target: Cursor | None, children: list[Cursor]) -> str:
    """The operator of a class, `+` or `[]`, that a call is of."""
    if target is not None:
        name = target.spelling
        symbol = name.startswith("operator") and not name[8:9].isalnum() and name[8:9] != "_"
        return name[8:].strip() if symbol and name != "operator()" else ""
    if any(not _names_operator(child) for child in children):
        for child in children:
            name = _overloaded(child)
            if name.startswith("operator") and name != "operator()":
                return name[8:].strip()
    return ""


def _names_operator(cursor: Cursor) -> bool:
    """Whether a child of a call is its operator."""
    if cursor.kind.name == "CALL_EXPR":
        return False
    target = cursor.referenced
    name = target.spelling if target is not None else ""
    named = name.startswith("operator") and cursor.kind.name in ("UNEXPOSED_EXPR", "DECL_REF_EXPR")
    return named or _overloaded(cursor).startswith("operator")


def _overloaded(cursor: Cursor) -> str:
    if cursor.kind.name != "DECL_REF_EXPR" or cursor.spelling:
        return ""
    for child in cursor.get_children():
        if child.kind.name == "OVERLOADED_DECL_REF":
            return str(child.spelling)
    return ""


def _ident(cursor: Cursor) -> int:
    """One identity for a function, its prototypes and its template instances."""
    template = clang_ast.template_of(cursor)
    return int((template or cursor).canonical.hash)
