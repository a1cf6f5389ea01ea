"""TVMScript that a stranger wrote -> flat program, without running any of it as Python.

text  ──script_rules──►  vetted text  ──TVM's parser, a confined process──►  plain loops
      ──► statements of `program.py`, every access proved to lie in its array
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import tvm
from tvm import s_tir, tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import LiftError, ReadError, Span
from xpiler_tvm.isolation import forked
from xpiler_tvm.kernel import Kernel, Param, Scalar, Tensor
from xpiler_tvm.tir import Buffer, Expr, Var

from .program import Alloc, Body, Branch, Loop, Program, Statement, Store, map_body
from .raising.layout import guarded_loads
from .raising.proving import proved
from .raising.tensors import Axis, knowing
from .script_rules import NotAllowed, vetted

SECONDS = 20.0
MEMORY = 4 << 30
CALLER = "the script"


def read_script(text: str, kernel: Kernel) -> Program:
    """The program of one TVMScript function with the parameters of a resolved kernel.

    Its parameters are the kernel's tensors and scalars without a value, in order.

    Raises
    ------
    ReadError
        XP1002 where it is not parsed, XP1007 where parameters differ, XP1009 for what is not read.
    LiftError
        XP2006 where an access is not proved to lie in its array.
    """
    try:
        plain = vetted(textwrap.dedent(text))
    except NotAllowed as error:
        raise ReadError("XP1009", f"{CALLER}: {error}") from None
    try:
        parsed = forked.call(lambda: _parsed(plain), seconds=SECONDS, memory=MEMORY)
    except forked.Ended as error:
        raise ReadError("XP1002", f"{CALLER}: the parser ended: {error}") from None
    if "refused" in parsed:
        raise ReadError("XP1002", f"{CALLER}: {parsed['refused']}")
    func = tvm.ir.load_json(parsed["json"])["main"]
    program = _Conversion(func, kernel).program()
    _require_bounds(program.body)
    return program


def _parsed(text: str) -> dict[str, str]:
    """Plain loops over flat buffers, as TVM's JSON; or why there are none."""
    flat = tvm.ir.transform.Sequential(
        [
            s_tir.transform.LowerInitBlock(),
            s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
            s_tir.transform.ConvertBlocksToOpaque(),
            s_tir.transform.LowerMatchBuffer(),
            s_tir.transform.LowerOpaqueBlock(),
            tirx.transform.FlattenBuffer(),
        ]
    )
    try:
        func = tvm.script.from_source(text)
        if not isinstance(func, tirx.PrimFunc):
            return {"refused": "it is no function of TensorIR"}
        if not tirx.analysis.verify_ssa(func):
            return {"refused": "a variable is defined twice"}
        mod = flat(tvm.IRModule({"main": func}))
        return {"json": tvm.ir.save_json(mod)}
    except Exception as error:  # TVM refuses texts with exceptions of many classes
        lines = [line for line in str(error).splitlines() if line.strip()]
        return {"refused": lines[-1].strip()[:300] if lines else type(error).__name__}


class _Conversion:
    """A PrimFunc of plain loops as a `Program`."""

    def __init__(self, func: tirx.PrimFunc, kernel: Kernel) -> None:
        self.func = func
        self.kernel = kernel
        self.span = Span(CALLER, 1, 1)
        self.buffers: dict[Any, Buffer] = {}
        self.by_name: dict[str, Buffer] = {}

    def program(self) -> Program:
        wanted = [
            param
            for param in self.kernel.params or ()
            if isinstance(param, Tensor) or param.value is None
        ]
        given = list(self.func.params)
        if len(wanted) != len(given):
            names = ", ".join(param.name for param in wanted)
            raise ReadError("XP1007", f"{CALLER} takes {len(given)} parameters, not {names}")
        params = tuple(
            (param, self._parameter(param, var)) for param, var in zip(wanted, given, strict=True)
        )
        body = self._body([self.func.body])
        return Program(str(self.kernel.entry or "kernel"), params, body)

    def _parameter(self, param: Param, var: Any) -> Any:
        is_tensor = bool(tirx.is_buffer_var(var))
        dtype = str(var.dtype) if is_tensor else tir.dtype_of(var)
        size = 1
        for extent in var.shape if is_tensor else ():
            size *= tir.as_const(extent) or 0
        fits = is_tensor == isinstance(param, Tensor) and dtype == param.dtype
        if not fits or (isinstance(param, Tensor) and size != param.size):
            kind = f"{dtype} with {size} elements" if is_tensor else dtype
            raise ReadError("XP1007", f"{CALLER}: the parameter {param.name!r} is {kind}")
        if isinstance(param, Scalar):
            return var
        made = tirx.decl_buffer((size,), dtype, param.name)
        self.buffers[var] = made
        return made

    def _body(self, stmts: Sequence[Any]) -> Body:
        found: list[Statement] = []
        for stmt in stmts:
            if isinstance(stmt, tirx.SeqStmt):
                found += self._body(list(stmt.seq))
            elif isinstance(stmt, tirx.DeclBuffer):
                self._alias(stmt)
            elif not isinstance(stmt, tirx.Evaluate):
                found.append(self._statement(stmt))
        return tuple(found)

    def _alias(self, stmt: Any) -> None:
        """A flat view of a parameter, as TVM's flattening declares it."""
        source = stmt.data
        while not tirx.is_buffer_var(source) and hasattr(source, "args"):
            source = source.args[0]
        if source not in self.buffers:
            raise ReadError("XP1009", f"{CALLER}: a view of a buffer is not read")
        self.buffers[stmt.buffer] = self.buffers[source]

    def _statement(self, stmt: Any) -> Statement:
        if isinstance(stmt, tirx.BufferStore):
            index = self._expr(self._index(stmt.indices))
            return Store(self._buffer(stmt.buffer), index, self._expr(stmt.value), self.span)
        if isinstance(stmt, tirx.For):
            extent = tir.as_const(stmt.extent)
            if stmt.kind != tirx.ForKind.SERIAL or extent is None:
                raise ReadError("XP1009", f"{CALLER}: loops are serial and of constant length")
            body = self._body([stmt.body])
            var = tirx.Var(stmt.loop_var.name, "int32")
            start = tir.as_const(stmt.min)
            if start is None:
                raise ReadError("XP1009", f"{CALLER}: loops begin at constants")
            shifted = {stmt.loop_var: var + start if start else var}
            loop = Loop(var, tir.const(extent, "int32"), body, False, self.span)
            return _substituted(loop, shifted)
        if isinstance(stmt, tirx.IfThenElse):
            other = self._body([stmt.else_case]) if stmt.else_case is not None else ()
            then = self._body([stmt.then_case])
            return Branch(self._expr(stmt.condition), then, other, self.span)
        if isinstance(stmt, tirx.AllocBuffer):
            size = tir.as_const(self._index(stmt.buffer.shape))
            if not size:
                raise ReadError("XP1009", f"{CALLER}: buffers are of constant size")
            made = tirx.decl_buffer(
                (size,), str(stmt.buffer.dtype), str(stmt.buffer.name), scope="local"
            )
            self.buffers[stmt.buffer] = made
            return Alloc(made, self.span)
        raise ReadError("XP1009", f"{CALLER}: {type(stmt).__name__} is not read")

    def _index(self, indices: Sequence[Expr]) -> Expr:
        if len(indices) != 1:
            raise ReadError("XP1009", f"{CALLER}: a buffer was not flattened")
        return indices[0]

    def _buffer(self, buffer: Any) -> Buffer:
        if buffer not in self.buffers:
            raise ReadError("XP1009", f"{CALLER}: {buffer.name!r} has no memory")
        return self.buffers[buffer]

    def _expr(self, expr: Expr) -> Expr:
        return tir.map_loads(
            expr, lambda load: self._buffer(load.source)[self._index(list(load.indices))]
        )


def _substituted(loop: Loop, mapping: dict[Var, Expr]) -> Loop:
    body = map_body(loop.body, lambda expr: tir.substitute(expr, mapping))
    return Loop(loop.var, loop.extent, body, loop.parallel, loop.span)


# ---------------------------------------------------------------- bounds


def _require_bounds(body: Body, axes: tuple[Axis, ...] = (), tests: tuple[Expr, ...] = ()) -> None:
    """Every access lies in its array, proved: what only a run could tell is refused."""
    for statement in body:
        if isinstance(statement, Loop):
            _require_bounds(statement.body, (*axes, (statement.var, _length(statement))), tests)
        elif isinstance(statement, Branch):
            _require_loads(statement.test, axes, tests)
            holds = tuple(one for one in tir.conjuncts(statement.test) if not tir.has_load(one))
            whole = () if tir.has_load(statement.test) else (tirx.Not(statement.test),)
            _require_bounds(statement.then, axes, (*tests, *holds))
            _require_bounds(statement.other, axes, (*tests, *whole))
        elif isinstance(statement, Store):
            _require_inside(statement.buffer, statement.index, axes, tests)
            _require_loads(statement.index, axes, tests)
            _require_loads(statement.value, axes, tests)


def _length(loop: Loop) -> int:
    return tir.as_const(loop.extent) or 0


def _require_loads(expr: Expr, axes: tuple[Axis, ...], tests: tuple[Expr, ...]) -> None:
    found = guarded_loads(expr)
    if len(found) != len(tir.loads(expr)):
        raise ReadError("XP1009", f"{CALLER}: reads in {expr} are not understood")
    for load, choices in found:
        plain = tuple(one for one in choices if not tir.has_load(one))
        _require_inside(load.source, load.indices[0], axes, (*tests, *plain))


def _require_inside(
    buffer: Buffer, index: Expr, axes: tuple[Axis, ...], tests: tuple[Expr, ...]
) -> None:
    size = int(buffer.shape[0])
    if not tir.has_load(index):
        with knowing(axes, tests) as analyzer:
            inside = tirx.And(index >= 0, index < size)
            if proved(inside, analyzer):
                return
    raise LiftError(
        "XP2006",
        f"{CALLER}: {buffer.name}[{index}] is not shown to lie within {size} elements",
        hint="guard the access with an if, or T.if_then_else",
    )
