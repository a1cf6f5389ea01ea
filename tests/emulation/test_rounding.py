"""Directed roundings and conversions against exact arithmetic on random arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from .support import execute, first, out

COUNT = 256
ROUNDINGS = ("rn", "rz", "ru", "rd")
SINGLE, DOUBLE = np.dtype("float32"), np.dtype("float64")


def arguments(dtype: np.dtype, seed: int, *, positive: bool = False) -> np.ndarray:
    """Numbers of ordinary and of extreme sizes; neighbours whose results cancel or overflow."""
    rng = np.random.default_rng(seed)
    reach = 30 if dtype == SINGLE else 200
    edge = 140 if dtype == SINGLE else 1000
    exponents = np.where(
        rng.random(COUNT) < 0.8,
        rng.integers(-reach, reach, COUNT),
        rng.integers(-edge, edge, COUNT),
    )
    with np.errstate(over="ignore", under="ignore"):
        values = (rng.uniform(1, 2, COUNT) * 2.0 ** np.minimum(exponents, 1000)).astype(dtype)
    values[~np.isfinite(values)] = np.finfo(dtype).max
    signs = 1 if positive else rng.choice([-1, 1], COUNT)
    return (values * signs).astype(dtype)


def limits(dtype: np.dtype) -> tuple[Fraction, int, int]:
    """The largest number, the mantissa's bits and the exponent of the smallest step."""
    info = np.finfo(dtype)
    smallest = -149 if dtype == SINGLE else -1074
    return Fraction(float(info.max)), int(info.nmant) + 1, smallest


def rounded(exact: Fraction, dtype: np.dtype, rounding: str) -> float:
    """`exact` in the precision of `dtype`, by the definition of the rounding."""
    largest, bits, smallest = limits(dtype)
    if exact == 0:
        return 0.0
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    step = Fraction(2) ** max(exponent - bits + 1, smallest)
    below = math.floor(exact / step)
    rest = exact / step - below
    up = {
        "rd": False,
        "ru": rest > 0,
        "rz": rest > 0 and exact < 0,
        "rn": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1),
    }[rounding]
    result = (below + up) * step
    if abs(result) > largest:
        away = rounding == "rn" or ((rounding == "ru") == (exact > 0) and rounding != "rz")
        return math.copysign(math.inf if away else float(largest), 1 if exact > 0 else -1)
    return float(result)


def root(exact: Fraction, dtype: np.dtype, rounding: str) -> float:
    """The square root: a result is right where its square, and its neighbours', bracket `exact`."""
    scaled = exact * Fraction(4) ** 1200
    whole = math.isqrt(scaled.numerator // scaled.denominator)
    # Far more bits than a double has; a remainder keeps it from looking exact.
    sticky = 0 if Fraction(whole) ** 2 == scaled else Fraction(1, 2)
    return rounded((whole + sticky) / Fraction(2) ** 1200, dtype, rounding)


Exact = Callable[[Fraction, Fraction, Fraction], Fraction]
OPERATIONS: dict[str, tuple[np.dtype, int, Exact]] = {
    f"__{letter}{name}": (dtype, arity, exact)
    for letter, dtype in (("f", SINGLE), ("d", DOUBLE))
    for name, arity, exact in (
        ("add", 2, lambda a, b, c: a + b),
        ("sub", 2, lambda a, b, c: a - b),
        ("mul", 2, lambda a, b, c: a * b),
        ("div", 2, lambda a, b, c: a / b),
        ("rcp", 1, lambda a, b, c: 1 / a),
    )
} | {
    "__fmaf": (SINGLE, 3, lambda a, b, c: a * b + c),
    "__fma": (DOUBLE, 3, lambda a, b, c: a * b + c),
}


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
def test_arithmetic(dtype: np.dtype, dialect: str) -> None:
    rows = [
        (name, arity, exact) for name, (kind, arity, exact) in OPERATIONS.items() if kind == dtype
    ]
    forms = [(*row, rounding) for row in rows for rounding in ROUNDINGS]
    kind = "float" if dtype == SINGLE else "double"
    body = " ".join(
        f"y[{i} * n + t] = {name}_{rounding}({', '.join(f'{x}[t]' for x in 'abc'[:arity])});"
        for i, (name, arity, _, rounding) in enumerate(forms)
    )
    source = f"""
    __global__ void k(const {kind}* a, const {kind}* b, const {kind}* c, {kind}* y) {{
      int t = threadIdx.x, n = {COUNT};
      {body}
    }}"""
    a, b, c = (arguments(dtype, seed) for seed in range(3))
    b[:8] = -a[:8]
    with np.errstate(over="ignore", under="ignore"):
        c[8:16] = np.clip(-(a * b)[8:16], np.finfo(dtype).min, np.finfo(dtype).max)
    run = execute(
        source,
        *(("a", a), ("b", b), ("c", c)),
        out("y", (len(forms), COUNT), dtype.name),
        block=(COUNT,),
        dialect=dialect,  # type: ignore[arg-type]
    )
    operands = [[Fraction(float(v)) for v in x] for x in (a, b, c)]
    for i, (name, _, exact, rounding) in enumerate(forms):
        want = [rounded(exact(*triple), dtype, rounding) for triple in zip(*operands, strict=True)]
        np.testing.assert_array_equal(first(run)[i], want, err_msg=f"{name}_{rounding}")


def test_roots() -> None:
    forms = [(name, rounding) for name in ("__fsqrt", "__dsqrt") for rounding in ROUNDINGS]
    body = " ".join(
        f"y[{i} * n + t] = {name}_{rounding}({'x' if name == '__fsqrt' else 'z'}[t]);"
        for i, (name, rounding) in enumerate(forms)
    )
    source = f"""
    __global__ void k(const float* x, const double* z, double* y) {{
      int t = threadIdx.x, n = {COUNT};
      {body}
    }}"""
    x, z = arguments(SINGLE, 3, positive=True), arguments(DOUBLE, 4, positive=True)
    x[:4] = [4, 2, 0.25, 9]
    shape = (len(forms), COUNT)
    got = first(execute(source, ("x", x), ("z", z), out("y", shape, "float64"), block=(COUNT,)))
    for i, (name, rounding) in enumerate(forms):
        values, dtype = (x, SINGLE) if name == "__fsqrt" else (z, DOUBLE)
        want = [root(Fraction(float(v)), dtype, rounding) for v in values]
        np.testing.assert_array_equal(got[i], want, err_msg=f"{name}_{rounding}")


def test_zeros_have_the_sign_of_the_rounding() -> None:
    source = """
    __global__ void k(float* y) {
      y[0] = __fadd_rd(1.f, -1.f); y[1] = __fadd_ru(1.f, -1.f); y[2] = __fadd_rz(1.f, -1.f);
      y[3] = __fsub_rd(2.f, 2.f); y[4] = __fmul_rz(-1e-30f, 1e-30f);
      y[5] = __fmul_rd(-1e-30f, 1e-30f);
      y[6] = 1.f / 3.f;
    }"""
    got = first(execute(source, out("y", 7), block=(1,)))
    assert np.signbit(got[:5]).tolist() == [True, False, False, True, True]
    assert (got[:5] == 0).all()
    assert got[5] == -np.finfo("float32").smallest_subnormal
    assert got[6] == np.float32(1) / np.float32(3), "the rounding ends with its operation"


INTEGERS = {
    "int": "int32",
    "uint": "uint32",
    "ll": "int64",
    "ull": "uint64",
}
C_TYPES = {"int": "int", "uint": "unsigned", "ll": "long long", "ull": "unsigned long long"}


def integers(dtype: np.dtype, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    limit = np.iinfo(dtype)
    values = rng.integers(limit.min, limit.max, COUNT, dtype, endpoint=True)
    values >>= rng.integers(0, 8 * dtype.itemsize - 1, COUNT).astype(dtype)
    values[:2] = [limit.min, limit.max]
    return values


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_to_floats(name: str) -> None:
    targets = [("float", SINGLE)] + [("double", DOUBLE)] * ("ll" in name)
    forms = [(to, dtype, rounding) for to, dtype in targets for rounding in ROUNDINGS]
    body = " ".join(
        f"y[{i} * {COUNT} + t] = __{name}2{to}_{rounding}(x[t]);"
        for i, (to, _, rounding) in enumerate(forms)
    )
    source = (
        f"__global__ void k(const {C_TYPES[name]}* x, double* y) {{ int t = threadIdx.x; {body} }}"
    )
    x = integers(np.dtype(INTEGERS[name]), 5)
    shape = (len(forms), COUNT)
    got = first(execute(source, ("x", x), out("y", shape, "float64"), block=(COUNT,)))
    for i, (_, dtype, rounding) in enumerate(forms):
        want = [rounded(Fraction(int(v)), dtype, rounding) for v in x]
        np.testing.assert_array_equal(got[i], want)


def test_doubles_to_floats() -> None:
    body = " ".join(
        f"y[{i} * {COUNT} + t] = __double2float_{r}(x[t]);" for i, r in enumerate(ROUNDINGS)
    )
    source = f"__global__ void k(const double* x, float* y) {{ int t = threadIdx.x; {body} }}"
    x = arguments(DOUBLE, 6)
    x[::2] = arguments(SINGLE, 7)[::2] * (1 + 1e-9)
    got = first(execute(source, ("x", x), out("y", (4, COUNT)), block=(COUNT,)))
    for i, rounding in enumerate(ROUNDINGS):
        want = [rounded(Fraction(float(v)), SINGLE, rounding) for v in x]
        np.testing.assert_array_equal(got[i], want, err_msg=rounding)


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
@pytest.mark.parametrize("source_name", ["float", "double"])
def test_floats_to_integers_saturate(source_name: str, dialect: str) -> None:
    """NaN gives zero, but on CUDA the sign bit where the source or the target has 64 bits."""
    dtype = SINGLE if source_name == "float" else DOUBLE
    forms = [(name, rounding) for name in INTEGERS for rounding in ROUNDINGS]
    results = ", ".join(f"{C_TYPES[name]}* y_{name}" for name in INTEGERS)
    body = " ".join(
        f"y_{name}[{ROUNDINGS.index(r)} * {COUNT} + t] = __{source_name}2{name}_{r}(x[t]);"
        for name, r in forms
    )
    source = f"""
    __global__ void k(const {source_name}* x, {results}) {{ int t = threadIdx.x; {body} }}"""
    rng = np.random.default_rng(9)
    x = (rng.uniform(-2, 2, COUNT) * 2.0 ** rng.integers(0, 66, COUNT)).astype(dtype)
    x[:10] = [np.nan, np.inf, -np.inf, 0.5, 1.5, -0.5, -1.5, 2.0**31, -(2.0**31), 2.0**63]
    run = execute(
        source,
        ("x", x),
        *(out(f"y_{name}", (4, COUNT), INTEGERS[name]) for name in INTEGERS),
        block=(COUNT,),
        dialect=dialect,  # type: ignore[arg-type]
    )
    steps = {"rn": round, "rz": math.trunc, "ru": math.ceil, "rd": math.floor}
    for name, rounding in forms:
        limit = np.iinfo(INTEGERS[name])
        got = run.arrays[f"y_{name}"][ROUNDINGS.index(rounding)]
        for value, result in zip(x, got, strict=True):
            if np.isnan(value):
                wide = limit.bits == 64 or dtype == DOUBLE
                want = -(2 ** (limit.bits - 1)) if limit.min < 0 else 2 ** (limit.bits - 1)
                want = want if wide and dialect == "cuda" else 0
            elif np.isinf(value):
                want = int(limit.max if value > 0 else limit.min)
            else:
                whole = steps[rounding](Fraction(float(value)))
                want = min(max(whole, int(limit.min)), int(limit.max))
            assert int(result) == want, (name, rounding, value)
