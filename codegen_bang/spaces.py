"""Where arrays of a kernel live, how they are named, and what scalar code on them costs.

This is the part of the printer that knows memories; `printer.py` builds the loops on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
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
from xpiler_tvm.dialects.bang_rates import ARITHMETIC, DRAM_ACCESS, NRAM_ACCESS
from xpiler_tvm.kernel import Kernel

from .cost import CopyWork, Meter, MeterState, ScalarWork
from .folds import LANES_ARRAY
from .memory import ITEM_BYTES, NramPlan, Snapshot
from .scalars import scalar_cycles

WRAM_SCOPE = "local.wram"
"""The storage scope of weights for the matrix unit; every other array of a task is in NRAM."""

BANG = CDialect(
    name="BANG C",
    types={**C_TYPES, "float16": "half", "bfloat16": "bfloat16_t"},
    indices={"blockIdx.x": "taskId"},
    index_names={"blockIdx.x": "task"},
    scopes={"local": ""},
    barriers={"shared": "", "shared.dyn": "", "warp": ""},
    functions=BUILTINS,
    helper="static __mlu_func__",
    unroll="",
    reserved=frozenset(
        {"taskId", "taskDim", "coreId", "coreDim", "clusterId", "clusterDim", "queue", "dim"}
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
    as a whole before all else; `far` are those off the chip that scalar code touches.
    """

    def __init__(
        self,
        function: DeviceFunction,
        kernel: Kernel,
        plan: NramPlan,
        tables: Collection[str] = (),
    ) -> None:
        super().__init__(BANG, function, kernel)
        self.plan = plan
        self.tables = tables
        self.far: set[str] = set()
        self.meter = Meter(plan.arch, function.grid[0])
        self.slow: dict[str, float] = {}
        self.operations = 0  # that were looked at as vectors
        self.taken |= {*plan.slot_names(), LANES_ARRAY}
        self.nram: set[tvm.ir.Var] = set()
        self.wram: set[tvm.ir.Var] = set()
        self.unset: set[tvm.ir.Var] = set()  # sums that nothing was stored to yet

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
        self.nram.add(param)
        self.names[param] = name

    def stmt_AllocBuffer(self, node: tirx.AllocBuffer) -> None:
        buffer, size = node.buffer, buffer_size(node.buffer)
        if size == 1 and buffer.scope() == "local":
            super().stmt_AllocBuffer(node)
            return
        if size is None:
            self.refuse(node, f"the extent of {buffer.name!r} is no constant")
        # Whatever a kernel allocates is a task's own: tasks share nothing but their parameters.
        # Such arrays are declared at file scope: their names end with the file, not the block.
        weights = buffer.scope() == WRAM_SCOPE
        (self.wram if weights else self.nram).add(buffer)
        short = re.sub("_local_(nram|wram)", r"_\1", identifier(buffer.name))
        name = identifier(short, self.taken | self.plan.names())
        self.taken.add(name)
        self.names[buffer] = name
        dtype = str(buffer.dtype)
        self.plan.add(name, self.dialect.type(dtype), size, ITEM_BYTES[dtype], weights=weights)

    def scratch(self, name: str, dtype: str, size: int) -> str:
        """The name of an array in NRAM that holds nothing from one statement to the next."""
        short = identifier(name, self.taken)
        self.plan.add(short, self.dialect.type(dtype), size, ITEM_BYTES[dtype])
        return short

    def stmt_DeclBuffer(self, node: tirx.DeclBuffer) -> None:
        super().stmt_DeclBuffer(node)
        for space in (self.nram, self.wram):
            if node.data.args[0] in space:
                space.add(node.buffer)

    def in_nram(self, buffer: tirx.Buffer) -> bool:
        return buffer in self.nram

    def in_wram(self, buffer: tirx.Buffer) -> bool:
        return buffer in self.wram

    def in_gdram(self, buffer: tirx.Buffer) -> bool:
        return not any(buffer in space for space in (self.nram, self.wram, self.scalars))

    def space(self, buffer: tirx.Buffer) -> str:
        """The memory of an array, as directions of copies name it."""
        return "NRAM" if self.in_nram(buffer) else "WRAM" if self.in_wram(buffer) else "GDRAM"

    def element(self, buffer: tirx.Buffer, indices: Iterable[Expr]) -> str:
        if self.in_wram(buffer):
            self.refuse(buffer, f"only the matrix unit can use {buffer.name!r}, which is in WRAM")
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
        super().stmt_IfThenElse(node)

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
