"""Functions that are plain C++: read from the headers that the emulator runs.

__byte_perm(a, b, s)  ->  the body that emulation/integer.h gives it, inlined
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpiler_tvm import emulation
from xpiler_tvm.errors import ReadError, Span

from .. import c_reader, clang_ast, ir
from ..values import BITS, Number, Record, Value
from .calling import Invocation

if TYPE_CHECKING:
    from ..partial_eval.calls import Calls

_FOLDER = Path(emulation.__file__).parent
_NAMES = ("integer.h", "packed.h", "special.h")
_TYPES = """
#define XP_INLINE inline
#define M_PI 3.14159265358979323846
struct char4 { signed char x, y, z, w; };
struct uchar4 { unsigned char x, y, z, w; };
struct short2 { short x, y; };
struct ushort2 { unsigned short x, y; };
template <class To, class From> To xp_bits(From from);
"""
_OFFSET = 1 << 40
"""Added to identities, which are the parser's of another file."""


@lru_cache(maxsize=1)
def _unit() -> ir.Unit:
    texts = [clang_ast.without_includes((_FOLDER / name).read_text()) for name in _NAMES]
    unit = c_reader.read_unit_loosely("\n".join((_TYPES, *texts)), "vnni", "library.h")
    return _moved(unit)


def _moved(node: Any) -> Any:
    """The node with all identities out of the way of those in a user's file."""
    if isinstance(node, tuple):
        return tuple(map(_moved, node))
    if isinstance(node, dict):
        return {_identity(key): _moved(value) for key, value in node.items()}
    if not is_dataclass(node) or isinstance(node, Span):
        return node
    changed: dict[str, Any] = {item.name: _moved(getattr(node, item.name)) for item in fields(node)}
    if changed.get("ident"):
        changed["ident"] = _identity(changed["ident"])
    if "template_params" in changed:
        changed["template_params"] = tuple(
            (name, _identity(ident)) for name, ident in changed["template_params"]
        )
    return replace(node, **changed)  # type: ignore[type-var]


def _identity(ident: Any) -> Any:
    return ident + _OFFSET if isinstance(ident, int) else ident


@lru_cache(maxsize=1)
def _by_name() -> dict[str, list[ir.Function]]:
    found: dict[str, list[ir.Function]] = {}
    for function in _unit().functions.values():
        if function.body is not None:
            found.setdefault(function.name, []).append(function)
    return found


@contextmanager
def _within(ev: Calls) -> Iterator[None]:
    """Inside, names are those of the library's text."""
    outer, ev.unit = ev.unit, _unit()
    try:
        yield
    finally:
        ev.unit = outer


def call(ev: Calls, name: str, expr: ir.Call) -> Value | None:
    """The value of a function of the headers; `None` for another one."""
    return _inlined(Invocation(ev, name, expr))


def _inlined(call: Invocation) -> Value | None:
    candidates = [
        one for one in _by_name().get(call.name, ()) if len(one.params) == len(call.expr.args)
    ]
    if not candidates:
        return None
    function = candidates[0] if len(candidates) == 1 else _chosen(call, candidates)
    args = tuple(ir.Evaluated(value, call.span) for value in call.args)
    callee = ir.Name(function.name, function.ident, call.span)
    with _within(call.ev):
        try:
            return call.ev._inline(function, replace(call.expr, callee=callee, args=args))
        except ReadError as why:
            raise call.refused(f"is not read: {why.message}") from why


def _chosen(call: Invocation, candidates: list[ir.Function]) -> ir.Function:
    """The overload whose parameters are the closest to the arguments."""

    def distance(function: ir.Function) -> int:
        return sum(
            _distance(variable.type, value)
            for variable, value in zip(function.params, call.args, strict=True)
        )

    return min(candidates, key=distance)


def _distance(kind: ir.Type, value: Value) -> int:
    if isinstance(value, Number) and isinstance(kind, ir.Arithmetic):
        if kind.dtype == value.dtype:
            return 0
        alike = value.is_float == ("float" in kind.dtype)
        return 1 + 10 * (not alike) + (BITS[kind.dtype] < BITS[value.dtype])
    if isinstance(value, Record) and isinstance(kind, ir.Struct):
        return 0 if value.kind.name == kind.name else 100
    return 0 if isinstance(value, Number) == isinstance(kind, ir.Arithmetic) else 1000
