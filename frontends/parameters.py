"""What a kernel takes: its parameters as tensors and scalars.

A class by value is taken apart: field `h` of parameter `p` is `p_h`, a scalar or, where it is a
pointer, a tensor; element 2 of its array `shape` is the scalar `p_shape_2`. Variables of the file
that only host code fills (`__constant__ float mask[9];`) are taken like parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xpiler_tvm.errors import ReadError, Span

from . import ir
from .partial_eval import constants_of
from .partial_eval.questions import scalar_of, walk
from .values import offsets_of, size_of


@dataclass(frozen=True)
class Slot:
    """One thing that a kernel takes.

    `of` names the parameter that it is a field of, `at` how many bytes it lies behind the start of
    that. `shape` is known of `symbol`s, the variables of
    the file; `parts` is how many numbers an element behind a pointer is made of.
    """

    name: str
    dtype: str
    pointer: bool
    span: Span
    of: str = ""
    at: int = 0
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
        found += _slots(variable.name, kind, variable.span)
    names = [slot.name for slot in found]
    for slot in found:
        if names.count(slot.name) > 1:
            raise ReadError(
                "XP1009", f"two parameters are called {slot.name!r}, taken apart", span=slot.span
            )
    return (*found, *_symbols(unit, function))


def _slots(name: str, kind: ir.Type, span: Span, of: str = "", at: int = 0) -> Iterator[Slot]:
    """What stands for a parameter, or for what lies `at` bytes behind the start of one, `of`."""
    if isinstance(kind, ir.Struct):
        for (field, inner), start in zip(kind.fields, offsets_of(kind, span), strict=False):
            part = name if field.startswith(ir.BASE) else f"{name}_{field}"
            yield from _slots(part, inner, span, of or name, at + start)
    elif of and isinstance(kind, ir.ArrayType) and isinstance(kind.extent, ir.Literal):
        size = size_of(kind.of, span)
        for number in range(int(kind.extent.value)):
            yield from _slots(f"{name}_{number}", kind.of, span, of, at + number * size)
    else:
        yield _slot(name, kind, span, of, at)


def _slot(name: str, kind: ir.Type, span: Span, of: str, at: int) -> Slot:
    pointer = isinstance(kind, ir.Pointer)
    if isinstance(kind, ir.Pointer):
        kind = kind.to
    while isinstance(kind, ir.ArrayType):
        kind = kind.of
    dtype = scalar_of(kind)
    if dtype is None or (not pointer and not isinstance(kind, ir.Arithmetic)):
        raise ReadError("XP1007", f"{name!r} is a parameter of a type that is not read", span=span)
    parts = size_of(kind, span) // size_of(ir.Arithmetic(dtype), span)
    return Slot(name, dtype, pointer, span, of, at, parts=parts)


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
