"""Software pipelines: where they are printed, and what they compute."""

from __future__ import annotations

from codegen import programs
from codegen.golden import check_golden
from codegen.running import check_values

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.base import first_applicable

ARCH = ARCHS["mtp_372"]


def emitted(program: programs.Program):
    return emit_bang(first_applicable(rules(ARCH), program.mod).mod, program.kernel, ARCH.name)


def test_long_vectors_are_computed_while_others_move(request):
    program = programs.gelu(1 << 19, "tanh")
    printed = emitted(program)
    assert "__memcpy_async" in printed.text
    check_golden(request, "pipeline.mlu", printed.text)
    check_values(printed.kernel, program, 3e-6)


def test_copies_alone_are_not_overlapped():
    assert "__memcpy_async" not in emitted(programs.add(1 << 20)).text


def test_few_pieces_are_not_overlapped():
    assert "__memcpy_async" not in emitted(programs.gelu(100000, "tanh")).text
