"""Kernel IR -> one thread's program: integers and pointers are evaluated, the rest is emitted.

An integer or a pointer that no memory read feeds is kept as a symbolic expression over loop and
thread variables; an assignment updates the environment. Everything else lives in local buffers.
Where an integer cannot be kept (it is assigned under a condition that reads memory, or by a loop
in no closed form) it is *demoted* to a local buffer and the evaluation starts again.

Device functions and lambdas are inlined; loops become counted ones where their trip count has a
closed form, are unrolled where their tests are known, and are `While` otherwise; `break`,
`continue` and `return` become nesting and flags.

    accesses <- types <- memory <- places <- operators <- expressions <- classes <- calls
    <- statements <- induction <- loops <- Evaluator
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import Kernel, Scalar, Tensor
from xpiler_tvm.tir import Buffer

from .. import ir
from ..arenas import Access, Arena, Region, layout_of
from ..values import Address, Number, Record, Value, size_of
from .ids import counts
from .loops import Loops
from .meetings import join_meetings
from .questions import is_constant
from .state import FAULT, Demote, Findings, Kept, Mixed, Moves, Site, Stored, ThreadProgram


class Evaluator(Loops):
    """The evaluation of one kernel."""

    def kernel(
        self, function: ir.Function, template_args: dict[int, ir.Type | int]
    ) -> ThreadProgram:
        self.frames.append(self.frame(function.name, function.template_params, template_args))
        params = self._parameters(function)
        if self.fault is not None:
            params = (*params, (FAULT, self.fault))
        assert function.body is not None
        self.run([function.body])
        threads = tuple((v, n) for v, n in self.ids.threads if n > 1)
        blocks = tuple((v, n) for v, n in self.ids.blocks if counts(n))
        return ThreadProgram(
            params,
            threads,
            blocks,
            (*self.shared, *self.scratch.values(), *self.notes()),
            (*self.tables, *self.out),
            self.extents,
            frozenset(self.read),
            frozenset(self.written),
            self.proved,
            tuple(self.sites),
            self.value_ranges,
            frozenset(self.placed),
            tuple(sorted(self.math.assumptions)),
            tuple(self.scratch.values()),
            tuple(self.math.divisions),
            tuple(self.math.operations),
        )

    def laid_out(self) -> bool:
        """Whether notes were taken of accesses to arenas, which now have their regions."""
        layouts = self.findings.layouts
        open_ = [ident for ident in layouts if layouts[ident] is None]
        for ident in open_:
            arenas = self.arenas.get(ident, [])
            accesses = [access for arena in arenas for access in arena.accesses]
            if accesses and ident in self.findings.whole:
                size = arenas[0].size
                layouts[ident] = layout_of(
                    [*accesses, Access(0, size - 1, accesses[0].dtype)], size
                )
            elif accesses:
                layouts[ident] = layout_of(accesses, arenas[0].size)
            else:
                layouts[ident] = (Region(0, arenas[0].size if arenas else 1, "int8"),)
        return bool(open_)

    def notes(self) -> list[Buffer]:
        """Buffers of arenas without regions: the program that has them is not the last."""
        arenas = [arena for found in self.arenas.values() for arena in found]
        return [buffer for arena in arenas for buffer in arena.views.values()]

    def _parameters(self, function: ir.Function) -> tuple[tuple[Tensor | Scalar, Any], ...]:
        params: list[tuple[Tensor | Scalar, Any]] = []
        given = list(self.source.params or ())
        for variable in function.params:
            kind = self.resolve(variable.type, variable.span)
            self.types[variable.ident] = kind
            if isinstance(kind, ir.Struct):
                value = self._object_passed(variable, variable.name, kind, given, params)
                if variable.ident not in self.findings.demoted:
                    self.env[variable.ident] = value
                    self.records.add(variable.ident)
                    continue
                address = self.allocate(variable.name, kind, variable.span)
                self.env[variable.ident] = Stored(address)
                self.store(address, value, variable.span)
                continue
            param = given.pop(0)
            if isinstance(param, Tensor):
                assert isinstance(kind, ir.Pointer)
                start = self._tensor(param, kind.to, params)
                if variable.ident in self.findings.demoted:
                    self.pointer_in_memory(variable, start)
                else:
                    self.env[variable.ident] = start
            else:
                self._bind(variable, kind, self._scalar(param, params))
        for param in given:
            self._symbol(param, params)
        return (*params, *self._free_sizes(params))

    def _object_passed(
        self,
        variable: ir.Variable,
        name: str,
        kind: ir.Type,
        given: list[Tensor | Scalar],
        params: list[tuple[Tensor | Scalar, Any]],
    ) -> Value:
        """A parameter of class type, or a field of one, from what is next in `given`.

        An array is the place where its elements are kept.
        """
        if isinstance(kind, ir.Struct):
            return Record(
                kind,
                {
                    field: self._object_passed(variable, f"{name}_{field}", of, given, params)
                    for field, of in kind.fields
                },
            )
        if isinstance(kind, ir.ArrayType):
            assert isinstance(kind.extent, ir.Literal)
            extent, span = int(kind.extent.value), variable.span
            values = [
                self._object_passed(variable, name, kind.of, given, params) for _ in range(extent)
            ]
            address, size = self.allocate(name, kind, span), size_of(kind.of, span)
            for number, value in enumerate(values):
                self.store(self.moved(address, number * size, kind.of), value, span)
            numbers = [value for value in values if isinstance(value, Number)]
            if not isinstance(address.buffer, Arena) and len(numbers) == extent:
                self.kept[address.buffer] = Kept(variable.ident, numbers)
            return address
        param = given.pop(0)
        if isinstance(param, Tensor):
            assert isinstance(kind, ir.Pointer)
            return self._tensor(param, kind.to, params)
        return self._scalar(param, params)

    def _tensor(
        self, param: Tensor, of: ir.Type, params: list[tuple[Tensor | Scalar, Any]]
    ) -> Address:
        extent = self.sizes.product(param.shape) if param.shape is not None else 1 << 30
        buffer = self.buffer(param.name, param.dtype, extent, "global")
        self.param_of[buffer] = param.name
        self.extents[param.name] = 0
        params.append((param, buffer))
        return Address(buffer, tir.const(0, "int32"), of)

    def _scalar(self, param: Tensor | Scalar, params: list[tuple[Tensor | Scalar, Any]]) -> Number:
        assert isinstance(param, Scalar)
        if param.value is not None:
            return self.math.number(param.value, param.dtype)
        if param.equals:
            return Number(tir.as_expr(self.sizes.of(param.equals)), param.dtype)
        if param.name in self.sizes.names:
            self._name(param.name)
            params.append((param, self.sizes.names[param.name]))
            return Number(self.sizes.names[param.name], param.dtype)
        self._name(param.name)
        var = tirx.Var(param.name, param.dtype)
        self.symbolic.append(var)
        params.append((param, var))
        return Number(var, param.dtype)

    def _free_sizes(
        self, params: list[tuple[Tensor | Scalar, Any]]
    ) -> list[tuple[Tensor | Scalar, Any]]:
        """The sizes that are no parameters of the kernel."""
        taken = {param.name for param, _ in params}
        return [
            (Scalar(name, "int32"), var)
            for name, var in self.sizes.names.items()
            if name not in taken
        ]

    def _symbol(self, param: Tensor | Scalar, params: list[tuple[Tensor | Scalar, Any]]) -> None:
        """A variable of the file that is filled by host code."""
        assert isinstance(param, Tensor)
        for variable in self.unit.variables.values():
            if variable.name == param.name and variable.space in ("constant", "device"):
                kind = self.resolve(variable.type, variable.span)
                self.types[variable.ident] = kind
                self.env[variable.ident] = Stored(self._tensor(param, kind, params))

    def _bind(self, variable: ir.Variable, kind: ir.Type, value: Value) -> None:
        """A by-value parameter; one that the body assigns behaves like any local."""
        self.types[variable.ident] = kind
        if variable.ident in self.findings.demoted or (
            isinstance(value, Number)
            and ((value.is_float and not is_constant(value)) or tir.has_load(value.expr))
            and not isinstance(value.expr, tirx.Var)
        ):
            address = self.allocate(variable.name, kind, variable.span)
            self.env[variable.ident] = Stored(address)
            self.store(address, value, variable.span)
        else:
            self.env[variable.ident] = value


def evaluate(
    unit: ir.Unit,
    function: ir.Function,
    kernel: Kernel,
    template_args: dict[int, ir.Type | int],
    watched: bool = False,
) -> ThreadProgram:
    """The program of one thread of `kernel`, whose entry is `function`.

    A `watched` program has one more parameter, `FAULT`: where an access that was not proved to be
    in bounds is not, the number of its site plus one and the index are stored there, and the
    nearest element is taken.

    Raises `ReadError` for what cannot be read and `LiftError` for what cannot be lifted.
    """
    findings = Findings()
    while True:
        evaluator = Evaluator(unit, kernel, findings, watched)
        try:
            program = evaluator.kernel(function, template_args)
        except Demote as request:
            if request.ident in findings.demoted:
                raise ReadError(
                    "XP1009",
                    "a variable here is neither a number nor kept in memory",
                    span=function.span,
                ) from None
            findings.demoted.add(request.ident)
            continue
        except Moves as request:
            findings.moving.add(request.name)
            continue
        except Mixed as request:
            if findings.layouts.get(request.ident) is not None:
                findings.whole.add(request.ident)
            findings.layouts[request.ident] = None
            continue
        if not evaluator.laid_out():
            cores = evaluator.ids.cores
            body = program.body if cores is None else join_meetings(program.body, cores)
            return replace(program, body=body)


def constants_of(unit: ir.Unit) -> Evaluator:
    """An evaluator of what the file says outside of kernels: types and constants."""
    return Evaluator(unit, Kernel("", "cuda"), Findings(), watched=False)


__all__ = ["FAULT", "Evaluator", "Site", "ThreadProgram", "constants_of", "evaluate"]
