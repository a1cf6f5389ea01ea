"""`<type_traits>`: what templates ask of types, and the choices that they make between types."""

from __future__ import annotations

from collections.abc import Callable

from .. import ir

Argument = ir.Type | int


def _is_real(kind: Argument) -> bool:
    return isinstance(kind, ir.Arithmetic) and kind.dtype in ("float32", "float64")


def _is_integer(kind: Argument) -> bool:
    return isinstance(kind, ir.Arithmetic) and "float" not in kind.dtype


def _is_unsigned(kind: Argument) -> bool:
    return isinstance(kind, ir.Arithmetic) and kind.dtype.startswith(("uint", "bool"))


def _is_signed(kind: Argument) -> bool:
    return _is_real(kind) or (_is_integer(kind) and not _is_unsigned(kind))


def _same(one: Argument, other: Argument) -> bool:
    if isinstance(one, ir.Struct) and isinstance(other, ir.Struct):
        return (one.name, one.ident, one.args) == (other.name, other.ident, other.args)
    return one == other


_QUESTIONS: dict[str, Callable[..., bool]] = {
    "is_same": _same,
    "is_integral": _is_integer,
    "is_floating_point": _is_real,
    "is_arithmetic": lambda kind: _is_integer(kind) or _is_real(kind),
    "is_signed": _is_signed,
    "is_unsigned": _is_unsigned,
    "is_pointer": lambda kind: isinstance(kind, ir.Pointer),
}
_PLAIN = ("remove_const", "remove_cv", "remove_reference", "remove_cvref", "decay")


def is_trait(name: str) -> bool:
    base = name.removesuffix("_v").removesuffix("_t")
    return base in _QUESTIONS or base in ("conditional", "enable_if", *_PLAIN)


def answer(name: str, args: tuple[Argument, ...]) -> bool | None:
    """`name<args...>::value` or `name_v<args...>`; `None` where this is no such question."""
    question = _QUESTIONS.get(name.removesuffix("_v"))
    return question(*args) if question is not None else None


def choice(name: str, args: tuple[Argument, ...]) -> ir.Type | None:
    """`name<args...>::type` or `name_t<args...>`; `None` where this chooses no type."""
    name, chosen = name.removesuffix("_t"), None
    if name == "conditional" and len(args) == 3:
        chosen = args[1] if args[0] else args[2]
    elif name == "enable_if" and args and args[0]:
        chosen = args[1] if len(args) > 1 else ir.VOID
    elif name in _PLAIN and len(args) == 1:
        chosen = args[0].to if isinstance(args[0], ir.Reference) else args[0]
    return None if isinstance(chosen, int) else chosen
