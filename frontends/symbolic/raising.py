"""Raising a program with symbolic sizes: at several points, and from these to all sizes.

The flat program is read once, with its sizes as variables. It is raised where these are numbers, by
the passes of `raising`, and what they make is generalised (`generalising.py`). Tests that sizes
alone decide come out one way at all the points: that they do is a condition of the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import tvm
import tvm_ffi
from tvm import sym, tirx

from xpiler_tvm import tir
from xpiler_tvm.conditions import Condition
from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.extents import names_of
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tir import Expr

from ..program import Program, Store, statements, to_module
from ..raising import Raised, opaque_module, raise_program
from .generalising import General, Unlike, form_of, generalise
from .instances import Choice, at_point, choices_of, sizes_of
from .points import LARGEST, generic

USED = 5  # points that a program is generalised from
DRAWN = 15  # points of which those are taken that are most alike
FEWEST = 4  # points that a refusal is not for want of
LATER = 1  # points at which the result has to be what raising makes there


@dataclass(frozen=True, eq=False)
class RaisedForAll:
    """`mod` over the sizes, which are parameters; `rung`, `reason`, `span` and `assumptions` as of
    `raising.Raised`. `conditions` are those under which it is the program; `points` are where it
    was raised, `confirmed` where raising made the same afterwards."""

    mod: tvm.IRModule
    rung: str
    conditions: tuple[Condition, ...]
    points: tuple[dict[str, int], ...] = ()
    confirmed: tuple[dict[str, int], ...] = ()
    reason: str = ""
    span: Span | None = None
    assumptions: tuple[str, ...] = ()


def raise_for_all(program: Program, kernel: Kernel) -> RaisedForAll:
    """The SBlock form of a program with symbolic sizes; at worst one opaque block."""
    refused = RaisedForAll(opaque_module(program), "opaque", ())
    for largest in (LARGEST, LARGEST // 10):
        found = _raised(program, kernel, largest)
        if isinstance(found, RaisedForAll):
            return found
        refused = replace(refused, reason=found.reason, span=found.span)
        if "MiB" not in found.reason:
            break
    return refused


@dataclass(frozen=True)
class _Refusal:
    reason: str
    span: Span | None = None


def _raised(program: Program, kernel: Kernel, largest: int) -> RaisedForAll | _Refusal:
    choices = choices_of(program, kernel)
    points, decided = _alike(program, kernel, choices, largest)
    found = _most_common_form(program, kernel, points)
    if isinstance(found, _Refusal):
        return found
    points, raised = found
    used, later = points[:-LATER], points[-LATER:]
    try:
        general = _generalised(program, kernel, raised[:-LATER], used)
        conditions = _choice_conditions(choices, decided)
        conditions += _extent_conditions(general, program, kernel)
    except (Unlike, ReadError) as error:
        return _Refusal(f"raised at several sizes, {error}")
    for one, point in zip(raised[-LATER:], later, strict=True):
        if not general.agrees(one.mod["main"], point):
            return _Refusal(f"what was raised at some sizes is not what is raised at {point}")
    mod = tvm.IRModule({"main": general.func})
    return RaisedForAll(
        mod,
        raised[0].rung,
        tuple(conditions),
        tuple(used),
        tuple(later),
        raised[0].reason,
        raised[0].span,
        raised[0].assumptions,
    )


def _most_common_form(
    program: Program, kernel: Kernel, points: list[dict[str, int]]
) -> tuple[list[dict[str, int]], list[Raised]] | _Refusal:
    """The points at which raising makes the same form, and what it makes there.

    At some points sizes have something in common with tiles by accident.
    """
    forms: dict[int, tuple[list[dict[str, int]], list[Raised]]] = {}
    refused: list[Raised] = []
    for point in points:
        there = at_point(program, kernel, point)
        written = {one.buffer for one in statements(there.body) if isinstance(one, Store)}
        if not any(place in written for _, place in there.params):
            return _Refusal(f"the kernel does nothing where its sizes are {point}")
        one = raise_program(there)
        if one.rung == "opaque":
            refused.append(one)
            if len(refused) >= FEWEST - 1:
                return _Refusal(one.reason, one.span)
            continue
        alike = forms.setdefault(form_of(one.mod["main"]), ([], []))
        alike[0].append(point)
        alike[1].append(one)
        if len(alike[0]) == USED + LATER:
            return alike
    best = max(forms.values(), key=lambda alike: len(alike[0]), default=([], []))
    if len(best[0]) < FEWEST:
        return _Refusal("raised at several sizes, its form is not the same at enough of them")
    return best


def _alike(
    program: Program, kernel: Kernel, choices: list[Choice], largest: int
) -> tuple[list[dict[str, int]], tuple[bool, ...]]:
    """Points at which all choices come out alike, and how they do."""
    sizes = sizes_of(program, kernel)
    drawn = generic(kernel, DRAWN, largest)
    decided = []
    analyzer = sym.Analyzer()
    for point in drawn:
        values = {var: tir.const(point[name], "int32") for name, var in sizes.items()}
        tests = [analyzer.simplify(tir.substitute(one.test, values)) for one in choices]
        decided.append(tuple(bool(tir.as_const(test)) for test in tests))
    common = Counter(decided).most_common(1)[0][0]
    alike = [point for point, found in zip(drawn, decided, strict=True) if found == common]
    return alike, common


def _generalised(
    program: Program, kernel: Kernel, raised: list[Raised], points: list[dict[str, int]]
) -> General:
    flat = to_module(program)["main"]
    sizes = sizes_of(program, kernel)
    funcs = [one.mod["main"] for one in raised]
    return generalise(funcs, points, sizes, _divisors(flat), _expressions(flat, program, kernel))


def _divisors(flat: object) -> list[int]:
    """Numbers that the program divides by, then all others that it has."""
    found: list[int] = []

    def divisor(node: Expr) -> None:
        found.append(tir.as_const(node.b) or 0)

    for kind in (tirx.FloorDiv, tirx.FloorMod):
        tvm_ffi.structural_walk(flat, [(kind, divisor)], order="pre")
    tvm_ffi.structural_walk(flat, [(tirx.IntImm, lambda node: found.append(int(node.value)))])
    return [number for number in dict.fromkeys(found) if 1 < number <= 1024]


def _expressions(flat: object, program: Program, kernel: Kernel) -> list[str]:
    """What the program itself computes of its sizes, the longest expressions first."""
    sizes = list(sizes_of(program, kernel).values())
    found: dict[str, None] = {}

    def visit(node: Expr) -> None:
        names = tir.variables(node)
        if names and all(any(name.same_as(size) for size in sizes) for name in names):
            text = str(node)
            if text not in found and tir.dtype_of(node) == "int32" and _is_extent(text):
                found[text] = None

    kinds = (tirx.Add, tirx.Sub, tirx.Mul, tirx.FloorDiv, tirx.FloorMod, tirx.Min, tirx.Max)
    for kind in kinds:
        tvm_ffi.structural_walk(flat, [(kind, visit)], order="pre")
    return sorted(found, key=lambda text: (len(text), text))


def _is_extent(text: str) -> bool:
    try:
        return bool(names_of(text))
    except ReadError:
        return False


# ---------------------------------------------------------------- conditions


def _choice_conditions(choices: list[Choice], decided: tuple[bool, ...]) -> list[Condition]:
    found = []
    for choice, holds in zip(choices, decided, strict=True):
        test = choice.test if holds else _opposite(choice.test)
        names_of(str(test))  # raises where it is not understood
        why = "the source does something else otherwise"
        found.append(Condition(str(test), why, choice.span))
    return found


def _opposite(test: Expr) -> Expr:
    flipped = tir.OPPOSITES.get(type(test))
    return sym.Analyzer().simplify(tirx.Not(test)) if flipped is None else flipped(test.a, test.b)


def _extent_conditions(general: General, program: Program, kernel: Kernel) -> list[Condition]:
    """That extents of the raised form are positive, where the sizes' ranges do not say so."""
    analyzer = sym.Analyzer()
    sizes = sizes_of(program, kernel)
    for size in kernel.sizes:
        most = tir.INT32_MAX if size.most is None else size.most
        least = -(-size.least // size.multiple) * size.multiple
        analyzer.bind(sizes[size.name], tvm.ir.Range(least, most + 1))
    found: dict[str, Condition] = {}
    for extent in _extents(general.func):
        positive = extent >= 1
        if tir.as_const(extent) is None and not analyzer.can_prove(
            positive, sym.ProofStrength.SYMBOLIC_BOUND
        ):
            text = str(analyzer.simplify(positive))
            names_of(text)
            found[text] = Condition(text, "an axis of the raised form has this extent")
    return list(found.values())


def _extents(func: object) -> Iterator[Expr]:
    found: list[Expr] = []
    tvm_ffi.structural_walk(func, [(tirx.For, lambda loop: found.append(loop.extent))])
    yield from found
