"""Comparisons and choices between values, element by element.

A comparison gives 1 and 0 in its operands' type. A choice needs bits instead: the ones become -1,
all bits of an integer of that size, and pick bytes, which keeps NaN and infinities what they are.

y[i] = x[i] > 0 ? x[i] : s[i]   ->   m = x > 0;  k = -(int)m;  y = s;  y = x where k has bits
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tvm
from tvm import tirx
from tvm.ir import Expr

from xpiler_tvm.codegen.c_family import UNARY, dtype_of

from .cost import CopyWork, VectorWork
from .loops import condition_of, sides_of
from .memory import ITEM_BYTES
from .vectors import Names, NoVectorForm, Scalar, Vector, VectorCode

if TYPE_CHECKING:
    from .selection import Selection

COMPARISONS = {
    tirx.EQ: ("a == b", "a == b"),
    tirx.NE: ("a != b", "a != b"),
    tirx.LT: ("a < b", "a > b"),
    tirx.LE: ("a <= b", "a >= b"),
    tirx.GT: ("a > b", "a < b"),
    tirx.GE: ("a >= b", "a <= b"),
}
"""Of a comparison, and of the same with its operands exchanged."""

_JOINED = {tirx.And: "a != 0 && b != 0", tirx.Or: "a != 0 || b != 0"}
_WORDS = {"float32": "int32", "float16": "int16", "int32": "int32", "int16": "int16"}
_FLOATS = {4: "float32", 2: "float16"}


def is_condition(node: Expr) -> bool:
    """Whether `node` is true or false, from comparisons."""
    if type(node) in _JOINED:
        return is_condition(node.a) and is_condition(node.b)
    if isinstance(node, tirx.Not):
        return is_condition(node.a)
    if isinstance(node, tvm.ir.Call) and node.op.name.endswith(".likely"):
        return is_condition(node.args[0])
    return type(node) in COMPARISONS


def mask(selection: Selection, node: Expr) -> Vector:
    """1 where the condition holds and 0 elsewhere, as a float. Raises `NoVectorForm`."""
    code = selection.code
    if isinstance(node, tvm.ir.Call):
        return mask(selection, node.args[0])
    if isinstance(node, tirx.Not):
        held = mask(selection, node.a)
        return code.apply("a == 0", held.dtype, held)
    if type(node) in _JOINED:
        first, second = _alike(selection, mask(selection, node.a), mask(selection, node.b))
        return code.apply(_JOINED[type(node)], first.dtype, first, second)
    found = _compared(selection, node)
    return found if found.dtype in _FLOATS.values() else _converted(selection, found, "float32")


def _compared(selection: Selection, node: Expr) -> Vector:
    """1 where a comparison holds and 0 elsewhere, in the type of what is compared."""
    code, dtype = selection.code, dtype_of(node.a)
    meaning, exchanged = COMPARISONS[type(node)]
    if not selection.varies(node.a) and not selection.varies(node.b):
        raise NoVectorForm("a condition that is the same for all elements")
    left, right = selection.value(node.a), selection.value(node.b)
    # Only the second operand can be a scalar or a cycle.
    if isinstance(left, Scalar) or (isinstance(right, Vector) and left.cycle > right.cycle):
        return code.apply(exchanged, dtype, right, left)
    return code.apply(meaning, dtype, left, right)


def _alike(selection: Selection, left: Vector, right: Vector) -> tuple[Vector, Vector]:
    """Two masks in the type of the wider one."""
    wide = max((left.dtype, right.dtype), key=lambda dtype: ITEM_BYTES[dtype])
    return _converted(selection, left, wide), _converted(selection, right, wide)


def _converted(selection: Selection, vector: Vector, dtype: str) -> Vector:
    if vector.dtype == dtype:
        return vector
    found = selection.code.convert(vector, dtype)
    if found is None:
        raise NoVectorForm(f"a mask of {vector.dtype} for {dtype}")
    return found


def choice(selection: Selection, node: Expr, dtype: str) -> Vector:
    """A value where a condition holds, another elsewhere; both are computed everywhere."""
    condition = condition_of(node)
    if condition is None or not is_condition(condition) or ITEM_BYTES[dtype] not in _FLOATS:
        raise NoVectorForm("a choice that no instruction makes")
    selection.check_conditional_reads(node)
    yes, no = sides_of(node)
    float_type = _FLOATS[ITEM_BYTES[dtype]]
    if type(condition) in COMPARISONS and dtype_of(condition.a) == _WORDS[float_type]:
        held = _compared(selection, condition)
    else:
        held = _converted(selection, mask(selection, condition), float_type)
    return picked(selection.code, held, selection.vector(yes, dtype), selection.vector(no, dtype))


def picked(code: VectorCode, held: Vector, chosen: Vector, other: Vector) -> Vector:
    """`chosen` where a mask of ones and zeros, of elements of that size, holds; `other` elsewhere.

    Raises `NoVectorForm` for cycles.
    """
    if held.cycle or chosen.cycle or other.cycle:
        raise NoVectorForm("a choice among rows that are the same")
    size = ITEM_BYTES[chosen.dtype]
    whole = code.convert(held, _WORDS[held.dtype])
    if whole is None:
        raise NoVectorForm(f"a mask of {held.dtype} as bits")
    bits = code.apply("a * b", whole.dtype, whole, Scalar("-1", UNARY))
    result, count = Vector(chosen.dtype), f"{code.count} * {size}"
    if code.count.isdigit():
        count = str(int(code.count) * size)

    def text(names: Names) -> list[str]:
        ends = ", ".join(
            f"(char*){pointer_operand(names(each))}" for each in (result, chosen, bits)
        )
        return [
            f"__memcpy({names(result)}, {names(other)}, {count}, NRAM2NRAM);",
            f"__bang_maskmove({ends}, {count});",
        ]

    code.add(
        result,
        [chosen, other, bits],
        text,
        in_place=False,
        work=[CopyWork("NRAM2NRAM", code.most * size), VectorWork(code.most, size)],
    )
    return result


def pointer_operand(pointer: str) -> str:
    """A pointer expression as the operand of a cast, without a cast of its own."""
    bare = pointer.partition("*)")[2] if pointer.startswith("(") else pointer
    return bare if bare.isidentifier() else f"({bare})"
