"""Axes that are numbers of which other axes are the digits: `20 * i + j` beside `k`.

    v[20 * i + j] beside v[k]              ->   v[k] in both             one axis for the digits
    H[k] = f(k);  O[i, j] = H[20 * i + j]  ->   H[i, j] = f(20 * i + j)  an array by its digits

Stages that disagree on how many axes make up an index share no axis. What they hand to each other
can lie either way; arrays that come from outside lie as they do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import tvm
from tvm import tirx

from xpiler_tvm import tir

from .nests import Iterators, Nest, Part, parts_of, program_of, regions_of, with_regions


def flat_as_others(parts: Sequence[Part]) -> list[Part]:
    """One axis where others index the same array by one axis: `v[20 * i + j]` beside `v[k]`."""
    plain: list[tuple[tirx.Buffer, int]] = []
    for part in parts:
        if not isinstance(part, Nest):
            continue
        for buffer, indices in _accesses(part):
            for place, index in enumerate(indices):
                if any(index.same_as(each.var) for each in part.spatial):
                    plain.append((buffer, place))

    def flat(part: Part) -> Part:
        if not isinstance(part, Nest):
            return part
        for buffer, indices in _accesses(part):
            for place, index in enumerate(indices):
                met = any(buffer.same_as(other) and place == where for other, where in plain)
                digits = digits_of(part.spatial, index) if met else None
                own = any(equal(index, each) for each in part.store.indices)
                if digits is not None and own:
                    return joined(part, digits, size_of(digits))
        return part

    return [flat(part) for part in parts]


def _accesses(nest: Nest) -> list[tuple[tirx.Buffer, list[tvm.ir.Expr]]]:
    loads = [(load.source, list(load.indices)) for load in nest.loads()]
    return [*loads, (nest.store.buffer, list(nest.store.indices))]


def digits_of(iterators: Iterators, index: tvm.ir.Expr) -> Iterators | None:
    """The iterators of which an index is the number that they write, first digit first."""
    used = [each for each in iterators if tir.uses(index, [each.var])]
    if len(used) < 2 or tir.loads(index):
        return None
    found = tvm.sym.detect_linear_equation(index, [each.var for each in used])
    weights = [tir.as_const(part) for part in found]
    if not weights or None in weights or weights[-1] != 0:
        return None
    ordered = sorted(zip(weights[:-1], used, strict=True), key=lambda pair: -(pair[0] or 0))
    expected = 1
    for weight, digit in reversed(ordered):
        extent = tir.as_const(digit.dom.extent)
        if weight != expected or extent is None:
            return None
        expected *= extent
    return tuple(digit for _, digit in ordered)


def equal(one: tvm.ir.Expr, two: tvm.ir.Expr) -> bool:
    difference = tvm.sym.Analyzer().simplify(one - two)
    return tir.as_const(difference) == 0


def size_of(digits: Iterators) -> int:
    """How many numbers the digits write."""
    return math.prod(int(digit.dom.extent) for digit in digits)


def joined(nest: Nest, digits: Iterators, extent: int) -> Nest:
    """The nest with one iterator of an extent for those that are its digits."""
    whole = tirx.IterVar(tvm.ir.Range(0, extent), tirx.Var(digits[0].var.name, "int32"), 0)
    analyzer = tvm.sym.Analyzer()
    values: dict[tirx.Var, tvm.ir.Expr] = {}
    rest: tvm.ir.Expr = whole.var
    for digit in reversed(digits):
        size = int(digit.dom.extent)
        first = digit is digits[0]
        values[digit.var] = rest if first else tirx.floormod(rest, size)
        rest = tirx.floordiv(rest, size)
    iterators: list[tirx.IterVar] = []
    for each in nest.iterators:
        if each is digits[0]:
            iterators.append(whole)
        elif each not in digits:
            iterators.append(each)
    for each in iterators:
        analyzer.bind(each.var, each.dom)

    def change(expr: tvm.ir.Expr) -> tvm.ir.Expr:
        return simplified(analyzer, tir.substitute(expr, values))

    def store(old: tirx.BufferStore) -> tirx.BufferStore:
        return tirx.BufferStore(
            old.buffer, change(old.value), [change(index) for index in old.indices]
        )

    joined = replace(
        nest,
        iterators=tuple(iterators),
        guard=change(nest.guard),
        store=store(nest.store),
        init=None if nest.init is None else store(nest.init),
        stmt=None,
    )
    return with_regions(joined)


def simplified(analyzer: tvm.sym.Analyzer, expr: tvm.ir.Expr) -> tvm.ir.Expr:
    """Integer parts simplified; what is computed with floating point stays as it is written."""

    def change(load: tvm.ir.TensorLoad) -> tvm.ir.TensorLoad:
        return load.source[tuple(analyzer.simplify(index) for index in load.indices)]

    if tir.is_int(expr) and not tir.loads(expr):
        return analyzer.simplify(expr)
    return tir.map_loads(expr, change)


# -- Arrays by their digits -----------------------------------------------------------------------


def with_digits_apart(mod: tvm.IRModule) -> tvm.IRModule:
    """Intermediates with several dimensions for one that all readers index by the same digits.

    Their writers, each the only one of its array, get an axis for each digit.
    """
    parts, added = parts_of(mod), list[tirx.Buffer]()
    for place, writer in enumerate(parts):
        if isinstance(writer, Nest) and not _is_parameter(mod, writer.store.buffer):
            extents = _agreed_digits(parts, writer)
            if any(extents):
                array = _by_digits(writer.store.buffer, extents)
                parts = [
                    _writing(writer, array, extents)
                    if index == place
                    else _reading(part, writer.store.buffer, array, extents)
                    for index, part in enumerate(parts)
                ]
                added.append(array)
    return program_of(mod, parts, added)


def _is_parameter(mod: tvm.IRModule, buffer: tirx.Buffer) -> bool:
    return any(buffer.same_as(param) for param in mod["main"].params)


Extents: TypeAlias = list[tuple[int, ...]]
"""For each dimension of an array those of its digits, nothing where it stays as it is."""


def _agreed_digits(parts: Sequence[Part], writer: Nest) -> Extents:
    """The digits by which all readers index what a nest writes, where it runs along them."""
    buffer = writer.store.buffer
    readers = [part for part in parts if part is not writer and _touches(part, buffer)]
    if not readers or any(
        not isinstance(part, Nest) or part.store.buffer.same_as(buffer) for part in readers
    ):
        return []
    found: Extents = []
    for place, index in enumerate(writer.store.indices):
        sizes = {
            tuple(int(digit.dom.extent) for digit in digits or ())
            for part in readers
            if isinstance(part, Nest)
            for load in tir.loads(part.store.value)
            if load.source.same_as(buffer)
            for digits in [digits_of(part.spatial, load.indices[place])]
        }
        plain = any(index.same_as(each.var) for each in writer.spatial)
        agreed = sizes.pop() if plain and len(sizes) == 1 else ()
        whole = math.prod(agreed) == tir.as_const(buffer.shape[place])
        found.append(agreed if whole else ())
    return found


def _touches(part: Part, buffer: tirx.Buffer) -> bool:
    return any(region.source.same_as(buffer) for region in regions_of(part))


def _by_digits(buffer: tirx.Buffer, extents: Extents) -> tirx.Buffer:
    shape = [
        each for size, own in zip(buffer.shape, extents, strict=True) for each in (own or (size,))
    ]
    return tirx.decl_buffer(shape, str(buffer.dtype), buffer.name, scope=buffer.scope())


def _writing(nest: Nest, array: tirx.Buffer, extents: Extents) -> Nest:
    """The nest with an iterator for each digit, which writes the array by its digits."""
    numbers: dict[tirx.Var, tvm.ir.Expr] = {}
    apart: dict[tirx.Var, Iterators] = {}
    indices: list[tvm.ir.Expr] = []
    for index, own in zip(nest.store.indices, extents, strict=True):
        if not own:
            indices.append(index)
            continue
        digits = tuple(
            tirx.IterVar(tvm.ir.Range(0, size), tirx.Var(f"{index.name}{place}", "int32"), 0)
            for place, size in enumerate(own)
        )
        number: tvm.ir.Expr = digits[0].var
        for digit in digits[1:]:
            number = number * digit.dom.extent + digit.var
        numbers[index], apart[index] = number, digits
        indices += [digit.var for digit in digits]
    iterators = tuple(each for old in nest.iterators for each in apart.get(old.var, (old,)))

    def own_place(load: tvm.ir.TensorLoad) -> tvm.ir.Expr:
        return array[tuple(indices)] if load.source.same_as(nest.store.buffer) else load

    def store(old: tirx.BufferStore) -> tirx.BufferStore:
        value = tir.map_loads(tir.substitute(old.value, numbers), own_place)
        return tirx.BufferStore(array, value, indices)

    changed = replace(
        nest,
        iterators=iterators,
        guard=tir.substitute(nest.guard, numbers),
        store=store(nest.store),
        init=None if nest.init is None else store(nest.init),
        stmt=None,
    )
    return with_regions(changed)


def _reading(part: Part, old: tirx.Buffer, array: tirx.Buffer, extents: Extents) -> Part:
    """The part with reads of the array by its digits for those of the old one."""
    if not isinstance(part, Nest) or not _touches(part, old):
        return part

    def by_digits(load: tvm.ir.TensorLoad) -> tvm.ir.Expr:
        if not load.source.same_as(old):
            return load
        indices: list[tvm.ir.Expr] = []
        for index, own in zip(load.indices, extents, strict=True):
            digits = digits_of(part.spatial, index) if own else None
            indices += [digit.var for digit in digits] if digits else [index]
        return array[tuple(indices)]

    value = tir.map_loads(part.store.value, by_digits)
    store = tirx.BufferStore(part.store.buffer, value, list(part.store.indices))
    return with_regions(replace(part, store=store, stmt=None))
