"""What has to hold of sizes for every access to lie in its array, and nothing to be left out.

What cannot be proved for all sizes is tried for the multiples of the numbers that the kernel
divides by, and for sizes of at least its numbers: `n % 256 == 0`, `n >= 256`. The weakest of these
restrictions that help become conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import lcm

import tvm_ffi
from tvm import tirx
from tvm.tirx import FloorDiv, FloorMod

from xpiler_tvm import tir
from xpiler_tvm.conditions import Condition
from xpiler_tvm.errors import ReadError
from xpiler_tvm.extents import names_of, renamed
from xpiler_tvm.kernel import Kernel, Param, Size, Tensor
from xpiler_tvm.tir import Expr, Var

from ..partial_eval import Site
from ..program import Branch, Loop, Program, Store, While, statements
from ..reading import Reading, read
from .instances import sizes_of
from .limits import LIMIT

LARGEST_MULTIPLE = 1024


@dataclass(frozen=True, eq=False)
class ReadForAll:
    """A reading that holds for all sizes in the ranges of `kernel`, which is the given one or a
    restricted one, and the conditions of the restriction."""

    kernel: Kernel
    reading: Reading
    conditions: tuple[Condition, ...] = ()


def read_for_all(kernel: Kernel) -> ReadForAll:
    """The flat program of a resolved kernel whose sizes have ranges.

    Raises `ReadError` and `LiftError` as `read`.
    """
    for tensor in kernel.tensors:
        if tensor.shape is None:
            raise ReadError(
                "XP1015",
                f"the shape of {tensor.name!r} is not known, and sizes are symbolic",
                hint=f"give it, as in xt.Tensor({tensor.name!r}, ('n',))",
            )
    found = ReadForAll(kernel, read(kernel))
    if found.reading.sites:
        found = _proved(found)
    return _without_tails(found)


def _proved(found: ReadForAll) -> ReadForAll:
    """The reading under the weakest restrictions that prove most of its accesses."""
    kernel, program = found.kernel, found.reading.program
    multiples = _multiples(program, kernel)
    bounds = _numbers(program)
    best = len(found.reading.sites)
    chosen: Kernel | None = None
    for change in (
        lambda size: _at_least(size, bounds[-1] if bounds else 1),
        lambda size: _multiple(size, multiples),
        lambda size: _at_least(_multiple(size, multiples), bounds[-1] if bounds else 1),
    ):
        candidate = replace(kernel, sizes=tuple(map(change, kernel.sizes)))
        count = len(_sites(candidate)) if candidate != kernel else best
        if count < best:
            best, chosen = count, candidate
    if chosen is None:
        return found

    def still(candidate: Kernel) -> bool:
        return len(_sites(candidate)) <= best

    for position, original in enumerate(kernel.sizes):
        for weaker in _weaker(original, chosen.sizes[position], bounds):
            sizes = (*chosen.sizes[:position], weaker, *chosen.sizes[position + 1 :])
            candidate = replace(chosen, sizes=sizes)
            if candidate == chosen or still(candidate):
                chosen = candidate
                break
    sites = _sites(chosen)
    reading = read(chosen)
    proved = reading.proved + len(reading.sites) - len(sites)
    reading = replace(reading, sites=sites, proved=proved)
    kept = {(site.name, site.span) for site in sites}
    site = next(one for one in found.reading.sites if (one.name, one.span) not in kept)
    why = f"an access to {site.name!r} leaves the array otherwise"
    conditions = _changes(kernel, chosen, lambda text: Condition(text, why, site.span))
    return ReadForAll(chosen, reading, (*found.conditions, *conditions))


def _sites(kernel: Kernel) -> tuple[Site, ...]:
    """The accesses that are not proved to lie in their arrays.

    Sizes are written as products: `n % 256 == 0` says less to a prover than `n = 256 * m`.
    """
    factors = {size.name: size.multiple for size in kernel.sizes if size.multiple > 1}
    products = {name: f"({name} * {factor})" for name, factor in factors.items()}

    def param(old: Param) -> Param:
        if isinstance(old, Tensor):
            return replace(old, shape=tuple(renamed(one, products) for one in old.shape or ()))
        equals = old.equals or (old.name if old.name in products and old.value is None else "")
        return replace(old, equals=renamed(equals, products) if equals else "")

    sizes = tuple(
        Size(one.name, -(-one.least // one.multiple), (one.most or LIMIT) // one.multiple)
        for one in kernel.sizes
    )
    launch = kernel.launch
    if launch is not None:
        launch = replace(launch, grid=tuple(renamed(one, products) for one in launch.grid))
    params = tuple(map(param, kernel.params or ()))
    return read(replace(kernel, params=params, launch=launch, sizes=sizes)).sites


def _changes(old: Kernel, new: Kernel, make: Callable[[str], Condition]) -> list[Condition]:
    found = []
    for before, after in zip(old.sizes, new.sizes, strict=True):
        if after.multiple != before.multiple:
            found.append(make(f"{after.name} % {after.multiple} == 0"))
        if after.least != before.least:
            found.append(make(f"{after.name} >= {after.least}"))
    return found


def _multiple(size: Size, multiples: dict[str, int]) -> Size:
    return replace(size, multiple=lcm(size.multiple, multiples.get(size.name, 1)))


def _at_least(size: Size, least: int) -> Size:
    fits = size.least < least and (size.most is None or least <= size.most)
    return replace(size, least=least) if fits else size


def _weaker(original: Size, chosen: Size, bounds: list[int]) -> Iterator[Size]:
    """Restrictions from none to the chosen one."""
    divisors = [
        d
        for d in range(original.multiple, chosen.multiple + 1)
        if chosen.multiple % d == 0 and d % original.multiple == 0
    ]
    leasts = [b for b in bounds if original.least < b < chosen.least]
    for least in dict.fromkeys((original.least, *leasts, chosen.least)):
        for divisor in divisors:
            yield replace(chosen, multiple=divisor, least=least)


def _multiples(program: Program, kernel: Kernel) -> dict[str, int]:
    """For each size the least common multiple of what it is divided by."""
    found: dict[str, int] = {}
    for name, divisors in _divisors(program, kernel).items():
        for divisor in divisors:
            together = lcm(found.get(name, 1), divisor)
            found[name] = together if together <= LARGEST_MULTIPLE else found.get(name, 1)
    return found


def _divisors(program: Program, kernel: Kernel) -> dict[str, list[int]]:
    """What each size is divided by, in the order of the program."""
    found: dict[str, list[int]] = {}
    sizes = sizes_of(program, kernel)

    def visit(node: Expr) -> None:
        divisor = tir.as_const(node.b)
        for name, var in sizes.items():
            if divisor is not None and divisor > 1 and tir.uses(node.a, [var]):
                known = found.setdefault(name, [])
                known += [divisor] if divisor not in known else []

    for expr in _expressions(program):
        for kind in (FloorDiv, FloorMod):
            tvm_ffi.structural_walk(expr, [(kind, visit)], order="pre")
    return found


def divisors_of(found: ReadForAll) -> dict[str, list[int]]:
    """What each size is divided by in the flat program."""
    return _divisors(found.reading.program, found.kernel)


def lengths_of(found: ReadForAll) -> list[int]:
    """The lengths of blocks and tiles, ascending."""
    return _numbers(found.reading.program)


def steps_of(found: ReadForAll) -> list[int]:
    """Numbers at whose multiples sizes are worth trying: divisors, and lengths of loops."""
    program = found.reading.program
    divided = [d for known in divisors_of(found).values() for d in known]
    lengths = [length for length in _numbers(program) if length <= LARGEST_MULTIPLE]
    return list(dict.fromkeys([*divided, *reversed(lengths)]))[:4]


def _numbers(program: Program) -> list[int]:
    """The lengths of loops that are numbers, ascending: blocks and tiles."""
    lengths = {
        tir.as_const(one.extent) for one in statements(program.body) if isinstance(one, Loop)
    }
    return sorted(length for length in lengths if length is not None and length > 1)


def _expressions(program: Program) -> Iterator[Expr]:
    for statement in statements(program.body):
        if isinstance(statement, Store):
            yield statement.index
            yield statement.value
        elif isinstance(statement, Loop):
            yield statement.extent
        elif isinstance(statement, (Branch, While)):
            yield statement.test


# ---------------------------------------------------------------- tails


def _without_tails(found: ReadForAll) -> ReadForAll:
    """The reading for multiples of what a size is divided by where a loop drops the remainder.

    `for t < k / 16`, where nothing else in the program is about the last `k % 16`, is meant for
    multiples.
    """
    kernel, program = found.kernel, found.reading.program
    by_var = {var: name for name, var in sizes_of(program, kernel).items()}
    dropped: dict[str, Loop] = {}
    for statement in statements(program.body):
        if not isinstance(statement, Loop) or not isinstance(statement.extent, FloorDiv):
            continue
        var, divisor = statement.extent.a, tir.as_const(statement.extent.b)
        name = by_var.get(var) if isinstance(var, tirx.Var) else None
        if name is not None and divisor and not _remainder_used(program, var, divisor):
            dropped.setdefault(f"{name} % {divisor} == 0", statement)
    for text, loop in dropped.items():
        name, divisor = names_of(text)[0], tir.as_const(loop.extent.b) or 1
        sizes = tuple(_multiple(s, {name: divisor} if s.name == name else {}) for s in kernel.sizes)
        if sizes == kernel.sizes:
            continue
        kernel = replace(kernel, sizes=sizes)
        condition = Condition(
            text, f"the last {name} % {divisor} are left out otherwise", loop.span
        )
        found = ReadForAll(kernel, found.reading, (*found.conditions, condition))
    if kernel != found.reading.kernel:
        found = replace(found, reading=read(kernel))
    return found


def _remainder_used(program: Program, var: Var, divisor: int) -> bool:
    """Whether an expression other than a loop's length divides the size by `divisor`."""
    used = False

    def visit(node: Expr) -> None:
        nonlocal used
        same = tir.as_const(node.b) == divisor and tir.uses(node.a, [var])
        used = used or (same and bool(node.a.same_as(var)))

    lengths = [
        one.extent
        for one in statements(program.body)
        if isinstance(one, Loop) and isinstance(one.extent, FloorDiv)
    ]
    for expr in _expressions(program):
        if any(expr is length or expr.same_as(length) for length in lengths):
            continue
        for kind in (FloorDiv, FloorMod):
            tvm_ffi.structural_walk(expr, [(kind, visit)], order="pre")
    return used
