"""Integers in vectors, whose instructions are mostly for floats: conversions and shifts.

Floats hold bytes and words exactly, and most ways lead through them:

    float(x), x uint8       ->   float(int8(x ^ 0x80)) + 128
    uint8(x), x int32       ->   int8(float(x & 255) - 128) ^ 0x80
    x >> 7, x int32         ->   int(float(x & ~0xffff) / 128) + int(float(x & 0xffff) / 128)

What leaves the range of a smaller type when a float is converted has no value in C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tvm import tirx
from tvm.ir import Expr

from xpiler_tvm import tir

from .choices import pointer_operand
from .vectors import Scalar, Vector, VectorCode

Chain = Callable[[VectorCode, Vector], Vector]


def converted(code: VectorCode, value: Vector, dtype: str) -> Vector | None:
    """`value` in another type as C converts it, if there are instructions for that."""
    direct = code.convert(value, dtype)
    if direct is not None:
        return direct
    chain = _CHAINS.get((value.dtype, dtype))
    return None if chain is None else chain(code, value)


def _added(code: VectorCode, value: Vector, number: float) -> Vector:
    return code.apply("a + b", "float32", value, Scalar(f"{number}f"))


def _with_other_sign(code: VectorCode, value: Vector, dtype: str) -> Vector:
    """Bytes with their highest bit inverted: unsigned ones less 128 as signed ones, and back."""
    bits = code.filled("int8", "(int8_t)-128", value)
    result, count = Vector(dtype, cycle=value.cycle), code.count_of(value)
    code.add(
        result,
        [value, bits],
        lambda names: [
            f"__bang_bxor({', '.join(_bytes(names(each)) for each in (result, value, bits))}, "
            f"{count});"
        ],
    )
    return result


def _bytes(pointer: str) -> str:
    return f"(char*){pointer_operand(pointer)}"


def _float_of_unsigned(code: VectorCode, value: Vector) -> Vector:
    signed = _with_other_sign(code, value, "int8")
    return _added(code, code.conversion("__bang_int82float", signed), 128.0)


def _as_float(code: VectorCode, value: Vector) -> Vector:
    found = converted(code, value, "float32")
    assert found is not None  # of types that have such a conversion only
    return found


def _by_float(name: str) -> Chain:
    """What a float is converted to by the instruction `name`, from what a float holds exactly."""
    return lambda code, value: code.conversion(name, _as_float(code, value))


def _byte_of(code: VectorCode, whole: Vector, dtype: str) -> Vector:
    """The byte with the bits of an integer from 0 to 255 that a float holds."""
    small = code.conversion("__bang_float2int8_rn", _added(code, whole, -128.0))
    return _with_other_sign(code, small, dtype)


def _unsigned_of_float(code: VectorCode, value: Vector) -> Vector:
    whole = code.conversion("__bang_float2int32_tz", _as_float(code, value))
    return _byte_of(code, code.conversion("__bang_int322float", whole), "uint8")


def _lowest(code: VectorCode, value: Vector, mask: int) -> Vector:
    """Some bits of an int32."""
    return code.apply("a & b", "int32", value, code.filled("int32", f"(int){mask}", value))


def _lowest_byte(dtype: str) -> Chain:
    def chain(code: VectorCode, value: Vector) -> Vector:
        low = code.conversion("__bang_int322float", _lowest(code, value, 0xFF))
        return _byte_of(code, low, dtype)

    return chain


def _lowest_word(code: VectorCode, value: Vector) -> Vector:
    low = code.conversion("__bang_int322float", _lowest(code, value, 0xFFFF))
    word = code.conversion("__bang_float2int16_rn", _added(code, low, -32768.0))
    sign = code.filled("int16", "(int16_t)-32768", value)
    return code.apply("a ^ b", "int16", word, sign)


_NARROW = ("int8", "uint8", "int16")
_CHAINS: Mapping[tuple[str, str], Chain] = {
    ("uint8", "float32"): _float_of_unsigned,
    **{(narrow, "int32"): _by_float("__bang_float2int32_tz") for narrow in _NARROW},
    **{(narrow, "float16"): _by_float("__bang_float2half_rn") for narrow in _NARROW},
    ("int8", "int16"): _by_float("__bang_float2int16_tz"),
    ("uint8", "int16"): _by_float("__bang_float2int16_tz"),
    ("float32", "int8"): _by_float("__bang_float2int8_tz"),
    ("float16", "int8"): _by_float("__bang_float2int8_tz"),
    ("float32", "int16"): _by_float("__bang_float2int16_tz"),
    ("float16", "int32"): _by_float("__bang_float2int32_tz"),
    ("float32", "uint8"): _unsigned_of_float,
    ("float16", "uint8"): _unsigned_of_float,
    ("int32", "int8"): _lowest_byte("int8"),
    ("int32", "uint8"): _lowest_byte("uint8"),
    ("int32", "int16"): _lowest_word,
}


def shifted_right(code: VectorCode, value: Vector, bits: int) -> Vector:
    """An int32 divided by a power of two and rounded down, in two halves that floats hold."""
    scale = Scalar(f"{2.0**-bits!r}f")

    def part(mask: int, mode: str) -> Vector:
        half = code.conversion("__bang_int322float", _lowest(code, value, mask))
        return code.conversion(
            f"__bang_float2int32_{mode}", code.apply("a * b", "float32", half, scale)
        )

    high = part(-0x10000, "dn")
    # What is shifted out of the upper half takes the lower one with it.
    return high if bits > 16 else code.apply("a + b", "int32", high, part(0xFFFF, "tz"))


def wrapped(node: tirx.Cast) -> Expr | None:
    """The int32 of which a cast takes the lowest bits, written out as raised programs have it.

    uint8(x & 255)   and   int8((x & 255 ^ 128) - 128)
    """
    bits = {"int8": 8, "uint8": 8, "int16": 16}.get(tir.dtype_of(node))
    value = node.value
    if bits is None:
        return None
    if not tir.dtype_of(node).startswith("u"):
        sign = 1 << bits - 1
        if not isinstance(value, tirx.Sub) or tir.as_const(value.b) != sign:
            return None
        value = _operand_with(value.a, "BitwiseXor", sign)
    value = None if value is None else _operand_with(value, "BitwiseAnd", (1 << bits) - 1)
    while isinstance(value, tirx.Cast) and tir.dtype_of(value) == "int64":
        value = value.value
    return value if value is not None and tir.dtype_of(value) == "int32" else None


def _operand_with(node: Expr, operator: str, constant: int) -> Expr | None:
    """What an operator combines with a constant."""
    fits = type(node).__name__ == operator and tir.as_const(node.b) == constant
    return node.a if fits else None


def shift_of(node: Expr) -> int | None:
    """By how many bits an integer is shifted to the right, or divided by rounding down."""
    if type(node).__name__ == "RShift":
        bits = tir.as_const(node.b)
    elif isinstance(node, tirx.FloorDiv):
        divisor = tir.as_const(node.b) or 0
        bits = divisor.bit_length() - 1 if divisor > 0 and divisor & (divisor - 1) == 0 else None
    else:
        return None
    return bits if bits is not None and 0 < bits < 32 else None


BITWISE = {"BitwiseAnd": "a & b", "BitwiseOr": "a | b", "BitwiseXor": "a ^ b"}
"""Operations on bits, by the name of the node."""
