"""BANG C: each intrinsic against numpy, each misuse against its error."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.dialects.bang_elementwise import ELEMENTWISE, Elementwise

from .bang_support import C_NAMES, REFUSED, failure, run
from .support import execute, first, out, random

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
    "rem": np.fmod,
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


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_elementwise_row(arch: str, dtype: str) -> None:
    """One kernel calls all rows, one after the other, on the same operands.

    What they mean is found by their names here, not in the table.
    """
    rows = [
        row
        for row in ELEMENTWISE
        if dtype in (*row.dtypes, *row.informal) and row.on(arch) and not row.packed
    ]
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
        f"__nram__ {C_NAMES[dtype]} p[{count}], q[{count}], r[{count}], s0[{count}], s1[{count}];"
    )
    shape = (len(rows), count)
    rtol, atol = (2e-3, 1e-3) if dtype == "float16" else (1e-5, 1e-6)
    got = run(
        "\n".join(body),
        ("x", x),
        ("z", z),
        out("y", shape, dtype),
        declare=declare,
        arch=arch,
        mode="lenient",
    )
    for row, mine, expected in zip(rows, got.astype("f8"), want, strict=True):
        np.testing.assert_allclose(mine, expected, rtol, atol, err_msg=row.name)


def test_a_row_that_an_arch_lacks_is_no_function_there() -> None:
    body = "IN(a, x, 64); __bang_div(a, a, a, 64); OUT(a, 64);"
    assert (run(body, ("x", random(64)), out("y", 64), arch="mtp_592") == 1).all()
    assert failure(body, ("x", random(64)), out("y", 64), arch="mtp_372").code in REFUSED


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
    __bang_write_value(a, 8, 2.5f); __bang_write_zero(a + 2, 2);
    __memset_nram((void*)(a + 6), 1, 1); OUT(a, 8);"""
    got = run(body, out("y", 8))
    np.testing.assert_array_equal(got, [2.5, 2.5, 0, 0, 2.5, 2.5, np.int32(1).view("float32"), 2.5])


def test_fills_with_strides() -> None:
    body = "__bang_write_zero(a, 24); __bang_write_value(a, 2, 1.5f, 16, 1, 48, 1); OUT(a, 24);"
    want = np.zeros((2, 12))
    want[:, [0, 1, 4, 5]] = 1.5
    np.testing.assert_array_equal(run(body, out("y", (2, 12))), want)


def test_fills_of_every_memory() -> None:
    body = """
    __nramset(a, 4, 1.0f); __gdramset(y, 4, 2.0f); __sramset(s, 4, 3.0f); __ldramset(l, 4, 4.0f);
    __memcpy(a + 4, s, 16, SRAM2NRAM); __memcpy(a + 8, l, 16, LDRAM2NRAM);
    if (coreId == 0) __memcpy(y + 4, a, 48, NRAM2GDRAM);"""
    declare = "__mlu_shared__ float s[4]; __ldram__ float l[4];"
    got = run(body, out("y", 16), declare=declare, tasks=(4,), kind="union1")
    np.testing.assert_array_equal(got, np.repeat([2, 1, 3, 4], 4))


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
        mode="lenient",
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
    IN(b, z, 128 * 32);
    __bang_reshape_filter(c, b, 128, 1, 1, 32);
    OUT(c, 128 * 32);"""
    z = random(128, 32, seed=1)
    got = run(body, ("z", z), out("y", (64, 2, 32)))
    np.testing.assert_array_equal(got, z.reshape(2, 64, 32).transpose(1, 0, 2))


def test_informal_matmul_and_mlp_take_rows_of_weights() -> None:
    body = """
    IN(i, x, 2 * 32); __memcpy(v, z, 32 * 48, GDRAM2WRAM);
    __bang_matmul(a, i, v, 2, 32, 48, 0); OUT(a, 96);
    __bang_mlp(a, i, v, 32, 48, 1); __memcpy(y + 96, a, 48 * 4, NRAM2GDRAM);"""
    x, z = random(2, 32, dtype="int8"), random(32, 48, seed=1, dtype="int8")
    declare = "__nram__ int8_t i[64]; __wram__ int8_t v[32 * 48];"
    got = run(body, ("x", x), ("z", z), out("y", (3, 48)), declare=declare, mode="lenient")
    product = x.astype(int) @ z
    np.testing.assert_array_equal(got, [*product, product[0] * 2])


def convolved(x: np.ndarray, z: np.ndarray, dilation: int = 1) -> np.ndarray:
    """Two rows between windows, one column."""
    _, kh, kw, _ = z.shape
    rows = range(0, x.shape[0] - (kh - 1) * dilation, 2)
    columns = range(x.shape[1] - (kw - 1) * dilation)
    window = [
        [x[i : i + kh * dilation : dilation, j : j + kw * dilation : dilation] for j in columns]
        for i in rows
    ]
    return np.einsum("ijhwc,ohwc->ijo", np.array(window, "f8"), z)


@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_convolutions_of_floats(mode: str) -> None:
    body = "IN(a, x, 7 * 6 * 16); IN(b, z, 64 * 2 * 3 * 16);"
    if mode == "strict":
        body += "__bang_reshape_filter(c, b, 64, 2, 3, 16); __memcpy(w, c, 64 * 384, NRAM2WRAM);"
    else:
        body += "__memcpy(w, b, 64 * 384, NRAM2WRAM);"
    body += "__bang_conv(c, a, w, 16, 7, 6, 2, 3, 1, 2, 64); OUT(c, 3 * 4 * 64);"
    x, z = random(7, 6, 16), random(64, 2, 3, 16, seed=1)
    got = run(body, ("x", x), ("z", z), out("y", (3, 4, 64)), mode=mode)
    np.testing.assert_allclose(got, convolved(x, z), rtol=1e-4, atol=1e-5)


INT8 = "__nram__ int8_t i[4096], j[40960], l[40960]; __wram__ int8_t v[40960];"
LOAD_INT8 = """IN(i, x, 7 * 6 * 64); IN(j, z, 64 * 6 * 64);
__bang_reshape_filter(l, j, 64, 2, 3, 64); __memcpy(v, l, 64 * 6 * 64, NRAM2WRAM);"""


def test_convolutions_of_integers_have_a_bias_a_position_and_dilations() -> None:
    body = f"""{LOAD_INT8} IN(b, g, 64);
    __bang_conv(a, i, v, b, 64, 7, 6, 2, 3, 1, 2, 64, -3); OUT(a, 3 * 4 * 64);
    __bang_conv(a, i, v, 64, 7, 6, 2, 3, 1, 2, 64, 2, 2);
    __memcpy(y + 768, a, 3 * 2 * 64 * 4, NRAM2GDRAM);
    __bang_conv(a, i, v, b, 64, 7, 6, 2, 3, 1, 2, 64, 1, 2, 2);
    __memcpy(y + 1152, a, 3 * 2 * 64 * 4, NRAM2GDRAM);"""
    x, z = random(7, 6, 64, dtype="int8"), random(64, 2, 3, 64, seed=1, dtype="int8")
    g = random(64, seed=2)
    got = run(body, ("x", x), ("z", z), ("g", g), out("y", 1536), declare=INT8)
    plain, dilated = convolved(x, z), convolved(x, z, 2)
    np.testing.assert_allclose(got[:768], (plain / 8 + g).reshape(-1), rtol=1e-6)
    np.testing.assert_array_equal(got[768:1152], dilated.reshape(-1))
    np.testing.assert_allclose(got[1152:], (2 * dilated + g).reshape(-1), rtol=1e-6)


def test_convolutions_spread_their_results_where_they_are_asked_to() -> None:
    body = f"""{LOAD_INT8} __bang_write_zero(a, 5 * 7 * 64);
    __bang_conv(a, i, v, 64, 7, 6, 2, 3, 1, 2, 64, 0, 1, 1, 2, 2); OUT(a, 5 * 7 * 64);"""
    x, z = random(7, 6, 64, dtype="int8"), random(64, 2, 3, 64, seed=1, dtype="int8")
    got = run(body, ("x", x), ("z", z), out("y", (5, 7, 64)), declare=INT8)
    want = np.zeros((5, 7, 64))
    want[::2, ::2] = convolved(x, z)
    np.testing.assert_array_equal(got, want)


def test_convolutions_add_to_a_partial_sum_in_place() -> None:
    body = f"""{LOAD_INT8} __bang_write_value(a, 768, 2.0f);
    __bang_conv_partial(a, i, v, a, 64, 7, 6, 2, 3, 1, 2, 64, 0);
    __bang_conv_partial(a, i, v, a, 64, 7, 6, 2, 3, 1, 2, 64, 0); OUT(a, 768);"""
    x, z = random(7, 6, 64, dtype="int8"), random(64, 2, 3, 64, seed=1, dtype="int8")
    got = run(body, ("x", x), ("z", z), out("y", (3, 4, 64)), declare=INT8)
    np.testing.assert_array_equal(got, 2 * convolved(x, z) + 2)


def test_a_vector_times_a_matrix_with_bias() -> None:
    body = """IN(i, x, 128); IN(j, z, 64 * 128); IN(b, g, 64);
    __bang_reshape_filter(l, j, 64, 1, 1, 128); __memcpy(v, l, 64 * 128, NRAM2WRAM);
    __bang_mlp(a, i, b, v, 64, 128, 1); OUT(a, 64);"""
    x, z, g = random(128, dtype="int8"), random(64, 128, seed=1, dtype="int8"), random(64, seed=2)
    got = run(body, ("x", x), ("z", z), ("g", g), out("y", 64), declare=INT8)
    np.testing.assert_allclose(got, 2 * (z.astype(int) @ x) + g, rtol=1e-6)


def test_results_of_sixteen_bits_saturate() -> None:
    body = """IN(i, x, 128); IN(j, z, 64 * 128);
    __bang_reshape_filter(l, j, 64, 1, 1, 128); __memcpy(v, l, 64 * 128, NRAM2WRAM);
    __bang_matmul(r, i, v, 1, 128, 64); OUT(r, 64);"""
    x, z = random(128, dtype="int8"), random(64, 128, seed=1, dtype="int8")
    declare = INT8 + "__nram__ int16_t r[64];"
    got = run(body, ("x", x), ("z", z), out("y", 64, "int16"), declare=declare)
    exact = z.astype(int) @ x
    assert np.abs(exact).max() > 32767
    np.testing.assert_array_equal(got, np.clip(exact, -32768, 32767))


def test_weights_of_four_bits_copied_bank_by_bank() -> None:
    """Two to a byte, filter `j` straight into bank `j`."""
    body = """IN(i, x, 128); __memcpy(v, z, 64, GDRAM2WRAM, 8192, 64, 63);
    __bang_matmul(a, i, v, 1, 128, 64); OUT(a, 64);"""
    x = random(128, dtype="int8")
    z = np.random.default_rng(3).integers(-8, 8, (64, 128))
    pairs = (z[:, ::2] & 15 | (z[:, 1::2] & 15) << 4).astype("u1").view("i1")
    declare = "__nram__ int8_t i[128]; __wram__ int4x2_t v[63 * 8192 + 64];"
    got = run(body, ("x", x), ("z", pairs), out("y", 64), declare=declare)
    np.testing.assert_array_equal(got, z @ x.astype(int))


def test_weights_copied_bank_by_bank_in_two_groups_of_filters() -> None:
    """Filter `64 g + j` is row `g` of bank `j`; the banks of this device are 16 KiB apart."""
    body = """IN(a, x, 2 * 16);
    for (int g = 0; g < 2; ++g)
      __memcpy_async(v + 16 * g, z + 64 * 16 * g, 64, GDRAM2WRAM, 16384, 64, 63);
    __sync();
    __bang_matmul(b, a, v, 2, 16, 128); OUT(b, 256);"""
    x, z = random(2, 16), random(128, 16, seed=1)
    declare = "__wram__ float v[63 * 4096 + 32];"
    got = run(body, ("x", x), ("z", z), out("y", (2, 128)), declare=declare, arch="mtp_372")
    np.testing.assert_allclose(got, x @ z.T, rtol=1e-4, atol=1e-5)


def test_conversions_round_as_their_mode_says() -> None:
    modes: dict[str, Function] = {
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
