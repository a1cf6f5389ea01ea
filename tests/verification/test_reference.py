"""Double precision and derived bounds: lossy and wrong programs do not pass, right ones do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tvm

from xpiler_tvm.kernel import Kernel, Tensor
from xpiler_tvm.verification import inputs_for
from xpiler_tvm.verification.domains import Double, Magnitude, Residue, Terms, Undefined
from xpiler_tvm.verification.reference import Limits, Reference
from xpiler_tvm.verification.reinterpretation import reinterpreted

M, K, N = 12, 256, 10

GEMM = f"""
@T.prim_func
def main(a: T.Buffer(({M * K},), "float32"), b: T.Buffer(({K * N},), "float32"),
         c: T.Buffer(({M * N},), "float32")):
    for i, j in T.grid({M}, {N}):
        s = T.alloc_local((1,), "float32")
        s[0] = T.float32(0)
        for k in range({K}):
            s[0] = s[0] + a[i * {K} + k] * b[k * {N} + j]
        c[i * {N} + j] = T.float32(0) - s[0]
"""
SOFTMAX = """
@T.prim_func
def main(x: T.Buffer((640,), "float32"), y: T.Buffer((640,), "float32")):
    for i in range(10):
        s = T.alloc_local((1,), "float32")
        s[0] = T.float32(0)
        for k in range(64):
            s[0] = s[0] + T.exp(x[i * 64 + k])
        for k in range(64):
            y[i * 64 + k] = T.exp(x[i * 64 + k]) / s[0]
"""
THRESHOLD = """
@T.prim_func
def main(x: T.Buffer((64,), "float32"), y: T.Buffer((64,), "float32")):
    for i in range(64):
        y[i] = T.Select(x[i] * x[i] < T.float32(0.25), T.float32(1), x[i])
"""


def module(text: str) -> tvm.IRModule:
    return tvm.IRModule({"main": tvm.script.from_source(text)})


GEMM_KERNEL = Kernel(
    "", "cuda", "k", (Tensor("a", (M, K)), Tensor("b", (K, N)), Tensor("c", (M, N), intent="out"))
)
ROWS_KERNEL = Kernel("", "cuda", "k", (Tensor("x", (10, 64)), Tensor("y", (10, 64), intent="out")))


@pytest.fixture(scope="module")
def gemm() -> tuple[dict[str, np.ndarray], Limits]:
    inputs = inputs_for(GEMM_KERNEL)
    return inputs, Reference.of(module(GEMM), GEMM_KERNEL).limits([(inputs, {})])[0]


def test_the_reference_is_the_program_in_double_precision(
    gemm: tuple[dict[str, np.ndarray], Limits],
) -> None:
    inputs, limits = gemm
    exact = -np.matmul(inputs["a"].astype("f8"), inputs["b"].astype("f8"))
    np.testing.assert_allclose(limits.values["c"].reshape(M, N), exact, rtol=1e-12)
    assert limits.doubt == ""


def test_a_derived_bound_is_of_the_sum_of_absolute_terms(
    gemm: tuple[dict[str, np.ndarray], Limits],
) -> None:
    inputs, limits = gemm
    scale = np.matmul(np.abs(inputs["a"]).astype("f8"), np.abs(inputs["b"]).astype("f8"))
    relative = limits.bounds["c"].reshape(M, N) / scale
    # K products, each of one term; the zero that the sum starts from is none.
    count = np.sqrt(K) + 4
    np.testing.assert_allclose(relative, 2 * count * 2.0**-24, rtol=1e-3)


def sequential(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total = np.zeros((M, N), "f4")
    for k in reversed(range(K)):
        total += np.outer(a[:, k], b[k])
    return -total


Program = Callable[[np.ndarray, np.ndarray], np.ndarray]

WRONG: dict[str, Program] = {
    "swapped index": lambda a, b: -np.matmul(a, np.where(np.arange(N) == 3, np.roll(b, 1, 0), b)),
    "off by one": lambda a, b: -np.matmul(a[:, :-1], b[1:]),
    "wrong start": lambda a, b: 1 - np.matmul(a, b),
    "transposed operand": lambda a, b: -np.matmul(a, b.reshape(N, K).T),
    "lossy accumulation": lambda a, b: -(np.cumsum(a[:, :, None] * b[None], 1, dtype="f2")[:, -1]),
    "lossy operand": lambda a, b: -np.matmul(a.astype("f2").astype("f4"), b),
    "lossy output": lambda a, b: -np.matmul(a, b).astype("f2"),
    "not negated": np.matmul,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_is_refuted(name: str, gemm: tuple[dict[str, np.ndarray], Limits]) -> None:
    inputs, limits = gemm
    result = WRONG[name](inputs["a"], inputs["b"]).astype("f4")
    check = limits.check("c = reference", {"c": result}, GEMM_KERNEL)
    assert check.verdict == "refuted"
    assert check.worst is not None and check.worst > 2


def test_correct_programs_pass_with_room(gemm: tuple[dict[str, np.ndarray], Limits]) -> None:
    inputs, limits = gemm
    for program in (sequential, lambda a, b: -np.matmul(a, b)):
        check = limits.check("c = reference", {"c": program(inputs["a"], inputs["b"])}, GEMM_KERNEL)
        assert check.verdict == "tested"
        assert check.worst is not None and 0 < check.worst < 0.6


def test_two_programs_that_are_equally_lossy_agree_and_the_reference_does_not(
    gemm: tuple[dict[str, np.ndarray], Limits],
) -> None:
    from xpiler_tvm.verification import compare

    inputs, limits = gemm
    lossy = WRONG["lossy operand"](inputs["a"], inputs["b"])
    assert compare("c", {"c": lossy}, {"c": lossy.copy()}, GEMM_KERNEL, bounds=limits.bounds).ok
    assert not limits.check("c", {"c": lossy}, GEMM_KERNEL).ok


def test_a_program_that_rounds_to_half_has_its_bounds() -> None:
    text = GEMM.replace("= T.float32(0) - s[0]", '= T.Cast("float32", T.Cast("float16", s[0]))')
    inputs = inputs_for(GEMM_KERNEL)
    limits = Reference.of(module(text), GEMM_KERNEL).limits([(inputs, {})])[0]
    right = np.matmul(inputs["a"], inputs["b"])
    assert limits.check("c", {"c": right.astype("f2").astype("f4")}, GEMM_KERNEL).ok
    assert not limits.check("c", {"c": np.roll(right, 1, 0)}, GEMM_KERNEL).ok


def test_what_is_no_polynomial_has_the_rule_of_thumb() -> None:
    inputs = inputs_for(ROWS_KERNEL)
    limits = Reference.of(module(SOFTMAX), ROWS_KERNEL).limits([(inputs, {})])[0]
    e = np.exp(inputs["x"])
    right = e / e.sum(-1, keepdims=True)
    assert limits.check("y", {"y": right}, ROWS_KERNEL).verdict == "tested"
    wrong = limits.check("y", {"y": right * 1.01}, ROWS_KERNEL)
    assert wrong.verdict == "unknown" and "no polynomial" in wrong.detail


def test_a_step_makes_a_difference_a_doubt() -> None:
    kernel = Kernel("", "cuda", "k", (Tensor("x", (64,)), Tensor("y", (64,), intent="out")))
    inputs = inputs_for(kernel)
    limits = Reference.of(module(THRESHOLD), kernel).limits([(inputs, {})])[0]
    right = np.where(inputs["x"] ** 2 < 0.25, 1, inputs["x"]).astype("f4")
    assert limits.check("y", {"y": right}, kernel).ok
    right[0] += 1
    doubt = limits.check("y", {"y": right}, kernel)
    assert doubt.verdict == "unknown" and "compares" in doubt.detail


def test_unwritten_elements_and_overflow_are_what_they_are() -> None:
    kernel = Kernel("", "cuda", "k", (Tensor("y", (4,), "float16", "out"),))
    from xpiler_tvm.emulation import unwritten_array

    given = unwritten_array((4,), np.dtype("f2"))
    given[:2] = np.inf, 2
    bounds = {"y": np.full(4, 1e-3)}
    values = np.array([1e5, 2, np.nan, np.nan])
    assert Limits({"y": values}, bounds).check("y", {"y": given}, kernel).ok
    written = Limits({"y": np.array([1e5, 2, 3, np.nan])}, bounds)
    assert written.check("y", {"y": given}, kernel).verdict == "refuted"


def test_domains_refuse_what_they_do_not_have() -> None:
    gemm, softmax, step = (module(text)["main"] for text in (GEMM, SOFTMAX, THRESHOLD))
    for domain in (Double(), Magnitude(), Terms(), Residue(101)):
        reinterpreted(gemm, domain)
    reinterpreted(softmax, Double())
    for domain, what in ((Magnitude(), "exp"), (Residue(101), "exp")):
        with pytest.raises(Undefined, match=what):
            reinterpreted(softmax, domain)
    with pytest.raises(Undefined, match="a comparison"):
        reinterpreted(step, Terms())
