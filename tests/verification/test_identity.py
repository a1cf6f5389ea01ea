"""Identity over a finite field: equal polynomials in any order, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpiler_tvm.emulation import run_text
from xpiler_tvm.emulation.field import FIELDS
from xpiler_tvm.kernel import Kernel, Launch, Scalar, Tensor
from xpiler_tvm.verification.domains import Residue
from xpiler_tvm.verification.identity import check_identity, exact_scalars, inexact

PRIME = FIELDS["field"]

DOT = """__global__ void k(const float* x, const float* w, float* y, int n) {
  int i = threadIdx.x;
  float s = 0.0f;
  for (int j = 0; j < 16; ++j) s += x[i * 16 + j] * w[j];
  if (i < n) y[i] = 0.5f * s - x[i];
}
"""
PARAMS = (
    Tensor("x", (8, 16)),
    Tensor("w", (16,)),
    Tensor("y", (8,), intent="out"),
    Scalar("n", value=8),
)


def kernel(text: str, dialect: Any = "cuda", launch: Launch | None = None) -> Kernel:
    return Kernel(text, dialect, "k", PARAMS, launch or Launch((1,), (8,)), filename="k.cu")


def run(about: Kernel) -> Any:
    return lambda points, build: [run_text(about, one, build=build).arrays for one in points]


def verdict(other: str, dialect: Any = "cuda", launch: Launch | None = None) -> tuple[str, str]:
    first, second = kernel(DOT), kernel(other, dialect, launch)
    check = check_identity("b = a", first, (run(first), run(second)), [DOT, other])
    assert check is not None
    return check.verdict, check.detail


SAME = {
    "another order": DOT.replace("int j = 0; j < 16; ++j", "int j = 15; j >= 0; --j"),
    "fused": DOT.replace("s += x[i * 16 + j] * w[j]", "s = fmaf(w[j], x[i * 16 + j], s)"),
    "two sums": DOT.replace(
        "for (int j = 0; j < 16; ++j) s += x[i * 16 + j] * w[j];",
        "float t = 0;\n  for (int j = 0; j < 16; j += 2)"
        " s += x[i * 16 + j] * w[j], t += x[i * 16 + j + 1] * w[j + 1];\n  s += t;",
    ),
    "a quotient by two": DOT.replace("0.5f * s", "s / 2"),
    "vectors": DOT.replace(
        "for (int j = 0; j < 16; ++j) s += x[i * 16 + j] * w[j];",
        "for (int j = 0; j < 4; ++j) {\n    float4 a = ((const float4*)x)[i * 4 + j];\n"
        "    float4 b = ((const float4*)w)[j];\n"
        "    s += a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;\n  }",
    ),
    "double precision": DOT.replace("float s = 0.0f", "double s = 0.0"),
    "shared memory and shuffles": """
__global__ void k(const float* x, const float* w, float* y, int n) {
  __shared__ float part[8][16];
  int i = threadIdx.y, j = threadIdx.x;
  part[i][j] = x[i * 16 + j] * w[j];
  __syncthreads();
  float s = part[i][j];
  for (int d = 8; d; d /= 2) s += __shfl_xor_sync(0xffffffffu, s, d, 16);
  if (j == 0 && i < n) y[i] = 0.5f * s - x[i];
}
""",
}
DIFFERENT = {
    "a swapped index": DOT.replace("* w[j]", "* w[15 - j]"),
    "one term less": DOT.replace("j < 16", "j < 15"),
    "another start": DOT.replace("s = 0.0f", "s = 0.0009765625f"),
    "another sign": DOT.replace("- x[i]", "+ x[i]"),
    "a term below any tolerance": DOT.replace("- x[i]", "- x[i] + 0x1p-60f * w[0]"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_polynomial(name: str) -> None:
    launch = Launch((1,), (16, 8)) if "threadIdx.y" in SAME[name] else None
    found, detail = verdict(SAME[name], launch=launch)
    assert found == "tested", detail
    assert f"equal modulo {PRIME} at 3 random points" in detail


@pytest.mark.parametrize("name", DIFFERENT)
def test_another_polynomial_is_refuted(name: str) -> None:
    found, detail = verdict(DIFFERENT[name])
    assert found == "refuted"
    assert f"elements of 'y' differ modulo {PRIME}; first y[" in detail


def test_hip_and_bang_texts() -> None:
    assert verdict(DOT, "hip")[0] == "tested"
    bang = """__nram__ float a[16]; __nram__ float b[16]; __nram__ float r[8];
__mlu_entry__ void k(const float* x, const float* w, float* y, int n) {
  __memcpy(b, w, 16 * sizeof(float), GDRAM2NRAM);
  __memcpy(r, x, 8 * sizeof(float), GDRAM2NRAM);
  for (int i = 0; i < n; ++i) {
    __memcpy(a, x + i * 16, 16 * sizeof(float), GDRAM2NRAM);
    __bang_mul(a, a, b, 16);
    float s = 0;
    for (int j = 0; j < 16; ++j) s += a[j];
    r[i] = s * 0.5f - r[i];
  }
  __memcpy(y, r, 8 * sizeof(float), NRAM2GDRAM);
}
"""
    found, detail = verdict(bang, "bang", Launch(tasks=(1,)))
    assert found == "tested", detail
    assert verdict(bang.replace("0.5f", "0.25f"), "bang", Launch(tasks=(1,)))[0] == "refuted"


UNDEFINED = {
    "s > 0.0f ? s : s": "the comparison > in line 5",
    "expf(s)": "expf in line 5",
    "fmaxf(s, 0.0f)": "fmaxf in line 5",
    "-INFINITY": "INFINITY in line 5",
    "(float)(int)s": "in line 5",
}


@pytest.mark.parametrize("value", UNDEFINED)
def test_what_is_not_polynomial_is_named(value: str) -> None:
    found, detail = verdict(DOT.replace("0.5f * s - x[i]", value))
    assert found == "unknown"
    assert detail.startswith("not polynomial") and UNDEFINED[value] in detail


def test_sixteen_bits_take_a_small_prime() -> None:
    text = DOT.replace("0.5f * s", "__half2float(__float2half(0.5f * s))")
    found, detail = verdict(text)
    assert found == "tested" and "modulo 65521" in detail


def test_integers_have_no_such_check() -> None:
    about = Kernel("", "cuda", "k", (Tensor("y", (8,), "int32", "out"),))
    assert check_identity("b = a", about, (run(about), run(about)), []) is None


def test_a_rounded_constant_is_a_doubt() -> None:
    quotient = DOT.replace("0.5f * s", "s / 3")
    first, second = kernel(quotient), kernel(quotient.replace("s / 3", "s * 0.333333343f"))
    texts = [first.source, second.source]
    check = check_identity("b = a", first, (run(first), run(second)), texts)
    assert check is not None and check.verdict == "unknown"
    assert "a quotient of constants" in check.detail


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("x * 0.5f + 1e3f + 0x1.8p+4f + 3", ""),
        ("x / 16 + x / 2.0f /* 0.1 */ // 1/3", ""),
        ("x * 0.1f", "the rounded constant 0.1"),
        ("x / n", "a quotient of constants that is rounded in one of them"),
        ("union U", "casts of bits"),
    ],
)
def test_reasons_for_doubt(text: str, doubt: str) -> None:
    assert inexact([text]) == doubt


def test_scalars_are_numbers_of_their_type() -> None:
    about = Kernel("", "cuda", "k", (Scalar("a", "float32", 0.1), Scalar("n", value=3)))
    assert [scalar.value for scalar in exact_scalars(about).scalars] == [float(np.float32(0.1)), 3]


# ---------------------------------------------------------------- the arithmetic itself

ARITHMETIC = """__global__ void k(const float* x, float* y, float a, int n) {
  y[0] = x[0] + x[1];
  y[1] = x[0] - x[1];
  y[2] = x[0] * x[1];
  y[3] = x[0] / x[1];
  y[4] = -x[0];
  y[5] = x[0] * n;
  y[6] = a;
  y[7] = (double)x[0] - n;
}
"""

residues = st.one_of(st.sampled_from([0, 1, 2, PRIME - 1, PRIME - 2]), st.integers(0, PRIME - 1))
dyadics = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=40, deadline=None)
@given(residues, residues.filter(bool), dyadics, st.integers(-(2**31), 2**31 - 1))
def test_arithmetic(a: int, b: int, number: float, n: int) -> None:
    params = (
        Tensor("x", (2,)),
        Tensor("y", (8,), intent="out"),
        Scalar("a", "float32", number),
        Scalar("n", value=n),
    )
    about = Kernel(ARITHMETIC, "cuda", "k", params, Launch((1,), (1,)))
    x = np.array([a, b], "u4").view("f4")
    found = run_text(about, {"x": x}, build="field").arrays["y"].view("u4")
    above, below = number.as_integer_ratio()
    wanted = [a + b, a - b, a * b, a * pow(b, -1, PRIME), -a, a * n]
    wanted += [above * pow(below, -1, PRIME), a - n]
    assert [int(value) for value in found] == [value % PRIME for value in wanted]
    assert Residue(PRIME).scalar(number) == wanted[6] % PRIME
