"""The comparison finds what goes wrong in translations, and accepts what may differ."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.emulation import unwritten_array
from xpiler_tvm.errors import CheckError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel, Scalar, Tensor
from xpiler_tvm.verification import (
    compare,
    inputs_for,
    likely_terms,
    require_written,
    unwritten_outputs,
)


def kernel(*shapes: tuple[int, ...], dtype: str = "float32", output: str = "float32") -> Kernel:
    """A kernel whose last shape is its output `y`."""
    names = "abcdef"
    params = [Tensor(names[i], shape, dtype) for i, shape in enumerate(shapes[:-1])]
    return Kernel("", "cuda", "k", (*params, Tensor("y", shapes[-1], output, "out"), Scalar("n")))


GEMM = kernel((24, 512), (512, 40), (24, 40))


def check(expected: np.ndarray, actual: np.ndarray, about: Kernel = GEMM) -> Check:
    return compare("c", {"y": expected}, {"y": actual}, about)


@pytest.fixture(scope="module")
def operands() -> tuple[np.ndarray, np.ndarray]:
    arrays = inputs_for(GEMM)
    return arrays["a"], arrays["b"]


def reordered(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b in float32, one term after the other from the last to the first."""
    total = np.zeros((a.shape[0], b.shape[1]), "float32")
    for k in reversed(range(a.shape[1])):
        total += np.outer(a[:, k], b[k])
    return total


def test_a_reordered_product_passes_with_room(operands: tuple[np.ndarray, np.ndarray]) -> None:
    found = check(np.matmul(*operands), reordered(*operands))
    assert found.verdict == "tested", found.detail
    assert found.worst is not None
    assert 0 < found.worst < 0.5
    assert "worst error/bound" in found.detail


MUTANTS = {
    "one index swapped": lambda a, b: np.matmul(
        a, np.where(np.arange(40) == 7, np.roll(b, 1, 0), b)
    ),
    "one row too far": lambda a, b: np.matmul(np.roll(a, 1, 0), b),
    "the last term missing": lambda a, b: np.matmul(a[:, :-1], b[:-1]),
    "one term twice": lambda a, b: np.matmul(a, b) + np.outer(a[:, 0], b[0]),
    "operands of one element": lambda a, b: np.where(
        np.add.outer(np.arange(24), np.arange(40)) == 0, 0.0, np.matmul(a, b)
    ).astype("float32"),
    "half precision inside": lambda a, b: np.matmul(a.astype("f2").astype("f4"), b),
    "the sign of one element": lambda a, b: (
        np.matmul(a, b) * np.where(np.arange(40) == 3, -1, 1).astype("f4")
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_refuted(mutant: str, operands: tuple[np.ndarray, np.ndarray]) -> None:
    found = check(np.matmul(*operands), MUTANTS[mutant](*operands))
    assert found.verdict == "refuted"
    assert found.worst is not None
    assert found.worst > 10


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
@pytest.mark.parametrize("shift", [1, 32])
def test_an_elementwise_kernel_read_at_a_wrong_place_is_refuted(dtype: str, shift: int) -> None:
    about = kernel((32, 32), (32, 32), dtype=dtype, output=dtype)
    x = inputs_for(about)["a"]
    assert check(x, np.roll(x, shift), about).verdict == "refuted"
    swapped = x.copy()
    swapped[0, 0], swapped[0, 1] = x[0, 1], x[0, 0]
    assert check(x, swapped, about).verdict == "refuted"
    assert check(x, x.copy(), about).verdict == "tested"


def test_other_expf_pass_in_softmax_and_a_wrong_maximum_does_too() -> None:
    about = kernel((8, 100), (8, 100))
    x = inputs_for(about)["a"]
    wide = x.astype("float64")
    exact = np.exp(wide - wide.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    single = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    assert check(exact.astype("float32"), single, about).verdict == "tested"
    assert (
        check(exact.astype("float32"), np.exp(x) / np.exp(x[:, 1:]).sum(1)[:, None], about).verdict
        == "refuted"
    )


def test_integers_are_equal_or_wrong() -> None:
    about = kernel((4, 4), (4, 4), dtype="int32", output="int32")
    x = inputs_for(about)["a"]
    assert check(x, x.copy(), about).worst == 0
    y = x.copy()
    y[2, 3] += 1
    found = check(x, y, about)
    assert found.verdict == "refuted"
    assert found.detail.startswith("1 of 16 elements of 'y' differ; first y[2, 3]: expected")


def test_nan_and_infinity_are_right_only_where_the_reference_has_them() -> None:
    x = np.array([1, np.nan, np.inf, -np.inf, 5], "float32")
    about = kernel((5,), (5,))
    assert check(x, x.copy(), about).verdict == "tested"
    for place, value in ((0, np.nan), (1, 1), (2, np.nan), (2, -np.inf), (3, -1e38), (4, np.inf)):
        y = x.copy()
        y[place] = value
        assert check(x, y, about).verdict == "refuted", (place, value)


def test_nothing_but_nan_proves_nothing() -> None:
    x = np.full(5, np.nan, "float32")
    assert check(x, x.copy(), kernel((5,), (5,))).verdict == "unknown"


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "int64", "bfloat16"])
def test_unwritten_elements(dtype: str) -> None:
    about = kernel((4, 4), (4, 4), dtype=dtype, output=dtype)
    whole = inputs_for(about)["a"]
    empty = inputs_for(about)["y"]
    border = whole.copy()
    border[0] = empty[0]
    assert unwritten_outputs(about, {"y": whole}) == {}
    assert require_written(about, {"y": border}) == {"y": 4}
    with pytest.raises(CheckError) as caught:
        require_written(about, {"y": empty})
    assert caught.value.code == "XP5003"
    assert check(border, border.copy(), about).verdict == "tested"
    missing = check(whole, border, about)
    assert missing.verdict == "refuted"
    assert "4 of them were never written" in missing.detail
    assert check(border, whole, about).verdict == "refuted"
    assert check(empty, empty.copy(), about).verdict == "unknown"


def test_a_byte_may_have_the_sentinel_s_value_by_right() -> None:
    about = kernel((256,), (256,), dtype="uint8", output="uint8")
    y = np.arange(256, dtype="uint8")
    assert require_written(about, {"y": y}) == {}
    assert check(y, y.copy(), about).verdict == "tested"
    with pytest.raises(CheckError):
        require_written(about, {"y": inputs_for(about)["y"]})


def test_shapes_may_differ_but_not_sizes_or_types() -> None:
    x = inputs_for(GEMM)["a"][:, :40]
    assert check(x, x.reshape(-1)).verdict == "tested"
    assert check(x, x[:, 1:]).verdict == "refuted"
    assert check(x, x.astype("float64")).verdict == "refuted"


def test_terms_guessed_from_sizes() -> None:
    assert likely_terms(GEMM) == 512
    assert likely_terms(kernel((64, 100), (64,))) == 100
    assert likely_terms(kernel((64, 100), (64, 100))) == 100


def test_inout_tensors_are_compared_and_inputs_are_not() -> None:
    about = Kernel("", "cuda", "k", (Tensor("a", (3,)), Tensor("y", (3,), intent="inout")))
    y = unwritten_array((3,), np.dtype("float32"))
    y[:] = 1
    a = np.zeros(3, "float32")
    assert compare("c", {"a": a, "y": y}, {"a": a + 1, "y": y}, about).ok
    assert not compare("c", {"a": a, "y": y}, {"a": a, "y": y + 1}, about).ok
