"""The places of a kernel where an integer may be wrong, each with the names it may be made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xpiler_tvm.kernel import Dialect

from .tree import Node

INTEGERS = (
    "int",
    "unsigned int",
    "long",
    "unsigned long",
    "long long",
    "unsigned long long",
    "short",
    "unsigned short",
)
ARITHMETIC = ("+", "-", "*", "/", "%")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_EXPRESSIONS = (
    "BINARY_OPERATOR",
    "INTEGER_LITERAL",
    "DECL_REF_EXPR",
    "MEMBER_REF_EXPR",
    "PAREN_EXPR",
    "CXX_BOOL_LITERAL_EXPR",
)
_LOOPS = ("FOR_STMT", "WHILE_STMT", "DO_STMT")
_DIMENSIONS = {
    "cuda": ("threadIdx", "blockIdx", "blockDim", "gridDim"),
    "hip": ("threadIdx", "blockIdx", "blockDim", "gridDim"),
    "bang": (),
    "vnni": (),
}
_FIRST: dict[Dialect, tuple[str, ...]] = {
    "cuda": ("threadIdx.x", "blockIdx.x"),
    "hip": ("threadIdx.x", "blockIdx.x"),
    "bang": ("taskId",),
    "vnni": (),
}
_TASKS = ("taskId", "taskIdX", "taskIdY", "taskDim", "coreId", "clusterId", "coreDim", "clusterDim")
# So many names an expression may be made of, the nearest, of which so many are variables.
NAMES, _VARIABLES = 12, 8
_OPPOSITE = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "<<=": ">>=", ">>=": "<<="}
_COUNTS = {"pre++": "--", "post++": "--", "pre--": "++", "post--": "++"}


@dataclass(frozen=True, eq=False)
class Site:
    """An integer or a condition in the text.

    `kind` is what a fault there would be: `index`, `bound`, `guard`, `stride`, `count`, `mapping`,
    `intrinsic`, `init` or `value`. `names` are the integers in scope, and `parts` the expressions
    that it is made of: the operands of an operation, then the factors of a first product. A loop's
    step has `alternatives`: of the loop's own variable, and in the other direction.
    """

    number: int
    node: Node
    kind: str
    names: tuple[str, ...]
    parts: tuple[Node, ...]
    alternatives: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.node.text

    @property
    def is_condition(self) -> bool:
        return self.node.type == "bool"

    @property
    def is_pointer(self) -> bool:
        """Whether it is a pointer or array, to which something may be added."""
        return self.node.type.endswith(("*", "]"))

    @property
    def is_step(self) -> bool:
        """Whether it is `i++`, whose step of one is not written."""
        return self.node.operator in ("pre++", "post++")

    @property
    def is_assignment(self) -> bool:
        """Whether it changes a variable, and is no value."""
        return self.is_step or bool(self.alternatives)

    @property
    def line(self) -> int:
        return self.node.line


def sites_of(functions: Sequence[Node], dialect: Dialect) -> list[Site]:
    """Every site in the bodies of `functions`, from the outside in."""
    found: list[Site] = []
    for function in functions:
        everywhere = _everywhere(function, dialect)
        for node in function.walk():
            if not _is_hole(node):
                continue
            near = list(dict.fromkeys(name for name in _scope(node) if name != node.text))
            far = [name for name in everywhere if name != node.text]
            first = near[: max(_VARIABLES, NAMES - len(far))]
            names = tuple(dict.fromkeys([*first, *far, *near]))[:NAMES]
            others = _alternatives(node) if _steps(node) else ()
            found.append(Site(len(found), node, kind_of(node), names, _parts(node), others))
    return found


def _steps(node: Node) -> bool:
    """Whether a node is the step of a `for`."""
    above = node.parent
    if above is None or above.kind != "FOR_STMT" or node is above.children[-1]:
        return False
    return node.operator in _COUNTS or node.operator in _OPPOSITE


def _alternatives(step: Node) -> tuple[str, ...]:
    """Other texts of a loop's step: of the loop's variable, in the other direction."""
    target, loop = step.children[0], step.parent
    if not target.text.isidentifier() or loop is None:
        return ()
    own = _loop_variable(loop.children[0]) or target.text
    at, end = target.start - step.start, target.end - step.start
    if step.operator in _COUNTS:
        turned = [_COUNTS[step.operator] + name for name in (own, target.text)]
    else:
        rest = step.text[end:].replace(step.operator, _OPPOSITE[step.operator], 1)
        turned = [name + rest for name in (own, target.text)]
    found = [step.text[:at] + own + step.text[end:], *turned]
    return tuple(dict.fromkeys(text for text in found if text != step.text))


def _loop_variable(start: Node) -> str:
    """What a loop's first part declares or sets."""
    if start.kind == "DECL_STMT" and start.children:
        return start.children[0].name
    if start.operator == "=" and start.children[0].text.isidentifier():
        return start.children[0].text
    return ""


def _parts(node: Node) -> tuple[Node, ...]:
    if node.kind != "BINARY_OPERATOR" or len(node.children) != 2:
        return ()
    left, right = node.children
    if node.operator == "+":
        for product in (left, right):
            inner = _bare(product)
            if inner.operator == "*" and len(inner.children) == 2:
                rest = right if product is left else left
                return (product, rest, *inner.children)
    return (left, right)


def _bare(node: Node) -> Node:
    """What parentheses hold."""
    while node.kind == "PAREN_EXPR" and len(node.children) == 1:
        node = node.children[0]
    return node


def _is_hole(node: Node) -> bool:
    """Whether another integer may stand in the place of a node."""
    above = node.parent
    if above is None or not node.text.strip():
        return False
    if _steps(node):
        return node.type in INTEGERS
    if node.kind == "UNARY_OPERATOR":
        return False
    if node.kind == "DECL_REF_EXPR" and _is_address(node):
        return True
    if node.type == "bool":
        return node.kind in ("BINARY_OPERATOR", "CXX_BOOL_LITERAL_EXPR") and _is_value(node)
    if node.type not in INTEGERS or node.kind not in _EXPRESSIONS or node.kind == "PAREN_EXPR":
        return False
    if node.kind == "BINARY_OPERATOR" and node.operator not in (*ARITHMETIC, "<<", ">>", "&"):
        return False
    return _is_value(node)


_POINTED = (
    r"(?:const )?(?:float|double|half|xp_half|_Float16|(?:unsigned )?(?:int|short)|"
    r"(?:(?:un)?signed )?char) ?(?:\*|\[\d+\])"
)


def _is_address(node: Node) -> bool:
    """Whether it is an array that a variable or a copy takes from its beginning."""
    above = node.parent
    if above is None or not re.fullmatch(_POINTED, node.type):
        return False
    if above.kind == "VAR_DECL":
        return above.type.endswith("*")
    copies = ("__memcpy", "__bang_", "_mm")
    takes = above.kind == "CALL_EXPR" and above.name.startswith(copies)
    return takes and node is not above.children[0]


def _is_value(node: Node) -> bool:
    """Whether a node is read, at run time, and stands where it need not be constant."""
    below = node
    for above in node.ancestors():
        first = bool(above.children) and below is above.children[0]
        if above.kind in ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR"):
            assigns = above.operator.endswith("=") and above.operator not in COMPARISONS
            if assigns and first and below is node:
                return False
        elif above.kind == "UNARY_OPERATOR":
            if below is node and above.operator not in ("+", "-", "!", "~"):
                return False
        elif above.kind == "VAR_DECL":
            mark = above.text.find("=")
            constant = re.search(r"\b(?:static|constexpr)\b", _head(above))
            if mark < 0 or node.start < above.start + mark or constant:
                return False
            if above.type.startswith("const ") and _sizes_an_array(above):
                return False
        elif (
            above.kind in ("CASE_STMT", "CXX_UNARY_EXPR", "LAMBDA_EXPR", "TEMPLATE_REF")
            or (above.kind == "CALL_EXPR" and _wants_constants(above) and below is node)
            or above.kind == "MEMBER_REF_EXPR"
        ):
            return False
        below = above
    return True


def _head(declaration: Node) -> str:
    above = declaration.parent
    return above.text.split("=")[0] if above is not None else declaration.text


def _sizes_an_array(declaration: Node) -> bool:
    return bool(re.search(rf"\[[^\]=;]*\b{declaration.name}\b[^\]=;]*\]\s*;", declaration.source))


def _wants_constants(call: Node) -> bool:
    """Whether a call may be of an intrinsic that wants numbers in its text."""
    return call.name.startswith(("_mm", "__builtin", "__shfl_const"))


# ---------------------------------------------------------------- what a fault would be


def kind_of(node: Node) -> str:
    """What a fault at a node would be called."""
    below = node
    if _steps(node):
        return "stride"
    if node.type.endswith(("*", "]")):
        return "index"
    if _is_thread(node):
        return "mapping"
    for above in node.ancestors():
        place = above.children.index(below) if below in above.children else -1
        if above.kind == "ARRAY_SUBSCRIPT_EXPR" and place == 1:
            return "index"
        if above.kind == "BINARY_OPERATOR" and above.operator in "+-" and "*" in above.type:
            return "index"
        if above.kind == "CALL_EXPR" and place > 0:
            return _argument(above, place)
        if above.kind in _LOOPS:
            if above.kind == "FOR_STMT" and place == len(above.children) - 1:
                return "value"
            head = below.kind
            if head == "DECL_STMT" or (head == "BINARY_OPERATOR" and below.operator == "="):
                return "bound"
            return "bound" if below.type == "bool" else "stride"
        if above.kind in ("IF_STMT", "CONDITIONAL_OPERATOR") and place == 0:
            return "guard"
        if above.kind == "VAR_DECL":
            grand = above.parent.parent if above.parent is not None else None
            if grand is not None and grand.kind == "FOR_STMT":
                return "bound"
            return "mapping" if any(map(_is_thread, above.walk())) else "value"
        below = above
    return "value"


def _is_thread(node: Node) -> bool:
    known = ("threadIdx", "blockIdx", "blockDim", "gridDim", *_TASKS)
    return node.text.split(".")[0] in known


def _argument(call: Node, place: int) -> str:
    if call.name.startswith("__memcpy"):
        return {1: "index", 2: "index", 3: "count"}.get(place, "stride")
    if call.name.startswith(("__bang_", "__nramset", "__sramset")):
        last = place == len(call.children) - 1
        many = call.name.endswith(("pool", "conv", "matmul", "mlp", "filter", "transpose"))
        return "count" if last and not many else "intrinsic"
    return "intrinsic" if call.name.startswith(("__", "_mm")) or "matrix" in call.name else "value"


# ---------------------------------------------------------------- names in scope


def _scope(node: Node) -> Iterator[str]:
    """The integer variables that are visible at a node, the nearest first."""
    below = node
    for above in node.ancestors():
        for sibling in reversed(above.children):
            if sibling.start >= below.start:
                continue
            declared = sibling.children if sibling.kind == "DECL_STMT" else [sibling]
            for one in reversed(declared):
                declares = one.kind in ("PARM_DECL", "VAR_DECL") and one.end <= node.start
                if declares and one.type.removeprefix("const ") in INTEGERS:
                    yield one.name
        below = above


def _everywhere(function: Node, dialect: Dialect) -> list[str]:
    """Names of threads, and of macros that a function mentions."""
    text = function.text
    found = [
        f"{name}.{axis}"
        for name in _DIMENSIONS[dialect]
        for axis in "xyz"
        if re.search(rf"\b{name}\.{axis}\b", text)
    ]
    for name in _DIMENSIONS[dialect][:3]:  # the other axis of what is used
        if any(one.startswith(name) for one in found):
            found += [f"{name}.{axis}" for axis in "xy"]
    if dialect == "bang":
        found += [name for name in _TASKS if re.search(rf"\b{name}\b", text)]
    found += _FIRST[dialect]  # what is not mentioned may be what was lost
    macros = re.findall(
        r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\(?\d+\)?[ \t]*$", function.source, re.M
    )
    constants = re.findall(
        r"^(?:static\s+)?(?:constexpr|const)\s+int\s+(\w+)\s*=\s*\d+\s*;", function.source, re.M
    )
    found += [name for name in [*macros, *constants] if re.search(rf"\b{name}\b", text)]
    return list(dict.fromkeys(found))
