"""From a scheduled module to flat device code, ready to be printed as C.

    scheduled SBlocks  ──TVM's passes──►  one nest of loops over flat buffers, threads as attributes

The pipeline is TVM's own for SBlocks, less what only serves its code generators: no
host/device split (it reorders and drops parameters), no packed ABI, no vectorisation, no
unrolling and no common subexpressions (a C compiler does these better, and the text stays short).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.target import Target

from xpiler_tvm.errors import EmitError

GRID = ("blockIdx.x", "blockIdx.y", "blockIdx.z")
BLOCK = ("threadIdx.x", "threadIdx.y", "threadIdx.z")


@dataclass(frozen=True)
class ThreadAxis:
    """A launch dimension: the TIR variables that stand for the index (TVM may use several)."""

    tag: str
    extent: int
    variables: tuple[tvm.ir.Var, ...]


@dataclass(frozen=True)
class DeviceFunction:
    """One kernel: `params` in the order and under the names of the scheduled function.

    A parameter is a `Var`; its type is a `BufferType` where it is a tensor. `body` still holds
    the `thread_extent` attributes that `axes` sums up.
    """

    params: tuple[tvm.ir.Var, ...]
    body: tirx.Stmt
    axes: Mapping[str, ThreadAxis] = field(default_factory=dict)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Blocks (or tasks) along x, y and z."""
        return self._extents(GRID)

    @property
    def block(self) -> tuple[int, int, int]:
        """Threads of a block along x, y and z."""
        return self._extents(BLOCK)

    def _extents(self, tags: tuple[str, ...]) -> tuple[int, int, int]:
        x, y, z = (self.axes[tag].extent if tag in self.axes else 1 for tag in tags)
        return x, y, z


def pipeline(target: Target) -> tvm.ir.transform.Sequential:
    """The passes, for a function whose loops are bound to threads."""
    block, flat = s_tir.transform, tirx.transform
    return tvm.ir.transform.Sequential(
        [
            flat.BindTarget(target),
            block.CanonicalizeLoop(),
            block.LowerCrossThreadReduction(),
            block.LowerInitBlock(),
            block.PlanAndUpdateBufferAllocationLocation(),
            block.ConvertBlocksToOpaque(),
            block.LiftThreadBinding(),
            block.CompactBufferAllocation(),
            block.UnifyThreadBinding(),
            block.LowerMatchBuffer(),
            flat.StmtSimplify(),
            block.InjectSoftwarePipeline(),
            block.LowerOpaqueBlock(),
            flat.FlattenBuffer(),
            flat.BF16ComputeLegalize(),
            # Indices become 32-bit wherever the extents prove that they fit.
            flat.NarrowDataType(32),
            block.InjectVirtualThread(),
            block.InjectDoubleBuffer(),
            block.RenormalizeSplitPattern(),
            flat.StmtSimplify(),
            flat.RemoveNoOp(),
            block.ThreadSync("shared"),
            block.ThreadSync("shared.dyn"),
            block.ThreadSync("warp"),
            block.LowerThreadAllreduce(),
            flat.LowerWarpMemory(),
            flat.StmtSimplify(),
        ]
    )


def device_functions(mod: tvm.IRModule, target: Target) -> tuple[DeviceFunction, ...]:
    """The kernels of `mod["main"]` in execution order.

    Raises
    ------
    EmitError XP4001 : code or a buffer outside every kernel; a launch extent that is no constant.
    """
    # A target that the schedule left on the function would win over ours.
    source = mod["main"].without_attr("target")
    func = pipeline(target)(tvm.IRModule({"main": source}))["main"]
    views: list[tirx.Stmt] = []
    kernels: list[tirx.Stmt] = []
    for stmt in _sequence(func.body):
        if isinstance(stmt, tirx.DeclBuffer):
            views.append(stmt)
        elif isinstance(stmt, tirx.AllocBuffer):
            raise EmitError(
                "XP4001",
                f"buffer {stmt.buffer.name!r} would live in device memory between kernels",
                hint="a schedule for this target computes everything in one kernel",
            )
        elif isinstance(stmt, tirx.AttrStmt) and stmt.attr_key == "thread_extent":
            kernels.append(stmt)
        elif not _is_noop(stmt):
            raise EmitError(
                "XP4001",
                f"{type(stmt).__name__} runs outside every kernel",
                hint="the schedule leaves a loop that is bound to no thread",
            )
    return tuple(
        DeviceFunction(tuple(func.params), tirx.SeqStmt([*views, kernel]), _axes(kernel))
        for kernel in kernels
    )


def device_function(mod: tvm.IRModule, target: Target) -> DeviceFunction:
    """The one kernel of `mod["main"]`. Raises `EmitError` XP4001 where there is not exactly one."""
    functions = device_functions(mod, target)
    if len(functions) != 1:
        raise EmitError("XP4001", f"the schedule makes {len(functions)} kernels instead of one")
    return functions[0]


def _sequence(stmt: tirx.Stmt) -> list[tirx.Stmt]:
    if isinstance(stmt, tirx.SeqStmt):
        return [inner for part in stmt.seq for inner in _sequence(part)]
    return [stmt]


def _is_noop(stmt: tirx.Stmt) -> bool:
    return isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, tirx.IntImm)


def _axes(kernel: tirx.Stmt) -> dict[str, ThreadAxis]:
    axes: dict[str, ThreadAxis] = {}

    def note(attr: tirx.AttrStmt) -> None:
        if attr.attr_key != "thread_extent":
            return
        tag, var = attr.node.thread_tag, attr.node.var
        if not isinstance(attr.value, tirx.IntImm):
            raise EmitError("XP4001", f"the launch extent of {tag}, {attr.value}, is no constant")
        extent = int(attr.value)
        known = axes.get(tag, ThreadAxis(tag, extent, ()))
        if known.extent != extent:
            raise EmitError("XP4001", f"{tag} has the extents {known.extent} and {extent}")
        axes[tag] = ThreadAxis(tag, extent, (*known.variables, var))

    tvm_ffi.structural_walk(kernel, [(tirx.AttrStmt, note)], order="pre")
    return axes
