"""CPUs with less than AVX512-VNNI: code without what they lack, which runs and is right."""

from __future__ import annotations

import pytest

from xpiler_tvm import schedules, targets
from xpiler_tvm.errors import ReadError
from xpiler_tvm.processor import FEATURES, missing_features

from .programs import PROGRAMS
from .running import check_module, source_kernel


@pytest.mark.parametrize("mcpu", ["x86-64", "haswell", "skylake-avx512"])
@pytest.mark.parametrize("name", ["gemm_vnni", "gemm_int8", "conv2d", "softmax"])
def test_no_instruction_that_is_missing(name: str, mcpu: str) -> None:
    target, program = f"vnni:{mcpu}", PROGRAMS[name]()
    scheduled = schedules.apply(program.mod, target)
    assert scheduled.rule == ("cpu.rows" if name == "softmax" else "cpu.matmul")
    assert "no dot products" in dict(scheduled.declined)["cpu.vnni"]
    emitted = targets.get(target).emit(scheduled.mod, source_kernel(program, name))
    registers = {register for register in ("ymm", "zmm") if register in emitted.text}
    allowed = {"ymm": "avx2", "zmm": "avx512f"}
    assert all(allowed[register] in FEATURES[mcpu] for register in registers)
    assert "vpdpbusd" not in emitted.text
    if not missing_features(mcpu):
        check_module(scheduled.mod, program, mcpu)


def test_a_processor_that_is_not_known() -> None:
    with pytest.raises(ReadError) as error:
        targets.get("vnni:pdp11")
    assert error.value.code == "XP1012"
    assert "haswell" in str(error.value.hint)
