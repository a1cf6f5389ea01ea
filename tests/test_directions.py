"""What is emitted reads back: source to target to source, every dialect to every other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

import xpiler_tvm as xt
from xpiler_tvm import frontends
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.kernel import DIALECTS, Dialect
from xpiler_tvm.oracles import check_module
from xpiler_tvm.targets import TARGETS

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))
from corpus import entries

DIRECTIONS = [(a, b) for a in DIALECTS for b in DIALECTS if a != b]


@lru_cache(maxsize=len(DIALECTS))
def lifted(dialect: Dialect) -> xt.Lifted:
    found = entries(dialect, operators={"softmax"})
    return xt.lift(found[0].cheapest().kernel)


@pytest.mark.parametrize(
    ("source", "target"), DIRECTIONS, ids=["-".join(one) for one in DIRECTIONS]
)
def test_a_file_with_a_main_reads_back_to_an_equal_program(
    source: Dialect, target: Dialect
) -> None:
    """Launch, sizes and directions come from the main alone, as of a file by anyone."""
    first = lifted(source)
    result = xt.transcompile(first, target, main=True)
    assert result.kernel is not None
    assert result.source == result.kernel.source and "int main(void)" in result.source
    read = result.kernel
    if target != "vnni":  # C has no launch that a host could tell shapes by
        read = xt.Kernel.from_source(result.source, target)
    assert [(one.name, one.size, one.dtype) for one in read.tensors] == [
        (one.name, one.size, one.dtype) for one in first.kernel.tensors
    ]
    for found, emitted in zip(read.tensors, result.kernel.tensors, strict=True):
        assert found.written == emitted.written
    program = to_module(frontends.read(read).program)
    check = check_module("read = source", program, first.kernel, first.trials)
    assert check.verdict == "tested", check.detail


def test_gcc_takes_the_file_as_it_stands_and_its_main_runs(tmp_path: Path) -> None:
    source = xt.transcompile(lifted("cuda"), "vnni", main=True).source
    file = tmp_path / "softmax.c"
    file.write_text(source)
    command = ["g++", "-O2", "-Wall", "-Werror", "-Wno-unknown-pragmas"]
    subprocess.run([*command, "-o", str(tmp_path / "run"), str(file)], check=True)
    said = subprocess.run([tmp_path / "run"], check=True, capture_output=True, text=True).stdout
    name, _, value = said.partition(" ")
    assert name == "y" and float(value) > 0, "rows that sum to one"


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc here")
def test_nvcc_takes_the_file_as_it_stands(tmp_path: Path) -> None:
    source = xt.transcompile(lifted("hip"), "cuda", main=True).source
    file = tmp_path / "softmax.cu"
    file.write_text(source)
    command = TARGETS["cuda"].compiler.command_for(file, "sm_80")
    subprocess.run(command, check=True, capture_output=True)


def test_launchers_say_what_went_wrong() -> None:
    for target, words in (
        ("cuda", ("cudaError_t launch_", "return cudaGetLastError();")),
        ("hip", ("hipError_t launch_", "return hipGetLastError();")),
        ("bang", ("cnrtRet_t launch_", "return cnrtGetLastError();")),
    ):
        source = xt.transcompile(lifted("vnni"), target).source
        assert all(word in source for word in words)
        assert "int main" not in source
