"""Kernels whose host code is evaluated with symbolic sizes: at several points, and generalised.

The sizes are arguments of the wrapper. Shapes, grid and scalars that are not the same at all points
become expressions in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from xpiler_tvm.errors import ReadError
from xpiler_tvm.extents import Extent
from xpiler_tvm.kernel import Kernel, Launch, Param, Scalar, Tensor

from ..resolving import resolve
from .fitting import Fitting, Point
from .points import generic
from .ranges import with_ranges

POINTS = 6
DIVISORS = tuple(1 << k for k in range(11))


def resolve_sizes(kernel: Kernel) -> Kernel:
    """The kernel with entry, parameters, launch and the ranges of its sizes.

    Raises `ReadError` as `resolve`, and XP1013 where host code gives something at these sizes that
    is no expression in them.
    """
    given = kernel.params is not None and (kernel.launch is not None or kernel.dialect == "vnni")
    return with_ranges(resolve(kernel) if given else _from_host(kernel))


def _from_host(kernel: Kernel) -> Kernel:
    points = generic(kernel, POINTS)
    found = [resolve(_with_args(kernel, point)) for point in points]
    if len({(len(one.params or ()), one.entry) for one in found}) > 1:
        raise _not_an_expression("the kernel that is launched")
    fitting = Fitting(points, [*_blocks(found), *reversed(DIVISORS)])
    columns = zip(*(one.params or () for one in found), strict=True)
    params = tuple(_param(column, fitting) for column in columns)
    launches = [one.launch for one in found if one.launch is not None]
    launch = _launch(launches, fitting) if launches else None
    return replace(kernel, entry=found[0].entry, params=params, launch=launch)


def _with_args(kernel: Kernel, point: Point) -> Kernel:
    args = {**dict(kernel.args), **point}
    return replace(kernel, args=tuple(sorted(args.items())), sizes=())


def _blocks(kernels: Sequence[Kernel]) -> list[int]:
    return [extent for one in kernels if one.launch for extent in one.launch.block]


def _param(column: Sequence[Param], fitting: Fitting) -> Param:
    first = column[0]
    if isinstance(first, Tensor):
        shapes = [one.shape for one in column if isinstance(one, Tensor)]
        known = [shape for shape in shapes if shape is not None]
        if len(known) < len(column):
            return first
        what = f"the shape of {first.name!r}"
        shape = tuple(_extent(what, values, fitting) for values in zip(*known, strict=True))
        return replace(first, shape=shape)
    values = [one.value for one in column if isinstance(one, Scalar)]
    if all(value == values[0] for value in values):
        return first
    whole = [int(value) for value in values if value is not None]
    extent = _extent(f"the value of {first.name!r}", whole, fitting)
    return replace(first, value=None, equals=str(extent))


def _launch(launches: Sequence[Launch], fitting: Fitting) -> Launch:
    first = launches[0]
    if any(one.block != first.block or one.tasks != first.tasks for one in launches):
        raise _not_an_expression("the number of threads in a block, or of tasks,")
    columns = zip(*(one.grid for one in launches), strict=True)
    grid = tuple(_extent("the grid", values, fitting) for values in columns)
    shared = _extent("shared memory", [one.shared_bytes for one in launches], fitting)
    return replace(first, grid=grid, shared_bytes=shared)


def _extent(what: str, values: Sequence[int], fitting: Fitting) -> Extent:
    text = fitting.expression(values)
    if text is None:
        raise _not_an_expression(what)
    return text


def _not_an_expression(what: str) -> ReadError:
    return ReadError(
        "XP1013",
        f"{what} is no expression in the sizes",
        hint="give parameters and launch: xt.Tensor('x', ('n',)), grid=('(n + 255) / 256',)",
    )
