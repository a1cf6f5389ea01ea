"""What tells the threads of a launch apart: variables, their extents, and how C names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.ir import Range

from xpiler_tvm import tir
from xpiler_tvm.kernel import Kernel, Launch
from xpiler_tvm.tir import Expr, Var

from .. import ir
from ..arithmetic import Arithmetic
from ..values import Number, Record, Value
from .sizes import Sizes
from .tasks import Cores, cores_of, names_of

Extent = Expr | int


@dataclass(frozen=True, eq=False)
class Ids:
    """`threads` of a block and `blocks` of the launch list (variable, extent), x first.

    `names` are the values of the dialect's own variables. Threads are numbered by `linear`, of
    `size` in a block; `warp` of them follow each other in lockstep-like groups. `cores` says more
    of a launch of BANG C.
    """

    threads: tuple[tuple[Var, int], ...]
    blocks: tuple[tuple[Var, Extent], ...]
    names: dict[str, Value]
    linear: Expr
    size: int
    warp: int
    cores: Cores | None = None


def ids_of(kernel: Kernel, math: Arithmetic, sizes: Sizes) -> Ids:
    """The ids of the kernel's launch; the analyzer of `math` learns their ranges."""
    ids = _MAKERS[kernel.dialect](kernel, math, sizes)
    for var, extent in (*ids.threads, *ids.blocks):
        math.analyzer.bind(var, Range(0, extent))
        sizes.always(var, extent)
    return ids


def counts(extent: Extent) -> bool:
    """Whether a variable of this extent tells anything apart; one that is not known may."""
    return not isinstance(extent, int) or extent > 1


def _variables(letter: str, extents: tuple[Extent, ...]) -> tuple[tuple[Var, Extent], ...]:
    return tuple(
        (tirx.Var(letter + axis, "int32"), extent)
        for axis, extent in zip("xyz", extents, strict=True)
    )


def _values(variables: tuple[tuple[Var, Extent], ...]) -> list[Expr]:
    return [var if counts(extent) else tir.const(0, "int32") for var, extent in variables]


def _triple(values: list[Expr]) -> Record:
    kind = ir.Struct("uint3", tuple((axis, ir.Arithmetic("uint32")) for axis in "xyz"))
    fields: dict[str, Value] = {
        axis: Number(value, "uint32") for axis, value in zip("xyz", values, strict=True)
    }
    return Record(kind, fields)


def _grid(kernel: Kernel, math: Arithmetic, sizes: Sizes) -> Ids:
    """CUDA and HIP: a grid of blocks of threads."""
    launch = kernel.launch or Launch()
    block = (*launch.block, 1, 1, 1)[:3]
    grid = tuple(sizes.of(extent) for extent in (*launch.grid, 1, 1, 1)[:3])
    threads, blocks = _variables("t", block), _variables("b", grid)
    warp = 64 if kernel.dialect == "hip" else 32
    names: dict[str, Value] = {
        "threadIdx": _triple(_values(threads)),
        "blockIdx": _triple(_values(blocks)),
        "blockDim": _triple([tir.const(extent, "int32") for extent in block]),
        "gridDim": _triple([tir.as_expr(extent) for extent in grid]),
        "warpSize": math.number(warp, "int32"),
    }
    x, y, z = _values(threads)
    linear = math.simplify((z * block[1] + y) * block[0] + x)
    return Ids(threads, blocks, names, linear, block[0] * block[1] * block[2], warp)


def _tasks(kernel: Kernel, math: Arithmetic, sizes: Sizes) -> Ids:
    del sizes
    """BANG C: a grid of jobs, each of which takes the cores of some clusters."""
    cores = cores_of(kernel)
    job = cores.job
    threads = ((cores.core, job.lanes), (cores.cluster, max(1, job.clusters)))
    blocks = tuple(zip(cores.jobs, job.grid, strict=True))
    core, cluster = _values(threads)
    linear = math.simplify(cluster * job.lanes + core)
    names: dict[str, Value] = {**names_of(cores, math)}
    return Ids(threads, blocks, names, linear, job.cores, job.lanes, cores)


def _alone(kernel: Kernel, math: Arithmetic, sizes: Sizes) -> Ids:
    """C: one thread."""
    del kernel, math, sizes
    return Ids((), (), {}, tir.const(0, "int32"), 1, 1)


_MAKERS: dict[str, Callable[[Kernel, Arithmetic, Sizes], Ids]] = {
    "cuda": _grid,
    "hip": _grid,
    "bang": _tasks,
    "vnni": _alone,
}
