"""BANG C: scheduled, printed, compared with golden files, and run against NumPy."""

from __future__ import annotations

import pytest
from codegen import programs
from codegen.golden import check_golden
from codegen.running import check_values
from tvm import s_tir

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.errors import EmitError, ReadError
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.base import Scheduled, first_applicable


def scheduled(program: programs.Program, arch: str = "mtp_592") -> Scheduled:
    return first_applicable(rules(ARCHS[arch]), program.mod)


def emitted(program: programs.Program, arch: str = "mtp_592") -> Kernel:
    return emit_bang(scheduled(program, arch).mod, program.kernel, arch)[1]


def tolerance(program: programs.Program) -> float:
    """Sums of signed terms cancel: their error is that of the terms, not of the sum."""
    return 2e-5 if program.name in ("gemm", "opaque") else 3e-6


EXPECTED_RULE = {
    "add": "bang.flat",
    "gelu_erf": "bang.flat",
    "gelu_tanh": "bang.flat",
    "gemm": "bang.matmul",
    "gemm_int8": "bang.matrix",
    "transpose": "bang.transpose",
}


@pytest.mark.parametrize("make", programs.ALL, ids=lambda make: make().name)
def test_values_and_text(make, request):
    program = make()
    assert scheduled(program).rule == EXPECTED_RULE.get(program.name, "bang.rows")
    kernel = emitted(program)
    check_golden(request, f"{program.name}.mlu", kernel.source)
    check_values(kernel, program, tolerance(program))


LARGE = {
    "add": lambda: programs.add(1000003),
    "gelu": lambda: programs.gelu(300001),
    "softmax": lambda: programs.softmax(5, 30000),
    "softmax_too_long_for_nram": lambda: programs.softmax(2, 70000),
    "layernorm": lambda: programs.layernorm(70, 1000),
    "gemm": lambda: programs.gemm(70, 600, 130),
    "stencil": lambda: programs.stencil(20, 20000),
    "transpose": lambda: programs.transpose(300, 129),
    "maxpool": lambda: programs.maxpool(1, 9, 9, 5000),
}


@pytest.mark.parametrize("name", LARGE)
def test_sizes_beyond_one_piece(name):
    program = LARGE[name]()
    check_values(emitted(program), program, 2 * tolerance(program))


@pytest.mark.parametrize(
    "make",
    [programs.softmax, programs.layernorm, programs.gelu],
    ids=["softmax", "layernorm", "gelu"],
)
def test_an_architecture_without_division(make):
    program = make()
    kernel = emitted(program, "mtp_372")
    assert "__bang_div" not in kernel.source
    assert "__bang_recip" in kernel.source
    check_values(kernel, program, 2e-6)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "int8", "uint8", "int32", "int64", "float64"]
)
def test_types(dtype):
    program = programs.add(3000, dtype)
    check_values(emitted(program), program, {"float16": 2e-3, "bfloat16": 8e-3}.get(dtype, 1e-6))


def test_half_precision_is_computed_in_single():
    program = programs.half_exp(100001)
    kernel = emitted(program)
    assert "__bang_half2float" in kernel.source
    assert "__bang_float2half_rn" in kernel.source
    check_values(kernel, program, 1e-3)


def test_whole_clusters_guard_the_memory_core():
    program = programs.add(48 * 1024)
    kernel = emitted(program)
    assert kernel.launch is not None
    assert (kernel.launch.tasks, kernel.launch.kind) == ((48, 1, 1), "union1")
    assert "if (__is_mpu()) return;" in kernel.source
    check_values(kernel, program, 1e-6)


def test_a_kernel_that_does_not_fit_into_nram():
    program = programs.softmax(2, 150000)
    sch = s_tir.Schedule(program.mod)
    sch.bind(sch.get_loops("y")[0], "blockIdx.x")
    for name in ("total", "e", "top"):
        sch.set_scope(name, 0, "local.nram")
        sch.compute_at(name, sch.get_loops("y")[0])
    with pytest.raises(EmitError) as caught:
        emit_bang(sch.mod, program.kernel)
    assert caught.value.code == "XP4002"
    assert "e_nram" in caught.value.message


def test_expressions_without_end_are_refused(monkeypatch):
    program = programs.gelu(5000)
    before = emitted(program).source
    monkeypatch.setattr("xpiler_tvm.codegen_bang.selection.MOST_OPERATIONS", 3)
    with pytest.raises(EmitError, match="too large to be made vectors of") as refusal:
        emitted(program)
    assert refusal.value.code == "XP4001"
    monkeypatch.undo()
    assert emitted(program).source == before


def test_loops_in_too_many_parts_are_scalar(monkeypatch):
    program = programs.stencil(20, 300)
    assert "scalar" not in " ".join(emit_bang(scheduled(program).mod, program.kernel).slow)
    monkeypatch.setattr("xpiler_tvm.codegen_bang.printer.MOST_PARTS", 2)
    printed = emit_bang(scheduled(program).mod, program.kernel)
    assert any("too many parts" in why for why in printed.slow)
    check_values(printed.kernel, program, 3e-6)


def test_an_unknown_architecture():
    program = programs.add(64)
    with pytest.raises(ReadError) as caught:
        emit_bang(scheduled(program).mod, program.kernel, "mtp_1")
    assert caught.value.code == "XP1012"


def test_a_thread_axis_is_refused():
    program = programs.add(64)
    sch = s_tir.Schedule(program.mod)
    sch.bind(sch.get_loops("z")[0], "threadIdx.x")
    with pytest.raises(EmitError) as caught:
        emit_bang(sch.mod, program.kernel)
    assert caught.value.code == "XP4001"
