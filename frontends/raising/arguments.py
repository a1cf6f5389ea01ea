"""Where an extremum stands: pairs of a value and its place, as two reductions.

    c = v[t + s] > v[t] or (v[t + s] == v[t] and i[t + s] < i[t])
    w[t] = c ? v[t + s] : v[t]      ->   w[t] = max(j < 2) v[t + s*j]
    k[t] = c ? i[t + s] : i[t]      ->   k[t] = min(j < 2) (v[t + s*j] == w[t] ? i[t + s*j] : none)

and a tree of those, as one over all its leaves:

    w[t] = max(j) v[t, j],  v[t, j] = max(k) x[t, j, k]
    i[t, j] = min(k) (x[t, j, k] == v[t, j] ? p : none)
    min(j) (v[t, j] == w[t] ? i[t, j] : none)   ->   min(j, k) (x[t, j, k] == w[t] ? p : none)

By induction over the tree, each element of it holds the maximum over its leaves and the least place
of those leaves that equal it. It holds for one step, as the greater value's place is taken, and the
lesser place where both are equal. It holds for two, one on top of the other, as an x that equals w
also equals the v between, which is no less than x and no greater than w. So it does not matter in
which order, or how often, the elements come together.

    i[j] = f[j] != none ? f[j] : a,  v[j] = max(b, max(k) x[j, k])

is what a loop leaves that starts from a value b and a place a: if w is beyond b, so is each v that
equals it, which has a place; if not, no element is, and a is what all of them have. Where there is
no b, and some element for certain, there is a place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Expr, Var

from .accumulation import choice_sides
from .endless import Element, without_infinities
from .extrema import unguarded
from .pairs import with_pairs
from .places import chosen
from .reductions import points_in
from .tensors import (
    IDENTITY,
    Axis,
    Graph,
    Reduction,
    Tensor,
    combine,
    is_identity,
    knowing,
    resimplified,
    simplified,
)


def find_arguments(graph: Graph) -> Graph:
    """The graph with steps of trees over pairs as reductions, and these joined."""
    graph = with_pairs(without_infinities(graph))
    return _joined(graph).live()


# -- Steps on top of each other -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Argument:
    """`op` over `axes` of the `place`s where `term` equals `whole` and the `others` hold."""

    op: str
    axes: tuple[Axis, ...]
    term: Expr
    whole: Expr
    others: tuple[Expr, ...]
    place: Expr
    none: Expr

    @property
    def dtype(self) -> str:
        """The type of what is compared."""
        return tir.dtype_of(self.term)

    @property
    def value(self) -> Expr:
        return chosen([*self.others, tirx.EQ(self.term, self.whole)], self.place, self.none)

    def at(self, point: Mapping[Var, Expr]) -> Argument:
        """The argument at a point of its tensor, over axes of its own."""
        fresh = {var: tirx.Var(var.name, "int32") for var, _ in self.axes}
        values = {**point, **fresh}
        return Argument(
            self.op,
            tuple((fresh[var], extent) for var, extent in self.axes),
            tir.substitute(self.term, values),
            tir.substitute(self.whole, values),
            tuple(tir.substitute(test, values) for test in self.others),
            tir.substitute(self.place, values),
            self.none,
        )


def argument_of(tensor: Tensor) -> Argument | None:
    """A tensor as an argument, if it is one."""
    reduction = tensor.reduction
    if reduction is None or reduction.op not in ("min", "max"):
        return None
    tests, place = unguarded(reduction.op, tensor.value)
    variables = [var for var, _ in reduction.axes]
    for number, part in enumerate(tests):
        if isinstance(part, tirx.EQ):
            others = (*tests[:number], *tests[number + 1 :])
            for term, whole in ((part.a, part.b), (part.b, part.a)):
                if tir.has_load(term) and tir.has_load(whole) and not tir.uses(whole, variables):
                    none = reduction.init
                    return Argument(reduction.op, reduction.axes, term, whole, others, place, none)
    return None


@dataclass(frozen=True, eq=False)
class _Extremum:
    """`op(first, load)`, where the load is `op` over `axes` of `term`, where the guards hold."""

    op: str
    axes: tuple[Axis, ...]
    term: Expr
    guards: tuple[Expr, ...]
    load: Expr
    first: Expr | None = None

    def is_over(self, other: _Extremum, value: Expr) -> bool:
        """Whether this is an extremum of others, of which `value` is one."""
        if tir.same(self.term, value):
            return True
        if other.first is None:
            return False
        if self.first is not None and tir.same(self.first, other.first):
            return tir.same(self.term, other.load)
        return tir.same(self.term, combine(self.op, other.first, other.load))

    def simplified(self, change: Callable[[Expr], Expr]) -> _Extremum:
        first = None if self.first is None else change(self.first)
        guards = tuple(map(change, self.guards))
        return replace(
            self, term=change(self.term), load=change(self.load), guards=guards, first=first
        )


class _Joiner:
    def __init__(self, graph: Graph) -> None:
        self.producers = {tensor.buffer: tensor for tensor in graph.tensors}
        self.readers = graph.readers()

    def joined(self, tensor: Tensor) -> list[Tensor]:
        """A tensor with the arguments that its places are read from taken in, last of those that
        it is now made of."""
        made = [tensor]
        while (found := self._once(made[0])) is not None:
            made[:1] = found
        return made

    # ------------------------------------------------------------ one on top of another

    def _once(self, tensor: Tensor) -> list[Tensor] | None:
        outer = argument_of(tensor)
        if outer is None:
            return None
        numbers = self._of_numbers(tensor, outer)
        if numbers is not None:
            return [numbers]
        if not isinstance(outer.place, tir.Load):
            return None
        found = self._inner(outer.place)
        if found is None:
            return None
        producer, inner, start = found
        if points_in(tensor.axes) > points_in(producer.axes) or inner.op != outer.op:
            return None
        with knowing((*tensor.all_axes, *inner.axes), tensor.guard) as analyzer:

            def plain(expr: Expr) -> Expr:
                return simplified(analyzer, expr)

            between, whole = plain(inner.whole), plain(outer.whole)
            if not tir.same(between, plain(outer.term)):
                return None
            below = self.extremum(inner.whole, inner.axes)
            above = self.extremum(outer.whole, outer.axes)
            if below is None or above is None or below.op != above.op:
                return None
            below, above = below.simplified(plain), above.simplified(plain)
            # No x is beyond the v between, and no v beyond w.
            if not tir.same(below.term, plain(inner.term)) or not above.is_over(below, between):
                return None
            guards = tuple(map(plain, inner.others))
            beyond = [test for test in guards if _is_beyond(test, between, below)]
            guards = tuple(test for test in guards if test not in beyond)
            if not _same_tests(guards, below.guards):
                return None
            if start is not None and below.first is not None and not beyond:
                return None
            lasting = [_replaced(test, between, whole) for test in beyond]
            others = (*outer.others, *guards, *lasting)
        axes = (*outer.axes, *inner.axes)
        if start is not None and tir.uses(start, [var for var, _ in outer.axes]):
            return None
        whole_argument = replace(
            inner, axes=axes, term=inner.term, whole=outer.whole, others=others
        )
        reduction = Reduction(outer.op, axes, outer.none)
        if start is None:
            return [resimplified(replace(tensor, value=whole_argument.value, reduction=reduction))]
        shape = [extent for _, extent in tensor.axes] or [1]
        buffer = tirx.decl_buffer(shape, tensor.buffer.dtype, tensor.buffer.name)
        made = replace(tensor, buffer=buffer, value=whole_argument.value, reduction=reduction)
        at = buffer[tuple(var for var, _ in tensor.axes) or (tir.const(0, "int32"),)]
        value = tirx.if_then_else(tirx.NE(at, outer.none), at, start)
        return [resimplified(made), replace(tensor, value=value, reduction=None)]

    def _of_numbers(self, tensor: Tensor, argument: Argument) -> Tensor | None:
        """An argument without the elements that are filled up with infinities."""
        over = self.extremum(argument.whole, argument.axes)
        if over is None:
            return None
        found = Element(over.op, argument.term, argument.place).of_numbers()
        if found is None:
            return None
        others = (*argument.others, *found.guards)
        changed = replace(argument, term=found.term, place=found.place, others=others)
        return resimplified(replace(tensor, value=changed.value))

    def _inner(self, place: Expr) -> tuple[Tensor, Argument, Expr | None] | None:
        """The argument that a place is read from, and what stands for none."""
        producer = self.producers.get(place.source)
        if producer is None or self.readers.get(place.source, 0) != 1:
            return None
        point = dict(zip((var for var, _ in producer.axes), place.indices, strict=False))
        start = None
        if producer.plain:
            found = found_or(producer.value)
            source = None if found is None else self.producers.get(found[0].source)
            if found is None or source is None or self.readers.get(source.buffer, 0) != 2:
                return None
            load, start = found
            start = tir.substitute(start, point)
            indices = [tir.substitute(index, point) for index in load.indices]
            point = dict(zip((var for var, _ in source.axes), indices, strict=False))
            inner = argument_of(source)
        else:
            inner = argument_of(producer)
        return None if inner is None else (producer, inner.at(point), start)

    # ------------------------------------------------------------ extrema

    def extremum(self, expr: Expr, axes: tuple[Axis, ...]) -> _Extremum | None:
        """An expression as an extremum over `axes`, in this order."""
        for op, kind in (("max", tirx.Max), ("min", tirx.Min)):
            if isinstance(expr, kind):
                for first, rest in ((expr.a, expr.b), (expr.b, expr.a)):
                    found = self.extremum(rest, axes)
                    if found is not None and found.op == op and found.first is None:
                        uses = tir.uses(first, [var for var, _ in axes])
                        return None if uses else replace(found, first=first)
                return None
        producer = self.producers.get(expr.source) if isinstance(expr, tir.Load) else None
        if producer is None or producer.recurrence is not None:
            return None
        point = dict(zip((var for var, _ in producer.axes), expr.indices, strict=False))
        reduction = producer.reduction
        if reduction is None:
            return self.extremum(tir.substitute(producer.value, point), axes)
        if reduction.op not in ("min", "max") or not is_identity(reduction.op, reduction.init):
            return None
        if [extent for _, extent in reduction.axes] != [extent for _, extent in axes]:
            return None
        own = {old: var for (old, _), (var, _) in zip(reduction.axes, axes, strict=True)}
        term = tir.substitute(producer.value, {**point, **own})
        guards, term = unguarded(reduction.op, term)
        return _Extremum(reduction.op, axes, term, guards, expr)

    # ------------------------------------------------------------ places for certain

    def certain(self, expr: Expr, _: Tensor) -> Expr:
        """`f != none ? f : a` as f, where an element equals the extremum for certain."""
        found = found_or(expr)
        producer = None if found is None else self.producers.get(found[0].source)
        argument = None if producer is None else argument_of(producer)
        if found is None or producer is None or argument is None:
            return expr
        over = self.extremum(argument.whole, argument.axes)
        if over is None or over.first is not None:
            return expr
        with knowing(producer.all_axes, producer.guard) as analyzer:

            def plain(test: Expr) -> Expr:
                return simplified(analyzer, test)

            same = tir.same(plain(over.term), plain(argument.term))
            if not same or not _same_tests(map(plain, argument.others), map(plain, over.guards)):
                return expr
            start = {var: tir.const(0, "int32") for var, _ in argument.axes}
            there = [analyzer.simplify(tir.substitute(test, start)) for test in over.guards]
        return found[0] if all(tir.as_const(test) == 1 for test in there) else expr


def _joined(graph: Graph) -> Graph:
    joiner = _Joiner(graph)
    tensors: list[Tensor] = []
    for tensor in graph.tensors:
        made = joiner.joined(tensor)
        tensors += made
        joiner.producers |= {one.buffer: one for one in made}
    outputs = []
    for output in graph.outputs:
        *before, last = joiner.joined(output.tensor)
        tensors += before
        joiner.producers |= {one.buffer: one for one in before}
        outputs.append(replace(output, tensor=last))
    graph = Graph(tuple(tensors), tuple(outputs))
    return graph.rewrite(joiner.certain)


def found_or(expr: Expr) -> tuple[Expr, Expr] | None:
    """`(f, a)` of `f != none ? f : a`, where f is an element."""
    sides = choice_sides(expr)
    if sides is None:
        return None
    test, then, other = sides
    if isinstance(test, tirx.EQ):
        then, other = other, then
    elif not isinstance(test, tirx.NE):
        return None
    if not isinstance(then, tir.Load) or not tir.same(test.a, then):
        return None
    dtype = tir.dtype_of(then)
    nothing = [IDENTITY[op](dtype) for op in ("min", "max")]
    return (then, other) if any(tir.same(test.b, none) for none in nothing) else None


def _is_beyond(test: Expr, whole: Expr, over: _Extremum) -> bool:
    """Whether a test says that the extremum is not its first value, or not the end of its type."""
    kind, turned = (tirx.GT, tirx.LT) if over.op == "max" else (tirx.LT, tirx.GT)
    if not isinstance(test, (kind, turned)):
        return False
    for one, other, order in ((test.a, test.b, kind), (test.b, test.a, turned)):
        if not isinstance(test, order) or not tir.same(one, whole):
            continue
        if over.first is None:
            return is_identity(over.op, other)
        return bool(tir.same(other, over.first))
    return False


def _same_tests(left: Iterable[Expr], right: Iterable[Expr]) -> bool:
    """Whether both hold the same tests."""
    one, two = list(left), list(right)
    return all(any(tir.same(a, b) for b in two) for a in one) and all(
        any(tir.same(a, b) for a in one) for b in two
    )


def _replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    return tvm_ffi.structural_map(
        expr, (type(old), lambda node: new if tir.same(node, old) else node), order="pre"
    )
