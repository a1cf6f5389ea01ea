"""One printer from lowered device TIR to languages that look like C.

A `CDialect` says what differs between them: type names, thread indices, memory spaces, barriers.
`CPrinter` does the rest: precedence, names, casts, floor division, lazy conditionals. A language
with instructions of its own (BANG C) subclasses the printer and overrides what it knows better.

    out[0] = out[0] + (a // 4) * T.Cast("float32", x[i])   ->   out[0] += (a / 4) * (float)x[i];

A node without a form in C raises `EmitError` XP4001 with its name. Nothing is dropped silently.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NoReturn

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm.comparisons import undivided
from xpiler_tvm.dialects.math import BY_TIR_NAME
from xpiler_tvm.errors import EmitError
from xpiler_tvm.extents import is_text
from xpiler_tvm.kernel import Kernel, Param, Scalar, Tensor
from xpiler_tvm.schedules.base import RULE_ATTRIBUTE

from .lower import DeviceFunction

INDENT = "  "
MOST_OF_A_SIZE = 1 << 30
"""Symbolic sizes without a bound of their own: arrays have no more elements."""

C_KEYWORDS = frozenset(
    """
    alignas alignof and asm auto bool break case catch char class const constexpr continue
    default delete do double else enum explicit extern false float for friend goto if
    inline int long mutable namespace new not nullptr operator or private protected public
    register restrict return short signed sizeof static struct switch template this throw
    true try typedef typeid typename union unsigned using virtual void volatile while xor
    main half min max abs
    """.split()  # noqa: SIM905
)
C_TYPES: Mapping[str, str] = {
    "float64": "double",
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "bool": "bool",
}

# Binding strength of C operators, weakest first.
TERNARY, OR, AND, BITS, EQUALITY, RELATION, SHIFT, SUM, PRODUCT, UNARY, PRIMARY = range(11)


@dataclass(frozen=True)
class CDialect:
    """What one language of the family calls things.

    Attributes
    ----------
    name : for people and for error messages.
    types : C type by TIR dtype.
    indices : expression by thread axis (`"blockIdx.x"`).
    index_names : the local variable that holds the index, by thread axis.
    scopes : qualifier of an array's declaration by storage scope (`"shared"`).
    barriers : statement by the argument of `tvm_storage_sync`; empty where nothing is needed.
    functions : spelling of TIR operators beyond those of `dialects.math`, by name; with `64` behind
        it where they take words of 64 bits.
    reinterpret : function by (from, to) dtypes.
    bits : the body of a function that gives the bits of `value` as another type `{to}`.
    helper : qualifiers of small functions that the printer adds to the file.
    restrict : qualifier of pointers that alias nothing.
    pointers : what parameters that are pointers begin with.
    registers : the scopes whose arrays of one element are plain variables.
    unroll : line before an unrolled loop.
    reserved : names that a variable must not take.
    """

    name: str
    types: Mapping[str, str] = field(default_factory=lambda: C_TYPES)
    indices: Mapping[str, str] = field(default_factory=dict)
    index_names: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, str] = field(default_factory=lambda: {"local": ""})
    barriers: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)
    reinterpret: Mapping[tuple[str, str], str] = field(default_factory=dict)
    bits: str = "return *(const {to}*)&value;"
    helper: str = "static inline"
    restrict: str = ""
    pointers: str = ""
    registers: frozenset[str] = frozenset({"local"})
    unroll: str = "#pragma unroll"
    reserved: frozenset[str] = frozenset()

    def type(self, dtype: str) -> str:
        """The C type. Raises `EmitError` XP4001 where the language has none."""
        if dtype not in self.types:
            raise EmitError("XP4001", f"{self.name} has no type for {dtype}")
        return self.types[dtype]


@dataclass(frozen=True)
class Text:
    """A printed expression and how strongly its outermost operator binds."""

    code: str
    strength: int = PRIMARY

    def within(self, strength: int) -> str:
        """The code as an operand of an operator that needs at least `strength`."""
        return self.code if self.strength >= strength else f"({self.code})"


def identifier(name: str, taken: Iterable[str] = ()) -> str:
    """A legal C name close to `name`, which is no keyword and none of `taken`."""
    legal = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    legal = legal.strip("_") if legal.startswith("__") else legal
    if not legal or legal[0].isdigit():
        legal = f"v{legal}"
    forbidden = set(taken) | C_KEYWORDS
    candidate, count = legal, 0
    while candidate in forbidden or (count == 0 and keyword.iskeyword(candidate)):
        count += 1
        candidate = f"{legal}_{count}"
    return candidate


def entry_name(kernel: Kernel) -> str:
    """The emitted kernel's name: `softmax<256>` becomes `softmax_256`, `sin` `sin_kernel`."""
    name = identifier((kernel.entry or "kernel").rstrip(">"))
    taken = {row.name for row in BY_TIR_NAME.values()} | {
        row.single for row in BY_TIR_NAME.values()
    }
    # A launcher with such a parameter could not call it.
    taken |= {param.name for param in kernel.params or ()}
    return f"{name}_kernel" if name in taken else name


def dtype_of(node: tvm.ir.Expr) -> str:
    return str(node.ty.dtype)


def float_literal(value: float, dtype: str) -> Text:
    """A literal that reads back as exactly `value`, rounded to `dtype` first."""
    if np.isnan(value):
        return Text("NAN")
    if np.isinf(value):
        return Text("INFINITY") if value > 0 else Text("-INFINITY", UNARY)
    single = dtype != "float64"
    digits = str(np.float32(value)) if single else repr(float(value))
    if not any(c in digits for c in ".e"):
        digits += ".0"
    return Text(digits + ("f" if single else ""), UNARY if digits.startswith("-") else PRIMARY)


def int_literal(value: int, dtype: str) -> Text:
    if dtype == "bool":
        return Text("true" if value else "false")
    if dtype in ("uint32", "uint64"):
        return Text(f"{value}{'u' if dtype == 'uint32' else 'ull'}")
    if -(2**31) < value < 2**31:
        return Text(str(value), UNARY if value < 0 else PRIMARY)
    suffix = "" if dtype == "int32" else "ll"
    lowest = -(2 ** (31 if dtype == "int32" else 63))
    if value == lowest:  # C has no negative literals: the magnitude alone would overflow.
        return Text(f"{value + 1}{suffix} - 1", SUM)
    return Text(f"{value}{suffix}", UNARY if value < 0 else PRIMARY)


_BINARY: Mapping[str, tuple[str, int]] = {
    "Add": ("+", SUM),
    "Sub": ("-", SUM),
    "Mul": ("*", PRODUCT),
    "Div": ("/", PRODUCT),
    "EQ": ("==", EQUALITY),
    "NE": ("!=", EQUALITY),
    "LT": ("<", RELATION),
    "LE": ("<=", RELATION),
    "GT": (">", RELATION),
    "GE": (">=", RELATION),
    "And": ("&&", AND),
    "Or": ("||", OR),
}
_BITWISE: Mapping[str, str] = {
    "LShift": "<<",
    "RShift": ">>",
    "BitwiseAnd": "&",
    "BitwiseOr": "|",
    "BitwiseXor": "^",
}
# Operations whose result can leave a type narrower than C's int.
_WRAPPING = frozenset({"Add", "Sub", "Mul", "LShift"})
_NARROW = frozenset({"int8", "uint8", "int16", "uint16"})

_HELPERS: Mapping[str, str] = {
    "floor_div": (
        "{q} {t} floor_div({t} a, {t} b) {{\n"
        "  return a / b - (a % b != 0 && (a < 0) != (b < 0));\n"
        "}}\n"
    ),
    "floor_mod": (
        "{q} {t} floor_mod({t} a, {t} b) {{\n"
        "  {t} r = a % b;\n"
        "  return r != 0 && (r < 0) != (b < 0) ? r + b : r;\n"
        "}}\n"
    ),
}
BUILTINS: Mapping[str, str] = {
    "popcount": "__builtin_popcount",
    "popcount64": "__builtin_popcountll",
    "clz": "__builtin_clz",
    "clz64": "__builtin_clzll",
}
"""What GCC and Clang call them."""
# Attributes that only advise; their body is printed as if they were not there.
_ADVICE = ("pragma_", "reduce_scope", "storage_alignment")


class CPrinter:
    """Prints one `DeviceFunction`: `body()` gives lines, `helpers` what the file must define."""

    def __init__(self, dialect: CDialect, function: DeviceFunction, kernel: Kernel) -> None:
        self.dialect = dialect
        self.function = function
        self.kernel = kernel
        self.analyzer = tvm.sym.Analyzer()
        self.helpers: dict[str, str] = {}
        self.lines: list[str] = []
        self.depth = 1
        self.names: dict[tvm.ir.Var, str] = {}
        self.taken: set[str] = set(dialect.reserved)
        self.called: set[str] = set()
        # One-element arrays in registers are printed as plain variables.
        self.scalars: set[tvm.ir.Var] = set()
        self.used_axes: set[str] = set()
        self.masks = _active_masks(function.body)
        self._name_parameters()
        self._name_axes()

    # --- the whole function -----------------------------------------------------------------

    def body(self) -> list[str]:
        """The lines between the kernel's braces."""
        self.stmt(self.function.body)
        clash = sorted(self.called & {param.name for param in self.kernel.params or ()})
        if clash:
            raise EmitError(
                "XP4001",
                f"parameter {clash[0]!r} hides a function that the kernel needs",
                hint="rename the parameter in the source",
            )
        return [*self._index_declarations(), *self.lines]

    def _index_declarations(self) -> list[str]:
        return [
            f"{INDENT}const int {self.dialect.index_names[tag]} = {self.dialect.indices[tag]};"
            for tag in self.dialect.indices
            if tag in self.used_axes
        ]

    def _name_parameters(self) -> None:
        by_name = {param.name: param for param in self.kernel.params or ()}
        self.taken |= set(by_name)
        for var in self.function.params:
            if var.name not in by_name:
                raise EmitError("XP4001", f"the source has no parameter {var.name!r}")
            self.names[var] = var.name
            size = next((one for one in self.kernel.sizes if one.name == var.name), None)
            if size is not None:
                most = size.most or MOST_OF_A_SIZE
                self.analyzer.bind(var, tvm.ir.Range(size.least, most + 1), allow_override=True)

    def _name_axes(self) -> None:
        self.taken |= set(self.dialect.index_names.values())
        self.axis_of: dict[tvm.ir.Var, str] = {}
        for tag, axis in self.function.axes.items():
            if tag not in self.dialect.indices:
                raise EmitError("XP4001", f"{self.dialect.name} has no thread axis {tag}")
            most = 2**31 - 1 if is_text(axis.extent) else axis.extent
            for var in axis.variables:
                self.axis_of[var] = tag
                self.analyzer.bind(var, tvm.ir.Range(0, most), allow_override=True)

    def declare(self, var: tvm.ir.Var) -> str:
        """A fresh C name for `var`."""
        name = identifier(var.name, self.taken)
        self.taken.add(name)
        self.names[var] = name
        return name

    def declare_loop(self, var: tvm.ir.Var) -> str:
        """A name for a loop variable: just `i` where TVM lists all the loops it has fused."""
        return self.declare_short(var) if "fused" in var.name else self.declare(var)

    def declare_short(self, var: tvm.ir.Var) -> str:
        """A fresh name of one letter, as long as there is one."""
        name = next(
            each
            for each in (*"ijklmnpqrst", *(f"i{n}" for n in range(99)))
            if each not in self.taken
        )
        self.taken.add(name)
        self.names[var] = name
        return name

    def name(self, var: tvm.ir.Var) -> str:
        if var in self.axis_of:
            tag = self.axis_of[var]
            self.used_axes.add(tag)
            return self.dialect.index_names[tag]
        if var not in self.names:
            self.refuse(var, f"variable {var.name!r} is used before it is defined")
        return self.names[var]

    # --- output -----------------------------------------------------------------------------

    def line(self, text: str) -> None:
        self.lines.append(f"{INDENT * self.depth}{text}" if text else "")

    @contextmanager
    def braces(self, head: str, tail: str = "}"):  # type: ignore[no-untyped-def]
        """`head {` … `}`, everything between one step deeper; names end with the block."""
        self.line(f"{head} {{")
        self.depth += 1
        outer = set(self.taken)
        yield
        self.taken = outer
        self.depth -= 1
        self.line(tail)

    def assuming(self, condition: tvm.ir.Expr) -> AbstractContextManager[object]:
        """The facts known while `condition` holds."""
        return self.analyzer.constraint_scope(condition)

    def refuse(self, node: object, why: str = "") -> NoReturn:
        what = why or f"{type(node).__name__} has no form: {node}"
        raise EmitError("XP4001", f"{self.dialect.name}: {what}")

    # --- statements -------------------------------------------------------------------------

    def stmt(self, node: tirx.Stmt) -> None:
        method: Callable[[tirx.Stmt], None] | None = getattr(
            self, f"stmt_{type(node).__name__}", None
        )
        if method is None:
            self.refuse(node)
        method(node)

    def stmt_SeqStmt(self, node: tirx.SeqStmt) -> None:
        for part in node.seq:
            self.stmt(part)

    def stmt_DeclBuffer(self, node: tirx.DeclBuffer) -> None:
        source = node.data
        if not (isinstance(source, tvm.ir.Call) and source.op.name == "tirx.buffer_data"):
            self.refuse(node, f"buffer {node.buffer.name!r} views memory that is not a buffer")
        base = source.args[0]
        if not _is_zero(node.buffer.elem_offset):
            self.refuse(node, f"buffer {node.buffer.name!r} starts inside another")
        if str(node.buffer.dtype) != str(base.dtype):
            self.refuse(node, f"buffer {node.buffer.name!r} views {base.dtype} as another type")
        self.names[node.buffer] = self.name(base)
        if base in self.scalars:
            self.scalars.add(node.buffer)

    def stmt_AllocBuffer(self, node: tirx.AllocBuffer) -> None:
        buffer = node.buffer
        if buffer in self.masks:
            return
        scope, size = buffer.scope(), buffer_size(buffer)
        if scope not in self.dialect.scopes:
            self.refuse(node, f"no memory space {scope!r}, where {buffer.name!r} lives")
        if size is None:
            self.refuse(node, f"the extent of {buffer.name!r} is no constant")
        name = self.declare(buffer)
        if size == 1 and scope in self.dialect.registers:
            self.scalars.add(buffer)
            self.line(f"{self.dialect.type(str(buffer.dtype))} {name};")
        else:
            # Lanes of a warp exchange values through such an array without a barrier.
            volatile = "volatile " if "tirx.volatile" in (node.annotations or {}) else ""
            self.line(volatile + self.array(buffer, name, size))

    def array(self, buffer: tirx.Buffer, name: str, size: int) -> str:
        """The declaration of an array of `size` elements."""
        qualifier = self.dialect.scopes[buffer.scope()]
        return f"{qualifier}{self.dialect.type(str(buffer.dtype))} {name}[{size}];"

    def stmt_Bind(self, node: tirx.Bind) -> None:
        value = self.expr(node.value).code
        ctype = self.dialect.type(dtype_of(node.value))
        self.line(f"const {ctype} {self.declare(node.var)} = {value};")
        if dtype_of(node.value) in ("int32", "int64"):
            self.analyzer.bind(node.var, node.value, allow_override=True)

    def stmt_AttrStmt(self, node: tirx.AttrStmt) -> None:
        if node.attr_key != "thread_extent" and not node.attr_key.startswith(_ADVICE):
            self.refuse(node, f"attribute {node.attr_key!r} has no form")
        self.stmt(node.body)

    def stmt_For(self, node: tirx.For) -> None:
        if node.kind == tirx.ForKind.THREAD_BINDING:
            self.refuse(node, f"loop {node.loop_var.name!r} is bound to a thread inside the kernel")
        if node.kind in (tirx.ForKind.UNROLLED, tirx.ForKind.VECTORIZED) and self.dialect.unroll:
            self.line(self.dialect.unroll)
        start = self.expr(node.min).code
        end = self.expr(self.analyzer.simplify(node.min + node.extent)).within(SHIFT)
        step = "++{}" if node.step is None or _is_one(node.step) else f"{{}} += {node.step}"
        self.analyzer.bind(
            node.loop_var,
            tvm.ir.Range.from_min_extent(node.min, node.extent),
            allow_override=True,
        )
        var, ctype = self.declare_loop(node.loop_var), self.dialect.type(dtype_of(node.loop_var))
        with self.braces(f"for ({ctype} {var} = {start}; {var} < {end}; {step.format(var)})"):
            self.stmt(node.body)
        self.taken.discard(var)

    def stmt_While(self, node: tirx.While) -> None:
        with self.braces(f"while ({self.expr(node.condition).code})"):
            self.stmt(node.body)

    def stmt_IfThenElse(self, node: tirx.IfThenElse) -> None:
        condition = self.expr(undivided(node.condition, self.analyzer)).code
        other = node.else_case
        with (
            self.braces(f"if ({condition})", "}" if other is None else "} else {"),
            self.assuming(node.condition),
        ):
            self.stmt(node.then_case)
        if other is not None:
            self.depth += 1
            with self.assuming(tirx.Not(node.condition)):
                self.stmt(other)
            self.depth -= 1
            self.line("}")

    def stmt_Break(self, _node: tirx.Stmt) -> None:
        self.line("break;")

    def stmt_Continue(self, _node: tirx.Stmt) -> None:
        self.line("continue;")

    def stmt_BufferStore(self, node: tirx.BufferStore) -> None:
        if node.buffer in self.masks:
            return
        target, value = self.element(node.buffer, node.indices), node.value
        for kind, sign in ((tirx.Add, "+"), (tirx.Sub, "-"), (tirx.Mul, "*")):
            if (
                isinstance(value, kind)
                and isinstance(value.a, tvm.ir.TensorLoad)
                and value.a.source.same_as(node.buffer)
                and tvm_ffi.structural_equal(value.a.indices, node.indices)
            ):
                self.line(f"{target} {sign}= {self.expr(value.b).code};")
                return
        self.line(f"{target} = {self.expr(value).code};")

    def stmt_Evaluate(self, node: tirx.Evaluate) -> None:
        value = node.value
        if isinstance(value, tirx.IntImm):
            return
        if not isinstance(value, tvm.ir.Call):
            self.refuse(node)
        if value.op.name == "tirx.tvm_storage_sync":
            scope = value.args[0].value
            if scope not in self.dialect.barriers:
                self.refuse(node, f"no barrier for {scope!r}")
            if self.dialect.barriers[scope]:
                self.line(self.dialect.barriers[scope])
        else:
            self.line(f"{self.expr(value).code};")

    # --- expressions ------------------------------------------------------------------------

    def expr(self, node: tvm.ir.Expr) -> Text:
        kind = type(node).__name__
        if kind in _BINARY:
            return self.binary(node, *_BINARY[kind])
        if kind in _BITWISE:
            return self.bitwise(node, _BITWISE[kind])
        method: Callable[[tvm.ir.Expr], Text] | None = getattr(self, f"expr_{kind}", None)
        if method is None:
            self.refuse(node)
        return method(node)

    def expr_Var(self, node: tvm.ir.Var) -> Text:
        return Text(self.name(node))

    def expr_IntImm(self, node: tirx.IntImm) -> Text:
        return int_literal(int(node.value), dtype_of(node))

    def expr_FloatImm(self, node: tirx.FloatImm) -> Text:
        dtype, text = dtype_of(node), float_literal(float(node.value), dtype_of(node))
        return text if dtype in ("float32", "float64") else self.cast(text, dtype)

    def cast(self, value: Text, dtype: str) -> Text:
        return Text(f"({self.dialect.type(dtype)}){value.within(UNARY)}", UNARY)

    def wrapped(self, text: Text, node: tvm.ir.Expr) -> Text:
        """Narrow integers are computed as int in C: the result is cut back to its type."""
        return self.cast(text, dtype_of(node)) if dtype_of(node) in _NARROW else text

    def binary(self, node: tvm.ir.Expr, sign: str, strength: int) -> Text:
        left, right = self.expr(node.a), self.expr(node.b)
        # An && below || is legal without parentheses, but compilers warn.
        weakest = BITS if strength == OR and left.strength == AND else strength
        text = Text(
            f"{left.within(weakest)} {sign} "
            f"{right.within(BITS if strength == OR else strength + 1)}",
            strength,
        )
        return self.wrapped(text, node) if type(node).__name__ in _WRAPPING else text

    def bitwise(self, node: tvm.ir.Expr, sign: str) -> Text:
        left = self.expr(node.a)
        if isinstance(node.a, tirx.IntImm):
            left = self.cast(left, dtype_of(node))
        text = Text(f"{left.within(UNARY)} {sign} {self.expr(node.b).within(UNARY)}", BITS)
        return self.wrapped(text, node) if type(node).__name__ in _WRAPPING else text

    def expr_BitwiseNot(self, node: tvm.ir.Expr) -> Text:
        return self.wrapped(Text(f"~{self.expr(node.a).within(UNARY)}", UNARY), node)

    def expr_Not(self, node: tirx.Not) -> Text:
        return Text(f"!{self.expr(node.a).within(UNARY)}", UNARY)

    def expr_Mod(self, node: tirx.Mod) -> Text:
        dtype = dtype_of(node)
        if dtype.startswith(("float", "bfloat")):
            return self.math("fmod", dtype, node.a, node.b)
        return self.binary(node, "%", PRODUCT)

    def expr_FloorDiv(self, node: tirx.FloorDiv) -> Text:
        if self.plain_division(node):
            return self.binary(node, "/", PRODUCT)
        shift = _power_of_two(node.b)
        if shift is not None:
            return Text(f"{self.expr(node.a).within(UNARY)} >> {shift}", BITS)
        return self.helper("floor_div", node)

    def expr_FloorMod(self, node: tirx.FloorMod) -> Text:
        if self.plain_division(node):
            return self.binary(node, "%", PRODUCT)
        shift = _power_of_two(node.b)
        if shift is not None:
            return Text(f"{self.expr(node.a).within(UNARY)} & {2**shift - 1}", BITS)
        return self.helper("floor_mod", node)

    def plain_division(self, node: tvm.ir.Expr) -> bool:
        """Whether C's division, which rounds towards zero, is the floor: nothing is negative."""
        if dtype_of(node).startswith("uint"):
            return True
        if not dtype_of(node).startswith("int"):
            self.refuse(node)
        zero = tirx.IntImm(dtype_of(node), 0)
        return bool(
            self.analyzer.can_prove(node.a >= zero) and self.analyzer.can_prove(node.b > zero)
        )

    def helper(self, name: str, node: tvm.ir.Expr) -> Text:
        """A call of a function that the file defines once for each type it is needed for."""
        ctype = self.dialect.type(dtype_of(node))
        text = _HELPERS[name].format(q=self.dialect.helper, t=ctype)
        self.helpers[f"{name} {ctype}"] = text
        return self.call(name, node.a, node.b)

    def expr_Min(self, node: tirx.Min) -> Text:
        return self.extremum(node, "<", "fmin")

    def expr_Max(self, node: tirx.Max) -> Text:
        return self.extremum(node, ">", "fmax")

    def extremum(self, node: tvm.ir.Expr, sign: str, function: str) -> Text:
        dtype = dtype_of(node)
        if dtype.startswith(("float", "bfloat")):
            return self.math(function, dtype, node.a, node.b)
        left, right = self.expr(node.a), self.expr(node.b)
        return Text(
            f"{left.within(SHIFT)} {sign} {right.within(SHIFT)} ? "
            f"{left.within(OR)} : {right.within(TERNARY)}",
            TERNARY,
        )

    def expr_Cast(self, node: tirx.Cast) -> Text:
        return self.cast(self.expr(node.value), dtype_of(node))

    def expr_Select(self, node: tirx.Select) -> Text:
        return self.choose(node.condition, node.true_value, node.false_value)

    def choose(self, condition: tvm.ir.Expr, yes: tvm.ir.Expr, no: tvm.ir.Expr) -> Text:
        """C evaluates only the chosen side, which `if_then_else` needs and `Select` allows."""
        test = self.expr(undivided(condition, self.analyzer))
        with self.assuming(condition):
            left = self.expr(yes)
        with self.assuming(tirx.Not(condition)):
            right = self.expr(no)
        return Text(f"{test.within(OR)} ? {left.within(OR)} : {right.within(TERNARY)}", TERNARY)

    def expr_Let(self, node: tirx.Let) -> Text:
        body = tvm_ffi.structural_map(
            node.body, (tvm.ir.Var, lambda var: node.value if var.same_as(node.var) else var)
        )
        return self.expr(body)

    def expr_TensorLoad(self, node: tvm.ir.TensorLoad) -> Text:
        return Text(self.element(node.source, node.indices))

    def element(self, buffer: tirx.Buffer, indices: Iterable[tvm.ir.Expr]) -> str:
        """`name[index]`, or the name alone where the array is one register."""
        name = self.name(buffer)
        if buffer in self.scalars:
            return name
        index = list(indices)
        if len(index) > 1:
            self.refuse(buffer, f"buffer {buffer.name!r} is not flat")
        return f"{name}[{self.expr(index[0]).code if index else '0'}]"

    def expr_Call(self, node: tvm.ir.Call) -> Text:
        if not isinstance(node.op, tvm.ir.Op):
            self.refuse(node)
        name = node.op.name.rpartition(".")[2]
        method: Callable[[tvm.ir.Call], Text] | None = getattr(self, f"call_{name}", None)
        if method is not None:
            return method(node)
        if name in BY_TIR_NAME:
            return self.math(BY_TIR_NAME[name].name, dtype_of(node), *node.args)
        wide = f"{name}64" if node.args and dtype_of(node.args[0]).endswith("64") else name
        if wide in self.dialect.functions:
            return self.call(self.dialect.functions[wide], *node.args)
        self.refuse(node, f"no function for {node.op.name}")

    def call(self, function: str, *args: tvm.ir.Expr) -> Text:
        self.called.add(function)
        return Text(f"{function}({', '.join(self.expr(arg).code for arg in args)})")

    def math(self, name: str, dtype: str, *args: tvm.ir.Expr) -> Text:
        """A function of the C library; half precision is computed in single."""
        if dtype == "float64":
            return self.call(name, *args)
        if dtype == "float32":
            return self.call(name + "f", *args)
        if not dtype.startswith(("float", "bfloat")):
            self.refuse(args[0], f"no {name} for {dtype}")
        self.called.add(name + "f")
        widened = ", ".join(self.cast(self.expr(arg), "float32").code for arg in args)
        return self.cast(Text(f"{name}f({widened})"), dtype)

    def call_if_then_else(self, node: tvm.ir.Call) -> Text:
        return self.choose(*node.args)

    def call_likely(self, node: tvm.ir.Call) -> Text:
        return self.expr(node.args[0])

    def call_sigmoid(self, node: tvm.ir.Call) -> Text:
        one = tirx.FloatImm(dtype_of(node), 1.0)
        return self.expr(one / (one + tirx.exp(-node.args[0])))

    def call_isnan(self, node: tvm.ir.Call) -> Text:
        return self.call("isnan", *node.args)

    def call_reinterpret(self, node: tvm.ir.Call) -> Text:
        source, dtype = node.args[0], dtype_of(node)
        held = dtype_of(source)
        if held.lstrip("u") == dtype.lstrip("u") and "int" in held:
            return self.cast(self.expr(source), dtype)
        if (held, dtype) in self.dialect.reinterpret:
            return self.call(self.dialect.reinterpret[held, dtype], source)
        name, given, to = f"{dtype}_from_{held}", self.dialect.type(held), self.dialect.type(dtype)
        body = self.dialect.bits.format(to=to)
        self.helpers[name] = (
            f"{self.dialect.helper} {to} {name}({given} value) {{\n{INDENT}{body}\n}}\n"
        )
        return self.call(name, source)

    def call_address_of(self, node: tvm.ir.Call) -> Text:
        return Text(f"&{self.expr(node.args[0]).within(UNARY)}", UNARY)

    def call_call_extern(self, node: tvm.ir.Call) -> Text:
        name = node.args[0].value
        if not name.isidentifier():
            self.refuse(node)
        return self.call(name, *node.args[1:])

    call_call_pure_extern = call_call_extern

    def warp(self, node: tvm.ir.Call, name: str) -> Text:
        """`tvm_warp_shuffle…(mask, value, lane or distance, width, warp size)`."""
        if name not in self.dialect.functions:
            self.refuse(node)
        return self.call(self.dialect.functions[name], *node.args[1:4])

    def call_tvm_warp_shuffle(self, node: tvm.ir.Call) -> Text:
        return self.warp(node, "tvm_warp_shuffle")

    def call_tvm_warp_shuffle_up(self, node: tvm.ir.Call) -> Text:
        return self.warp(node, "tvm_warp_shuffle_up")

    def call_tvm_warp_shuffle_down(self, node: tvm.ir.Call) -> Text:
        return self.warp(node, "tvm_warp_shuffle_down")

    def call_tvm_warp_shuffle_xor(self, node: tvm.ir.Call) -> Text:
        return self.warp(node, "tvm_warp_shuffle_xor")


# --- what every file of the family needs around the body --------------------------------------


def parameter(param: Param, dialect: CDialect, *, restrict: bool = True) -> str:
    """`const float* __restrict__ x`, `float* y` or `int n`."""
    if not isinstance(param, Tensor):
        return f"{dialect.type(param.dtype)} {param.name}"
    const = "" if param.written else "const "
    qualifier = f" {dialect.restrict}" if restrict and dialect.restrict else ""
    return f"{dialect.pointers}{const}{dialect.type(param.dtype)}*{qualifier} {param.name}"


def signature(kernel: Kernel, dialect: CDialect, *, restrict: bool = True) -> str:
    """The parameters of the source kernel in their order, used or not."""
    return ", ".join(parameter(p, dialect, restrict=restrict) for p in kernel.params or ())


def arguments(kernel: Kernel) -> str:
    """The parameters' names, as a launcher hands them on."""
    return ", ".join(param.name for param in kernel.params or ())


def banner(
    kernel: Kernel, language: str, launch: str, scheduled_mod: tvm.IRModule | None = None
) -> str:
    """The comment at the top of an emitted file. It names the source file, not its folder.

    It also says for which values of its scalars the file was made, and by which rule `main` of the
    scheduled module was scheduled where that is noted there.
    """
    source = PurePath(kernel.filename).name
    lines = [f"{language}, generated by xpiler_tvm from {source}, kernel {kernel.entry}."]
    bound = [
        f"{scalar.name} = {_number(scalar)}"
        for scalar in kernel.scalars
        if scalar.value is not None
    ]
    if bound:
        lines.append(f"Holds for: {', '.join(bound)}.")
    attrs = scheduled_mod["main"].attrs if scheduled_mod is not None else None
    rule = attrs.get(RULE_ATTRIBUTE) if attrs else None
    lines.append(f"Launch: {launch}.")
    if rule is not None:
        lines.append(f"Schedule: {rule}.")
    return "".join(f"// {line}\n" for line in lines)


def _number(scalar: Scalar) -> str:
    """The value of a scalar, with no more digits than its type holds."""
    if scalar.dtype.startswith("float") and scalar.value is not None:
        return repr(float(np.dtype(scalar.dtype).type(scalar.value).astype(str)))
    return str(scalar.value)


def buffer_size(buffer: tirx.Buffer) -> int | None:
    """The number of elements, or `None` where an extent is no constant."""
    size = 1
    for extent in buffer.shape:
        if not isinstance(extent, tirx.IntImm | int):
            return None
        size *= int(extent)
    return size


def _is_zero(value: tvm.ir.Expr | None) -> bool:
    return value is None or (isinstance(value, tirx.IntImm) and int(value) == 0)


def _is_one(value: tvm.ir.Expr) -> bool:
    return isinstance(value, tirx.IntImm) and int(value) == 1


def _power_of_two(value: tvm.ir.Expr) -> int | None:
    """`k` where `value` is the constant 2**k."""
    if not isinstance(value, tirx.IntImm) or int(value) <= 0:
        return None
    number = int(value)
    return number.bit_length() - 1 if number & (number - 1) == 0 else None


def _active_masks(body: tirx.Stmt) -> set[tvm.ir.Var]:
    """Buffers that hold the mask of active lanes: shuffles without a mask do not need them."""
    masks: set[tvm.ir.Var] = set()

    def note(store: tirx.BufferStore) -> None:
        value = store.value
        if isinstance(value, tvm.ir.Call) and getattr(value.op, "name", "") == (
            "tirx.tvm_warp_activemask"
        ):
            masks.add(store.buffer)

    tvm_ffi.structural_walk(body, [(tirx.BufferStore, note)], order="pre")
    return masks
