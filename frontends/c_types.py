"""clang's types -> types of the kernel IR."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clang import cindex

from xpiler_tvm.errors import Span

from . import clang_ast, ir
from .clang_ast import Cursor, Places
from .spelling import parse_type

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
CLASSES = ("STRUCT_DECL", "CLASS_DECL", "CLASS_TEMPLATE", "UNION_DECL")


class Types:
    """What is read so far, and the types that it is made of."""

    if TYPE_CHECKING:
        # Of the classes further down the chain.
        file: str

        def expression(self, cursor: Cursor) -> ir.Expr: ...

        def class_declared(self, cursor: Cursor) -> None: ...

    def __init__(self, places: Places) -> None:
        self.places = places
        self.unit_read = ir.Unit({}, {}, {}, {})
        self.refusals: list[tuple[int, ir.Unreadable]] = []
        self.entered: set[int] = set()
        self.building: set[int] = set()

    def _is_ours(self, cursor: Cursor) -> bool:
        return cursor.location.file is not None and cursor.location.file.name == self.file

    def _arguments(self, cursor: Cursor) -> tuple[ir.Type | int, ...]:
        return tuple(
            argument if isinstance(argument, int) else self.type(argument)
            for argument in clang_ast.specialised_for(cursor)
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
        bases = [one for one in declaration.get_children() if one.kind.name == "CXX_BASE_SPECIFIER"]
        inherited = (
            (ir.BASE + one.type.get_declaration().spelling, self.type(one.type)) for one in bases
        )
        own = ((field.spelling, self.type(field.type)) for field in kind.get_fields())
        fields = ir.with_contents((*inherited, *own))
        self.building.discard(ident)
        if declaration.kind.name == "UNION_DECL":
            return ir.Union(name, fields)
        if ours:
            self.class_declared(declaration)
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
