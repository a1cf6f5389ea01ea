"""What CUDA and HIP need beyond a header: macros of the device, and functions from the tables.

Functions are written out from the dialects' tables, and headers included, only where a text
mentions them: a small kernel stays cheap to compile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from xpiler_tvm.dialects.atomics import ATOMICS, COMPARE_AND_SWAP, SUFFIXES, Atomic
from xpiler_tvm.dialects.math import COMPOSED, Composed
from xpiler_tvm.dialects.matrix import MFMA, ROCWMMA, WMMA, Mfma, Wmma
from xpiler_tvm.dialects.ptx import MMA, Mma
from xpiler_tvm.dialects.simt import Gpu
from xpiler_tvm.dialects.sixteen import (
    COMPARISONS,
    CONVERSIONS,
    SIXTEEN,
    TYPES,
    Comparison,
    Conversion,
    Sixteen,
)

_SIGNED = ("char", "short", "int", "long", "longlong")
_INTEGERS = (*_SIGNED, *(f"u{name}" for name in _SIGNED))
_REALS = ("float", "double")
_VECTOR = re.compile(rf"\b(?:make_)?({'|'.join((*_INTEGERS, *_REALS))})([1-4])\b")


def _special() -> str:
    names = [name for row in COMPOSED for name in (row.name, row.single)]
    return rf"\b(?:{'|'.join(names)}|r?normf?|sincospif?)\b"


_BOTH = ("cuda", "hip")
# Headers, the dialects that have them, and the words that ask for them, in the order of inclusion.
_HEADERS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (name, dialects, re.compile(pattern))
    for name, dialects, pattern in (
        ("rounding.h", _BOTH, r"_r[nzud]\b"),
        ("packed.h", _BOTH, r"\b__v[a-z]+[24]\b"),
        ("half.h", _BOTH, r"half|bfloat|bf16|fp16|_Float16"),
        ("vectors.h", ("hip",), _VECTOR.pattern),
        ("special.h", _BOTH, _special()),
        ("atomics.h", _BOTH, r"[aA]tomic"),
        ("cooperative.h", _BOTH, r"\bcooperative_groups\b"),
        ("wmma.h", _BOTH, r"wmma\b"),
        ("ptx.h", ("cuda",), r"\b__ptx_|\b__cvta_generic_to_|\b__pipeline_"),
        ("amdgcn.h", ("hip",), r"\b__builtin_amdgcn_"),
        ("mfma.h", ("hip",), r"\b__builtin_amdgcn_mfma_"),
    )
)
_WMMA = re.compile(r"wmma\b")
_WORD = re.compile(r"\w+")


class _Words:
    """The words of a text. One that pastes words together may mean any of them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = set(_WORD.findall(text))
        self.pastes = re.search(r"\w\s*##\s*\w", text) is not None

    def __contains__(self, name: str) -> bool:
        return self.pastes or name in self.words

    def match(self, pattern: re.Pattern[str]) -> bool:
        return self.pastes or pattern.search(self.text) is not None


def prelude(text: str, gpu: Gpu) -> str:
    """C++ that stands before the kernel `text` on `gpu`: the dialect, as far as it is used."""
    words = _Words(text)
    parts = [_macros(gpu), f'#include "{gpu.dialect}.h"']
    parts += [
        f'#include "{name}"'
        for name, dialects, pattern in _HEADERS
        if gpu.dialect in dialects and words.match(pattern)
    ]
    parts += vector_operators(words, gpu)
    parts += [_composed(row) for row in COMPOSED if row.name in words or row.single in words]
    parts += sixteen(words)
    parts += atomics(words, gpu)
    if words.match(_WMMA):
        parts += fragments(gpu)
    parts += mfma(words, gpu)
    parts += ptx(words, gpu)
    return "\n".join(parts)


def _macros(gpu: Gpu) -> str:
    lanes = (1 << gpu.warp) - 1
    macros = (
        ("XP_WARP", gpu.warp),
        ("XP_LANES", f"{lanes:#x}ull"),
        ("XP_HIP", int(gpu.dialect == "hip")),
        *gpu.macros,
    )
    return "\n".join(f"#define {name} {value}" for name, value in macros)


def vector_operators(words: _Words, gpu: Gpu) -> Iterable[str]:
    """HIP's operators of the vectors that are mentioned."""
    if gpu.dialect != "hip":
        return
    named = set(_VECTOR.findall(words.text))
    for element in (*_INTEGERS, *_REALS):
        macro = "XP_VECTOR_NUMBERS" if element in _REALS else "XP_VECTOR_BITS"
        for count in "1234":
            if words.pastes or (element, count) in named:
                vector = element + count
                yield f"{macro}(decltype({vector}::x), {vector}, {count})"


def _composed(row: Composed) -> str:
    def form(result: str, name: str, kind: str) -> str:
        names = zip("abcd"[: row.arity], "xyzw"[: row.arity], strict=True)
        loads = " ".join(f"const double {a} = {x};" for a, x in names)
        return _function(result, name, kind, row.arity, f"{loads} return {row.meaning};")

    # A float has its own overload of the double's name too, as in the rest of the library.
    forms = ("float", row.single, "float"), ("double", row.name, "double")
    return "\n".join(form(*one) for one in (*forms, ("float", row.name, "float")))


def sixteen(words: _Words) -> Iterable[str]:
    """The functions of `dialects.sixteen` that are mentioned."""
    for row in SIXTEEN:
        yield from _sixteen(row, words)
    for comparison in COMPARISONS:
        yield from _comparison(comparison, words)
    for conversion in CONVERSIONS:
        if conversion.name in words:
            yield _conversion(conversion)


def _function(result: str, name: str, kind: str, arity: int, body: str) -> str:
    params = ", ".join(f"{kind} {x}" for x in "xyzw"[:arity])
    return f"inline {result} {name}({params}) {{ {body} }}"


def _operands(arity: int, component: str = "") -> str:
    names = zip("abc"[:arity], "xyz"[:arity], strict=True)
    return " ".join(f"const float {a} = (float){x}{component};" for a, x in names)


def _sixteen(row: Sixteen, words: _Words) -> Iterable[str]:
    for single, pair in TYPES.items():
        if row.name in words if row.name else False:
            body = f"{_operands(row.arity)} return {single}({row.meaning});"
            yield _function(single, str(row.name), single, row.arity, body)
        if row.pair in words if row.pair else False:
            parts = (
                f"[&] {{ {_operands(row.arity, part)} return {single}({row.meaning}); }}()"
                for part in (".x", ".y")
            )
            body = f"return {{{', '.join(parts)}}};"
            yield _function(pair, str(row.pair), pair, row.arity, body)


def _comparison(row: Comparison, words: _Words) -> Iterable[str]:
    holds = f"a {row.operator} b"
    if row.unordered:
        holds = f"xp_unordered(a, b) || {holds}"
    elif row.relation == "ne":
        # HIP's is that of C, which holds for NaN.
        holds = f"(XP_HIP || !xp_unordered(a, b)) && {holds}"
    stem = row.stem
    for single, pair in TYPES.items():
        if f"__h{stem}" in words:
            yield _function("bool", f"__h{stem}", single, 2, f"{_operands(2)} return {holds};")
        each = {part: f"[&] {{ {_operands(2, part)} return {holds}; }}()" for part in (".x", ".y")}
        low, high = each[".x"], each[".y"]
        forms = (
            (f"__h{stem}2", pair, f"{{{single}((float){low}), {single}((float){high})}}"),
            (f"__hb{stem}2", "bool", f"{low} && {high}"),
            (f"__h{stem}2_mask", "unsigned", f"0xffffu * {low} | 0xffff0000u * {high}"),
        )
        for name, result, value in forms:
            if name in words:
                yield _function(result, name, pair, 2, f"return {value};")


def _conversion(row: Conversion) -> str:
    mode = f"XP_{row.rounding.upper()}"
    if row.target in TYPES:
        value = f"xp_sixteen<{row.target}>(x, {mode})"
    elif row.target == "float":
        value = "(float)x"
    else:
        value = f"xp_from_sixteen<{row.target}>((float)x, {mode})"
    return _function(row.target, row.name, row.source, 1, f"return {value};")


def atomics(words: _Words, gpu: Gpu) -> Iterable[str]:
    """The atomic operations that are mentioned and that the dialect has."""
    for row in ATOMICS:
        for suffix in SUFFIXES[gpu.dialect] if row.name.startswith("atomic") else ("",):
            if row.types(gpu) and row.name + suffix in words:
                yield _atomic(row, suffix, gpu)
    for suffix in SUFFIXES[gpu.dialect]:
        if COMPARE_AND_SWAP.name + suffix in words:
            yield _atomic(COMPARE_AND_SWAP, suffix, gpu)


def _atomic(row: Atomic, suffix: str, gpu: Gpu) -> str:
    types = row.types(gpu, suffix)
    name = row.name + suffix
    listed = ", ".join(types)
    same = "typename XpSame<T>::type"
    if row is COMPARE_AND_SWAP:
        params = f"{same} compare, {same} value"
        call = "xp_atomic_cas<T>(address, compare, value)"
    else:
        params = f"{same} value"
        call = f"xp_atomic(address, [&](T old) -> T {{ return {row.meaning}; }})"
    return f"""template <class T>
XP_INLINE T {name}(T* address, {params}) {{
  static_assert(XpAmong<T, {listed}>::value, "{gpu.name} has {name} for {listed} only");
  if constexpr (XpAmong<T, {listed}>::value) return {call};
}}"""


def fragments(gpu: Gpu) -> Iterable[str]:
    """The wmma fragments and products that `gpu` has."""
    rows = ROCWMMA if gpu.dialect == "hip" else WMMA
    rows = tuple(row for row in rows if row.since <= gpu.capability)
    specializations: dict[str, str] = {}
    for row in rows:
        for name, value in _fragments(row):
            specializations[f"template <> struct {name}"] = value
    yield "namespace nvcuda { namespace wmma {"
    yield from (f"{name} {{ {value} }};" for name, value in specializations.items())
    yield "} }"


def _fragments(row: Wmma) -> Iterable[tuple[str, str]]:
    for total in row.totals:
        yield f"XpProduct<{row.operand}, {total}>", "static constexpr bool exists = true;"
        for m, n, k in row.shapes:
            yield f"XpTotal<{m}, {n}, {k}, {total}>", "static constexpr bool exists = true;"
    for m, n, k in row.shapes:
        yield (
            f"XpShape<{m}, {n}, {k}, {row.operand}>",
            "static constexpr bool operand = true; "
            f"static constexpr int elements = {row.operand_elements};",
        )


def mfma(words: _Words, gpu: Gpu) -> Iterable[str]:
    """The matrix instructions that are mentioned; one that `gpu` lacks says so."""
    if gpu.dialect == "hip":
        for row in MFMA:
            if row.builtin in words:
                yield _mfma(row) if gpu.name in row.archs else _lacking(row.builtin, gpu)


def _mfma(row: Mfma) -> str:
    shape = f"{row.m}, {row.n}, {row.k}, {row.blocks}, {row.group}, {row.element}, {row.total}"
    result = f"XpRegisters<{row.total}, {row.registers}>::type"
    operand = f"{row.operand} a, {row.operand} b"
    return f"""inline {result} {row.builtin}({operand}, {result} c, int cbsz, int abid, int blgp,
    int site = __builtin_LINE()) {{
  return xp_mfma<{shape}>("{row.builtin}", a, b, c, cbsz, abid, blgp, site);
}}"""


_PTX_TYPES = {
    "f16": "half",
    "bf16": "bfloat16",
    "tf32": "XpTf32",
    "s8": "signed char",
    "u8": "unsigned char",
    "f32": "float",
    "s32": "int",
}
_PTX_SUMS = {"f16": "float", "f32": "float", "s32": "unsigned"}
"""What products are summed in: integers wrap around."""


def ptx(words: _Words, gpu: Gpu) -> Iterable[str]:
    """The products of `dialects.ptx` that are mentioned; one that `gpu` lacks says so."""
    if gpu.dialect == "cuda":
        for row in MMA:
            if row.name in words:
                yield _product(row) if row.since <= gpu.capability else _lacking(row.name, gpu)


def _product(row: Mma) -> str:
    def listed(name: str, count: int, kind: str = "XpWord ") -> list[str]:
        return [f"{kind}{name}{number}" for number in range(count)]

    counts = (row.a_registers, row.b_registers, row.total_registers)
    inputs = [one for name, count in zip("abc", counts, strict=True) for one in listed(name, count)]
    outputs = listed("d", row.total_registers, "D& ")
    arrays = " ".join(
        f"const XpWord {name}[] = {{{', '.join(listed(name[0], count, ''))}}};"
        for name, count in zip(("as", "bs", "cs"), counts, strict=True)
    )
    types = (*(_PTX_TYPES[one] for one in (*row.operands, row.total)), _PTX_SUMS[row.total])
    kinds = [f"typename XpElements<D>::template of<{kind}>" for kind in types]
    puts = " ".join(f"xp_put(d{i}, ds[{i}].bits);" for i in range(row.total_registers))
    return f"""template <class D>
inline void {row.name}({", ".join([*outputs, *inputs])}, int site = __builtin_LINE()) {{
  {arrays}
  XpWord ds[{row.total_registers}];
  xp_mma<{row.k}, {", ".join(kinds)}>("{row.mnemonic}", ds, as, bs, cs, site);
  {puts}
}}"""


def _lacking(name: str, gpu: Gpu) -> str:
    """A function that cannot be called."""
    return f"""template <class... T>
inline auto {name}(T...) {{
  static_assert(sizeof...(T) > 99, "{gpu.name} has no {name}");
  return XpAnything();
}}"""
