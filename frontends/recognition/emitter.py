"""Terms as Relax expressions, and a record of the operators that they are made of.

A term is emitted over a row of axes: the result has one dimension for each, of extent one where
the term does not depend on it, so that Relax's broadcasting puts terms together. What a term is
emitted as is up to the rules, one family of operators a file, which are asked in order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tvm import relax

from .affine import Affine, Axis
from .operator import Operator
from .terms import Apply, Const, Index, Indirect, Node, Read, Reduce, Scalar

Value = Any  # a Relax variable
Axes = tuple[Axis, ...]
Rule = Callable[["Emitter", Node, Axes], "Value | None"]

MOST_ELEMENTS = 1 << 26
"""What a value in between may hold."""


class NoEquivalent(Exception):
    """The term has no equivalent here; says what of it has none."""


class Emitter:
    """Emits into the function that `builder` is in. `params` are its tensors, by name."""

    def __init__(
        self, builder: relax.BlockBuilder, params: Mapping[str, Value], rules: Sequence[Rule]
    ) -> None:
        self.builder = builder
        self.params = params
        self.rules = rules
        self.operators: list[Operator] = []
        self._names: dict[Any, str] = {value: name for name, value in params.items()}
        self._made: dict[tuple[str, Axes], Value] = {}
        self._views: dict[tuple[str, frozenset[Any]], tuple[Value, tuple[Any, ...]]] = {}
        self._count = itertools.count()

    # -- Terms

    def emit(self, node: Node, axes: Axes) -> Value:
        """The value of a term over `axes`. Raises `NoEquivalent`."""
        if not node.axes <= set(axes):
            raise NoEquivalent("a term depends on an axis that is bound elsewhere")
        used = tuple(axis if axis in node.axes else Axis("1", 1) for axis in axes)
        if math.prod(axis.extent for axis in used) > MOST_ELEMENTS:
            raise NoEquivalent("a value in between is too large")
        key = node.key, axes
        if key not in self._made:
            self._made[key] = self._emit(node, axes)
        return self._made[key]

    def _emit(self, node: Node, axes: Axes) -> Value:
        if isinstance(node, Const):
            return self._constant(node, [1] * len(axes))
        if isinstance(node, Scalar):
            raise NoEquivalent(f"{node.name!r} is no tensor")
        if isinstance(node, Index):
            return self.index(node, axes)
        if isinstance(node, Read):
            return self.read(node, axes)
        for rule in self.rules:
            value = rule(self, node, axes)
            if value is not None:
                if isinstance(node, Reduce):
                    self._note_origin(value, node.name)
                return self._of_type(value, node.dtype)
        raise NoEquivalent(f"there is no operator for {node.key[:80]}")

    def _of_type(self, value: Value, dtype: str) -> Value:
        given = self.dtype(value)
        if given == dtype:
            return value
        converted = self.op(relax.op.astype(value, dtype))
        self.record("cast", [value], converted, dtype=dtype)
        return converted

    def _constant(self, node: Const, shape: list[int]) -> Value:
        value = relax.const(node.value, node.dtype)
        if math.isfinite(node.value):
            return self.op(relax.op.full(shape, value, node.dtype))
        # TVM fills with finite numbers alone.
        one = self.op(relax.op.ones(shape, node.dtype))
        return self.op(relax.op.multiply(one, value))

    def index(self, node: Index, axes: Axes) -> Value:
        """Positions along axes as numbers."""
        whole = self.emit(Const(node.dtype, node.value.const), axes)
        for place, axis in enumerate(axes):
            factor = node.value.factor(axis)
            if factor:
                steps = self.op(relax.op.arange(0, axis.extent, 1, "int64"))
                steps = self.op(relax.op.multiply(steps, relax.const(factor, "int64")))
                steps = self.op(relax.op.astype(steps, node.dtype))
                shape = [1] * len(axes)
                shape[place] = axis.extent
                whole = self.op(relax.op.add(whole, self.reshaped(steps, shape)))
        return whole

    def read(self, node: Read, axes: Axes) -> Value:
        """Elements of a parameter: reshaped, sliced and permuted, or taken at indices."""
        value, terms = self.view(node)
        order = list(terms)
        for place in range(len(order) - 1, -1, -1):
            digit = order[place]
            if isinstance(digit, Axis):
                continue
            inner = tuple(sorted(digit.value.axes, key=lambda axis: axis.name))
            if any(axis in order for axis in inner):
                return self._taken_flat(node, axes)
            at = self.emit(digit.value, inner)
            # An index that is computed may be one of an element that is not used then.
            mode = "fast" if isinstance(_without_casts(digit.value), Read) else "clip"
            value = self.op(relax.op.take(value, at, axis=place, mode=mode))
            order[place : place + 1] = inner
            self.record("gather", [node.name, self.source(at)], value, axis=place)
        return self.arranged(value, order, axes)

    def view(self, node: Read) -> tuple[Value, tuple[Any, ...]]:
        """The elements of a read over its own axes and indices, by falling stride."""
        key = node.key, frozenset(node.address.factors)
        if key in self._views:
            return self._views[key]
        digits, flat = digits_of(node.address, node.size), self.params[node.name]
        if digits is None:
            # Elements that a test keeps from being used may lie outside.
            flat, digits = self._padded(node)
        terms, shape, begins = digits
        value = self.reshaped(flat, shape)
        extents = [
            term.extent if isinstance(term, Axis) else size if term is not None else 1
            for term, size in zip(terms, shape, strict=True)
        ]
        cut = self.sliced(value, shape, begins, extents)
        if cut is not value:
            self.record("slice", [value], cut, begins=tuple(begins), of=tuple(shape))
        kept = [e for e, term in zip(extents, terms, strict=True) if term is not None]
        order = tuple(term for term in terms if term is not None)
        self._views[key] = self.reshaped(cut, kept), order
        return self._views[key]

    def _padded(self, node: Read) -> tuple[Value, Digits]:
        """A parameter with zeros around it, so that it is an array of some shape."""
        bounds = node.address.bounds()
        digits, before, size = None, 0, 0
        if bounds is not None:
            before = max(-bounds[0], 0)
            step = max(map(abs, node.address.factors.values()), default=1)
            size = -(-(max(bounds[1] + 1, node.size) + before) // step) * step
            digits = digits_of(node.address + before, size)
        if digits is None:
            raise NoEquivalent(f"{node.name!r} is not read as an array of some shape")
        flat = self.reshaped(self.params[node.name], [node.size])
        widths = [before, size - before - node.size]
        padded = self.op(relax.op.nn.pad(flat, widths))
        self.record("pad", [flat], padded, widths=tuple(widths))
        return padded, digits

    def _taken_flat(self, node: Read, axes: Axes) -> Value:
        """Elements at an index that is computed for each of them."""
        whole = self.emit(Const("int64", node.address.const), axes)
        for term, factor in node.address.factors.items():
            if isinstance(term, Axis):
                part = self.index(Index("int64", Affine({term: factor})), axes)
            else:
                assert isinstance(term, Indirect)
                part = self.op(relax.op.astype(self.emit(term.value, axes), "int64"))
                part = self.op(relax.op.multiply(part, relax.const(factor, "int64")))
            whole = self.op(relax.op.add(whole, part))
        flat = self.reshaped(self.params[node.name], [node.size])
        value = self.op(relax.op.take(flat, whole, axis=0, mode="clip"))
        inputs = [self.source(self.emit(index.value, axes)) for index in node.indices]
        self.record("gather", [node.name, *inputs], value, axis=0)
        return value

    # -- Relax

    def op(self, expr: Any) -> Value:
        return self.builder.emit(expr)

    def shape(self, value: Value) -> list[int]:
        return [int(extent) for extent in value.ty.shape]

    def dtype(self, value: Value) -> str:
        return str(value.ty.dtype)

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        if isinstance(value, relax.Var) and self.shape(value) == list(shape):
            return value
        return self._renamed(self.op(relax.op.reshape(value, list(shape))), value)

    def sliced(
        self, value: Value, shape: Sequence[int], begins: Sequence[int], extents: Sequence[int]
    ) -> Value:
        """`extents` elements from `begins` on, of each dimension."""
        axes = [n for n, size in enumerate(shape) if extents[n] != size]
        if not axes:
            return value
        start = [begins[n] for n in axes]
        end = [begins[n] + extents[n] for n in axes]
        return self._renamed(self.op(relax.op.strided_slice(value, axes, start, end)), value)

    def permuted(self, value: Value, order: Sequence[int]) -> Value:
        if list(order) == sorted(order):
            return value
        return self._renamed(self.op(relax.op.permute_dims(value, list(order))), value)

    def arranged(self, value: Value, order: Sequence[Axis], axes: Axes) -> Value:
        """A value over the axes `order` as one over `axes`."""
        kept = [axis for axis in axes if axis in order]
        value = self.permuted(value, [list(order).index(axis) for axis in kept])
        return self.reshaped(value, [axis.extent if axis in kept else 1 for axis in axes])

    def over(self, node: Node, axes: Axes) -> Value:
        """The value of a term over `axes`, of the full extent along each."""
        value = self.emit(node, axes)
        shape = [axis.extent for axis in axes]
        if self.shape(value) == shape:
            return value
        return self._renamed(self.op(relax.op.broadcast_to(value, shape)), value)

    def grouped(self, node: Node, *groups: Sequence[Axis]) -> Value:
        """The value of a term with one dimension for each group of axes."""
        value = self.over(node, tuple(axis for group in groups for axis in group))
        return self.reshaped(value, [math.prod(a.extent for a in group) for group in groups])

    def ungrouped(self, value: Value, axes: Axes, *groups: Sequence[Axis]) -> Value:
        """A value with one dimension for each group as one over `axes`."""
        order = [axis for group in groups for axis in group]
        return self.arranged(self.reshaped(value, [a.extent for a in order]), order, axes)

    # -- Operators

    def record(self, name: str, inputs: Sequence[Any], output: Value, **attributes: Any) -> None:
        """Notes that an operator makes `output` of `inputs`, values or names of values."""
        named = tuple(
            one if isinstance(one, str) else self._names.get(one, "constant") for one in inputs
        )
        self._names[output] = f"t{next(self._count)}"
        self.operators.append(Operator(name, attributes, named, self._names[output]))

    def _note_origin(self, value: Value, origin: str) -> None:
        name = self._names.get(value, "")
        for place, one in enumerate(self.operators):
            if one.output == name and not one.origin:
                self.operators[place] = replace(one, origin=origin)

    def name_of(self, value: Value) -> str:
        return self._names.get(value, "")

    def source(self, value: Value) -> str:
        """The name of a value, or of what it is converted from."""
        name = self._names.get(value, "constant")
        casts = {one.output: one.inputs[0] for one in self.operators if one.name == "cast"}
        while name in casts:
            name = casts[name]
        return name

    def _renamed(self, value: Value, origin: Value) -> Value:
        """`value` is `origin` in another shape and goes by its name."""
        if origin in self._names:
            self._names.setdefault(value, self._names[origin])
        return value


def _without_casts(node: Node) -> Node:
    while isinstance(node, Apply) and node.name == "cast":
        node = node.args[0]
    return node


Digits = tuple[list[Any], list[int], list[int]]


def digits_of(address: Affine, size: int) -> Digits | None:
    """The shape in which an address has one dimension for each axis: what indexes each dimension
    (`None` for a fixed one), its extent, and where the axis begins."""
    terms = sorted(address.factors, key=lambda term: -address.factors[term])
    factors = [address.factors[term] for term in terms]
    if any(factor <= 0 for factor in factors) or address.const < 0:
        return None
    found: list[Any] = []
    shape, begins = [], []
    outer, const = size, address.const
    for term, factor in zip(terms, factors, strict=True):
        extent, left = divmod(outer, factor)
        begin = const // factor
        reach = term.extent if isinstance(term, Axis) else extent
        if left or begin + reach > extent:
            return None
        found.append(term)
        shape.append(extent)
        begins.append(begin)
        outer, const = factor, const % factor
    if outer > 1:
        if const >= outer:
            return None
        found.append(None)
        shape.append(outer)
        begins.append(const)
    return found, shape, begins
