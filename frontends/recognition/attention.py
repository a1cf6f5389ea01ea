"""Attention: softmax(Q K^T) V, whichever way it is divided by the sum of the exponentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import terms
from .emitter import Axes, Emitter, Value
from .operator import Operator
from .products import factors_of, product
from .rows import is_total_of
from .terms import Apply, Node, Reduce

_BETWEEN = {"multiply", "divide", "add", "where", "cast", "maximum"}
"""What may stand between the scores and their softmax."""


def divided_after(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """Sum{j} e[j] v[j] / Sum{j} e[j]   ->   Sum{j} (e[j] / Sum{l} e[l]) v[j]"""
    if not isinstance(node, Apply) or node.name not in ("multiply", "divide"):
        return None
    factors = factors_of(node)
    for weighted, inverse in factors:
        if inverse or not isinstance(weighted, Reduce) or weighted.op != "sum":
            continue
        for total, divides in factors:
            if not divides or not isinstance(total, Reduce) or total.op != "sum":
                continue
            moved = _divided(weighted, total)
            if moved is None:
                continue
            rest = [each for each in factors if each[0] is not weighted and each[0] is not total]
            return emitter.emit(product([(moved, False), *rest], node.dtype), axes)
    return None


def _divided(weighted: Reduce, total: Reduce) -> Node | None:
    factors = factors_of(weighted.body)
    for place, (factor, inverse) in enumerate(factors):
        if not inverse and is_total_of(total, factor, weighted.over):
            share = terms.apply("divide", [factor, total], factor.dtype)
            rest = [*factors[:place], *factors[place + 1 :]]
            body = product([(share, False), *rest], weighted.body.dtype)
            return replace(weighted, body=body)
    return None


def with_attention(operators: Sequence[Operator]) -> list[Operator]:
    """The operators with products around a softmax named as one."""
    made = {one.output: one for one in operators}
    for last in operators:
        if last.name not in ("matmul", "gemv") or len(last.inputs) != 2:
            continue
        for side in (0, 1):
            weights = made.get(last.inputs[side])
            if weights is None or weights.name != "softmax":
                continue
            scores, between = _scores(weights, made)
            if scores is None:
                continue
            attributes = dict(_said(between))
            if "batch" in last.attributes:
                attributes["batch"] = last.attributes["batch"]
            inputs = (*scores.inputs, last.inputs[1 - side])
            whole = Operator("attention", attributes, inputs, last.output)
            gone = [scores, *between, weights]
            return [whole if one is last else one for one in operators if one not in gone]
    return list(operators)


def _scores(weights: Operator, made: dict[str, Operator]) -> tuple[Operator | None, list[Operator]]:
    """The product that a softmax is of, and what stands between the two."""
    between: list[Operator] = []
    waiting = list(weights.inputs)
    scores = None
    while waiting:
        one = made.get(waiting.pop())
        if one is None or one in between:
            continue
        if one.name in ("matmul", "gemv", "dot"):
            if scores is not None and scores is not one:
                return None, []
            scores = one
        elif one.name in _BETWEEN or one.name.startswith(("less", "and", "or")):
            between.append(one)
            waiting += one.inputs
        else:
            return None, []
    return scores, between


def _said(between: Sequence[Operator]) -> dict[str, object]:
    said: dict[str, object] = {}
    scale = 1.0
    for one in between:
        if one.name == "multiply" and "constant" in one.attributes:
            scale *= float(one.attributes["constant"])
    if scale != 1.0:
        said["scale"] = float(f"{scale:.6g}")
    if any(one.name == "where" for one in between):
        said["masked"] = True
    return said
