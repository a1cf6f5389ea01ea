"""N-D parameters: the shape that a flat buffer's accesses speak of.

    A[i*256 + k], i < 64, k < 256   ->   A: (64, 256), A[i, k]

Strides come from the accesses' coefficients; a shape is taken only where every access of the
parameter has coordinates free of divisions, so that no bound is lost. The caller's own N-D shape
goes first.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr

from .integers import in_int32
from .invert import linear, quotient
from .scatter import affine
from .tensors import Graph, Tensor, divisions, knowing, simplified


def parameter_shapes(graph: Graph, flat: dict[Buffer, tuple[int, ...]]) -> dict[Buffer, Buffer]:
    """For each flat parameter the N-D buffer to use; `flat` gives the caller's shapes."""
    accesses = _accesses(graph, set(flat))
    chosen: dict[Buffer, Buffer] = {}
    for buffer, declared in flat.items():
        found = accesses.get(buffer, [])
        shape: tuple[int, ...] = ()
        for candidate in _candidates(buffer, declared, found):
            if all(_coordinates(index, candidate, tensor) for index, tensor in found):
                shape = candidate
                break
        shape = shape or (int(buffer.shape[0]),)
        chosen[buffer] = tirx.decl_buffer(shape, buffer.dtype, buffer.name)
    return chosen


def coordinates_of(index: Expr, buffer: Buffer, tensor: Tensor, flat_size: int) -> list[Expr]:
    """The N-D coordinates of a flat index within `tensor`: plain axes where they are such.

    Those of an array whose places fit int32 are int32, whatever type the program counts them in.
    """
    shape = tuple(int(extent) for extent in buffer.shape)
    found = [index] if shape == (flat_size,) else _coordinates(index, shape, tensor)
    assert found is not None
    if flat_size >= 1 << 31 or all(tir.dtype_of(each) != "int64" for each in found):
        return found
    with knowing(tensor.all_axes, tensor.guard) as analyzer:
        narrow = [
            in_int32(each, analyzer) if tir.dtype_of(each) == "int64" else None for each in found
        ]
    return [old if new is None else new for old, new in zip(found, narrow, strict=True)]


def _accesses(graph: Graph, params: set[Buffer]) -> dict[Buffer, list[tuple[Expr, Tensor]]]:
    found: dict[Buffer, list[tuple[Expr, Tensor]]] = {}

    def note(expr: Expr, tensor: Tensor) -> Expr:
        for index, reader in reads_under_guards(expr, tensor, params):
            found.setdefault(index.source, []).append((index.indices[0], reader))
        return expr

    graph.rewrite(note)
    for output in graph.outputs:
        found.setdefault(output.param, []).append((output.index, output.tensor))
    return found


def reads_under_guards(
    expr: Expr, tensor: Tensor, params: set[Buffer]
) -> list[tuple[Expr, Tensor]]:
    """Reads of parameters, each with the tensor whose guard includes the choices around it."""
    return [
        (load, replace(tensor, guard=(*tensor.guard, *tests)))
        for load, tests in guarded_loads(expr, ())
        if load.source in params
    ]


def guarded_loads(expr: Expr, tests: tuple[Expr, ...] = ()) -> list[tuple[Expr, tuple[Expr, ...]]]:
    """The reads in an expression, each with the tests of the choices that it stands in."""
    from .tensors import is_choice

    if isinstance(expr, tir.Load):
        inner = [found for index in expr.indices for found in guarded_loads(index, tests)]
        return [*inner, (expr, tests)]
    if is_choice(expr):
        test, then, other = expr.args
        return [
            *guarded_loads(test, tests),
            *guarded_loads(then, (*tests, test)),
            *guarded_loads(other, (*tests, tirx.Not(test))),
        ]
    found = []
    for child in _children(expr):
        found += guarded_loads(child, tests)
    return found


def _children(expr: Expr) -> list[Expr]:
    for names in (("a", "b"), ("condition", "true_value", "false_value"), ("value",), ("args",)):
        if all(hasattr(expr, name) for name in names):
            parts: list[Expr] = []
            for name in names:
                part = getattr(expr, name)
                parts += list(part) if name == "args" else [part]
            return [part for part in parts if isinstance(part, tirx.Expr)]
    if isinstance(expr, tirx.Not):
        return [expr.a]
    return []


def _candidates(
    buffer: Buffer, declared: tuple[int, ...], accesses: list[tuple[Expr, Tensor]]
) -> list[tuple[int, ...]]:
    """Shapes to try: the caller's, then those the strides speak of, finest first."""
    size = int(buffer.shape[0])
    shapes: list[tuple[int, ...]] = [declared] if len(declared) > 1 else []
    coefficients: set[int] = set()
    for index, tensor in accesses:
        variables = [var for var, _ in tensor.all_axes]
        found = None if tir.has_load(index) else linear(index, variables)
        if found is not None:
            coefficients |= {abs(c) for c in found[0] if c}
        else:  # what comes from memory, or from a minimum, has a factor too
            coefficients |= {abs(c) for c, _ in affine(index)[0]}
    # A longest chain of divisors, from the size down to 1.
    chain = [1]
    for stride in sorted(coefficients):
        if stride > chain[-1] and stride % chain[-1] == 0 and size % stride == 0 and stride < size:
            chain.append(stride)
    inner = chain[1:][-10:]
    for count in range(len(inner), 0, -1):  # finest first
        for kept in combinations(inner, count):
            ladder = [size, *reversed(kept), 1]
            shapes.append(tuple(a // b for a, b in pairwise(ladder)))
    return shapes


def _coordinates(index: Expr, shape: tuple[int, ...], tensor: Tensor) -> list[Expr] | None:
    """The digits of a flat index, or `None` where one keeps a division."""
    with knowing(tensor.all_axes, tensor.guard) as analyzer:
        if tir.has_load(index):
            return _spread(index, shape, analyzer)
        before = divisions(index)
        rest: Expr = index
        found: list[Expr] = []
        stride = 1
        for extent in shape:
            stride *= extent
        for extent in shape:
            stride //= extent
            digit, left = quotient(rest, stride, analyzer)
            if divisions(digit) > before or not _within(analyzer, digit, extent):
                digit, rest = _by_coefficients(index, shape, tensor, analyzer, len(found))
                if digit is None:
                    return None
            else:
                rest = left
            found.append(digit)
    return found


def _spread(index: Expr, shape: tuple[int, ...], analyzer: Any) -> list[Expr] | None:
    """The coordinates of an index from memory, of which memory gives the first one alone.

    256*target[t] + c, c < 256   ->   target[t], c
    """
    terms, rest = affine(index)
    found: list[Expr] = []
    stride = 1
    for extent in shape:
        stride *= extent
    for position, extent in enumerate(shape):
        stride //= extent
        own = [(c // stride, atom) for c, atom in terms if c % stride == 0]
        terms = [(c, atom) for c, atom in terms if c % stride]
        digit: Expr = tir.const(rest // stride, "int32")
        rest %= stride
        for c, atom in own:
            wide = tir.dtype_of(atom) == "int64" and tir.dtype_of(digit) == "int32"
            digit = (tirx.Cast("int64", digit) if wide else digit) + atom * c
        if position and (tir.has_load(digit) or not _within(analyzer, digit, extent)):
            return None
        found.append(analyzer.simplify(digit))
    return found if not terms else None


def _within(analyzer: Any, digit: Expr, extent: int) -> bool:
    low, high = tir.bounds(analyzer, digit)
    if low >= 0 and high < extent:
        return True
    return bool(analyzer.can_prove(digit >= 0) and analyzer.can_prove(digit < extent))


def _by_coefficients(
    index: Expr, shape: tuple[int, ...], tensor: Tensor, analyzer: Any, position: int
) -> tuple[Expr | None, Expr]:
    """A digit read off the coefficients: needed where a guard, not a range, keeps it in bounds.

    `(i - 1)*500 + (j + 1)` under `1 <= i < 300`: each coefficient belongs to the largest stride
    that divides it, the constant is split to the nearest multiple.
    """
    found = linear(index, [var for var, _ in tensor.all_axes])
    if found is None:
        return None, index
    coefficients, base = found
    constant = tir.as_const(analyzer.simplify(base))
    if constant is None:
        return None, index
    strides: list[int] = []
    stride = 1
    for extent in reversed(shape):
        strides.insert(0, stride)
        stride *= extent
    digits: list[Expr] = []
    left = constant
    variables = [var for var, _ in tensor.all_axes]
    used = [False] * len(variables)
    for k, step in enumerate(strides):
        digit: Expr = tir.const(0, "int32")
        for n, (var, c) in enumerate(zip(variables, coefficients, strict=True)):
            if c and not used[n] and c % step == 0:
                digit = digit + var * (c // step)
                used[n] = True
        share = left if step == 1 else round(left / step)
        left -= share * step
        digit = analyzer.simplify(digit + share)
        if k > 0 and not _within(analyzer, digit, shape[k]):
            return None, index
        if k == 0 and not _within(analyzer, digit, shape[0]):
            return None, index
        digits.append(digit)
    if left or not all(u or not c for u, c in zip(used, coefficients, strict=True)):
        return None, index
    through = zip(digits[: position + 1], strides[: position + 1], strict=True)
    rest = analyzer.simplify(index - sum((d * s for d, s in through), tir.const(0, "int32")))
    return digits[position], rest


__all__ = [
    "coordinates_of",
    "guarded_loads",
    "parameter_shapes",
    "reads_under_guards",
    "simplified",
]
