"""Assembly for AMD GPUs by TVM's own target."""

from __future__ import annotations

import pytest

from codegen import programs
from codegen.test_emit_hip import one_block_a_row
from xpiler_tvm import schedules
from xpiler_tvm.codegen.rocm import rocm_texts
from xpiler_tvm.errors import EmitError


def test_assembly_of_an_architecture():
    program = programs.softmax()
    texts = rocm_texts(one_block_a_row(program.mod).mod, program.kernel, "gfx90a")
    assert "gfx90a" in texts["asm"] and "softmax_kernel:" in texts["asm"]
    assert "global_store" in texts["asm"] and "define" in texts["ll"]


def test_matrix_instructions_have_no_form_there():
    program = programs.gemm()
    scheduled = schedules.apply(program.mod, "hip")
    assert scheduled.rule == "gpu.tensor_cores"
    with pytest.raises(EmitError) as caught:
        rocm_texts(scheduled.mod, program.kernel, "gfx90a")
    assert caught.value.code == "XP4001"
