"""Mathematics, integers, half and bfloat16: every row of the tables against the emulated source."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from xpiler_tvm import ReadError, emulation, frontends
from xpiler_tvm.dialects.math import COMPOSED, MATH
from xpiler_tvm.dialects.sixteen import COMPARISONS, CONVERSIONS, SIXTEEN, TYPES
from xpiler_tvm.kernel import Dialect

from .support import Given, flat_and_source, kernel, out, random

COUNT = 64
X = random(COUNT)
N = random(COUNT, seed=2, dtype="int32")
WORDS = np.random.default_rng(3).integers(0, 1 << 32, (2, COUNT), dtype=np.uint64)
U, V = WORDS.astype(np.uint32)
U[:3], V[:2] = (0, 1, 1 << 31), (0, 0xFFFFFFFF)
WITHOUT = ("j0", "j1", "y0", "y1", "erfinv", "erfcinv", "normcdfinv")


def results(
    declared: str,
    values: list[str],
    *params: Given,
    dtype: str = "float32",
    dialect: Dialect = "cuda",
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """What each of some expressions is for every thread `t`: by the flat program, by the source."""
    body = "int t = threadIdx.x;\n" + declared
    body += "".join(f"y[{n * COUNT} + t] = {value};\n" for n, value in enumerate(values))
    target = out("y", COUNT * len(values), dtype=dtype)
    flat, source = flat_and_source(body, *params, target, block=(COUNT,), dialect=dialect)
    rows = zip(values, flat.reshape(-1, COUNT), source.reshape(-1, COUNT), strict=True)
    return [(value, one, other) for value, one, other in rows]


def equal(rows: list[tuple[str, np.ndarray, np.ndarray]]) -> None:
    for value, flat, source in rows:
        np.testing.assert_array_equal(flat, source, err_msg=value)


# ---------------------------------------------------------------- mathematics

DOMAINS = {
    **dict.fromkeys(("asin", "acos", "atanh"), "u"),
    **dict.fromkeys(("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "rcbrt", "pow"), "p"),
    "acosh": "q",
}
OTHERS = (("asinh", 1), ("acosh", 1), ("atanh", 1), ("erfc", 1), ("lgamma", 1), ("tgamma", 1))
OTHERS += (("fdim", 2), ("nextafter", 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mathematics(dtype: str) -> None:
    kind, suffix = ("float", "f") if dtype == "float32" else ("double", "")
    rows = [(row.name, row.arity) for row in (*MATH, *COMPOSED) if row.name not in WITHOUT]
    values = []
    for name, arity in (*rows, *OTHERS):
        operands = [DOMAINS.get(name, "a"), "b", "c", "d"][:arity]
        values.append(f"{name}{suffix}({', '.join(operands)})")
    declared = (
        f"{kind} a = x[t], b = x[63 - t], c = x[(t + 7) % 64], d = x[(t * 5 + 3) % 64];"
        f"{kind} p = {kind}(fabs(a) + 0.1), u = a / {kind}(3.1), q = p + 1;\n"
    )
    limit = 3 if dtype == "float32" else 40
    for value, flat, source in results(declared, values, ("x", (3 * X).astype(dtype)), dtype=dtype):
        # tanh and lgamma are accurate in absolute terms.
        room = limit * np.spacing(np.maximum(np.abs(source), 1))
        exact = not value.startswith(("tanh", "lgamma"))
        if exact:
            room = limit * np.spacing(np.abs(source))
        apart = np.abs(flat.astype(np.float64) - source.astype(np.float64))
        close = (apart <= room) | (flat == source) | (np.isnan(flat) & np.isnan(source))
        assert close.all(), f"{value}: {flat[~close]} is not {source[~close]}"


def test_roundings_and_bits() -> None:
    declared = """float v = x[t], s, c, w; sincosf(v, &s, &c); float three[3] = {v, 1, 2};
float f = modff(v * 9, &w); float s2, c2; __sincosf(v, &s2, &c2); float s3, c3;
sincospif(v, &s3, &c3);
"""
    values = [
        *("s", "c", "f", "w", "s2 + c2", "s3 + c3"),
        *("ldexpf(v, t % 9 - 4)", "scalbnf(v, 3)", "lroundf(v * 50) + llrintf(v * 77)"),
        *("signbit(v) + isnan(v) + isfinite(v)", "abs(v) + fabsf(v)", "abs(n[t])"),
        *("__fadd_rn(v, 2.f) * __fdiv_rn(v, 3.f) - __frcp_rn(v)", "__fsqrt_rn(v * v)"),
        *("__double2float_rn(v * 1.1)", "__int2float_rz(t)", "__saturatef(v)"),
        *("__float2int_rn(v * 100)", "__float2int_ru(v * 100)", "__float2int_rd(v * 100)"),
        *("__float2uint_rn(fabsf(v * 10))", "__double2int_rn(v * 5.)", "__float2ll_rz(v * 7)"),
        "__hiloint2double(__double2hiint(v * 1.3), __double2loint(v * 1.3))",
        *("normf(3, three) + rnormf(2, three)", "fmodf(v * 100, 0.7f)", "fmod(v * 10., -3.1)"),
        *("__dadd_rn(v, 1) * __drcp_rn(3.) + __dsqrt_rn(2.)", "__fdividef(v, 3.f)"),
        *("max(v, 0.5) + min(n[t], 3u)", "__int_as_float(__float_as_int(v) ^ 1)"),
    ]
    rows = results(declared, values, ("x", X), ("n", N))
    for value, flat, source in rows:
        np.testing.assert_allclose(flat, source, rtol=3e-7, atol=1e-7, err_msg=value)


@pytest.mark.parametrize(
    "call",
    [
        "__fadd_rz(x[0], 1)",
        "__int2float_ru(n[0])",
        "__float2half_rd(x[0])",
        "j0f(x[0])",
        "erfinvf(x[0])",
    ],
)
def test_what_no_target_has_is_refused(call: str) -> None:
    with pytest.raises(ReadError) as refusal:
        frontends.read(kernel(f"y[0] = {call};", ("x", X), ("n", N), out("y", 1)))
    assert refusal.value.code == "XP1009"


# ---------------------------------------------------------------- integers


def test_integers() -> None:
    declared = "unsigned a = u[t], b = v[t]; int i = (int)a, j = (int)b;\n"
    values = [
        *("__popc(a)", "__clz(i)", "__ffs(i)", "__brev(a)", "__mul24(i, j)", "__umul24(a, b)"),
        *("__mulhi(i, j)", "__umulhi(a, b)", "__hadd(i, j)", "__rhadd(i, j)", "__uhadd(a, b)"),
        *("__urhadd(a, b)", "__sad(i, j, a)", "__usad(a, b, b)", "__byte_perm(a, b, 0x5140)"),
        *("__byte_perm(a, b, a)", "__funnelshift_l(a, b, b)", "__funnelshift_r(a, b, 7)"),
        *("__funnelshift_lc(a, b, b >> 26)", "__funnelshift_rc(a, b, b >> 26)"),
        *("__dp4a(i, j, i)", "__dp4a(a, b, a)", "__dp2a_lo(i, j, i)", "__dp2a_hi(a, b, b)"),
    ]
    equal(results(declared, values, ("u", U), ("v", V), dtype="uint32"))


def test_integers_of_64_bits() -> None:
    declared = "unsigned long long q = (unsigned long long)u[t] << 32 | v[t]; long long p = q;\n"
    values = ["__popcll(q)", "__clzll(p)", "__ffsll(p)", "__brevll(q)"]
    equal(results(declared, values, ("u", U), ("v", V), dtype="uint64"))


def _packed() -> list[str]:
    text = (Path(emulation.__file__).parent / "packed.h").read_text()
    two = re.findall(r"XP_PACKED\((\w+)##n", text)
    one = re.findall(r"XP_PACKED_ONE\((\w+)##n", text)
    calls = [f"{name}{parts}(a, b)" for name in two for parts in "42"]
    return calls + [f"{name}{parts}(a)" for name in one for parts in "42"]


@pytest.mark.parametrize("part", range(4))
def test_packed_integers(part: int) -> None:
    values = _packed()[part::4]
    assert len(values) > 15
    declared = "unsigned a = u[t], b = v[t];\n"
    equal(results(declared, values, ("u", U), ("v", V), dtype="uint32"))


# ---------------------------------------------------------------- half and bfloat16

H = random(COUNT, seed=4)
G = random(COUNT, seed=5) + np.float32(1.5)
H[:4], G[:4] = (0, 0, 1, 2), (0, 1, 1, 0.5)
POSITIVE = ("log", "log2", "log10", "sqrt", "rsqrt", "rcp")


def _operands(name: str, arity: int) -> str:
    inside = name.removeprefix("h2").removeprefix("h") in POSITIVE
    return "b" if inside else ", ".join("abc"[:arity])


@pytest.mark.parametrize("single", TYPES)
def test_sixteen_bit_numbers(single: str) -> None:
    values = [
        f"__{single}2float({row.name}({_operands(row.name, row.arity)}))"
        for row in SIXTEEN
        if row.name
    ]
    declared = f"{single} a = __float2{single}(h[t]), b = __float2{single}(g[t]);"
    declared += f"{single} c = __float2{single}(g[63 - t] * 0.37f), k = a * b + a; k += b;\n"
    values += [f"__{single}2float(-k)", f"(k < b) + __{single}2float({single}(h[t] * 3.f))"]
    equal(results(_typed(declared), _all_typed(values), ("h", H), ("g", G)))


def _typed(text: str) -> str:
    """With the vendor's name of bfloat16, which the emulator knows, too."""
    return re.sub(r"\bbfloat16(2?)\b", r"__nv_bfloat16\1", text)


def _all_typed(values: list[str]) -> list[str]:
    return [_typed(value) for value in values]


@pytest.mark.parametrize("single", TYPES)
def test_pairs(single: str) -> None:
    double = TYPES[single]
    rows = [row for row in SIXTEEN if row.pair]
    declared = f"{double} a = __floats2{double}_rn(h[t], h[63 - t]), c = __float2{double}_rn(0.3f);"
    declared += f"{double} b = __floats2{double}_rn(g[t], g[63 - t]);\n"
    values = [
        f"__low2float({row.pair}({operands})) + 7 * __high2float({row.pair}({operands}))"
        for row in rows
        for operands in [_operands(str(row.pair), row.arity)]
    ]
    equal(results(_typed(declared), values, ("h", H), ("g", G)))


@pytest.mark.parametrize("single", TYPES)
def test_parts_of_pairs(single: str) -> None:
    double = TYPES[single]
    declared = f"""{single} a = __float2{single}(h[t]), b = __float2{single}(g[t]);
{double} p = make_{double}(a, b), q = __{single}2{double}(b);
{double} r = __float22{double}_rn(make_float2(h[t], 2.f)); p = p + q * r - p / q; p += r;
p *= q; q = -p;
float2 f = __{double}2float2(p); {double} w = __hcmadd(p, q, r);
"""
    values = [
        *("f.x", "f.y", "__low2float(w)", "__high2float(w)", "p == q", "p < q"),
        *(f"__{single}2float(__low2{single}(q))", f"__{single}2float(__high2{single}(q))"),
        f"__low2float(__lows2{double}(p, q)) + __high2float(__highs2{double}(p, q))",
        f"__high2float(__low2{double}(p)) + __low2float(__high2{double}(p))",
        "__low2float(__lowhigh2highlow(p))",
        f"__{single}_as_ushort(a) + __{single}_as_short(b)",
        f"__{single}2float(__ushort_as_{single}((unsigned short)(t * 300)))",
        "__hisnan(a) + __hisinf(b)",
    ]
    equal(results(_typed(declared), values, ("h", H), ("g", G)))


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
@pytest.mark.parametrize("single", TYPES)
def test_comparisons(single: str, dialect: Dialect) -> None:
    double = TYPES[single]
    left, right = H.round(1), H.round(1)
    right[::3] += 0.5
    right[::5] -= 0.5
    right[7] = np.nan
    declared = f"{single} a = __float2{single}(h[t]), b = __float2{single}(g[t]);"
    declared += f"{double} p = __halves2{double}(a, b), q = __halves2{double}(b, b);\n"
    values = []
    for row in COMPARISONS:
        values += [
            f"__h{row.stem}(a, b) + 2 * __hb{row.stem}2(p, q)",
            f"__h{row.stem}2_mask(p, q)",
            f"(unsigned)__low2float(__h{row.stem}2(p, q))",
        ]
    if dialect == "cuda":
        declared = _typed(declared)
    equal(results(declared, values, ("h", left), ("g", right), dtype="uint32", dialect=dialect))


@pytest.mark.parametrize("single", TYPES)
def test_conversions(single: str) -> None:
    values = []
    for row in CONVERSIONS:
        if single not in (row.source, row.target):
            continue
        operand = f"({row.source})n[t]"
        if row.source == single:
            operand = "__habs(a)" if row.target.startswith("unsigned") else "a"
        elif row.source in ("float", "double"):
            operand = "x[t]"
        if row.target == single and row.rounding != "rn":
            if row.source == "float":
                continue
            operand = f"({row.source})(t % 40)"
        value = f"{row.name}({operand})"
        values.append(f"__{single}2float({value})" if row.target == single else value)
    declared = _typed(f"{single} a = __float2{single}(x[t]);\n")
    given = (X * 60).astype(np.float32)
    given[:6] = (0.5, 1.5, 2.5, -0.5, -1.5, 100)
    equal(results(declared, values, ("x", given), ("n", N * 1237), dtype="float64"))


def test_vectors_of_hip() -> None:
    declared = """float4 a = make_float4(x[t], x[63 - t], 1, 2);
a = a * 2.f + make_float4(1, 2, 3, 4) * a;
a -= 3.f; int2 i = {3, 5}; i = i << 2; i = i % 7; float4 m = -a;
"""
    values = ["a.x + a.y", "m.z", "a.w + (i == make_int2(5, 6))", "i.x + 10 * i.y"]
    equal(results(declared, values, ("x", X), dialect="hip"))
