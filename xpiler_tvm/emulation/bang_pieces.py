"""Pieces of C++ that every operation of BANG C is made of: types, and checks of operands."""

from __future__ import annotations

from collections.abc import Sequence

from xpiler_tvm.dialects.bang_layouts import Rules

C_TYPES = {
    "float16": "half",
    "bfloat16": "bfloat16",
    "float32": "float",
    "int4": "int4x2_t",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned",
}
AT = "XpLine at = XpLine()"
"""The last parameter: the line of the call."""


def read(name: str, role: str, pointer: str, size: str, space: str = "XP_VECTORS") -> str:
    """The check that an operand that is read lies in one variable in `space`. `size` is bytes."""
    return f'xp_operand("{name}", at.line, "{role}", {pointer}, {size}, {space});'


def write(
    name: str, pointer: str, size: str, role: str = "the destination", space: str = "XP_VECTORS"
) -> str:
    """As `read`, for an operand that is written."""
    return read(name, role, pointer, size, f"{space} | XP_WRITTEN")


def overlap(
    name: str, target_size: str, pointer: str, size: str, *, in_place: bool, target: str = "dst"
) -> str:
    """The check that `pointer` does not share memory with `target`, but for the same place."""
    return (
        f'xp_overlap("{name}", at.line, {target}, {target_size}, {pointer}, {size}, '
        f"{int(in_place)});"
    )


def type_check(name: str, kind: str, dtypes: Sequence[str], informal: Sequence[str] = ()) -> str:
    """The check of an element type; `informal` ones pass in lenient mode only."""
    # A plain char is a third type beside the signed and the unsigned one.
    plain = ["char"] if {"int8", "uint8"} & set(dtypes) else []
    types = ", ".join([kind, *dict.fromkeys(C_TYPES[dtype] for dtype in dtypes), *plain])
    test = f"XpOneOf<{types}>::value"
    said = f"{name} has no form for this type"
    if informal:
        more = ", ".join(C_TYPES[dtype] for dtype in dict.fromkeys(informal))
        test += f" || (!XP_STRICT && XpOneOf<{kind}, {more}>::value)"
        said += "; public kernels that use one are read in lenient mode"
    return f'static_assert({test}, "{said}");'


def rule_checks(name: str, rules: Rules) -> str:
    return " ".join(
        f'if (!({condition})) xp_fail(5002, at.line, "{name}: {said}");'
        for condition, said in dict.fromkeys(rules)
    )
