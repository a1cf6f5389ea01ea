"""The eleven actions: what each makes of a program, what it refuses, and how steps are spelled."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
import tvm_ffi

import xpiler_tvm as xt
from xpiler_tvm import targets
from xpiler_tvm.emulation import run_module
from xpiler_tvm.schedules.action_steps import Illegal, Scene, Step
from xpiler_tvm.schedules.actions import ACTIONS, OF_FRONTENDS, apply, legal_steps, refusal
from xpiler_tvm.schedules.base import fresh, unbind
from xpiler_tvm.schedules.chooser import scene_of

TEXT = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((32, 64), "float32"), y: T.Buffer((32,), "float32")):
    e = T.sblock_alloc_buffer((32, 64), "float32")
    for i, j in T.grid(32, 64):
        with T.sblock("e"):
            vi, vj = T.axis.remap("SS", [i, j])
            e[vi, vj] = x[vi, vj] * T.float32(2)
    for i, j in T.grid(32, 64):
        with T.sblock("sum"):
            vi, vj = T.axis.remap("SR", [i, j])
            with T.init():
                y[vi] = T.float32(0)
            y[vi] = y[vi] + e[vi, vj]
"""
GPU = Scene(("blockIdx.x", "threadIdx.x", "vectorize", "unroll"), ("shared", "local"))


def program() -> tvm.IRModule:
    func = tvm.script.from_source(TEXT).with_attr("global_symbol", "main")
    return tvm.IRModule({"main": func})


def test_there_are_eleven_and_each_says_before_and_after() -> None:
    assert list(ACTIONS) == [
        "loop_recovery", "bind", "split", "fuse", "reorder", "expansion", "contraction", "cache",
        "pipeline", "tensorize", "detensorize",
    ]  # fmt: skip
    for action in ACTIONS.values():
        assert "->" in action.meaning and action.summary and action.knobs
        assert action.usage.startswith(f"{action.name}(")


@pytest.mark.parametrize(
    "text",
    [
        'bind("sum", 0, "blockIdx.x")', 'bind("e", 1, "vectorize")', 'split("sum", 1, 16)',
        'fuse("e", 0)', 'reorder("e", 1, 0)', 'expansion("sum", 0)', 'contraction("e", "sum", 0)',
        'contraction("e", "sum", -1)', 'cache("sum", 0, "shared")', 'cache("sum", -1, "local")',
    ],
)  # fmt: skip
def test_a_step_keeps_what_is_computed(text: str) -> None:
    sch = fresh(program())
    step = Step.parse(text)
    assert str(step) == text
    assert refusal(sch, step) is None
    apply(sch, step)
    assert not tvm_ffi.structural_equal(sch.mod["main"].body, program()["main"].body)
    x = np.random.default_rng(0).standard_normal((32, 64)).astype("float32")
    y = run_module(unbind(sch.mod), [x, np.zeros(32, "float32")]).arrays[1]
    np.testing.assert_allclose(y, 2 * x.sum(1), rtol=1e-5, atol=1e-5)


def test_a_loop_of_two_statements_can_be_pipelined() -> None:
    sch = fresh(program())
    step = Step.parse('pipeline("sum", 0)')
    assert "one statement" in str(refusal(sch, step))
    apply(sch, Step.parse('contraction("e", "sum", 0)'))
    apply(sch, step)
    assert "software_pipeline_stage" in sch.mod.script()


def test_one_loop_of_a_nest_is_parallel() -> None:
    sch = fresh(program())
    apply(sch, Step.parse('bind("e", 1, "parallel")'))
    assert "parallel already" in str(refusal(sch, Step.parse('bind("e", 0, "parallel")')))
    scene = Scene(("parallel",), (), overlaps=False)
    assert {str(step) for step in ACTIONS["bind"].options(sch, scene)} == {
        'bind("sum", 0, "parallel")', 'bind("sum", 1, "parallel")',
    }  # fmt: skip
    assert not list(ACTIONS["pipeline"].options(sch, scene))


def test_a_thread_has_one_number_along_an_axis() -> None:
    sch = fresh(program())
    apply(sch, Step.parse('bind("e", 0, "blockIdx.x")'))
    refused = refusal(sch, Step.parse('bind("e", 1, "blockIdx.x")'))
    assert "blockIdx.x already" in str(refused)
    assert refusal(sch, Step.parse('bind("e", 1, "threadIdx.x")')) is None
    offered = {str(step) for step in ACTIONS["bind"].options(sch, GPU)}
    assert 'bind("e", 1, "blockIdx.x")' not in offered
    assert 'bind("e", 1, "threadIdx.x")' in offered


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('bind("sum", 1, "parallel")', "cannot be fulfilled"),
        ('bind("sum", 0, "taskId")', "no kind of loop"),
        ('split("sum", 1, 1)', "above 1"),
        ('split("sum", 7, 4)', "no loop 7"),
        ('split("nobody", 0, 4)', "no block 'nobody'"),
        ('split("sum", 0)', "arguments"),
        ('fuse("sum", 1)', "no loop 2"),
        ('contraction("sum", "e", 0)', ""),
        ('tensorize("sum", 0, "no_such_thing")', "not registered"),
        ("loop_recovery()", "was read"),
        ("detensorize()", "was read"),
    ],
)
def test_what_is_not_legal_says_why(text: str, reason: str) -> None:
    sch = fresh(program())
    refused = refusal(sch, Step.parse(text))
    assert refused is not None and reason in refused
    assert tvm_ffi.structural_equal(sch.mod["main"].body, program()["main"].body)


@pytest.mark.parametrize(
    "text",
    ["", "split", "split(x, 0, 4)", "__import__('os').system('id')", "split(*[1])", "split(a=1)",
     "split('e', 0, [1, 2])", "split('e', 0, 2.5)", "split('e', 0, True)", "(" * 500],
)  # fmt: skip
def test_a_text_that_is_no_step(text: str) -> None:
    with pytest.raises(Illegal):
        Step.parse(text)


def test_legal_steps_are_legal_and_always_the_same() -> None:
    sch = fresh(program())
    steps = legal_steps(sch, GPU, 40)
    assert steps == legal_steps(sch, GPU, 40) and 10 < len(steps) <= 40
    assert all(refusal(sch, step) is None for step in steps)
    named = {step.action for step in steps}
    assert {"bind", "split", "fuse", "reorder", "expansion", "contraction", "cache"} <= named


def test_blocks_of_one_name_are_told_apart() -> None:
    text = TEXT.replace('T.sblock("sum")', 'T.sblock("e")')
    func = tvm.script.from_source(text).with_attr("global_symbol", "main")
    sch = fresh(tvm.IRModule({"main": func}))
    assert refusal(sch, Step.parse('expansion("e#2", 0)')) is None
    assert refusal(sch, Step.parse('expansion("e", 0)')) is not None


def test_the_first_and_the_last_are_the_frontends() -> None:
    source = "__global__ void k(float *y) { y[threadIdx.x] = 1.0f; }"
    params = (xt.Tensor("y", (32,), intent="out"),)
    kernel = xt.Kernel(source, "cuda", "k", params, xt.Launch((1,), (32,)))
    recovery, detensorize = (ACTIONS[kind.name] for kind in OF_FRONTENDS)
    assert recovery.of(kernel).body  # type: ignore[attr-defined]
    assert detensorize.of(program())["main"].body is not None  # type: ignore[attr-defined]


def test_scenes_are_what_targets_offer() -> None:
    assert "threadIdx.x" in scene_of(targets.get("cuda")).kinds
    memories = scene_of(targets.get("bang")).scopes
    assert memories[0] == "local.nram" and "shared.sram" not in memories  # tasks share that
    assert "parallel" in scene_of(targets.get("vnni")).kinds
