"""What the blocks of a raised module read and store, over the loops around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir
from xpiler_tvm.tir import Buffer, Expr, Var

from .accesses import Around, guarded_loads
from .solver import Solver


@dataclass(frozen=True, eq=False)
class Touch:
    """A read or a store of `buffer[indices]` in a block.

    `apart` are the variables of its spatial axes: instances of a block that differ in them may run
    in any order. It is the `first` store of a block that sets an element before it is added to.
    """

    block: str
    buffer: Buffer
    indices: tuple[Expr, ...]
    stores: bool
    around: Around
    apart: tuple[Var, ...]
    first: bool = False

    @property
    def name(self) -> str:
        where = ", ".join(map(str, self.indices))
        what = "store to" if self.stores else "read of"
        return f"{what} {self.buffer.name}[{where}] in block {self.block}"

    @property
    def flat(self) -> Expr:
        """The number of the element, by rows."""
        place: Expr = tir.const(0, "int32")
        for index, extent in zip(self.indices, self.buffer.shape, strict=True):
            place = place * extent + index
        return place

    @property
    def is_whole(self) -> bool:
        """Whether each axis of the array is a loop of its own, without a test."""
        loops = dict(self.around.loops)
        for index, size in zip(self.indices, self.buffer.shape, strict=True):
            extent = loops.pop(index, None) if isinstance(index, tirx.Var) else None
            single = tir.as_const(index) == 0 and tir.as_const(size) == 1
            if not single and (extent is None or not tir.same(extent, size)):
                return False
        return not self.around.tests


@dataclass(frozen=True, eq=False)
class Raised:
    """The touches of a module's function and the buffers it keeps for itself.

    Buffers in `unclear` are stored to in ways that are not read here.
    """

    touches: tuple[Touch, ...]
    kept: tuple[Buffer, ...]
    unclear: tuple[Buffer, ...]


def touches_of(mod: tvm.IRModule, solver: Solver) -> Raised:
    """The touches of `main`; the solver learns of its loops, and of what it reads from memory."""
    reader = _Reader(solver)
    reader.statement(mod["main"].body, _Place())
    return Raised(tuple(reader.touches), tuple(reader.kept), tuple(reader.unclear))


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a statement stands; `values` are those of the iteration variables of blocks."""

    block: str = ""
    around: Around = field(default_factory=Around)
    values: Mapping[Var, Expr] = field(default_factory=dict)
    apart: tuple[Var, ...] = ()


class _Reader:
    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.touches: list[Touch] = []
        self.kept: list[Buffer] = []
        self.unclear: list[Buffer] = []

    def statement(self, statement: Any, place: _Place) -> None:
        match statement:
            case tirx.SeqStmt():
                for part in statement.seq:
                    self.statement(part, place)
            case tirx.For():
                self._loop(statement, place)
            case s_tir.SBlockRealize():
                self._block(statement, place)
            case tirx.BufferStore():
                self._store(statement, place)
            case tirx.IfThenElse():
                self._branch(statement, place)
            case tirx.AllocBuffer():
                self.kept.append(statement.buffer)
            case tirx.Evaluate():
                pass
            case _:
                self._give_up(statement)

    def _loop(self, loop: Any, place: _Place) -> None:
        extent = self._plain(loop.extent, place)
        self.solver.bind(loop.loop_var, extent)
        values = {**place.values, loop.loop_var: loop.loop_var + loop.min}
        if tir.as_const(loop.min) == 0:
            values = dict(place.values)
        around = place.around.inside(loop.loop_var, extent)
        self.statement(loop.body, replace(place, around=around, values=values))

    def _block(self, realize: Any, place: _Place) -> None:
        block = realize.block
        around = place.around
        test = self._plain(realize.predicate, place)
        if tir.as_const(test) != 1:
            around = around.under(*tir.conjuncts(test))
        values, apart = dict(place.values), list(place.apart)
        for axis, value in zip(block.iter_vars, realize.iter_values, strict=True):
            values[axis.var] = self._plain(value, place)
            if axis.iter_type == tirx.IterVar.DataPar:
                apart += tir.variables(values[axis.var])
        self.kept += list(block.alloc_buffers)
        inside = _Place(block.name_hint, around, values, tuple(apart))
        if block.init is not None:
            start = len(self.touches)
            self.statement(block.init, inside)
            self.touches[start:] = [replace(one, first=True) for one in self.touches[start:]]
        self.statement(block.body, inside)

    def _store(self, store: Any, place: _Place) -> None:
        for expr in (store.value, *store.indices):
            self._reads(expr, place)
        self._note(store.buffer, store.indices, True, place.around, place)

    def _branch(self, branch: Any, place: _Place) -> None:
        self._reads(branch.condition, place)
        test = self._plain(branch.condition, place)
        self.statement(branch.then_case, replace(place, around=place.around.under(test)))
        if branch.else_case is not None:
            other = place.around.under(tirx.Not(test))
            self.statement(branch.else_case, replace(place, around=other))

    def _give_up(self, statement: Any) -> None:
        tvm_ffi.structural_walk(
            statement, [(tirx.BufferStore, lambda one: self.unclear.append(one.buffer))]
        )

    def _reads(self, expr: Expr, place: _Place) -> None:
        for load, tests in guarded_loads(expr):
            around = place.around.under(*(self._plain(test, place) for test in tests))
            self._note(load.source, load.indices, False, around, place)

    def _note(
        self, buffer: Buffer, indices: Iterable[Expr], stores: bool, around: Around, place: _Place
    ) -> None:
        plain = tuple(self._plain(index, place) for index in indices)
        self.touches.append(Touch(place.block, buffer, plain, stores, around, place.apart))

    def _plain(self, expr: Expr, place: _Place) -> Expr:
        """The expression over loop variables, with a variable for every read."""
        return tir.map_loads(tir.substitute(expr, place.values), self._read)

    def _read(self, load: Expr) -> Expr:
        """Of an array that is stored to again, elements are told apart by nothing: each read may
        be of another one."""
        var = tirx.Var(f"{load.source.name}_element", tir.dtype_of(load))
        self.solver.data[var] = str(load.source.name)
        return var


__all__ = ["Raised", "Touch", "touches_of"]
