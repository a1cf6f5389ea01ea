"""clang's statements -> those of the kernel IR."""

from __future__ import annotations

from xpiler_tvm.errors import Span

from . import clang_ast, ir
from .c_expressions import Expressions
from .c_types import CLASSES
from .clang_ast import Cursor


class Statements(Expressions):
    """clang's statements -> those of the kernel IR."""

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
                if child.kind.name in CLASSES:
                    self.class_declared(child)
            aliases = tuple(
                (child.spelling, self.type(child.underlying_typedef_type))
                for child in children
                if child.kind.name in ("TYPE_ALIAS_DECL", "TYPEDEF_DECL")
            )
            return ir.Declare(tuple(self.variable(child) for child in variables), span, aliases)
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
