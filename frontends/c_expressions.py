"""clang's expressions -> those of the kernel IR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clang import cindex

from xpiler_tvm.errors import Span

from . import clang_ast, ir
from .c_types import CLASSES, Types
from .clang_ast import Cursor
from .spelling import parse_argument, parse_type, split_arguments

_ANY_POINTER = "XpMemory"  # of the prelude, what the C library's allocation gives
_LAUNCH = ("__cudaPushCallConfiguration", "__hipPushCallConfiguration")
_CASTS = (
    "CSTYLE_CAST_EXPR",
    "CXX_STATIC_CAST_EXPR",
    "CXX_REINTERPRET_CAST_EXPR",
    "CXX_CONST_CAST_EXPR",
    "CXX_FUNCTIONAL_CAST_EXPR",
)
NO_EXPRESSIONS = ("TYPE_REF", "TEMPLATE_REF", "NAMESPACE_REF", "OVERLOADED_DECL_REF", "MEMBER_REF")
_COMPARISONS = ("==", "!=", "<=", ">=")
_CALLEES = (
    "DECL_REF_EXPR",
    "MEMBER_REF_EXPR",
    "UNEXPOSED_EXPR",
    "PAREN_EXPR",
    "CALL_EXPR",
    "LAMBDA_EXPR",
)


class Expressions(Types):
    """clang's expressions -> those of the kernel IR."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        def variable(self, cursor: Cursor) -> ir.Variable: ...

        def block(self, cursor: Cursor) -> ir.Block: ...

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
            values = [child for child in children if child.kind.name not in NO_EXPRESSIONS]
            return ir.Cast(self.type(cursor.type), self.expression(values[-1]), span)
        if kind == "CXX_UNARY_EXPR":
            return self._sizeof(cursor, children, span)
        if kind == "CALL_EXPR":
            return self._call(cursor, children, span)
        if kind == "INIT_LIST_EXPR":
            return ir.InitList(tuple(self.expression(child) for child in children), span)
        if kind == "LAMBDA_EXPR":
            parameters = [child for child in children if child.kind.name == "PARM_DECL"]
            copies, others = clang_ast.captures(cursor)
            variables = tuple(self.variable(child) for child in parameters)
            found = clang_ast.lambda_result(cursor)
            result = self.type(found) if found is not None else ir.AUTO
            return ir.Lambda(variables, result, self.block(children[-1]), copies, others, span)
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
        values = [child for child in children if child.kind.name not in NO_EXPRESSIONS]
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
        if target is not None and target.spelling.endswith("_v"):  # a question about types
            text = " ".join(token.spelling for token in cursor.get_tokens())
            kind = parse_type(text, span)
            if isinstance(kind, ir.Instance):
                return ir.Scoped(kind, "", span)
        if target is None or target.kind.name == "OVERLOADED_DECL_REF":
            for child in children:
                if child.kind.name == "OVERLOADED_DECL_REF":
                    return ir.Name(child.spelling, 0, span)
            if not cursor.spelling:  # a member of what a template parameter stands for
                return self._scoped(cursor, span)
            return ir.Name(cursor.spelling, 0, span)
        if target.kind.name == "CXX_METHOD":
            return ir.Scoped(self._scope_of(target), target.spelling, span)
        if target.kind.name == "VAR_DECL" and target.semantic_parent.kind.name in CLASSES:
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
            return ir.Name(target.spelling, ident_of(target), span)
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
            ident = ident_of(target) if target is not None and cursor.spelling else 0
            return self._operator(operator, ident, [self.expression(part) for part in parts], span)
        # T(x) in a template has the type for its callee
        cast = bool(children) and children[0].kind.name == "TYPE_REF"
        if (
            cast
            or (target is None and children and children[0].kind.name not in _CALLEES)
            or (target is not None and target.kind.name == "CONSTRUCTOR")
        ):
            values = [child for child in children if child.kind.name not in NO_EXPRESSIONS]
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
                except ValueError:  # a pack, or a template, which cindex has no name for
                    return self._written_args(callee)
                if kind == cindex.TemplateArgumentKind.TYPE:
                    found.append(self.type(target.get_template_argument_type(number)))
                elif kind == cindex.TemplateArgumentKind.INTEGRAL:
                    value = target.get_template_argument_value(number)
                    found.append(ir.Literal(value, "int32", span))
            return tuple(found)
        return self._written_args(callee)

    def _written_args(self, callee: Cursor) -> tuple[ir.Type | ir.Expr, ...]:
        """`f<float, N / 2>` of what depends on a template: types from the text, values as read."""
        text = " ".join(token.spelling for token in callee.get_tokens())
        words = split_arguments(text.partition("<")[2].rpartition(">")[0])
        span, children = self.places.span(callee), list(callee.get_children())
        values = [
            self.expression(child)
            for child in children
            if child.kind.is_expression() and child.kind.name not in NO_EXPRESSIONS
        ]
        types = {
            child.spelling.rpartition(" ")[2].rpartition("::")[2]
            for child in children
            if child.kind.name in ("TYPE_REF", "TEMPLATE_REF")
        }
        found: list[ir.Type | ir.Expr] = []
        for word in words:
            argument = parse_argument(word, span)
            is_value = not isinstance(argument, ir.TYPES) or (
                isinstance(argument, ir.Named) and argument.name not in types
            )
            found.append(values.pop(0) if is_value and values else argument)
        return tuple(found)

    def _allocation(self, cursor: Cursor, children: list[Cursor], span: Span) -> ir.Expr:
        """`new T[n]` is a call of `new` with the extent; `delete` one of `free`."""
        values = [child for child in children if child.kind.name not in NO_EXPRESSIONS]
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


def ident_of(cursor: Cursor) -> int:
    """One identity for a function, its prototypes and its template instances."""
    template = clang_ast.template_of(cursor)
    return int((template or cursor).canonical.hash)
