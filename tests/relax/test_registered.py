"""Our schedule rules and records where TVM's own tools look for them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import tvm
from tvm import relax, s_tir
from tvm.s_tir import meta_schedule as ms
from tvm.target import Target
from tvm_ffi import structural_equal

import xpiler_tvm as xt
from xpiler_tvm import backend
from xpiler_tvm.relax.dlight import name_of
from xpiler_tvm.tuning.metaschedule import without_intrinsics

from .test_importing import run

MODEL = """
@I.ir_module
class Module:
    @R.function
    def main(x: R.Tensor((8, 32), "float32")):
        with R.dataflow():
            t = R.exp(x)
            y = R.call_dps_packed("rows", (t,), out_ty=R.Tensor((8, 32), "float32"))
            z = R.nn.softmax(R.add(y, R.const(1.0, "float32")))
            R.output(z)
        return z
"""
ROWS = """
__global__ void rows(const float *x, float *y) {
  float total = 0.0f;
  for (int k = 0; k < 32; ++k) total += x[blockIdx.x * 32 + k];
  y[blockIdx.x * 32 + threadIdx.x] = x[blockIdx.x * 32 + threadIdx.x] / total;
}
"""
MARKED = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((64, 128), "float32"), y: T.Buffer((64, 128), "float32")):
    for i, j in T.grid(64, 128):
        with T.sblock("y"):
            T.sblock_attr({"schedule_rule": "xpiler"})
            vi, vj = T.axis.remap("SS", [i, j])
            y[vi, vj] = x[vi, vj] + T.float32(1)
"""


@lru_cache
def rows() -> xt.Lifted:
    params = xt.Tensor("x", (8, 32)), xt.Tensor("y", (8, 32), intent="out")
    return xt.lift(xt.Kernel(ROWS, "cuda", "rows", params, xt.Launch((8,), (32,))))


@lru_cache
def model() -> tvm.IRModule:
    made = xt.relax.ReplaceKernels({"rows": rows()})(tvm.script.from_source(MODEL))
    return relax.transform.LegalizeOps()(made)


def functions(mod: tvm.IRModule) -> dict[str, tvm.tirx.PrimFunc]:
    found = ((str(var.name_hint), func) for var, func in mod.functions.items())
    return {name: func for name, func in found if isinstance(func, tvm.tirx.PrimFunc)}


def test_records_of_a_search_are_applied_to_a_model(tmp_path: Path) -> None:
    found = xt.tune(rows(), "vnni", trials=2, db=tmp_path)
    database = ms.database.JSONDatabase(work_dir=str(tmp_path))
    with xt.targets.vnni(), database:
        made = relax.transform.MetaScheduleApplyDatabase()(model())
    scheduled = {name for name, func in functions(made).items() if _is_scheduled(func)}
    assert scheduled == {"rows_kernel"}
    records = database.get_all_tuning_records()
    best = min(records, key=lambda record: float(record.run_secs[0]))
    schedule = s_tir.Schedule(best.workload.mod)
    best.trace.apply_to_schedule(schedule, remove_postproc=False)
    applied = functions(made)["rows_kernel"]
    tvm.ir.assert_structural_equal(applied.body, schedule.mod["main"].body, map_free_vars=True)
    before = functions(model())["rows_kernel"]
    assert found.trials == 2 and not structural_equal(applied.body, before.body, True)
    x = np.random.default_rng(0).standard_normal((8, 32), dtype="float32")
    np.testing.assert_allclose(run(made, [x])[0], run(model(), [x])[0], rtol=1e-5)


def _is_scheduled(func: tvm.tirx.PrimFunc) -> bool:
    return bool(func.attrs.get("tirx.is_scheduled", False))


def test_a_pipeline_of_relaxs_schedules_by_our_rules() -> None:
    backend.autoload()
    seen: dict[str, tvm.tirx.PrimFunc] = {}

    @tvm.instrument.pass_instrument
    class Watch:
        def run_after_pass(self, mod: tvm.IRModule, info: tvm.transform.PassInfo) -> None:
            if info.name == "ApplyDefaultSchedule":
                seen.update(functions(mod))

    with tvm.transform.PassContext(instruments=[Watch()]):
        made = tvm.compile(model(), xt.targets.vnni(), relax_pipeline="xpiler")
    rules = {str(func.attrs.get("xpiler.schedule", "")) for func in seen.values()}
    assert "cpu.rows" in rules, rules
    x = np.random.default_rng(0).standard_normal((8, 32), dtype="float32")
    found = relax.VirtualMachine(made, tvm.cpu())["main"](tvm.runtime.tensor(x)).numpy()
    np.testing.assert_allclose(found, run(model(), [x])[0], rtol=1e-5)


def test_metaschedule_takes_our_rule_for_marked_blocks() -> None:
    backend.autoload()
    mod = tvm.IRModule({"main": tvm.script.from_source(MARKED)})
    rules = [ms.schedule_rule.ApplyCustomRule()]
    space = ms.space_generator.PostOrderApply(sch_rules=rules, postprocs=[], mutator_probs={})
    with without_intrinsics():
        context = ms.TuneContext(
            mod=mod, target=Target({"kind": "llvm", "num-cores": 1}), space_generator=space
        )
        (schedule,) = context.generate_design_space()
    assert "fuse" in str(schedule.trace)


def test_our_names_for_tvms_targets() -> None:
    for target in (xt.targets.bang(), xt.targets.hip()):
        assert name_of(target) == target.attrs["device"]
    assert name_of(xt.targets.vnni()) == "vnni:cascadelake"
    assert name_of(xt.targets.cuda()) == "cuda:sm_80"
    assert name_of(Target({"kind": "llvm", "mcpu": "no such"})) is None
    assert name_of(Target("c")) is None and name_of(None) is None


def test_a_model_with_kernels_is_fused_and_compiled_for_a_gpu() -> None:
    target = Target({"kind": "cuda", "arch": "sm_80"}, host="llvm")
    made = tvm.compile(model(), target)
    assert "rows_kernel" in made.mod.imports[0].imports[0].inspect_source()
