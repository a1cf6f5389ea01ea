"""The functional form between loops and SBlocks: tensors defined over their own axes.

A `Tensor` is what one store of the program computes, as a function of the loops around it; where
the program reads an array, the functional form reads the tensor whose store reached that read.
Array layouts, staging, barriers and thread ids are gone, so every pass below is a rewrite of
expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.tirx import FloorDiv, FloorMod

from xpiler_tvm import tir
from xpiler_tvm.comparisons import undivided
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Buffer, Expr, Var

from ..program import Body, Loop, expressions, map_body, statements
from .invert import Axis, fixed_digits
from .recombine import recombined


@dataclass(frozen=True, eq=False)
class Reduction:
    """`op` (`+ * max min`) over `axes`, starting from `init`.

    `rescaled` where the program changes the scale of the sum on its way, see `online`.
    """

    op: str
    axes: tuple[Axis, ...]
    init: Expr
    rescaled: bool = False


@dataclass(frozen=True, eq=False)
class Cell:
    """`buffer[axes]` inside a recurrence: `init` before the first step, `value` at each step.

    A state's `value` reads the states as the step before left them, and becomes visible when the
    step is over. A local has no `init`, and is read by what comes after it in its step.
    """

    buffer: Buffer
    axes: tuple[Axis, ...]
    value: Expr
    init: Expr | None = None


@dataclass(frozen=True, eq=False)
class Recurrence:
    """s = init; for each point of `axes`, in order: s = value(s).

    `locals` come before the states, each after those it reads. An ordered axis may also be one of
    the tensor's own: the tensor then has an element for each step, and none of its own otherwise.

    Steps that are no expressions are a `body` of statements over local memory. Of the tensor's own
    axes, `elements` are those that one run of them gives.
    """

    axes: tuple[Axis, ...]
    states: tuple[Cell, ...]
    locals: tuple[Cell, ...] = ()
    body: Body = ()
    elements: tuple[Axis, ...] = ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        return (*self.locals, *self.states)

    @property
    def variables(self) -> list[Var]:
        """The variables of loops inside, in the order of the steps: ordered ones and elements."""
        inner = (axis for cell in self.cells for axis in cell.axes)
        own = (var for var, _ in (*self.axes, *inner, *self.elements))
        loops = (one.var for one in statements(self.body) if isinstance(one, Loop))
        return list(dict.fromkeys((*own, *loops)))

    def map_cells(self, change: Callable[[Cell], Cell]) -> Recurrence:
        """With `change` of every cell, in the order of `cells`."""
        changed = tuple(map(change, self.cells))
        count = len(self.locals)
        return replace(self, locals=changed[:count], states=changed[count:])


@dataclass(frozen=True, eq=False)
class Tensor:
    """`buffer[axes] = value`, or its reduction, for the points where `guard` holds.

    With a `recurrence`, `value` is over its states as a step, by default the last, left them. One
    that is `kept` has memory of its own also where it could be computed by each reader.
    """

    buffer: Buffer
    axes: tuple[Axis, ...]
    value: Expr
    reduction: Reduction | None
    guard: tuple[Expr, ...]
    span: Span
    recurrence: Recurrence | None = None
    kept: bool = False

    @property
    def all_axes(self) -> tuple[Axis, ...]:
        """The axes of every expression of the tensor, its own first.

        A recurrence may compute more elements of a state than the tensor has: extents are those
        of the state then.
        """
        if self.recurrence is None:
            return (*self.axes, *(self.reduction.axes if self.reduction else ()))
        inner = [axis for cell in self.recurrence.cells for axis in cell.axes]
        most: dict[Var, int] = {}
        for var, extent in (*self.axes, *self.recurrence.axes, *inner):
            most[var] = max(extent, most.get(var, 0))
        return tuple(most.items())

    @property
    def ordered_positions(self) -> list[int]:
        """Which of the tensor's own axes are the steps of its recurrence."""
        ordered = {var for var, _ in self.recurrence.axes} if self.recurrence else set()
        return [k for k, (var, _) in enumerate(self.axes) if var in ordered]

    @property
    def plain(self) -> bool:
        """Whether each element is an expression of its own."""
        return self.reduction is None and self.recurrence is None


@dataclass(frozen=True, eq=False)
class Output:
    """`param[index] = tensor's value` over the tensor's axes; nothing else reads the tensor."""

    param: Buffer
    index: Expr
    tensor: Tensor


@dataclass(frozen=True, eq=False)
class Graph:
    """Tensors in an order in which each comes after those it reads, then the outputs."""

    tensors: tuple[Tensor, ...]
    outputs: tuple[Output, ...]

    def expressions(self) -> Iterator[Expr]:
        """Every expression that may read a tensor."""
        for tensor in (*self.tensors, *(output.tensor for output in self.outputs)):
            yield from parts(tensor)
        for output in self.outputs:
            yield output.index

    def readers(self) -> dict[Buffer, int]:
        """How many reads each buffer has."""
        count: dict[Buffer, int] = {}
        for expr in self.expressions():
            for load in tir.loads(expr):
                count[load.source] = count.get(load.source, 0) + 1
        return count

    def rewrite(self, change: Callable[[Expr, Tensor], Expr]) -> Graph:
        """The graph with `change(expression, its tensor)` in place of every expression."""
        tensors = tuple(rewritten(tensor, change) for tensor in self.tensors)
        outputs = tuple(
            replace(
                output,
                tensor=rewritten(output.tensor, change),
                index=change(output.index, output.tensor),
            )
            for output in self.outputs
        )
        return Graph(tensors, outputs)

    def map_tensors(self, change: Callable[[Tensor], Tensor]) -> Graph:
        tensors = tuple(change(tensor) for tensor in self.tensors)
        outputs = tuple(replace(o, tensor=change(o.tensor)) for o in self.outputs)
        return Graph(tensors, outputs)

    def fingerprint(self) -> tuple[Any, ...]:
        """Equal where a pass changed nothing worth another round."""
        return tuple(
            (
                tensor.buffer.name,
                tuple(extent for _, extent in (*tensor.axes, *tensor.all_axes)),
                str(tensor.value),
                len(tensor.guard),
                str(inner_parts(tensor)) if tensor.recurrence else "",
            )
            for tensor in (*self.tensors, *(output.tensor for output in self.outputs))
        )

    def live(self) -> Graph:
        """Without tensors that nothing reads, directly or through others."""
        needed: set[Buffer] = set()

        def visit(tensor: Tensor) -> None:
            for expr in parts(tensor):
                needed.update(load.source for load in tir.loads(expr))

        for output in self.outputs:
            visit(output.tensor)
            needed.update(load.source for load in tir.loads(output.index))
        kept = []
        for tensor in reversed(self.tensors):
            if tensor.buffer in needed:
                visit(tensor)
                kept.append(tensor)
        return Graph(tuple(reversed(kept)), self.outputs)


def reads_elsewhere(output: Output) -> bool:
    """Whether an output needs old elements of its parameter beside the one it stores: what stores
    those must stay behind it."""
    tensor = output.tensor
    old = [
        load
        for expr in parts(tensor)
        for load in tir.loads(expr)
        if load.source.same_as(output.param)
    ]
    if not old:
        return False
    with knowing(tensor.all_axes, tensor.guard) as analyzer:
        return not all(analyzer.can_prove_equal(load.indices[0], output.index) for load in old)


def parts(tensor: Tensor) -> tuple[Expr, ...]:
    return (tensor.value, *tensor.guard, *inner_parts(tensor))


def inner_parts(tensor: Tensor) -> list[Expr]:
    """What a reduction or recurrence is made of, beside the tensor's value."""
    found: list[Expr] = [tensor.reduction.init] if tensor.reduction else []
    for cell in tensor.recurrence.cells if tensor.recurrence else ():
        found += [cell.value] if cell.init is None else [cell.value, cell.init]
    if tensor.recurrence:
        found += expressions(tensor.recurrence.body)
    return found


def with_inner_parts(tensor: Tensor, exprs: Iterable[Expr]) -> Tensor:
    """The tensor with `exprs` in place of its `inner_parts`."""
    rest = iter(exprs)
    reduction, recurrence = tensor.reduction, tensor.recurrence
    if reduction is not None:
        reduction = replace(reduction, init=next(rest))
    if recurrence is not None:
        recurrence = recurrence.map_cells(
            lambda cell: replace(
                cell, value=next(rest), init=None if cell.init is None else next(rest)
            )
        )
        body = map_body(recurrence.body, lambda _: next(rest))
        recurrence = replace(recurrence, body=body)
    return replace(tensor, reduction=reduction, recurrence=recurrence)


def rewritten(tensor: Tensor, change: Callable[[Expr, Tensor], Expr]) -> Tensor:
    changed = with_inner_parts(tensor, [change(expr, tensor) for expr in inner_parts(tensor)])
    return replace(
        changed,
        value=change(tensor.value, tensor),
        guard=tuple(change(test, tensor) for test in tensor.guard),
    )


def resimplified(tensor: Tensor) -> Tensor:
    """The tensor with its expressions simplified under its guard, and the guard on its own."""
    with knowing(tensor.all_axes) as plain:
        guard = tuple(undivided(plain.simplify(test), plain) for test in tensor.guard)
    guard = tuple(test for test in guard if tir.as_const(test) != 1)
    with knowing(tensor.all_axes, guard) as analyzer:
        value = simplified(analyzer, tensor.value)
        inner = [simplified(analyzer, expr) for expr in inner_parts(tensor)]
    return replace(with_inner_parts(tensor, inner), value=value, guard=guard)


@contextmanager
def knowing(axes: Iterable[Axis], tests: Iterable[Expr] = ()) -> Iterator[Any]:
    """An analyzer that knows the axes' ranges and that the tests hold."""
    axes = list(axes)
    analyzer = tir.analyzer_for(dict(axes))
    with ExitStack() as stack:
        for test in tests:
            assume(stack, test, analyzer, axes)
        yield analyzer


def assume(stack: ExitStack, test: Expr, analyzer: Any, axes: Iterable[Axis]) -> None:
    """Lets an analyzer know, for as long as `stack` is open, that a test holds."""
    axes = list(axes)
    for fact in _facts(test, analyzer):
        if tir.has_load(fact):
            continue
        stack.enter_context(analyzer.constraint_scope(fact))
        for var, value in fixed_digits(fact, axes).items():
            stack.enter_context(analyzer.constraint_scope(tirx.EQ(var, value)))


def _facts(test: Expr, analyzer: Any) -> list[Expr]:
    """A test as facts that bounds analysis uses: `not (a or v == 0)` is `not a` and `v >= 1`."""
    if isinstance(test, tirx.And):
        return _facts(test.a, analyzer) + _facts(test.b, analyzer)
    if not isinstance(test, tirx.Not):
        if isinstance(test, tirx.NE) and not tir.has_load(test):
            return [test, *_beyond_end(test, analyzer)]
        return [test]
    inner = test.a
    if isinstance(inner, tirx.Or):
        return _facts(tirx.Not(inner.a), analyzer) + _facts(tirx.Not(inner.b), analyzer)
    flipped = tir.OPPOSITES.get(type(inner))
    if flipped is None or tir.has_load(inner) or not tir.is_int(inner.a):
        return [test]
    return _facts(flipped(inner.a, inner.b), analyzer)


def negated(test: Expr) -> Expr:
    return test.a if isinstance(test, tirx.Not) else tirx.Not(test)


def _beyond_end(test: Expr, analyzer: Any) -> list[Expr]:
    """`v != n` where n is an end of v's range."""
    low, high = tir.bounds(analyzer, test.a - test.b)
    if low == 0:
        return [test.a > test.b]
    return [test.a < test.b] if high == 0 else []


def simplified(analyzer: Any, expr: Expr) -> Expr:
    """`expr` with its integer parts simplified; floating-point arithmetic is left alone."""

    def short(part: Expr) -> Expr:
        return recombined(analyzer.simplify(part), analyzer)

    if tir.is_int(expr) and not tir.has_load(expr):
        return short(expr)

    def at_load(load: Expr) -> Expr:
        indices = [index if tir.has_load(index) else short(index) for index in load.indices]
        return load.source[tuple(indices)]

    expr = _integers_simplified(analyzer, tir.map_loads(expr, at_load))

    def at_choice(call: Expr) -> Expr:
        if not is_choice(call) or tir.has_load(call.args[0]):
            return call
        test = undivided(short(call.args[0]), analyzer)
        known = tir.as_const(test)
        if known is not None:
            return call.args[1] if known else call.args[2]
        return tirx.if_then_else(test, call.args[1], call.args[2])

    expr = tvm_ffi.structural_map(expr, (tvm.ir.Call, at_choice), order="post")

    def at_select(node: Expr) -> Expr:
        if tir.has_load(node.condition):
            return node
        known = tir.as_const(analyzer.simplify(node.condition))
        if known is not None:
            return node.true_value if known else node.false_value
        return node

    return tvm_ffi.structural_map(expr, (tirx.Select, at_select), order="post")


MOST_CHOICES = 200  # in one expression


def is_choice(expr: Expr) -> bool:
    """Whether an expression is an `if_then_else`."""
    return isinstance(expr, tvm.ir.Call) and getattr(expr.op, "name", "") == "prim.if_then_else"


def outermost_choices(expr: Expr) -> list[Expr]:
    """The `if_then_else`s of an expression that stand in no other; none of an expression that holds
    too many to be worth a look."""
    found = _choices(expr)
    if len(found) > MOST_CHOICES:
        return []
    inner = [c for choice in found for arg in choice.args for c in _choices(arg)]
    return [c for c in found if not any(c.same_as(other) for other in inner)]


def _choices(expr: Expr) -> list[Expr]:
    found: list[Expr] = []

    def visit(node: Expr) -> None:
        if is_choice(node):
            found.append(node)

    tvm_ffi.structural_walk(expr, [(tvm.ir.Call, visit)], order="pre")
    return found


def replace_choices(expr: Expr, choices: list[Expr], places: list[Var]) -> Expr:
    """`expr` with the i-th place in place of the i-th choice."""

    def change(node: Expr) -> Expr:
        for choice, place in zip(choices, places, strict=True):
            if node.same_as(choice):
                return place
        return node

    return tvm_ffi.structural_map(expr, (tvm.ir.Call, change), order="pre")


def lift_choices(expr: Expr) -> Expr:
    """`a[c ? i : j]` as `c ? a[i] : a[j]`, so that each read has one place."""

    def change(load: Expr) -> Expr:
        for position, index in enumerate(load.indices):
            selects: list[Expr] = []
            tvm_ffi.structural_walk(index, [(tirx.Select, selects.append)], order="pre")
            if selects and not tir.has_load(selects[0].condition):
                chosen = selects[0]
                sides = []
                for value in (chosen.true_value, chosen.false_value):

                    def pick(node: Expr, value: Expr = value, chosen: Expr = chosen) -> Expr:
                        return value if node.same_as(chosen) else node

                    side = tvm_ffi.structural_map(index, (tirx.Select, pick), order="post")
                    indices = [*load.indices[:position], side, *load.indices[position + 1 :]]
                    sides.append(change(load.source[tuple(indices)]))
                return tirx.if_then_else(chosen.condition, *sides)
        return load

    return tir.map_loads(expr, change)


def _integers_simplified(analyzer: Any, expr: Expr) -> Expr:
    """Integer arithmetic beside a memory read, as in `labels[i] == f//8*8 + f%8`."""
    if not divisions(expr):
        return expr

    def change(node: Expr) -> Expr:
        plain = tir.is_int(node) and not tir.has_load(node)
        return analyzer.simplify(node) if plain else node

    for kind in (tirx.Add, tirx.Sub, FloorMod, FloorDiv):
        expr = tvm_ffi.structural_map(expr, (kind, change), order="post")
    return expr


def divisions(expr: Expr) -> int:
    """How many integer divisions and remainders an expression has."""
    count = 0

    def visit(_: Expr) -> None:
        nonlocal count
        count += 1

    kinds = (FloorDiv, FloorMod, tirx.Mod)
    tvm_ffi.structural_walk(expr, [(kind, visit) for kind in kinds], order="pre")
    return count


IDENTITY: dict[str, Callable[[str], Expr]] = {
    "+": lambda dtype: tir.const(0, dtype),
    "*": lambda dtype: tir.const(1, dtype),
    "max": tirx.min_value,
    "min": tirx.max_value,
}


def combine(op: str, left: Expr, right: Expr) -> Expr:
    if op == "+":
        return left + right
    if op == "*":
        return left * right
    return tirx.max(left, right) if op == "max" else tirx.min(left, right)


def is_identity(op: str, value: Expr) -> bool:
    """Whether a constant changes no result of a reduction that has other terms."""
    if not isinstance(value, (tirx.IntImm, tirx.FloatImm)):
        return False
    identity = float(IDENTITY[op](tir.dtype_of(value)).value)
    if op == "max":
        return float(value.value) <= identity
    return float(value.value) >= identity if op == "min" else float(value.value) == identity
