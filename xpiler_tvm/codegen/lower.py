"""From a scheduled module to flat device code, ready to be printed as C.

    scheduled SBlocks  ──TVM's passes──►  one nest of loops over flat buffers, threads as attributes

The pipeline is TVM's own for SBlocks, less what only serves its code generators: no
host/device split (it reorders and drops parameters), no packed ABI, no vectorisation, no
unrolling and no common subexpressions (a C compiler does these better, and the text stays short).
Sums over threads stay calls, which the printer knows how to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.target import Target

from xpiler_tvm import tir
from xpiler_tvm.errors import EmitError
from xpiler_tvm.extents import Extent
from xpiler_tvm.schedules.gpu_instructions import replaced

from .sizes import text_of

GRID = ("blockIdx.x", "blockIdx.y", "blockIdx.z")
BLOCK = ("threadIdx.x", "threadIdx.y", "threadIdx.z")


@dataclass(frozen=True)
class ThreadAxis:
    """A launch dimension: the TIR variables that stand for the index (TVM may use several).

    Its extent is a number, or of a grid also an expression in sizes as `xpiler_tvm.extents` has it.
    """

    tag: str
    extent: Extent
    variables: tuple[tvm.ir.Var, ...]


@dataclass(frozen=True)
class DeviceFunction:
    """One kernel: `params` in the order and under the names of the scheduled function.

    A parameter is a `Var`; its type is a `BufferType` where it is a tensor. `body` still holds
    the `thread_extent` attributes that `axes` sums up. `dynamic` are the arrays that lie in the
    `shared_bytes` of dynamic shared memory, and where they begin there, in bytes.
    """

    params: tuple[tvm.ir.Var, ...]
    body: tirx.Stmt
    axes: Mapping[str, ThreadAxis] = field(default_factory=dict)
    dynamic: Mapping[tvm.ir.Var, int] = field(default_factory=dict)
    shared_bytes: int = 0

    @property
    def grid(self) -> tuple[Extent, Extent, Extent]:
        """Blocks (or tasks) along x, y and z."""
        return self._extents(GRID)

    @property
    def block(self) -> tuple[int, int, int]:
        """Threads of a block along x, y and z."""
        return self._extents(BLOCK)

    def _extents(self, tags: tuple[str, ...]) -> tuple[Extent, Extent, Extent]:
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
            _GuardWriteBacks(),
            block.LowerInitBlock(),
            block.PlanAndUpdateBufferAllocationLocation(),
            block.ConvertBlocksToOpaque(),
            block.LiftThreadBinding(),
            # Regions are compared as they are written: tiles of a task as quotients of its number.
            *([flat.StmtSimplify()] if "bang" in target.keys else []),
            block.CompactBufferAllocation(),
            block.UnifyThreadBinding(),
            block.LowerMatchBuffer(),
            flat.StmtSimplify(),
            block.InjectSoftwarePipeline(),
            block.LowerOpaqueBlock(),
            flat.FlattenBuffer(),
            # MLUs compute in bfloat16; elsewhere it is computed in single precision.
            *([] if "bang" in target.keys else [flat.BF16ComputeLegalize()]),
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
            flat.LowerWarpMemory(),
            flat.StmtSimplify(),
        ]
    )


@tirx.transform.prim_func_pass(opt_level=0)
class _GuardWriteBacks:
    """Results of cross-thread reductions are stored inside their ranges only.

    The predicate of a reduction goes to its input; LowerCrossThreadReduction can lose it for the
    block that stores the result, and the threads of an uneven last row then write past the end.
    """

    def transform_function(
        self, func: tirx.PrimFunc, mod: tvm.IRModule, context: tvm.ir.transform.PassContext
    ) -> tirx.PrimFunc:
        del mod, context

        def guard(realize: s_tir.SBlockRealize) -> s_tir.SBlockRealize:
            block = realize.block
            if not block.name_hint.endswith("_write_back"):
                return realize
            inside = [
                value < axis.dom.min + axis.dom.extent
                for axis, value in zip(block.iter_vars, realize.iter_values, strict=True)
            ]
            test = tir.conjunction([realize.predicate, *inside])
            return s_tir.SBlockRealize(realize.iter_values, test, block)

        body = tvm_ffi.structural_map(func.body, (s_tir.SBlockRealize, guard), order="post")
        return func.with_body(body)


def device_functions(mod: tvm.IRModule, target: Target) -> tuple[DeviceFunction, ...]:
    """The kernels of `mod["main"]` in execution order.

    Raises
    ------
    EmitError XP4001 : code or a buffer outside every kernel; a launch extent that is no constant.
    """
    # A target that the schedule left on the function would win over ours.
    source = mod["main"].without_attr("target")
    func = pipeline(target)(replaced(tvm.IRModule({"main": source})))["main"]
    body = merge_guards(func.body)
    views: list[tirx.Stmt] = []
    kernels: list[tirx.Stmt] = []
    for stmt in _sequence(body):
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


def merge_guards(body: tirx.Stmt) -> tirx.Stmt:
    """Lift guards out of loops that do not change them, and join neighbours with the same guard.

        for k: if c: A           if c:
        if c: B            ->        for k: A
                                     B

    Only guards that read no memory move: nothing can change them on the way.
    """

    def lift(loop: tirx.For) -> tirx.Stmt:
        guard = loop.body
        # The loop that runs in threads of its own must stay outside: it is the launch.
        if loop.thread_binding is not None or not _is_fixed_guard(guard):
            return loop
        if any(var.same_as(loop.loop_var) for var in _collect(guard.condition, tvm.ir.Var)):
            return loop
        inner = tirx.For(
            loop.loop_var,
            loop.min,
            loop.extent,
            loop.kind,
            guard.then_case,
            None,
            loop.annotations,
            loop.step,
        )
        return tirx.IfThenElse(guard.condition, inner, None)

    def join(seq: tirx.SeqStmt) -> tirx.Stmt:
        parts: list[tirx.Stmt] = []
        for part in seq.seq:
            last = parts[-1] if parts else None
            if (
                last is not None
                and _is_fixed_guard(part)
                and _is_fixed_guard(last)
                and tvm_ffi.structural_equal(part.condition, last.condition)
            ):
                both = tirx.SeqStmt([*_sequence(last.then_case), *_sequence(part.then_case)])
                parts[-1] = tirx.IfThenElse(part.condition, both, None)
            else:
                parts.append(part)
        return parts[0] if len(parts) == 1 else tirx.SeqStmt(parts)

    return tvm_ffi.structural_map(body, [(tirx.For, lift), (tirx.SeqStmt, join)], order="post")


def _is_fixed_guard(stmt: tirx.Stmt) -> bool:
    return (
        isinstance(stmt, tirx.IfThenElse)
        and stmt.else_case is None
        and not _collect(stmt.condition, tvm.ir.TensorLoad)
        # A variable that is bound inside one branch must not be seen by the next.
        and not any(isinstance(part, tirx.Bind) for part in _sequence(stmt.then_case))
    )


def _collect(node: tvm.ir.Expr | tirx.Stmt, kind: type) -> list:
    """All nodes of one class. Callbacks of TVM's walks cannot raise: look first, act then."""
    found: list = []
    tvm_ffi.structural_walk(node, [(kind, found.append)], order="pre")
    return found


def _sequence(stmt: tirx.Stmt) -> list[tirx.Stmt]:
    if isinstance(stmt, tirx.SeqStmt):
        return [inner for part in stmt.seq for inner in _sequence(part)]
    return [stmt]


def _is_noop(stmt: tirx.Stmt) -> bool:
    return isinstance(stmt, tirx.Evaluate) and isinstance(stmt.value, tirx.IntImm)


def _axes(kernel: tirx.Stmt) -> dict[str, ThreadAxis]:
    axes: dict[str, ThreadAxis] = {}
    for attr in _collect(kernel, tirx.AttrStmt):
        if attr.attr_key != "thread_extent":
            continue
        tag, var = attr.node.thread_tag, attr.node.var
        if isinstance(attr.value, tirx.IntImm):
            extent: Extent = int(attr.value)
        elif tag in GRID:
            extent = text_of(attr.value)
        else:
            raise EmitError("XP4001", f"the launch extent of {tag}, {attr.value}, is no constant")
        known = axes.get(tag, ThreadAxis(tag, extent, ()))
        if known.extent != extent:
            raise EmitError("XP4001", f"{tag} has the extents {known.extent} and {extent}")
        axes[tag] = ThreadAxis(tag, extent, (*known.variables, var))
    return axes
