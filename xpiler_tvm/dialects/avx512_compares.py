"""x86's vector intrinsics: comparisons, masks, and choices by mask."""

from __future__ import annotations

from collections.abc import Iterator

from .avx512 import (
    BITS,
    FLOATS,
    PREFIX,
    SIGNED,
    SUFFIX,
    UNSIGNED,
    WIDTHS,
    Immediate,
    Intrinsic,
    Mask,
    Operand,
    Scalar,
    Vector,
    forms,
    register_of,
    vector,
)

_TESTS = {"eq": "==", "lt": "<", "le": "<=", "neq": "!=", "ge": ">=", "gt": ">"}
_ALL = (*SIGNED, *UNSIGNED)

# By the constant's lowest bits. A comparison with NaN is false, its negation true.
_INTEGER_PREDICATES = ("a == b", "a < b", "a <= b", "0", "a != b", "a >= b", "a > b", "1")
_PREDICATES = (
    "a == b",
    "a < b",
    "a <= b",
    "a != a || b != b",
    "!(a == b)",
    "!(a < b)",
    "!(a <= b)",
    "a == a && b == b",
    "a == b || a != a || b != b",
    "!(a >= b)",
    "!(a > b)",
    "0",
    "a < b || a > b",
    "a >= b",
    "a > b",
    "1",
)


def _lanes(meaning: str) -> str:
    return meaning.replace("a", "a[i]").replace("b", "b[i]")


def _chosen(predicates: tuple[str, ...]) -> str:
    """The predicate that the constant picks."""
    last = len(predicates) - 1
    tests = [
        f"(imm & {last}) == {number} ? {_lanes(one)} : " for number, one in enumerate(predicates)
    ]
    return "".join(tests[:-1]) + _lanes(predicates[-1])


_BY_CONSTANT = {True: _chosen(_PREDICATES), False: _chosen(_INTEGER_PREDICATES)}


def _to_mask(
    width: int, name: str, operands: tuple[Operand, ...], lanes: int, meaning: str
) -> Iterator[Intrinsic]:
    """`name` with and without a mask, whose other bits become zero."""
    result, prefix = Mask(lanes), PREFIX[width]
    yield Intrinsic(f"{prefix}_{name}", operands, result, meaning)
    mask = Operand("k", Mask(lanes))
    yield Intrinsic(f"{prefix}_mask_{name}", (mask, *operands), result, f"k[i] && ({meaning})")


def _comparisons() -> Iterator[Intrinsic]:
    for suffix in (*_ALL, *FLOATS):
        floating = suffix in FLOATS
        for width in WIDTHS:
            kind = vector(SUFFIX[suffix], width)
            pair = (Operand("a", kind), Operand("b", kind))
            with_constant = (*pair, Operand("imm", Immediate()))
            meaning = _BY_CONSTANT[floating]
            yield from _to_mask(width, f"cmp_{suffix}_mask", with_constant, kind.lanes, meaning)
            if floating and width < 512:
                continue
            names = {"eq": "==", "lt": "<", "le": "<=", "neq": "!="} if floating else _TESTS
            for name, operator in names.items():
                yield from _to_mask(
                    width, f"cmp{name}_{suffix}_mask", pair, kind.lanes, f"a[i] {operator} b[i]"
                )
    for suffix in SIGNED:
        for width in WIDTHS:
            kind = vector(SUFFIX[suffix], width)
            pair = (Operand("a", kind), Operand("b", kind))
            for name, meaning in (("test", "(a[i] & b[i]) != 0"), ("testn", "(a[i] & b[i]) == 0")):
                yield from _to_mask(width, f"{name}_{suffix}_mask", pair, kind.lanes, meaning)


def _to_lanes() -> Iterator[Intrinsic]:
    """Comparisons that fill a lane with ones."""
    for width in (256, 128):
        for suffix in SIGNED:
            kind = vector(SUFFIX[suffix], width)
            operands: tuple[Operand, ...] = (Operand("a", kind), Operand("b", kind))
            for name, operator in (("eq", "=="), ("gt", ">"), ("lt", "<")):
                if name == "lt" and (width == 256 or suffix == "epi64"):
                    continue
                meaning = f"a[i] {operator} b[i] ? -1 : 0"
                yield Intrinsic(f"{PREFIX[width]}_cmp{name}_{suffix}", operands, kind, meaning)
        for suffix in FLOATS:
            kind = vector(SUFFIX[suffix], width)
            # The ones are no number.
            bits = f"int{BITS[kind.dtype]}"
            result = Vector(bits, kind.lanes, kind.register)
            operands = (Operand("a", kind), Operand("b", kind), Operand("imm", Immediate()))
            meaning = f"({_BY_CONSTANT[True]}) ? -1 : 0"
            yield Intrinsic(f"{PREFIX[width]}_cmp_{suffix}", operands, result, meaning)
            if width == 128:
                for name, operator in _TESTS.items():
                    yield Intrinsic(
                        f"_mm_cmp{name}_{suffix}",
                        operands[:2],
                        result,
                        f"a[i] {operator} b[i] ? -1 : 0",
                    )


def _signs() -> Iterator[Intrinsic]:
    """Between masks and the lanes' highest bits."""
    for suffix in SIGNED:
        for width in WIDTHS:
            kind, prefix = vector(SUFFIX[suffix], width), PREFIX[width]
            operand, mask = Operand("a", kind), Mask(kind.lanes)
            yield Intrinsic(f"{prefix}_mov{suffix}_mask", (operand,), mask, "a[i] < 0")
            yield Intrinsic(f"{prefix}_movm_{suffix}", (Operand("k", mask),), kind, "k[i] ? -1 : 0")
    for width in (256, 128):
        for suffix in ("epi8", *FLOATS):
            bits = BITS[SUFFIX[suffix]]
            kind = vector(f"int{bits}", width, register=register_of(SUFFIX[suffix], width))
            # The bits beyond the lanes are zero: a mask that is an int.
            name = f"{PREFIX[width]}_movemask_{suffix}"
            yield Intrinsic(name, (Operand("a", kind),), Scalar("int32"), "a[i] < 0 ? 1u << i : 0",
                            fold="|", lanes=kind.lanes)  # fmt: skip


def _tests() -> Iterator[Intrinsic]:
    """Numbers that say what holds of whole registers, or of their first lanes."""
    for width in (256, 128):
        kind = vector("int64", width)
        a, b = Operand("a", kind), Operand("b", kind)
        for name, meaning in (("testz", "(a[i] & b[i]) == 0"), ("testc", "(~a[i] & b[i]) == 0")):
            yield Intrinsic(f"{PREFIX[width]}_{name}_si{width}", (a, b), Scalar("int32"), meaning,
                            fold="&", lanes=kind.lanes)  # fmt: skip
    for suffix, dtype in (("ss", "float32"), ("sd", "float64")):
        a, b = Operand("a", vector(dtype, 128)), Operand("b", vector(dtype, 128))
        for name, operator in (
            ("lt", "<"),
            ("le", "<="),
            ("gt", ">"),
            ("ge", ">="),
            ("eq", "=="),
            ("neq", "!="),
        ):
            for family in ("comi", "ucomi"):
                meaning = f"a[0] {operator} b[0]"
                yield Intrinsic(f"_mm_{family}{name}_{suffix}", (a, b), Scalar("int32"), meaning)


# ---------------------------------------------------------------- masks among themselves


def _logic() -> Iterator[Intrinsic]:
    for lanes in (8, 16, 32, 64):
        mask = Mask(lanes)
        a, b = Operand("a", mask), Operand("b", mask)
        spellings = [f"_k{{}}_mask{lanes}"]
        if lanes == 16:
            spellings.append("_mm512_k{}")
        for spelling in spellings:
            for name, meaning in (
                ("and", "a[i] && b[i]"),
                ("or", "a[i] || b[i]"),
                ("xor", "a[i] != b[i]"),
                ("xnor", "a[i] == b[i]"),
                ("andn", "!a[i] && b[i]"),
            ):
                yield Intrinsic(spelling.format(name), (a, b), mask, meaning)
            yield Intrinsic(spelling.format("not"), (a,), mask, "!a[i]")
        number = Scalar(f"uint{64 if lanes == 64 else 32}")
        for name in (f"_cvtmask{lanes}_u{BITS[number.dtype]}",):
            yield Intrinsic(name, (a,), number, f"a[i] ? ({number.dtype}_t)1 << i : 0",
                            fold="|", lanes=lanes)  # fmt: skip
        value = Operand("a", number)
        yield Intrinsic(f"_cvtu{BITS[number.dtype]}_mask{lanes}", (value,), mask, "a >> i & 1")
        amount = Operand("imm", Immediate())
        shift = f"0 <= i - imm && i - imm < {lanes} && a[i - imm]"
        yield Intrinsic(f"_kshiftli_mask{lanes}", (a, amount), mask, shift)
        shift = f"i + imm < {lanes} && a[i + imm]"
        yield Intrinsic(f"_kshiftri_mask{lanes}", (a, amount), mask, shift)
        yield Intrinsic(f"_kortestz_mask{lanes}_u8", (a, b), Scalar("uint8"),
                        "!(a[i] || b[i])", fold="&", lanes=lanes)  # fmt: skip
        yield Intrinsic(f"_kortestc_mask{lanes}_u8", (a, b), Scalar("uint8"),
                        "a[i] || b[i]", fold="&", lanes=lanes)  # fmt: skip
    mask = Mask(16)
    bits = Operand("a", Scalar("int32"))
    yield Intrinsic("_mm512_int2mask", (bits,), mask, "a >> i & 1")
    yield Intrinsic("_mm512_mask2int", (Operand("a", mask),), Scalar("int32"),
                    "a[i] ? 1 << i : 0", fold="|", lanes=16)  # fmt: skip
    for name, half in (("_mm512_kunpackb", 8), ("_mm512_kunpackw", 16), ("_mm512_kunpackd", 32)):
        whole = Mask(2 * half)
        operands = (Operand("a", whole), Operand("b", whole))
        yield Intrinsic(name, operands, whole, f"i < {half} ? b[i] : a[i - {half}]")


# ---------------------------------------------------------------- choices


def _blends() -> Iterator[Intrinsic]:
    for suffix in (*SIGNED, *FLOATS):
        for width in WIDTHS:
            kind, prefix = vector(SUFFIX[suffix], width), PREFIX[width]
            mask, a, b = Operand("k", Mask(kind.lanes)), Operand("a", kind), Operand("b", kind)
            yield Intrinsic(
                f"{prefix}_mask_blend_{suffix}", (mask, a, b), kind, "k[i] ? b[i] : a[i]"
            )
            yield from forms(width, f"mov_{suffix}", (a,), kind, "a[i]", which=("mask", "maskz"))
            if width == 512:
                continue
            if suffix in ("epi8", *FLOATS):
                # By the highest bits of a third register.
                bits = Vector(f"int{BITS[kind.dtype]}", kind.lanes, kind.register)
                operands: tuple[Operand, ...] = (a, b, Operand("m", bits))
                name = f"{prefix}_blendv_{suffix}"
                yield Intrinsic(name, operands, kind, "m[i] < 0 ? b[i] : a[i]")
            if suffix in ("epi16", "epi32", *FLOATS):
                operands = (a, b, Operand("imm", Immediate()))
                name = f"{prefix}_blend_{suffix}"
                yield Intrinsic(name, operands, kind, "imm >> i % 8 & 1 ? b[i] : a[i]")


ROWS: tuple[Intrinsic, ...] = (
    *_comparisons(),
    *_to_lanes(),
    *_signs(),
    *_tests(),
    *_logic(),
    *_blends(),
)
