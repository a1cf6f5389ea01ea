"""half and bfloat16: every row of `dialects.sixteen` against exact or double arithmetic."""

from __future__ import annotations

import math
import zlib
from fractions import Fraction

import numpy as np
import pytest

from xpiler_tvm.dialects.sixteen import COMPARISONS, CONVERSIONS, SIXTEEN, TYPES, Conversion
from xpiler_tvm.emulation import numpy_dtype

from .support import execute, first, out

COUNT = 96
DTYPES = {"half": "float16", "bfloat16": "bfloat16"}


def numbers(kind: str, seed: int, low: float = -8, high: float = 8) -> np.ndarray:
    """Sixteen-bit numbers of many sizes, zeros, infinities and NaN among them."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(low, high, COUNT) * 2.0 ** rng.integers(-6, 4, COUNT)
    values = np.clip(values, low, high).astype(numpy_dtype(DTYPES[kind]))
    values[:6] = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0]
    return rng.permutation(values)


def as_fraction(x: object) -> Fraction:
    return Fraction(float(x))  # type: ignore[arg-type]


def nearest(kind: str, exact: Fraction, direction: str = "rn") -> float:
    """`exact` rounded to the type, from its definition: a search among the neighbours."""
    dtype = numpy_dtype(DTYPES[kind])
    with np.errstate(over="ignore"):
        guess = np.array([float(exact)]).astype(dtype)
    word = int(guess.view("uint16")[0])
    near = {}
    for bits in {0, 0x8000, *(word + d for d in range(-2, 3)), 0x0001, 0x8001}:
        if 0 <= bits < 0x10000:
            value = float(np.array([bits], "uint16").view(dtype)[0])
            if math.isfinite(value):
                near[bits] = Fraction(value)
    limit = Fraction(float(np.finfo(dtype).max) if kind == "half" else 3.3895313892515355e38)
    if abs(exact) > limit:
        away = direction in ("ru", "rn") if exact > 0 else direction in ("rd", "rn")
        half_step = limit * (1 + Fraction(1, 2 ** (12 if kind == "half" else 9)))
        if direction == "rn" and abs(exact) < half_step:
            away = False
        return math.copysign(math.inf if away else float(limit), exact)
    if direction == "rz":
        direction = "rd" if exact > 0 else "ru"
    if direction == "rd":
        return float(max(v for v in near.values() if v <= exact))
    if direction == "ru":
        return float(min(v for v in near.values() if v >= exact))
    return float(min(near.items(), key=lambda item: (abs(item[1] - exact), item[0] & 1))[1])


def reference(name: str, kind: str, *operands: float) -> float:
    """The family's meaning on exact numbers."""
    a, b, c = (*operands, 0.0, 0.0)[:3]
    stem = name.removeprefix("__h").removesuffix("_rn")
    plain = stem.removesuffix("_sat").removesuffix("_relu")
    arity = {"neg": 1, "abs": 1, "fma": 3}.get(plain, 2)
    used = (a, b, c)[:arity]
    if plain in ("max", "min"):
        if any(math.isnan(x) for x in used):
            return next((x for x in used if not math.isnan(x)), math.nan)
        pick = max if plain == "max" else min
        return pick(a, b, key=lambda x: (x, math.copysign(1, x)))
    if plain in ("max_nan", "min_nan"):
        if any(math.isnan(x) for x in used):
            return math.nan
        return reference(f"__h{plain[:3]}", kind, *operands)
    if plain == "neg":
        return -a
    if plain == "abs":
        return abs(a)
    if all(math.isfinite(x) for x in used) and not (plain == "div" and b == 0):
        exact = {
            "add": lambda: as_fraction(a) + as_fraction(b),
            "sub": lambda: as_fraction(a) - as_fraction(b),
            "mul": lambda: as_fraction(a) * as_fraction(b),
            "div": lambda: as_fraction(a) / as_fraction(b),
            "fma": lambda: as_fraction(a) * as_fraction(b) + as_fraction(c),
        }[plain]()
        result = nearest(kind, exact)
    else:
        with np.errstate(all="ignore"):
            x, y, z = map(np.float64, (a, b, c))
            result = float(
                {"add": x + y, "sub": x - y, "mul": x * y, "div": x / y, "fma": x * y + z}[plain]
            )
    if stem.endswith("_sat"):
        return 0.0 if math.isnan(result) else min(max(result, 0.0), 1.0)
    if stem.endswith("_relu"):
        return result if math.isnan(result) else max(result, 0.0)
    return result


ARITHMETIC = [row for row in SIXTEEN if row.name and row.name.startswith("__h")]
FUNCTIONS = [row for row in SIXTEEN if row.name and not row.name.startswith("__h")]


@pytest.mark.parametrize("kind", TYPES)
def test_arithmetic_is_rounded_once(kind: str) -> None:
    """Numbers and pairs; pairs take each component."""
    operands = [numbers(kind, seed) for seed in range(3)]
    pair = TYPES[kind]
    lines = []
    for i, row in enumerate(ARITHMETIC):
        args = ", ".join(f"{x}[t]" for x in "abc"[: row.arity])
        pairs = ", ".join(f"(({pair}*){x})[t / 2]" for x in "abc"[: row.arity])
        lines.append(f"y[{2 * i} * {COUNT} + t] = {row.name}({args});")
        lines.append(f"(({pair}*)(y + {2 * i + 1} * {COUNT}))[t / 2] = {row.pair}({pairs});")
    source = f"""
    __global__ void k(const {kind}* a, const {kind}* b, const {kind}* c, {kind}* y) {{
      int t = threadIdx.x;
      {" ".join(lines)}
    }}"""
    shape = (len(ARITHMETIC), 2, COUNT)
    inputs = list(zip("abc", operands, strict=True))
    got = first(execute(source, *inputs, out("y", shape, DTYPES[kind]), block=(COUNT,)))
    for i, row in enumerate(ARITHMETIC):
        want = [
            reference(str(row.name), kind, *map(float, triple))
            for triple in zip(*operands, strict=True)
        ]
        for form in range(2):
            np.testing.assert_array_equal(got[i, form].astype("f8"), want, err_msg=str(row.name))


@pytest.mark.parametrize("kind", TYPES)
def test_functions_are_within_a_rounding(kind: str) -> None:
    x = np.abs(numbers(kind, 4, 0.01, 3))
    pair = TYPES[kind]
    lines = []
    for i, row in enumerate(FUNCTIONS):
        lines.append(f"y[{2 * i} * {COUNT} + t] = {row.name}(x[t]);")
        lines.append(
            f"(({pair}*)(y + {2 * i + 1} * {COUNT}))[t / 2] = {row.pair}((({pair}*)x)[t / 2]);"
        )
    body = " ".join(lines)
    source = f"__global__ void k(const {kind}* x, {kind}* y) {{ int t = threadIdx.x; {body} }}"
    shape = (len(FUNCTIONS), 2, COUNT)
    got = first(execute(source, ("x", x), out("y", shape, DTYPES[kind]), block=(COUNT,)))
    wide = x.astype("f8")
    special = {
        "rsqrt": lambda v: 1 / np.sqrt(v),
        "rcp": lambda v: 1 / v,
        "exp10": lambda v: 10.0**v,
        "tanh_approx": np.tanh,
    }
    unit = 2.0**-11 if kind == "half" else 2.0**-8
    for i, row in enumerate(FUNCTIONS):
        name = str(row.name)[1:]
        with np.errstate(all="ignore"):
            want = special.get(name, getattr(np, name, None))(wide)
            want = want.astype(x.dtype).astype("f8")
        for form in range(2):
            np.testing.assert_allclose(
                got[i, form].astype("f8"), want, rtol=2.1 * unit, atol=1e-6, err_msg=name
            )


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
@pytest.mark.parametrize("kind", TYPES)
def test_comparisons_in_all_forms(kind: str, dialect: str) -> None:
    a, b = numbers(kind, 5), numbers(kind, 6)
    b[::3] = a[::3]
    pair = TYPES[kind]
    lines = []
    for i, row in enumerate(COMPARISONS):
        both = f"(({pair}*)a)[t / 2], (({pair}*)b)[t / 2]"
        lines.append(f"""{{
          unsigned* row = y + (t * {len(COMPARISONS)} + {i}) * 5;
          {pair} ones = __h{row.stem}2({both});
          row[0] = __h{row.stem}(a[t], b[t]);
          row[1] = (float)ones.x == 1.f; row[2] = (float)ones.y == 1.f;
          row[3] = __hb{row.stem}2({both});
          row[4] = __h{row.stem}2_mask({both});
        }}""")
    source = f"""
    __global__ void k(const {kind}* a, const {kind}* b, unsigned* y) {{
      int t = threadIdx.x;
      {" ".join(lines)}
    }}"""
    got = first(
        execute(
            source,
            ("a", a),
            ("b", b),
            out("y", (COUNT, len(COMPARISONS), 5), "uint32"),
            block=(COUNT,),
            dialect=dialect,  # type: ignore[arg-type]
        )
    )
    x, y = a.astype("f8"), b.astype("f8")
    nan = np.isnan(x) | np.isnan(y)
    for i, row in enumerate(COMPARISONS):
        relation = {"==": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal"}
        relation |= {">": "greater", ">=": "greater_equal"}
        holds = getattr(np, relation[row.operator])(x, y)
        if row.unordered:
            holds = holds | nan
        elif dialect == "cuda":
            holds = holds & ~nan
        low, high = np.repeat(holds[::2], 2), np.repeat(holds[1::2], 2)
        mask = low * 0xFFFF + high * 0xFFFF0000
        for form, want in enumerate((holds, low, high, low & high, mask)):
            np.testing.assert_array_equal(got[:, i, form], want, err_msg=f"{row.stem} {form}")


C_DTYPES = {
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned": "uint32",
    "long long": "int64",
    "unsigned long long": "uint64",
    "float": "float32",
    "double": "float64",
}


def sources(row: Conversion) -> np.ndarray:
    """Arguments of a conversion: of every size, ties and numbers beyond the range among them."""
    rng = np.random.default_rng(zlib.crc32(row.name.encode()))
    if row.source in TYPES:
        bits = rng.integers(0, 2**16, COUNT).astype("uint16")
        return bits.view(numpy_dtype(DTYPES[row.source]))
    dtype = np.dtype(C_DTYPES[row.source])
    if dtype.kind == "f":
        values = rng.uniform(-1, 1, COUNT) * 2.0 ** rng.integers(-30, 20, COUNT)
        values[:8] = [0.0, -0.0, np.nan, np.inf, 65520, 2.0**-25, 1 + 2.0**-11, -(2.0**-40)]
        return values.astype(dtype)
    shift = rng.integers(0, 8 * dtype.itemsize, COUNT)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, COUNT, dtype) >> shift.astype(
        dtype
    )


def rounded_to_integer(x: float, dtype: np.dtype, rounding: str) -> int:
    limits = np.iinfo(dtype)
    if math.isnan(x):
        wide = dtype.itemsize == 8
        return (-(2**63) if dtype.kind == "i" else 2**63) if wide else 0
    if math.isinf(x):
        return int(limits.max if x > 0 else limits.min)
    step = {"rn": round, "rz": math.trunc, "ru": math.ceil, "rd": math.floor}[rounding]
    return min(max(step(Fraction(x)), int(limits.min)), int(limits.max))


@pytest.mark.parametrize("kind", TYPES)
def test_conversions_in_all_roundings(kind: str) -> None:
    rows = [row for row in CONVERSIONS if kind in (row.source, row.target)]
    arguments = [sources(row) for row in rows]
    dtypes = [DTYPES.get(row.target) or C_DTYPES[row.target] for row in rows]
    signature = ", ".join(f"const {r.source}* x{i}, {r.target}* y{i}" for i, r in enumerate(rows))
    body = " ".join(f"y{i}[t] = {row.name}(x{i}[t]);" for i, row in enumerate(rows))
    source = f"__global__ void k({signature}) {{ int t = threadIdx.x; {body} }}"
    params = []
    for i, (x, dtype) in enumerate(zip(arguments, dtypes, strict=True)):
        params += [(f"x{i}", x), out(f"y{i}", COUNT, dtype)]
    run = execute(source, *params, block=(COUNT,))  # type: ignore[arg-type]
    for i, (row, x) in enumerate(zip(rows, arguments, strict=True)):
        got = run.arrays[f"y{i}"]
        for value, result in zip(x, got, strict=True):
            integer = x.dtype.kind in "iu"
            if row.target == "float":
                want: float | int = float(value)
            elif row.target in TYPES:
                finite = integer or math.isfinite(float(value))
                exact = Fraction(int(value)) if integer else None
                exact = exact if exact is not None or not finite else Fraction(float(value))
                want = float(value) if exact is None else nearest(kind, exact, row.rounding)
            else:
                want = rounded_to_integer(float(value), got.dtype, row.rounding)
            same = float(result) == want if isinstance(want, float) else int(result) == want
            both_nan = isinstance(want, float) and math.isnan(want) and math.isnan(float(result))
            assert same or both_nan, (row.name, value, result, want)


@pytest.mark.parametrize(("dialect", "kind"), [("cuda", "half"), ("hip", "bfloat16")])
def test_pairs_their_parts_and_operators(dialect: str, kind: str) -> None:
    pair, word = TYPES[kind], {"half": "half", "bfloat16": "bfloat16"}[kind]
    source = f"""
    __global__ void k(const {kind}* x, float* y) {{
      int t = threadIdx.x;
      {pair} v = (({pair}*)x)[t], w = __floats2{word}2_rn(2.f, -1.f);
      {pair} results[] = {{
        v + w, v - w, v * w, v / w, -v, __lowhigh2highlow(v), __low2{word}2(v), __high2{word}2(v),
        __lows2{word}2(v, w), __highs2{word}2(v, w), __{word}2{word}2(x[0]),
        __halves2{word}2(__high2{word}(v), __low2{word}(v)), __float2{word}2_rn(0.5f),
        __float22{word}2_rn(make_float2(3.f, 4.f)), __hcmadd(v, w, v), __habs2(v),
        make_{word}2(x[1], x[2]),
      }};
      v += w;
      float2 f = __{word}22float2(v);
      for (int i = 0; i < 17; ++i) {{
        y[t * 40 + 2 * i] = __low2float(results[i]);
        y[t * 40 + 2 * i + 1] = __high2float(results[i]);
      }}
      y[t * 40 + 34] = f.x; y[t * 40 + 35] = f.y;
      y[t * 40 + 36] = v == v; y[t * 40 + 37] = v != v;
      y[t * 40 + 38] = w < v; y[t * 40 + 39] = w >= v;
    }}"""
    dtype = numpy_dtype(DTYPES[kind])
    x = (np.random.default_rng(8).integers(-8, 9, (32, 2)) / 4).astype(dtype)
    got = first(
        execute(source, ("x", x), out("y", (32, 40)), dialect=dialect)  # type: ignore[arg-type]
    )
    v, w = x.astype("f4"), np.tile(np.float32([2, -1]), (32, 1))
    swap = v[:, ::-1]
    product = np.stack([v[:, 0] * 2 + v[:, 1], -v[:, 0] + v[:, 1] * 2], 1)
    rows = [v + w, v - w, v * w, v / w, -v, swap, v[:, [0, 0]], v[:, [1, 1]]]
    rows += [np.stack([v[:, 0], w[:, 0]], 1), np.stack([v[:, 1], w[:, 1]], 1)]
    rows += [np.full((32, 2), v[0, 0]), swap, np.full((32, 2), 0.5), np.tile([3, 4], (32, 1))]
    rows += [product + v, abs(v), np.tile([v[0, 1], v[1, 0]], (32, 1)), v + w]
    total = v + w
    rows.append(np.stack([np.ones(32), np.zeros(32)], 1))
    rows.append(np.stack([(w < total).all(1), (w >= total).all(1)], 1))
    np.testing.assert_array_equal(got, np.concatenate(rows, 1))


def test_bit_casts_and_classes() -> None:
    source = """
    __global__ void k(const half* x, const __nv_bfloat16* b, int* y) {
      int t = threadIdx.x;
      y[5 * t] = __half_as_short(x[t]);
      unsigned short bits = __bfloat16_as_ushort(b[t]);
      y[5 * t + 1] = __bfloat16_as_short(__ushort_as_bfloat16(bits)) == (short)bits;
      y[5 * t + 2] = __hisnan(x[t]);
      y[5 * t + 3] = __hisinf(x[t]);
      half2 v = __hisnan2(__halves2half2(x[t], x[0]));
      y[5 * t + 4] = (float)v.x;
    }"""
    x = np.array([1, np.nan, np.inf, -np.inf, -0.0], "float16")
    b = x.astype(numpy_dtype("bfloat16"))
    got = first(execute(source, ("x", x), ("b", b), out("y", (5, 5), "int32"), block=(5,)))
    np.testing.assert_array_equal(got[:, 0], x.view("int16"))
    assert got[:, 1:].T.tolist() == [[1] * 5, [0, 1, 0, 0, 0], [0, 0, 1, -1, 0], [0, 1, 0, 0, 0]]


def test_bfloat16_operators_round_each_step() -> None:
    source = """
    __global__ void k(const __nv_bfloat16* x, __nv_bfloat16* y, float* z) {
      int t = threadIdx.x;
      __nv_bfloat16 a = x[t], b = x[(t + 1) % 32];
      y[t] = a * b + a;
      a += b;
      z[t] = (float)a * 2.5f;
    }"""
    dtype = numpy_dtype("bfloat16")
    x = np.random.default_rng(1).uniform(-1, 1, 32).astype(dtype)
    run = execute(source, ("x", x), out("y", 32, "bfloat16"), out("z", 32))
    b = np.roll(x, -1)
    product = (x.astype("f4") * b.astype("f4")).astype(dtype)
    want = (product.astype("f4") + x.astype("f4")).astype(dtype)
    np.testing.assert_array_equal(first(run), want)
    total = (x.astype("f4") + b.astype("f4")).astype(dtype).astype("f4")
    np.testing.assert_array_equal(first(run, "z"), total * np.float32(2.5))
