"""What stands in TVM's own registries for our schedule rules; `xpiler_tvm.backend` puts it there.

tvm.compile(mod, target, relax_pipeline="xpiler")        Relax's pipelines
T.sblock_attr({"schedule_rule": "xpiler"})               MetaSchedule's rules of a block
"""

from __future__ import annotations

import tvm
from tvm import relax, s_tir
from tvm.s_tir import dlight
from tvm.target import Target

from xpiler_tvm import schedules
from xpiler_tvm.errors import ScheduleError

from .dlight import DefaultSchedule, name_of


def pipeline() -> tvm.transform.Pass:
    """Operators to functions, fused; records of a database in scope; our rules; TVM's own build.

    A function that none of our rules takes is scheduled by dlight's fallback on devices with
    threads, and stays as it is on a CPU.
    """

    @tvm.transform.module_pass(opt_level=0, name="xpiler")
    def passes(mod: tvm.IRModule, _: tvm.transform.PassContext) -> tvm.IRModule:
        target = Target.current(allow_none=True)
        mod = relax.get_pipeline("zero")(mod)
        if target is not None:
            rest = [dlight.gpu.Fallback()] if "gpu" in target.keys else []
            mod = dlight.ApplyDefaultSchedule(DefaultSchedule(), *rest)(mod)
        return relax.get_pipeline("default")(mod)

    return passes


def rule(target: str, sch: s_tir.Schedule, _: s_tir.schedule.SBlockRV) -> list[s_tir.Schedule]:
    """The schedule of our rules as MetaSchedule's candidate for a program with a marked block.

    It is for the whole program, so that it is made when the first marked block is visited. The
    schedule stays as it was where no rule applies, or where one starts from another form of the
    program than MetaSchedule has. `target` is ours that goes by
    the key of MetaSchedule's; one in scope says more.
    """
    if any(not step.kind.is_pure for step in sch.trace.insts):
        return [sch]
    try:
        made = schedules.apply(sch.mod, name_of(Target.current(allow_none=True)) or target)
        following = sch.copy()
        made.trace.apply_to_schedule(following, remove_postproc=False)
    except (ScheduleError, RuntimeError, ValueError, TypeError):
        return [sch]
    return [following]
