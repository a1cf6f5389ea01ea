"""The kernel IR: what a C-family source says, with a span on every node.

It keeps C's statements and expressions as written. Types stand where the source states them;
the types of expressions are C's arithmetic conversions and are worked out by whoever walks the
IR (templates have none before their parameters are known). Nodes are compared by identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xpiler_tvm.errors import Span

# ---------------------------------------------------------------- types


@dataclass(frozen=True)
class Arithmetic:
    """A number: `dtype` is TVM's name (`float32`, `uint8`, `bool`)."""

    dtype: str


@dataclass(frozen=True)
class Vector:
    """A vector of the compiler (`vector_size`, `ext_vector_type`, `__m512`)."""

    of: Arithmetic
    lanes: int


@dataclass(frozen=True)
class Pointer:
    to: Type


@dataclass(frozen=True)
class Reference:
    to: Type


@dataclass(frozen=True, eq=False)
class ArrayType:
    """`extent` is `None` for `T name[]`."""

    of: Type
    extent: Expr | None


BASE = "::"


@dataclass(frozen=True)
class Struct:
    """A class; `args` are the arguments of a class template's instance.

    `ident` leads to a `Class` of the file, and is 0 for those of a library. What a base brings is a
    field, in front of the others, whose name starts with `BASE`; empty ones have none.
    """

    name: str
    fields: tuple[tuple[str, Type], ...]
    args: tuple[Type | int, ...] = ()
    ident: int = 0

    def base_of(self, field: str) -> str | None:
        """The base in which a field lies, or whose own base has it."""
        for name, kind in self.fields:
            if not name.startswith(BASE) or not isinstance(kind, Struct):
                continue
            if field in dict(kind.fields) or kind.base_of(field) is not None:
                return name
        return None


def with_contents(fields: tuple[tuple[str, Type], ...]) -> tuple[tuple[str, Type], ...]:
    """The fields without bases that are empty, which take no room."""
    return tuple(
        (name, of)
        for name, of in fields
        if not (name.startswith(BASE) and isinstance(of, Struct) and not of.fields)
    )


@dataclass(frozen=True)
class Union:
    """An object of one type at a time: all fields lie at its start."""

    name: str
    fields: tuple[tuple[str, Type], ...]


@dataclass(frozen=True)
class Named:
    """A template parameter, `auto`, `void`, or a type that only the host code uses."""

    name: str


@dataclass(frozen=True, eq=False)
class Instance:
    """An instance of the class template `name` whose arguments are still to be evaluated."""

    name: str
    args: tuple[Type | Expr, ...]


@dataclass(frozen=True, eq=False)
class MemberType:
    """`typename of::name`."""

    of: Type
    name: str


Type = (
    Arithmetic
    | Vector
    | Pointer
    | Reference
    | ArrayType
    | Struct
    | Union
    | Named
    | Instance
    | MemberType
)
TYPES = (
    Arithmetic, Vector, Pointer, Reference, ArrayType, Struct, Union, Named, Instance,
    MemberType,
)  # fmt: skip
VOID = Named("void")
AUTO = Named("auto")

# ---------------------------------------------------------------- expressions


@dataclass(frozen=True, eq=False)
class Literal:
    """A number; for text `dtype` is `"text"`, for `nullptr` `"null"`."""

    value: int | float | str
    dtype: str
    span: Span


@dataclass(frozen=True, eq=False)
class Name:
    """A use of a variable, a template parameter or (as a callee) a function."""

    name: str
    ident: int
    span: Span


@dataclass(frozen=True, eq=False)
class Unary:
    """`op`: `+ - ~ ! * &` and `pre++ pre-- post++ post--`."""

    op: str
    value: Expr
    span: Span


@dataclass(frozen=True, eq=False)
class Binary:
    op: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, eq=False)
class Assign:
    """`target = value`, or `target op= value` where `op` is not empty."""

    op: str
    target: Expr
    value: Expr
    span: Span


@dataclass(frozen=True, eq=False)
class Conditional:
    test: Expr
    then: Expr
    other: Expr
    span: Span


@dataclass(frozen=True, eq=False)
class Subscript:
    base: Expr
    index: Expr
    span: Span


@dataclass(frozen=True, eq=False)
class Member:
    """`base.field`, and `base->field` with the dereference written out."""

    base: Expr
    field: str
    span: Span


@dataclass(frozen=True, eq=False)
class Scoped:
    """`of::name`: a static member of a class, which may depend on a template parameter."""

    of: Type
    name: str
    span: Span


@dataclass(frozen=True, eq=False)
class This:
    """`*this`."""

    span: Span


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What has a value already."""

    value: Any
    span: Span


@dataclass(frozen=True, eq=False)
class Cast:
    to: Type
    value: Expr
    span: Span


@dataclass(frozen=True, eq=False)
class SizeOf:
    of: Type
    span: Span


@dataclass(frozen=True, eq=False)
class Call:
    """`template_args` are those written or deduced by the parser, types and values in order."""

    callee: Expr
    args: tuple[Expr, ...]
    template_args: tuple[Type | Expr, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Construct:
    """A value of class type from arguments: `dim3(4, 4)`, `float4{…}`, or a copy."""

    to: Type
    args: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class InitList:
    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Lambda:
    """`[=, &others](params) -> result { body }` where `copies`, else `[&, others](...) ...`."""

    params: tuple[Variable, ...]
    result: Type
    body: Block
    copies: bool
    others: frozenset[str]
    span: Span

    def copied(self, name: str) -> bool:
        """Whether a variable is captured by its value."""
        return self.copies != (name in self.others)


@dataclass(frozen=True, eq=False)
class LaunchExpr:
    """`kernel<<<config>>>(args)`; `config` is grid, block, shared bytes, stream."""

    call: Call
    config: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A construct without a reading; an error only if the program gets here."""

    code: str
    message: str
    span: Span
    hint: str = ""


Expr = (
    Literal
    | Name
    | Unary
    | Binary
    | Assign
    | Conditional
    | Subscript
    | Member
    | Scoped
    | This
    | Evaluated
    | Cast
    | SizeOf
    | Call
    | Construct
    | InitList
    | Lambda
    | LaunchExpr
    | Unreadable
)

# ---------------------------------------------------------------- statements


@dataclass(frozen=True, eq=False)
class Variable:
    """`space`: empty for automatic and host variables, else `shared`, `constant` or `device`;
    in BANG C `nram`, `wram`, `ldram` (one for each core) or `sram` (one for each cluster).

    `constant` of the C++ kind (`constexpr`, `const int n = 4;` at file scope) has an empty space
    and an initialiser.
    """

    name: str
    ident: int
    type: Type
    space: str
    extern: bool
    init: Expr | None
    span: Span


@dataclass(frozen=True, eq=False)
class Declare:
    """Variables, and names for types."""

    variables: tuple[Variable, ...]
    span: Span
    aliases: tuple[tuple[str, Type], ...] = ()


@dataclass(frozen=True, eq=False)
class Evaluate:
    value: Expr
    span: Span


@dataclass(frozen=True, eq=False)
class Block:
    body: tuple[Stmt, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class If:
    test: Expr
    then: Stmt
    other: Stmt | None
    span: Span


@dataclass(frozen=True, eq=False)
class Loop:
    """`for`, `while` (no `init`, no `step`) and `do` (`test_first` is false)."""

    init: Stmt | None
    test: Expr | None
    step: Expr | None
    body: Stmt
    test_first: bool
    span: Span


@dataclass(frozen=True, eq=False)
class RangeLoop:
    """`for (variable : range)`."""

    variable: Variable
    range: Expr
    body: Stmt
    span: Span


@dataclass(frozen=True, eq=False)
class Switch:
    """`cases` in order: the values of their labels (`None` is default) and their statements."""

    value: Expr
    cases: tuple[tuple[tuple[Expr | None, ...], tuple[Stmt, ...]], ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Return:
    value: Expr | None
    span: Span


@dataclass(frozen=True, eq=False)
class Break:
    span: Span


@dataclass(frozen=True, eq=False)
class Continue:
    span: Span


Stmt = (
    Declare
    | Evaluate
    | Block
    | If
    | Loop
    | RangeLoop
    | Switch
    | Return
    | Break
    | Continue
    | Unreadable
)

# ---------------------------------------------------------------- the file


@dataclass(frozen=True, eq=False)
class Function:
    """`kind` is `kernel`, `device`, `host` or `both`; a prototype has no body.

    `of` is the arguments of the template that this is a full specialisation for. `inits` are a
    constructor's initialisers by field. `enumerations` tell what the values of a template parameter
    are called.
    """

    name: str
    ident: int
    kind: str
    template_params: tuple[tuple[str, int], ...]
    params: tuple[Variable, ...]
    result: Type
    body: Block | None
    span: Span
    of: tuple[Type | int, ...] = ()
    template_defaults: dict[int, Type | Expr] = field(default_factory=dict)
    inits: tuple[tuple[str, tuple[Expr, ...]], ...] = ()
    enumerations: dict[int, dict[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Class:
    """A class or a class template: `methods` and static `members` by name.

    `methods[""]` are the constructors. `of` is the arguments that a full specialisation is for,
    `pattern` what the arguments of a partial one look like, in its own parameters.
    `fields` pairs each with its default initialiser. `bases` are those that it is derived from; one
    with `virtual` functions or bases is not read.
    """

    name: str
    ident: int
    template_params: tuple[tuple[str, int], ...]
    fields: tuple[tuple[Variable, Expr | None], ...]
    methods: dict[str, tuple[Function, ...]]
    members: dict[str, Variable]
    types: dict[str, Type]
    of: tuple[Type | int, ...]
    template_defaults: dict[int, Type | Expr]
    bases: tuple[Type, ...]
    virtual: bool
    span: Span
    pattern: tuple[Type | Expr, ...] = ()


@dataclass(frozen=True, eq=False)
class Unit:
    """A parsed file: functions, classes and file-scope variables by the parser's identity.

    `specialised` are the full specialisations of function templates, by the template's identity.
    `aliases` are names for types. The enumerators are variables; one of an `enum class E` is called
    `E::name`.
    """

    functions: dict[int, Function]
    variables: dict[int, Variable]
    classes: dict[int, Class]
    specialised: dict[int, tuple[Function, ...]]
    aliases: dict[str, Type] = field(default_factory=dict)

    @property
    def kernels(self) -> tuple[Function, ...]:
        """The kernels with a body, in the order of the file."""
        found = [f for f in self.functions.values() if f.kind == "kernel" and f.body is not None]
        return tuple(sorted(found, key=lambda function: function.span.line))

    def overloads(self, name: str) -> list[Function]:
        """All functions of that name, those with a body before prototypes."""
        found = [f for f in self.functions.values() if f.name == name]
        return sorted(found, key=lambda function: function.body is None)

    def classes_named(self, name: str) -> list[Class]:
        """The class, or the class template and its full specialisations."""
        return [one for one in self.classes.values() if one.name == name and not one.pattern]

    def partials(self, name: str) -> list[Class]:
        """The partial specialisations of a class template."""
        return [one for one in self.classes.values() if one.name == name and one.pattern]

    def named(self, name: str) -> Function | None:
        """The function of that name, one with a body before a prototype."""
        found = [f for f in self.functions.values() if f.name == name]
        return next((f for f in found if f.body is not None), found[0] if found else None)
