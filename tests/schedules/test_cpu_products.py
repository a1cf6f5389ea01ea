"""Products for CPUs: where they are tiled, what is read in place, what is worked out once."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tvm
from tvm import te

from xpiler_tvm import schedules
from xpiler_tvm.codegen.vector_math import vectorisable
from xpiler_tvm.schedules.cpu_limits import CpuLimits
from xpiler_tvm.schedules.cpu_sequence import Products

from .programs import Program, attention, conv2d, from_te, from_text, gemm, softmax
from .running import check_module


def gated(rows: int, size: int) -> Program:
    """Two products of one operand, and what joins them."""
    x, a, b = (
        te.placeholder(shape, name=name)
        for name, shape in (("X", (rows, size)), ("A", (size, size)), ("B", (size, size)))
    )
    k, k2 = te.reduce_axis((0, size), "k"), te.reduce_axis((0, size), "k")
    gate = te.compute((rows, size), lambda i, j: te.sum(x[i, k] * a[k, j], axis=k), "gate")
    up = te.compute((rows, size), lambda i, j: te.sum(x[i, k2] * b[k2, j], axis=k2), "up")
    out = te.compute((rows, size), lambda i, j: te.tanh(gate[i, j]) * up[i, j], "O")
    return Program(from_te(x, a, b, out), lambda x, a, b: np.tanh(x @ a) * (x @ b))


@pytest.mark.parametrize("program", [attention(2, 32, 48, 32), gated(24, 64)], ids=["att", "gate"])
def test_products_among_other_stages(program: Program) -> None:
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.products"
    check_module(scheduled.mod, program)


def test_large_intermediates_stay_rows() -> None:
    program = attention(2, 32, 48, 32)
    limited = Products(CpuLimits(), memory=1 << 10).apply(program.mod)
    assert "intermediates" in getattr(limited, "reason", "")


def packed(program: Program) -> set[str]:
    """The operands that are copied before a product."""
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.matmul"
    check_module(scheduled.mod, program)
    text = scheduled.mod.script()
    return {name for name in "AB" if re.search(rf"{name}_reindex\w*_global = ", text)}


def test_what_fits_is_read_in_place() -> None:
    assert packed(gemm(64, 96, 48)) == {"B"}
    assert packed(gemm(67, 96, 48)) == {"A", "B"}


def test_a_convolution_over_channels_is_read_in_place() -> None:
    program = conv2d(1, 10, 16, 32, 3)
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.matmul"
    check_module(scheduled.mod, program)
    assert scheduled.mod.script().count("_reindex_global =") == 1


def test_a_convolution_along_lines_gathers_vectors() -> None:
    """Columns are points of an image: no index is divided by the length of its lines."""
    x, w = te.placeholder((8, 13, 26), name="A"), te.placeholder((16, 8, 3, 3), name="W")
    c, k, j = (te.reduce_axis((0, extent), "r") for extent in (8, 3, 3))
    y = te.compute(
        (16, 11, 24),
        lambda o, i, p: te.sum(x[c, i + k, p + j] * w[o, c, k, j], axis=[c, k, j]),
        "C",
    )

    def reference(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(x.astype("float64"), (3, 3), (1, 2))
        return np.einsum("cipkj,ockj->oip", windows, w)

    program = Program(from_te(x, w, y), reference)
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.matmul"
    assert "// 24" not in scheduled.mod.script()
    check_module(scheduled.mod, program)


def calls(mod: tvm.IRModule) -> int:
    return mod.script().count("T.exp(")


def softmax_twice() -> tvm.IRModule:
    """exp(A - M) in a sum and in the result."""
    return from_text(
        """
@T.prim_func(s_tir=True)
def main(
    A: T.Buffer((8, 64), "float32"), M: T.Buffer((8,), "float32"), O: T.Buffer((8, 64), "float32")
):
    with T.sblock("root"):
        S = T.sblock_alloc_buffer((8,), "float32")
        for i, k in T.grid(8, 64):
            with T.sblock("S"):
                vi, vk = T.axis.remap("SR", [i, k])
                with T.init():
                    S[vi] = T.float32(0)
                S[vi] = S[vi] + T.exp(A[vi, vk] - M[vi])
        for i, j in T.grid(8, 64):
            with T.sblock("O"):
                vi, vj = T.axis.remap("SS", [i, j])
                O[vi, vj] = T.exp(A[vi, vj] - M[vi]) / S[vi]
"""
    )


def test_what_two_stages_need_is_worked_out_once() -> None:
    assert calls(softmax_twice()) == 2
    scheduled = schedules.apply(softmax_twice(), "vnni")
    assert calls(scheduled.mod) == 1
    program = Program(
        scheduled.mod,
        lambda a, m: np.exp(a - m[:, None]) / np.exp(a - m[:, None]).sum(-1, keepdims=True),
    )
    check_module(scheduled.mod, program)


def test_softmax_of_te_has_one_exp() -> None:
    scheduled = schedules.apply(softmax(16, 256).mod, "vnni")
    assert calls(scheduled.mod) == 1


def depth_of(mod: tvm.IRModule, block: str) -> int:
    """How far a block is indented in the printed program."""
    line = next(each for each in mod.script().splitlines() if f'T.sblock("{block}")' in each)
    return len(line) - len(line.lstrip())


def test_panels_that_are_used_once_are_packed_by_themselves() -> None:
    few, many = (schedules.apply(gemm(rows, 96, 48).mod, "vnni").mod for rows in (64, 512))
    assert depth_of(few, "B_reindex_global") > depth_of(many, "B_reindex_global")


def test_a_transposed_panel_is_packed_by_square_tiles() -> None:
    program = attention(2, 32, 64, 32)
    scheduled = schedules.apply(program.mod, "vnni")
    assert "Shuffle" in vectorisable(scheduled.mod).script()


def test_blocks_of_panels_come_out_even() -> None:
    """Six panels would fit the second cache, but no six are a part of 32."""
    scheduled = schedules.apply(gemm(512, 1024, 1024).mod, "vnni")
    assert "_pad" not in scheduled.mod.script()


def test_compensations_are_taken_where_results_are_stored() -> None:
    program = gemm(48, 80, 64, "int8 int8 int32")
    scheduled = schedules.apply(program.mod, "vnni")
    assert scheduled.rule == "cpu.vnni"
    assert re.search(r"_local\[.*\] - 128 \* \w+_sums", scheduled.mod.script())
