"""Rows: several at a time in one vector, and which of several schedules the model picks."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from codegen import programs
from codegen.running import check_values, device_part

from xpiler_tvm import targets, tir
from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.emulation import find_faults
from xpiler_tvm.kernel import Kernel, Tensor
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.bang_rows import PLANS, Plan, Rows
from xpiler_tvm.schedules.base import Declined, first_applicable

ARCH = ARCHS["mtp_592"]


def modelled(program: programs.Program):
    """The program as the target schedules it, with the model's choices."""
    chosen, accept = targets.get("bang").schedule_rules()
    return emit_bang(first_applicable(chosen, program.mod, accept).mod, program.kernel)


PROGRAMS = {
    "rows in one copy": lambda: programs.layernorm(96 * 32, 16),
    "windows of a whole row": lambda: programs.maxpool(2, 24, 24, 64),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_model_picks_what_costs_less(name):
    program = PROGRAMS[name]()
    plain = emit_bang(first_applicable(rules(ARCH), program.mod).mod, program.kernel)
    printed = modelled(program)
    assert printed.estimate.seconds < plain.estimate.seconds
    check_values(printed.kernel, program, 6e-6)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_every_plan_is_right_or_declined(plan):
    program = programs.layernorm(96, 200)
    schedule = Rows(ARCH)._schedule(program.mod, plan)
    if isinstance(schedule, Declined):
        # There is one shared axis only, and memory runs along all rows.
        assert plan.inside or plan.turned
        return
    printed = emit_bang(schedule.mod, program.kernel)
    check_values(printed.kernel, program, 6e-6)


def test_rows_of_a_batch_are_stored_by_their_own_task():
    # 11 rows a task do not divide into equal batches of more than one row.
    program = programs.layernorm(11 * 48, 200)
    schedule = Rows(ARCH)._schedule(program.mod, Plan(everything=True, batched=True))
    assert not isinstance(schedule, Declined)
    printed = emit_bang(schedule.mod, program.kernel)
    arrays = {k: v for k, v in program.inputs().items() if isinstance(v, np.ndarray)}
    run = find_faults(printed.kernel, arrays, text=device_part(printed.kernel))
    assert not run.findings


def gathered(places: int = 64, each: int = 1024, table: int = 131072) -> programs.Program:
    """Pairs of rows of a large table, by indices that a stage of its own makes of others."""
    func = tvm.script.from_source(
        f"""
@T.prim_func(s_tir=True)
def main(I: T.Buffer(({places * each},), "int32"), V: T.Buffer(({table}, 2), "float32"),
         O: T.Buffer(({places}, {each}, 2), "float32")):
    K = T.sblock_alloc_buffer(({places * each},), "int32")
    for k in range({places * each}):
        with T.sblock("K"):
            vk = T.axis.spatial({places * each}, k)
            T.sblock_attr({{"{tir.KEPT}": 1}})
            K[vk] = I[vk] % 1000 + 1000
    for i, j, c, r in T.grid({places}, {each}, 2, 2):
        with T.sblock("O"):
            vi, vj, vc, vr = T.axis.remap("SSSR", [i, j, c, r])
            with T.init():
                O[vi, vj, vc] = T.float32(0)
            O[vi, vj, vc] = O[vi, vj, vc] + V[K[vi * {each} + vj] + vr, vc]
"""
    )
    mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})

    def reference(values: programs.Arrays) -> programs.Arrays:
        first = values["I"] % 1000 + 1000
        table_ = values["V"].astype("float64")
        return {"O": (table_[first] + table_[first + 1]).reshape(places, each, 2)}

    params = (
        Tensor("I", (places * each,), "int32", "in"),
        Tensor("V", (table, 2), "float32", "in"),
        Tensor("O", (places, each, 2), "float32", "out"),
    )
    kernel = Kernel("", "cuda", "gathered", params, filename="gathered.cu")
    return programs.Program("gathered", mod, kernel, reference)


def test_what_keeps_stages_from_sharing_axes_is_inlined_where_no_row_fits():
    program = gathered()
    scheduled = first_applicable(rules(ARCH), program.mod)
    assert scheduled.rule == "bang.rows"
    printed = emit_bang(scheduled.mod, program.kernel)
    assert "V_nram" not in printed.text  # of the table no task has a part of its own
    check_values(printed.kernel, program, 1e-6)
