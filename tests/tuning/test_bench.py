"""Measured and modelled times: only of what is right."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import tvm
from tvm import tirx

from tests.tuning.programs import product, rows
from xpiler_tvm.emulation import run_text
from xpiler_tvm.errors import CheckError
from xpiler_tvm.gpu import Gpu
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.processor import missing_features
from xpiler_tvm.trials import Arrays
from xpiler_tvm.tuning import bench as bench_module
from xpiler_tvm.tuning.bench import Measured, Modelled, OnGpu, bench_for, model_of
from xpiler_tvm.tuning.oracle import Oracle
from xpiler_tvm.tuning.profile import profile_of
from xpiler_tvm.tuning.roofline import floor_of
from xpiler_tvm.tuning.space import Space

native = pytest.mark.skipif(bool(missing_features("cascadelake")), reason="needs AVX512-VNNI")


def wrong(program: tvm.IRModule) -> tvm.IRModule:
    """A program that adds the products wrongly."""
    import tvm_ffi

    def minus(node: tirx.Mul) -> tirx.Sub:
        return tirx.Sub(node.a, node.b)

    main = tvm_ffi.structural_map(program["main"], (tirx.Mul, minus), order="post")
    return tvm.IRModule({"main": main})


@native
def test_a_right_program_has_a_time_above_the_floor() -> None:
    mod = product()
    bench = bench_for(mod, "vnni", Oracle.of_module(mod))
    assert isinstance(bench, Measured)
    found = bench.outcome(Space(mod, "vnni").default.scheduled.mod)
    assert found.kind == "measured" and found.seconds is not None
    assert floor_of(mod) < found.seconds < 0.1


@native
def test_programs_are_compared_on_the_same_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    mod = product()
    bench = bench_for(mod, "vnni", Oracle.of_module(mod))
    assert isinstance(bench, Measured)
    seen: list[Arrays] = []
    prepared = bench_module._prepared

    def watched(*given: object) -> object:
        found = prepared(*given)
        seen.append(found[0])
        return found

    monkeypatch.setattr(bench_module, "_prepared", watched)
    default = Space(mod, "vnni").default.scheduled.mod
    first, second = bench._beside([default, default])  # here, not in a process of its own
    assert first > 0 and second > 0
    assert len(seen) == 2 * len(bench_module.PLACES)
    for one, two in zip(seen[::2], seen[1::2], strict=True):
        assert all(np.shares_memory(one[name], two[name]) for name in one)
    starts = [[each.ctypes.data % 4096 for each in arrays.values()] for arrays in seen[::2]]
    assert starts == [[apart * n % 4096 for n in range(3)] for apart in bench_module.PLACES]


@native
def test_a_wrong_program_has_none() -> None:
    mod = product()
    bench = bench_for(mod, "vnni", Oracle.of_module(mod))
    assert bench.outcome(Space(mod, "vnni").default.scheduled.mod).ok
    found = bench.outcome(wrong(mod))
    assert found.seconds is None and "refuted" in found.why


@native
def test_a_program_that_updates_an_array_is_run_once_before_it_is_judged() -> None:
    text = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(x: T.Buffer((64,), "float32"), y: T.Buffer((64,), "float32")):
        for i in range(64):
            with T.sblock("y"):
                vi = T.axis.spatial(64, i)
                y[vi] = y[vi] * T.float32(2.0) + x[vi]
"""
    mod = tvm.script.from_source(text)
    assert Measured(Oracle.of_module(mod), "cascadelake").outcome(mod).ok


@native
def test_what_is_faster_than_the_processor_is_not_believed() -> None:
    mod = product()
    bench = Measured(Oracle.of_module(mod), "cascadelake", floor=1.0)
    found = bench.outcome(Space(mod, "vnni").default.scheduled.mod)
    assert found.seconds is None and "less than the processor" in found.why


@native
def test_a_crash_costs_its_trial_only(monkeypatch: pytest.MonkeyPatch) -> None:
    mod = product()
    bench = bench_for(mod, "vnni", Oracle.of_module(mod))
    monkeypatch.setattr(Measured, "_built", lambda *_: os.abort())
    found = bench.outcome(mod)
    assert found.seconds is None and "SIGABRT" in found.why
    monkeypatch.undo()
    assert bench.outcome(Space(mod, "vnni").default.scheduled.mod).ok


@pytest.mark.parametrize("target", ["bang", "cuda", "hip", "vnni"])
def test_other_devices_are_modelled(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "missing_features", lambda _: ("avx512vnni",))
    monkeypatch.setattr(bench_module, "find", lambda _: None)
    mod = rows()
    bench = bench_for(mod, target, Oracle.of_module(mod))
    assert isinstance(bench, Modelled)
    found = bench.outcome(Space(mod, target).default.scheduled.mod)
    assert found.kind == "modelled" and found.seconds is not None and 0 < found.seconds < 1


def test_what_is_emitted_has_to_be_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that does another's part is right where tasks are loops, and wrong on the device."""
    mod = rows()
    bench = bench_for(mod, "bang", Oracle.of_module(mod))
    assert isinstance(bench, Modelled)
    default = Space(mod, "bang").default.scheduled.mod
    assert bench.outcome(default).ok
    emitted = bench_module._emitted

    def by_one_task(*given: object) -> Kernel:
        kernel = emitted(*given)
        assert "taskId" in kernel.source
        return replace(kernel, source=kernel.source.replace("taskId", "0"))

    monkeypatch.setattr(bench_module, "_emitted", by_one_task)
    found = bench.outcome(default)
    assert found.seconds is None and found.why
    assert bench.outcome(default, best=1e-12).ok  # not the best: it is not looked at


def test_what_the_emulator_does_not_end_is_run_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    mod = rows()
    bench = bench_for(mod, "bang", Oracle.of_module(mod))

    def endless(*_: object, **__: object) -> None:
        raise CheckError("XP5004", "it takes too long")

    monkeypatch.setattr(bench_module, "run_text", endless)
    assert bench.outcome(Space(mod, "bang").default.scheduled.mod).ok


def emulated(monkeypatch: pytest.MonkeyPatch, seconds: float, factor: int = 1) -> None:
    """A GPU that is the emulator, with a clock that stands still."""

    def timed(
        kernel: Kernel, _: Gpu, given: Arrays, scalars: Mapping[str, int | float], **__: int
    ) -> tuple[dict[str, np.ndarray], float]:
        arrays = run_text(kernel, given, scalars).arrays
        return {name: factor * array for name, array in arrays.items()}, seconds

    monkeypatch.setattr(bench_module, "timed", timed)
    found = Gpu("GPU 3000", "cuda", ("nvcc",))
    monkeypatch.setattr(bench_module, "find", lambda family: found if family == "cuda" else None)


def test_a_gpu_is_measured_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    emulated(monkeypatch, 1e-4)
    mod = product()
    bench = bench_for(mod, "cuda", Oracle.of_module(mod))
    assert isinstance(bench, OnGpu)
    default = Space(mod, "cuda").default.scheduled.mod
    found = bench.outcome(default)
    assert found.ok and found.seconds == 1e-4 and found.kind == "measured"
    assert bench.again([default, default]) == [1e-4, 1e-4]
    assert isinstance(bench_for(mod, "hip", Oracle.of_module(mod)), Modelled)


@pytest.mark.parametrize(
    ("seconds", "factor", "why"),
    [(1e-4, 2, "refuted"), (1e-15, 1, "less than a GPU can do")],
)
def test_a_gpu_is_not_believed_everything(
    monkeypatch: pytest.MonkeyPatch, seconds: float, factor: int, why: str
) -> None:
    emulated(monkeypatch, seconds, factor)
    mod = product()
    bench = bench_for(mod, "cuda", Oracle.of_module(mod))
    found = bench.outcome(Space(mod, "cuda").default.scheduled.mod)
    assert found.seconds is None and why in found.why


def test_a_fault_of_the_device_costs_its_trial_only(monkeypatch: pytest.MonkeyPatch) -> None:
    emulated(monkeypatch, 1e-4)

    def fault(*_: object, **__: object) -> None:
        raise CheckError("XP5005", "GPU 3000 reports: an illegal memory access")

    monkeypatch.setattr(bench_module, "timed", fault)
    mod = product()
    bench = bench_for(mod, "cuda", Oracle.of_module(mod))
    found = bench.outcome(Space(mod, "cuda").default.scheduled.mod)
    assert found.seconds is None and "illegal memory access" in found.why


def test_a_model_does_not_let_a_wrong_program_win() -> None:
    mod = product()
    bench = Modelled(Oracle.of_module(mod), lambda _: 1e-9)
    found = bench.outcome(wrong(mod), best=1e-3)
    assert found.seconds is None and "refuted" in found.why
    assert replace(bench, model=lambda _: None).outcome(mod).seconds is None


def test_the_roof_knows_larger_programs() -> None:
    model = model_of("cuda")
    times = [
        model(Space(product(*shape), "cuda").default.scheduled.mod)
        for shape in ((512, 512, 512), (2048, 2048, 512))
    ]
    assert times[0] is not None and times[1] is not None and times[0] < times[1]


def test_traffic_falls_with_room() -> None:
    mod = product(64, 64, 64)
    (work,) = [one for one in profile_of(mod).works if one.operations == 2]
    assert work.times == 64**3
    # Of the result both what is read and what is written counts.
    assert work.traffic(1 << 20) == 4 * 64 * 64 * 4
    # With room for less than one of the matrices, each row fetches it again.
    assert work.traffic(1 << 10) > 64 * 64 * 64 * 4
