"""C++ declarations of CUDA's and HIP's functions and types, for the parser: written out from the
dialects' tables, as far as a text mentions them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xpiler_tvm.dialects.atomics import ATOMICS, COMPARE_AND_SWAP, SUFFIXES
from xpiler_tvm.dialects.math import COMPOSED
from xpiler_tvm.dialects.matrix import MFMA
from xpiler_tvm.dialects.ptx import (
    COMMIT,
    COPY,
    LDMATRIX_COUNTS,
    MMA,
    WAIT,
    WAIT_ALL,
    ldmatrix_name,
)
from xpiler_tvm.dialects.sixteen import COMPARISONS, CONVERSIONS, SIXTEEN, TYPES

VECTORS = {
    "char": "signed char",
    "uchar": "unsigned char",
    "short": "short",
    "ushort": "unsigned short",
    "int": "int",
    "uint": "unsigned",
    "long": "long",
    "ulong": "unsigned long",
    "longlong": "long long",
    "ulonglong": "unsigned long long",
    "float": "float",
    "double": "double",
}
"""Vector types and their elements."""

_COUNTS = (1, 2, 3, 4)
_HD = "XP_HD"
_TEMPLATE = "template <class T> __device__"
_SIZES = {"float": 4, "int": 4, "double": 8}


def declarations(dialect: str, text: str) -> str:
    """A header with all vectors, and those functions of the tables that are words of `text`."""
    words = set(re.findall(r"\w+", text))
    pastes = re.search(r"\w\s*##\s*\w", text) is not None  # that may make any word
    parts = [
        line
        for name, line in (
            *_composed(),
            *_makers(),
            *_sixteen(),
            *_atomics(dialect),
            *_mfma(),
            *_ptx(),
        )
        if pastes or name in words
    ]
    operators = [*_pair_operators(), *(_vector_operators() if dialect == "hip" else ())]
    return "\n".join((*_vectors(), *_registers(), *parts, *operators))


def _function(result: str, name: str, kind: str, arity: int) -> tuple[str, str]:
    return name, f"{_HD} {result} {name}({', '.join([kind] * arity)});"


def _composed() -> Iterator[tuple[str, str]]:
    for row in COMPOSED:
        yield _function("double", row.name, "double", row.arity)
        yield _function("float", row.single, "float", row.arity)
        yield _function("float", row.name, "float", row.arity)


# ---------------------------------------------------------------- vectors


def _vectors() -> Iterator[str]:
    for name, element in VECTORS.items():
        for count in _COUNTS:
            fields = ", ".join("xyzw"[:count])
            yield f"struct {name}{count} {{ {element} {fields}; }};"


def _makers() -> Iterator[tuple[str, str]]:
    for name, element in VECTORS.items():
        for count in _COUNTS:
            yield _function(f"{name}{count}", f"make_{name}{count}", element, count)


def _vector_operators() -> Iterator[str]:
    """Operators of vectors and numbers; `XpOf` tells them from those of other classes."""
    yield "template <class V> struct XpOf {};"
    for name, element in VECTORS.items():
        for count in _COUNTS:
            yield f"template <> struct XpOf<{name}{count}> {{ typedef {element} type; }};"
    element = "typename XpOf<V>::type"
    for op in ("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"):
        head = f"template <class V, class = {element}> {_HD}"
        yield f"{head} V operator{op}(V, V);"
        yield f"{head} V operator{op}(V, {element});"
        yield f"{head} V operator{op}({element}, V);"
        yield f"{head} V& operator{op}=(V&, V);"
        yield f"{head} V& operator{op}=(V&, {element});"
    for op in ("==", "!="):
        yield f"template <class V, class = {element}> {_HD} bool operator{op}(V, V);"
    yield f"template <class V, class = {element}> {_HD} V operator-(V);"


# ---------------------------------------------------------------- sixteen-bit numbers


def _sixteen() -> Iterator[tuple[str, str]]:
    for single, double in TYPES.items():
        for row in SIXTEEN:
            if row.name:
                yield _function(single, row.name, single, row.arity)
            if row.pair:
                yield _function(double, row.pair, double, row.arity)
        for comparison in COMPARISONS:
            stem = comparison.stem
            yield _function("bool", f"__h{stem}", single, 2)
            yield _function(double, f"__h{stem}2", double, 2)
            yield _function("bool", f"__hb{stem}2", double, 2)
            yield _function("unsigned", f"__h{stem}2_mask", double, 2)
        yield from _named(single, double)
    for conversion in CONVERSIONS:
        yield _function(conversion.target, conversion.name, conversion.source, 1)


def _named(single: str, double: str) -> Iterator[tuple[str, str]]:
    """Functions that have the type's name in theirs, and what both types share."""
    forms = (
        (double, f"make_{double}", f"{single}, {single}"),
        (double, f"__float2{double}_rn", "float"),
        (double, f"__floats2{double}_rn", "float, float"),
        (double, f"__float22{double}_rn", "float2"),
        ("float2", f"__{double}2float2", double),
        (double, f"__{single}2{double}", single),
        (double, f"__halves2{double}", f"{single}, {single}"),
        (single, f"__low2{single}", double),
        (single, f"__high2{single}", double),
        (double, f"__low2{double}", double),
        (double, f"__high2{double}", double),
        (double, f"__lows2{double}", f"{double}, {double}"),
        (double, f"__highs2{double}", f"{double}, {double}"),
        ("float", "__low2float", double),
        ("float", "__high2float", double),
        (double, "__lowhigh2highlow", double),
        (double, "__hcmadd", f"{double}, {double}, {double}"),
        (single, f"__ushort_as_{single}", "unsigned short"),
        (single, f"__short_as_{single}", "short"),
        ("unsigned short", f"__{single}_as_ushort", single),
        ("short", f"__{single}_as_short", single),
        ("bool", "__hisnan", single),
        ("int", "__hisinf", single),
    )
    for result, name, params in forms:
        yield name, f"{_HD} {result} {name}({params});"


def _pair_operators() -> Iterator[str]:
    for double in TYPES.values():
        yield from _operators_of(double)


def _operators_of(double: str) -> Iterator[str]:
    for op in "+-*/":
        yield f"{_HD} {double} operator{op}({double}, {double});"
        yield f"{_HD} {double}& operator{op}=({double}&, {double});"
    for op in ("==", "!=", "<", "<=", ">", ">="):
        yield f"{_HD} bool operator{op}({double}, {double});"
    yield f"{_HD} {double} operator-({double});"
    yield f"{_HD} {double} operator+({double});"


# ---------------------------------------------------------------- atomics and matrix instructions


def _atomics(dialect: str) -> Iterator[tuple[str, str]]:
    for suffix in SUFFIXES[dialect]:
        swap = COMPARE_AND_SWAP.name + suffix
        yield swap, f"{_TEMPLATE} T {swap}(T*, XpSame<T>, XpSame<T>);"
        for row in ATOMICS:
            here = row.cuda if dialect == "cuda" else row.hip
            name = row.name + suffix
            if here and (not suffix or row.name.startswith("atomic")):
                yield name, f"{_TEMPLATE} T {name}(T*, XpSame<T>);"


def _registers() -> Iterator[str]:
    """What a lane holds of a matrix instruction's operands and results."""
    yield "typedef half XpHalf4 __attribute__((vector_size(8)));"
    yield "typedef short XpShort2 __attribute__((vector_size(4)));"
    yield "typedef short XpShort4 __attribute__((vector_size(8)));"
    yield "typedef float XpFloat2 __attribute__((vector_size(8)));"
    for kind, count in dict.fromkeys((row.total, row.registers) for row in MFMA):
        if count > 1:
            size = _SIZES[kind] * count
            yield f"typedef {kind} Xp_{kind}_{count} __attribute__((vector_size({size})));"


def _mfma() -> Iterator[tuple[str, str]]:
    """AMD's matrix instructions; a result of one register is a number."""
    for row in MFMA:
        total = row.total if row.registers == 1 else f"Xp_{row.total}_{row.registers}"
        operands = f"{row.operand}, {row.operand}, {total}, int, int, int"
        yield row.builtin, f"__device__ {total} {row.builtin}({operands});"


def _ptx() -> Iterator[tuple[str, str]]:
    """Inline assembly as calls: results by reference, and operands of any type of 32 bits."""

    def function(name: str, results: int, others: int) -> tuple[str, str]:
        words = [f"{word}{n}" for word, count in (("R", 1), ("T", others)) for n in range(count)]
        types = ", ".join(f"class {word}" for word in words)
        params = ", ".join([*["R0&"] * results, *(f"const {word}&" for word in words[1:])])
        return name, f"template <{types}> __device__ void {name}({params});"

    for row in MMA:
        counts = (row.a_registers, row.b_registers, row.total_registers)
        yield function(row.name, row.total_registers, sum(counts))
    for count in LDMATRIX_COUNTS:
        for transposed in (False, True):
            yield function(ldmatrix_name(count, transposed), count, 1)
    yield COPY, f"template <class P, class Q> __device__ void {COPY}(P, Q, unsigned, unsigned);"
    yield COMMIT, f"__device__ void {COMMIT}();"
    yield WAIT, f"__device__ void {WAIT}(unsigned);"
    yield WAIT_ALL, f"__device__ void {WAIT_ALL}();"
    yield "__cvta_generic_to_shared", "__device__ size_t __cvta_generic_to_shared(const void*);"
    yield "__cvta_generic_to_global", "__device__ size_t __cvta_generic_to_global(const void*);"
    copy = "__pipeline_memcpy_async"
    yield copy, f"__device__ void {copy}(void*, const void*, size_t, size_t = 0);"
    yield "__pipeline_commit", "__device__ void __pipeline_commit();"
    yield "__pipeline_wait_prior", "__device__ void __pipeline_wait_prior(size_t);"
