"""What a scalar expression means, told by its values at fixed points.

    0.5 x (1 + erf(x / sqrt 2)),    x - x (1 - erf(0.70710678 x)) / 2,    ...    ->    gelu

Expressions are evaluated in double precision, with an array for each part. Two that agree at all
points to a few parts in a hundred thousand have one meaning: programs approximate. A name found
so is a guess until the operator of that name has been run against the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .terms import Apply, Const, Node, parts_of

Values = Any  # a float64 array
TOLERANCE = 3e-5

_erf = np.vectorize(math.erf, otypes=[np.float64])

_OPERATIONS: dict[str, Callable[..., Values]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "less": np.less,
    "less_equal": np.less_equal,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "select": np.where,
    "floor_divide": np.floor_divide,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift,
    "right_shift": np.right_shift,
    "floor_mod": np.mod,
    "exp": np.exp,
    "exp2": np.exp2,
    "exp10": lambda x: np.power(10.0, x),
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "atan": np.arctan,
    "erf": _erf,
    "fabs": np.abs,
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.rint,
    "nearbyint": np.rint,
    "pow": np.power,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "fma": lambda a, b, c: a * b + c,
}


class Meaningless(Exception):
    """The expression holds something that has no value here."""


def evaluate(node: Node, values: Mapping[str, Values]) -> Values:
    """The value of an expression whose parts have `values`, by key. Raises `Meaningless`."""
    return _evaluate(node, dict(values))


def _evaluate(node: Node, known: dict[str, Values]) -> Values:
    if node.key not in known:
        known[node.key] = _computed(node, known)
    return known[node.key]


def _computed(node: Node, known: dict[str, Values]) -> Values:
    if isinstance(node, Const):
        return np.int64(node.value) if isinstance(node.value, int) else np.float64(node.value)
    if not isinstance(node, Apply):
        raise Meaningless(node.key)
    args = [_evaluate(arg, known) for arg in node.args]
    if node.name == "cast":
        return _cast(args[0], node.dtype)
    if node.name not in _OPERATIONS:
        raise Meaningless(node.name)
    with np.errstate(all="ignore"):
        try:
            return _OPERATIONS[node.name](*args)
        except TypeError:  # bits of what is no integer here
            raise Meaningless(node.name) from None


def _cast(values: Values, dtype: str) -> Values:
    if dtype == "bool":
        return np.asarray(values) != 0
    if "int" not in dtype:
        return np.asarray(values, np.float64)
    if np.issubdtype(np.asarray(values).dtype, np.floating):
        return np.trunc(values)
    return np.asarray(values).astype(dtype).astype(np.int64)


_LINE = np.array([0.0, 1e-3, 0.1, 0.3, 0.5, 0.77, 1.0, 1.3, 1.9, 2.6, 3.4, 4.7, 5.9, 7.2, 9.5])
POINTS = np.concatenate([-_LINE[:0:-1], _LINE])
"""Where functions of one variable are compared."""


def agree(values: Values, expected: Values) -> bool:
    """Whether two functions have the same values, wherever the expected one has any."""
    values, expected = np.broadcast_arrays(
        np.asarray(values, np.float64), np.asarray(expected, np.float64)
    )
    known = np.isfinite(expected)
    if not known.any() or not np.isfinite(values[known]).all():
        return False
    error = np.abs(values[known] - expected[known])
    return bool((error <= TOLERANCE * np.maximum(np.abs(expected[known]), 1e-2)).all())


def points_for(parts: Sequence[Node], positive: Sequence[Node] = ()) -> dict[str, Values]:
    """Values for the parts of an expression, different for each; `positive` ones above zero."""
    above = {part.key for part in positive}
    found = {}
    for place, part in enumerate(parts):
        seeded = np.random.default_rng(1000 + place)
        values = seeded.uniform(0.2, 3.0, 24)
        found[part.key] = values if part.key in above else values * seeded.choice([-1, 1], 24)
    return found


def _sigmoid(x: Values) -> Values:
    return 1 / (1 + np.exp(-x))


UNARY: dict[str, Callable[[Values], Values]] = {
    "identity": lambda x: x,
    "negative": lambda x: -x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "tanh": np.tanh,
    "sign": np.sign,
    "abs": np.abs,
    "square": np.square,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "erf": _erf,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "exp2": np.exp2,
    "log2": np.log2,
    "reciprocal": lambda x: 1 / x,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
}
"""Functions by name; where two agree at all points, the first is meant."""

BINARY: dict[str, Callable[[Values, Values], Values]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": np.power,
}


def unary_name(node: Node, variable: Node) -> tuple[str, dict[str, float]] | None:
    """The name of `node` as a function of `variable`, its one part, and its constants."""
    with np.errstate(all="ignore"):
        try:
            values = np.broadcast_to(evaluate(node, {variable.key: POINTS}), POINTS.shape)
        except Meaningless:
            return None
        for name, function in UNARY.items():
            if agree(values, function(POINTS)):
                return name, {}
    return _with_constants(np.asarray(values, np.float64))


def _with_constants(values: Values) -> tuple[str, dict[str, float]] | None:
    """x * a,  x + a,  clip(x, a, b),  leaky relu with slope a."""
    at = dict(zip(POINTS.tolist(), values.tolist(), strict=True))
    shift = at[0.0]
    if agree(values, POINTS + shift):
        return "add", {"constant": shift}
    if agree(values, POINTS * at[1.0]):
        return "multiply", {"constant": at[1.0]}
    slope = at[-1.0] / -1.0
    if 0 < abs(slope) < 1 and agree(values, np.where(POINTS > 0, POINTS, slope * POINTS)):
        return "leaky_relu", {"alpha": slope}
    low, high = at[-9.5], at[9.5]
    if low < high and agree(values, np.clip(POINTS, low, high)):
        return "clip", {"min": low, "max": high}
    return None


def binary_name(node: Node, one: Node, two: Node) -> tuple[str, bool] | None:
    """The name of `node` as a function of two parts, and whether they are in the other order."""
    points = points_for([one, two])
    try:
        values = evaluate(node, points)
    except Meaningless:
        return None
    with np.errstate(all="ignore"):
        for name, function in BINARY.items():
            for swapped in (False, True):
                first, second = (two, one) if swapped else (one, two)
                if agree(values, function(points[first.key], points[second.key])):
                    return name, swapped
    return None


def same_meaning(node: Node, other: Node, positive: Sequence[Node] = ()) -> bool:
    """Whether two expressions are one function of their parts."""
    parts = {part.key: part for part in (*parts_of(node), *parts_of(other))}
    points = points_for([parts[key] for key in sorted(parts)], positive)
    try:
        return agree(evaluate(node, points), evaluate(other, points))
    except Meaningless:
        return False
