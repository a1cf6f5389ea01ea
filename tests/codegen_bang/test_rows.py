"""Rows: several at a time in one vector, and which of several schedules the model picks."""

from __future__ import annotations

import numpy as np
import pytest
from codegen import programs
from codegen.running import check_values, device_part

from xpiler_tvm import targets
from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.emulation import find_faults
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
        assert plan.inside  # there is one shared axis only
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
