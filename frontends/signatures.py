"""What a kernel's text says of itself when most of it is not understood: names, types, launch.

A kernel that is only executed need not be read as a program. Unknown intrinsics and constructs that
no reader takes do not matter here; BANG C is read like this too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from xpiler_tvm.errors import ReadError
from xpiler_tvm.kernel import Kernel, Launch, Param, Scalar, Tensor

from . import clang_ast, ir
from .c_reader import read_unit_loosely
from .host import HostFacts, launch_of
from .host_calls import Calls
from .parameters import slots_of
from .resolving import find_entry, launch_from, symbol_of, template_arguments


@dataclass(frozen=True)
class Signature:
    """`params` without shapes, values and intents (`inout` stands for not known); `launch` is
    `None` where no host code of the file says it."""

    entry: str
    params: tuple[Param, ...]
    launch: Launch | None


_unit = lru_cache(maxsize=32)(read_unit_loosely)


def read_signature(kernel: Kernel, values: Mapping[str, int | float] | None = None) -> Signature:
    """The signature of `kernel`, and its launch where host code says it.

    `values` may give the arguments of that host code, by name; those it does not have are ignored.

    Raises `ReadError`: XP1003 to XP1005 without an entry, XP1007 for a parameter of a type that
    cannot be passed.
    """
    unit = _unit(kernel.source, kernel.dialect, kernel.filename)
    function = find_entry(unit, kernel)
    named = kernel if kernel.entry is not None else replace(kernel, entry=function.name)
    facts = _launched(unit, named, dict(values or {}))
    entry = named.entry if named.entry and "<" in named.entry else None
    entry = entry or (facts.entry if facts else function.name)
    bound = template_arguments(unit, function, entry)
    params: list[Param] = []
    for slot in slots_of(unit, function, bound):
        if slot.symbol:
            params.append(symbol_of(slot))
        elif slot.pointer:
            params.append(Tensor(slot.name, None, slot.dtype, "inout"))
        else:
            params.append(Scalar(slot.name, slot.dtype, of=slot.of))
    return Signature(entry, tuple(params), _launch(kernel, facts) if facts else None)


def _launched(unit: ir.Unit, kernel: Kernel, values: dict[str, int | float]) -> HostFacts | None:
    """What host code says, with the kernel's own arguments and those of `values` that it has."""
    calls = Calls(unit)
    known = calls.settable(calls.roots(kernel.entry))
    args = {name: value for name, value in values.items() if name in known} | dict(kernel.args)
    for given in (kernel.args, tuple(sorted(args.items()))):
        try:
            return launch_of(unit, replace(kernel, args=given))
        except ReadError:
            continue
    return None


def _launch(kernel: Kernel, facts: HostFacts) -> Launch | None:
    try:
        return launch_from(facts, kernel.dialect)
    except ReadError:
        return None


def device_text(kernel: Kernel) -> str:
    """`kernel.source` without its host functions, where it cannot be parsed in full."""
    return clang_ast.without_host_functions(kernel.source, kernel.dialect, kernel.filename)
