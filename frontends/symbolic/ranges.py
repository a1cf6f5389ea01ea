"""The ranges of sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tvm import sym, tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.conditions import Condition
from xpiler_tvm.dialects.simt import MAX_GRID
from xpiler_tvm.errors import ReadError
from xpiler_tvm.extents import Extent, is_text, value_of
from xpiler_tvm.kernel import Kernel, Size
from xpiler_tvm.tir import Var

from .limits import LIMIT

LARGEST_MULTIPLE = 1024


def with_ranges(kernel: Kernel) -> Kernel:
    """The kernel with a range for each of its sizes.

    Where none is given they reach as far as all tensors have at most `LIMIT` elements.
    Raises `ReadError` XP1014 where no size is small enough.
    """
    given = {size.name: size for size in kernel.sizes}
    sizes = [given.get(name, Size(name)) for name in kernel.size_names]
    low, high = 1, LIMIT
    while low < high:
        middle = (low + high + 1) // 2
        if _in_reach(kernel, {size.name: size.most or middle for size in sizes}):
            low = middle
        else:
            high = middle - 1
    sizes = [size if size.most else replace(size, most=max(low, size.least)) for size in sizes]
    if not _in_reach(kernel, {size.name: size.most or 1 for size in sizes}):
        raise ReadError(
            "XP1014",
            "with these ranges of the sizes an array has more than 2^30 elements",
            hint="give smaller ones, as in xt.Size('n', 1, 4096)",
        )
    return replace(kernel, sizes=tuple(sizes))


def _in_reach(kernel: Kernel, point: dict[str, int]) -> bool:
    try:
        there = kernel.at(point)
    except ReadError:
        return True  # no launch, so no index
    values = [one.value for one in there.scalars if isinstance(one.value, int)]
    grid = there.launch.grid if there.launch else ()
    return (
        all(tensor.size <= LIMIT for tensor in there.tensors if tensor.shape)
        and all(value <= LIMIT for value in values)
        and all(extent <= most for extent, most in zip(grid, MAX_GRID, strict=False))
    )


def range_conditions(kernel: Kernel) -> list[Condition]:
    """That sizes lie in their ranges, and that launch and arrays have positive extents."""
    found = [
        Condition(f"{one.least} <= {one.name} <= {one.most}", "it was lifted for these sizes")
        for one in kernel.sizes
    ]
    found += [
        Condition(f"{one.name} % {one.multiple} == 0", "it was lifted for multiples")
        for one in kernel.sizes
        if one.multiple > 1
    ]
    analyzer, names = _analyzer(kernel)
    for extent in dict.fromkeys(_extents(kernel)):
        positive = value_of(extent, names) >= 1
        if not analyzer.can_prove(positive, sym.ProofStrength.SYMBOLIC_BOUND):
            found.append(Condition(f"{extent} >= 1", "launches and arrays have positive extents"))
    return found


def _extents(kernel: Kernel) -> Iterator[Extent]:
    for tensor in kernel.tensors:
        yield from (extent for extent in tensor.shape or () if is_text(extent))
    if kernel.launch is not None:
        yield from (extent for extent in kernel.launch.grid if is_text(extent))


def _analyzer(kernel: Kernel) -> tuple[sym.Analyzer, dict[str, Var]]:
    analyzer, names = sym.Analyzer(), {}
    for size in kernel.sizes:
        names[size.name] = tirx.Var(size.name, "int32")
        analyzer.bind(names[size.name], Range(size.least, (size.most or tir.INT32_MAX) + 1))
    return analyzer, names
