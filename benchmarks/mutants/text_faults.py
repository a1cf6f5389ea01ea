"""Faults in a kernel's text: every mutation is an edit at the extent of a node of its tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator

from xpiler_tvm.kernel import Kernel
from xpiler_tvm.synthesis.tree import Node, functions

from .fault import TextFault

Maker = Callable[[Node], Iterator[TextFault]]

_INDICES = ("threadIdx", "blockIdx", "blockDim", "gridDim")
_NEXT_COMPONENT = {"x": "y", "y": "x", "z": "y"}
_INCLUDING = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_REVERSED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "!=", "!=": "=="}
_SIGNS = {"+": "-", "-": "+", "+=": "-=", "-=": "+="}
_FACTORS = {"*": "/", "/": "*", "%": "/", "*=": "/=", "/=": "*="}
_EXTREMES = {
    "max": "min",
    "fmaxf": "fminf",
    "atomicMax": "atomicMin",
    "__bang_maxpool": "__bang_minpool",
    "__bang_argmax": "__bang_argmin",
    "__bang_maxequal": "__bang_minequal",
}
_EXTREMES |= {small: large for large, small in _EXTREMES.items()}
_OTHER_FUNCTION = {  # of the same signature
    "__bang_add": "__bang_sub",
    "__bang_mul": "__bang_add",
    "__bang_add_scalar": "__bang_sub_scalar",
    "__bang_sub_scalar": "__bang_add_scalar",
    "__bang_cycle_add": "__bang_cycle_sub",
}
_SHUFFLES = {
    "__shfl_down_sync": "__shfl_up_sync",
    "__shfl_xor_sync": "__shfl_down_sync",
    "__shfl_down": "__shfl_up",
    "__shfl_xor": "__shfl_down",
}
_BARRIERS = re.compile(r"__sync\w*|__threadfence\w*")
_COPY = re.compile(r"__memcpy\w*")
_DIRECTION = re.compile(r"([A-Z]+)2([A-Z]+)")
_ATOMICS = {
    "atomicAdd": "*({0}) += ({1})",
    "atomicMax": "*({0}) = max(*({0}), {1})",
    "atomicMin": "*({0}) = min(*({0}), {1})",
}
_ATOMIC_VALUES = {"atomicAdd": "((*({0}) += ({1})) - ({1}))"}
_OTHER_SIGN = {
    "unsigned char": "signed char",
    "signed char": "unsigned char",
    "uint8_t": "int8_t",
    "int8_t": "uint8_t",
}
_BYTES = re.compile(r"\b(unsigned char|signed char|uint8_t|int8_t)\b")
_LITERALS = ("INTEGER_LITERAL", "FLOATING_LITERAL")


def text_faults(kernel: Kernel) -> list[TextFault]:
    """Every fault that the makers below see in the functions of a kernel's text, each once."""
    text = kernel.source
    nodes = [node for function in functions(kernel, kernel.source) for node in function.walk()]
    found: dict[str, TextFault] = {_same(text): TextFault("", 0, 0, "")}
    # Two kinds may change a text in the same way: the first of MAKERS, the more telling, has it.
    for maker in MAKERS:
        for node in nodes:
            for fault in maker(node):
                found.setdefault(_same(fault.apply(kernel).source), fault)
    return [fault for fault in found.values() if fault.kind]


def _same(text: str) -> str:
    """What is equal for texts that differ in blanks and redundant parentheses."""
    return re.sub(r"[\s()]", "", text)


def _replace(kind: str, node: Node, new: str) -> TextFault:
    return TextFault(kind, node.start, node.end, new)


def _group(node: Node) -> str:
    """The text of an expression as an operand of whatever may stand around it."""
    simple = (*_LITERALS, "DECL_REF_EXPR", "PAREN_EXPR", "CALL_EXPR", "MEMBER_REF_EXPR")
    return node.text if node.kind in simple else f"({node.text})"


def _operator(kind: str, node: Node, new: str) -> Iterator[TextFault]:
    """The operator of a binary node becomes another."""
    left, right = node.children
    place = node.source.find(node.operator, left.end, right.start)
    if place >= 0:
        yield TextFault(kind, place, place + len(node.operator), new)


def _binary(node: Node, operators: Container[str]) -> bool:
    kinds = ("BINARY_OPERATOR", "COMPOUND_ASSIGNMENT_OPERATOR")
    return node.kind in kinds and len(node.children) == 2 and node.operator in operators


def _call(node: Node) -> str:
    """The name of the function that a call with its arguments calls, else ''."""
    named = node.kind == "CALL_EXPR" and node.children and node.text.startswith(node.name)
    return node.name if named else ""


def _arguments(node: Node) -> list[Node]:
    return node.children[1:]


def _in_index(node: Node) -> bool:
    """Whether an expression is part of an index or of an offset from a pointer."""
    below = node
    for above in node.ancestors():
        if above.kind == "ARRAY_SUBSCRIPT_EXPR":
            return below is above.children[1]
        if above.kind == "BINARY_OPERATOR" and above.operator in "+-":
            if above.type.endswith("*") and not below.type.endswith("*"):
                return True
        elif above.kind not in ("BINARY_OPERATOR", "PAREN_EXPR"):
            return False
        below = above
    return False


def _in_declared_type(node: Node) -> bool:
    """Whether it is part of a declaration's type: an array's size, a template's argument."""
    return any(
        above.kind == "VAR_DECL" and not _below_initial(above, node) for above in node.ancestors()
    )


def _below_initial(declaration: Node, node: Node) -> bool:
    mark = declaration.text.find("=")
    return mark >= 0 and node.start > declaration.start + mark


# ---------------------------------------------------------------- indices


def index_swapped(node: Node) -> Iterator[TextFault]:
    if node.kind == "MEMBER_REF_EXPR" and node.text.split(".")[0] in _INDICES:
        base, _, component = node.text.partition(".")
        yield _replace("index swapped", node, f"{base}.{_NEXT_COMPONENT[component]}")
    if node.kind == "ARRAY_SUBSCRIPT_EXPR" and node.children[0].kind == "ARRAY_SUBSCRIPT_EXPR":
        (array, outer), inner = node.children[0].children, node.children[1]
        yield _replace("index swapped", node, f"{array.text}[{inner.text}][{outer.text}]")


def transposed(node: Node) -> Iterator[TextFault]:
    if not (_binary(node, "+") and node.kind == "BINARY_OPERATOR" and _in_index(node)):
        return
    product, rest = node.children
    if _binary(product, "*"):
        outer, extent = product.children
        new = f"{_group(rest)} * {extent.text} + {outer.text}"
        yield _replace("transposed", node, new)


# ---------------------------------------------------------------- bounds and guards


def bound(node: Node) -> Iterator[TextFault]:
    if _binary(node, _INCLUDING):
        limit = node.children[1]
        same = node.operator in "<=" and _chooses_an_operand(node)
        for change in ("- 1",) if same else ("+ 1", "- 1"):
            yield _replace("bound", limit, f"{_group(limit)} {change}")


def comparison(node: Node) -> Iterator[TextFault]:
    if _binary(node, _INCLUDING) and not _chooses_an_operand(node):
        yield from _operator("comparison", node, _INCLUDING[node.operator])


def _chooses_an_operand(node: Node) -> bool:
    """Whether it is the test of a minimum or maximum: of equal operands either is right."""
    above = node.parent
    if above is None or above.kind != "CONDITIONAL_OPERATOR" or node is not above.children[0]:
        return False
    return {one.text for one in node.children} == {one.text for one in above.children[1:]}


def reversed_comparison(node: Node) -> Iterator[TextFault]:
    # A loop that runs the wrong way does nothing or does not end: `bound` and `stride` say more.
    loops = node.parent is not None and node.parent.kind == "FOR_STMT"
    if _binary(node, _REVERSED) and not loops:
        yield from _operator("reversed", node, _REVERSED[node.operator])


def guard(node: Node) -> Iterator[TextFault]:
    if node.kind == "IF_STMT":
        test, then = node.children[:2]
        leaves = then.kind == "RETURN_STMT"
        yield _replace("guard", test, "false" if leaves else "true")
    if node.kind == "CONDITIONAL_OPERATOR":
        yield _replace("guard", node.children[0], "true")
    if _binary(node, ("&&", "||")):
        for kept in node.children:
            yield _replace("guard", node, kept.text)


# ---------------------------------------------------------------- order and atomicity


def barrier(node: Node) -> Iterator[TextFault]:
    if node.statement and _BARRIERS.fullmatch(_call(node)):
        yield _replace("barrier", node, "")


def atomic(node: Node) -> Iterator[TextFault]:
    name = _call(node)
    if name not in _ATOMICS:
        return
    place, value = (argument.text for argument in _arguments(node)[:2])
    if node.statement:
        yield _replace("atomic", node, _ATOMICS[name].format(place, value))
    elif name in _ATOMIC_VALUES:
        yield _replace("atomic", node, _ATOMIC_VALUES[name].format(place, value))


def shuffle(node: Node) -> Iterator[TextFault]:
    name = _call(node)
    if name not in _SHUFFLES:
        return
    yield TextFault("shuffle", node.start, node.start + len(name), _SHUFFLES[name])
    arguments = _arguments(node)
    distance = arguments[2 if name.endswith("_sync") else 1]
    yield _replace("shuffle", distance, f"{_group(distance)} + 1")
    yield _replace("shuffle", distance, f"{_group(distance)} / 2")
    if name.endswith("_sync"):
        yield _replace("shuffle", arguments[0], "0x0000ffffu")


# ---------------------------------------------------------------- values


def initial(node: Node) -> Iterator[TextFault]:
    value = None
    if node.kind == "VAR_DECL" and node.children and "=" in node.text:
        value = node.children[-1]
    elif node.statement and _binary(node, ("=",)):
        value = node.children[1]
    if value is None:
        return
    if value.text.startswith("-") and value.text.endswith(("INFINITY", "FLT_MAX")):
        yield _replace("initial", value, "0.0f")
    elif value.kind == "INTEGER_LITERAL" and value.text.isdigit():
        yield _replace("initial", value, str(int(value.text) + 1))
    elif value.kind == "FLOATING_LITERAL":
        yield _replace("initial", value, f"({value.text} + 1.0f)")


def constant(node: Node) -> Iterator[TextFault]:
    if node.kind not in _LITERALS or _in_declared_type(node):
        return
    above = node.parent
    first = above is not None and above.kind == "VAR_DECL"
    stored = above is not None and above.statement and _binary(above, ("=",))
    if first or stored or node.text.startswith("0x"):
        return  # `initial` and `shuffle` change these
    if node.kind == "FLOATING_LITERAL":
        zero = not node.text.strip("0.f")
        yield _replace("constant", node, f"({node.text} {'+ 1.0f' if zero else '* 1.25f'})")
    else:
        yield _replace("constant", node, f"({node.text} + 1)")
        if node.text not in ("0", "1"):
            yield _replace("constant", node, f"({node.text} - 1)")


def plus_minus(node: Node) -> Iterator[TextFault]:
    if _binary(node, _SIGNS):
        yield from _operator("plus minus", node, _SIGNS[node.operator])
    name = _call(node)
    if name in _OTHER_FUNCTION:
        yield TextFault("plus minus", node.start, node.start + len(name), _OTHER_FUNCTION[name])


def times_divide(node: Node) -> Iterator[TextFault]:
    if _binary(node, _FACTORS):
        yield from _operator("times divide", node, _FACTORS[node.operator])


def max_min(node: Node) -> Iterator[TextFault]:
    name = _call(node)
    if name in _EXTREMES:
        yield TextFault("max min", node.start, node.start + len(name), _EXTREMES[name])


def swapped(node: Node) -> Iterator[TextFault]:
    if node.kind == "BINARY_OPERATOR" and _binary(node, "-/"):
        left, right = node.children
        yield _replace("swapped", node, f"{_group(right)} {node.operator} {_group(left)}")
    if _call(node).startswith(("__bang_sub", "__bang_div")):
        arguments = _arguments(node)
        if len(arguments) > 2 and arguments[1].type == arguments[2].type:
            one, other = arguments[1:3]
            between = node.source[one.end : other.start]
            new = other.text + between + one.text
            yield TextFault("swapped", one.start, other.end, new)


def operand(node: Node) -> Iterator[TextFault]:
    """The two nearest other variables of the same type that are in scope."""
    if node.kind != "DECL_REF_EXPR" or not node.text.isidentifier():
        return
    names = [
        name
        for name, kind in _scope(node)
        if name != node.text and _plain(kind) == _plain(node.type)
    ]
    for name in list(dict.fromkeys(names))[:2]:
        yield _replace("operand", node, name)


def _plain(kind: str) -> str:
    """A type without qualifiers; an array's is its element's, and pointers' too."""
    words = re.sub(r"\[\d*\]", " *", kind).replace("const ", "").replace("volatile ", "")
    return " ".join(words.split())


def _scope(node: Node) -> Iterator[tuple[str, str]]:
    """Names and types of the variables that are visible at a node, the nearest first."""
    below = node
    for above in node.ancestors():
        for sibling in reversed(above.children):
            if sibling.start >= below.start:
                continue
            if sibling.kind in ("PARM_DECL", "VAR_DECL"):
                yield sibling.name, sibling.type
            elif sibling.kind == "DECL_STMT":
                for one in reversed(sibling.children):
                    if one.kind == "VAR_DECL" and one is not below:
                        yield one.name, one.type
        below = above


# ---------------------------------------------------------------- amounts


def stride(node: Node) -> Iterator[TextFault]:
    above = node.parent
    if above is not None and above.kind == "FOR_STMT" and node is not above.children[-1]:
        if node.kind == "UNARY_OPERATOR" and node.operator in ("pre++", "post++"):
            yield _replace("stride", node, f"{node.children[0].text} += 2")
        elif _binary(node, ("+=", "-=")):
            step = node.children[1]
            yield _replace("stride", step, f"{_group(step)} + 1")
        elif _binary(node, ("*=", "/=", ">>=", "<<=")):
            step = node.children[1]
            yield _replace("stride", step, f"{_group(step)} * 2")
    if node.kind == "BINARY_OPERATOR" and _binary(node, "*") and _in_index(node):
        extent = node.children[1]
        yield _replace("stride", extent, f"({extent.text} + 1)")
        yield _replace("stride", extent, f"({extent.text} - 1)")
    if _COPY.fullmatch(_call(node)):
        for distance in _arguments(node)[4:6]:
            yield _replace("stride", distance, f"{_group(distance)} + 4")
    if _call(node) == "load_matrix_sync":
        distance = _arguments(node)[2]
        yield _replace("stride", distance, f"{_group(distance)} + 8")


def count(node: Node) -> Iterator[TextFault]:
    name = _call(node)
    if _COPY.fullmatch(name):
        size = _arguments(node)[2]
        without = re.sub(r"\s*\*\s*sizeof\(\w+\)$", "", size.text)
        if without != size.text:
            yield _replace("count", size, without)
            width = size.text[len(without) :]
            grouped = without if without.isidentifier() else f"({without})"
            for change in ("+ 1", "- 1"):
                yield _replace("count", size, f"({grouped} {change}){width}")
        for segments in _arguments(node)[6:7]:
            yield _replace("count", segments, f"{_group(segments)} - 1")
            yield _replace("count", segments, f"{_group(segments)} + 1")
    elif name.startswith("__bang_") and not name.endswith(("pool", "conv", "matmul")):
        last = _arguments(node)[-1]
        for change in ("+ 1", "- 1"):
            yield _replace("count", last, f"{_group(last)} {change}")


# ---------------------------------------------------------------- what is left out


def copy(node: Node) -> Iterator[TextFault]:
    staged = _binary(node, ("=",)) and _shared(node.children[0])
    if node.statement and (staged or _COPY.fullmatch(_call(node))):
        yield _replace("copy", node, "")


def _shared(target: Node) -> bool:
    """Whether an assignment's target lies in a variable that is declared `__shared__`."""
    name = re.match(r"\w+", target.text)
    word = name.group(0) if name else ""
    declared = rf"__shared__[^;]*\b{word}\b|HIP_DYNAMIC_SHARED\(\w+, {word}\)"
    return target.kind == "ARRAY_SUBSCRIPT_EXPR" and bool(re.search(declared, target.source))


def direction(node: Node) -> Iterator[TextFault]:
    if _COPY.fullmatch(_call(node)):
        way = _arguments(node)[3]
        yield _replace("direction", way, _DIRECTION.sub(r"\g<2>2\1", way.text))


def statement(node: Node) -> Iterator[TextFault]:
    name = _call(node)
    if node.statement and not _BARRIERS.fullmatch(name) and not _COPY.fullmatch(name):
        yield _replace("statement", node, "")


# ---------------------------------------------------------------- types


def signedness(node: Node) -> Iterator[TextFault]:
    casts = ("CSTYLE_CAST_EXPR", "CXX_REINTERPRET_CAST_EXPR")
    if node.kind in ("PARM_DECL", "VAR_DECL", *casts):
        found = _BYTES.search(node.text)
        inner = node.children[-1].start if node.kind in casts and node.children else node.end
        if found and node.start + found.start() < inner:
            place = node.start + found.start()
            new = _OTHER_SIGN[found.group(0)]
            yield TextFault("signedness", place, place + len(found.group(0)), new)
    if node.kind == "VAR_DECL" and node.type == "int" and _sign_matters(node):
        head = node.parent
        # The type of a declaration with several variables belongs to all of them.
        if head is not None and head.text.startswith("int ") and len(head.children) == 1:
            yield TextFault("signedness", head.start, head.start + 3, "unsigned")


def _sign_matters(node: Node) -> bool:
    """Whether a variable is compared with zero, shifted to the right or starts below zero."""
    name = re.escape(node.name)
    return bool(re.search(rf"\b{name} (?:>>|<|>=) ?0|\b{name} >> |\b{name} = -", node.source))


MAKERS: tuple[Maker, ...] = (
    index_swapped,
    transposed,
    barrier,
    atomic,
    shuffle,
    signedness,
    initial,
    guard,
    bound,
    comparison,
    reversed_comparison,
    stride,
    count,
    copy,
    direction,
    max_min,
    swapped,
    plus_minus,
    times_divide,
    constant,
    operand,
    statement,
)
