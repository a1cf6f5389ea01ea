"""What a kernel is to the package: parameters, launches and files."""

from __future__ import annotations

from pathlib import Path

import pytest

import xpiler_tvm as xt
from xpiler_tvm.kernel import DTYPES, SUFFIXES

TEXT = "__global__ void k(float* y) { y[threadIdx.x] = 1; }"


def test_shapes_and_sizes() -> None:
    assert xt.Tensor("x", (4, 5, 6)).size == 120
    assert xt.Tensor("x", ()).size == 1
    assert xt.Tensor("x", [2.0, 3]).shape == (2, 3)  # type: ignore[arg-type]
    assert [xt.Tensor("x", intent=i).written for i in ("in", "out", "inout")] == [  # type: ignore[arg-type]
        False,
        True,
        True,
    ]


def test_parameters_by_kind() -> None:
    params = (xt.Scalar("n"), xt.Tensor("x", (4,)), xt.Scalar("a", "float32", 1.0), xt.Tensor("y"))
    kernel = xt.Kernel(TEXT, "cuda", params=params)
    assert [tensor.name for tensor in kernel.tensors] == ["x", "y"]
    assert [scalar.name for scalar in kernel.scalars] == ["n", "a"]
    assert kernel.with_params(params[:1]).params == params[:1]
    assert xt.Kernel(TEXT, "cuda").tensors == ()


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str) -> None:
    assert xt.Tensor("x", dtype=dtype).dtype == xt.Scalar("x", dtype).dtype == dtype


@pytest.mark.parametrize(
    ("field", "extents"),
    [("grid", (1, 2, 3, 4)), ("grid", (0,)), ("block", (32, -1)), ("tasks", (4, 0, 1))],
)
def test_launches_have_positive_extents(field: str, extents: tuple[int, ...]) -> None:
    with pytest.raises(xt.ReadError) as refusal:
        xt.Launch(**{field: extents})  # type: ignore[arg-type]
    assert refusal.value.code == "XP1011" and field in refusal.value.message


def test_unknown_dialects() -> None:
    with pytest.raises(xt.ReadError) as refusal:
        xt.Kernel(TEXT, "metal")  # type: ignore[arg-type]
    assert refusal.value.code == "XP1012" and "cuda, hip, bang, vnni" in refusal.value.hint


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffixes_tell_the_dialect(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"k{suffix}"
    path.write_text(TEXT)
    kernel = xt.Kernel.from_file(path, args={"n": 4, "m": 2})
    assert kernel.dialect == SUFFIXES[suffix]
    assert (kernel.source, kernel.filename) == (TEXT, str(path))
    assert kernel.args == (("m", 2), ("n", 4))
    assert xt.Kernel.from_file(path, dialect="hip").dialect == "hip"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "k.cu").write_bytes(b"\xff\xfe")
    (tmp_path / "k.txt").write_text(TEXT)
    for name, code in (("k.cu", "XP1001"), ("absent.cu", "XP1001"), ("k.txt", "XP1012")):
        with pytest.raises(xt.ReadError) as refusal:
            xt.Kernel.from_file(tmp_path / name)
        assert refusal.value.code == code
        assert name in refusal.value.message


def test_a_kernel_with_its_host_code() -> None:
    text = (
        TEXT
        + """
void run(int n) {
    float *y, *h = new float[n];
    cudaMalloc(&y, n * sizeof(float));
    k<<<1, n>>>(y);
    cudaMemcpy(h, y, n * sizeof(float), cudaMemcpyDeviceToHost);
}"""
    )
    kernel = xt.Kernel.from_source(text, "cuda", args={"n": 48})
    assert kernel.entry == "k"
    assert kernel.params == (xt.Tensor("y", (48,), intent="out"),)
    assert kernel.launch is not None and kernel.launch.block[0] == 48


def test_macros_take_other_values() -> None:
    kernel = xt.Kernel("#define N 4\n# define NN 5\nint a[N][NN];\n#define N(x) x\n", "cuda")
    assert kernel.with_macros({"N": 12}).source.startswith("#define N 12\n# define NN 5\n")
    with pytest.raises(xt.ReadError) as refusal:
        kernel.with_macros({"M": 1})
    assert refusal.value.code == "XP1014"


def test_a_scalar_with_a_text_for_a_number_is_refused() -> None:
    with pytest.raises(xt.ReadError, match="no number") as refusal:
        xt.Scalar("n", "int32", "m * k")  # type: ignore[arg-type]
    assert refusal.value.code == "XP1014"
    assert "equals='m * k'" in (refusal.value.hint or "")
