"""Convolutions: on the matrix unit and on the vector unit, what they compute and how it is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tvm
from codegen.golden import check_golden
from codegen.programs import Program, _program, _tensor
from codegen.running import check_values, device_part
from tvm import te, tirx

from xpiler_tvm import frontends
from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.codegen_bang.estimates import seconds_of
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.emulation import find_faults, run_module, run_text
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.kernel import Kernel, Launch, Tensor
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.bang_conv import Convolution, Window
from xpiler_tvm.schedules.bang_windows import VectorConvolution
from xpiler_tvm.schedules.base import Declined, first_applicable
from xpiler_tvm.schedules.windows import Windows, find_windows
from xpiler_tvm.verification.inputs import inputs_for


@dataclass(frozen=True)
class Shape:
    """A convolution: `size` of an image, of a filter, how it steps, and how arrays lie."""

    n: int
    size: tuple[int, int]
    channels: int
    filters: int
    taps: tuple[int, int] = (3, 3)
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    groups: int = 1
    image: str = "nhwc"
    weights: str = "ohwi"
    dtype: str = "float16"
    left: str = ""
    total: str = "float32"
    relu: bool = False
    """A bias is added, and the result rounded to half."""

    def out(self, place: int) -> int:
        reach = (self.taps[place] - 1) * self.dilation + 1
        return (self.size[place] + 2 * self.pad - reach) // self.stride + 1


def convolution(s: Shape) -> Program:
    """`Y[n, y, x, o] = sum of X[n, y * stride + r * dilation - pad, ...] * W[o, r, q, c]`."""
    own, of_group = s.channels // s.groups, s.filters // s.groups
    height, width = s.out(0), s.out(1)

    def lying(order: str, sizes: dict[str, int]) -> tuple[int, ...]:
        return tuple(sizes[name] for name in order)

    x_shape = lying(s.image, {"n": s.n, "h": s.size[0], "w": s.size[1], "c": s.channels})
    w_shape = lying(s.weights, {"o": s.filters, "h": s.taps[0], "w": s.taps[1], "i": own})
    y_shape = lying(s.image, {"n": s.n, "h": height, "w": width, "c": s.filters})
    x = te.placeholder(x_shape, s.left or s.dtype, "X")
    w = te.placeholder(w_shape, s.dtype, "W")
    r, q = (te.reduce_axis((0, taps), name) for taps, name in zip(s.taps, "rq", strict=True))
    c = te.reduce_axis((0, own), "c")

    def term(*at: tirx.Var) -> tvm.ir.Expr:
        place = dict(zip(s.image, at, strict=True))
        o = place["c"]
        row = place["h"] * s.stride + r * s.dilation - s.pad
        column = place["w"] * s.stride + q * s.dilation - s.pad
        pixel = {"n": place["n"], "h": row, "w": column, "c": c}
        if s.groups > 1:
            pixel["c"] = tirx.floordiv(o, of_group) * own + c
        tap = {"o": o, "h": r, "w": q, "i": c}
        left = x(*(pixel[name] for name in s.image)).astype(s.total)
        value = left * w(*(tap[name] for name in s.weights)).astype(s.total)
        if s.pad == 0:
            return value
        inside = tirx.all(row >= 0, row < s.size[0], column >= 0, column < s.size[1])
        return tirx.if_then_else(inside, value, tirx.const(0, s.total))

    y = te.compute(y_shape, lambda *at: te.sum(term(*at), axis=[r, q, c]), name="Y")
    args, result = [x, w, y], "Y"
    params = [
        _tensor("X", x_shape, dtype=s.left or s.dtype),
        _tensor("W", w_shape, dtype=s.dtype),
    ]
    if s.relu:
        bias = te.placeholder((s.filters,), s.total, "bias")
        last = s.image.index("c")
        z = te.compute(
            y_shape,
            lambda *at: tirx.max(y(*at) + bias(at[last]), tirx.const(0, s.total)).astype("float16"),
            name="Z",
        )
        args, result = [x, w, bias, z], "Z"
        params.append(_tensor("bias", (s.filters,), dtype=s.total))
    params.append(_tensor(result, y_shape, "out", str(args[-1].dtype)))

    def reference(v: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        borders = [(s.pad, s.pad) if name in "hw" else (0, 0) for name in "nhwc"]
        image = np.pad(np.einsum(f"{s.image}->nhwc", v["X"].astype("float64")), borders)
        weights = np.einsum(f"{s.weights}->hwio", v["W"].astype("float64"))
        found = np.zeros((s.n, height, width, s.filters))
        for group in range(s.groups):
            ins, outs = (slice(group * e, (group + 1) * e) for e in (own, of_group))
            for i, j in np.ndindex(*s.taps):
                rows, columns = (
                    slice(k * s.dilation, k * s.dilation + (e - 1) * s.stride + 1, s.stride)
                    for k, e in ((i, height), (j, width))
                )
                found[..., outs] += image[:, rows, columns, ins] @ weights[i, j][:, outs]
        if s.relu:
            found = np.maximum(found + v["bias"], 0)
        return {result: np.einsum(f"nhwc->{s.image}", found)}

    return _program("convolution", args, tuple(params), reference)


def emitted(program: Program, arch: str = "mtp_592", *, inexact: bool = False):
    scheduled = first_applicable(rules(ARCHS[arch], inexact=inexact), program.mod)
    return scheduled.rule, emit_bang(scheduled.mod, program.kernel, arch)


MATRIX = {
    "half": (Shape(2, (14, 14), 32, 64, pad=1), 1e-3),
    "half_odd": (Shape(1, (9, 11), 33, 70, pad=1, relu=True), 2e-3),
    "half_hwio_strided": (Shape(1, (15, 17), 24, 96, stride=2, pad=1, weights="hwio"), 1e-3),
    "half_nchw": (Shape(1, (12, 10), 32, 64, pad=1, image="nchw", weights="oihw"), 1e-3),
    "half_dilated": (Shape(1, (13, 13), 64, 64, dilation=2), 1e-3),
    "brain_line": (Shape(3, (1, 40), 32, 64, taps=(1, 5), dtype="bfloat16"), 1e-3),
    "bytes": (Shape(1, (9, 9), 130, 64, pad=1, dtype="int8", total="int32"), 0.0),
    "unsigned": (
        Shape(1, (9, 9), 64, 64, pad=1, dtype="int8", left="uint8", total="int32"),
        0.0,
    ),
}


@pytest.mark.parametrize("name", MATRIX)
def test_values_and_text_on_the_matrix_unit(name, request):
    shape, tolerance = MATRIX[name]
    program = convolution(shape)
    rule, printed = emitted(program)
    assert rule == "bang.conv"
    assert "__bang_conv" in printed.text
    check_golden(request, f"convolution_{name}.mlu", printed.text)
    check_values(printed.kernel, program, tolerance)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", ["half_hwio_strided", "half_nchw", "half_dilated", "unsigned"])
def test_copies_and_alignments_are_the_hardwares(name, arch):
    program = convolution(MATRIX[name][0])
    rule, printed = emitted(program, arch)
    arrays = {k: v for k, v in program.inputs().items() if isinstance(v, np.ndarray)}
    run = find_faults(printed.kernel, arrays, text=device_part(printed.kernel), arch=arch)
    assert rule == "bang.conv"
    assert not run.findings


@pytest.mark.parametrize("name", ["half_odd", "half_nchw", "half_dilated", "bytes", "unsigned"])
def test_what_is_emitted_reads_back(name):
    shape, tolerance = MATRIX[name]
    program = convolution(shape)
    _, printed = emitted(program)
    reading = frontends.read(frontends.resolve(printed.kernel))
    raised = raise_program(reading.program)
    values = program.inputs()
    (got,) = run_module(raised.mod, list(values.values())).arrays[-1:]
    want = next(iter(program.reference(values).values()))
    scale = np.abs(want).max()
    assert raised.rung == "blocks"
    assert np.abs(got.reshape(want.shape).astype("float64") - want).max() <= tolerance * scale


STEPS = {
    "channels": Window(4, 12, 1, 3, 32),
    "rows_of_taps": Window(3, 12, 1, 1, 96),
    "columns": Window(12, 5, 1, 3, 96),
    "banks": Window(5, 12, 2, 3, 32),
}


@pytest.mark.parametrize("name", STEPS)
def test_steps_and_remainders_of_tiles(name):
    program = convolution(Shape(1, (12, 12), 80, 140, pad=1))
    found = find_windows(program.mod)
    assert isinstance(found, Windows)
    schedule = Convolution(ARCHS["mtp_592"])._schedule(program.mod, found, STEPS[name])
    check_values(emit_bang(schedule.mod, program.kernel).kernel, program, 1e-3)


VECTOR = {
    "image": (Shape(1, (12, 11), 16, 24, pad=1, dtype="float32"), "byxo"),
    "pixels": (Shape(1, (12, 11), 16, 24, pad=1, dtype="float32"), "boyx"),
    "pixels_nchw": (
        Shape(1, (13, 12), 8, 20, stride=2, image="nchw", weights="oihw", dtype="float32"),
        "boyx",
    ),
    "sums": (Shape(1, (12, 11), 32, 20, pad=1, dtype="float32"), "byxok"),
    "sums_nchw": (
        Shape(1, (9, 12), 32, 20, image="nchw", weights="oihw", dtype="float32"),
        "byxok",
    ),
    "by_depth": (Shape(1, (10, 9), 48, 48, pad=1, groups=48, dtype="float32"), "oyxb"),
    "by_depth_nchw": (
        Shape(1, (20, 9), 6, 6, groups=6, image="nchw", weights="oihw", dtype="float32"),
        "obyx",
    ),
}


@pytest.mark.parametrize("name", VECTOR)
def test_values_and_text_on_the_vector_unit(name, request):
    shape, order = VECTOR[name]
    program = convolution(shape)
    found = find_windows(program.mod)
    assert isinstance(found, Windows)
    rule = VectorConvolution(ARCHS["mtp_592"])
    tile = next(tile for tile in rule._tiles(found) if tile.order == order)
    printed = emit_bang(rule._schedule(program.mod, found, tile).mod, program.kernel)
    check_golden(request, f"windows_{name}.mlu", printed.text)
    check_values(printed.kernel, program, 1e-4)


def declined(rule: Convolution | VectorConvolution, shape: Shape) -> str:
    answer = rule.apply(convolution(shape).mod)
    return answer.reason if isinstance(answer, Declined) else ""


def test_operands_that_the_unit_would_round_stay_on_the_vector_unit():
    shape = Shape(1, (8, 8), 32, 64, dtype="float32")
    exact, inexact = Convolution(ARCHS["mtp_592"]), Convolution(ARCHS["mtp_592"], inexact=True)
    assert declined(exact, shape) == "the matrix unit has no exact sum of float32 in float32"
    assert declined(inexact, shape) == ""


def test_one_filter_is_none_for_the_matrix_unit():
    shape = Shape(1, (8, 8), 32, 32, groups=32)
    assert declined(Convolution(ARCHS["mtp_592"]), shape) == "there is one filter only"


def test_the_cheapest_form_is_taken():
    shape = Shape(1, (28, 28), 64, 64, pad=1)

    def dear(mod: tvm.IRModule) -> float:
        return 2.0 if "local.wram" in mod.script() else 1.0

    unpadded = Shape(1, (28, 28), 64, 64)
    assert declined(Convolution(ARCHS["mtp_592"], dear), unpadded).startswith("bang.matmul is")
    assert declined(Convolution(ARCHS["mtp_592"], seconds_of), shape) == ""


GROUPS = """
__global__ void conv(const half* x, const half* w, float* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= 6 * 7 * 128) return;
  int o = i % 128, ow = i / 128 % 7, oh = i / 128 / 7;
  float sum = 0;
  for (int r = 0; r < 3; ++r)
    for (int q = 0; q < 3; ++q)
      for (int c = 0; c < 32; ++c)
        sum += __half2float(x[((oh + r) * 9 + ow + q) * 64 + o / 64 * 32 + c]) *
               __half2float(w[((o * 3 + r) * 3 + q) * 32 + c]);
  y[i] = sum;
}
"""
VOLUMES = """
__global__ void conv(const half* x, const half* w, float* y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= 4 * 5 * 6 * 70) return;
  int o = i % 70, ow = i / 70 % 6, oh = i / 420 % 5, od = i / 2100;
  float sum = 0;
  for (int t = 0; t < 3; ++t)
    for (int r = 0; r < 3; ++r)
      for (int q = 0; q < 3; ++q)
        if (od + t >= 1 && od + t < 5)
          for (int c = 0; c < 32; ++c)
            sum += __half2float(x[(((od + t - 1) * 7 + oh + r) * 8 + ow + q) * 32 + c]) *
                   __half2float(w[(((o * 3 + t) * 3 + r) * 3 + q) * 32 + c]);
  y[i] = sum;
}
"""


@pytest.mark.parametrize(
    ("text", "sizes"),
    [(GROUPS, (8 * 9 * 64, 128 * 9 * 32, 6 * 7 * 128)), (VOLUMES, (7168, 60480, 8400))],
    ids=["groups", "volumes"],
)
def test_groups_and_volumes_are_planes_side_by_side(text, sizes):
    x, w, y = sizes
    params = (
        Tensor("x", (x,), "float16"),
        Tensor("w", (w,), "float16"),
        Tensor("y", (y,), "float32", "out"),
    )
    source = frontends.resolve(
        Kernel(text, "cuda", "conv", params, Launch(grid=(-(-y // 128), 1, 1), block=(128, 1, 1)))
    )
    reading = frontends.read(source)
    raised = raise_program(reading.program).mod
    scheduled = first_applicable(rules(), raised)
    printed = emit_bang(scheduled.mod, reading.kernel.free_standing())
    arrays = inputs_for(source, 0)
    want = run_text(source, arrays).arrays["y"]
    got = run_text(printed.kernel, arrays, text=device_part(printed.kernel)).arrays["y"]
    assert scheduled.rule == "bang.conv"
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)
