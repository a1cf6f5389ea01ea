"""x86's vector intrinsics in C++: what a parser needs to know of them, and what they do.

`declarations` has prototypes, `definitions` a body for each intrinsic: loops over lanes, for any
processor. Both have the types and constants, and only what a text mentions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from .avx512 import (
    BITS,
    REGISTERS,
    Immediate,
    Intrinsic,
    Kind,
    Mask,
    Memory,
    Scalar,
    Vector,
    mentioned,
)
from .avx512_arithmetic import neutral

_C_TYPES = {
    "float16": "_Float16",
    "float32": "float",
    "float64": "double",
    "int64": "long long",
    "uint64": "unsigned long long",
}

_PREDICATES = (
    *("EQ_OQ", "LT_OS", "LE_OS", "UNORD_Q", "NEQ_UQ", "NLT_US", "NLE_US", "ORD_Q", "EQ_UQ"),
    *("NGE_US", "NGT_US", "FALSE_OQ", "NEQ_OQ", "GE_OS", "GT_OS", "TRUE_UQ", "EQ_OS", "LT_OQ"),
    *("LE_OQ", "UNORD_S", "NEQ_US", "NLT_UQ", "NLE_UQ", "ORD_S", "EQ_US", "NGE_UQ", "NGT_UQ"),
    *("FALSE_OS", "NEQ_OS", "GE_OQ", "GT_OQ", "TRUE_US"),
)
_CONSTANTS = {
    **{f"_CMP_{name}": number for number, name in enumerate(_PREDICATES)},
    **{
        f"_MM_CMPINT_{name}": number
        for number, name in enumerate(("EQ", "LT", "LE", "FALSE", "NE", "NLT", "NLE", "TRUE"))
    },
    "_MM_CMPINT_GE": 5,
    "_MM_CMPINT_GT": 6,
    "_MM_FROUND_TO_NEAREST_INT": 0,
    "_MM_FROUND_TO_NEG_INF": 1,
    "_MM_FROUND_TO_POS_INF": 2,
    "_MM_FROUND_TO_ZERO": 3,
    "_MM_FROUND_CUR_DIRECTION": 4,
    "_MM_FROUND_RAISE_EXC": 0,
    "_MM_FROUND_NO_EXC": 8,
    "_MM_FROUND_NINT": 0,
    "_MM_FROUND_FLOOR": 1,
    "_MM_FROUND_CEIL": 2,
    "_MM_FROUND_TRUNC": 3,
    "_MM_HINT_T0": 3,
    "_MM_HINT_T1": 2,
    "_MM_HINT_T2": 1,
    "_MM_HINT_NTA": 0,
}
_ORDER = "#define _MM_SHUFFLE(d, c, b, a) (((d) << 6) | ((c) << 4) | ((b) << 2) | (a))"
# The four registers as the rows of a matrix, which becomes its transpose.
_TRANSPOSE = "_MM_TRANSPOSE4_PS"
_TRANSPOSING = """#define _MM_TRANSPOSE4_PS(r0, r1, r2, r3) do { \\
  const __m128 xp_t0 = _mm_shuffle_ps(r0, r1, 0x44), xp_t1 = _mm_shuffle_ps(r2, r3, 0x44); \\
  const __m128 xp_t2 = _mm_shuffle_ps(r0, r1, 0xee), xp_t3 = _mm_shuffle_ps(r2, r3, 0xee); \\
  (r0) = _mm_shuffle_ps(xp_t0, xp_t1, 0x88); (r1) = _mm_shuffle_ps(xp_t0, xp_t1, 0xdd); \\
  (r2) = _mm_shuffle_ps(xp_t2, xp_t3, 0x88); (r3) = _mm_shuffle_ps(xp_t2, xp_t3, 0xdd); \\
} while (0)"""
# Four lanes by letters, that of the highest one first.
_PERMUTATIONS = {
    f"_MM_PERM_{''.join(letters)}": sum(
        "ABCD".index(letter) << 2 * (3 - place) for place, letter in enumerate(letters)
    )
    for letters in product("ABCD", repeat=4)
}
# Hints and fences: they change no value.
_NOTHING = (
    "_mm_prefetch(const void*, int)",
    "_mm_sfence()",
    "_mm_mfence()",
    "_mm_lfence()",
    "_mm_pause()",
    "_mm256_zeroupper()",
    "_mm256_zeroall()",
)
IGNORED: tuple[str, ...] = tuple(one.partition("(")[0] for one in _NOTHING)
"""Names of intrinsics without an effect on values."""


def _types(text: str, as_classes: bool = False) -> Iterator[str]:
    for name, (dtype, bits) in REGISTERS.items():
        of = _c_type(dtype)
        if as_classes:
            count = bits // BITS[dtype]
            element = f"{of}& operator[](int i) {{ return lanes[i]; }}"
            yield f"struct {name} {{ {of} lanes[{count}]; {element} }};"
            yield f"typedef {name} {name}_u;"
            continue
        attributes = f"vector_size({bits // 8}), may_alias"
        yield f"typedef {of} {name} __attribute__(({attributes}));"
        yield f"typedef {of} {name}_u __attribute__(({attributes}, aligned(1)));"
    for bits, spelled in ((8, "char"), (16, "short"), (32, "int"), (64, "long long")):
        yield f"typedef unsigned {spelled} __mmask{bits};"
    yield _ORDER
    if _TRANSPOSE in text:
        yield _TRANSPOSING
    yield "typedef int _MM_PERM_ENUM;"
    constants = _CONSTANTS | (_PERMUTATIONS if "_MM_PERM_" in text else {})
    yield from (f"#define {name} {number}" for name, number in constants.items())


def _c_type(dtype: str) -> str:
    return _C_TYPES.get(dtype, f"{dtype}_t")


def _mask_type(mask: Mask) -> str:
    return f"__mmask{max(8, mask.lanes)}"


def _declared(kind: Kind | None) -> str:
    """The C type of an operand or a result."""
    if isinstance(kind, Vector):
        return kind.register
    if isinstance(kind, Mask):
        return _mask_type(kind)
    if isinstance(kind, Memory):
        return f"{'' if kind.written else 'const '}void*"
    if isinstance(kind, Scalar):
        return _c_type(kind.dtype)
    return "int" if isinstance(kind, Immediate) else "void"


def _head(row: Intrinsic, suffix: str) -> str:
    """`suffix` stands behind the operands that the body sees by lanes."""
    operands = ", ".join(
        f"{_declared(one.kind)} {one.name}"
        + (suffix if isinstance(one.kind, (Vector, Mask, Memory)) else "")
        for one in row.operands
    )
    return f"{_declared(row.result)} {row.name}({operands})"


def _rows(text: str) -> list[Intrinsic]:
    """The intrinsics that `text` mentions, itself or by a macro."""
    return mentioned(text + _TRANSPOSING if _TRANSPOSE in text else text)


def redefined(text: str) -> list[str]:
    """Macros of `text` in intrinsics, in place of those of a compiler's header, which has them in
    what is its own."""
    return [f"#undef {_TRANSPOSE}", _TRANSPOSING] if _TRANSPOSE in text else []


def declarations(text: str) -> str:
    """Types, constants and prototypes of what `text` mentions."""
    lines = [*_types(text), *(f"void {one};" for one in _NOTHING)]
    lines += [f"{_head(row, '')};" for row in _rows(text)]
    return "\n".join(lines)


# ---------------------------------------------------------------- definitions

_SUPPORT = r"""
namespace lanes {
// Lane `i` of a register's bytes, which may be those of any type.
template <class T, class R>
struct View {
  const R* whole;
  T operator[](long i) const {
    T lane;
    __builtin_memcpy(&lane, (const char*)whole + i * sizeof(T), sizeof(T));
    return lane;
  }
};
template <class T>
struct Bits {
  T mask;
  bool operator[](int i) const { return mask >> i & 1; }
};
// Memory at any address.
template <class T>
struct Source {
  const char* start;
  XP_INLINE T operator[](long i) const {
    T element;
    __builtin_memcpy(&element, start + i * sizeof(T), sizeof(T));
    return element;
  }
  XP_INLINE const char* operator+(long bytes) const { return start + bytes; }
};
template <class T>
struct Element {
  char* place;
  XP_INLINE void operator=(T element) const { __builtin_memcpy(place, &element, sizeof(T)); }
  XP_INLINE operator T() const { return Source<T>{place}[0]; }
};
template <class T>
struct Target {
  char* start;
  XP_INLINE Element<T> operator[](long i) const { return {start + i * sizeof(T)}; }
  XP_INLINE char* operator+(long bytes) const { return start + bytes; }
};
template <class T, class R>
inline __attribute__((always_inline)) void put(R& whole, int i, T lane) {
  __builtin_memcpy((char*)&whole + i * sizeof(T), &lane, sizeof(T));
}
template <class T>
inline T clamp(__int128 x, long long low, long long high) {
  return T(x < low ? low : x > high ? high : x);
}
inline int sat8(__int128 x) { return clamp<int>(x, -128, 127); }
inline int satu8(__int128 x) { return clamp<int>(x, 0, 255); }
inline int sat16(__int128 x) { return clamp<int>(x, -32768, 32767); }
inline int satu16(__int128 x) { return clamp<int>(x, 0, 65535); }
inline int sat32(__int128 x) { return clamp<int>(x, -2147483647 - 1, 2147483647); }
inline unsigned satu32(__int128 x) { return clamp<unsigned>(x, 0, 4294967295); }
}
"""

_INDEFINITE = r"""
namespace lanes {
// What is out of range becomes the number with the highest bit alone, or with all bits.
inline int to_int32(double x) {
  return x >= -2147483648.0 && x < 2147483648.0 ? int(x) : -2147483647 - 1;
}
inline long long to_int64(double x) {
  return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (long long)x
                                                                  : -9223372036854775807ll - 1;
}
inline unsigned to_uint32(double x) { return x > -1.0 && x < 4294967296.0 ? unsigned(x) : ~0u; }
}
"""

_FOLDS = {
    "+": "r = r + ({0})",
    "*": "r = r * ({0})",
    "&": "r = r & ({0})",
    "|": "r = r | ({0})",
    "max": "if (auto next = {0}; i == 0 || next > r) r = next",
    "min": "if (auto next = {0}; i == 0 || next < r) r = next",
}


def definitions(text: str, *, as_classes: bool = False) -> str:
    """Types, constants, and a body for every intrinsic that `text` mentions.

    Where `float` is a class itself, registers have to be classes, too: `as_classes`.
    """
    rows = _rows(text)
    lines = [*_types(text, as_classes), _SUPPORT, *(f"inline void {one} {{}}" for one in _NOTHING)]
    if any("to_" in row.meaning for row in rows):
        lines.append(_INDEFINITE)
    return "\n".join([*lines, *map(_definition, rows)])


def _definition(row: Intrinsic) -> str:
    body = ["using namespace lanes;"]
    for operand in row.operands:
        name, kind = operand.name, operand.kind
        if isinstance(kind, Vector):
            body.append(f"const View<{_c_type(kind.dtype)}, {kind.register}> {name}{{&{name}_}};")
        elif isinstance(kind, Mask):
            body.append(f"const Bits<{_mask_type(kind)}> {name}{{{name}_}};")
        elif isinstance(kind, Memory):
            proxy, constant = ("Target", "") if kind.written else ("Source", "const ")
            memory = f"{proxy}<{_c_type(kind.dtype)}>"
            body.append(f"const {memory} {name}{{({constant}char*){name}_}};")
            if kind.aligned > 1:  # a checked build looks at what a reference is bound to
                whole = f"{constant}__m{kind.aligned * 8}i"
                body.append(f"{whole}& whole = *({whole}*){name}_; (void)whole;")
    # What accesses the kernel's memory does so in its lines.
    inlined = "XP_INLINE" if any(isinstance(o.kind, Memory) for o in row.operands) else "inline"
    return f"{inlined} {_head(row, '_')} {{ {' '.join([*body, *_result(row)])} }}"


def _result(row: Intrinsic) -> Iterator[str]:
    result, meaning = row.result, row.meaning
    if result is None:
        store = f"{row.target} = {meaning};"
        where = f"if ({row.where}) " if row.where else ""
        yield f"for (int i = 0; i < {row.lanes}; i++) {where}{store}"
    elif isinstance(result, Vector):
        kind = _c_type(result.dtype)
        yield f"{result.register} r = {{}};"
        yield f"for (int i = 0; i < {result.lanes}; i++) put<{kind}>(r, i, ({kind})({meaning}));"
        yield "return r;"
    elif isinstance(result, Mask):
        kind = _mask_type(result)
        yield f"{kind} r = 0;"
        yield f"for (int i = 0; i < {result.lanes}; i++) r |= ({kind})(({meaning}) ? 1 : 0) << i;"
        yield "return r;"
    elif row.fold:
        kind = _c_type(result.dtype)
        start = "0" if row.fold in ("max", "min") else neutral(row.fold, result.dtype)
        yield f"{kind} r = {start};"
        step = _FOLDS[row.fold].format(f"({kind})({meaning})")
        yield f"for (int i = 0; i < {row.lanes}; i++) {{ {step}; }}"
        yield "return r;"
    else:
        yield f"return {meaning};"


def needs_definitions(text: str) -> bool:
    """Whether a text uses what no processor or compiler has exactly as its table says it."""
    return any(row.error or not row.native for row in mentioned(text))
