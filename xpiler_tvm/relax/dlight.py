"""Our schedule rules in TVM's own pass for rules, `dlight.ApplyDefaultSchedule`."""

from __future__ import annotations

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.dlight.base import ScheduleRule
from tvm.target import Target

from xpiler_tvm import schedules
from xpiler_tvm.errors import ReadError, ScheduleError
from xpiler_tvm.targets import get


class DefaultSchedule(ScheduleRule):
    """The rules of a target of ours, `"vnni"`, `"cuda"`, `"hip"` or `"bang"`, as one of dlight's.

    Without a name they are those of TVM's target in scope.

        with Target("llvm"):
            mod = dl.ApplyDefaultSchedule(xt.relax.DefaultSchedule("vnni"))(mod)

    It declines what none of them takes, and what they would only take with other parameters.
    """

    def __init__(self, target: str = "") -> None:
        self.target = target

    def apply(self, func: tirx.PrimFunc, target: Target, tunable: bool) -> s_tir.Schedule | None:
        name = self.target or name_of(target)
        if name is None:
            return None
        mod = tvm.IRModule({"main": func.with_attr("global_symbol", "main")})
        try:
            scheduled = schedules.apply(mod, name).mod
        except ScheduleError:
            return None
        if not _same_parameters(func, scheduled["main"]):
            return None
        main = scheduled["main"].without_attr("global_symbol")
        if func.attrs:
            main = main.with_attrs(dict(func.attrs))
        return s_tir.Schedule(tvm.IRModule({"main": main}), error_render_level="fast")


def name_of(target: Target | None) -> str | None:
    """Our name for a target of TVM's; `None` where we have no rules for it."""
    if target is None:
        return None
    kind = str(target.kind.name)
    family = {"llvm": "vnni", "cuda": "cuda", "rocm": "hip"}.get(kind, "")
    if kind == "ext_dev":
        family = str(target.attrs.get("device", ""))
    device = str(target.attrs.get({"cuda": "arch"}.get(kind, "mcpu"), ""))
    name = f"{family}:{device}" if device else family
    try:
        return get(name).name
    except ReadError:
        return None


def _same_parameters(one: tirx.PrimFunc, other: tirx.PrimFunc) -> bool:
    if len(one.params) != len(other.params):
        return False
    return all(str(a.ty) == str(b.ty) for a, b in zip(one.params, other.params, strict=True))
