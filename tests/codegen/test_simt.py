"""What CUDA and HIP files have beyond C: sums over threads, vectors, loads a step ahead."""

from __future__ import annotations

import itertools

import pytest
import tvm
import tvm_ffi
from tvm import s_tir, te, tirx

from codegen import programs
from codegen.golden import check_golden
from codegen.running import check_values
from xpiler_tvm import schedules, targets
from xpiler_tvm.codegen.cuda import emit_cuda
from xpiler_tvm.codegen.hip import emit_hip
from xpiler_tvm.codegen.lanes import Lanes
from xpiler_tvm.emulation import run_text
from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel, Launch, Tensor

# ---------------------------------------------------------------- sums over threads


def over_threads(mod: tvm.IRModule, x: int, y: int) -> s_tir.Schedule:
    """A block of `x` by `y` threads for each row, all of which add up its elements."""
    sch = s_tir.Schedule(mod)
    row, column = sch.get_loops(sch.get_sblock("y"))
    sch.bind(row, "blockIdx.x")
    _, outer, inner = sch.split(column, [None, y, x])
    if y > 1:
        sch.bind(outer, "threadIdx.y")
    if x > 1:
        sch.bind(inner, "threadIdx.x")
    return sch


@pytest.mark.parametrize(
    ("x", "y", "function"),
    [(16, 1, "warp_sum_16"), (128, 1, "block_sum"), (24, 1, "block_sum"), (8, 6, "block_sum_xy")],
)
@pytest.mark.parametrize("emit", [emit_cuda, emit_hip], ids=["cuda", "hip"])
def test_sums_over_threads(emit, x, y, function):
    program = programs.row_sum(rows=5)
    text, kernel = emit(over_threads(program.mod, x, y).mod, program.kernel)
    assert f" {function}(float x)" in text and f"= {function}(" in text
    assert ("__shfl_xor" in text) == (x in (16, 128))
    assert not run_text(kernel, program.inputs(), build="checked").findings
    check_values(kernel, program, 1e-5)


def test_a_sum_that_some_threads_would_not_reach_is_refused():
    text = """
@T.prim_func(s_tir=True)
def main(x: T.Buffer((64,), "float32"), y: T.Buffer((1,), "float32")):
    for t in T.thread_binding(64, thread="threadIdx.y"):
        for k in T.thread_binding(32, thread="threadIdx.x"):
            with T.sblock("opaque"):
                part = T.sblock_alloc_buffer((1,), "float32", scope="local")
                total = T.sblock_alloc_buffer((1,), "float32", scope="local")
                T.reads(x[0:64])
                T.writes(y[0])
                if t < 3:
                    part[0] = x[k]
                    with T.attr(
                        T.comm_reducer(lambda a, b: a + b, [T.float32(0)]), "reduce_scope", 0
                    ):
                        T.evaluate(
                            T.tvm_thread_allreduce(
                                T.uint32(1), part[0], T.bool(True), total[0], k
                            )
                        )
                    y[0] = total[0]
"""
    func = tvm.script.from_source(text).with_attr("global_symbol", "main")
    params = (Tensor("x", (64,)), Tensor("y", (1,), intent="out"))
    with pytest.raises(EmitError) as caught:
        emit_cuda(tvm.IRModule({"main": func}), Kernel("", "cuda", "k", params))
    assert caught.value.code == "XP4001" and "only some" in caught.value.message


# ---------------------------------------------------------------- lanes of a vector


def value(expr: tvm.ir.Expr, values: dict[tirx.Var, int]) -> int:
    """An expression at numbers."""

    def number(var: tirx.Var) -> tvm.ir.Expr:
        return next((tirx.const(n, "int32") for v, n in values.items() if v.same_as(var)), var)

    return int(tvm.sym.Analyzer().simplify(tvm_ffi.structural_map(expr, (tirx.Var, number))))


t, v = tirx.Var("t", "int32"), tirx.Var("v", "int32")
FOLLOWING = {
    "plain": (t * 4 + v, 1),
    "remainder": (tirx.floormod(t * 4 + v, 24) + 8, 1),
    "quotient": (tirx.floordiv(t * 4 + v, 24), 0),
    "both": (tirx.floordiv(t * 4 + v, 8) * 40 + tirx.floormod(t * 4 + v, 8), 1),
    "twice": (t + v * 2, 2),
    "without": (t * 3, 0),
}


@pytest.mark.parametrize("name", FOLLOWING)
def test_an_index_is_its_first_lane_and_the_lane(name):
    expr, slope = FOLLOWING[name]
    analyzer = tvm.sym.Analyzer()
    analyzer.bind(t, tvm.ir.Range(0, 50))
    found = Lanes(v, 4, analyzer).split(expr)
    assert found is not None and found[1] == slope
    for step, lane in itertools.product(range(50), range(4)):
        assert value(expr, {t: step, v: lane}) == value(found[0], {t: step}) + slope * lane


@pytest.mark.parametrize(
    "expr",
    [
        tirx.floormod(t * 4 + v, 6),  # a vector may lie on both sides of a multiple of 6
        tirx.floormod(t * 2 + v, 8),  # and may begin two elements before one of 8
        tirx.floordiv(t + v, 4),
        v * v,
    ],
)
def test_lanes_that_part_are_unknown(expr):
    assert Lanes(v, 4, tvm.sym.Analyzer()).split(expr) is None


def test_lanes_agree_on_a_bound_that_is_a_multiple():
    lanes = Lanes(v, 4, tvm.sym.Analyzer())
    agreed = lanes.common(tirx.And(t * 4 + v < 100, t < 7))
    assert agreed is not None and not lanes.occurs_in(agreed)
    assert lanes.common(t * 4 + v < 99) is None


# ---------------------------------------------------------------- loads a step ahead


def staged() -> tuple[tvm.IRModule, Kernel]:
    """`y[i] = sum of x[j] for j < 256`, `x` by way of shared memory in four steps."""
    x, k = te.placeholder((256,), name="x"), te.reduce_axis((0, 256), "k")
    y = te.compute((64,), lambda i: te.sum(x[k], axis=k), "y")
    mod = tvm.IRModule({"main": te.create_prim_func([x, y]).with_attr("global_symbol", "main")})
    sch = s_tir.Schedule(mod)
    thread, column = sch.get_loops("y")
    steps, _ = sch.split(column, [None, 64])
    copy = sch.cache_read("y", 0, "shared")
    sch.bind(thread, "threadIdx.x")
    sch.compute_at(copy, steps)
    sch.bind(sch.get_loops(copy)[-1], "threadIdx.x")
    params = (Tensor("x", (256,)), Tensor("y", (64,), intent="out"))
    return sch.mod, Kernel("", "cuda", "staged", params, Launch((1,), (64,)))


def test_loads_are_a_step_ahead():
    mod, kernel = staged()
    text, made = emit_cuda(mod, kernel)
    body = text[text.index("for (int k_0") :]
    order = ["__syncthreads();", "= x_next;", "__syncthreads();", "if (k_0 + 1 < 4)", "+= "]
    places = [body.index(order[0])]
    for word in order[1:]:
        places.append(body.index(word, places[-1] + 1))
    values = {"x": programs.add(256).inputs()["x"]}
    got = run_text(made, values, build="checked")
    assert not got.findings
    assert abs(got.arrays["y"] - values["x"].sum()).max() < 1e-3


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize("target", ["cuda", "hip"])
@pytest.mark.parametrize("name", ["add", "softmax", "gemm"])
def test_files(name, target, request):
    """Vectors, rows and matrix instructions as they are scheduled for a device."""
    program = {
        "add": lambda: programs.add(1 << 16),
        "softmax": programs.softmax,
        "gemm": programs.gemm_int8,
    }[name]()
    scheduled = schedules.apply(program.mod, target)
    text = targets.get(target).emit(scheduled.mod, program.kernel).text
    check_golden(request, f"scheduled_{name}.{'cu' if target == 'cuda' else 'hip'}", text)
