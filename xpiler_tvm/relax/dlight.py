"""Our schedule rules in TVM's own pass for rules, `dlight.ApplyDefaultSchedule`."""

from __future__ import annotations

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.dlight.base import ScheduleRule
from tvm.target import Target

from xpiler_tvm import schedules
from xpiler_tvm.errors import ScheduleError


class DefaultSchedule(ScheduleRule):
    """The rules of a target of ours, `"vnni"`, `"cuda"`, `"hip"` or `"bang"`, as one of dlight's.

        with Target("llvm"):
            mod = dl.ApplyDefaultSchedule(xt.relax.DefaultSchedule("vnni"))(mod)

    It declines what none of them takes, and what they would only take with other parameters.
    """

    def __init__(self, target: str) -> None:
        self.target = target

    def apply(self, func: tirx.PrimFunc, target: Target, tunable: bool) -> s_tir.Schedule | None:
        mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
        try:
            scheduled = schedules.apply(mod, self.target).mod
        except ScheduleError:
            return None
        if not _same_parameters(func, scheduled["main"]):
            return None
        main = scheduled["main"].without_attr("global_symbol")
        if func.attrs:
            main = main.with_attrs(dict(func.attrs))
        return s_tir.Schedule(tvm.IRModule({"main": main}), error_render_level="fast")


def _same_parameters(one: tirx.PrimFunc, other: tirx.PrimFunc) -> bool:
    if len(one.params) != len(other.params):
        return False
    return all(str(a.ty) == str(b.ty) for a, b in zip(one.params, other.params, strict=True))
