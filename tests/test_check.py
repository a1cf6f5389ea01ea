"""`xpiler check` and `xt.check`: one kernel, twins of three dialects, differences and findings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

import xpiler_tvm as xt
from xpiler_tvm.cli import main
from xpiler_tvm.errors import ReadError

CUDA = """#include <cuda_runtime.h>
__global__ void rows(const float* x, const float* w, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float s = 0.0f;
        for (int j = 0; j < 16; j++) s += x[i * 16 + j] * w[j];
        y[i] = s;
    }
}
int main() {
    int n = 64;
    float *x, *w, *y, *h = new float[n * 16];
    cudaMalloc(&x, n * 16 * sizeof(float));
    cudaMalloc(&w, 16 * sizeof(float));
    cudaMalloc(&y, n * sizeof(float));
    cudaMemcpy(x, h, n * 16 * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(w, h, 16 * sizeof(float), cudaMemcpyHostToDevice);
    rows<<<2, 32>>>(x, w, y, n);
    cudaMemcpy(h, y, n * sizeof(float), cudaMemcpyDeviceToHost);
}
"""
# Other names, another order of the sum, the launch in a function of its own.
HIP = """#include <hip/hip_runtime.h>
__global__ void dot(const float* a, const float* b, float* out, int m) {
    for (int i = threadIdx.x; i < m; i += 64) {
        float s = 0.0f;
        for (int j = 15; j >= 0; j--) s = fmaf(a[i * 16 + j], b[j], s);
        out[i] = s;
    }
}
void launch(const float* a, const float* b, float* out, int m, hipStream_t stream) {
    dot<<<1, 64, 0, stream>>>(a, b, out, m);
}
"""
BANG = """#include <bang.h>
__nram__ float rows_nram[256];
__nram__ float weights[16];
__nram__ float sums[16];
__mlu_global__ void mlu_dot(const float* a, const float* b, float* out, int m) {
    __memcpy(weights, b, 16 * sizeof(float), GDRAM2NRAM);
    __memcpy(rows_nram, a + taskId * 256, 256 * sizeof(float), GDRAM2NRAM);
    for (int i = 0; i < 16; ++i) {
        float s = 0.0f;
        for (int j = 0; j < 16; ++j) s += rows_nram[i * 16 + j] * weights[j];
        sums[i] = s;
    }
    __memcpy(out + taskId * 16, sums, 16 * sizeof(float), NRAM2GDRAM);
}
"""
LAUNCHED = """
void launch(const float* a, const float* b, float* out, int m, cnrtQueue_t queue) {
    cnrtDim3_t dim = {4, 1, 1};
    mlu_dot<<<dim, cnrtFuncTypeBlock, queue>>>(a, b, out, m);
}
"""
RACE = """__global__ void k(const float* x, float* y) {
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = s[63 - threadIdx.x];
}
"""
RACE_OPTIONS = ["--grid", "1", "--block", "64", "--param", "x:float32[64]"]
RACE_OPTIONS += ["--param", "y:float32[64]:out"]

File = Callable[[str, str], str]


@pytest.fixture
def file(tmp_path: Path) -> File:
    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def kernel(text: str, dialect: str, name: str) -> xt.Kernel:
    return xt.Kernel(text, dialect, filename=name)  # type: ignore[arg-type]


def verdicts(report: xt.CheckReport) -> dict[str, str]:
    return {check.name: check.verdict for check in report.checks}


@lru_cache(maxsize=1)
def twins() -> xt.CheckReport:
    first, second = kernel(CUDA, "cuda", "a.cu"), kernel(HIP, "hip", "b.hip")
    return xt.check(first, second, seeds=(0,))


def test_twins_of_two_dialects() -> None:
    report = twins()
    assert report.ok and report.findings == ()
    assert verdicts(report) == dict.fromkeys(
        [
            "a.cu: checked run",
            "b.hip: checked run",
            "b.hip = a.cu, random inputs",
            "b.hip = a.cu, indexed inputs",
            "b.hip = a.cu, extreme inputs",
            "b.hip = a.cu, peaked inputs",
            "a.cu = float64 reference",
            "b.hip = float64 reference",
            "b.hip = a.cu, identity over F_p",
        ],
        "tested",
    )
    assert report.notes == ("a.cu: emulated as sm_90", "b.hip: emulated as gfx90a")


def test_what_one_text_does_not_say_comes_from_the_other() -> None:
    first, second = twins().kernels
    assert [param.name for param in second.params or ()] == ["a", "b", "out", "m"]
    assert [tensor.size for tensor in second.tensors] == [1024, 16, 64]
    assert [tensor.intent for tensor in second.tensors] == ["in", "in", "out"]
    assert second.scalars[0].value == first.scalars[0].value == 64
    assert second.launch == xt.Launch((1,), (64,))


@pytest.mark.parametrize("launched", [True, False])
def test_a_kernel_in_bang_c_against_its_source(launched: bool) -> None:
    launch = None if launched else xt.Launch(tasks=(4,))
    mlu = xt.Kernel(BANG + LAUNCHED * launched, "bang", launch=launch, filename="b.mlu")
    for pair in ((kernel(CUDA, "cuda", "a.cu"), mlu), (mlu, kernel(CUDA, "cuda", "a.cu"))):
        report = xt.check(*pair, seeds=(0,))
        assert report.ok, str(report)
        assert set(verdicts(report).values()) == {"tested"}
        assert "b.mlu: emulated as mtp_592, strict mode" in report.notes
        if not launched:
            return


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("b[j]", "b[15 - j]"),
        ("j = 15", "j = 14"),
        ("s = 0.0f", "s = 1.0f"),
        ("16 + j", "16 + j / 2"),
    ],
)
def test_a_difference(old: str, new: str) -> None:
    second = kernel(HIP.replace(old, new), "hip", "b.hip")
    report = xt.check(kernel(CUDA, "cuda", "a.cu"), second, seeds=(0,))
    found = verdicts(report)
    assert not report.ok
    assert found["b.hip = a.cu, random inputs"] == "refuted"
    assert found["b.hip = a.cu, indexed inputs"] == "refuted"
    assert found["b.hip = a.cu, identity over F_p"] == "refuted"
    assert found["b.hip = float64 reference"] == "refuted"
    assert found["a.cu = float64 reference"] == "tested"


def test_the_place_a_wrong_value_comes_from() -> None:
    copy = "__global__ void k(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }"
    shifted = copy.replace("x[threadIdx.x]", "x[(threadIdx.x + 5) % 32]")
    params = (xt.Tensor("x", (4, 8)), xt.Tensor("y", (4, 8), intent="out"))
    pair = (
        xt.Kernel(text, "cuda", "k", params, xt.Launch((1,), (32,))) for text in (copy, shifted)
    )
    report = xt.check(*pair, seeds=(0,))
    detail = next(check.detail for check in report.checks if "indexed" in check.name)
    place, origin = detail.split("worst y[")[1].split("]")[0], detail.split("which is x[")[1]
    row, column = map(int, place.split(", "))
    source_row, source_column = map(int, origin.rstrip("]").split(", "))
    assert (row * 8 + column + 5) % 32 == source_row * 8 + source_column


def test_a_kernel_that_cannot_be_lifted_is_still_checked() -> None:
    text = "__global__ void k(float* y) { int i = 0; a: y[threadIdx.x] = 1; if (++i < 2) goto a; }"
    params = (xt.Tensor("y", (32,), intent="out"),)
    report = xt.check(xt.Kernel(text, "cuda", "k", params, xt.Launch((1,), (32,)), filename="k.cu"))
    assert report.ok
    assert list(verdicts(report)) == ["k.cu: checked run"]


def test_outputs_that_are_written_in_part() -> None:
    text = CUDA.replace("y[i] = s;", "if (i != 5) y[i] = s;")
    report = xt.check(kernel(text, "cuda", "a.cu"), seeds=(0,))
    (finding,) = report.findings
    assert isinstance(finding, xt.Finding) and finding.kind == "unwritten output"
    assert "leaves 1 of the 64 elements of its output 'y'" in finding.message
    assert finding.message.endswith("y[5]")
    assert finding.span is not None and finding.span.line == 2
    assert xt.check(kernel(text, "cuda", "a.cu"), seeds=(0,), allow_unwritten=True).ok


def test_what_goes_wrong_in_a_run_is_a_finding() -> None:
    text = CUDA.replace("y[i] = s;", "y[i + 1] = s;")
    report = xt.check(kernel(text, "cuda", "a.cu"), seeds=(0,))
    assert "out of bounds" in [finding.kind for finding in report.findings]
    assert "out of bounds" in str(report)


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (HIP.replace(", int m", "").replace("i < m", "i < 64"), "XP1007"),
        (HIP.replace("int m", "float* m"), "XP1007"),
        (HIP.replace("const float* a", "const double* a"), "XP1007"),
        ("// nothing", "XP1005"),
    ],
)
def test_kernels_that_do_not_correspond(second: str, code: str) -> None:
    with pytest.raises(ReadError) as refusal:
        xt.check(kernel(CUDA, "cuda", "a.cu"), kernel(second, "hip", "b.hip"))
    assert refusal.value.code == code


# ---------------------------------------------------------------- the command


def test_the_command_on_twins(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = file("a.cu", CUDA), file("b.mlu", BANG)
    assert main(["check", first, second, "--tasks-b", "4", "--seed", "0"]) == 0
    printed = capsys.readouterr().out
    assert "a.cu against b.mlu" in printed
    assert "b.mlu = a.cu, identity over F_p" in printed
    assert "b.mlu: emulated as mtp_592, strict mode" in printed


def test_the_command_on_a_difference(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = file("a.cu", CUDA), file("b.hip", HIP.replace("b[j]", "b[15 - j]"))
    assert main(["check", first, second, "--seed", "3", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False and found["findings"] == []
    assert [kernel["dialect"] for kernel in found["kernels"]] == ["cuda", "hip"]
    refuted = [check["name"] for check in found["checks"] if check["verdict"] == "refuted"]
    assert "b.hip = a.cu, random inputs" in refuted


def test_the_command_on_a_race(file: File, capsys: pytest.CaptureFixture[str]) -> None:
    path = file("k.cu", RACE)
    assert main(["check", path, *RACE_OPTIONS, "--seed", "0"]) == 1
    printed = capsys.readouterr().out
    assert "race: " in printed
    assert "    y[threadIdx.x] = s[63 - threadIdx.x];" in printed
    assert "^" in printed
    assert main(["check", path, *RACE_OPTIONS, "--seed", "0", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    races = [finding for finding in findings if finding["kind"] == "race"]
    assert races
    assert all({race["line"], race["other"]["line"]} <= {3, 4} for race in races)
    correct = RACE.replace("    y[", "    __syncthreads();\n    y[")
    assert main(["check", file("right.cu", correct), *RACE_OPTIONS, "--seed", "0"]) == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["missing.cu"], 11),
        (["{a}", "--grid-b", "4"], 11),
        (["{a}", "--kind", "block"], 11),
        (["{a}", "--tasks", "4", "--kind", "union3"], 11),
        (["{a}", "{h}", "--seconds", "0"], 11),
        (["{a}", "--seed", "-1"], 11),
        (["{a}", "--arch", "sm_1"], 11),
        (["{m}"], 11),
        (["{a}", "{m}"], 11),
    ],
)
def test_errors_have_codes_and_hints(
    options: list[str], code: int, file: File, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"a": file("a.cu", CUDA), "h": file("b.hip", HIP), "m": file("c.mlu", BANG)}
    assert main(["check", *(option.format(**paths) for option in options)]) == code
    assert "error XP1" in capsys.readouterr().err


def test_usage_errors() -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["check", "a.cu", "--mode", "loose"])
    assert refusal.value.code == 2
    done = subprocess.run(
        [sys.executable, "-m", "xpiler_tvm.cli", "check"], check=False, capture_output=True
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("float sum; for (int i = 0; i < 2; ++i) sum += x[t]; y[t] = sum;", "uninitialised read"),
        ("float sum = 0; for (int i = 0; i < 2; ++i) sum += x[t]; y[t] = sum;", ""),
    ],
)
def test_what_only_several_runs_tell_is_found_too(body: str, kind: str) -> None:
    source = f"__global__ void k(const float* x, float* y) {{ int t = threadIdx.x; {body} }}"
    params = (xt.Tensor("x", (32,)), xt.Tensor("y", (32,), intent="out"))
    report = xt.check(xt.Kernel(source, "cuda", "k", params, xt.Launch((1,), (32,))), seeds=(0,))
    assert [one.kind for one in report.findings] == ([kind] if kind else [])


LARGEST = """void largest(const float* x, float* y) {{
  float most = x[0];
  for (int i = 1; i < 40; {}) most = x[i] > most ? x[i] : most;
  y[0] = most;
}}"""


def test_an_element_that_a_maximum_leaves_out_is_met() -> None:
    """The ends and 20 of the others are read: few inputs have their maximum elsewhere."""
    params = (xt.Tensor("x", (40,)), xt.Tensor("y", (1,), intent="out"))
    right, wrong = (
        xt.Kernel.from_source(LARGEST.format(step), "vnni").with_params(params)
        for step in ("i++", "i += i == 38 ? 1 : 2")
    )
    report = xt.check(right, wrong)
    assert not report.ok
    refuted = [name for name, verdict in verdicts(report).items() if verdict == "refuted"]
    assert any("lone inputs" in name for name in refuted)
