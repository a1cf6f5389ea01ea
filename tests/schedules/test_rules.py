"""Every program on every target: the rule that is meant for it, and the values it computes."""

from __future__ import annotations

import pytest

from xpiler_tvm import schedules, targets
from xpiler_tvm.schedules.base import unbind

from .programs import PROGRAMS
from .running import check_module, check_text, source_kernel

GPU_RULES = {
    "vector_add_prime": "gpu.elementwise",
    "vector_add_small": "gpu.elementwise",
    "gelu": "gpu.elementwise",
    "softmax": "gpu.rows",
    "softmax_long": "gpu.rows",
    "softmax_short": "gpu.threads",
    "softmax_prime": "gpu.rows",
    "layernorm": "gpu.rows",
    "gemm": "gpu.matmul",
    "gemm_odd": "gpu.matmul",
    "gemm_f16": "gpu.tensor_cores",
    "gemm_int8": "gpu.tensor_cores",
    "gemm_vnni": "gpu.matmul",
    "gemm_thin": "gpu.rows",
    "dense_relu": "gpu.matmul",
    "batched_gemm": "gpu.matmul",
    "bmm_tall": "gpu.matmul",
    "gemv": "gpu.rows",
    "conv2d": "gpu.matmul",
    "stencil": "gpu.elementwise",
    "transpose": "gpu.transpose",
    "transpose_3d": "gpu.transpose",
    "transpose_201": "gpu.transpose",
    "maxpool": "gpu.rows",
    "avgpool": "gpu.threads",
    "column_sum": "gpu.rows",
    "column_sum_prime": "gpu.threads",
    "column_center": "gpu.rows",
    "prefix_columns": "gpu.threads",
    "full_sum": "gpu.rows",
    "normalize_vector": "gpu.rows",
    "attention": "gpu.rows",
    "two_outputs": "gpu.elementwise",
    "concat": "gpu.elementwise",
    "halves": "gpu.elementwise",
    "opaque": "gpu.threads",
    "opaque_scratch": "gpu.threads",
    "sequential": "gpu.threads",
    "saxpy": "gpu.elementwise",
    "flat_rows": "gpu.rows",
    "shared_loop": "gpu.rows",
    "kept_mean": "gpu.threads",
    "overwritten": "gpu.threads",
    "gemm_update": "gpu.matmul",
    "momentum": "gpu.threads",
    "rotated": "gpu.threads",
    "gemm_parts": "gpu.matmul",
    "causal": "gpu.rows",
    "halo": "gpu.threads",
    "with_tail": "gpu.elementwise",
    "gemm_steps": "gpu.matmul",
    "total_beside": "gpu.rows",
    "by_digits": "gpu.rows",
}

HIP_MATRICES = (
    "gemm",
    "gemm_odd",
    "dense_relu",
    "batched_gemm",
    "bmm_tall",
    "conv2d",
    "gemm_update",
    "gemm_parts",
)
"""Products of single precision, which AMD's matrix instructions do too."""

CUDA_MATRICES = ("gemm_vnni",)
"""Products of an unsigned and a signed byte, which NVIDIA's instructions do too."""

BANG_RULES = {
    "vector_add_prime": "bang.flat",
    "vector_add_small": "bang.flat",
    "gelu": "bang.flat",
    "gemm": "bang.matmul",
    "gemm_odd": "bang.matmul",
    "gemm_f16": "bang.matrix",
    "gemm_int8": "bang.matrix",
    "gemm_vnni": "bang.matrix",
    "gemm_thin": "bang.matmul",
    "dense_relu": "bang.matmul",
    "batched_gemm": "bang.matmul",
    "bmm_tall": "bang.matmul",
    "conv2d": "bang.windows",
    "two_outputs": "bang.flat",
    "concat": "bang.flat",
    "halves": "bang.flat",
    "saxpy": "bang.flat",
    "gemm_update": "bang.matmul",
    "gemm_parts": "bang.matmul",
    "with_tail": "bang.flat",
    "gemm_steps": "bang.matmul",
    "transpose": "bang.transpose",
    "transpose_3d": "bang.transpose",
    "transpose_201": "bang.transpose",
}
"""All others go to `bang.rows`."""

CPU_RULES = {
    "by_digits": "cpu.stages",
    "transpose": "cpu.transpose",
    "transpose_3d": "cpu.transpose",
    "transpose_201": "cpu.transpose",
    "gemm": "cpu.matmul",
    "gemm_odd": "cpu.matmul",
    "gemm_f16": "cpu.matmul",
    "gemm_int8": "cpu.vnni",
    "gemm_vnni": "cpu.vnni",
    "gemm_thin": "cpu.matmul",
    "dense_relu": "cpu.matmul",
    "batched_gemm": "cpu.matmul",
    "bmm_tall": "cpu.matmul",
    "conv2d": "cpu.matmul",
    "maxpool": "cpu.windows",
    "avgpool": "cpu.windows",
    "normalize_vector": "cpu.stages",
    "concat": "cpu.stages",
    "sequential": "cpu.stages",
    "rotated": "cpu.stages",
    "gemm_update": "cpu.matmul",
    "gemm_parts": "cpu.matmul",
    "gemm_steps": "cpu.matmul",
}


def test_every_program_has_its_rule() -> None:
    assert set(GPU_RULES) == set(PROGRAMS)


@pytest.mark.parametrize("target", ["cuda", "hip"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_gpu(name: str, target: str) -> None:
    program = PROGRAMS[name]()
    scheduled = schedules.apply(program.mod, target)
    matrices = name in (HIP_MATRICES if target == "hip" else CUDA_MATRICES)
    assert scheduled.rule == ("gpu.tensor_cores" if matrices else GPU_RULES[name])
    assert all(reason for _, reason in scheduled.declined)
    check_module(unbind(scheduled.mod), program)
    emitted = targets.get(target).emit(scheduled.mod, source_kernel(program, name))
    assert emitted.kernel is not None
    check_text(emitted.kernel, program)


@pytest.mark.parametrize("name", PROGRAMS)
def test_bang(name: str) -> None:
    program = PROGRAMS[name]()
    scheduled = schedules.apply(program.mod, "bang")
    assert scheduled.rule == BANG_RULES.get(name, "bang.rows")
    check_module(unbind(scheduled.mod), program)
    emitted = targets.get("bang").emit(scheduled.mod, source_kernel(program, name))
    assert emitted.kernel is not None
    check_text(emitted.kernel, program)


@pytest.mark.parametrize("name", PROGRAMS)
def test_cpu(name: str) -> None:
    program = PROGRAMS[name]()
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == CPU_RULES.get(name, "cpu.rows")
    if scheduled.rule == "cpu.vnni" and _lacks_vnni():
        pytest.skip("this CPU has no vpdpbusd")
    check_module(scheduled.mod, program, None if _lacks_vnni() else "cascadelake")


def _lacks_vnni() -> bool:
    from xpiler_tvm.processor import missing_features

    return bool(missing_features("cascadelake"))


def test_the_trace_says_what_was_done() -> None:
    scheduled = schedules.apply(PROGRAMS["softmax"]().mod, "cuda")
    text = str(scheduled.trace)
    assert "sch.bind(" in text and "sch.merge(" in text


def test_the_input_stays_as_it_is() -> None:
    mod = PROGRAMS["gemm_odd"]().mod
    before = mod.script()
    schedules.apply(mod, "cuda")
    schedules.apply(mod, "vnni")
    assert mod.script() == before
