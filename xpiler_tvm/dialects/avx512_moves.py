"""x86's vector intrinsics: lanes from other places. Shuffles, broadcasts, extracts and inserts."""

from __future__ import annotations

from collections.abc import Iterator

from .avx512 import (
    BITS,
    FLOATS,
    MASKED,
    PREFIX,
    SIGNED,
    SUFFIX,
    WIDTHS,
    WORDS,
    Form,
    Immediate,
    Intrinsic,
    Operand,
    Scalar,
    forms,
    vector,
)

_IMM = Operand("imm", Immediate())
_PLAIN: tuple[Form, ...] = ("plain",)
_WIDE_LANES = (*WORDS, *FLOATS)


def _within() -> Iterator[Intrinsic]:
    """Shuffles by a constant within each 128 bits; two bits of it say where a lane comes from."""
    for width in WIDTHS:
        words, halves = vector("int32", width), vector("int16", width)
        quarter = "i / 4 * 4 + (imm >> 2 * (i % 4) & 3)"
        a = Operand("a", words)
        yield from forms(width, "shuffle_epi32", (a, _IMM), words, f"a[{quarter}]", grain="move")
        picked = "i / 8 * 8 + {0} + (imm >> 2 * (i % 4) & 3)"
        a = Operand("a", halves)
        low = f"i % 8 < 4 ? a[{picked.format(0)}] : a[i]"
        yield from forms(width, "shufflelo_epi16", (a, _IMM), halves, low, grain="move")
        high = f"i % 8 >= 4 ? a[{picked.format(4)}] : a[i]"
        yield from forms(width, "shufflehi_epi16", (a, _IMM), halves, high, grain="move")
        single, double = vector("float32", width), vector("float64", width)
        operands: tuple[Operand, ...] = (Operand("a", single), Operand("b", single), _IMM)
        meaning = f"i % 4 < 2 ? a[{quarter}] : b[{quarter}]"
        yield from forms(width, "shuffle_ps", operands, single, meaning, grain="move")
        operands = (Operand("a", double), Operand("b", double), _IMM)
        pair = "i / 2 * 2 + (imm >> i & 1)"
        meaning = f"i % 2 ? b[{pair}] : a[{pair}]"
        yield from forms(width, "shuffle_pd", operands, double, meaning, grain="move")
        a = Operand("a", single)
        yield from forms(width, "permute_ps", (a, _IMM), single, f"a[{quarter}]", grain="move")
        a, places = Operand("a", single), Operand("b", words)
        meaning = "a[i / 4 * 4 + (b[i] & 3)]"
        yield from forms(width, "permutevar_ps", (a, places), single, meaning)
        a = Operand("a", double)
        yield from forms(width, "permute_pd", (a, _IMM), double, f"a[{pair}]", grain="move")
        for name, kind, meaning in (
            ("movehdup_ps", single, "a[i | 1]"),
            ("moveldup_ps", single, "a[i / 2 * 2]"),
            ("movedup_pd", double, "a[i / 2 * 2]"),
        ):
            yield from forms(width, name, (Operand("a", kind),), kind, meaning, grain="move")


def _bytes() -> Iterator[Intrinsic]:
    """Shuffles of bytes within each 128 bits."""
    for width in WIDTHS:
        kind, prefix = vector("int8", width), PREFIX[width]
        a, b = Operand("a", kind), Operand("b", kind)
        meaning = "b[i] < 0 ? 0 : a[i / 16 * 16 + (b[i] & 15)]"
        yield from forms(width, "shuffle_epi8", (a, b), kind, meaning)
        place = "(i % 16 + imm)"
        meaning = f"{place} < 16 ? b[i / 16 * 16 + {place}] : "
        meaning += f"{place} < 32 ? a[i / 16 * 16 + {place} - 16] : 0"
        yield from forms(width, "alignr_epi8", (a, b, _IMM), kind, meaning, grain="move")
        left = "i % 16 >= imm ? a[i - imm] : 0"
        right = "i % 16 + imm < 16 ? a[i + imm] : 0"
        whole = "si128" if width == 128 else "epi128"
        names = [f"{prefix}_bslli_{whole}"], [f"{prefix}_bsrli_{whole}"]
        if width < 512:
            names[0].append(f"{prefix}_slli_si{width}")
            names[1].append(f"{prefix}_srli_si{width}")
        for spelled, meaning in zip(names, (left, right), strict=True):
            for name in spelled:
                yield Intrinsic(name, (a, _IMM), kind, meaning, grain="move")


def _interleaved() -> Iterator[Intrinsic]:
    """The lower or upper halves of each 128 bits of a and b in turn."""
    for suffix in (*SIGNED, *FLOATS):
        dtype = SUFFIX[suffix]
        whole = 128 // BITS[dtype]
        for width in WIDTHS:
            kind = vector(dtype, width)
            operands: tuple[Operand, ...] = (Operand("a", kind), Operand("b", kind))
            for name, start in (("unpacklo", 0), ("unpackhi", whole // 2)):
                place = f"i / {whole} * {whole} + {start} + i % {whole} / 2"
                meaning = f"i % 2 ? b[{place}] : a[{place}]"
                yield from forms(width, f"{name}_{suffix}", operands, kind, meaning, grain="move")
    kind = vector("float32", 128)
    operands = (Operand("a", kind), Operand("b", kind))
    yield Intrinsic("_mm_movehl_ps", operands, kind, "i < 2 ? b[i + 2] : a[i]", grain="move")
    yield Intrinsic("_mm_movelh_ps", operands, kind, "i < 2 ? a[i] : b[i - 2]", grain="move")
    yield Intrinsic("_mm_move_ss", operands, kind, "i == 0 ? b[i] : a[i]", grain="move")


def _anywhere() -> Iterator[Intrinsic]:
    """Lanes from anywhere in a register, by other lanes or a constant."""
    for suffix in (*SIGNED[1:], *FLOATS):
        dtype = SUFFIX[suffix]
        index = f"int{BITS[dtype]}"
        for width in WIDTHS:
            kind, places = vector(dtype, width), vector(index, width)
            last = kind.lanes - 1
            a, b, idx = Operand("a", kind), Operand("b", kind), Operand("idx", places)
            if width > 128 or suffix == "epi16":
                name = f"permutexvar_{suffix}"
                yield from forms(width, name, (idx, a), kind, f"a[idx[i] & {last}]")
            meaning = f"idx[i] & {kind.lanes} ? b[idx[i] & {last}] : a[idx[i] & {last}]"
            which: tuple[Form, ...] = ("plain", "maskz")
            name = f"permutex2var_{suffix}"
            yield from forms(width, name, (a, idx, b), kind, meaning, which=which)
    for suffix in ("epi64", "pd"):
        for width in (512, 256):
            kind = vector(SUFFIX[suffix], width)
            meaning = "a[i / 4 * 4 + (imm >> 2 * (i % 4) & 3)]"
            operands: tuple[Operand, ...] = (Operand("a", kind), _IMM)
            yield from forms(width, f"permutex_{suffix}", operands, kind, meaning, grain="move")
            if width == 256:
                yield Intrinsic(
                    f"_mm256_permute4x64_{suffix}", operands, kind, meaning, grain="move"
                )
    for suffix in ("epi32", "ps"):
        kind = vector(SUFFIX[suffix], 256)
        operands = (Operand("a", kind), Operand("idx", vector("int32", 256)))
        name = f"_mm256_permutevar8x32_{suffix}"
        yield Intrinsic(name, operands, kind, "a[idx[i] & 7]")
    for suffix in WORDS:
        for width in WIDTHS:
            kind = vector(SUFFIX[suffix], width)
            operands = (Operand("a", kind), Operand("b", kind), _IMM)
            place = f"(i + imm % {kind.lanes})"
            meaning = f"{place} < {kind.lanes} ? b[{place}] : a[{place} - {kind.lanes}]"
            yield from forms(width, f"alignr_{suffix}", operands, kind, meaning, grain="move")


def _quarters() -> Iterator[Intrinsic]:
    """128 bits moved as one."""
    for letter, dtype, count in (
        ("i32x4", "int32", 4),
        ("i64x2", "int64", 2),
        ("f32x4", "float32", 4),
        ("f64x2", "float64", 2),
    ):
        for width in (512, 256):
            kind = vector(dtype, width)
            operands: tuple[Operand, ...] = (Operand("a", kind), Operand("b", kind), _IMM)
            blocks = kind.lanes // count
            bits = 2 if blocks == 4 else 1
            place = f"(imm >> {bits} * (i / {count}) & {blocks - 1}) * {count} + i % {count}"
            meaning = f"i < {kind.lanes // 2} ? a[{place}] : b[{place}]"
            yield from forms(width, f"shuffle_{letter}", operands, kind, meaning, grain="move")
    for name, dtype in (
        ("permute2x128_si256", "int64"),
        ("permute2f128_si256", "int64"),
        ("permute2f128_ps", "float32"),
        ("permute2f128_pd", "float64"),
    ):
        kind = vector(dtype, 256)
        half = kind.lanes // 2
        field = f"(imm >> 4 * (i / {half}))"
        place = f"({field} & 1) * {half} + i % {half}"
        meaning = f"{field} & 8 ? 0 : {field} & 2 ? b[{place}] : a[{place}]"
        operands = (Operand("a", kind), Operand("b", kind), _IMM)
        yield Intrinsic(f"_mm256_{name}", operands, kind, meaning, grain="move")


# Part of a register: its name, element type, lanes, and the widths of the wholes.
_PARTS = (
    ("i32x4", "int32", 4, (512, 256)),
    ("i64x2", "int64", 2, (512, 256)),
    ("i32x8", "int32", 8, (512,)),
    ("i64x4", "int64", 4, (512,)),
    ("f32x4", "float32", 4, (512, 256)),
    ("f64x2", "float64", 2, (512, 256)),
    ("f32x8", "float32", 8, (512,)),
    ("f64x4", "float64", 4, (512,)),
)


_SUFFIXES = {"int32": "epi32", "int64": "epi64", "float32": "ps", "float64": "pd"}


def _parts() -> Iterator[Intrinsic]:
    for name, dtype, count, widths in _PARTS:
        part = vector(dtype, count * BITS[dtype])
        for width in widths:
            whole = vector(dtype, width)
            blocks = whole.lanes // count
            a = Operand("a", whole)
            meaning = f"a[imm % {blocks} * {count} + i]"
            taken = f"extract{name}_{_SUFFIXES[dtype]}"
            yield from forms(width, taken, (a, _IMM), part, meaning, grain="move")
            inside = f"i / {count} == imm % {blocks} ? b[i % {count}] : a[i]"
            operands: tuple[Operand, ...] = (a, Operand("b", part), _IMM)
            yield from forms(width, f"insert{name}", operands, whole, inside, grain="move")
            one = (Operand("a", part),)
            meaning = f"a[i % {count}]"
            yield from forms(width, f"broadcast_{name}", one, whole, meaning, grain="move")
    for spelled, dtype in (
        ("i128_si256", "int64"),
        ("f128_si256", "int64"),
        ("f128_ps", "float32"),
        ("f128_pd", "float64"),
    ):
        letter, _, suffix = spelled.partition("_")
        whole, part = vector(dtype, 256), vector(dtype, 128)
        count = part.lanes
        operands = (Operand("a", whole), _IMM)
        meaning = f"a[(imm & 1) * {count} + i]"
        name = f"_mm256_extract{letter}_{suffix}"
        yield Intrinsic(name, operands, part, meaning, grain="move")
        operands = (Operand("a", whole), Operand("b", part), _IMM)
        meaning = f"i / {count} == (imm & 1) ? b[i % {count}] : a[i]"
        name = f"_mm256_insert{letter}_{suffix}"
        yield Intrinsic(name, operands, whole, meaning, grain="move")
    for name, dtype in (("m128i", "int64"), ("m128", "float32"), ("m128d", "float64")):
        whole, part = vector(dtype, 256), vector(dtype, 128)
        a, b = Operand("a", part), Operand("b", part)
        meaning = f"i < {part.lanes} ? a[i] : b[i - {part.lanes}]"
        for family, operands in (("set", (b, a)), ("setr", (a, b))):
            yield Intrinsic(f"_mm256_{family}_{name}", operands, whole, meaning, grain="move")
    whole, part = vector("int64", 256), vector("int64", 128)
    yield Intrinsic(
        "_mm256_broadcastsi128_si256", (Operand("a", part),), whole, "a[i % 2]", grain="move"
    )


def _elements() -> Iterator[Intrinsic]:
    """One lane: taken out, put in, or repeated."""
    for suffix in SIGNED:
        dtype = SUFFIX[suffix]
        for width in (256, 128):
            kind = vector(dtype, width)
            # Narrow ones come out without a sign.
            given = vector(f"u{dtype}", width) if BITS[dtype] < 32 else kind
            result = Scalar(dtype if BITS[dtype] >= 32 else "int32")
            operands: tuple[Operand, ...] = (Operand("a", given), _IMM)
            name = f"{PREFIX[width]}_extract_{suffix}"
            yield Intrinsic(name, operands, result, f"a[imm % {kind.lanes}]")
            value = Operand("b", Scalar("int64" if dtype == "int64" else "int32"))
            operands = (Operand("a", kind), value, _IMM)
            name = f"{PREFIX[width]}_insert_{suffix}"
            yield Intrinsic(name, operands, kind, f"i == imm % {kind.lanes} ? b : a[i]")
    for letter, suffix in (
        ("b", "epi8"),
        ("w", "epi16"),
        ("d", "epi32"),
        ("q", "epi64"),
        ("ss", "ps"),
        ("sd", "pd"),
    ):
        for width in WIDTHS:
            if letter == "sd" and width == 128:
                continue
            kind, first = vector(SUFFIX[suffix], width), vector(SUFFIX[suffix], 128)
            name = f"broadcast{letter}_{suffix}"
            yield from forms(width, name, (Operand("a", first),), kind, "a[0]", grain="move")


# ---------------------------------------------------------------- from numbers


def _numbers() -> Iterator[Intrinsic]:
    """Registers of numbers that are given: the same one, one for each lane, zeros."""
    for suffix in (*SIGNED, *FLOATS):
        dtype = SUFFIX[suffix]
        for width in WIDTHS:
            kind, prefix = vector(dtype, width), PREFIX[width]
            wide = "64" if suffix == "epi64" else "32"
            scalar = Scalar(dtype if suffix in FLOATS else f"int{wide}")
            # Narrow integers are declared as what they are.
            scalar = Scalar(dtype) if BITS[dtype] < 32 else scalar
            spelled = f"{suffix}x" if suffix == "epi64" and width < 512 else suffix
            which: tuple[Form, ...] = MASKED
            if spelled != suffix:
                yield Intrinsic(f"{prefix}_set1_epi64x", (Operand("a", scalar),), kind, "a")
                which = ("mask", "maskz")
            if suffix in FLOATS:
                which = _PLAIN
            yield from forms(
                width, f"set1_{suffix}", (Operand("a", scalar),), kind, "a", which=which
            )
            numbers = [Operand(f"e{lane}", scalar) for lane in range(kind.lanes)]
            for family, order in (("set", numbers[::-1]), ("setr", numbers)):
                if suffix == "epi64" and width == 128 and family == "setr":
                    continue
                if width == 512 and BITS[dtype] < 32 and family == "setr":
                    continue
                name = f"{prefix}_{family}_{spelled}"
                yield Intrinsic(name, tuple(order), kind, listed(kind.lanes))
    for width in WIDTHS:
        for suffix, dtype in (("ps", "float32"), ("pd", "float64"), (f"si{width}", "int64")):
            kind = vector(dtype, width)
            yield Intrinsic(f"{PREFIX[width]}_setzero_{suffix}", (), kind, "0", grain="move")
            name = f"{PREFIX[width]}_undefined_{suffix}"
            yield Intrinsic(name.replace("si512", "epi32"), (), kind, "0", grain="move")
    zero = vector("int32", 512)
    yield Intrinsic("_mm512_setzero_epi32", (), zero, "0", grain="move")
    yield Intrinsic("_mm512_setzero", (), vector("float32", 512), "0", grain="move")
    yield Intrinsic("_mm_set_ps1", (Operand("a", Scalar("float32")),), vector("float32", 128), "a")
    kind = vector("int32", 512)
    four = tuple(Operand(f"e{lane}", Scalar("int32")) for lane in (3, 2, 1, 0))
    meaning = "i % 4 == 0 ? e0 : i % 4 == 1 ? e1 : i % 4 == 2 ? e2 : e3"
    yield Intrinsic("_mm512_set4_epi32", four, kind, meaning)
    yield Intrinsic("_mm512_setr4_epi32", four[::-1], kind, meaning)


def listed(count: int) -> str:
    """Lane `i` of the numbers `e0`, `e1`, …"""
    tests = [f"i == {lane} ? e{lane} : " for lane in range(count - 1)]
    return "".join(tests) + f"e{count - 1}"


ROWS: tuple[Intrinsic, ...] = (
    *_within(),
    *_bytes(),
    *_interleaved(),
    *_anywhere(),
    *_quarters(),
    *_parts(),
    *_elements(),
    *_numbers(),
)
