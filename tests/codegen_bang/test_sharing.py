"""Operands that the cores of a cluster share: through SRAM, by the memory core, in rounds."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from codegen.golden import check_golden
from codegen.programs import Program, _program, _tensor
from codegen.running import check_values, device_part
from test_products import product
from tvm import s_tir, te

from xpiler_tvm import frontends
from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.codegen_bang.emit import Printed
from xpiler_tvm.codegen_bang.sharing import with_memory_core
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.emulation import find_faults
from xpiler_tvm.errors import EmitError
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.schedules.bang_products import CLUSTERS, Matmul, Matrix, Tile

ARCH = "mtp_592"


def emitted(program: Program, tile: Tile, arch: str = ARCH) -> Printed:
    schedule = Matrix(ARCHS[arch])._schedule(program.mod, tile)
    return emit_bang(schedule.mod, program.kernel, arch)


def check(printed: Printed, program: Program, tolerance: float, arch: str = ARCH) -> None:
    """The values are right, no run shows a fault, and what is read back are plain blocks."""
    check_values(printed.kernel, program, tolerance)
    arrays = {k: v for k, v in program.inputs().items() if isinstance(v, np.ndarray)}
    device = device_part(printed.kernel)
    assert not find_faults(printed.kernel, arrays, text=device, arch=arch).findings
    raised = raise_program(frontends.read(frontends.resolve(printed.kernel)).program)
    assert raised.rung == "blocks", raised.reason


# Rows and columns do not fill all tiles; of 3 clusters' tiles each works on some, in some steps.
CASES = {
    "rounds": (lambda: product(100, 200, 300), Tile(16, 1, 128, (2, 2))),
    "tiles": (lambda: product(32, 1536, 100), Tile(8, 1, 128, (4, 1))),
    "columns": (lambda: product(64, 512, 300, columns=True), Tile(64, 2, 128, (1, 4))),
    "columns_padded": (lambda: product(33, 150, 70, columns=True), Tile(9, 1, 128, (4, 1))),
    "bytes": (lambda: product(64, 256, 300, "int8", "int32"), Tile(32, 1, 128, (2, 2))),
    "kept": (lambda: product(96, 3072, 64), Tile(24, 1, 64, (4, 1), kept=True)),
    "kept_rounds": (lambda: product(96, 1536, 300), Tile(24, 1, 128, (4, 1), kept=True)),
    "across_rows": (lambda: product(128, 192, 64), Tile(4, 1, 64, (4, 1))),
    "bias": (lambda: product(40, 128, 64, bias=True), Tile(10, 2, 64, (4, 1))),
}


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", CASES)
def test_values_and_text(name, arch, request):
    make, tile = CASES[name]
    program = make()
    printed = emitted(program, tile, arch)
    assert "__sync_cluster();" in printed.text
    if arch == ARCH:
        check_golden(request, f"sharing_{name}.mlu", printed.text)
    check(printed, program, 0.0 if "int8" in printed.text else 1e-3, arch)


@pytest.mark.parametrize("depth", [64, 128], ids=["one round", "rounds"])
def test_results_are_under_way_while_the_next_tile_begins(depth, monkeypatch, request):
    monkeypatch.setattr(
        "xpiler_tvm.codegen_bang.emit.with_memory_core",
        lambda function, **_: with_memory_core(function, overlapped=True),
    )
    program = product(96, 3072, depth)
    printed = emitted(program, Tile(24, 1, 64, (4, 1)))
    assert "__memcpy_async(C" in printed.text
    check_golden(request, f"sharing_under_way_{depth}.mlu", printed.text)
    check(printed, program, 1e-3)


@pytest.mark.parametrize("cores", CLUSTERS, ids=str)
@pytest.mark.parametrize("columns", [False, True], ids=["rows", "columns"])
def test_the_vector_unit_shares_operands_too(cores, columns):
    program = product(50, 150, 70, "float32", columns=columns)
    schedule = Matmul(ARCHS[ARCH])._schedule(program.mod, cores)
    printed = emit_bang(schedule.mod, program.kernel)
    assert "GDRAM2SRAM" in printed.text
    assert "SRAM2NRAM" in printed.text
    check(printed, program, 1e-4)


def rows_plus_row(cores: int = 4, *, square: bool = False, share: bool = True) -> s_tir.Schedule:
    """`y[i, j] = x[i, j] + w[j]`, or plus `w[j]` squared, with a part of `w` in SRAM at a time."""
    x, w = te.placeholder((15 * cores, 200), name="x"), te.placeholder((200,), name="w")
    part = te.compute((200,), lambda j: w[j] * w[j], "part") if square else w
    y = te.compute(x.shape, lambda i, j: x[i, j] + part[j], "y")
    sch = s_tir.Schedule(tvm.IRModule({"main": te.create_prim_func([x, w, y])}))
    i, j = sch.get_loops("y")
    cluster, core, row = sch.split(i, [3, cores, 5])
    step, element = sch.split(j, [2, 100])
    sch.reorder(cluster, core, step, row, element)
    sch.bind(cluster, "blockIdx.x")
    sch.bind(core, "threadIdx.x")
    if share:
        sch.compute_at(sch.cache_read("y", 1, "shared.sram"), step)
    if square:
        sch.compute_inline("part")
    return sch


def row_program(cores: int = 4) -> Program:
    size = 15 * cores
    x, w = te.placeholder((size, 200), name="x"), te.placeholder((200,), name="w")
    y = te.compute(x.shape, lambda i, j: x[i, j] + w[j], "y")
    params = (_tensor("x", (size, 200)), _tensor("w", (200,)), _tensor("y", (size, 200), "out"))
    return _program("rows", [x, w, y], params, lambda v: {"y": v["x"] + v["w"]})


def test_any_schedule_may_share_and_vectors_read_what_is_shared(request):
    program = row_program()
    printed = emit_bang(rows_plus_row().mod, program.kernel)
    assert "SRAM2NRAM" in printed.text
    check_golden(request, "sharing_rows.mlu", printed.text)
    check(printed, program, 1e-6)


@pytest.mark.parametrize(
    ("clusters", "kind", "tasks", "place"),
    [
        (1, "union1", (4, 1, 1), None),
        (2, "union2", (8, 1, 1), "clusterId"),
        (3, "union1", (4, 3, 1), "taskIdY"),
        (4, "union4", (16, 1, 1), "clusterId"),
        (6, "union2", (8, 3, 1), "taskIdY * 2 + clusterId"),
        (12, "union4", (16, 3, 1), "taskIdY * 4 + clusterId"),
    ],
)
def test_jobs_are_as_large_as_the_number_of_clusters_allows(clusters, kind, tasks, place):
    program = product(16 * clusters, 64, 64)
    printed = emitted(program, Tile(4, 1, 64, (4, 1)))
    launch = printed.kernel.launch
    assert launch is not None
    assert (launch.kind, launch.tasks) == (kind, tasks)
    assert (place is None) == ("int task =" not in printed.text)
    assert place is None or f"const int task = {place};" in printed.text
    assert f"{{{tasks[0]}, {tasks[1]}, 1}}" in printed.text
    check_values(printed.kernel, program, 1e-3)


def refusal(make, *args) -> EmitError:
    with pytest.raises(EmitError) as caught:
        make(*args)
    return caught.value


def test_what_does_not_fit_into_sram():
    program = product(64, 1024, 2048, columns=True)
    error = refusal(emitted, program, Tile(64, 2, 1024, (1, 4)))
    assert error.code == "XP4002"
    assert "in SRAM" in error.message
    assert "1966080" in error.message


def test_only_copies_fill_sram():
    error = refusal(emit_bang, rows_plus_row(square=True).mod, row_program().kernel)
    assert error.code == "XP4001"
    assert "scalar code cannot reach it" in error.message


def test_threads_are_the_cores_of_a_cluster():
    error = refusal(emit_bang, rows_plus_row(8).mod, row_program(8).kernel)
    assert error.code == "XP4001"
    assert "threadIdx.x has the extent 8" in error.message


def test_cores_of_a_cluster_that_share_nothing():
    program = row_program()
    schedule = rows_plus_row(share=False)
    printed = emit_bang(schedule.mod, program.kernel)
    assert "if (__is_mpu()) return;" in printed.text
    assert "__sync_cluster" not in printed.text
    check(printed, program, 1e-6)


PLACES = {
    "every core comes": ("for _ in range(1):", "w[j0 * 100 + j]", ""),
    "from a result": ("for _ in range(1):", "y[0, j]", "is written, too"),
    "by a core": ("for _ in range(1):", "w[core + j]", "depends on"),
    "some cores come": ("if w[0] > T.float32(0):", "w[j]", "not every core may come"),
    "data say how often": ("for _ in range(T.Cast('int32', w[0])):", "w[j]", "constant length"),
}


@pytest.mark.parametrize("name", PLACES)
def test_what_is_brought_ahead_depends_on_the_round_alone(name):
    around, filled, said = PLACES[name]
    text = f"""
@T.prim_func(s_tir=True)
def main(x: T.Buffer((60, 200)), w: T.Buffer((200,)), y: T.Buffer((60, 200))):
    s = T.sblock_alloc_buffer((100,), scope="shared.sram")
    for cluster in T.thread_binding(3, thread="blockIdx.x"):
        for core in T.thread_binding(4, thread="threadIdx.x"):
            for j0 in range(2):
                {around}
                    for j in range(100):
                        with T.sblock("s"):
                            T.reads()
                            T.writes()
                            s[j] = {filled}
                    for i, j in T.grid(5, 100):
                        with T.sblock("y"):
                            T.reads()
                            T.writes()
                            y[cluster * 20 + core * 5 + i, j0 * 100 + j] = s[j]
"""
    mod = tvm.IRModule({"main": tvm.script.from_source(text)})
    if not said:
        assert "GDRAM2SRAM" in emit_bang(mod, row_program().kernel).text
        return
    error = refusal(emit_bang, mod, row_program().kernel)
    assert error.code == "XP4001"
    assert said in error.message
