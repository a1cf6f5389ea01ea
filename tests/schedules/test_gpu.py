"""What GPU schedules make: vectors, rows fetched once, matrix instructions, devices."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import te

from xpiler_tvm import schedules, targets
from xpiler_tvm.emulation import run_text
from xpiler_tvm.errors import ReadError
from xpiler_tvm.schedules import gpu
from xpiler_tvm.schedules.base import Declined, unbind
from xpiler_tvm.schedules.gpu_device import GpuLimits
from xpiler_tvm.schedules.gpu_instructions import replaced
from xpiler_tvm.schedules.gpu_tensor_cores import TensorCores

from .programs import Program, column_sum, from_te, softmax, two_outputs, vector_add
from .running import check_module, check_text, source_kernel


def product(
    m: int, n: int, k: int, *, left: bool = True, right: bool = False, dtypes: str, scale: float = 1
) -> Program:
    """`C = scale * A B`; `left` and `right` say whether A and B lie in memory along the depth."""
    operand, total = dtypes.split()
    a = te.placeholder((m, k) if left else (k, m), operand, "A")
    b = te.placeholder((n, k) if right else (k, n), operand, "B")
    r = te.reduce_axis((0, k), "k")

    def term(i: tvm.tirx.Var, j: tvm.tirx.Var) -> tvm.ir.Expr:
        x, y = (a[i, r] if left else a[r, i]), (b[j, r] if right else b[r, j])
        return x.astype(total) * y.astype(total)

    c = te.compute((m, n), lambda i, j: te.sum(term(i, j), axis=r), "C")
    out = c if scale == 1 else te.compute((m, n), lambda i, j: c[i, j] * scale, "D")

    def reference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        wide = np.float64 if total.startswith("float") else np.int64
        x, y = (x if left else x.T).astype(wide), (y.T if right else y).astype(wide)
        return x @ y * scale

    return Program(from_te(a, b, out), reference)


def emitted(program: Program, target: str, rule: str) -> str:
    """The text for a target, run there and, as a schedule, here."""
    scheduled = schedules.apply(program.mod, target)
    assert scheduled.rule == rule, scheduled.declined
    check_module(unbind(scheduled.mod), program)
    made = targets.get(target).emit(scheduled.mod, source_kernel(program, "kernel"))
    assert made.kernel is not None
    check_text(made.kernel, program)
    return made.text


# ---------------------------------------------------------------- vectors


@pytest.mark.parametrize("target", ["cuda", "hip"])
def test_many_elements_move_as_vectors(target: str) -> None:
    text = emitted(vector_add(1 << 16), target, "gpu.elementwise")
    assert text.count("*reinterpret_cast<float4*>(&C[") == 1
    assert f"% 16 != 0) return {target}ErrorInvalidValue;" in text


@pytest.mark.parametrize("program", [vector_add((1 << 16) + 1), vector_add(4000), two_outputs(99)])
def test_few_elements_and_odd_rows_move_alone(program: Program) -> None:
    assert "float4" not in emitted(program, "cuda", "gpu.elementwise")


def test_what_is_costly_but_small_is_computed_where_it_is_read() -> None:
    a, v = te.placeholder((64, 1024), name="A"), te.placeholder((64,), name="V")
    scale = te.compute((64,), lambda i: te.exp(v[i]), "scale")
    out = te.compute((64, 1024), lambda i, j: a[i, j] * scale[i], "O")
    program = Program(from_te(a, v, out), lambda a, v: a * np.exp(v)[:, None])
    assert "float4" in emitted(program, "cuda", "gpu.elementwise")


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("columns", [1000, 257])
def test_rows_that_are_read_again_are_fetched_once(columns: int) -> None:
    text = emitted(softmax(16, columns), "cuda", "gpu.rows")
    assert text.count("A[") == 1 and text.count("A_shared[") >= 4
    assert ("float4" in text) == (columns % 4 == 0)


def test_rows_of_a_block_are_fetched_by_all_its_threads() -> None:
    text = emitted(softmax(16, 64), "cuda", "gpu.rows")
    (fetch,) = (line for line in text.splitlines() if "A[" in line)
    assert "block (32, 8, 1)" in text and "A_shared[ty * 128 + tx * 4]" in fetch


def test_sums_over_threads_are_functions() -> None:
    text = emitted(softmax(16, 3000), "cuda", "gpu.rows")
    assert "block_max(" in text and "block_sum(" in text and "__shfl_xor_sync(" in text
    assert "block_sum_y(" in emitted(column_sum(256, 64), "hip", "gpu.rows")


def depthwise(channels: int, size: int) -> Program:
    x = te.placeholder((channels, size + 2, size + 2), name="A")
    w = te.placeholder((channels, 3, 3), name="W")
    p, q = te.reduce_axis((0, 3), "p"), te.reduce_axis((0, 3), "q")
    out = te.compute(
        (channels, size, size),
        lambda c, i, j: te.sum(x[c, i + p, j + q] * w[c, p, q], axis=[p, q]),
        "O",
    )

    def expected(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(a, (3, 3), (1, 2))
        return np.einsum("cijpq,cpq->cij", windows, b)

    return Program(from_te(x, w, out), expected)


def test_windows_side_by_side_take_a_thread_each() -> None:
    """A team would be idle but for nine of its threads, and read less of what lies together."""
    assert "__shfl" not in emitted(depthwise(4, 64), "cuda", "gpu.threads")


def test_few_columns_have_long_teams() -> None:
    assert "block (32, 32, 1)" in emitted(column_sum(1024, 64), "cuda", "gpu.rows")


# ---------------------------------------------------------------- matrix instructions

FLOATS, BYTES = "float16 float32", "int8 int32"


@pytest.mark.parametrize("target", ["cuda", "hip"])
@pytest.mark.parametrize(
    "program",
    [
        product(100, 72, 50, dtypes=FLOATS),
        product(64, 40, 96, left=False, right=True, dtypes=FLOATS, scale=0.5),
        product(33, 130, 70, right=True, dtypes=BYTES),
        product(9, 17, 48, left=False, dtypes=BYTES),
    ],
    ids=["odd", "turned_scaled", "bytes", "thin"],
)
def test_products_of_short_numbers(program: Program, target: str) -> None:
    text = emitted(program, target, "gpu.tensor_cores")
    assert ("mma.sync.aligned" if target == "cuda" else "__builtin_amdgcn_mfma_") in text


def test_large_products_have_large_tiles() -> None:
    program = product(2048, 2048, 64, dtypes=FLOATS)
    scheduled = schedules.apply(program.mod, "cuda")
    made = targets.get("cuda").emit(scheduled.mod, source_kernel(program, "kernel"))
    assert made.kernel is not None and made.kernel.launch is not None
    assert made.kernel.launch.grid == (16, 16, 1) and made.kernel.launch.block == (32, 2, 2)
    assert "C_sum[16][8]" in made.text and "cp_async_16(" in made.text
    stages = 2 * (128 * (32 + 8) + 32 * (128 + 8)) * 2
    assert made.kernel.launch.shared_bytes == stages + 2 * 16 * (128 + 8) * 4
    assert "cudaFuncAttributeMaxDynamicSharedMemorySize, 55296)" in made.text


@pytest.mark.parametrize(
    ("program", "bytes_of_a_copy"),
    [
        (product(64, 64, 256, dtypes=FLOATS), 16),
        (product(64, 64, 256, left=False, right=True, dtypes=FLOATS), 16),
        (product(60, 70, 100, right=True, dtypes=FLOATS), 8),
        (product(60, 70, 96, right=True, dtypes=BYTES), 16),
        (product(60, 70, 101, dtypes=FLOATS), 0),
        (product(60, 72, 96, dtypes=BYTES), 0),
    ],
    ids=["whole", "turned", "odd_tiles", "bytes", "odd_rows", "bytes_across"],
)
def test_operands_are_on_their_way_for_several_steps(
    program: Program, bytes_of_a_copy: int
) -> None:
    """Where the vectors of a copy are those of memory; else they go through registers."""
    text = emitted(program, "cuda", "gpu.tensor_cores")
    assert "mma.sync.aligned" in text
    assert ("cp_async_wait<" in text) == bool(bytes_of_a_copy)
    assert not bytes_of_a_copy or f"cp_async_{bytes_of_a_copy}(&A_shared[" in text


def test_what_is_copied_ahead_is_waited_for() -> None:
    program = product(40, 40, 200, dtypes=FLOATS)
    scheduled = schedules.apply(program.mod, "cuda")
    made = targets.get("cuda").emit(scheduled.mod, source_kernel(program, "kernel"))
    assert made.kernel is not None
    text = made.text.partition('extern "C" cudaError_t')[0]
    arrays = dict(zip("ABC", program.inputs(), strict=True))
    assert not run_text(made.kernel, arrays, text=text, build="checked").findings
    hasty = text.replace("cp_async_wait<1>", "cp_async_wait<2>")
    found = run_text(made.kernel, arrays, text=hasty, build="checked").findings
    assert {one.kind for one in found} == {"asynchronous access"}


def rounded_sums() -> Program:
    return product(64, 64, 64, dtypes="float16 float16")


def rounded_products() -> Program:
    a, b = te.placeholder((64, 64), "float16", "A"), te.placeholder((64, 64), "float16", "B")
    k = te.reduce_axis((0, 64), "k")
    c = te.compute(
        (64, 64), lambda i, j: te.sum((a[i, k] * b[k, j]).astype("float32"), axis=k), "C"
    )
    return Program(from_te(a, b, c), lambda x, y: x @ y)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (rounded_sums(), "no instruction sums products of float16 in float16"),
        (rounded_products(), "products are rounded"),
        (product(64, 64, 64, dtypes="float32 float32"), "no instruction sums products of float32"),
        (product(4, 64, 64, dtypes=FLOATS), "too thin"),
        (softmax(8, 8), "there are 2 stages that are not elementwise"),
    ],
)
def test_what_no_instruction_does_is_declined(program: Program, reason: str) -> None:
    answer = TensorCores(GpuLimits(), gpu.nvidia(80)).apply(program.mod)
    assert isinstance(answer, Declined) and reason in answer.reason


def test_marked_loops_are_what_their_instruction_does() -> None:
    answer = TensorCores(GpuLimits(), gpu.nvidia(80)).apply(product(32, 32, 32, dtypes=FLOATS).mod)
    assert not isinstance(answer, Declined)
    assert "tvm_mma_sync" not in answer.mod.script()
    assert "tvm_mma_sync" in replaced(answer.mod).script()


# ---------------------------------------------------------------- devices


@pytest.mark.parametrize(
    ("device", "dtypes", "builtin"),
    [
        ("gfx908", FLOATS, "mfma_f32_16x16x16f16"),
        ("gfx942", BYTES, "mfma_i32_16x16x32_i8"),
        ("gfx1030", FLOATS, ""),
        ("sm_70", FLOATS, "wmma::mma_sync"),
        ("sm_70", BYTES, ""),
        ("sm_75", BYTES, "wmma::mma_sync"),
    ],
)
def test_an_architecture_has_its_own_instructions(device: str, dtypes: str, builtin: str) -> None:
    program = product(40, 33, 64, dtypes=dtypes)
    dialect = "cuda" if device.startswith("sm_") else "hip"
    spec = targets.get(f"{dialect}:{device}")
    scheduled = schedules.apply(program.mod, spec.name)
    made = spec.emit(scheduled.mod, source_kernel(program, "kernel"))
    assert f"{dialect.upper()} for {device}" in made.text
    assert builtin in made.text and bool(builtin) == ("mfma" in made.text or "mma" in made.text)
    values = program.inputs()
    assert made.kernel is not None
    arrays = dict(zip("ABC", values, strict=True))
    text = made.text.partition(f'extern "C" {dialect}Error_t')[0]
    got = run_text(made.kernel, arrays, text=text, arch=device).arrays["C"]
    want = program.expected(values)[0]
    np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max())


def test_waves_of_32_lanes() -> None:
    program = softmax(16, 200)
    scheduled = schedules.apply(program.mod, "hip:gfx1100")
    kernel = source_kernel(program, "kernel")
    text = targets.get("hip:gfx1100").emit(scheduled.mod, kernel).text
    assert "__shfl_xor(x, d, 32)" in text and "int d = 16;" in text


@pytest.mark.parametrize("name", ["cuda:sm_60", "cuda:gfx90a", "hip:gfx803"])
def test_a_device_that_is_not_known(name: str) -> None:
    with pytest.raises(ReadError) as raised:
        targets.get(name)
    assert raised.value.code == "XP1012" and "one of" in raised.value.hint
