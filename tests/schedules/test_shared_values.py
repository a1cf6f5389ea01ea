"""Costly values that several stages work out become stages of their own."""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm import te, tirx

from xpiler_tvm.schedules.analysis import stages
from xpiler_tvm.schedules.base import fresh
from xpiler_tvm.schedules.shared_values import with_shared_values

from .programs import Program, from_te, from_text, softmax
from .running import check_module


def recomputed(rows: int = 20, columns: int = 30) -> Program:
    """A softmax that works out its exponentials twice."""
    known = softmax(rows, columns)
    x = te.placeholder((rows, columns), "float32", "A")
    k, r = te.reduce_axis((0, columns), "k"), te.reduce_axis((0, columns), "r")
    top = te.compute((rows,), lambda i: te.max(x[i, k], axis=k), name="top")
    total = te.compute((rows,), lambda i: te.sum(tirx.exp(x[i, r] - top[i]), axis=r), name="total")
    y = te.compute((rows, columns), lambda i, j: tirx.exp(x[i, j] - top[i]) / total[i], name="O")
    return Program(from_te(x, y), known.reference)


def names(mod: tvm.IRModule) -> list[str]:
    return [stage.name for stage in stages(fresh(mod))]


def test_a_value_of_two_stages_is_worked_out_once() -> None:
    program = recomputed()
    shared = with_shared_values(program.mod)
    assert names(shared) == ["top", "exp_values_0", "total", "O"]
    assert shared["main"].script().count("T.exp(") == 1
    check_module(shared, program)


def test_a_program_without_such_values_stays_the_same() -> None:
    mod = softmax(8, 8).mod
    assert tvm_ffi.structural_equal(with_shared_values(mod)["main"], mod["main"])


STAGES = """
@T.prim_func(s_tir=True)
def main(A: T.Buffer((8,), "float32"), O: T.Buffer((8,), "float32"), P: T.Buffer((8,), "float32")):
    for i in range(8):
        with T.sblock("O"):
            vi = T.axis.spatial(8, i)
            O[vi] = {first}
    for i in range(8):
        with T.sblock("A"):
            vi = T.axis.spatial(8, i)
            {written}[vi] = T.float32(1)
    for i in range(8):
        with T.sblock("P"):
            vi = T.axis.spatial(8, i)
            P[vi] = T.exp(A[vi]) + O[vi]
"""


def test_what_is_overwritten_in_between_is_worked_out_again() -> None:
    mod = from_text(STAGES.format(first="T.exp(A[vi])", written="A"))
    assert names(with_shared_values(mod)) == ["O", "A", "P"]
    kept = from_text(STAGES.format(first="T.exp(A[vi])", written="O"))
    assert names(with_shared_values(kept)) == ["exp_values_0", "O", "A", "P"]


def test_what_may_not_be_worked_out_everywhere_is_not_shared() -> None:
    guarded = "T.if_then_else(vi < 4, T.exp(A[vi]), T.float32(0))"
    mod = from_text(STAGES.format(first=guarded, written="O"))
    assert names(with_shared_values(mod)) == ["O", "A", "P"]
