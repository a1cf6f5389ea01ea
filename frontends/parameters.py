"""What a kernel takes: its parameters as tensors and scalars.

A class by value is taken apart: field `h` of parameter `p` is the scalar `p_h`. Variables of the
file that only host code fills (`__constant__ float mask[9];`) are taken like parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

from xpiler_tvm.errors import ReadError, Span

from . import ir
from .partial_eval import constants_of
from .partial_eval.questions import scalar_of, walk
from .values import size_of


@dataclass(frozen=True)
class Slot:
    """One thing that a kernel takes.

    `of` names the parameter that it is a field of. `shape` is known of `symbol`s, the variables of
    the file; `parts` is how many numbers an element behind a pointer is made of.
    """

    name: str
    dtype: str
    pointer: bool
    span: Span
    of: str = ""
    symbol: bool = False
    written: bool = False
    shape: tuple[int, ...] | None = None
    parts: int = 1


def slots_of(
    unit: ir.Unit, function: ir.Function, bound: dict[int, ir.Type | int]
) -> tuple[Slot, ...]:
    """What `function`, an instance with template arguments `bound`, takes, in order.

    Raises `ReadError` XP1007 or XP1009 for a parameter of a type that cannot be passed.
    """
    types = constants_of(unit)
    types.frames.append(types.frame(function.name, function.template_params, bound))
    found: list[Slot] = []
    for variable in function.params:
        kind = types.resolve(variable.type, variable.span)
        if isinstance(kind, ir.Struct):
            found += _fields(variable, kind)
        else:
            found.append(_parameter(variable, kind))
    return (*found, *_symbols(unit, function))


def _parameter(variable: ir.Variable, kind: ir.Type) -> Slot:
    span, pointer = variable.span, isinstance(kind, ir.Pointer)
    if isinstance(kind, ir.Pointer):
        kind = kind.to
    while isinstance(kind, ir.ArrayType):
        kind = kind.of
    dtype = scalar_of(kind)
    if dtype is None or (not pointer and not isinstance(kind, ir.Arithmetic)):
        raise ReadError(
            "XP1007", f"{variable.name!r} is a parameter of a type that is not read", span=span
        )
    parts = size_of(kind, span) // size_of(ir.Arithmetic(dtype), span)
    return Slot(variable.name, dtype, pointer, span, parts=parts)


def _fields(variable: ir.Variable, kind: ir.Struct) -> list[Slot]:
    found = []
    for name, of in kind.fields:
        if not isinstance(of, ir.Arithmetic):
            raise ReadError(
                "XP1009",
                f"{variable.name!r} is a class by value, and its field {name!r} is no number",
                span=variable.span,
                hint="pass pointers and arrays as parameters of their own",
            )
        field = f"{variable.name}_{name}"
        found.append(Slot(field, of.dtype, False, variable.span, of=variable.name))
    return found


def _symbols(unit: ir.Unit, entry: ir.Function) -> list[Slot]:
    """Variables of the file that the kernel reaches and that nothing initialises."""
    types = constants_of(unit)
    seen: set[int] = set()
    found: dict[int, Slot] = {}
    pending = [entry]
    while pending:
        function = pending.pop()
        if function.ident in seen:
            continue
        seen.add(function.ident)
        for node in walk(function.body):
            if not isinstance(node, ir.Name):
                continue
            variable = unit.variables.get(node.ident)
            if variable is not None and variable.space in ("constant", "device"):
                if variable.init is None and not variable.extern and variable.ident not in found:
                    kind = types.resolve(variable.type, variable.span)
                    found[variable.ident] = _symbol(kind, variable)
                continue
            callee = unit.functions.get(node.ident)
            pending += [callee] if callee is not None else unit.overloads(node.name)
    return [found[ident] for ident in sorted(found, key=lambda ident: found[ident].span.line)]


def _symbol(kind: ir.Type, variable: ir.Variable) -> Slot:
    dtype = scalar_of(kind)
    if dtype is None:
        raise ReadError(
            "XP1009",
            f"{variable.name!r} holds objects of several types and is filled by host code",
            span=variable.span,
        )
    size = size_of(kind, variable.span) // size_of(ir.Arithmetic(dtype), variable.span)
    written = variable.space == "device"
    return Slot(
        variable.name, dtype, True, variable.span, symbol=True, written=written, shape=(size,)
    )
