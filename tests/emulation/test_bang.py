"""BANG C: each intrinsic against numpy, each misuse against its error."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from xpiler_tvm.dialects.bang import ARCHS, ELEMENTWISE, Elementwise
from xpiler_tvm.errors import CheckError, ReadError, XpilerError

from .support import execute, first, out, random

BLOCK = (1,)


def run(body: str, *params: object, declare: str = "", **about: object) -> np.ndarray:
    """`y` after a kernel with NRAM `a`, `b`, `c`, `d` of 4096 floats each and WRAM `w`."""
    names = ", ".join(
        f"const {kind(param[1].dtype.name)}* {param[0]}"
        if isinstance(param, tuple)
        else (f"{kind(param.dtype)}* {param.name}")
        for param in params
    )
    source = f"""#include "bang.h"
__nram__ float a[4096], b[4096], c[4096], d[4096];
__wram__ float w[4096];
{declare}
#define IN(to, from, n) __memcpy(to, from, (n) * sizeof(*from), GDRAM2NRAM)
#define OUT(from, n) __memcpy(y, from, (n) * sizeof(*y), NRAM2GDRAM)
__mlu_global__ void k({names}) {{
  {body}
}}"""
    return first(execute(source, *params, **{"tasks": BLOCK, **about}))  # type: ignore[arg-type]


def kind(dtype: str) -> str:
    return {
        "float32": "float",
        "float16": "half",
        "int8": "int8_t",
        "int16": "int16_t",
        "int32": "int",
    }[dtype]


def failure(body: str, *params: object, **about: object) -> XpilerError:
    with pytest.raises(XpilerError) as caught:
        run(body, *params, **about)
    return caught.value


# --- elementwise, the whole table

Function = Callable[..., np.ndarray]


def half_away(a: np.ndarray) -> np.ndarray:
    return np.sign(a) * np.floor(np.abs(a) + 0.5)


def gelu(a: np.ndarray) -> np.ndarray:
    return np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in a])


MEANING: dict[str, Function] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maxequal": np.maximum,
    "minequal": np.minimum,
    "maxeq": np.maximum,
    "mineq": np.minimum,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "nan_maximum": np.maximum,
    "nan_minimum": np.minimum,
    "square": np.square,
    "abs": np.abs,
    "neg": np.negative,
    "floor": np.floor,
    "round": half_away,
    "relu": lambda a: np.maximum(a, 0),
    "relun": lambda a, b: np.clip(a, 0, b),
    "sign": lambda a: np.where(a >= 0, 1, -1),
    "sin": np.sin,
    "cos": np.cos,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: a**-0.5,
    "recip": lambda a: 1 / a,
    "pow2": np.exp2,
    "log2": np.log2,
    "log": np.log,
    "exp": np.exp,
    "exp_less_0": np.exp,
    "recip_greater_1": lambda a: 1 / a,
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "gelu": gelu,
    "gelup": gelu,
    "softplus": lambda a: np.log1p(np.exp(a)),
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
    "not": np.logical_not,
    "FUSION_FMA": lambda a, b, c: a * b + c,
    "FUSION_FMS": lambda a, b, c: a * b - c,
    "FUSION_FAM": lambda a, b, c: (a + b) * c,
    "FUSION_FSM": lambda a, b, c: (a - b) * c,
    "FUSION_FAA": lambda a, b, c: a + b + c,
    "FUSION_FAS": lambda a, b, c: a + b - c,
    "FUSION_FSS": lambda a, b, c: a - b - c,
    "FUSION_FSA": lambda a, b, c: a - b + c,
}


def meaning(row: Elementwise) -> Function:
    """What numpy says of a row, found by its name alone."""
    if row.selector:
        return MEANING[row.selector]
    if row.name == "__bang_log":
        return np.log2  # the vendor's trap
    name = row.name.removeprefix("__bang_").removesuffix("_scalar").removesuffix("_const")
    for prefix in ("active_", "cycle_", "taylor3_", "taylor4_"):
        name = name.removeprefix(prefix)
    return MEANING[name] if name in MEANING else MEANING[name.removesuffix("hp")]


FLOAT_ROWS = [row for row in ELEMENTWISE if "float32" in row.dtypes]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_elementwise_row(arch: str, dtype: str) -> None:
    """One kernel calls all rows, one after the other, on the same operands."""
    rows = [row for row in FLOAT_ROWS if dtype in row.dtypes and row.on(arch)]
    count, period = 64, 16
    rng = np.random.default_rng(1)
    x = np.round(rng.uniform(0.25, 2.75, count), 1).astype(dtype)
    z = np.round(rng.uniform(0.25, 2.75, count), 1).astype(dtype)
    body, want = [f"IN(p, x, {count}); IN(q, z, {count});"], []
    for position, row in enumerate(rows):
        arguments, values = [], []
        for letter, form in zip("abc", row.operands, strict=False):
            vector, array = ("p", x) if letter == "a" else ("q", z)
            if form == "scalar":
                arguments.append("0.75")
                values.append(np.asarray(0.75))
            else:
                arguments.append(vector)
                cycle = form == "cycle"
                values.append(
                    (np.tile(array[:period], count // period) if cycle else array).astype("f8")
                )
        arguments += [f"s{i}" for i in range(row.scratch)] + [str(count)]
        arguments += [str(period)] if "cycle" in row.operands else []
        selector = f"{row.selector}, " if row.selector else ""
        body.append(f"{row.name}({selector}r, {', '.join(arguments)});")
        body.append(f"__memcpy(y + {position * count}, r, {count} * sizeof(*y), NRAM2GDRAM);")
        want.append(np.asarray(meaning(row)(*values), "f8"))
    declare = (
        f"__nram__ {kind(dtype)} p[{count}], q[{count}], r[{count}], s0[{count}], s1[{count}];"
    )
    shape = (len(rows), count)
    rtol, atol = (2e-3, 1e-3) if dtype == "float16" else (1e-5, 1e-6)
    got = run(
        "\n".join(body), ("x", x), ("z", z), out("y", shape, dtype), declare=declare, arch=arch
    )
    for row, mine, expected in zip(rows, got.astype("f8"), want, strict=True):
        np.testing.assert_allclose(mine, expected, rtol, atol, err_msg=row.name)


def test_a_row_that_an_arch_lacks_is_no_function_there() -> None:
    body = "IN(a, x, 64); __bang_div(a, a, a, 64); OUT(a, 64);"
    assert (run(body, ("x", random(64)), out("y", 64), arch="mtp_592") == 1).all()
    assert failure(body, ("x", random(64)), out("y", 64), arch="mtp_372").code == "XP6003"


def test_integer_rows() -> None:
    body = """
    IN(i, x, 64); __bang_add(j, i, i, 64); __bang_bxor(j, j, i, 64); __bang_mul_scalar(j, j, 3, 64);
    OUT(j, 64);"""
    x = random(64, dtype="int32")
    got = run(body, ("x", x), out("y", 64, "int32"), declare="__nram__ int i[64], j[64];")
    np.testing.assert_array_equal(got, ((x + x) ^ x) * 3)


# --- moving data


def test_strided_copies_count_segments_minus_one_and_take_the_destination_s_stride_first() -> None:
    body = """
    __memcpy(a, x + 2, 3 * 4, GDRAM2NRAM, 3 * 4, 8 * 4, 4);
    __memcpy_async(y, a, 3 * 4, NRAM2GDRAM, 5 * 4, 3 * 4, 4);
    __sync();"""
    x = random(5, 8)
    got = run(body, ("x", x), out("y", (5, 5)))
    np.testing.assert_array_equal(got[:, :3], x[:, 2:5])
    assert np.isnan(got[:, 3:]).all()


def test_copies_in_three_dimensions_transpose_planes() -> None:
    body = """
    IN(a, x, 24);
    __memcpy(b, a, 4 * 4, NRAM2NRAM, 2 * 16, 2, 16, 1, 16, 2, 3 * 16, 1);
    OUT(b, 24);"""
    x = random(2, 3, 4)
    np.testing.assert_array_equal(run(body, ("x", x), out("y", (3, 2, 4))), x.transpose(1, 0, 2))


def test_fills_take_the_value_s_type() -> None:
    body = """
    __bang_write_value(a, 8, 2.5f); __bang_write_zero(a + 2, 2); __bang_write_value(a + 4, 1, 7.0);
    __memset_nram((void*)(a + 6), 1, 1); OUT(a, 8);"""
    got = run(body, out("y", 8))
    np.testing.assert_array_equal(got, [2.5, 2.5, 0, 0, 7, 2.5, np.int32(1).view("float32"), 2.5])


def test_nram_is_not_zero_and_not_the_last_task_s() -> None:
    body = "__memcpy(y + taskId, a, 4, NRAM2GDRAM); __bang_write_value(a, 1, 1.0f);"
    assert np.isnan(run(body, out("y", 4), tasks=(4,))).all()


def test_layouts() -> None:
    x = random(4, 6, 8)
    for call, want in (
        ("__bang_transpose(b, a, 24, 8)", x.reshape(24, 8).T),
        ("__bang_rotate90(b, a, 24, 8)", np.rot90(x.reshape(24, 8), -1)),
        ("__bang_rotate180(b, a, 24, 8)", np.rot90(x.reshape(24, 8), 2)),
        ("__bang_rotate270(b, a, 24, 8)", np.rot90(x.reshape(24, 8))),
        ("__bang_mirror(b, a, 24, 8)", x.reshape(24, 8)[:, ::-1]),
        ("__bang_reshape_nhwc2nchw(b, a, 1, 4, 6, 8)", x.transpose(2, 0, 1)),
        ("__bang_reshape_nchw2nhwc(b, a, 1, 6, 8, 4)", x.transpose(1, 2, 0)),
        ("__bang_pad(b, a, 8, 4, 6, 1, 2, 0, 3)", np.pad(x, ((1, 2), (0, 3), (0, 0)))),
    ):
        got = run(f"IN(a, x, 192); {call}; OUT(b, {want.size});", ("x", x), out("y", want.shape))
        np.testing.assert_array_equal(got, want, err_msg=call)


# --- reductions, pools, matrices


def test_reductions_work_on_blocks_of_128_bytes() -> None:
    body = """
    IN(a, x, 96); __bang_reduce_sum(b, a, 96);
    y[0] = b[0]; y[1] = b[32]; y[2] = b[64]; y[3] = __bang_sum(a, 96);
    __bang_argmax(b, a, 96); y[4] = b[0]; y[5] = ((unsigned*)b)[1];
    __bang_min(b, a, 96); y[6] = b[0]; y[7] = ((unsigned*)b)[1];
    __bang_gt_scalar(c, a, 0.5f, 96); unsigned n; __bang_count(&n, c, 96); y[8] = n;
    y[9] = __bang_filter(b, a, c, 96); y[10] = b[1];"""
    x = random(96)
    got = run(body, ("x", x), out("y", 11))
    sums = x.reshape(3, 32).sum(1)
    large = x[x > 0.5]
    want = [
        *sums,
        x.sum(),
        x.max(),
        x.argmax(),
        x.min(),
        x.argmin(),
        large.size,
        large.size,
        large[1],
    ]
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "fold"), [("sum", np.sum), ("avg", np.mean), ("max", np.max), ("min", np.min)]
)
def test_pools_take_the_stride_of_the_width_first(name: str, fold: Function) -> None:
    body = f"IN(a, x, 7 * 9 * 32); __bang_{name}pool(b, a, 32, 7, 9, 3, 2, 4, 2); OUT(b, 6 * 32);"
    x = random(7, 9, 32)
    windows = [[fold(x[i : i + 3, j : j + 2], axis=(0, 1)) for j in (0, 4)] for i in (0, 2, 4)]
    got = run(body, ("x", x), out("y", (3, 2, 32)))
    np.testing.assert_allclose(got, windows, rtol=1e-5, atol=1e-6)


def test_a_pool_as_a_row_sum() -> None:
    x = random(100)
    got = run(
        "IN(a, x, 100); __bang_sumpool(b, a, 1, 1, 100, 1, 100, 1, 1); y[0] = b[0];",
        ("x", x),
        out("y", 1),
    )
    assert got[0] == pytest.approx(x.sum(), rel=1e-4)


def test_matmul_with_reshaped_weights() -> None:
    """Filters of the transposed matrix, permuted into the lanes of WRAM."""
    body = """
    IN(a, x, 4 * 32); IN(b, z, 64 * 32);
    __bang_reshape_filter(c, b, 64, 1, 1, 32);
    __memcpy(w, c, 64 * 32 * 4, NRAM2WRAM);
    __bang_matmul(d, a, w, 4, 32, 64); OUT(d, 4 * 64);"""
    x, z = random(4, 32), random(64, 32, seed=1)
    np.testing.assert_allclose(
        run(body, ("x", x), ("z", z), out("y", (4, 64))), x @ z.T, rtol=1e-4, atol=1e-5
    )


def test_reshaped_weights_of_several_groups_of_lanes() -> None:
    body = """
    IN(a, x, 16); IN(b, z, 128 * 16);
    __bang_reshape_filter(c, b, 128, 1, 1, 16);
    OUT(c, 128 * 16);"""
    z = random(128, 16, seed=1)
    got = run(body, ("x", random(16)), ("z", z), out("y", (64, 2, 16)))
    np.testing.assert_array_equal(got, z.reshape(2, 64, 16).transpose(1, 0, 2))


def test_informal_matmul_and_mlp_take_rows_of_weights() -> None:
    body = """
    IN(i, x, 2 * 32); __memcpy(v, z, 32 * 48, GDRAM2WRAM);
    __bang_matmul(a, i, v, 2, 32, 48, 0); OUT(a, 96);
    __bang_mlp(a, i, v, 32, 48, 1); __memcpy(y + 96, a, 48 * 4, NRAM2GDRAM);"""
    x, z = random(2, 32, dtype="int8"), random(32, 48, seed=1, dtype="int8")
    declare = "__nram__ int8_t i[64]; __wram__ int8_t v[32 * 48];"
    got = run(body, ("x", x), ("z", z), out("y", (3, 48)), declare=declare)
    product = x.astype(int) @ z
    np.testing.assert_array_equal(got, [*product, product[0] * 2])


@pytest.mark.parametrize("reshaped", [False, True])
def test_convolutions(reshaped: bool) -> None:
    body = "IN(a, x, 7 * 6 * 3); IN(b, z, 64 * 2 * 3 * 3); IN(d, g, 64);"
    if reshaped:
        body += "__bang_reshape_filter(c, b, 64, 2, 3, 3); __memcpy(w, c, 64 * 18 * 4, NRAM2WRAM);"
    else:
        body += "__memcpy(w, b, 64 * 18 * 4, NRAM2WRAM);"
    body += "__bang_conv(c, a, w, d, 3, 7, 6, 2, 3, 1, 2, 64); OUT(c, 3 * 4 * 64);"
    x, z, g = random(7, 6, 3), random(64, 2, 3, 3, seed=1), random(64, seed=2)
    want = np.zeros((3, 4, 64)) + g
    for i in range(3):
        for j in range(4):
            want[i, j] += np.einsum("hwc,ohwc->o", x[2 * i : 2 * i + 2, j : j + 3], z)
    got = run(body, ("x", x), ("z", z), ("g", g), out("y", (3, 4, 64)))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_conversions_round_as_their_mode_says() -> None:
    modes = {
        "rd": half_away,
        "rn": np.rint,
        "tz": np.trunc,
        "oz": lambda v: np.sign(v) * np.ceil(np.abs(v)),
        "up": np.ceil,
        "dn": np.floor,
    }
    x = np.array([-2.5, -1.5, -0.3, 0.5, 1.5, 2.5, 300, -300], "float32")
    for mode, rounded in modes.items():
        body = f"""IN(a, x, 8); __bang_float2int8_{mode}(i, a, 8, 0);
        __bang_int82float(b, i, 8, 1); OUT(b, 8);"""
        got = run(body, ("x", x), out("y", 8), declare="__nram__ int8_t i[8];")
        np.testing.assert_array_equal(got, 2 * np.clip(rounded(x), -128, 127), err_msg=mode)


def test_narrowing_to_half_in_every_direction() -> None:
    x = np.array([1 + 2**-12, -1 - 2**-12, 1 + 3 * 2**-12, 0.1], "float32")
    body = """IN(a, x, 4);
    __bang_float2half_rn(h, a, 4); __bang_float2half_tz(h + 4, a, 4);
    __bang_float2half_up(h + 8, a, 4); __bang_float2half_dn(h + 12, a, 4);
    __bang_half2float(b, h, 16); OUT(b, 16);"""
    got = run(body, ("x", x), out("y", (4, 4)), declare="__nram__ half h[16];").astype("f8")
    np.testing.assert_array_equal(got[0], x.astype("float16"))
    assert (np.abs(got[1]) <= np.abs(x)).all()
    assert (got[2] >= x).all()
    assert (got[3] <= x).all()
    assert (np.abs(got - x) < 2**-10).all()


# --- tasks, clusters, barriers


def test_ids_of_a_block_job_in_three_dimensions() -> None:
    body = """int* p = y + 6 * taskId;
    p[0] = taskIdX; p[1] = taskIdY; p[2] = taskIdZ; p[3] = taskDim;
    p[4] = taskDimX; p[5] = clusterDim;"""
    got = run(body, out("y", (2, 3, 4, 6), "int32"), tasks=(4, 3, 2))
    z, y, x = np.indices((2, 3, 4))
    np.testing.assert_array_equal(got[..., 0], x)
    np.testing.assert_array_equal(got[..., 1], y)
    np.testing.assert_array_equal(got[..., 2], z)
    assert (got[..., 3:] == [24, 4, 0]).all()


def test_ids_of_a_union_job() -> None:
    body = """int* p = y + 4 * taskId;
    p[0] = clusterId; p[1] = coreId; p[2] = clusterDim; p[3] = coreDim;"""
    got = run(body, out("y", (16, 4), "int32"), tasks=(16,), kind="union2")
    task = np.arange(16)
    np.testing.assert_array_equal(got[:, 0], task // 4 % 2)
    np.testing.assert_array_equal(got[:, 1], task % 4)
    assert (got[:, 2:] == [2, 4]).all()


def test_cores_of_a_cluster_exchange_data_through_sram() -> None:
    body = """
    IN(a, x + 32 * taskId, 32);
    __memcpy(s + 32 * coreId, a, 128, NRAM2SRAM);
    __sync_cluster();
    __memcpy(b, s + 32 * ((coreId + 1) % 4), 128, SRAM2NRAM);
    __bang_sub(b, b, a, 32);
    __memcpy(y + 32 * taskId, b, 128, NRAM2GDRAM);"""
    x = random(8, 32)
    got = run(
        body,
        ("x", x),
        out("y", (8, 32)),
        declare="__mlu_shared__ float s[128];",
        tasks=(8,),
        kind="union2",
    )
    neighbour = np.roll(x.reshape(2, 4, 32), -1, axis=1).reshape(8, 32)
    np.testing.assert_array_equal(got, neighbour - x)


def test_all_cores_of_a_union_wait_for_each_other_with_nram_of_their_own() -> None:
    body = """
    __bang_write_value(a, 32, (float)taskId);
    __memcpy(y + 32 * taskId, a, 128, NRAM2GDRAM);
    __sync_all();
    IN(b, y + 32 * ((taskId + 5) % 8), 32);
    __sync_all();
    __bang_add(a, a, b, 32);
    __memcpy(y + 32 * taskId, a, 128, NRAM2GDRAM);"""
    got = run(body, out("y", (8, 32)), tasks=(8,), kind="union2")
    task = np.arange(8)
    np.testing.assert_array_equal(got[:, 0], task + (task + 5) % 8)


def test_the_memory_core_loads_for_the_others() -> None:
    body = """
    if (__is_mpu()) { __memcpy(s, x, 512, GDRAM2SRAM); __sync_cluster(); return; }
    __sync_cluster();
    __memcpy(y + 32 * coreId, s + 32 * coreId, 128, SRAM2GDRAM);"""
    x = random(4, 32)
    got = run(
        body,
        ("x", x),
        out("y", (4, 32)),
        declare="__mlu_shared__ float s[128];",
        tasks=(4,),
        kind="union1",
    )
    np.testing.assert_array_equal(got, x)


def test_a_template_s_own_nram() -> None:
    source = """
    template <typename T, int N> __mlu_global__ void k(const T* x, T* y) {
      __nram__ T tile[N];
      __memcpy(tile, x, N * sizeof(T), GDRAM2NRAM);
      __bang_mul_scalar(tile, tile, T(2), N);
      __memcpy(y, tile, N * sizeof(T), NRAM2GDRAM);
    }"""
    x = random(64)
    got = first(execute(source, ("x", x), out("y", 64), tasks=(1,), entry="k<float, 64>"))
    np.testing.assert_array_equal(got, 2 * x)


# --- misuse


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("__bang_add(a, a, x, 64);", "operand 2 'x' lies in GDRAM, not in NRAM"),
        ("__bang_relu(y, a, 64);", "the destination 'y' lies in GDRAM"),
        ("__bang_relu(a + 4000, a, 97);", "takes 388 bytes at byte 16000 of 'a', which has 16384"),
        ("__memcpy(a, x, 260, GDRAM2NRAM);", "takes 260 bytes at byte 0 of 'x', which has 256"),
        ("__memcpy(a, x, 64, NRAM2NRAM);", "the source 'x' lies in GDRAM, not in NRAM"),
        ("__memcpy(a, x, 64, GDRAM2NRAM, 128, 64, 4);", "takes 320 bytes"),
        ("__bang_matmul(a, b, c, 1, 1, 64);", "the weight 'c' lies in NRAM, not in WRAM"),
        ("__bang_transpose(a, a, 8, 8);", "does not work in place"),
        ("__bang_add(a + 1, a, a, 64);", "overlap in part"),
        ("__bang_add(a, a, a, 0);", "has 0 bytes"),
        ("__bang_cycle_add(a, a, b, 64, 10);", "no multiple of the period 10"),
        ("__bang_write_value(a, 4096, 1ll);", "takes 32768 bytes"),
        ("__bang_relu((float*)64, a, 64);", "points to no variable"),
    ],
)
def test_a_wrong_operand_is_named(body: str, said: str) -> None:
    error = failure(body, ("x", random(64)), out("y", 64))
    assert isinstance(error, CheckError)
    assert error.code == "XP5002"
    assert said in error.message
    assert error.span is not None
    assert body in error.span.text


@pytest.mark.parametrize(
    ("variable", "arch", "fits"),
    [
        ("__nram__ char v[384 * 1024];", "mtp_592", True),
        ("__nram__ char v[384 * 1024 + 1];", "mtp_592", False),
        ("__nram__ char v[640 * 1024];", "mtp_372", True),
        ("__wram__ char v[513 * 1024];", "mtp_592", False),
        ("__mlu_shared__ char v[1921 * 1024];", "mtp_592", False),
    ],
)
def test_memories_have_a_capacity(variable: str, arch: str, fits: bool) -> None:
    source = (
        f"{variable}\n__mlu_global__ void k(float* y) {{ v[taskId] = 1; y[0] = v[taskDim - 1]; }}"
    )
    if fits:
        execute(source, out("y", 1), tasks=(1,), arch=arch)
        return
    with pytest.raises(ReadError) as caught:
        execute(source, out("y", 1), tasks=(1,), arch=arch)
    assert caught.value.code == "XP1011"
    assert "'v'" in caught.value.message


def test_a_union_takes_whole_clusters() -> None:
    with pytest.raises(ReadError) as caught:
        run("y[taskId] = 1;", out("y", 6), tasks=(6,), kind="union1")
    assert caught.value.code == "XP1011"


def test_cores_that_wait_at_different_barriers() -> None:
    body = "if (coreId == 0) { __sync_all(); } else { __sync_cluster(); }"
    error = failure(body, out("y", 1), tasks=(4,), kind="union1")
    assert error.code == "XP5008"
    assert "line" in error.message
