"""The comparison with a GPU as far as it shows without one.

What is to run there really runs here, with a stand-in for what a machine with a GPU has: its
compiler is this machine's for C++, its runtime a header of a page, its tools are scripts.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xpiler_tvm.emulation.compiler import find_compiler
from xpiler_tvm.kernel import Kernel, Launch, Scalar, Tensor

from .support import ROOT, script

packing = script("gpu_pack.packing")
reporting = script("gpu_pack.reporting")
run_on_gpu = script("gpu_pack.run_on_gpu")
nvrtc = script("gpu_pack.nvrtc")

# One process packs the kernels that the tests share.
pytestmark = pytest.mark.xdist_group("emulator_vs_gpu")

STAND_IN = Path(__file__).parent / "stand_in"
HERE = "#ifdef __STAND_IN__\n{}\n#endif\n"
SCALE = """#include <cuda_runtime.h>
__global__ void scale(const float* x, float* y, int* seen, float a, long long n) {{
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {{
    y[i] = a * x[i];
    ++seen[i];
  }}
{}}}
"""
BODIES = {
    "right": "",
    "within_bounds": HERE.format("  if (i < n) y[i] *= 1.0000001f;"),
    "other_value": HERE.format("  if (i == 7) y[i] = 100;"),
    "other_integer": HERE.format("  if (i == 9) seen[i] = 0;"),
    "untouched_is_touched": HERE.format("  if (i == 60) y[i] = 0;"),
    "writes_its_input": HERE.format("  if (i == 3) ((float*)x)[3] = 0;"),
    "faults": HERE.format("  device_failed = true;"),
    "dies": HERE.format("  abort();"),
    "never_ends": HERE.format('  for (;;) __asm__ volatile("");'),
    "is_refused": HERE.format("#error refused"),
}
COUNT = 64


def job(name: str, body: str) -> Any:
    """A kernel of one block that leaves its last elements alone."""
    params = (
        Tensor("x", (COUNT,)),
        Tensor("y", (COUNT,), intent="out"),
        Tensor("seen", (COUNT,), "int32", "inout"),
        Scalar("a", "float32", 1.5),
        Scalar("n", "int64", 60),
    )
    text = SCALE.format(body)
    kernel = Kernel(text, "cuda", "scale", params, Launch((2,), (32,)), filename="kernel.cu")
    inputs = {
        "x": np.linspace(-1, 1, COUNT, dtype=np.float32),
        "y": packing.inputs_for(kernel)["y"],
        "seen": np.arange(COUNT, dtype=np.int32),
    }
    return packing.Job(name, kernel, text, inputs, True)


def wrong_job() -> Any:
    cases = dict(packing.cases())
    return cases["finding_a_reversal_through_shared_memory_1"]()


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu") / "pack"
    chosen: list[tuple[str, Callable[[], Any]]] = [
        (name, partial(job, name, body)) for name, body in BODIES.items()
    ]
    made = packing.write(folder, [*chosen, ("wrong", lambda: _renamed(wrong_job(), "wrong"))])
    assert made == {"kernels": [*BODIES, "wrong"], "left_out": {}}
    return folder


def _renamed(one: Any, name: str) -> Any:
    return packing.Job(name, one.kernel, one.text, one.inputs, one.correct)


def _executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs: nvcc, nvidia-smi and compute-sanitizer."""
    folder = tmp_path_factory.mktemp("bin")
    compiler = f"{shlex.join(find_compiler())} -std=c++17 -x c++ -w -I{shlex.quote(str(STAND_IN))}"
    drop = (
        'for a in "$@"; do case $a in -arch=*|-fmad=*|-lineinfo) ;; *) set -- "$@" "$a" ;; esac; '
    )
    _executable(
        folder / "nvcc",
        '[ "$1" = --version ] && { echo "release 99.1, V99.1"; exit 0; }\n'
        f'{drop}shift; done\nexec {compiler} "$@"',
    )
    _executable(folder / "nvidia-smi", "echo 'NVIDIA Stand-in, 580.1, 9.0'")
    _executable(
        folder / "compute-sanitizer",
        '[ "$1" = --version ] && { echo "Version 2099.1"; exit 0; }\n'
        'tool=$2; shift 4; "$@" >/dev/null || exit $?\n'
        '[ -f "said.$tool" ] && { cat "said.$tool"; exit 0; }\n'
        'echo "========= ERROR SUMMARY: 0 errors"',
    )
    return folder


def run(pack: Path, machine: Path, *options: str, code: int | None = 0, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, str(pack / "run_on_gpu.py"), "--jobs", "2", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{machine}:/usr/bin:/bin", **env},
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done.stdout


RACE = """========= COMPUTE-SANITIZER
========= Error: Race reported between Write access at k(const float *, float *)+0x70 in kernel.cu:3
=========     and Read access at k(const float *, float *)+0x90 in kernel.cu:5 [64 hazards]
=========
========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)
"""


@pytest.fixture(scope="module")
def results(pack: Path, machine: Path) -> dict[str, Any]:
    (pack / "kernels" / "wrong" / "said.racecheck").write_text(RACE)
    (pack / "kernels" / "right" / "said.memcheck").write_text(
        "========= Invalid __global__ read of size 4 bytes\n=========     at scale+0x10 in "
        "kernel.cu:5\n========= ERROR SUMMARY: 1 error\n"
    )
    (pack / "kernels" / "right" / "said.initcheck").write_text("Device not supported\n")
    said = run(pack, machine, "--kernel-seconds", "3", "--tool-seconds", "5", "--seconds", "300")
    assert "complete" in said
    return json.loads((pack / "results.json").read_text())


@pytest.mark.parametrize(
    ("name", "verdict", "detail"),
    [
        ("right", "agrees", ""),
        ("within_bounds", "agrees", ""),
        ("other_value", "differs", "1 of 64 elements of 'y' differ; first y[7]: emulator"),
        ("other_integer", "differs", "first seen[9]: emulator 10, GPU 0"),
        ("untouched_is_touched", "differs", "first y[60]: emulator nan, GPU 0.0"),
        ("writes_its_input", "differs", "'x', an input, was written"),
        ("faults", "fault", "the kernel: an illegal memory access"),
        ("dies", "fault", "exit code -6"),
        ("never_ends", "hang", "more than 3 s"),
    ],
)
def test_values(results: dict[str, Any], name: str, verdict: str, detail: str) -> None:
    record = results["kernels"][name]
    assert record["compile"] == {"sm_90": ""}
    assert record["values"]["verdict"] == verdict
    assert detail in record["values"].get("detail", "")


def test_errors_are_fractions_of_bounds(results: dict[str, Any]) -> None:
    assert results["kernels"]["right"]["values"]["worst"] == 0
    assert 0 < results["kernels"]["within_bounds"]["values"]["worst"] < 1


def test_a_text_that_the_compiler_refuses(results: dict[str, Any]) -> None:
    record = results["kernels"]["is_refused"]
    assert "refused" in record["compile"]["sm_90"]
    assert "values" not in record and record["tools"] == {}


def test_tools(results: dict[str, Any]) -> None:
    tools = results["kernels"]["right"]["tools"]
    assert tools["memcheck"]["verdict"] == "found" and tools["memcheck"]["lines"] == [5]
    assert tools["racecheck"]["verdict"] == "silent"
    assert tools["initcheck"]["verdict"] == "none"
    assert "Device not supported" in tools["initcheck"]["log"]
    assert results["kernels"]["never_ends"]["tools"]["memcheck"]["detail"] == "more than 5 s"
    race = results["kernels"]["wrong"]["tools"]["racecheck"]
    assert (race["verdict"], race["count"], race["lines"]) == ("found", 1, [3, 5])
    assert "values" not in results["kernels"]["wrong"], "a wrong kernel has no right values"


def test_the_machine_is_named(results: dict[str, Any]) -> None:
    assert results["machine"] == {
        "device": "NVIDIA Stand-in",
        "driver": "580.1",
        "arch": "sm_90",
        "compiler": "nvcc, release 99.1, V99.1",
        "sanitizer": "2099.1",
    }


def test_a_second_call_goes_on(pack: Path, machine: Path, results: dict[str, Any]) -> None:
    path = pack / "results.json"
    before = path.read_bytes()
    assert "complete" in run(pack, machine)
    assert path.read_bytes() == before, "nothing was left to do"
    partial_results = json.loads(before)
    del partial_results["kernels"]["right"]["values"]
    partial_results["kernels"]["other_value"]["key"] = "of an earlier pack"
    path.write_text(json.dumps(partial_results))
    run(pack, machine)
    again = json.loads(path.read_bytes())["kernels"]
    assert again["right"]["values"]["verdict"] == "agrees"
    assert again["other_value"]["values"]["verdict"] == "differs"
    path.write_bytes(before)


def test_what_there_is_no_time_for_is_left(pack: Path, machine: Path, tmp_path: Path) -> None:
    elsewhere = ("--results", str(tmp_path / "results.json"))
    said = run(pack, machine, "--seconds", "0", "--only", "right", *elsewhere, code=1)
    assert "6 steps are left: call again" in said


def test_without_a_gpu_it_says_so(pack: Path, tmp_path: Path) -> None:
    said = run(pack, tmp_path, "--nvcc", "nvcc", code=2)
    assert "no GPU here" in said


def test_compiling_needs_no_gpu(pack: Path, machine: Path, tmp_path: Path) -> None:
    shutil.copy(machine / "nvcc", tmp_path / "nvcc")
    options = ("--compile-only", "--arch", "sm_80,sm_90", "--only", "right,is_refused")
    said = run(pack, tmp_path, *options, "--results", str(tmp_path / "results.json"))
    assert "is_refused: refused for sm_80" in said
    assert "2 kernels, 1 compile" in said


# ---------------------------------------------------------------- without nvcc


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment in which NVRTC and the driver are stand-ins."""
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libcuda.so.1"
    command = [*find_compiler(), "-std=c++17", "-shared", "-fPIC", "-w"]
    subprocess.run([*command, str(STAND_IN / "driver.cc"), "-o", str(library)], check=True)
    for version in ("12", "13"):
        shutil.copy(library, folder / f"libnvrtc.so.{version}")
    compiler = f"{shlex.join(find_compiler())} -std=c++17 -w -I{shlex.quote(str(STAND_IN))}"
    return {"LD_LIBRARY_PATH": str(folder), "STAND_IN_COMPILER": compiler}


def test_nvrtc_and_the_driver_do_as_well(
    pack: Path, machine: Path, driver: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    only = "right,within_bounds,other_value,dies,is_refused"
    options = ("--nvcc", "", "--only", only, "--results", str(path))
    run(pack, machine, *options, **driver)
    found = json.loads(path.read_text())
    assert found["machine"]["compiler"] == "NVRTC"
    kernels = found["kernels"]
    verdicts = {name: one["values"]["verdict"] for name, one in kernels.items() if "values" in one}
    assert verdicts == {
        "right": "agrees",
        "within_bounds": "agrees",
        "other_value": "differs",
        "dies": "fault",
    }
    assert "refused by the stand-in" in kernels["is_refused"]["compile"]["sm_90"]
    assert kernels["other_value"]["tools"]["racecheck"]["verdict"] == "silent"


def test_a_fault_that_the_driver_reports(
    pack: Path, machine: Path, driver: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    options = ("--nvcc", "", "--sanitizer", "", "--only", "right", "--results", str(path))
    run(pack, machine, *options, STAND_IN_FAULT="1", **driver)
    values = json.loads(path.read_text())["kernels"]["right"]["values"]
    assert values == {"verdict": "fault", "detail": "cuCtxSynchronize: an illegal memory access"}


@pytest.mark.parametrize(
    ("dtype", "value", "raw"),
    [
        ("int32", -2, b"\xfe\xff\xff\xff"),
        ("bool", 1, b"\1"),
        ("float16", 1.5, b"\x00\x3e"),
        ("bfloat16", 1.5, b"\xc0\x3f"),
        ("bfloat16", 1.0 + 2**-8 + 2**-9, b"\x81\x3f"),
        ("uint64", 2**64 - 1, b"\xff" * 8),
    ],
)
def test_scalars_as_bytes(dtype: str, value: float, raw: bytes) -> None:
    assert nvrtc.scalar_bytes(dtype, value) == raw


# ---------------------------------------------------------------- the pack


def test_expected_findings_travel(pack: Path) -> None:
    about = json.loads((pack / "kernels" / "wrong" / "kernel.json").read_text())
    race = next(one for one in about["expected"] if one["kind"] == "race")
    assert race["variable"] == "s" and {race["line"], race["other"]} <= {3, 4, 5}
    assert not about["correct"]
    with np.load(pack / "kernels" / "wrong" / "arrays.npz") as arrays:
        assert set(arrays) == {"in.x", "in.y"}


def test_bounds_mark_what_stays(pack: Path) -> None:
    with np.load(pack / "kernels" / "right" / "arrays.npz") as arrays:
        assert (arrays["bound.y"][60:] == -1).all() and (arrays["bound.y"][:60] > 0).all()
        assert "bound.seen" not in arrays
        np.testing.assert_array_equal(arrays["out.seen"] - arrays["in.seen"], np.arange(64) < 60)


def test_a_launcher_has_the_emulators_values() -> None:
    params = (
        Tensor("x", (3, 5), "float16", "inout"),
        Scalar("least", "int64", -(2**63)),
        Scalar("eps", "float32", 1e-5),
        Scalar("on", "bool", 1),
        Scalar("top", "float64", float("-inf")),
    )
    kernel = Kernel("", "cuda", "f<float, 2>", params, Launch((3, 2), (16, 16), 512))
    text = packing.launcher_text(kernel)
    assert "{30, true, true, nullptr},  // x" in text
    assert "host::launch(f<float, 2>, dim3(3, 2, 1), dim3(16, 16, 1), 512, arrays[0]," in text
    assert "(int64_t)(-9223372036854775807ll - 1)" in text or "(long long)(-9223" in text
    assert f"(float){(1e-5).hex()}" in text and "(bool)true" in text and "(double)-INFINITY" in text


def test_the_corpus_has_right_and_wrong_texts() -> None:
    made = dict(packing.cases())
    right, wrong = made["finding_a_tree_0"](), made["finding_a_tree_1"]()
    assert right.correct and not wrong.correct and right.text != wrong.text
    with pytest.raises(packing.LeftOut, match="hip is not for this device"):
        made["finding_HIP_waves_0"]()


def test_includes_come_back_on_their_lines() -> None:
    path = ROOT / "tests" / "kernels" / "hadd_half.cu"
    source = path.read_text().split("\n")
    text = packing.from_file(path).text.split("\n")
    assert text[1] == source[1] == "#include <cuda_fp16.h>"
    assert len(text) == len(source)
    assert "int main" not in "\n".join(text)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit, match="no pack"):
        packing.write(tmp_path, [])
    assert (tmp_path / "thesis.txt").exists()


@pytest.mark.skipif(not shutil.which("nvcc"), reason="no nvcc here")
def test_nvcc_takes_a_pack(pack: Path, tmp_path: Path) -> None:
    options = ("--compile-only", "--arch", "sm_90", "--only", "right,wrong")
    said = run(
        pack, Path(str(shutil.which("nvcc"))).parent, *options, "--results", str(tmp_path / "r")
    )
    assert "2 kernels, 2 compile" in said


# ---------------------------------------------------------------- the page


def test_the_page_says_that_nothing_is_compared() -> None:
    page = ROOT / "docs" / "emulator-vs-gpu.md"
    assert page.read_text() == reporting.document(Path("there is no such file"))
    assert "No GPU has been compared yet" in page.read_text()


def test_compiling_alone_compares_nothing(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"machine": {"device": ""}, "kernels": {}}))
    assert "No GPU has been compared yet" in reporting.document(path)


def test_the_page_of_a_comparison(pack: Path, results: dict[str, Any]) -> None:
    assert reporting.agreement(results["kernels"]["wrong"], "racecheck") == "both find"
    page = reporting.document(pack / "results.json")
    rows = [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in page.splitlines()]
    assert ("device", "NVIDIA Stand-in (sm_90)") in rows
    assert ("agrees", "2") in rows and ("differs", "4") in rows and ("fault", "2") in rows
    assert ("refused by the compiler", "1") in rows and ("hang", "1") in rows
    assert any(row[:2] == ("other_integer", "differs") and "seen[9]" in row[2] for row in rows)
    assert ("right", "memcheck", "only the tool finds", "nothing", "5") in rows
    assert ("right", "initcheck", "no verdict", "nothing", "no summary") in rows


def test_agreement_of_findings() -> None:
    def record(kind: str, variable: str, **answers: str) -> dict[str, Any]:
        expected = [{"kind": kind, "variable": variable, "line": 4, "message": ""}]
        tools = {tool: {"verdict": verdict} for tool, verdict in answers.items()}
        return {"arrays": ["x", "y"], "expected": expected, "tools": tools}

    shared = record("race", "s", racecheck="found", memcheck="silent", initcheck="none")
    assert reporting.agreement(shared, "racecheck") == "both find"
    assert reporting.agreement(shared, "memcheck") == "both are silent"
    assert reporting.agreement(shared, "initcheck") == "no verdict"
    assert reporting.agreement(shared, "synccheck") == "no verdict"
    missed = record("out of bounds", "y", memcheck="silent", racecheck="found")
    assert reporting.agreement(missed, "memcheck") == "only the emulator finds"
    assert reporting.agreement(missed, "racecheck") == "only the tool finds"
    # racecheck does not look at global memory, nor initcheck at shared memory
    assert reporting.agreement(record("race", "y", racecheck="silent"), "racecheck") == (
        "both are silent"
    )
    in_shared = record("uninitialised read", "s", initcheck="silent")
    assert reporting.agreement(in_shared, "initcheck") == "both are silent"
    in_global = record("uninitialised read", "y", initcheck="silent")
    assert reporting.agreement(in_global, "initcheck") == "only the emulator finds"
