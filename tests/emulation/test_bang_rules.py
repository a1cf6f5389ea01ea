"""BANG C's rules: each broken once, and kept once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xpiler_tvm.emulation.bang import informal
from xpiler_tvm.errors import CheckError, ReadError

from .bang_support import REFUSED, failure, run, whole_run
from .support import execute, out, random


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("__bang_add(a, a, x, 64);", "operand 2 'x' lies in GDRAM, not in NRAM"),
        ("__bang_relu(y, a, 64);", "the destination 'y' lies in GDRAM"),
        ("__bang_relu(a + 8100, a, 93);", "takes 372 bytes at byte 32400 of 'a', which has 32768"),
        ("__memcpy(a, x, 260, GDRAM2NRAM);", "takes 260 bytes at byte 0 of 'x', which has 256"),
        ("__memcpy(a, x, 64, NRAM2NRAM);", "the source 'x' lies in GDRAM, not in NRAM"),
        ("__memcpy(a, x, 64, GDRAM2NRAM, 128, 64, 4);", "takes 320 bytes"),
        ("__bang_matmul(a, b, c, 1, 16, 64);", "the weight 'c' lies in NRAM, not in WRAM"),
        ("__bang_transpose(a, a, 8, 8);", "does not work in place"),
        ("__bang_add(a + 1, a, a, 64);", "overlap in part"),
        ("__bang_add(a, a, a, 0);", "has 0 bytes"),
        ("__bang_cycle_add(a, a, b, 64, 10);", "no multiple of the period 10"),
        ("__bang_write_value(a, 8193, 1);", "takes 32772 bytes"),
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


TAIL = "IN(a, x, 40); __bang_mul_scalar(b, a, 2.0f, 64); __bang_add(b, b, a, 64); "


@pytest.mark.parametrize(
    ("use", "line"),
    [
        ("OUT(b, 40);", ""),
        ("IN(a + 40, x, 24); __bang_add(b, a, a, 64); OUT(b, 64);", ""),
        ("OUT(b, 64);", "OUT(b, 64)"),
        ("b[0] = b[41]; OUT(b, 40);", "b[0] = b[41]"),
        ("__bang_reduce_sum(c, b, 64); OUT(c, 1);", "__bang_reduce_sum"),
    ],
)
def test_elements_without_a_value_matter_where_they_are_used(use: str, line: str) -> None:
    found = whole_run(TAIL + use, ("x", random(64)), out("y", 64), build="checked").findings
    assert [one.kind for one in found] == ["uninitialised read"] * bool(line)
    assert all(one.span and line in one.span.text for one in found)


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


# A call that breaks a rule, its words, and the nearest call that keeps it.
RULES = [
    ("__bang_div(a, b, c, d, 33)", "132 bytes, no multiple of 128", "__bang_div(a, b, c, d, 32)"),
    ("__bang_div(a, b, c, a, 32)", "does not work in place", "__bang_div(a, b, c, d, 32)"),
    ("__bang_taylor3_sin(a, a, b, c, 9)", "does not work in place",
     "__bang_taylor3_sin(a, b, c, d, 9)"),
    ("__bang_taylor4_tanh(a, b, c, c, 9)", "does not work in place",
     "__bang_taylor4_tanh(a, b, c, d, 9)"),
    ("__bang_lt_bitindex(a, b, c, 12)", "12 bits do not fill bytes",
     "__bang_lt_bitindex(a, b, c, 16)"),
    ("__bang_lt_bitindex(b, b, c, 64)", "does not work in place",
     "__bang_lt_bitindex(a, b, c, 64)"),
    ("__bang_fusion(FUSION_FMA, a, b, c, 2.0f, 64, 24)", "no multiple of the period 24",
     "__bang_fusion(FUSION_FMA, a, b, c, 2.0f, 64, 16)"),
    ("__bang_cycle_add(b, a, b, 64, 16)", "does not work in place",
     "__bang_cycle_add(a, a, b, 64, 16)"),
    ("__bang_sumpool(a, b, 16, 4, 4, 2, 2, 2, 2)", "take a multiple of 128 bytes",
     "__bang_maxpool(a, b, 16, 4, 4, 2, 2, 2, 2)"),
    ("__bang_avgpool(a, b, 33, 4, 4, 2, 2, 2, 2)", "take a multiple of 128 bytes",
     "__bang_avgpool(a, b, 32, 4, 4, 2, 2, 2, 2)"),
    ("__bang_maxpool(a, a, 32, 4, 4, 2, 2)", "does not work in place",
     "__bang_maxpool(a, b, 32, 4, 4, 2, 2)"),
    ("__bang_minpool(a, b, 32, 4, 4, 5, 2, 1, 1)", "not larger than the image",
     "__bang_minpool(a, b, 32, 4, 4, 4, 2, 1, 1)"),
    ("__bang_minpool(a, b, 32, 4, 4, 2, 2, 0, 1)", "a stride is positive",
     "__bang_minpool(a, b, 32, 4, 4, 2, 2, 1, 1)"),
    ("__bang_mirror(a, a, 4, 4)", "does not work in place", "__bang_mirror(a, b, 4, 4)"),
    ("__bang_rotate90(a, a + 8, 4, 4)", "overlap in part", "__bang_rotate90(a, a + 16, 4, 4)"),
    ("__bang_pad(a, b, 4, 4, 4, -1, 1, 1, 1)", "a border is not negative",
     "__bang_pad(a, b, 4, 4, 4, 1, 1, 1, 1)"),
    ("__bang_reshape_filter(a, b, 32, 1, 1, 32)", "the number of filters is a multiple of 64",
     "__bang_reshape_filter(a, b, 64, 1, 1, 32)"),
    ("__bang_reshape_filter(a, b, 64, 1, 1, 16)", "a filter's size is a multiple of 128",
     "__bang_reshape_filter(a, b, 64, 1, 1, 32)"),
    ("__bang_max(a, a, 64)", "does not work in place", "__bang_max(a, b, 64)"),
    ("__bang_matmul(a, b, w, 1, 32, 63)", "the number of columns is a multiple of 64",
     "__bang_matmul(a, b, w, 1, 32, 64)"),
    ("__bang_matmul(a, b, w, 1, 24, 64)", "take a multiple of 64 bytes",
     "__bang_matmul(a, b, w, 1, 48, 64)"),
    ("__bang_matmul(b, b, w, 1, 32, 64)", "does not work in place",
     "__bang_matmul(a, b, w, 1, 32, 64)"),
    ("__bang_matmul(a, b, w, 1, 32, 64, 128)", "fix_pos is -127 to 127",
     "__bang_matmul(a, b, w, 1, 32, 64, -127)"),
    ("__bang_matmul(a, b, w + 1, 1, 32, 64)", "the address of weights is a multiple of 32",
     "__bang_matmul(a, b, w + 8, 1, 32, 64)"),
    ("__bang_conv(a, b, w, 16, 4, 4, 1, 1, 1, 1, 32)", "output channels is a multiple of 64",
     "__bang_conv(a, b, w, 16, 4, 4, 1, 1, 1, 1, 64)"),
    ("__bang_conv(a, b, w, 4, 4, 4, 1, 1, 1, 1, 64)", "take a multiple of 64 bytes",
     "__bang_conv(a, b, w, 16, 4, 4, 1, 1, 1, 1, 64)"),
    ("__bang_conv(a, b, w, 16, 4, 4, 1, 1, 1024, 1, 64)", "a stride is 1 to 1023",
     "__bang_conv(a, b, w, 16, 4, 4, 1, 1, 1023, 1, 64)"),
    ("__bang_conv(a, b, w, 16, 4, 4, 1, 5, 1, 1, 64)", "the filter is not larger",
     "__bang_conv(a, b, w, 16, 4, 4, 1, 4, 1, 1, 64)"),
    ("__bang_half2float((float*)a, (half*)a, 64)", "does not work in place",
     "__bang_float2half_rn((half*)a, a, 64)"),
    ("__bang_write_value(a, 4, 1.0f, 16, -1, 0, 0)", "is negative",
     "__bang_write_value(a, 4, 1.0f, 16, 1, 0, 0)"),
    ("__bang_atomic_reduce_add(b, a, 4)", "the destination 'b' lies in NRAM, not in GDRAM",
     "__bang_atomic_reduce_add(y, a, 4)"),
    # Copies
    ("__memcpy(a, b, 0, NRAM2NRAM)", "0 bytes", "__memcpy(a, b, 1, NRAM2NRAM)"),
    ("__memcpy(a, b, 8, NRAM2NRAM, 4, 8, 3)", "smaller than a segment",
     "__memcpy(a, b, 8, NRAM2NRAM, 8, 4, 3)"),
    ("__memcpy(a, b, 8, NRAM2NRAM, 8, 8, -1)", "-1 segments less one are outside 0 to 65535",
     "__memcpy(a, b, 8, NRAM2NRAM, 8, 8, 0)"),
    ("__memcpy(a, b, 1, NRAM2NRAM, 1, 0, 65536)", "65536 segments less one",
     "__memcpy(a, b, 1, NRAM2NRAM, 1, 0, 1000)"),
    ("__memcpy(a, b, 8, NRAM2NRAM, 8, 1, 16, 1, 8, 1, 16, 2)",
     "the destination has 4 segments, the source 6",
     "__memcpy(a, b, 8, NRAM2NRAM, 8, 1, 16, 1, 8, 3, 64, 0)"),
    ("__memcpy(l, m, 8, LDRAM2LDRAM)", "no copies from LDRAM to LDRAM without strides",
     "__memcpy(l, m, 8, LDRAM2LDRAM, 8, 8, 1)"),
    ("__memcpy(a, w, 16, WRAM2NRAM, 16, 16, 1)", "no copies from WRAM to NRAM with strides",
     "__memcpy(a, w, 16, WRAM2NRAM)"),
    ("__memcpy(w, a, 520, NRAM2WRAM)", "without strides it is a multiple of 16",
     "__memcpy(w, a, 512, NRAM2WRAM)"),
    ("__memcpy(w, a, 8, NRAM2WRAM, 20, 8, 1)", "a stride in WRAM is a multiple of 8",
     "__memcpy(w, a, 8, NRAM2WRAM, 24, 8, 1)"),
    ("__memcpy(w + 1, a, 512, NRAM2WRAM)", "lies at no multiple of 8 bytes",
     "__memcpy(w + 2, a, 512, NRAM2WRAM)"),
    ("__memcpy(a, b, 8, NRAM2NRAM, 0)", "only copies from SRAM to SRAM name a cluster",
     "__memcpy(a, b, 8, NRAM2NRAM)"),
]  # fmt: skip
MEMORIES = "__ldram__ float l[8], m[8];"


def whole(call: str) -> str:
    return (
        "__bang_write_value(b, 8192, 1.0f); __bang_write_value(c, 8192, 1.0f); "
        f"__bang_write_zero(a, 8192); __memcpy(w, b, 32768, NRAM2WRAM); {call}; __sync();"
    )


@pytest.mark.parametrize(("call", "said"), [rule[:2] for rule in RULES])
def test_a_broken_rule_is_named(call: str, said: str) -> None:
    error = failure(whole(call), out("y", 64), declare=MEMORIES)
    assert error.code == "XP5002", error
    assert said in error.message
    assert call[: call.index("(")] in error.message
    assert error.span is not None


def test_calls_that_keep_the_rules_pass() -> None:
    calls = list(dict.fromkeys(rule[2] for rule in RULES))
    body = "\n".join(whole(call) for call in calls)
    assert whole_run(body, out("y", 64), declare=MEMORIES).findings == ()


def test_asynchronous_copies_keep_the_same_rules() -> None:
    for call in ("(l, m, 8, LDRAM2LDRAM)", "(a, y, 8, NRAM2NRAM)", "(w, a, 8, NRAM2WRAM)"):
        error = failure(f"__memcpy_async{call};", out("y", 64), declare=MEMORIES)
        assert error.code == "XP5002"
        assert error.message.startswith("__memcpy_async: ")


SRAM = "__mlu_shared__ float s[64], t[64];"


def test_sram_belongs_to_union_jobs() -> None:
    body = "__memcpy(s, y, 4, GDRAM2SRAM);"
    error = failure(body, out("y", 4), declare=SRAM)
    assert "a block job has no SRAM" in error.message
    whole_run(body, out("y", 4), declare=SRAM, tasks=(4,), kind="union1")


def test_clusters_of_copies_exist() -> None:
    body = "__memcpy(s, t, 4, SRAM2SRAM, {});"
    about: dict[str, Any] = {"declare": SRAM, "tasks": (8,), "kind": "union2"}
    assert "cluster 2 of a job of 2" in failure(body.format(2), out("y", 8), **about).message
    whole_run(body.format(1), out("y", 8), **about)


def test_parts_of_banks_that_are_undefined_are_noted() -> None:
    body = "__bang_write_zero(a, 512); __memcpy(w, a, {}, NRAM2WRAM);"
    (finding,) = whole_run(body.format(528), out("y", 4)).findings
    assert finding.kind == "range"
    assert "64 banks" in finding.message
    assert whole_run(body.format(1024), out("y", 4)).findings == ()


# --- ranges of the activation functions

RANGES = [
    # call, operand, result; None: undefined
    ("__bang_active_exp", 10.5, float(np.exp(np.float32(10.25)))),
    ("__bang_active_exp", -8.0, 5.96e-8),
    ("__bang_active_exp", 10.25, float(np.exp(np.float32(10.25)))),
    ("__bang_active_exphp", -15.5, 3e-7),
    ("__bang_active_exphp", 16.5, None),
    ("__bang_active_exp_less_0", 0.5, None),
    ("__bang_active_sigmoid", 8.0, 1.0),
    ("__bang_active_sigmoid", -8.0, 0.0),
    ("__bang_active_tanh", 9.0, 1.0),
    ("__bang_active_tanh", -9.0, -1.0),
    ("__bang_active_gelu", -4.0, -5.96e-8),
    ("__bang_active_gelup", -4.0, -5.96e-8),
    ("__bang_active_sign", 0.0, 1.0),
    ("__bang_active_sign", -0.5, -1.0),
    ("__bang_active_recip", -1.0, None),
    ("__bang_active_recip", 7e4, None),
    ("__bang_active_recip_greater_1", 0.5, None),
    ("__bang_active_sqrt", -1.0, None),
    ("__bang_active_rsqrt", 0.001, None),
    ("__bang_active_log", 1e-5, None),
    ("__bang_active_sin", 7.0, None),
    ("__bang_active_cos", -7.0, None),
    ("__bang_active_pow2", 0.5, None),
    ("__bang_active_pow2", 32.0, None),
    ("__bang_active_pow2", -31.0, 2.0**-31),
    ("__bang_log", 8.0, 3.0),
    ("__bang_sqrt", 7e4, float(np.sqrt(np.float32(7e4)))),
]


def test_functions_outside_of_their_ranges() -> None:
    lines = [
        f"__bang_write_value(a, 1, {value!r}f);\n{name}(b, a, 1); y[{i}] = b[0];"
        for i, (name, value, _) in enumerate(RANGES)
    ]
    done = whole_run("\n".join(lines), out("y", len(RANGES)))
    for (name, value, want), got in zip(RANGES, done.arrays["y"], strict=True):
        np.testing.assert_allclose(
            got, np.nan if want is None else want, 1e-6, err_msg=(name, value)
        )
    undefined = [rule for rule in RANGES if rule[2] is None]
    assert len(done.findings) == len(undefined)
    for (name, _, _), finding in zip(undefined, done.findings, strict=True):
        assert finding.kind == "range"
        assert name in finding.message
        assert finding.span is not None
        assert name in finding.span.text


def test_lenient_text_has_functions_without_ranges() -> None:
    body = "__bang_write_value(a, 1, 12.0f); __bang_active_exp(b, a, 1); y[0] = b[0];"
    done = whole_run(body, out("y", 1), mode="lenient")
    assert done.arrays["y"][0] == pytest.approx(np.exp(12.0), rel=1e-6)
    assert done.findings == ()


def test_integers_divided_by_zero() -> None:
    body = """__bang_write_value(i, 4, 1); __bang_write_zero(j, 4);
    {}(i, i, j, 4);"""
    for name in ("__bang_div", "__bang_rem"):
        error = failure(body.format(name), out("y", 1), declare="__nram__ int i[4], j[4];")
        assert error.code == "XP5006"
        assert error.span is not None


# --- modes


@pytest.mark.parametrize(
    ("call", "lenient"),
    [
        ("__bang_sigmoid((half*)a, (half*)b, 4)", True),
        ("__bang_sqrt((half*)a, (half*)b, 4)", True),
        ("__bang_write_value(a, 4, 1.0)", True),
        ("__bang_mlp(a, b, w, 64, 64, 0)", True),
        ("__bang_matmul((half*)a, (half*)b, (half*)w, 1, 64, 64)", True),
        ("__bang_conv(a, b, w, c, 16, 4, 4, 1, 1, 1, 1, 64)", True),
        ("__bang_mlp(a, b, w, 64, 64)", False),
        ("__bang_add((double*)a, (double*)b, (double*)c, 4)", False),
        ("__bang_band(a, b, c, 4)", False),
        ("__bang_tiling_2d_b32(a, b)", False),
    ],
)
def test_forms_that_the_hardware_lacks(call: str, lenient: bool) -> None:
    error = failure(whole(call), out("y", 1))
    assert error.code in REFUSED
    assert error.span is not None
    if lenient:
        whole_run(whole(call), out("y", 1), mode="lenient")
    else:
        assert failure(whole(call), out("y", 1), mode="lenient").code in REFUSED


def test_arrays_whose_size_is_known_at_run_time() -> None:
    body = """const int rows = taskDim + 1, n = rows * 32;
    __nram__ float v[n], u[32]; __wram__ float weights[n * N];
    IN(v, x, n); __memcpy(weights, z, 32 * N * 4, GDRAM2WRAM);
    __bang_matmul(a, v, weights, 2, 32, N); __bang_add(u, v, v, 32); OUT(a, 2 * N);"""
    x, z = random(2, 32), random(32, 8, seed=1)
    about = {"declare": "#define N 8"}
    error = failure(body, ("x", x), ("z", z), out("y", (2, 8)), **about)
    assert error.code in REFUSED
    got = run(body, ("x", x), ("z", z), out("y", (2, 8)), **about, mode="lenient")
    np.testing.assert_allclose(got, x @ z, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("declaration", "automatic"),
    [
        ("__nram__ float v[64];", False),
        ("__nram__ float v[N * sizeof(half)], u[M];", False),
        ("__nram__ T v[SIZE];", False),
        ("__wram__ int8_t v[LATER];", False),
        ("__nram__ char v[__MLU_NRAM_SIZE__ * 512];", False),
        ("__nram__ float v[n];", True),
        ("__nram__ float v[64], u[N + n];", True),
        ("__wram__ float v[computed];", True),
    ],
)
def test_which_sizes_are_constant(declaration: str, automatic: bool) -> None:
    text = f"""
    #define N 4
    enum Sizes {{ M = 8 }};
    const int LATER = 2 * OTHER; static const int OTHER = N;
    template <typename T, int SIZE> __mlu_func__ void f(int n) {{
      const int computed = n * 2;
      {declaration}
    }}"""
    assert ("XP_AUTOMATIC" in informal(text)) == automatic
    assert informal(text).count("\n") == text.count("\n")
