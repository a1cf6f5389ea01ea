"""x86's vector intrinsics: registers from memory and back, with masks, by indices."""

from __future__ import annotations

from collections.abc import Iterator

from .avx512 import (
    BITS,
    FLOATS,
    PREFIX,
    SIGNED,
    SUFFIX,
    WIDTHS,
    WORDS,
    Grain,
    Immediate,
    Intrinsic,
    Mask,
    Memory,
    Operand,
    Vector,
    vector,
)

_WIDE = (*WORDS, *FLOATS)


def _families(suffix: str, width: int, plain: str, streamed: str) -> list[str]:
    """The names of loads or stores without a mask."""
    bits = suffix == f"si{width}"
    families = [plain]
    if bits or suffix in FLOATS or (width == 512 and suffix in WORDS):
        families.append(plain.removesuffix("u"))
    if bits or (streamed == "stream" and suffix in FLOATS):
        families.append(streamed)
    if bits and plain == "loadu" and width < 512:
        families.append("lddqu")
    return families


def _memory(family: str, dtype: str, width: int, written: bool = False) -> Operand:
    aligned = 1 if family in ("loadu", "storeu", "lddqu") else width // 8
    return Operand("p", Memory(dtype, written, aligned))


def _loads() -> Iterator[Intrinsic]:
    for width in WIDTHS:
        prefix = PREFIX[width]
        for suffix in (f"si{width}", *SIGNED, *FLOATS):
            kind = vector(SUFFIX.get(suffix, "int64"), width)
            for family in _families(suffix, width, "loadu", "stream_load"):
                # Bytes of any meaning: lanes are those of what lies there.
                source = _memory(family, kind.dtype, width)
                yield Intrinsic(
                    f"{prefix}_{family}_{suffix}", (source,), kind, "p[i]", grain="move"
                )
            if suffix not in SUFFIX:
                continue
            mask, src = Operand("k", Mask(kind.lanes)), Operand("src", kind)
            for family in ("loadu", "load") if suffix in _WIDE else ("loadu",):
                source = _memory(family, kind.dtype, width)
                for form, operands, other in (
                    ("mask", (src, mask, source), "src[i]"),
                    ("maskz", (mask, source), "0"),
                ):
                    name = f"{prefix}_{form}_{family}_{suffix}"
                    yield Intrinsic(name, operands, kind, f"k[i] ? p[i] : {other}")
            if width < 512 and suffix in _WIDE:
                # By the highest bits of a register.
                chosen = Operand("m", vector(f"int{BITS[kind.dtype]}", width))
                operands = (Operand("p", Memory(kind.dtype)), chosen)
                name = f"{prefix}_maskload_{suffix}"
                yield Intrinsic(name, operands, kind, "m[i] < 0 ? p[i] : 0")


def _stores() -> Iterator[Intrinsic]:
    for width in WIDTHS:
        prefix = PREFIX[width]
        for suffix in (f"si{width}", *SIGNED, *FLOATS):
            kind = vector(SUFFIX.get(suffix, "int64"), width)
            value = Operand("a", kind)
            for family in _families(suffix, width, "storeu", "stream"):
                target = _memory(family, kind.dtype, width, written=True)
                yield _store(f"{prefix}_{family}_{suffix}", (target, value), grain="move")
            if suffix not in SUFFIX:
                continue
            mask = Operand("k", Mask(kind.lanes))
            for family in ("storeu", "store") if suffix in _WIDE else ("storeu",):
                target = _memory(family, kind.dtype, width, written=True)
                name = f"{prefix}_mask_{family}_{suffix}"
                yield _store(name, (target, mask, value), where="k[i]")
            if width < 512 and suffix in _WIDE:
                chosen = Operand("m", vector(f"int{BITS[kind.dtype]}", width))
                target = _memory("storeu", kind.dtype, width, written=True)
                name = f"{prefix}_maskstore_{suffix}"
                yield _store(name, (target, chosen, value), where="m[i] < 0")


def _store(
    name: str,
    operands: tuple[Operand, ...],
    meaning: str = "a[i]",
    *,
    target: str = "p[i]",
    where: str = "",
    grain: Grain = "exact",
    lanes: int = 0,
) -> Intrinsic:
    """A store of the lanes of the last register among the operands."""
    (value,) = (one.kind for one in operands if one.name == "a")
    assert isinstance(value, Vector)
    count = lanes or value.lanes
    return Intrinsic(
        name, operands, None, meaning, grain=grain, target=target, where=where, lanes=count
    )


def _parts() -> Iterator[Intrinsic]:
    """Less than a register."""
    half = Operand("p", Memory("int64"))
    kind = vector("int64", 128)
    yield Intrinsic("_mm_loadl_epi64", (half,), kind, "i == 0 ? p[i] : 0", grain="move")
    half = Operand("p", Memory("int64", written=True))
    value = Operand("a", kind)
    yield _store("_mm_storel_epi64", (half, value), grain="move", lanes=1)
    for suffix, dtype in (("ss", "float32"), ("sd", "float64")):
        kind = vector(dtype, 128)
        source = Operand("p", Memory(dtype))
        yield Intrinsic(f"_mm_load_{suffix}", (source,), kind, "i == 0 ? p[i] : 0")
        target = Operand("p", Memory(dtype, written=True))
        operands: tuple[Operand, ...] = (target, Operand("a", kind))
        yield _store(f"_mm_store_{suffix}", operands, lanes=1)
    for bits, dtype in ((16, "int16"), (32, "int32"), (64, "int64")):
        kind = vector(dtype, 128)
        source = Operand("p", Memory(dtype))
        name = f"_mm_loadu_si{bits}"
        yield Intrinsic(name, (source,), kind, "i == 0 ? p[i] : 0", grain="move")
        target = Operand("p", Memory(dtype, written=True))
        operands = (target, Operand("a", kind))
        name = f"_mm_storeu_si{bits}"
        yield _store(name, operands, grain="move", lanes=1)
    for name, dtype, width, count in (
        ("_mm256_broadcast_ss", "float32", 256, 1),
        ("_mm_broadcast_ss", "float32", 128, 1),
        ("_mm256_broadcast_sd", "float64", 256, 1),
        ("_mm256_broadcast_ps", "float32", 256, 4),
        ("_mm256_broadcast_pd", "float64", 256, 2),
        ("_mm_load_ps1", "float32", 128, 1),
        ("_mm_load1_ps", "float32", 128, 1),
        ("_mm_loaddup_pd", "float64", 128, 1),
    ):
        source = Operand("p", Memory(dtype))
        place = f"i % {count}" if count > 1 else "0"
        yield Intrinsic(name, (source,), vector(dtype, width), f"p[{place}]")


def _narrowed() -> Iterator[Intrinsic]:
    """Integers cut off, or clamped, on their way to memory, where a mask has its bit."""
    for source in ("int16", "int32", "int64"):
        for target in ("int8", "int16", "int32"):
            if BITS[target] >= BITS[source]:
                continue
            for width in WIDTHS:
                for family, unsigned, meaning in (
                    ("cvt", "", "a[i]"),
                    ("cvts", "", f"sat{BITS[target]}(a[i])"),
                    ("cvtus", "u", f"satu{BITS[target]}(a[i])"),
                ):
                    kind = vector(unsigned + source, width)
                    memory = Operand("p", Memory(unsigned + target, written=True))
                    operands = (memory, Operand("k", Mask(kind.lanes)), Operand("a", kind))
                    number = f"epi{BITS[source]}_storeu_epi{BITS[target]}"
                    name = f"{PREFIX[width]}_mask_{family}{number}"
                    yield _store(name, operands, meaning, where="k[i]")


_SCALE = Operand("scale", Immediate())


def _by_index() -> Iterator[Intrinsic]:
    """Gathers and scatters: `scale` bytes for each unit of an index."""
    for suffix in _WIDE:
        dtype = SUFFIX[suffix]
        name_of = {"float32": "float", "float64": "double"}.get(dtype, f"{dtype}_t")
        for index, offset in (("i32", "int32"), ("i64", "int64")):
            for width in WIDTHS:
                lanes = width // max(BITS[dtype], BITS[offset])
                kind = vector(dtype, max(128, lanes * BITS[dtype]), lanes=lanes)
                idx = Operand("idx", vector(offset, max(128, lanes * BITS[offset]), lanes=lanes))
                mask, src = Operand("k", Mask(lanes)), Operand("src", kind)
                at = f"(const {name_of}*)(p + (int64_t)idx[i] * scale)"
                name, prefix = f"{index}gather_{suffix}", PREFIX[width]
                memory = Operand("p", Memory("int8"))
                wide = width == 512
                plain = (idx, memory, _SCALE) if wide else (memory, idx, _SCALE)
                yield Intrinsic(f"{prefix}_{name}", plain, kind, f"*{at}")
                operands: tuple[Operand, ...] = (src, mask, idx, memory, _SCALE)
                masked = f"{prefix}_{'mask' if wide else 'mmask'}_{name}"
                yield Intrinsic(masked, operands, kind, f"k[i] ? *{at} : src[i]")
                memory = Operand("p", Memory("int8", written=True))
                value = Operand("a", kind)
                name = f"{index}scatter_{suffix}"
                place = f"*({name_of}*)(p + (int64_t)idx[i] * scale)"
                operands = (memory, idx, value, _SCALE)
                yield _store(f"{prefix}_{name}", operands, target=place)
                operands = (memory, mask, idx, value, _SCALE)
                yield _store(f"{prefix}_mask_{name}", operands, target=place, where="k[i]")


ROWS: tuple[Intrinsic, ...] = (
    *_loads(),
    *_stores(),
    *_parts(),
    *_narrowed(),
    *_by_index(),
)
