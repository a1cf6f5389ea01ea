"""Which TVMScript of a stranger may be parsed: a list of what is allowed, on Python's own tree.

TVM's parser evaluates expressions as Python does. A text that is all on this list names nothing but
its own variables, `range` and functions of `T` that build expressions, so that there is nothing to
reach; it is parsed in a confined process all the same (`scripts.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

MOST_CHARACTERS = 20_000
MOST_NODES = 4_000
MOST_DEPTH = 60
LARGEST = 1 << 31

DTYPES = (
    "float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32",
    "uint32", "int64", "uint64", "bool",
)  # fmt: skip
FUNCTIONS = frozenset(DTYPES) | {
    "Buffer", "Cast", "abs", "alloc_buffer", "ceil", "cos", "erf", "exp", "exp2", "fabs", "floor",
    "floordiv", "floormod", "grid", "if_then_else", "init", "log", "log2", "max", "min", "pow",
    "prim_func", "reads", "round", "rsqrt", "sblock", "serial", "sigmoid", "sin", "sqrt", "tan",
    "tanh", "trunc", "truncdiv", "truncmod", "where", "writes",
}  # fmt: skip
AXES = frozenset(("remap", "spatial", "reduce", "S", "R"))

_OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr, ast.BitXor,
    ast.LShift, ast.RShift, ast.USub, ast.Not, ast.And, ast.Or, ast.Eq, ast.NotEq, ast.Lt, ast.LtE,
    ast.Gt, ast.GtE, ast.Load, ast.Store,
)  # fmt: skip


class NotAllowed(Exception):
    """The text holds something that is not on the list; says what, and in which line."""

    def __init__(self, what: str, node: ast.AST | None = None) -> None:
        line = getattr(node, "lineno", 0)
        super().__init__(f"line {line}: {what}" if line else what)


def vetted(text: str) -> str:
    """The one function of a text, printed from its tree: what TVM's parser may see.

    Imports of TVM above the function are left out. Raises `NotAllowed`.
    """
    if len(text) > MOST_CHARACTERS:
        raise NotAllowed(f"the text is longer than {MOST_CHARACTERS} characters")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotAllowed(f"it is no Python: {getattr(error, 'msg', error)}") from None
    body = [node for node in tree.body if not _is_import(node)]
    if len(body) != 1 or not isinstance(body[0], ast.FunctionDef):
        raise NotAllowed("there must be one function and nothing else")
    function = body[0]
    if sum(1 for _ in ast.walk(function)) > MOST_NODES:
        raise NotAllowed(f"it has more than {MOST_NODES} parts")
    _Vetting(function).run()
    return ast.unparse(function)


def _is_import(node: ast.stmt) -> bool:
    """`import tvm` and `from tvm.script import tirx as T`: names that are there anyway."""
    if isinstance(node, ast.Import):
        return all(name.name.split(".")[0] == "tvm" for name in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tvm"


class _Vetting:
    def __init__(self, function: ast.FunctionDef) -> None:
        self.function = function
        self.names = {"T", "range"}

    def run(self) -> None:
        function = self.function
        arguments = function.args
        plain = not (
            arguments.vararg
            or arguments.kwarg
            or arguments.kwonlyargs
            or arguments.posonlyargs
            or arguments.defaults
            or function.returns
            or getattr(function, "type_params", None)
        )
        if not plain:
            raise NotAllowed("parameters are a name and a type each", function)
        self._name(function.name, function)
        for decorator in function.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            if ast.unparse(call) != "T.prim_func":
                raise NotAllowed("the only decorator is T.prim_func", decorator)
            self._expression(decorator, 0)
        for argument in arguments.args:
            if argument.annotation is None:
                raise NotAllowed(f"{argument.arg} has no type", argument)
            self._expression(argument.annotation, 0)
            self._bind(argument.arg, argument)
        # Names are bound before they are used, whatever the order in which they are looked at.
        for node in ast.walk(ast.Module(function.body, [])):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._bind(node.id, node)
        self._body(function.body, 0)

    def _name(self, name: str, node: ast.AST) -> None:
        if name.startswith("_") or name in ("T", "I", "R", "range"):
            raise NotAllowed(f"{name!r} is no name of a variable", node)

    def _bind(self, name: str, node: ast.AST) -> None:
        self._name(name, node)
        self.names.add(name)

    def _body(self, body: list[ast.stmt], depth: int) -> None:
        if depth > MOST_DEPTH:
            raise NotAllowed("it is nested too deeply")
        for statement in body:
            self._statement(statement, depth)

    def _statement(self, node: ast.stmt, depth: int) -> None:
        if isinstance(node, ast.For) and not node.orelse:
            self._iterations(node)
            self._target(node.target)
            self._expression(node.iter, 0)
            self._body(node.body, depth + 1)
        elif isinstance(node, ast.If):
            self._expression(node.test, 0)
            self._body(node.body, depth + 1)
            self._body(node.orelse, depth + 1)
        elif isinstance(node, ast.With) and all(item.optional_vars is None for item in node.items):
            for item in node.items:
                self._call(item.context_expr, ("sblock", "init"), "`with` is for T.sblock, T.init")
            self._body(node.body, depth + 1)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._target(node.targets[0])
            self._expression(node.value, 0)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._target(node.target)
            self._expression(node.annotation, 0)
            self._expression(node.value, 0)
        elif isinstance(node, ast.Expr):
            self._call(node.value, ("reads", "writes", "where"), "a statement stores to a buffer")
        elif not isinstance(node, ast.Pass):
            raise NotAllowed(f"{type(node).__name__} is not allowed", node)

    def _iterations(self, node: ast.For) -> None:
        call = node.iter
        named = isinstance(call, ast.Call) and ast.unparse(call.func)
        if named not in ("range", "T.serial", "T.grid"):
            raise NotAllowed("a loop is over range(…), T.serial(…) or T.grid(…)", node)

    def _call(self, node: ast.expr, names: tuple[str, ...], otherwise: str) -> None:
        known = [f"T.{name}" for name in names]
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) in known):
            raise NotAllowed(otherwise, node)
        self._expression(node, 0)

    def _target(self, node: ast.expr) -> None:
        if isinstance(node, ast.Name):
            return
        if isinstance(node, ast.Tuple):
            for one in node.elts:
                self._target(one)
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            self._expression(node, 0)
        else:
            raise NotAllowed("this cannot be assigned to", node)

    def _expression(self, node: ast.expr, depth: int) -> None:
        if depth > MOST_DEPTH:
            raise NotAllowed("it is nested too deeply", node)
        if isinstance(node, ast.Attribute):
            self._function(node)
            return
        if isinstance(node, ast.Constant):
            self._constant(node)
        elif isinstance(node, ast.Name):
            if node.id not in self.names:
                raise NotAllowed(f"{node.id!r} is not defined", node)
        elif isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Attribute) and ast.unparse(node.func) != "range":
                raise NotAllowed("only functions of T are called", node)
        elif not isinstance(
            node,
            (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Subscript, ast.Tuple, ast.List,
             ast.Slice),
        ):  # fmt: skip
            raise NotAllowed(f"{type(node).__name__} is not allowed", node)
        for inner in _parts(node):
            if isinstance(inner, ast.expr):
                self._expression(inner, depth + 1)
            elif not isinstance(inner, _OPERATORS):
                raise NotAllowed(f"the operator {type(inner).__name__} is not allowed", node)

    def _function(self, node: ast.Attribute) -> None:
        name = ast.unparse(node)
        of_axis = name.startswith("T.axis.") and node.attr in AXES and name.count(".") == 2
        if not of_axis and not (name == f"T.{node.attr}" and node.attr in FUNCTIONS):
            raise NotAllowed(f"{name} is not on the list of functions", node)

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, (bool, float)):
            return
        if isinstance(value, int) and abs(value) <= LARGEST:
            return
        if isinstance(value, str) and len(value) <= 64 and value.isprintable():
            return
        raise NotAllowed("this constant is not allowed", node)


def _parts(node: ast.expr) -> Iterator[ast.AST]:
    """The children of an expression, keywords by their values."""
    for child in ast.iter_child_nodes(node):
        yield child.value if isinstance(child, ast.keyword) else child
