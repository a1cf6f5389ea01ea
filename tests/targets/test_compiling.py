"""`tvm.compile` with our targets: ordinary modules, with the emitted text as their source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import te

import xpiler_tvm as xt
from xpiler_tvm import schedules

RELAX = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def scaled(A: T.Buffer((96,), "float32"), B: T.Buffer((96,), "float32")):
        T.func_attr({"global_symbol": "scaled"})
        for i in range(96):
            with T.sblock("B"):
                vi = T.axis.spatial(96, i)
                B[vi] = A[vi] * T.float32(3)
    @R.function
    def main(x: R.Tensor((96,), "float32")) -> R.Tensor((96,), "float32"):
        cls = Module
        with R.dataflow():
            y = R.call_tir(cls.scaled, (x,), out_ty=R.Tensor((96,), "float32"))
            z = R.call_tir(cls.scaled, (y,), out_ty=R.Tensor((96,), "float32"))
            R.output(z)
        return z
"""


def centred() -> tvm.IRModule:
    """`B[i, j] = A[i, j] - sum(A[i])`, over 8 rows of 64."""
    a, k = te.placeholder((8, 64), name="A"), te.reduce_axis((0, 64), "k")
    total = te.compute((8,), lambda i: te.sum(a[i, k], axis=k), "total")
    b = te.compute((8, 64), lambda i, j: a[i, j] - total[i], "B")
    func = te.create_prim_func([a, b]).with_attr("global_symbol", "centred")
    return tvm.IRModule({"centred": func})


def scheduled(name: str) -> tvm.IRModule:
    main = schedules.apply(tvm.IRModule({"main": centred()["centred"]}), name).mod["main"]
    return tvm.IRModule({"centred": main.with_attr("global_symbol", "centred")})


def check(function: tvm.runtime.Module) -> None:
    rng = np.random.default_rng(0)
    a = tvm.runtime.tensor(rng.standard_normal((8, 64)).astype("float32"))
    b = tvm.runtime.tensor(np.zeros((8, 64), "float32"))
    function(a, b)
    wanted = a.numpy() - a.numpy().sum(1, keepdims=True)
    np.testing.assert_allclose(b.numpy(), wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "mark"), [("bang", "__mlu_global__ void centred("), ("hip", "hipError_t launch_")]
)
def test_a_module_of_our_text(name: str, mark: str, tmp_path: Path) -> None:
    library = tvm.compile(scheduled(name), target=getattr(xt.targets, name)())
    (device,) = library.mod.imports
    assert mark in device.inspect_source()
    check(library["centred"])
    library.export_library(str(tmp_path / "library.so"))
    check(tvm.runtime.load_module(str(tmp_path / "library.so"))["centred"])


def test_what_nobody_scheduled_our_rules_schedule() -> None:
    library = tvm.compile(centred(), target=xt.targets.bang())
    assert "__bang_" in library.mod.imports[0].inspect_source()
    check(library["centred"])


def test_targets_that_tvm_knows() -> None:
    assert xt.targets.cuda().kind.name == "cuda"
    module = tvm.compile(scheduled("cuda"), target=xt.targets.cuda()).mod
    assert "__global__" in module.imports[0].inspect_source()
    check(tvm.compile(scheduled("vnni"), target=xt.targets.vnni())["centred"])


def test_other_targets_are_compiled_as_before() -> None:
    xt.targets.bang()  # from now on TVM knows us
    check(tvm.compile(centred(), target="llvm")["centred"])


def test_a_relax_module() -> None:
    mod = tvm.script.from_source(RELAX)
    executable = tvm.compile(mod, target=xt.targets.hip(), relax_pipeline="default_build")
    machine = tvm.relax.VirtualMachine(executable, tvm.cpu())
    x = np.arange(96, dtype="float32")
    np.testing.assert_array_equal(machine["main"](tvm.runtime.tensor(x)).numpy(), 9 * x)


def test_errors_of_a_run_reach_the_caller() -> None:
    library = tvm.compile(scheduled("bang"), target=xt.targets.bang())
    wrong = tvm.runtime.tensor(np.zeros((4, 64), "float32"))
    with pytest.raises(Exception, match="shape"):
        library["centred"](wrong, wrong)


def test_a_shape_that_is_not_known() -> None:
    n = te.var("n")
    a = te.placeholder((n,), name="A")
    b = te.compute((n,), lambda i: a[i] + 1.0, "B")
    mod = tvm.IRModule({"f": te.create_prim_func([a, b]).with_attr("global_symbol", "f")})
    # Errors that pass through TVM keep their text and lose their class.
    with pytest.raises(RuntimeError, match="XP4001: the shape of 'A' is not known"):
        tvm.compile(mod, target=xt.targets.hip())
