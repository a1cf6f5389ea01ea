"""Products by their factors."""

from __future__ import annotations

from collections.abc import Sequence

from . import terms
from .terms import Apply, Node

Factors = list[tuple[Node, bool]]
"""What is multiplied, and whether it is divided by."""
_EXPONENTIALS = ("exp", "exp2")


def factors_of(node: Node, inverse: bool = False) -> Factors:
    """The factors of a term, quotients and products taken apart."""
    if isinstance(node, Apply) and node.name == "multiply":
        return [each for arg in node.args for each in factors_of(arg, inverse)]
    if isinstance(node, Apply) and node.name == "divide":
        return factors_of(node.args[0], inverse) + factors_of(node.args[1], not inverse)
    return [(node, inverse)]


def product(factors: Sequence[tuple[Node, bool]], dtype: str) -> Node:
    """The term with these factors."""
    above = [factor for factor, inverse in factors if not inverse]
    whole: Node = above[0] if above else terms.const(1.0, dtype)
    for factor in above[1:]:
        whole = terms.apply("multiply", [whole, factor], dtype)
    for factor, inverse in factors:
        if inverse:
            whole = terms.apply("divide", [whole, factor], dtype)
    return whole


def joined_exponentials(node: Node) -> Node:
    """exp(s - m) * exp(m - t)   ->   exp(s - t), where something cancels."""
    factors = factors_of(node)
    for name in _EXPONENTIALS:
        powers = [f for f, inverse in factors if not inverse and _is_call(f, name)]
        if len(powers) < 2:
            continue
        summands: dict[str, tuple[Node, int]] = {}
        for power in powers:
            for one, sign in _summands(power.children[0]):
                summands[one.key] = one, summands.get(one.key, (one, 0))[1] + sign
        kept = [(one, sign) for one, sign in summands.values() if sign]
        if len(kept) == len(summands) or any(abs(sign) > 1 for _, sign in kept):
            continue
        kept.sort(key=lambda one: (-one[1], one[0].key))
        exponent: Node = terms.const(0.0, node.dtype)
        for place, (one, sign) in enumerate(kept):
            operation = "add" if sign > 0 else "subtract"
            first = place == 0 and sign > 0
            exponent = one if first else terms.apply(operation, [exponent, one], node.dtype)
        whole = terms.apply(name, [exponent], node.dtype)
        rest = [each for each in factors if each[0] not in powers]
        return product([(whole, False), *rest], node.dtype)
    return node


def _is_call(node: Node, name: str) -> bool:
    return isinstance(node, Apply) and node.name == name


def _summands(node: Node, sign: int = 1) -> list[tuple[Node, int]]:
    if isinstance(node, Apply) and node.name in ("add", "subtract"):
        second = sign if node.name == "add" else -sign
        return _summands(node.args[0], sign) + _summands(node.args[1], second)
    return [(node, sign)]
