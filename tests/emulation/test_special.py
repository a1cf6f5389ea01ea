"""Math functions beyond ISO C, and fast forms, against the definitions in Python's math module."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest

from xpiler_tvm.dialects.math import COMPOSED

from .support import execute, first, out

COUNT = 64


def bessel(order: int, x: float) -> float:
    """J of an integer order by its integral; the midpoint rule is exact for periodic functions."""
    n = 400
    angles = [(i + 0.5) * math.pi / n for i in range(n)]
    return sum(math.cos(order * t - x * math.sin(t)) for t in angles) / n


def erfcx(x: float) -> float:
    if x < 20:
        return math.exp(x * x) * math.erfc(x)
    return (1 - 1 / (2 * x * x) + 3 / (4 * x**4)) / (x * math.sqrt(math.pi))


REFERENCES: dict[str, Callable[..., float]] = {
    "rcbrt": lambda a: math.copysign(abs(a) ** (-1 / 3), a),
    "rhypot": lambda a, b: 1 / math.hypot(a, b),
    "norm3d": math.hypot,
    "rnorm3d": lambda *v: 1 / math.hypot(*v),
    "norm4d": math.hypot,
    "rnorm4d": lambda *v: 1 / math.hypot(*v),
    "sinpi": lambda a: math.sin(math.pi * math.fmod(a, 2)),
    "cospi": lambda a: math.cos(math.pi * math.fmod(a, 2)),
    "normcdf": lambda a: NormalDist().cdf(a),
    "normcdfinv": lambda a: NormalDist().inv_cdf(a),
    "erfinv": lambda a: NormalDist().inv_cdf((a + 1) / 2) / math.sqrt(2),
    "erfcinv": lambda a: -NormalDist().inv_cdf(a / 2) / math.sqrt(2),
    "erfcx": erfcx,
    "j0": lambda a: bessel(0, a),
    "j1": lambda a: bessel(1, a),
}
RANGES = {"normcdfinv": (0.001, 0.999), "erfinv": (-0.999, 0.999), "erfcinv": (0.001, 1.999)}


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_functions_of_the_table(dialect: str) -> None:
    """The double's form; the float's, under both names, is that one rounded."""
    rows = [row for row in COMPOSED if row.name in REFERENCES]
    assert {row.name for row in COMPOSED} - {"y0", "y1"} == {row.name for row in rows}
    rng = np.random.default_rng(1)
    inputs = np.stack(
        [rng.uniform(*RANGES.get(row.name, (-3, 3)), (4, COUNT)) for row in rows]
    ).astype("float32")
    lines = []
    for i, row in enumerate(rows):
        single = ", ".join(f"x[({i} * 4 + {j}) * n + t]" for j in range(row.arity))
        double = ", ".join(f"(double)x[({i} * 4 + {j}) * n + t]" for j in range(row.arity))
        lines.append(f"y[{i} * n + t] = {row.name}({double});")
        lines.append(f"z[{2 * i} * n + t] = {row.single}({single});")
        lines.append(f"z[{2 * i + 1} * n + t] = {row.name}({single});")
    source = f"""
    __global__ void k(const float* x, double* y, float* z) {{
      int t = threadIdx.x, n = {COUNT};
      {" ".join(lines)}
    }}"""
    results = (out("y", (len(rows), COUNT), "float64"), out("z", (len(rows), 2, COUNT)))
    run = execute(source, ("x", inputs), *results, block=(COUNT,), dialect=dialect)  # type: ignore[arg-type]
    for i, row in enumerate(rows):
        want = [
            REFERENCES[row.name](*map(float, values))
            for values in inputs[i, : row.arity].T.astype("f8")
        ]
        np.testing.assert_allclose(first(run)[i], want, rtol=1e-9, atol=1e-10, err_msg=row.name)
        singles = first(run)[i].astype("float32")
        for form in range(2):
            np.testing.assert_array_equal(first(run, "z")[i, form], singles, err_msg=row.name)


def test_inverses_in_the_tails_and_at_the_ends() -> None:
    source = """
    __global__ void k(const double* x, double* y) {
      int t = threadIdx.x;
      y[t] = erfc(erfcinv(x[t]));
      y[8 + t] = erf(erfinv(x[t]));
      y[16 + t] = normcdf(normcdfinv(x[t]));
      if (t == 0) { y[24] = erfcinv(0.0); y[25] = erfinv(-1.0);
        y[26] = normcdfinv(1.0); y[27] = erfinv(2.0);
        y[28] = erfcx(1e6); y[29] = erfinv(0.0); }
    }"""
    x = np.array([1e-300, 1e-100, 1e-20, 1e-5, 0.1, 0.5, 0.9, 0.999999])
    got = first(execute(source, ("x", x), out("y", 30, "float64"), block=(8,)))
    for i in range(3):
        np.testing.assert_allclose(got[8 * i : 8 * i + 8], x, rtol=1e-12)
    assert got[24] == math.inf and got[25] == -math.inf and got[26] == math.inf
    assert math.isnan(got[27]) and got[29] == 0
    assert got[28] == pytest.approx(1 / (1e6 * math.sqrt(math.pi)), rel=1e-12)


def test_sinpi_and_cospi_are_exact_at_multiples_of_a_half() -> None:
    source = """
    __global__ void k(const float* x, float* y) {
      int t = threadIdx.x, n = blockDim.x;
      float s, c;
      sincospif(x[t], &s, &c);
      y[t] = sinpif(x[t]); y[n + t] = cospif(x[t]); y[2 * n + t] = s; y[3 * n + t] = c;
    }"""
    x = (np.arange(-12, 12) / 2).astype("float32")
    x = np.concatenate([x, np.float32([1e7 + 1, 123456.5, 2.0**30])])
    got = first(execute(source, ("x", x), out("y", (4, len(x))), block=(len(x),)))
    quarter = (2 * x.astype("f8") % 4).astype(int)
    np.testing.assert_array_equal(got[0], np.array([0, 1, 0, -1])[quarter])
    np.testing.assert_array_equal(got[1], np.array([1, 0, -1, 0])[quarter])
    np.testing.assert_array_equal(got[2:], got[:2])


def test_fast_forms_and_functions_with_pointers() -> None:
    source = """
    __global__ void k(const float* x, float* y, int* z) {
      float s, c, whole;
      int e, q;
      __sincosf(x[0], &s, &c);
      y[0] = s; y[1] = c; y[2] = __fdividef(x[0], x[1]); y[3] = __saturatef(1.5f);
      y[4] = __saturatef(-0.5f); y[5] = __saturatef(NAN); y[6] = __saturatef(0.25f);
      y[7] = modff(2.75f, &whole); y[8] = whole; y[9] = frexpf(10.f, &e); z[0] = e;
      y[10] = remquof(7.f, 2.f, &q); z[1] = q & 7;
      y[11] = ldexpf(0.75f, 4); y[12] = scalbnf(3.f, -1);
      y[13] = normf(3, x); y[14] = rnormf(3, x); y[15] = nextafterf(1.f, 2.f);
      y[16] = logbf(10.f);
      y[17] = lgammaf(4.f); y[18] = tgammaf(5.f); y[19] = fdimf(3.f, 1.f);
      y[20] = __expf(1.f);
      z[2] = ilogbf(10.f); z[3] = llrintf(2.5f); z[4] = lroundf(2.5f);
    }"""
    x = np.float32([0.5, 0.25, 2])
    run = execute(source, ("x", x), out("y", 21), out("z", 5, "int32"), block=(1,))
    norm = math.hypot(0.5, 0.25, 2)
    want = [math.sin(0.5), math.cos(0.5), 2, 1, 0, 0, 0.25, 0.75, 2, 0.625, -1, 12, 1.5]
    want += [norm, 1 / norm, 1 + 2.0**-23, 3, math.log(6), 24, 2, math.e]
    np.testing.assert_allclose(first(run), want, rtol=1e-6)
    assert first(run, "z").tolist() == [4, 4, 3, 2, 3]
