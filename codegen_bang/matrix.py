"""Nests that are products of matrices or convolutions: the forms that the matrix unit computes.

for i: for g: for l: for k:                                       l < 64, columns g * 64 + l
    C[i*n + g*64 + l] += A[i*d + k] * W[l*(n/64)*d + g*d + k]     W in WRAM, a bank for each l

for y: for x: for g: for l: for r: for q: for k:                  a filter is (r, q, k)
    C[(y*w + x)*n + g*64 + l] += A[((2*y + r)*v + 2*x + q)*c + k] * W[...]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr, TensorLoad

from xpiler_tvm.dialects.bang import LANES
from xpiler_tvm.dialects.bang_matrix import MOST_STRIDE

from .nests import Nest, is_compact, strides


@dataclass(frozen=True)
class Product:
    """`target[rows][columns] += source[rows][depth] * weights`, each from its first element on."""

    target: tirx.Buffer
    source: tirx.Buffer
    weights: tirx.Buffer
    firsts: tuple[Expr, Expr, Expr]
    rows: int
    columns: int
    depth: int

    @property
    def channels(self) -> int:
        """Elements of a pixel."""
        return self.depth

    @property
    def source_size(self) -> int:
        return self.rows * self.depth

    @property
    def image(self) -> str:
        """The same as a convolution of an image of one column with one pixel."""
        return f"{self.depth}, {self.rows}, 1, 1, 1, 1, 1, {self.columns}"


@dataclass(frozen=True)
class Axis:
    """One direction of a convolution: output `i` and tap `k` meet at `stride*i + dilation*k`."""

    outputs: int = 1
    taps: int = 1
    stride: int = 1
    dilation: int = 1

    @property
    def span(self) -> int:
        return (self.outputs - 1) * self.stride + (self.taps - 1) * self.dilation + 1


@dataclass(frozen=True)
class Convolution:
    """`target += source * weights` of an image whose rows have `width` pixels of `channels`."""

    target: tirx.Buffer
    source: tirx.Buffer
    weights: tirx.Buffer
    firsts: tuple[Expr, Expr, Expr]
    vertical: Axis
    horizontal: Axis
    width: int
    channels: int
    columns: int

    @property
    def rows(self) -> int:
        return self.vertical.outputs * self.horizontal.outputs

    @property
    def depth(self) -> int:
        return self.vertical.taps * self.horizontal.taps * self.channels

    @property
    def source_size(self) -> int:
        return self.vertical.span * self.width * self.channels

    @property
    def image(self) -> str:
        """The arguments of `__bang_conv` behind its vectors."""
        down, along = self.vertical, self.horizontal
        numbers = [self.channels, down.span, self.width, down.taps, along.taps]
        numbers += [along.stride, down.stride, self.columns]
        if (along.dilation, down.dilation) != (1, 1):
            numbers += [along.dilation, down.dilation]
        return ", ".join(map(str, numbers))


class _Step(NamedTuple):
    """A loop: its extent, and by how much an iteration moves in each array."""

    extent: int
    target: int
    source: int
    weights: int


@dataclass(frozen=True)
class _Operands:
    """What a nest multiplies and adds, and its loops by what they move in."""

    target: tirx.Buffer
    source: tirx.Buffer
    weights: tirx.Buffer
    firsts: tuple[Expr, Expr, Expr]
    rows: list[_Step]
    columns: list[_Step]
    depth: list[_Step]

    @property
    def filters(self) -> int:
        return _size(self.columns)

    def banked(self, length: int) -> bool:
        """Whether filters of a length lie in their banks, and their results side by side."""
        count = self.filters
        return (
            count % LANES == 0
            and is_compact([(step.extent, step.target) for step in self.columns])
            and all(
                step.weights == _place(step.target, count // LANES, length) for step in self.columns
            )
        )


def contraction(
    nest: Nest, in_wram: Callable[[tirx.Buffer], bool], analyzer: tvm.sym.Analyzer
) -> Product | Convolution | None:
    """What the matrix unit adds to a nest's target, with the operand in WRAM as the weights.

    The target and the source must be compact, the weights lie in their banks.
    """
    found = _operands(nest, in_wram, analyzer)
    return None if found is None else _product(found) or _convolution(found)


def _operands(
    nest: Nest, in_wram: Callable[[tirx.Buffer], bool], analyzer: tvm.sym.Analyzer
) -> _Operands | None:
    store = nest.store
    factors = _factors(store)
    if factors is None or nest.guards:
        return None
    source, weights = factors
    if in_wram(source.source):
        source, weights = weights, source
    if in_wram(source.source) or not in_wram(weights.source):
        return None
    to, of, through = (
        strides(indices, nest.variables, analyzer)
        for indices in (store.indices, source.indices, weights.indices)
    )
    if to is None or of is None or through is None:
        return None
    steps = [
        _Step(*numbers)
        for numbers in zip(nest.extents, to[0], of[0], through[0], strict=True)
        if numbers[0] != 1
    ]
    rows = [step for step in steps if step.target and step.source and not step.weights]
    columns = [step for step in steps if step.target and not step.source and step.weights]
    depth = [step for step in steps if not step.target and step.source and step.weights]
    if len(rows) + len(columns) + len(depth) != len(steps):
        return None
    firsts = (to[1], of[1], through[1])
    return _Operands(store.buffer, source.source, weights.source, firsts, rows, columns, depth)


def _product(found: _Operands) -> Product | None:
    rows, depth = found.rows, found.depth
    m, n, k = _size(rows), found.filters, _size(depth)
    in_order = (
        found.banked(k)
        and is_compact([(k, 1), *((step.extent, step.source) for step in rows)])
        and is_compact([(n, 1), *((step.extent, step.target) for step in rows)])
        and is_compact([(step.extent, step.source) for step in depth])
        and all(step.source == step.weights for step in depth)
        and all(step.source * n == step.target * k for step in rows)
    )
    if not in_order:
        return None
    return Product(found.target, found.source, found.weights, found.firsts, m, n, k)


_ONE = _Step(1, 0, 0, 0)


def _convolution(found: _Operands) -> Convolution | None:
    rows = sorted(found.rows, key=lambda step: -step.target)
    depth = sorted(found.depth, key=lambda step: step.weights)
    channels = 1
    # Taps that lie side by side in both are channels, unless a window begins between them.
    while depth and depth[0].source == depth[0].weights == channels:
        more = channels * depth[0].extent
        if any(step.source % more for step in (*rows, *depth[1:])):
            break
        channels = more
        del depth[0]
    taps = depth[::-1]
    if len(rows) > 2 or len(taps) > 2:
        return None
    for y, x in _in_two(rows):
        for r, q in _in_two(taps):
            convolution = _directed(found, (y, x), (r, q), channels)
            if convolution is not None:
                return convolution
    return None


def _in_two(steps: list[_Step]) -> list[tuple[_Step, _Step]]:
    """The vertical and the horizontal loop; one alone may be either."""
    if len(steps) == 2:
        return [(steps[0], steps[1])]
    (alone,) = steps or [_ONE]
    return [(_ONE, alone), (alone, _ONE)]


def _directed(
    found: _Operands, rows: tuple[_Step, _Step], taps: tuple[_Step, _Step], channels: int
) -> Convolution | None:
    """The convolution with these loops as its directions; `None` where no width fits them."""
    (y, x), (r, q) = rows, taps
    if any(step.source % channels for step in (y, x, r, q)):
        return None

    def axis(row: _Step, tap: _Step, pitch: int) -> Axis:
        stride, dilation = row.source // pitch or 1, tap.source // pitch or 1
        return Axis(row.extent, tap.extent, stride, dilation)

    along = axis(x, q, channels)
    # A row may end with pixels that are too few for one more window.
    for width in range(along.span, along.span + along.stride):
        pitch = width * channels
        if y.source % pitch == 0 and r.source % pitch == 0:
            break
    else:
        return None
    down = axis(y, r, pitch)
    columns = found.filters
    in_order = (
        found.banked(r.extent * q.extent * channels)
        and x.target in (0, columns)
        and y.target in (0, columns * x.extent)
        and q.weights in (0, channels)
        and r.weights in (0, q.extent * channels)
        and max(along.stride, down.stride) <= MOST_STRIDE
    )
    if not in_order:
        return None
    return Convolution(
        found.target,
        found.source,
        found.weights,
        found.firsts,
        down,
        along,
        width,
        channels,
        columns,
    )


def _place(column: int, groups: int, depth: int) -> int:
    """Where in WRAM the weights of a column begin: bank by bank, in each its groups."""
    return (column % LANES * groups + column // LANES) * depth


def _size(group: list[_Step]) -> int:
    return math.prod(step.extent for step in group)


def _factors(store: tirx.BufferStore) -> tuple[TensorLoad, TensorLoad] | None:
    """The elements whose product, both widened first, is added to the stored one."""
    value = store.value
    if not isinstance(value, tirx.Add):
        return None
    for kept, added in ((value.a, value.b), (value.b, value.a)):
        own = (
            isinstance(kept, TensorLoad)
            and kept.source.same_as(store.buffer)
            and tvm_ffi.structural_equal(list(kept.indices), list(store.indices))
        )
        if own and isinstance(added, tirx.Mul):
            left, right = _widened(added.a), _widened(added.b)
            if left is not None and right is not None:
                return left, right
    return None


def _widened(node: Expr) -> TensorLoad | None:
    inner = node.value if isinstance(node, tirx.Cast) else node
    return inner if isinstance(inner, TensorLoad) else None
