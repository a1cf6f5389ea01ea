"""x86's vector intrinsics: conversions between element types, packing, and mere casts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from .avx512 import (
    BITS,
    PREFIX,
    SUFFIX,
    WIDTHS,
    Immediate,
    Intrinsic,
    Operand,
    Scalar,
    Vector,
    forms,
    register_of,
    vector,
)

_INTEGERS = ("epi8", "epi16", "epi32", "epi64")


def _fitting(dtype: str, lanes: int) -> Vector:
    """The smallest register with room for the lanes."""
    return vector(dtype, max(128, lanes * BITS[dtype]), lanes=lanes)


def _widening() -> Iterator[Intrinsic]:
    """Integers into wider ones, of their own sign."""
    for source in (*_INTEGERS[:3], "epu8", "epu16", "epu32"):
        for target in _INTEGERS:
            if BITS[SUFFIX[target]] <= BITS[SUFFIX[source]]:
                continue
            for width in WIDTHS:
                result = vector(SUFFIX[target], width)
                operand = Operand("a", _fitting(SUFFIX[source], result.lanes))
                yield from forms(width, f"cvt{source}_{target}", (operand,), result, "a[i]")


def _narrowing() -> Iterator[Intrinsic]:
    """Integers into narrower ones: cut off, or clamped to what is in their range.

    Lanes beyond those that come from the operand are zero.
    """
    for source in _INTEGERS[1:]:
        for target in _INTEGERS:
            bits = BITS[SUFFIX[target]]
            if bits >= BITS[SUFFIX[source]]:
                continue
            for width in WIDTHS:
                for kind, unsigned, meaning in (
                    ("cvt", False, "a[i]"),
                    ("cvts", False, f"sat{bits}(a[i])"),
                    ("cvtus", True, f"satu{bits}(a[i])"),
                ):
                    wide = vector(("u" if unsigned else "") + SUFFIX[source], width)
                    narrow = ("u" if unsigned else "") + SUFFIX[target]
                    result = _fitting(narrow, wide.lanes)
                    operand = Operand("a", wide)
                    name = f"{kind}{source}_{target}"
                    yield from forms(width, name, (operand,), result, meaning)


_NEAREST = "rint{f}(a[i])"
_FLOATING = (
    # name, source, result, meaning
    ("cvtepi32_ps", "int32", "float32", "(float)a[i]"),
    ("cvtepu32_ps", "uint32", "float32", "(float)a[i]"),
    ("cvtepi32_pd", "int32", "float64", "(double)a[i]"),
    ("cvtepu32_pd", "uint32", "float64", "(double)a[i]"),
    ("cvtepi64_pd", "int64", "float64", "(double)a[i]"),
    ("cvtepu64_pd", "uint64", "float64", "(double)a[i]"),
    ("cvtepi64_ps", "int64", "float32", "(float)a[i]"),
    ("cvtps_pd", "float32", "float64", "(double)a[i]"),
    ("cvtpd_ps", "float64", "float32", "(float)a[i]"),
    ("cvtps_epi32", "float32", "int32", "to_int32(rintf(a[i]))"),
    ("cvttps_epi32", "float32", "int32", "to_int32(a[i])"),
    ("cvtpd_epi32", "float64", "int32", "to_int32(rint(a[i]))"),
    ("cvttpd_epi32", "float64", "int32", "to_int32(a[i])"),
    ("cvtps_epu32", "float32", "uint32", "to_uint32(rintf(a[i]))"),
    ("cvttps_epu32", "float32", "uint32", "to_uint32(a[i])"),
    ("cvtps_epi64", "float32", "int64", "to_int64(rintf(a[i]))"),
    ("cvttps_epi64", "float32", "int64", "to_int64(a[i])"),
    ("cvtpd_epi64", "float64", "int64", "to_int64(rint(a[i]))"),
    ("cvttpd_epi64", "float64", "int64", "to_int64(a[i])"),
    ("cvtph_ps", "float16", "float32", "(float)a[i]"),
)


def _numbers() -> Iterator[Intrinsic]:
    """Between floating-point numbers and integers. What is out of range becomes the integer with
    the highest bit alone, in unsigned ones all bits."""
    for name, source, result, meaning in _FLOATING:
        for width in WIDTHS:
            lanes = width // max(BITS[source], BITS[result])
            operands: tuple[Operand, ...] = (Operand("a", _fitting(source, lanes)),)
            yield from forms(width, name, operands, _fitting(result, lanes), meaning)
    for width in WIDTHS:
        lanes = width // 32
        single, half = vector("float32", width), _fitting("float16", lanes)
        rounded = (Operand("a", single), Operand("imm", Immediate()))
        yield from forms(width, "cvtps_ph", rounded, half, "(_Float16)a[i]")
    # With the rounding as a constant: to nearest, down, up, towards zero.
    single, integer = vector("float32", 512), vector("int32", 512)
    operands = (Operand("a", single), Operand("imm", Immediate()))
    choice = "(imm & 3) == 1 ? floorf(a[i]) : (imm & 3) == 2 ? ceilf(a[i]) : "
    choice += "(imm & 3) == 3 ? truncf(a[i]) : rintf(a[i])"
    yield from forms(512, "cvt_roundps_epi32", operands, integer, f"to_int32({choice})")


def _packs() -> Iterator[Intrinsic]:
    """Two registers into one of half the element size, each 128 bits for themselves."""
    for source, target, function in (
        ("int16", "int8", "sat8"),
        ("int16", "uint8", "satu8"),
        ("int32", "int16", "sat16"),
        ("int32", "uint16", "satu16"),
    ):
        half = 128 // BITS[source]
        place = f"i / {2 * half} * {half} + i % {half}"
        meaning = f"{function}(i % {2 * half} < {half} ? a[{place}] : b[{place}])"
        family = "packus" if target.startswith("u") else "packs"
        for width in WIDTHS:
            kind = vector(source, width)
            operands: tuple[Operand, ...] = (Operand("a", kind), Operand("b", kind))
            name = f"{family}_epi{BITS[source]}"
            yield from forms(width, name, operands, vector(target, width), meaning)


def _casts() -> Iterator[Intrinsic]:
    """The same bits under another C type; what a wider register has besides is zero."""
    letters = {"ps": "float32", "pd": "float64", "si": "int64"}
    for width in WIDTHS:
        kinds = {
            f"si{width}" if letter == "si" else letter: vector(
                "int64", width, register=register_of(dtype, width)
            )
            for letter, dtype in letters.items()
        }
        for (source, kind), (target, result) in permutations(kinds.items(), 2):
            name = f"{PREFIX[width]}_cast{source}_{target}"
            yield Intrinsic(name, (Operand("a", kind),), result, "a[i]", grain="move")
    for letter, dtype in letters.items():
        for narrow, wide in ((128, 256), (128, 512), (256, 512)):
            small = vector("int64", narrow, register=register_of(dtype, narrow))
            large = vector("int64", wide, register=register_of(dtype, wide))
            first, second = (
                f"{letter}{width}" if letter != "si" else f"si{width}" for width in (narrow, wide)
            )
            prefix = PREFIX[wide]
            yield Intrinsic(f"{prefix}_cast{second}_{first}", (Operand("a", large),), small, "a[i]",
                            grain="move")  # fmt: skip
            widened = f"i < {small.lanes} ? a[i] : 0"
            for family in ("cast", "zext"):
                yield Intrinsic(f"{prefix}_{family}{first}_{second}", (Operand("a", small),), large,
                                widened, grain="move")  # fmt: skip


def _single() -> Iterator[Intrinsic]:
    """The first lane as a number, and numbers as first lanes."""
    for name, dtype, width, register in (
        ("_mm_cvtsi128_si32", "int32", 128, ""),
        ("_mm_cvtsi128_si64", "int64", 128, ""),
        ("_mm256_cvtsi256_si32", "int32", 256, ""),
        ("_mm512_cvtsi512_si32", "int32", 512, ""),
        ("_mm_cvtss_f32", "float32", 128, ""),
        ("_mm256_cvtss_f32", "float32", 256, ""),
        ("_mm512_cvtss_f32", "float32", 512, ""),
        ("_mm_cvtsd_f64", "float64", 128, ""),
        ("_mm256_cvtsd_f64", "float64", 256, ""),
        ("_mm512_cvtsd_f64", "float64", 512, ""),
    ):
        operand = Operand("a", vector(dtype, width, register=register))
        yield Intrinsic(name, (operand,), Scalar(dtype), "a[0]")
    for name, dtype in (
        ("_mm_cvtsi32_si128", "int32"),
        ("_mm_cvtsi64_si128", "int64"),
        ("_mm_set_ss", "float32"),
        ("_mm_set_sd", "float64"),
    ):
        operand = Operand("a", Scalar(dtype))
        yield Intrinsic(name, (operand,), vector(dtype, 128), "i == 0 ? a : 0")
    for suffix, whole, f in (
        ("ss", vector("float32", 128), "f"),
        ("sd", vector("float64", 128), ""),
    ):
        a, number = Operand("a", whole), Operand("b", Scalar("int32"))
        nearest = f"to_int32(rint{f}(a[0]))"
        yield Intrinsic(f"_mm_cvt{suffix}_si32", (a,), Scalar("int32"), nearest)
        yield Intrinsic(f"_mm_cvtt{suffix}_si32", (a,), Scalar("int32"), "to_int32(a[0])")
        meaning = f"i == 0 ? ({'float' if f else 'double'})b : a[i]"
        yield Intrinsic(f"_mm_cvtsi32_{suffix}", (a, number), whole, meaning)


def _bits() -> Iterator[Intrinsic]:
    """Bits of a number: how many are set, how many zeros are before and behind all of these; the
    lowest ones alone, all but the first that is set."""
    for bits, counted, zeros in ((32, "int32", "uint32"), (64, "int64", "uint64")):
        a = Operand("a", Scalar(f"uint{bits}"))
        for name, result, meaning, fold in (
            (f"_mm_popcnt_u{bits}", counted, "a >> i & 1", "+"),
            (f"_lzcnt_u{bits}", zeros, f"a >> ({bits - 1} - i) & 1 ? i : {bits}", "min"),
            (f"_tzcnt_u{bits}", zeros, f"a >> i & 1 ? i : {bits}", "min"),
        ):
            yield Intrinsic(name, (a,), Scalar(result), meaning, fold=fold, lanes=bits)
        kept = Operand("b", Scalar(zeros))
        meaning = f"(b & 255) < {bits} ? a & (({zeros}_t)1 << (b & {bits - 1})) - 1 : a"
        yield Intrinsic(f"_bzhi_u{bits}", (a, kept), Scalar(zeros), meaning)
        yield Intrinsic(f"_blsr_u{bits}", (a,), Scalar(zeros), "a & (a - 1)")


ROWS: tuple[Intrinsic, ...] = (
    *_widening(),
    *_narrowing(),
    *_numbers(),
    *_packs(),
    *_casts(),
    *_single(),
    *_bits(),
)
