"""Elementwise operators: an expression as a chain of the functions it is made of.

max(acc + b, 0)            ->   t = add(acc, b);  y = relu(t)
g / (1 + exp(-g)) * u      ->   t = silu(g);      y = multiply(t, u)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tvm import relax

from . import terms
from .emitter import Axes, Emitter, NoEquivalent, Value
from .meaning import binary_name, unary_name
from .products import factors_of, product
from .terms import Apply, Const, Node, parts_of

_UNARY: Mapping[str, Callable[..., Any]] = {
    "negative": relax.op.negative,
    "relu": relax.op.nn.relu,
    "sigmoid": relax.op.sigmoid,
    "silu": relax.op.nn.silu,
    "gelu": relax.op.nn.gelu,
    "gelu_tanh": relax.op.nn.gelu_tanh,
    "tanh": relax.op.tanh,
    "sign": relax.op.sign,
    "abs": relax.op.abs,
    "square": relax.op.square,
    "exp": relax.op.exp,
    "log": relax.op.log,
    "sqrt": relax.op.sqrt,
    "rsqrt": relax.op.rsqrt,
    "sin": relax.op.sin,
    "cos": relax.op.cos,
    "tan": relax.op.tan,
    "erf": relax.op.erf,
    "floor": relax.op.floor,
    "ceil": relax.op.ceil,
    "round": relax.op.round,
    "trunc": relax.op.trunc,
    "softplus": relax.op.nn.softplus,
    "relu6": relax.op.nn.relu6,
    "selu": relax.op.nn.selu,
}
_BINARY: Mapping[str, Callable[..., Any]] = {
    "add": relax.op.add,
    "subtract": relax.op.subtract,
    "multiply": relax.op.multiply,
    "divide": relax.op.divide,
    "maximum": relax.op.maximum,
    "minimum": relax.op.minimum,
    "power": relax.op.power,
    "less": relax.op.less,
    "less_equal": relax.op.less_equal,
    "equal": relax.op.equal,
    "not_equal": relax.op.not_equal,
    "and": relax.op.logical_and,
    "or": relax.op.logical_or,
    "floor_divide": relax.op.floor_divide,
    "floor_mod": relax.op.floor_mod,
    "bitwise_and": relax.op.bitwise_and,
    "bitwise_or": relax.op.bitwise_or,
    "bitwise_xor": relax.op.bitwise_xor,
    "left_shift": relax.op.left_shift,
    "right_shift": relax.op.right_shift,
}
_CALLS: Mapping[str, Callable[..., Any]] = {
    **{name: _UNARY[name] for name in ("exp", "log", "sqrt", "rsqrt", "sin", "cos", "tan", "erf")},
    **{name: _UNARY[name] for name in ("tanh", "floor", "ceil", "trunc", "sigmoid")},
    "fabs": relax.op.abs,
    "abs": relax.op.abs,
    "nearbyint": relax.op.round,
    "round": relax.op.round,
    "not": relax.op.logical_not,
}


def elementwise(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """An operation on terms, as the named functions that it is made of, else as written."""
    if not isinstance(node, Apply):
        return None
    for inner in _through(node):
        found = unary_name(node, inner)
        if found is not None and "float" in node.dtype and inner.dtype == node.dtype:
            return _unary(emitter, axes, node, inner, found)
    parts = parts_of(node)
    if len(parts) == 2 and "float" in node.dtype and {p.dtype for p in parts} == {node.dtype}:
        named = binary_name(node, *parts)
        if named is not None:
            name, swapped = named
            pair = parts[::-1] if swapped else parts
            return _binary(emitter, name, [emitter.emit(part, axes) for part in pair], axes)
    regrouped = _by_parts(node)
    if regrouped is not None:
        return emitter.emit(regrouped, axes)
    return _as_written(emitter, node, axes)


def _through(node: Apply) -> Iterator[Node]:
    """The terms inside `node` that all of its parts are in, the innermost first: it is a function
    of one variable of each."""
    found = []
    everything = {part.key for part in parts_of(node)}
    seen: set[str] = set()
    for inner in terms.walk(node):
        if inner is node or inner.key in seen or isinstance(inner, Const):
            continue
        seen.add(inner.key)
        parts = {part.key for part in parts_of(inner)}
        if parts == everything and _only_through(node, inner.key):
            found.append(inner)
    return reversed(found)


def _only_through(node: Node, key: str) -> bool:
    if node.key == key or isinstance(node, Const):
        return True
    return isinstance(node, Apply) and all(_only_through(arg, key) for arg in node.args)


def _by_parts(node: Apply) -> Node | None:
    """A product with the factors of each part together:  g * u / (1 + exp(-g)) as silu(g) * u.

    `None` where that changes nothing.
    """
    if node.name not in ("multiply", "divide") or "float" not in node.dtype:
        return None
    groups: dict[tuple[str, ...], list[tuple[Node, bool]]] = {}
    for factor, inverse in factors_of(node):
        parts = tuple(part.key for part in parts_of(factor))
        groups.setdefault(parts, []).append((factor, inverse))
    constants = groups.pop((), [])
    if len(groups) < 2:
        return None
    products = [product(groups[parts], node.dtype) for parts in sorted(groups)]
    if constants:
        products[0] = terms.apply(
            "multiply", [product(constants, node.dtype), products[0]], node.dtype
        )
    whole = products[0]
    for other in products[1:]:
        whole = terms.apply("multiply", [whole, other], node.dtype)
    return None if whole.key == node.key else whole


def _unary(
    emitter: Emitter, axes: Axes, node: Apply, inner: Node, found: tuple[str, dict[str, float]]
) -> Value:
    name, constants = found
    given = emitter.emit(inner, axes)
    dtype = emitter.dtype(given)
    if name == "identity":
        return given
    if name in _UNARY:
        value = emitter.op(_UNARY[name](given))
    elif name == "leaky_relu":
        value = emitter.op(relax.op.nn.leakyrelu(given, constants["alpha"]))
    elif name == "clip":
        value = emitter.op(relax.op.clip(given, constants["min"], constants["max"]))
    elif name in _BINARY:
        value = emitter.op(_BINARY[name](given, relax.const(constants["constant"], dtype)))
    else:
        value = _quietly(emitter, node, axes)
    emitter.record(name, [given], value, **constants)
    return value


def _quietly(emitter: Emitter, node: Apply, axes: Axes) -> Value:
    """The expression as written, without a record of its operations."""
    kept = list(emitter.operators)
    value = _as_written(emitter, node, axes)
    emitter.operators[:] = kept
    return value


def _binary(emitter: Emitter, name: str, given: list[Value], axes: Axes) -> Value:
    del axes
    value = emitter.op(_BINARY[name](*given))
    emitter.record(name, given, value)
    return value


def _cast(emitter: Emitter, node: Apply, axes: Axes) -> Value:
    given = emitter.emit(node.args[0], axes)
    value = emitter.op(relax.op.astype(given, node.dtype))
    emitter.record("cast", [given], value, dtype=node.dtype)
    return value


def _as_written(emitter: Emitter, node: Apply, axes: Axes) -> Value:
    if node.name == "cast":
        return _cast(emitter, node, axes)
    given = [emitter.emit(arg, axes) for arg in node.args]
    if node.name == "select":
        value = emitter.op(relax.op.where(*given))
        emitter.record("where", given, value)
    elif node.name in _BINARY:
        return _binary(emitter, node.name, given, axes)
    elif node.name in _CALLS:
        value = emitter.op(_CALLS[node.name](*given))
        emitter.record(node.name, given, value)
    elif node.name == "exp2":
        # Relax has no power of two.
        scaled = relax.op.multiply(given[0], relax.const(0.6931471805599453, node.dtype))
        value = emitter.op(relax.op.exp(emitter.op(scaled)))
        emitter.record("exp2", given, value)
    elif node.name == "pow":
        value = emitter.op(relax.op.power(*given))
        emitter.record("power", given, value)
    else:
        raise NoEquivalent(f"{node.name!r} has no operator")
    return value
