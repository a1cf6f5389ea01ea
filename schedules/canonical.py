"""Forms of a program that rules and TVM's primitives understand better, tried one after the other.

A raised program says what its source says. Some ways to say it stand in a schedule's way:

    C[i, 0] = f(0, i);  C[i, 1] = f(1, i)   ->   C[i, c] = f(c, i)       the parts of a result
    i < 96: C[i] = f(i);  C[96 + j] = f(96 + j), j < 3    ->    i < 99: C[i] = f(i)
    where(16 * i + j < 100): O[16 * i + j]  ->   O[u], u < 100           a guard across two axes
    where(j <= i): S[i, j] += f(i, j)       ->   S[i, j] += j <= i ? f(i, j) : 0
    O[i, 7] += A[i, k]                      ->   S[i] += A[i, k];  O[i, 7] = S[i]
    O[i, j] += f(A[i, k]) * B[k, j]         ->   F[i, k] = f(A[i, k]);  O[i, j] += F[i, k] * B[k, j]
    v[20 * i + j] beside v[k]               ->   one axis, or two, in both  if all else is declined

`forms` gives the program in the forms to try. Each form computes what the program computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir

from .analysis import collect
from .digits import digits_of, equal, flat_as_others, joined, simplified, size_of, with_digits_apart
from .in_place import join_updates, split_all
from .nests import Iterators, Nest, Part, parts_of, program_of, with_regions


def forms(mod: tvm.IRModule) -> Iterator[tvm.IRModule]:
    """The program in the forms to schedule, the most tractable first."""
    given: list[tvm.IRModule] = []
    canonical = _canonical(mod)
    # Most programs are scheduled in the first form: later ones are made when they are asked for.
    later = (lambda: mod, lambda: _flat(canonical), lambda: with_digits_apart(canonical))
    for make in (lambda: canonical, *later):
        form = make()
        if not any(tvm_ffi.structural_equal(form["main"], each["main"]) for each in given):
            given.append(form)
            yield form


def _canonical(mod: tvm.IRModule) -> tvm.IRModule:
    parts = parts_of(mod)
    parts = [_without_guarded_axes(part) for part in _continued(_rolled_up(parts))]
    parts, sums = _summed_apart(parts)
    parts, factors = _factored([_with_plain_borders(part) for part in parts])
    return program_of(mod, [_unguarded(part, mod) for part in parts], [*sums, *factors])


def _flat(mod: tvm.IRModule) -> tvm.IRModule:
    """With one axis where stages disagree on how many make up an index; cheap stages inlined."""
    mod = program_of(mod, flat_as_others(parts_of(mod)))
    return _inlined(mod)


# -- Parts of one result --------------------------------------------------------------------------


def _rolled_up(parts: Sequence[Part]) -> list[Part]:
    """Neighbours that differ in constant indices, by equal steps, become one with one axis more."""
    done: list[Part] = []
    rest = list(parts)
    while rest:
        group = _alike(rest)
        merged = _merged(group) if len(group) > 1 else None
        done.append(rest[0] if merged is None else merged)
        rest = rest[1 if merged is None else len(group) :]
    return done


def _alike(parts: Sequence[Part]) -> list[Nest]:
    """The longest run from the first part on that is the same but for constant indices."""
    first = parts[0]
    if not isinstance(first, Nest) or any(
        load.source.same_as(first.store.buffer) for load in first.loads()
    ):
        return []
    group = [first]
    pattern = _renamed(first, first)
    for other in parts[1:]:
        fits = isinstance(other, Nest) and other.store.buffer.same_as(first.store.buffer)
        if not fits or not _same_axes(first, other):
            break
        again = _renamed(other, first)
        if not all(map(tvm_ffi.structural_equal, pattern, again)) or len(pattern) != len(again):
            break
        group.append(other)
    return group


def _same_axes(one: Nest, two: Nest) -> bool:
    def shape(nest: Nest) -> list[tuple[int, object]]:
        return [(int(each.iter_type), tir.as_const(each.dom.extent)) for each in nest.iterators]

    return shape(one) == shape(two)


def _renamed(nest: Nest, like: Nest) -> list[object]:
    """The nest in the iterators of another, with 0 for each constant index."""
    names = _names(nest.iterators, like.iterators)
    stores = [_with_constants(each, None) for each in nest.body]
    return [tir.substitute(each, names) for each in (nest.guard, *stores)]


def _names(old: Iterators, new: Iterators) -> dict[tirx.Var, tirx.Var]:
    return {a.var: b.var for a, b in zip(old, new, strict=True)}


def _constants(nest: Nest) -> list[int]:
    """The constant indices in the order in which `_with_constants` meets them."""
    found: list[int] = []
    for store in nest.body:
        for indices in (*(load.indices for load in tir.loads(store.value)), store.indices):
            found += [int(index) for index in indices if isinstance(index, tirx.IntImm)]
    return found


def _with_constants(
    store: tirx.BufferStore, values: Iterator[tvm.ir.Expr] | None
) -> tirx.BufferStore:
    """The store with other values for its constant indices; zeros where there are none given."""

    def other(index: tvm.ir.Expr) -> tvm.ir.Expr:
        if not isinstance(index, tirx.IntImm):
            return index
        return tirx.const(0, "int32") if values is None else next(values)

    def load(old: tvm.ir.TensorLoad) -> tvm.ir.TensorLoad:
        return old.source[tuple(other(index) for index in old.indices)]

    value = tir.map_loads(store.value, load)
    return tirx.BufferStore(store.buffer, value, [other(index) for index in store.indices])


def _merged(group: Sequence[Nest]) -> Nest | None:
    first = group[0]
    rows = [_constants(nest) for nest in group]
    steps = [b - a for a, b in zip(rows[0], rows[1], strict=True)]
    for count, row in enumerate(rows):
        if row != [a + count * step for a, step in zip(rows[0], steps, strict=True)]:
            return None
    written = sum(isinstance(index, tirx.IntImm) for index in first.store.indices)
    if not written or not any(steps[-written:]):
        return None  # all would write the same place
    name = first.spatial[-1].var.name if first.spatial else "v"
    part = tirx.IterVar(tvm.ir.Range(0, len(group)), tirx.Var(f"{name}c", "int32"), 0)
    values: Iterator[tvm.ir.Expr] = iter(
        [
            tirx.const(start, "int32") if not step else start + part.var * step
            for start, step in zip(rows[0], steps, strict=True)
        ]
    )
    analyzer = tvm.sym.Analyzer()
    simple = iter([analyzer.simplify(value) for value in values])
    stores = [_with_constants(store, simple) for store in first.body]
    init = stores[0] if first.init is not None else None
    iterators = (*first.spatial, part, *first.reduced)
    merged = replace(first, iterators=iterators, store=stores[-1], init=init, stmt=None)
    return with_regions(merged)


def _continued(parts: Sequence[Part]) -> list[Part]:
    """Neighbours of which the second goes on along an axis where the first ends become one."""
    done: list[Part] = []
    for part in parts:
        last = done[-1] if done else None
        if isinstance(last, Nest) and isinstance(part, Nest):
            longer = _longer(last, part)
            if longer is not None:
                done[-1] = longer
                continue
        done.append(part)
    return done


def _longer(one: Nest, two: Nest) -> Nest | None:
    same_array = one.store.buffer.same_as(two.store.buffer)
    reads_it = any(load.source.same_as(one.store.buffer) for load in one.loads())
    guarded = any(tir.as_const(each.guard) != 1 for each in (one, two))
    if not same_array or reads_it or guarded or len(one.iterators) != len(two.iterators):
        return None
    names = _names(two.iterators, one.iterators)
    analyzer = tvm.sym.Analyzer()
    second = [_simple_store(analyzer, tir.substitute(each, names)) for each in two.body]
    for axis in one.spatial:
        place = one.iterators.index(axis)
        others = [
            tir.as_const(a.dom.extent) == tir.as_const(b.dom.extent)
            for a, b in zip(one.iterators, two.iterators, strict=True)
            if a is not axis
        ]
        if not all(others) or two.iterators[place] not in two.spatial:
            continue
        length = int(axis.dom.extent)
        moved = {axis.var: axis.var + length}
        first = [_simple_store(analyzer, tir.substitute(each, moved)) for each in one.body]
        if len(first) == len(second) and all(map(tvm_ffi.structural_equal, first, second)):
            extent = length + int(two.iterators[place].dom.extent)
            whole = tirx.IterVar(tvm.ir.Range(0, extent), axis.var, axis.iter_type)
            iterators = tuple(whole if each is axis else each for each in one.iterators)
            return replace(one, iterators=iterators, stmt=None)
    return None


def _simple_store(analyzer: tvm.sym.Analyzer, store: tirx.BufferStore) -> tirx.BufferStore:
    indices = [analyzer.simplify(index) for index in store.indices]
    return tirx.BufferStore(store.buffer, simplified(analyzer, store.value), indices)


# -- Axes that make up one index ------------------------------------------------------------------


def _without_guarded_axes(part: Part) -> Part:
    """One axis for those that a guard ties: it then says how long that axis is.

    TVM takes no reduction whose guard ties axes: it cannot say where one of them ends.
    """
    if not isinstance(part, Nest):
        return part
    for index in part.store.indices:
        digits = digits_of(part.spatial, index)
        if digits is None:
            continue
        for test in tir.conjuncts(part.guard):
            limit = tir.as_const(test.b) if isinstance(test, tirx.LT) else None
            if limit is not None and equal(test.a, index):
                rest = [each for each in tir.conjuncts(part.guard) if not each.same_as(test)]
                if all(not tir.uses(each, [digit.var for digit in digits]) for each in rest):
                    whole = min(limit, size_of(digits))
                    return joined(replace(part, guard=tir.conjunction(rest)), digits, whole)
    return part


# -- Reads beyond a border ------------------------------------------------------------------------

PROOF_MS = 300
"""Time for one proof about a border; without one it stays as it is."""


def _with_plain_borders(part: Part) -> Part:
    """Nested cases that give an element, or else one constant, as one question: is it inside?

        t + k < 3 ? (3 <= 64 * b + t + k ? A[e] : 0) : (e < 1000 ? A[e] : 0)
        ->  0 <= e and e < 1000 ? A[e] : 0              where the two always agree

    So do the halos of tiles in shared memory read, of which nothing else is left.
    """
    if not isinstance(part, Nest):
        return part
    analyzer = tvm.sym.Analyzer()
    analyzer.set_z3_timeout_ms(PROOF_MS)
    for each in part.iterators:
        analyzer.bind(each.var, each.dom)

    def plain(node: tvm.ir.Call) -> tvm.ir.Call:
        if not _is_conditional(node) or not any(map(_is_conditional, node.args[1:])):
            return node
        simpler = _inside(node, analyzer)
        return node if simpler is None else simpler

    value = tvm_ffi.structural_map(part.store.value, (tvm.ir.Call, plain), order="post")
    if tvm_ffi.structural_equal(value, part.store.value):
        return part
    store = tirx.BufferStore(part.store.buffer, value, list(part.store.indices))
    return replace(part, store=store, stmt=None)


def _is_conditional(node: tvm.ir.Expr) -> bool:
    return isinstance(node, tvm.ir.Call) and str(getattr(node.op, "name", "")).endswith(
        ".if_then_else"
    )


def _inside(node: tvm.ir.Call, analyzer: tvm.sym.Analyzer) -> tvm.ir.Call | None:
    leaves = [simplified(analyzer, leaf) for leaf in _leaves(node)]
    elements = [leaf for leaf in leaves if isinstance(leaf, tir.Load)]
    others = [leaf for leaf in leaves if not isinstance(leaf, tir.Load)]
    if not elements or not others:
        return None
    element, other = elements[0], others[0]
    alike = all(tvm_ffi.structural_equal(element, each) for each in elements) and all(
        isinstance(each, (tirx.IntImm, tirx.FloatImm)) and tvm_ffi.structural_equal(other, each)
        for each in others
    )
    conditions = _conditions(node)
    if not alike or any(tir.loads(each) for each in (*conditions, *element.indices)):
        return None
    tests = []
    for index, extent in zip(element.indices, element.source.shape, strict=True):
        for test in (tirx.LE(tirx.const(0, "int32"), index), tirx.LT(index, extent)):
            if not analyzer.can_prove(test):
                tests.append(test)
    border = tir.conjunction(tests)
    given = _gives(node)
    strength = tvm.sym.ProofStrength.SYMBOLIC_BOUND
    agree = analyzer.can_prove(tirx.Or(tirx.Not(given), border), strength) and analyzer.can_prove(
        tirx.Or(tirx.Not(border), given), strength
    )
    return tirx.if_then_else(border, element, other) if agree and tests else None


def _leaves(node: tvm.ir.Expr) -> list[tvm.ir.Expr]:
    if not _is_conditional(node):
        return [node]
    return [leaf for side in node.args[1:] for leaf in _leaves(side)]


def _conditions(node: tvm.ir.Expr) -> list[tvm.ir.Expr]:
    if not _is_conditional(node):
        return []
    return [node.args[0], *(each for side in node.args[1:] for each in _conditions(side))]


def _gives(node: tvm.ir.Expr) -> tvm.ir.Expr:
    """Where a conditional gives an element, and no constant."""
    if not _is_conditional(node):
        return tirx.const(isinstance(node, tir.Load), "bool")
    condition, yes, no = node.args[0], _gives(node.args[1]), _gives(node.args[2])
    return tirx.Or(tirx.And(condition, yes), tirx.And(tirx.Not(condition), no))


# -- Guards of intermediates ----------------------------------------------------------------------


def _unguarded(part: Part, mod: tvm.IRModule) -> Part:
    """A guarded intermediate is computed everywhere, from nothing where the guard fails.

    No one reads it there. TVM takes no stage that writes less than its axes span.
    """
    if not isinstance(part, Nest) or tir.as_const(part.guard) == 1:
        return part
    store = part.store
    if any(store.buffer.same_as(param) for param in mod["main"].params):
        return part
    if part.init is None:
        value = tirx.if_then_else(part.guard, store.value, tirx.const(0, store.buffer.dtype))
    else:
        value = _guarded_term(part)
        if value is None:
            return part
    changed = tirx.BufferStore(store.buffer, value, list(store.indices))
    return replace(part, guard=tirx.const(True, "bool"), store=changed, stmt=None)


def _guarded_term(nest: Nest) -> tvm.ir.Expr | None:
    """`acc + term` with the guard around the term; what it starts from changes nothing."""
    value = nest.store.value
    if nest.init is None or tir.loads(nest.init.value):
        return None
    if not isinstance(value, (tirx.Add, tirx.Max, tirx.Min, tirx.Mul)):
        return None
    for kept, term in ((value.a, value.b), (value.b, value.a)):
        if isinstance(kept, tir.Load) and nest.is_own(kept):
            other = tirx.if_then_else(nest.guard, term, nest.init.value)
            return type(value)(kept, other)
    return None


# -- Sums that are a part of a result --------------------------------------------------------------


def _summed_apart(parts: Sequence[Part]) -> tuple[list[Part], list[tirx.Buffer]]:
    """Sums into an array that other stages write to as well, in arrays of their own.

        O[i, 7] += A[i, k]     ->     S[i] += A[i, k];  O[i, 7] = S[i]

    TVM takes a block that accumulates only where it is the one that writes its array.
    """
    done: list[Part] = []
    added: list[tirx.Buffer] = []
    for part in parts:
        if (
            not isinstance(part, Nest)
            or part.init is None
            or not any(each is not part and _stores_to(each, part.store.buffer) for each in parts)
            or any(tir.uses(part.guard, [each.var]) for each in part.reduced)
        ):
            done.append(part)
            continue
        old = part.store.buffer
        shape = [each.dom.extent for each in part.spatial] or [1]
        array = tirx.decl_buffer(shape, old.dtype, f"{part.name}_sum")
        done += _sum_and_store(part, array)
        added.append(array)
    return done, added


def _stores_to(part: Part, array: tirx.Buffer) -> bool:
    if isinstance(part, Nest):
        return bool(part.store.buffer.same_as(array))
    return any(store.buffer.same_as(array) for store in collect(part, tirx.BufferStore))


def _sum_and_store(nest: Nest, array: tirx.Buffer) -> list[Part]:
    inner: list[tvm.ir.Expr] = [each.var for each in nest.spatial] or [tirx.const(0, "int32")]

    def own(load: tvm.ir.TensorLoad) -> tvm.ir.TensorLoad:
        return array[tuple(inner)] if nest.is_own(load) else load

    def into(store: tirx.BufferStore) -> tirx.BufferStore:
        return tirx.BufferStore(array, tir.map_loads(store.value, own), inner)

    summed = replace(
        nest,
        name=str(array.name),
        store=into(nest.store),
        init=None if nest.init is None else into(nest.init),
        stmt=None,
    )
    outside = tuple(
        tirx.IterVar(each.dom, tirx.Var(each.var.name, "int32"), 0) for each in nest.spatial
    )
    names = _names(nest.spatial, outside)
    value = array[tuple(tir.substitute(index, names) for index in inner)]
    place = [tir.substitute(index, names) for index in nest.store.indices]
    stored = replace(
        nest,
        iterators=outside,
        guard=tir.substitute(nest.guard, names),
        store=tirx.BufferStore(nest.store.buffer, value, place),
        init=None,
        stmt=None,
    )
    return [with_regions(summed), with_regions(stored)]


# -- Factors of a sum of products -----------------------------------------------------------------


def _factored(parts: Sequence[Part]) -> tuple[list[Part], list[tirx.Buffer]]:
    """Factors that are worked out of elements, for fewer axes than the sum has, as stages.

        O[i, j] += exp(S[i, k]) / T[i] * V[k, j]    ->    F[i, k] = exp(S[i, k]) / T[i]
                                                          O[i, j] += F[i, k] * V[k, j]

    Rules inline what is cheap and keep what is not. What is left is a sum of products of elements.
    """
    done: list[Part] = []
    added: list[tirx.Buffer] = []
    for part in parts:
        split = _with_factors(part) if isinstance(part, Nest) else None
        if split is None:
            done.append(part)
            continue
        done += split[0]
        added += split[1]
    return done, added


def _with_factors(nest: Nest) -> tuple[list[Part], list[tirx.Buffer]] | None:
    term = _term(nest)
    if nest.init is None or tir.as_const(nest.guard) != 1 or term is None:
        return None
    made = _Factors(nest)
    changed = made.term(term[1], [])
    if not made.stages:
        return None
    store = nest.store
    value = type(store.value)(term[0], changed)
    store = tirx.BufferStore(store.buffer, value, list(store.indices))
    summed = with_regions(replace(nest, store=store, stmt=None))
    return [*made.stages, summed], made.arrays


def _term(nest: Nest) -> tuple[tvm.ir.Expr, tvm.ir.Expr] | None:
    """The accumulator and what is added to it."""
    value = nest.store.value
    if isinstance(value, tirx.Add):
        for kept, added in ((value.a, value.b), (value.b, value.a)):
            if isinstance(kept, tir.Load) and nest.is_own(kept):
                return kept, added
    return None


class _Factors:
    """Takes factors out of the term of one sum."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.stages: list[Part] = []
        self.arrays: list[tirx.Buffer] = []

    def term(self, term: tvm.ir.Expr, asked: list[tvm.ir.Expr]) -> tvm.ir.Expr:
        """The term with elements for its factors; `asked` are the conditions that it is under."""
        if _is_zero_case(term):
            condition, inner, zero = term.args
            changed = self.term(inner, [*asked, condition])
            return tirx.if_then_else(condition, changed, zero)
        if not isinstance(term, tirx.Mul):
            return term
        return tirx.Mul(self.factor(term.a, asked), self.factor(term.b, asked))

    def factor(self, factor: tvm.ir.Expr, asked: list[tvm.ir.Expr]) -> tvm.ir.Expr:
        plain = factor
        while isinstance(plain, tirx.Cast):
            plain = plain.value
        loads = tir.loads(factor)
        array = self.nest.store.buffer
        if isinstance(plain, tir.Load) or not loads:
            return factor
        if any(load.source.same_as(array) for load in loads):
            return factor
        used = [
            each
            for each in self.nest.iterators
            if any(tir.uses(expr, [each.var]) for expr in (factor, *asked))
        ]
        if not used or len(used) == len(self.nest.iterators):
            return factor
        if isinstance(factor, tirx.Cast) and _is_wider(factor):
            # The stage keeps its elements narrow.
            return tirx.Cast(tir.dtype_of(factor), self._stage(factor.value, asked, tuple(used)))
        return self._stage(factor, asked, tuple(used))

    def _stage(self, factor: tvm.ir.Expr, asked: list[tvm.ir.Expr], used: Iterators) -> tvm.ir.Expr:
        name = f"{self.nest.name}_factor" + (f"_{len(self.arrays)}" if self.arrays else "")
        dtype = tir.dtype_of(factor)
        array = tirx.decl_buffer([each.dom.extent for each in used], dtype, name)
        own = tuple(tirx.IterVar(each.dom, tirx.Var(each.var.name, "int32"), 0) for each in used)
        value = factor
        if asked:
            value = tirx.if_then_else(tir.conjunction(asked), factor, tirx.const(0, dtype))
        value = tir.substitute(value, _names(used, own))
        store = tirx.BufferStore(array, value, [each.var for each in own])
        free = tirx.const(True, "bool")
        self.stages.append(with_regions(Nest(own, free, store, None, (), (), name, None)))
        self.arrays.append(array)
        return array[tuple(each.var for each in used)]


def _is_wider(cast: tirx.Cast) -> bool:
    """Whether a conversion keeps every value, so that it may be done later."""
    source, target = (tvm.DataType(tir.dtype_of(each)) for each in (cast.value, cast))
    kinds = (str(source).rstrip("0123456789"), str(target).rstrip("0123456789"))
    same = kinds in (("int", "int"), ("uint", "uint"), ("uint", "int"), ("float", "float"))
    return same and target.bits > source.bits


def _is_zero_case(term: tvm.ir.Expr) -> bool:
    """Whether a conditional gives zero where its condition fails."""
    other = term.args[2] if _is_conditional(term) else None
    return isinstance(other, (tirx.IntImm, tirx.FloatImm)) and float(other.value) == 0.0


# -- Inlining beside updates in place -------------------------------------------------------------


def _inlined(mod: tvm.IRModule) -> tvm.IRModule:
    """With elementwise intermediates inlined where nothing is written that they are made of.

    TVM inlines nothing in a program in which one stage writes what an earlier one read. Here such
    arrays go by two names for as long as it takes, and whatever reads one of them stays put.
    """
    from .base import fresh
    from .steps import inline_injective

    split = split_all(mod)
    if not split.pairs:
        return mod
    sch = fresh(split.mod)
    with suppress(s_tir.ScheduleError, tvm.error.InternalError):
        inline_injective(sch, [before for before, _ in split.pairs], tables=True)
    return join_updates(sch.mod, split)
