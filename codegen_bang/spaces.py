"""Where arrays of a kernel live, how they are named, and what scalar code on them costs.

This is the part of the printer that knows memories; `printer.py` builds the loops on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import tvm
import tvm_ffi
from tvm import tirx
from tvm.ir import Expr

from xpiler_tvm.codegen.c_family import (
    BUILTINS,
    C_TYPES,
    SUM,
    UNARY,
    CDialect,
    CPrinter,
    Text,
    buffer_size,
    dtype_of,
    identifier,
)
from xpiler_tvm.codegen.lower import DeviceFunction
from xpiler_tvm.dialects.bang_rates import ARITHMETIC, BARRIER, DRAM_ACCESS, NRAM_ACCESS
from xpiler_tvm.kernel import Kernel

from .cost import CopyWork, Meter, MeterState, ScalarWork
from .folds import LANES_ARRAY
from .jobs import Job
from .memory import ITEM_BYTES, MemoryPlan, OnChip, Snapshot
from .scalars import scalar_cycles
from .sharing import OFTEN, SRAM_SCOPE, UNDER_WAY, is_memory_core

WRAM_SCOPE = "local.wram"
"""The storage scope of weights."""
_SPACES: Mapping[str, OnChip] = {WRAM_SCOPE: "WRAM", SRAM_SCOPE: "SRAM"}
"""Memories by storage scope; whatever else a kernel allocates is a task's own, in NRAM."""

BANG = CDialect(
    name="BANG C",
    types={**C_TYPES, "float16": "half", "bfloat16": "bfloat16_t"},
    index_names={"blockIdx.x": "task", "threadIdx.x": "core"},
    scopes={"local": ""},
    barriers={"shared": "", "shared.dyn": "", "warp": "", SRAM_SCOPE: "__sync_cluster();"},
    functions=BUILTINS,
    helper="static __mlu_func__",
    unroll="",
    reserved=frozenset(
        {
            *("taskId", "taskIdY", "taskDim", "coreId", "coreDim", "clusterId", "clusterDim"),
            *("queue", "dim"),
        }
    ),
)


class Checkpoint(NamedTuple):
    """The state of a printer before an attempt."""

    lines: int
    depth: int
    taken: set[str]
    helpers: dict[str, str]
    memory: Snapshot
    cost: MeterState
    slow: dict[str, float]


class SpacePrinter(CPrinter):
    """Knows the memory of each array.

    `plan` collects what the kernel keeps on the chip, `meter` what it costs, and `slow` what of
    that is scalar loops: cycles by what they are. The parameters in `tables` are brought into NRAM
    as a whole before all else; `far` are those off the chip that scalar code touches. What is
    printed while `on_memory_core` runs on a cluster's memory core alone.
    """

    def __init__(
        self,
        function: DeviceFunction,
        kernel: Kernel,
        job: Job,
        plan: MemoryPlan,
        tables: Collection[str] = (),
    ) -> None:
        super().__init__(replace(BANG, indices=job.indices), function, kernel)
        self.plan = plan
        self.leaves_under_way = False
        self.tables = tables
        self.far: set[str] = set()
        self.meter = Meter(plan.arch, job.count, job.clusters)
        self.slow: dict[str, float] = {}
        self.operations = 0  # that were looked at as vectors
        self.taken |= {*plan.slot_names(), LANES_ARRAY}
        self.on_chip: dict[tvm.ir.Var, OnChip] = {}
        self.unset: set[tvm.ir.Var] = set()  # sums that nothing was stored to yet

    @property
    def on_memory_core(self) -> bool:
        return self.meter.on_memory_core

    # --- memory -----------------------------------------------------------------------------

    def body(self) -> list[str]:
        for param in self.function.params:
            if param.name in self.tables:
                self._bring_in(param)
        return super().body()

    def _bring_in(self, param: tvm.ir.Var) -> None:
        dtype, size = str(param.dtype), buffer_size(param)
        assert size is not None
        name, item = self.reserve(f"{param.name}_nram"), ITEM_BYTES[dtype]
        self.plan.add(name, self.dialect.type(dtype), size, item)
        self.meter.charge(CopyWork("GDRAM2NRAM", size * item))
        self.line(f"__memcpy({name}, {self.name(param)}, {size * item}, GDRAM2NRAM);")
        self.on_chip[param] = "NRAM"
        self.names[param] = name

    def stmt_AllocBuffer(self, node: tirx.AllocBuffer) -> None:
        buffer, size = node.buffer, buffer_size(node.buffer)
        if size == 1 and buffer.scope() == "local":
            super().stmt_AllocBuffer(node)
            return
        if size is None:
            self.refuse(node, f"the extent of {buffer.name!r} is no constant")
        # Such arrays are declared at file scope: their names end with the file, not the block.
        space = self.on_chip[buffer] = _SPACES.get(buffer.scope(), "NRAM")
        short = re.sub("_(local|shared)_(nram|wram|sram)", r"_\2", identifier(buffer.name))
        name = identifier(short, self.taken | self.plan.names())
        self.taken.add(name)
        self.names[buffer] = name
        dtype = str(buffer.dtype)
        self.plan.add(name, self.dialect.type(dtype), size, ITEM_BYTES[dtype], space)

    def scratch(self, name: str, dtype: str, size: int) -> str:
        """The name of an array in NRAM that holds nothing from one statement to the next."""
        short = identifier(name, self.taken)
        self.plan.add(short, self.dialect.type(dtype), size, ITEM_BYTES[dtype])
        return short

    def stmt_DeclBuffer(self, node: tirx.DeclBuffer) -> None:
        super().stmt_DeclBuffer(node)
        if node.data.args[0] in self.on_chip:
            self.on_chip[node.buffer] = self.on_chip[node.data.args[0]]

    def in_nram(self, buffer: tirx.Buffer) -> bool:
        return self.space(buffer) == "NRAM"

    def in_wram(self, buffer: tirx.Buffer) -> bool:
        return self.space(buffer) == "WRAM"

    def in_gdram(self, buffer: tirx.Buffer) -> bool:
        return self.space(buffer) == "GDRAM" and buffer not in self.scalars

    def space(self, buffer: tirx.Buffer) -> str:
        """The memory of an array, as directions of copies name it."""
        return self.on_chip.get(buffer, "GDRAM")

    def direction(self, source: tirx.Buffer, target: tirx.Buffer) -> str | None:
        """The direction of a copy; `None` where no instruction of this core makes it."""
        ends = self.space(source), self.space(target)
        if self.on_memory_core:
            return "2".join(ends) if {*ends} == {"GDRAM", "SRAM"} else None
        return "2".join(ends) if {"NRAM", "SRAM"} & {*ends} else None

    def copying(self, direction: str) -> str:
        """The function of a copy in that direction: one that waits, but for results under way."""
        asynchronous = self.leaves_under_way and direction == "NRAM2GDRAM"
        return "__memcpy_async" if asynchronous else "__memcpy"

    def element(self, buffer: tirx.Buffer, indices: Iterable[Expr]) -> str:
        space = self.space(buffer)
        if space in ("WRAM", "SRAM"):
            self.refuse(buffer, f"{buffer.name!r} is in {space}, where scalar code cannot reach it")
        return super().element(buffer, indices)

    def pointer(self, buffer: tirx.Buffer, first: Expr) -> str:
        """The address of an element of an array."""
        name = self.name(buffer)
        if isinstance(first, tirx.IntImm) and int(first) == 0:
            return name
        return f"{name} + {self.expr(first).within(SUM)}"

    # --- the cost of scalar code ----------------------------------------------------------------

    def stmt_BufferStore(self, node: tirx.BufferStore) -> None:
        super().stmt_BufferStore(node)
        self.charge_scalar(node)

    def stmt_Bind(self, node: tirx.Bind) -> None:
        super().stmt_Bind(node)
        self.charge_scalar(node.value)

    def stmt_While(self, node: tirx.While) -> None:
        before = self.meter.elapsed
        with self.meter.loop(None):
            self.charge_scalar(node.condition)
            super().stmt_While(node)
        self.note_slow("a loop runs until the data say so", before, node.body)

    def stmt_IfThenElse(self, node: tirx.IfThenElse) -> None:
        self.charge_scalar(node.condition)
        first = is_memory_core(node.condition)
        if first is None:
            super().stmt_IfThenElse(node)
            return
        head = f"if ({self.expr(node.condition).code})"
        with self.meter.beside():
            with self.braces(head, "}" if node.else_case is None else "} else {"):
                self._on_cores(node.then_case, memory_core=first)
            if node.else_case is not None:
                self.depth += 1
                self.meter.other()
                self._on_cores(node.else_case, memory_core=not first)
                self.depth -= 1
                self.line("}")

    def _on_cores(self, node: tirx.Stmt, *, memory_core: bool) -> None:
        """What the memory core does, or what the others do."""
        self.meter.on_memory_core = memory_core
        self.stmt(node)
        self.meter.on_memory_core = False

    def stmt_AttrStmt(self, node: tirx.AttrStmt) -> None:
        if node.attr_key == OFTEN:
            with self.meter.sometimes(float(node.value)):
                self.stmt(node.body)
        elif node.attr_key == UNDER_WAY:
            self.leaves_under_way = True
            with self.meter.under_way():
                self.stmt(node.body)
            self.leaves_under_way = False
        else:
            super().stmt_AttrStmt(node)

    def stmt_Evaluate(self, node: tirx.Evaluate) -> None:
        super().stmt_Evaluate(node)
        if isinstance(node.value, tvm.ir.Call) and node.value.op.name.endswith("storage_sync"):
            self.meter.charge(ScalarWork(BARRIER))

    def note_slow(self, what: str, before: float, body: tirx.Stmt) -> None:
        """Remember a scalar loop with the cycles that passed since `before`, if none is in it."""
        inner: list[tirx.Stmt] = []
        tvm_ffi.structural_walk(body, [(tirx.For, inner.append), (tirx.While, inner.append)])
        if not inner:
            self.slow[what] = self.slow.get(what, 0.0) + self.meter.elapsed - before

    def charge_scalar(self, node: Expr | tirx.Stmt) -> None:
        self.meter.charge(ScalarWork(self.scalar_cycles(node)))

    def scalar_cycles(self, node: Expr | tirx.Stmt) -> float:
        return scalar_cycles(node, self.access_cycles)

    def access_cycles(self, buffer: tirx.Buffer) -> float:
        if self.in_nram(buffer):
            return NRAM_ACCESS
        if not self.in_gdram(buffer):
            return ARITHMETIC
        self.far.add(self.name(buffer))
        return DRAM_ACCESS

    # --- attempts -------------------------------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """What an attempt at vector code may change."""
        return Checkpoint(
            len(self.lines),
            self.depth,
            set(self.taken),
            dict(self.helpers),
            self.plan.snapshot(),
            self.meter.snapshot(),
            dict(self.slow),
        )

    def roll_back(self, saved: Checkpoint) -> None:
        """Nothing of a failed attempt stays, neither text nor memory."""
        del self.lines[saved.lines :]
        self.depth, self.taken, self.helpers = saved.depth, set(saved.taken), dict(saved.helpers)
        self.plan.restore(saved.memory)
        self.meter.restore(saved.cost)
        self.slow = dict(saved.slow)

    def cost_of(self, attempt: Callable[[], None]) -> float:
        """The modelled cycles of what `attempt` prints, of which nothing stays."""
        saved, before = self.checkpoint(), self.meter.elapsed
        attempt()
        cost = self.meter.elapsed - before
        self.roll_back(saved)
        return cost

    # --- names and numbers ----------------------------------------------------------------------

    def wrapped(self, text: Text, node: Expr) -> Text:
        """Scalars in bfloat16 are computed in float: a choice needs sides of one type."""
        if dtype_of(node) == "bfloat16":
            return self.cast(text, "bfloat16")
        return super().wrapped(text, node)

    def filling(self, value: Text, dtype: str) -> str:
        """`value` as the argument of a fill: the element size is that of the argument's type."""
        cast = f"({self.dialect.type(dtype)})"
        return value.code if value.code.startswith(cast) else cast + value.within(UNARY)

    def upper_bound(self, value: Expr) -> int | None:
        high = self.analyzer.const_int_bound(value).max_value
        return int(high) if high < 2**31 else None

    def reserve(self, wanted: str) -> str:
        """A name for a local variable that is no TIR variable."""
        name = identifier(wanted, self.taken)
        self.taken.add(name)
        return name
