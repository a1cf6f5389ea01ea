"""HIP text: printed, compared with golden files, and run against NumPy."""

from __future__ import annotations

import pytest
import tvm
from tvm import s_tir, tirx
from tvm.script import tirx as T

from codegen import programs
from codegen.golden import check_golden
from codegen.running import check_values
from xpiler_tvm.codegen.hip import emit_hip
from xpiler_tvm.emulation import run_text
from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel, Scalar, Tensor


def one_thread_an_element(mod: tvm.IRModule, threads: int = 128) -> s_tir.Schedule:
    """Bind the spatial loops of the only stage to blocks and threads."""
    sch = s_tir.Schedule(mod)
    (block,) = sch.get_child_blocks(sch.get_sblock("root"))
    spatial = sum(axis.iter_type == tirx.IterVar.DataPar for axis in sch.get(block).iter_vars)
    loops = sch.get_loops(block)[:spatial]
    outer, inner = sch.split(sch.fuse(*loops) if spatial > 1 else loops[0], [None, threads])
    sch.bind(outer, "blockIdx.x")
    sch.bind(inner, "threadIdx.x")
    return sch


def one_block_a_row(mod: tvm.IRModule, threads: int = 128) -> s_tir.Schedule:
    """Rows to blocks, each stage's inner loop to threads; intermediates in shared memory."""
    sch = s_tir.Schedule(mod)
    *stages, last = sch.get_child_blocks(sch.get_sblock("root"))
    row, column = sch.get_loops(last)
    for stage in reversed(stages):
        sch.set_scope(stage, 0, "shared")
        sch.compute_at(stage, row)
    sch.bind(row, "blockIdx.x")
    for loop in [column, *(loop for stage in stages for loop in sch.get_loops(stage)[1:])]:
        _, thread = sch.split(loop, [None, threads])
        sch.bind(thread, "threadIdx.x")
    return sch


ELEMENTWISE = (
    programs.add,
    lambda: programs.add(dtype="float16"),
    lambda: programs.add(dtype="int8"),
    lambda: programs.add(dtype="uint8"),
    lambda: programs.add(dtype="int64"),
    lambda: programs.add(dtype="float64"),
    programs.gelu,
    lambda: programs.gelu(form="tanh"),
    programs.gemm,
    programs.gemm_int8,
    programs.stencil,
    programs.stencil_inner,
    programs.transpose,
    programs.maxpool,
    programs.opaque,
)


@pytest.mark.parametrize("make", ELEMENTWISE, ids=lambda make: make().name)
def test_one_thread_an_element(make, request):
    program = make()
    emitted = emit_hip(one_thread_an_element(program.mod).mod, program.kernel)
    if program.kernel.tensors[0].dtype in ("float32", "int8"):
        check_golden(request, f"{program.name}_{program.kernel.tensors[0].dtype}.hip", emitted[0])
    half = program.kernel.tensors[0].dtype == "float16"
    check_values(emitted[1], program, 2e-3 if half else 1e-5)


def test_several_rows_a_block():
    """The last block has rows to spare: their threads must not store."""
    program = programs.row_sum(rows=61)
    sch = s_tir.Schedule(program.mod)
    row, column = sch.get_loops(sch.get_sblock("y"))
    block, several = sch.split(row, [None, 16])
    _, lane = sch.split(column, [None, 32])
    for loop, axis in ((block, "blockIdx.x"), (several, "threadIdx.y"), (lane, "threadIdx.x")):
        sch.bind(loop, axis)
    emitted = emit_hip(sch.mod, program.kernel)
    assert not run_text(emitted[1], program.inputs(), build="checked").findings
    check_values(emitted[1], program, 1e-5)


@pytest.mark.parametrize(
    "make", [programs.softmax, programs.layernorm], ids=["softmax", "layernorm"]
)
@pytest.mark.parametrize("threads", [64, 128])
def test_one_block_a_row(make, threads, request):
    program = make()
    emitted = emit_hip(one_block_a_row(program.mod, threads).mod, program.kernel)
    check_golden(request, f"{program.name}_{threads}.hip", emitted[0])
    check_values(emitted[1], program, 1e-5)


def test_the_kernel_keeps_parameters_order_and_launch():
    program = programs.add(1000)
    text, kernel = emit_hip(one_thread_an_element(program.mod).mod, program.kernel)
    assert kernel.params == program.kernel.params
    assert kernel.dialect == "hip"
    assert kernel.launch is not None
    assert (kernel.launch.grid, kernel.launch.block) == ((8, 1, 1), (128, 1, 1))
    assert "const float* __restrict__ x, const float* __restrict__ y" in text
    assert "float* __restrict__ z, int n)" in text
    assert "hipError_t launch_add(const float* x, const float* y, float* z, int n" in text


def test_names_are_legal():
    func = tvm.script.from_source(
        """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((64,), "float32"), y: T.Buffer((64,), "float32")):
    for register in T.thread_binding(64, thread="threadIdx.x"):
        for x_1 in range(2):
            with T.sblock("b"):
                v, w = T.axis.remap("SR", [register, x_1])
                with T.init():
                    y[v] = T.float32(0)
                y[v] = y[v] + x[v]
""",
        extra_vars={"T": T},
    )
    kernel = Kernel(
        "", "cuda", "sin", (Tensor("x", (64,)), Tensor("y", (64,), intent="out"), Scalar("tx"))
    )
    text, emitted = emit_hip(tvm.IRModule({"main": func}), kernel)
    assert emitted.entry == "sin_kernel"
    assert "register" not in text


def test_two_kernels_are_refused():
    program = programs.softmax()
    sch = s_tir.Schedule(program.mod)
    for name in ("top", "e", "total", "y"):
        sch.bind(sch.get_loops(name)[0], "blockIdx.x")
    with pytest.raises(EmitError) as caught:
        emit_hip(sch.mod, program.kernel)
    assert caught.value.code == "XP4001"


def test_an_unbound_loop_is_refused():
    program = programs.add()
    with pytest.raises(EmitError) as caught:
        emit_hip(program.mod, program.kernel)
    assert caught.value.code == "XP4001"
