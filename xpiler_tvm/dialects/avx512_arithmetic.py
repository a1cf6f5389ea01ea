"""x86's vector intrinsics: arithmetic, bits, dot products and reductions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from .avx512 import (
    BITS,
    FLOATS,
    MASKED,
    SIGNED,
    SUFFIX,
    UNSIGNED,
    WIDTHS,
    WORDS,
    Form,
    Intrinsic,
    Mask,
    Operand,
    Scalar,
    forms,
    lanewise,
    register_of,
    subscripted,
    typed,
    vector,
)

# ---------------------------------------------------------------- lane by lane

_INTEGERS = [
    *lanewise("add", "a + b", SIGNED),
    *lanewise("sub", "a - b", SIGNED),
    *lanewise("adds", "sat8(a + b)", ("epi8",)),
    *lanewise("adds", "satu8(a + b)", ("epu8",)),
    *lanewise("adds", "sat16(a + b)", ("epi16",)),
    *lanewise("adds", "satu16(a + b)", ("epu16",)),
    *lanewise("subs", "sat8(a - b)", ("epi8",)),
    *lanewise("subs", "satu8(a - b)", ("epu8",)),
    *lanewise("subs", "sat16(a - b)", ("epi16",)),
    *lanewise("subs", "satu16(a - b)", ("epu16",)),
    *lanewise("mullo", "a * b", ("epi16", "epi32", "epi64")),
    *lanewise("mulhi", "(a * b) >> 16", ("epi16",)),
    *lanewise("mulhi", "((uint32_t)a * b) >> 16", ("epu16",)),
    *lanewise("mulhrs", "(((a * b) >> 14) + 1) >> 1", ("epi16",)),
    *lanewise("avg", "(a + b + 1) >> 1", ("epu8", "epu16")),
    *lanewise("abs", "a < 0 ? -a : a", SIGNED),
    *lanewise("max", "a > b ? a : b", (*SIGNED, *UNSIGNED)),
    *lanewise("min", "a < b ? a : b", (*SIGNED, *UNSIGNED)),
    *lanewise("sign", "b < 0 ? -a : b == 0 ? 0 : a", ("epi8", "epi16", "epi32"),
              widths=(256, 128), masked=False),
]  # fmt: skip

_FLOATING = [
    *lanewise("add", "a + b", FLOATS),
    *lanewise("sub", "a - b", FLOATS),
    *lanewise("mul", "a * b", FLOATS),
    *lanewise("div", "a / b", FLOATS),
    # The second operand where they are equal or either is NaN.
    *lanewise("max", "a > b ? a : b", FLOATS),
    *lanewise("min", "a < b ? a : b", FLOATS),
    *lanewise("sqrt", "sqrt{f}(a)", FLOATS),
    *lanewise("abs", "fabs{f}(a)", FLOATS, widths=(512,), masked=False),
    *lanewise("rcp14", "1 / a", FLOATS, error=2.0**-14),
    *lanewise("rsqrt14", "1 / sqrt{f}(a)", FLOATS, error=2.0**-14),
    *lanewise("rcp", "1 / a", ("ps",), widths=(256, 128), masked=False, error=1.5 * 2.0**-12),
    *lanewise("rsqrt", "1 / sqrtf(a)", ("ps",), widths=(256, 128), masked=False,
              error=1.5 * 2.0**-12),
    *lanewise("scalef", "a * exp2{f}(floor{f}(b))", FLOATS),
    *lanewise("fmadd", "fma{f}(x, y, z)", FLOATS),
    *lanewise("fmsub", "fma{f}(x, y, -z)", FLOATS),
    *lanewise("fnmadd", "fma{f}(-x, y, z)", FLOATS),
    *lanewise("fnmsub", "fma{f}(-x, y, -z)", FLOATS),
    *lanewise("fmaddsub", "i % 2 ? fma{f}(x, y, z) : fma{f}(x, y, -z)", FLOATS),
    *lanewise("fmsubadd", "i % 2 ? fma{f}(x, y, -z) : fma{f}(x, y, z)", FLOATS),
    *lanewise("addsub", "i % 2 ? a + b : a - b", FLOATS, widths=(256, 128), masked=False),
    *lanewise("floor", "floor{f}(a)", FLOATS, masked=False),
    *lanewise("ceil", "ceil{f}(a)", FLOATS, masked=False),
]  # fmt: skip

_NEAREST = "(imm & 7) == 1 ? floor{f}(%s) : (imm & 7) == 2 ? ceil{f}(%s) : "
_NEAREST += "(imm & 7) == 3 ? trunc{f}(%s) : rint{f}(%s)"
_WHOLE = _NEAREST.replace("%s", "a")
# Bits above the lowest four say how many binary digits behind the point are kept.
_SCALED = f"({_NEAREST.replace('%s', 'a * (1 << (imm >> 4))')}) / (1 << (imm >> 4))"

_ROUNDING = [
    *lanewise("roundscale", f"imm < 16 ? ({_WHOLE}) : {_SCALED}", FLOATS),
    *lanewise("round", _WHOLE, FLOATS, widths=(256, 128), masked=False),
]

# Of the vendor's library of vector math, which other compilers do not have.
_LIBRARY = [
    row
    for name in ("exp", "exp2", "log", "log2", "log10", "sin", "cos", "tan", "tanh", "erf", "cbrt")
    for row in lanewise(name, f"{name}{{f}}(a)", FLOATS, masked=False, error=1e-6, native=False)
] + lanewise("pow", "pow{f}(a, b)", FLOATS, masked=False, error=1e-6, native=False)

# ---------------------------------------------------------------- bits

_SHIFTS = [
    # By a constant or by a number for each lane. Lanes are unsigned where zeros move in; by as many
    # bits as there are, or more, all are lost.
    *lanewise("slli", "(uint32_t)imm < {bits} ? a << imm : 0", ("epi16", *WORDS), unsigned=True),
    *lanewise("srli", "(uint32_t)imm < {bits} ? a >> imm : 0", ("epi16", *WORDS), unsigned=True),
    *lanewise("srai", "a >> ((uint32_t)imm < {bits} ? imm : {bits} - 1)", ("epi16", *WORDS)),
    *lanewise("sllv", "b < {bits} ? a << b : 0", ("epi16", *WORDS), unsigned=True),
    *lanewise("srlv", "b < {bits} ? a >> b : 0", ("epi16", *WORDS), unsigned=True),
    *lanewise("srav", "a >> (0 <= b && b < {bits} ? b : {bits} - 1)", ("epi16", *WORDS)),
    *lanewise("rol", "imm % {bits} ? a << imm % {bits} | a >> ({bits} - imm % {bits}) : a", WORDS,
              unsigned=True),
    *lanewise("ror", "imm % {bits} ? a >> imm % {bits} | a << ({bits} - imm % {bits}) : a", WORDS,
              unsigned=True),
    *lanewise("rolv", "b % {bits} ? a << b % {bits} | a >> ({bits} - b % {bits}) : a", WORDS,
              unsigned=True),
    *lanewise("rorv", "b % {bits} ? a >> b % {bits} | a << ({bits} - b % {bits}) : a", WORDS,
              unsigned=True),
]  # fmt: skip


def _shifts_by_register() -> Iterator[Intrinsic]:
    """Shifts of all lanes by the number that a register begins with."""
    for suffix in ("epi16", *WORDS):
        signed = SUFFIX[suffix]
        for name, dtype, meaning in (
            ("sll", f"u{signed}", "b[0] < {bits} ? a[i] << b[0] : 0"),
            ("srl", f"u{signed}", "b[0] < {bits} ? a[i] >> b[0] : 0"),
            ("sra", signed, "a[i] >> (b[0] < {bits} ? b[0] : {bits} - 1)"),
        ):
            for width in WIDTHS:
                kind = vector(dtype, width)
                operands = (Operand("a", kind), Operand("b", vector("uint64", 128)))
                yield from forms(width, f"{name}_{suffix}", operands, kind, typed(meaning, dtype))


_BITWISE = (("and", "a & b"), ("or", "a | b"), ("xor", "a ^ b"), ("andnot", "~a & b"))
# Bit by bit, the constant says what a, b and c make.
_TERNARY = " | ".join(
    f"((imm >> {number} & 1) ? {a}a & {b}b & {c}c : 0)"
    for number, (a, b, c) in enumerate(product(("~", ""), repeat=3))
)


def _bits() -> Iterator[Intrinsic]:
    for name, meaning in _BITWISE:
        for width in WIDTHS:
            for suffix, dtype, kind_of in (
                ("epi32", "int32", "int64"),
                ("epi64", "int64", "int64"),
                (f"si{width}", "int64", "int64"),
                ("ps", "int32", "float32"),
                ("pd", "int64", "float64"),
            ):
                # Registers without masks had no lanes before.
                if suffix in WORDS and width < 512:
                    which: tuple[Form, ...] = ("mask", "maskz")
                else:
                    which = ("plain",) if suffix.startswith("si") else MASKED
                kind = vector(dtype, width, register=register_of(kind_of, width))
                operands = (Operand("a", kind), Operand("b", kind))
                whole = subscripted(meaning, "ab")
                yield from forms(
                    width, f"{name}_{suffix}", operands, kind, whole, which=which, grain="bits"
                )
    yield from lanewise("ternarylogic", _TERNARY, WORDS, masked=False, grain="bits")


# ---------------------------------------------------------------- neighbours and sums


def _sum_of(count: int, term: str) -> str:
    """The sum of `term` at the elements `count * i + j`; `@` stands for the index."""
    first = f"{count} * i"
    return " + ".join(term.replace("@", f"{first} + {j}" if j else first) for j in range(count))


_DOT = (
    # name, lanes of a and of b, and of the result; how many products; of all of them
    ("madd_epi16", "int16", "int16", "int32", 2, "{sum}"),
    ("maddubs_epi16", "uint8", "int8", "int16", 2, "sat16({sum})"),
    ("dpbusd_epi32", "uint8", "int8", "int32", 4, "src[i] + {sum}"),
    ("dpbusds_epi32", "uint8", "int8", "int32", 4, "sat32((int64_t)src[i] + ({sum}))"),
    ("dpwssd_epi32", "int16", "int16", "int32", 2, "src[i] + {sum}"),
    ("dpwssds_epi32", "int16", "int16", "int32", 2, "sat32((int64_t)src[i] + {sum})"),
)


def _dot_products() -> Iterator[Intrinsic]:
    for name, left, right, result, count, whole in _DOT:
        wide = "(int64_t)" if name.startswith("dpwssds") else ""
        meaning = whole.replace("{sum}", _sum_of(count, f"{wide}a[@] * b[@]"))
        for width in WIDTHS:
            kind = vector(result, width)
            operands = [Operand("a", vector(left, width)), Operand("b", vector(right, width))]
            if "src" in meaning:
                operands.insert(0, Operand("src", kind))
            yield from forms(width, name, tuple(operands), kind, meaning)


def _wide_products() -> Iterator[Intrinsic]:
    """Products of the even elements in twice the width."""
    for suffix, narrow, wide in (("epi32", "int32", "int64"), ("epu32", "uint32", "uint64")):
        for width in WIDTHS:
            operands = (Operand("a", vector(narrow, width)), Operand("b", vector(narrow, width)))
            meaning = f"({wide}_t)a[2 * i] * b[2 * i]"
            yield from forms(width, f"mul_{suffix}", operands, vector(wide, width), meaning)


def _differences() -> Iterator[Intrinsic]:
    meaning = _sum_of(8, "abs(a[@] - b[@])")
    for width in WIDTHS:
        kind = vector("uint8", width)
        operands = (Operand("a", kind), Operand("b", kind))
        result = vector("uint64", width)
        yield from forms(width, "sad_epu8", operands, result, meaning, which=("plain",))


def _horizontal() -> Iterator[Intrinsic]:
    """Sums of neighbours: those of a, then those of b, in each 128 bits."""
    for suffix in ("epi16", "epi32", "ps", "pd"):
        for width in (256, 128):
            kind = vector(SUFFIX[suffix], width)
            half, whole = 64 // BITS[kind.dtype], 128 // BITS[kind.dtype]
            place = f"i / {whole} * {whole} + i % {half} * 2"
            for name, operator in (("hadd", "+"), ("hsub", "-")):
                pair = f"@[{place}] {operator} @[{place} + 1]"
                first, second = pair.replace("@", "a"), pair.replace("@", "b")
                meaning = f"i % {whole} < {half} ? {first} : {second}"
                operands = (Operand("a", kind), Operand("b", kind))
                yield from forms(
                    width, f"{name}_{suffix}", operands, kind, meaning, which=("plain",)
                )


def _first_lane() -> Iterator[Intrinsic]:
    """The old scalar instructions: the first lane is worked out, the others are those of a."""
    for suffix, single in (("ss", "float32"), ("sd", "float64")):
        kind = vector(single, 128)
        for name, first in (
            ("add", "a[i] + b[i]"),
            ("sub", "a[i] - b[i]"),
            ("mul", "a[i] * b[i]"),
            ("div", "a[i] / b[i]"),
            ("max", "a[i] > b[i] ? a[i] : b[i]"),
            ("min", "a[i] < b[i] ? a[i] : b[i]"),
        ):
            operands = (Operand("a", kind), Operand("b", kind))
            meaning = f"i == 0 ? ({first}) : a[i]"
            yield Intrinsic(f"_mm_{name}_{suffix}", operands, kind, meaning)
    one = vector("float32", 128)
    yield Intrinsic("_mm_sqrt_ss", (Operand("a", one),), one, "i == 0 ? sqrtf(a[i]) : a[i]")


_FOLDS = (("add", "+", FLOATS), ("mul", "*", FLOATS), ("and", "&", ()), ("or", "|", ()))
_EXTREMA = (("max", "max"), ("min", "min"))


def _reductions() -> Iterator[Intrinsic]:
    named = [(name, fold, (*WORDS, *more)) for name, fold, more in _FOLDS]
    named += [
        (name, fold, ("epi32", "epi64", "epu32", "epu64", *FLOATS)) for name, fold in _EXTREMA
    ]
    for name, fold, suffixes in named:
        for suffix in suffixes:
            kind = vector(SUFFIX[suffix], 512)
            result, value = Scalar(kind.dtype), Operand("a", kind)
            for prefix, operands, meaning in (
                ("", (value,), "a[i]"),
                ("mask_", (Operand("k", Mask(kind.lanes)), value),
                 f"k[i] ? a[i] : {neutral(fold, kind.dtype)}"),
            ):  # fmt: skip
                yield Intrinsic(
                    f"_mm512_{prefix}reduce_{name}_{suffix}",
                    operands,
                    result,
                    meaning,
                    fold=fold,
                    lanes=kind.lanes,
                )


def neutral(fold: str, dtype: str) -> str:
    """What changes nothing, as a C expression."""
    if fold in ("+", "|"):
        return "0"
    if fold in ("*", "&"):
        return "1" if fold == "*" else "-1"
    if "float" in dtype:
        return "-INFINITY" if fold == "max" else "INFINITY"
    bits = BITS[dtype]
    if dtype.startswith("u"):
        return "0" if fold == "max" else f"({dtype}_t)-1"
    least = f"(-{(1 << bits - 1) - 1}{'L' if bits == 64 else ''} - 1)"
    return least if fold == "max" else f"{(1 << bits - 1) - 1}{'L' if bits == 64 else ''}"


ROWS: tuple[Intrinsic, ...] = (
    *_INTEGERS,
    *_FLOATING,
    *_ROUNDING,
    *_LIBRARY,
    *_SHIFTS,
    *_shifts_by_register(),
    *_bits(),
    *_dot_products(),
    *_wide_products(),
    *_differences(),
    *_horizontal(),
    *_first_lane(),
    *_reductions(),
)
