"""Softmax and its logarithm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tvm import relax

from . import terms
from .affine import Axis
from .emitter import Axes, Emitter, Value
from .meaning import Meaningless, agree, evaluate, points_for
from .rows import body_at, runs_along
from .terms import Apply, Node, Reduce, parts_of


@dataclass(frozen=True)
class Exponents:
    """`exp(factor * (score - most))`, with `most` the greatest score along `over`."""

    score: Node
    most: Reduce
    factor: float


def exponents(node: Node, axes: Sequence[Axis]) -> Exponents | None:
    """`node` as exponentials of scores below their maximum along `axes`."""
    parts = parts_of(node)
    for most in parts:
        if not isinstance(most, Reduce) or most.op != "max":
            continue
        score = body_at(most, axes)
        if score is None:
            continue
        scored = parts_of(score)
        if any(part.key not in {p.key for p in scored} and part is not most for part in parts):
            continue
        points = points_for([*scored, most])
        try:
            values, scores = evaluate(node, points), evaluate(score, points)
        except Meaningless:
            continue
        distance = scores - points[most.key]
        with np.errstate(all="ignore"):
            ratio = np.log(values) / distance
            known = np.isfinite(ratio) & (values > 0)
            factor = float(np.median(ratio[known])) if known.any() else 0.0
            if factor > 0 and agree(values, np.exp(factor * distance)):
                rounded = 1.0 if math.isclose(factor, 1.0, rel_tol=1e-5) else factor
                return Exponents(score, most, rounded)
    return None


def softmax(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """exp(x - max) / sum(exp(x - max)), and its logarithm."""
    if not isinstance(node, Apply) or "float" not in node.dtype:
        return None
    for total in parts_of(node):
        if not isinstance(total, Reduce) or total.op != "sum":
            continue
        for along, exponential in runs_along(total, axes, node):
            found = exponents(exponential, along)
            name = found and _softmax_name(node, total, exponential, found)
            if not found or not name:
                continue
            free = tuple(axis for axis in axes if axis in node.axes and axis not in along)
            score = found.score
            if found.factor != 1.0:
                factor = terms.const(found.factor, score.dtype)
                score = terms.apply("multiply", [score, factor], score.dtype)
            given = emitter.grouped(score, *([axis] for axis in free), along)
            make = relax.op.nn.softmax if name == "softmax" else relax.op.nn.log_softmax
            value = emitter.op(make(given, axis=-1))
            value = emitter.ungrouped(value, axes, *([axis] for axis in free), along)
            place = tuple(
                n for n, axis in enumerate(a for a in axes if a in node.axes) if axis in along
            )
            emitter.record(name, [given], value, axis=place)
            return value
    return None


def _softmax_name(node: Node, total: Reduce, exponential: Node, found: Exponents) -> str:
    parts = {part.key: part for part in (*parts_of(node), *parts_of(exponential), total)}
    points = points_for(list(parts.values()), positive=[total])
    try:
        values = evaluate(node, points)
        quotient = evaluate(exponential, points) / points[total.key]
    except Meaningless:
        return ""
    if agree(values, quotient):
        return "softmax"
    return "log_softmax" if agree(values, np.log(quotient)) else ""
