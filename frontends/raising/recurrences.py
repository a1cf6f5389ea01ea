"""What a loop carries from one iteration to the next, as recurrences over ordered axes.

    m = a; for t: m = f(m, x[t])      ->    s(-1) = a, s(t) = f(s(t-1), x[t])

A read that may see what an earlier iteration stored reads a `Carried`: what the element holds at
the start of each iteration. Tensors and carried elements that depend on each other in a circle
are the states of one recurrence. A nest of loops, of which only the innermost changes the states,
is one recurrence over all of its iterations.

Axes on which every state depends on itself alone stay spatial, also those of loops inside the
ordered ones: threads between two barriers of a sequential loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Buffer, Expr, Var

from .components import components
from .previous import with_carried
from .refusal import Unraisable
from .tensors import Axis, Cell, Recurrence, Tensor, knowing, parts, simplified


@dataclass(eq=False)
class Carried:
    """What an element holds at the start of each iteration of a loop.

    `buffer` is over the loops around it (`outer`), the loop itself (`axis`) and the axes of the
    element (`inner`), for points where `guard` holds. `first` is what the element holds before the
    loop, `later` what an iteration leaves, both over these axes. Where `is_read_after`, there is
    one point more, for what the last iteration leaves. `span` is the reader's, `loop` the loop's.
    """

    buffer: Buffer
    outer: tuple[Axis, ...]
    axis: Axis
    inner: tuple[Axis, ...]
    guard: tuple[Expr, ...]
    name: str
    span: Span
    loop: Span
    first: Expr | None = None
    later: Expr | None = None
    is_read_after: bool = False

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (*self.outer, self.axis, *self.inner)

    def refusal(self) -> Unraisable:
        reason = f"an iteration of a loop uses {self.name!r} as an earlier one left it"
        return Unraisable(reason, self.span, self.loop)

    @property
    def after(self) -> Expr:
        assert self.later is not None
        return self.later

    @property
    def before(self) -> Expr:
        assert self.first is not None
        return self.first

    def tensor(self, after: Expr | None = None) -> Tensor:
        """The element at the start of each iteration, `after` being what iterations leave."""
        var, extent = self.axis
        axes = (*self.outer, (var, extent + self.is_read_after), *self.inner)
        previous = tir.substitute(self.after if after is None else after, {var: var - 1})
        with knowing(axes, self.guard) as analyzer:
            value = tirx.if_then_else(tirx.EQ(var, 0), self.before, previous)
            value = simplified(analyzer, value)
        return Tensor(self.buffer, axes, value, None, self.guard, self.span)


Node = Tensor | Carried


def solve_recurrences(tensors: Iterable[Tensor], carried: list[Carried]) -> list[Tensor]:
    """The tensors with those of the carried elements, each after those it reads.

    Raises `Unraisable` where a circle is no recurrence of the form above.
    """
    nodes: dict[Buffer, Node] = {tensor.buffer: tensor for tensor in tensors}
    nodes |= {one.buffer: one for one in carried}
    edges = {buffer: [b for b in _reads(node) if b in nodes] for buffer, node in nodes.items()}
    done: list[Tensor] = []
    for group in components(edges):
        found = [nodes[buffer] for buffer in group]
        circular = len(group) > 1 or group[0] in edges[group[0]]
        if circular:
            done += _Circle(found).tensors()
        else:
            done += [one.tensor() if isinstance(one, Carried) else one for one in found]
    return done


def _reads(node: Node) -> list[Buffer]:
    return [load.source for expr in _exprs(node) for load in tir.loads(expr)]


def _exprs(node: Node) -> tuple[Expr, ...]:
    return (node.before, node.after) if isinstance(node, Carried) else parts(node)


@dataclass(eq=False)
class _Circle:
    """Tensors and carried elements that depend on each other."""

    nodes: list[Node]
    ordered: list[Axis] = field(init=False)
    names: dict[Buffer, dict[Var, Expr]] = field(init=False)
    elements: dict[Buffer, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.carried = [node for node in self.nodes if isinstance(node, Carried)]
        tensors = [node for node in self.nodes if isinstance(node, Tensor)]
        self.members = [with_carried(tensor, self.carried) for tensor in tensors]
        self.nodes = [*self.members, *self.carried]
        self.by_buffer: dict[Buffer, Node] = {node.buffer: node for node in self.nodes}
        self.ordered = self._ordered_axes()
        inner = self.ordered[-1][0]
        self.states = [one for one in self.carried if one.axis[0].same_as(inner)]
        self.parents = [one for one in self.carried if not one.axis[0].same_as(inner)]
        self._check()
        self.elements = {}
        self.spatial = self._spatial_axes()
        self.cells = {node.buffer: self._cell_buffer(node) for node in self._inner_nodes()}

    # ------------------------------------------------------------ loops

    def _inner_nodes(self) -> list[Node]:
        """What is computed in each step."""
        return [*self.members, *self.states]

    def _refuse(self) -> Unraisable:
        return self.carried[0].refusal()

    def _ordered_axes(self) -> list[Axis]:
        """The loops that carry, outermost first: each must stand in those before it."""
        found = {one.axis[0]: one for one in self.carried}
        chain = sorted(found.values(), key=lambda one: len(one.outer))
        for number, one in enumerate(chain):
            around = [var for var, _ in one.outer]
            if any(before.axis[0] not in around for before in chain[:number]):
                raise self._refuse()
        return [one.axis for one in chain]

    def _check(self) -> None:
        """That every read within the circle is of the same step, or of the one before."""
        steps = {var for var, _ in self.ordered}
        for node in self._inner_nodes():
            if not steps <= {var for var, _ in node.axes}:
                raise self._refuse()
            if isinstance(node, Tensor) and not node.plain:
                raise self._refuse()
        for node in self._inner_nodes():
            exprs = (node.after,) if isinstance(node, Carried) else parts(node)
            for load in self._inner_loads(exprs):
                target = self.by_buffer[load.source]
                pairs = zip(target.axes, load.indices, strict=True)
                if target in self.parents or any(
                    var in steps and not var.same_as(index) for (var, _), index in pairs
                ):
                    raise self._refuse()
        for one in (*self.states, *self.parents):
            for load in self._inner_loads((one.before,)):
                if not load.same_as(one.before) or not self._hands_on(one):
                    raise self._refuse()

    def _inner_loads(self, exprs: Iterable[Expr]) -> list[Expr]:
        loads = [load for expr in exprs for load in tir.loads(expr)]
        return [load for load in loads if load.source in self.by_buffer]

    def _hands_on(self, one: Carried) -> bool:
        """Whether an iteration of the loop around leaves what `one`'s last iteration leaves."""
        parent = self.by_buffer[one.before.source]
        if not isinstance(parent, Carried) or parent not in self.parents:
            return False
        pairs = zip(parent.axes, one.before.indices, strict=True)
        left = tir.substitute(parent.after, {var: index for (var, _), index in pairs})
        var, extent = one.axis
        end = [tir.const(extent, "int32") if v.same_as(var) else v for v, _ in one.axes]
        if tir.same(left, one.buffer[tuple(end)]):
            return True
        last = tir.substitute(one.after, {var: tir.const(extent - 1, "int32")})
        with knowing(one.axes, one.guard) as analyzer:
            return tir.same(simplified(analyzer, left), simplified(analyzer, last))

    # ------------------------------------------------------------ axes

    def _spatial_axes(self) -> list[Axis]:
        """The axes that every read within the circle keeps, and each node's names for them."""
        steps = {var for var, _ in self.ordered}
        groups = _Groups()
        nodes = self._inner_nodes()
        for node in nodes:
            for var, _ in node.axes:
                if var not in steps:
                    groups.add((node.buffer, var))
        for node in nodes:
            exprs = (node.after,) if isinstance(node, Carried) else parts(node)
            own = {var for var, _ in node.axes} - steps
            for load in self._inner_loads(exprs):
                target = self.by_buffer[load.source]
                for (var, _), index in zip(target.axes, load.indices, strict=True):
                    if var in steps:
                        continue
                    if isinstance(index, tirx.Var) and index in own:
                        groups.join((node.buffer, index), (target.buffer, var))
                    else:
                        groups.spoil((target.buffer, var))
        self.names = {node.buffer: {} for node in nodes}
        spatial: list[Axis] = []
        for group in groups.whole({node.buffer for node in nodes}):
            extents = {
                dict(node.axes)[var]
                for node in self.states
                for buffer, var in group
                if buffer.same_as(node.buffer)
            }
            if len(extents) != 1:
                continue
            fresh = tirx.Var(group[0][1].name, "int32")
            spatial.append((fresh, extents.pop()))
            for buffer, var in group:
                self.names[buffer][var] = fresh
        for node in nodes:
            self.elements[node.buffer] = [
                k
                for k, (var, _) in enumerate(node.axes)
                if var not in steps and var not in self.names[node.buffer]
            ]
        return spatial

    def _element_axes(self, node: Node) -> tuple[Axis, ...]:
        return tuple(node.axes[k] for k in self.elements[node.buffer])

    def _cell_buffer(self, node: Node) -> Buffer:
        shape = [extent for _, extent in self._element_axes(node)] or [1]
        name = node.name if isinstance(node, Carried) else node.buffer.name
        return tirx.decl_buffer(shape, node.buffer.dtype, name, scope="local")

    # ------------------------------------------------------------ cells

    def _step(self, expr: Expr, node: Node) -> Expr:
        """`expr` of a node over the cells and the recurrence's axes."""

        def change(load: Expr) -> Expr:
            target = self.by_buffer.get(load.source)
            if target is None:
                return load
            kept = [load.indices[k] for k in self.elements[target.buffer]]
            return self.cells[target.buffer][tuple(kept) or (tir.const(0, "int32"),)]

        return tir.substitute(tir.map_loads(expr, change), self.names[node.buffer])

    def _guarded(self, node: Node, expr: Expr, known: list[Expr]) -> Expr:
        """`expr`, computed only at the node's points, of which all of `known` are."""
        tests = [self._step(test, node) for test in node.guard]
        tests = [test for test in tests if not any(tir.same(test, other) for other in known)]
        extents = dict(self.spatial)
        for var, extent in node.axes:
            fresh = self.names[node.buffer].get(var)
            if fresh is not None and extents[fresh] > extent:
                tests.append(fresh < extent)
        if not tests:
            return expr
        zero = tir.const(0, tir.dtype_of(expr))
        return tirx.if_then_else(tir.conjunction(tests), expr, zero)

    def _root(self, one: Carried) -> tuple[Expr, dict[Var, Expr]]:
        """What a state holds before the first step, and the way to it from the state's axes."""
        way: dict[Var, Expr] = {}
        while isinstance(one.before, tir.Load):
            parent = self.by_buffer.get(one.before.source)
            if not isinstance(parent, Carried):
                break
            indices = [tir.substitute(index, way) for index in one.before.indices]
            way = {var: index for (var, _), index in zip(parent.axes, indices, strict=True)}
            one = parent
        return one.before, way

    def _recurrence(self, known: list[Expr]) -> Recurrence:
        order = components(
            {
                one.buffer: [
                    load.source
                    for load in self._inner_loads(parts(one))
                    if isinstance(self.by_buffer[load.source], Tensor)
                ]
                for one in self.members
            }
        )
        if any(len(group) > 1 for group in order):
            raise self._refuse()
        by_buffer = {one.buffer: one for one in self.members}
        locals_ = []
        for (buffer,) in order:
            node = by_buffer[buffer]
            value = self._guarded(node, self._step(node.value, node), known)
            locals_.append(Cell(self.cells[buffer], self._element_axes(node), value))
        states = []
        for one in self.states:
            first, way = self._root(one)
            if way:
                first = tir.substitute(first, way)
            elif len(self.ordered) > 1:
                raise self._refuse()
            value = self._guarded(one, self._step(one.after, one), known)
            init = self._guarded(one, self._step(first, one), known)
            axes = self._element_axes(one)
            states.append(Cell(self.cells[one.buffer], axes, value, init))
        return Recurrence(tuple(self.ordered), tuple(states), tuple(locals_))

    # ------------------------------------------------------------ tensors

    def tensors(self) -> list[Tensor]:
        """The circle cut open: recurrences, what reads them in their own loops, and the rest."""
        guards = [[self._step(test, one) for test in one.guard] for one in self.states]
        known = [
            test
            for test in guards[0]
            if all(any(tir.same(test, other) for other in guard) for guard in guards)
        ]
        recurrence = self._recurrence(known)
        if any(tir.uses(test, recurrence.variables) for test in known):
            raise self._refuse()
        done: list[Tensor] = []
        after: dict[Buffer, Expr] = {}
        for one in self.states:
            elements = self._element_axes(one)
            axes = (*self.spatial, *self.ordered, *elements)
            shape = [extent for _, extent in axes]
            buffer = tirx.decl_buffer(shape, one.buffer.dtype, one.name)
            point = tuple(var for var, _ in elements) or (tir.const(0, "int32"),)
            value = self.cells[one.buffer][point]
            done.append(
                Tensor(buffer, axes, value, None, tuple(known), one.span, recurrence=recurrence)
            )
            own = {fresh: var for var, fresh in self.names[one.buffer].items()}
            after[one.buffer] = buffer[tuple(own.get(var, var) for var, _ in axes)]
        rest: list[Tensor] = [one.tensor(after[one.buffer]) for one in self.states]
        rest += [self._outside(member, after) for member in self.members]
        rest += [one.tensor() for one in self.parents]
        return [*done, *_sorted(rest)]

    def _outside(self, member: Tensor, after: dict[Buffer, Expr]) -> Tensor:
        """A member as others see it: the state itself, where it is what each step leaves."""
        for one in self.states:
            load = one.after
            if not isinstance(load, tir.Load) or not load.source.same_as(member.buffer):
                continue
            names = list(load.indices)
            whole = len(set(names)) == len(one.axes) and {v for v, _ in one.axes} == set(names)
            if not whole or any(
                dict(one.axes)[name] != extent
                for name, (_, extent) in zip(names, member.axes, strict=True)
            ):
                continue
            own = {name: var for name, (var, _) in zip(names, member.axes, strict=True)}
            tests = [tir.substitute(test, own) for test in one.guard]
            if not all(any(tir.same(test, held) for held in member.guard) for test in tests):
                continue  # the state is not kept at all the member's points
            return replace(member, value=tir.substitute(after[one.buffer], own))
        return member


def _sorted(tensors: list[Tensor]) -> list[Tensor]:
    """Tensors in an order in which each comes after those it reads."""
    by_buffer = {tensor.buffer: tensor for tensor in tensors}
    edges = {b: [r for r in _reads(t) if r in by_buffer] for b, t in by_buffer.items()}
    return [by_buffer[buffer] for group in components(edges) for buffer in group]


class _Groups:
    """Axes of several nodes that stand for the same coordinate."""

    def __init__(self) -> None:
        self.parent: dict[tuple[Buffer, Var], tuple[Buffer, Var]] = {}
        self.spoiled: set[tuple[Buffer, Var]] = set()

    def add(self, place: tuple[Buffer, Var]) -> None:
        self.parent.setdefault(place, place)

    def find(self, place: tuple[Buffer, Var]) -> tuple[Buffer, Var]:
        while self.parent[place] != place:
            place = self.parent[place]
        return place

    def join(self, left: tuple[Buffer, Var], right: tuple[Buffer, Var]) -> None:
        self.parent[self.find(right)] = self.find(left)

    def spoil(self, place: tuple[Buffer, Var]) -> None:
        self.spoiled.add(place)

    def whole(self, buffers: set[Buffer]) -> list[list[tuple[Buffer, Var]]]:
        """Groups with exactly one axis of each buffer, all of whose reads keep it."""
        groups: dict[tuple[Buffer, Var], list[tuple[Buffer, Var]]] = {}
        for place in self.parent:
            groups.setdefault(self.find(place), []).append(place)
        bad = {self.find(place) for place in self.spoiled}
        return [
            group
            for root, group in groups.items()
            if root not in bad
            and len(group) == len(buffers)
            and {buffer for buffer, _ in group} == buffers
        ]
