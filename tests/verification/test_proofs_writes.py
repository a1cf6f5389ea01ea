"""Blocks of raised modules: no element stored twice, none read before, outputs in full."""

import pytest
import tvm
from tvm import IRModule

import xpiler_tvm as xt
from xpiler_tvm import Launch, Tensor
from xpiler_tvm.frontends import raising
from xpiler_tvm.frontends.raising import Raised
from xpiler_tvm.frontends.threads import NO_RACES
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.verification.proofs import Obligation
from xpiler_tvm.verification.proofs.blocks import touches_of
from xpiler_tvm.verification.proofs.coverage import Fill, coverage
from xpiler_tvm.verification.proofs.solver import Solver
from xpiler_tvm.verification.proofs.writes import writes

from .proving import of, only, out, proofs_of, verdicts

X = Tensor("x", (64,))
HEAD = "@T.prim_func(s_tir=True)\ndef main("
ROWS = """\
{head}x: T.Buffer((8, 16), "float32"), y: T.Buffer(({size},), "float32")):
    sums = T.sblock_alloc_buffer((8,), "float32")
    for i, k in T.grid(8, 16):
        with T.sblock("sums"):
            vi, vk = T.axis.remap("SR", [i, k])
            {where}
            with T.init():
                sums[vi] = 0.0
            sums[vi] = sums[vi] + x[vi, vk]
    for i, j in T.grid(8, 16):
        with T.sblock("y"):
            vi, vj = T.axis.remap("SS", [i, j])
            y[{index}] = sums[vi]
"""


def module(text: str) -> IRModule:
    return IRModule({"main": tvm.script.from_source(text)})


def rows(
    index: str = "vi * 16 + vj", where: str = "T.where(i >= 0)", size: int = 128
) -> list[Obligation]:
    return written(module(ROWS.format(head=HEAD, index=index, where=where, size=size)))


def written(mod: IRModule) -> list[Obligation]:
    """The obligations of a module's blocks and of its last parameter."""
    solver = Solver((), {})
    raised = touches_of(mod, solver)
    last = mod["main"].params[-1]
    fills = [
        Fill(one.flat, one.around, one.is_whole)
        for one in raised.touches
        if one.stores and one.buffer.same_as(last)
    ]
    return [*writes(raised, solver, {}), coverage(last, fills, solver, None)]


def test_rows_are_proved() -> None:
    found = rows()
    assert verdicts(found) == {"proved"}
    assert {one.kind for one in found} == {"bounds", "injective", "coverage"}


def test_a_wrong_stride_stores_twice_and_leaves_a_tail() -> None:
    found = rows("vi * 15 + vj")
    one = only(of(found, "injective", "y[", raised=True), "refuted")
    values = dict(one.counterexample)
    assert values["i"] * 15 + values["j"] == values["i'"] * 15 + values["j'"]
    missing = only(of(found, "coverage", "all of y"), "refuted")
    assert 120 < dict(missing.counterexample)["element"] < 128


def test_a_wider_stride_leaves_the_array() -> None:
    found = of(rows("vi * 17 + vj"), "bounds", raised=True)
    values = dict(only(found, "refuted").counterexample)
    assert values["i"] * 17 + values["j"] >= 128


def test_odd_maps_are_counted() -> None:
    found = rows("(vi ^ vj % 8) * 16 + vj")
    assert only(of(found, "injective", "y[", raised=True), "proved").by == "enumeration"
    assert only(of(found, "coverage", "all of y"), "proved").by == "enumeration"
    assert (
        of(rows("(vi | vj % 8) * 16 + vj"), "injective", "y[", raised=True)[0].by == "enumeration"
    )
    assert "refuted" in verdicts(rows("(vi | vj % 8) * 16 + vj"))


def test_what_is_read_has_to_be_stored() -> None:
    found = of(rows(where="T.where(i < 7)"), "coverage", "read of sums", raised=True)
    assert dict(only(found, "refuted").counterexample)["i"] == 7
    assert "refuted" not in verdicts(of(rows(), "coverage", raised=True))


def test_an_index_from_memory_may_meet_itself() -> None:
    text = """\
{head}ids: T.Buffer((8,), "int32"), y: T.Buffer((1000,), "float32")):
    for i in range(8):
        with T.sblock("y"):
            vi = T.axis.spatial(8, i)
            y[{index}] = 1.0
"""
    found = written(module(text.format(head=HEAD, index="ids[vi] + vi * 64")))
    one = only(of(found, "injective", raised=True), "unknown")
    assert one.detail == "it rests on what ids holds"
    found = written(module(text.format(head=HEAD, index="ids[vi] % 64 + vi * 64")))
    assert only(of(found, "injective", raised=True), "proved").by == "z3"


def test_parts_of_an_array() -> None:
    text = """\
{head}x: T.Buffer((64,), "float32"), y: T.Buffer((128,), "float32")):
    for i in range(64):
        with T.sblock("one"):
            vi = T.axis.spatial(64, i)
            y[{one}] = x[vi]
    for i in range(64):
        with T.sblock("other"):
            vi = T.axis.spatial(64, i)
            y[{other}] = x[vi]
"""
    halves = written(module(text.format(head=HEAD, one="vi", other="vi + 64")))
    assert verdicts(halves) == {"proved"}
    assert only(of(halves, "disjoint", raised=True), "proved").by == "analyzer"
    even = written(module(text.format(head=HEAD, one="vi * 2", other="vi * 2 + 1")))
    assert verdicts(even) == {"proved"}
    assert only(of(even, "disjoint", raised=True), "proved").by == "z3"
    overlapping = written(module(text.format(head=HEAD, one="vi", other="vi + 63")))
    one = only(of(overlapping, "disjoint", raised=True), "unknown")
    assert one.detail == "their order matters, for i = 63, i' = 0"
    assert only(of(overlapping, "coverage"), "refuted").counterexample == (("element", 127),)


# ---------------------------------------------------------------- kernels


def test_a_raised_kernel_is_proved() -> None:
    text = """\
__shared__ float s[64];
int t = threadIdx.x;
s[t] = x[t];
__syncthreads();
y[t] = s[63 - t] + s[t];"""
    found = proofs_of(text, X, out("y", 64), block=(64,), blocks=True)
    assert verdicts(found) == {"proved"}
    assert {one.kind for one in found} >= {"bounds", "injective", "coverage", "race"}


def test_a_tail_that_is_never_written_has_its_first_element_named() -> None:
    text = "if (threadIdx.x < 60) y[threadIdx.x] = x[threadIdx.x];"
    found = of(proofs_of(text, X, out("y", 64), block=(64,)), "coverage")
    one = only(found, "refuted")
    assert one.detail.startswith("nothing stores to element 6")
    assert one.span is not None and one.span.line == 2


PAIRS = """\
__global__ void k(const float* x, float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}
"""
KERNEL = Kernel(PAIRS, "cuda", "k", (X, out("y", 64)), Launch((1,), (64,)), filename="k.cu")


def test_a_lift_takes_for_granted_only_what_is_not_proved() -> None:
    lifted = xt.lift(KERNEL)
    assert verdicts(list(lifted.obligations)) == {"proved"}
    assert NO_RACES not in lifted.assumptions
    assert "prove" in lifted.seconds


def test_a_raised_form_that_is_refuted_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
{head}x: T.Buffer((64,), "float32"), y: T.Buffer((64,), "float32")):
    for i in range(64):
        with T.sblock("y"):
            vi = T.axis.spatial(64, i)
            y[vi] = T.if_then_else(vi < 64, x[vi + 1 - vi % 2 * 2], x[vi + 1])
"""
    right = module(text.format(head=HEAD))
    wrong = module(text.format(head=HEAD).replace("vi < 64", "vi < 63"))
    for mod, rung in ((right, "blocks"), (wrong, "opaque")):
        raised = Raised(mod, "blocks")
        monkeypatch.setattr(raising, "raise_program", lambda _, raised=raised: raised)
        lifted = xt.lift(KERNEL)
        assert lifted.rung == rung
    assert lifted.notes[0].startswith(
        "the raised form was dropped: k.cu:5:3: bounds: read of x[i + 1] in block y: refuted"
    )
