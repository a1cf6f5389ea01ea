"""References of kernels in which an element depends on itself or its neighbours."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .arrays import Arrays, Shape, adjusting, wide

# ---------------------------------------------------------------- elementwise


def activation_functor(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["in"])
    x = np.where(x >= 0, x, 0.05 * x)
    return {"out": 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))}


def elementwise_lambda(shape: Shape, inputs: Arrays) -> Arrays:
    error, delta = wide(inputs["pred"]) - wide(inputs["target"]), shape["delta"]
    linear = delta * (np.abs(error) - delta / 2)
    loss = np.where(np.abs(error) <= delta, error**2 / 2, linear)
    return {"loss": loss, "grad": np.clip(error, -delta, delta)}


def _mix32(h: np.ndarray) -> np.ndarray:
    """Of 32-bit words, in 64 bits."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        h = (h ^ (h >> np.uint64(shift))) * np.uint64(factor) & np.uint64(0xFFFFFFFF)
    return h


def dropout_hash(shape: Shape, inputs: Arrays) -> Arrays:
    counter = np.arange(shape["n"], dtype=np.uint64) * np.uint64(0x9E3779B9)
    bits = _mix32(counter + _mix32(np.array([shape["seed"]], np.uint64)) & np.uint64(0xFFFFFFFF))
    keep = (bits >> np.uint64(8)) / 2.0**24 >= shape["p"]
    return {"y": keep * wide(inputs["x"]) / (1 - shape["p"]), "mask": keep.astype(np.int64)}


@adjusting("elementwise_switch")
def _operations(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["ops"][:] = rng.integers(0, 7, shape["rows"])


def elementwise_switch(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = (wide(inputs[name], shape["rows"], shape["cols"]) for name in "ab")
    ops = inputs["ops"][:, None]
    results = (a + b, a - b, a * b, a / b, np.maximum(a, b), (a - b) ** 2, np.copysign(a, b))
    return {"out": np.choose(ops, results) + np.choose(ops & 3, (1, 0.5, 0.5, 0))}


def half2_scale_bias(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["pixels"], -1)
    return {"y": np.maximum(x * wide(inputs["scale"]) + wide(inputs["bias"]), 0)}


def complex_float2(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = (wide(inputs[name]).view(np.complex128) for name in "ab")
    return {"out": (shape["scale"] * a.conj() * b).view(np.float64)}


def cast_aligned_vector(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": wide(inputs["in"])}


def bias_gelu_bf16(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["rows"], shape["cols"]) + wide(inputs["bias"])
    return {"x": 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_pointwise(shape: Shape, inputs: Arrays) -> Arrays:
    gates = wide(inputs["gates"], shape["batch"], 4, -1) + wide(inputs["bias"], 4, -1)
    i, f, c, o = gates.transpose(1, 0, 2)
    cell = _sigmoid(f) * wide(inputs["cell"], shape["batch"], -1) + _sigmoid(i) * np.tanh(c)
    return {"cell": cell, "out": _sigmoid(o) * np.tanh(cell)}


@adjusting("black_scholes")
def _prices(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    for name, low, high in (("spot", 5, 30), ("strike", 1, 50), ("years", 0.25, 5)):
        inputs[name][:] = rng.uniform(low, high, shape["count"])


def black_scholes(shape: Shape, inputs: Arrays) -> Arrays:
    spot, strike, years = (wide(inputs[name]) for name in ("spot", "strike", "years"))
    rate, volatility = shape["rate"], shape["volatility"]
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / deviation

    def below(d: np.ndarray) -> np.ndarray:
        return np.vectorize(math.erfc)(-d / math.sqrt(2)) / 2

    value = strike * np.exp(-rate * years)
    call = spot * below(d1) - value * below(d1 - deviation)
    return {"call": call, "put": call + value - spot}


def grid_stride_2d(shape: Shape, inputs: Arrays) -> Arrays:
    rows, cols = shape["rows"], shape["cols"]
    y, x = wide(inputs["y"], rows, shape["ldy"]), wide(inputs["x"], rows, shape["ldx"])
    y[:, :cols] += inputs["mask"].reshape(rows, cols) * shape["scale"] * x[:, :cols]
    return {"y": y}


# ---------------------------------------------------------------- quantisation


def quantize_rows_int8(shape: Shape, inputs: Arrays) -> Arrays:
    """Rounded in single precision, as the kernel rounds: halves are close calls."""
    x = inputs["x"].reshape(shape["rows"], shape["cols"])
    largest = np.maximum(np.abs(x).max(1, keepdims=True), np.float32(1e-8))
    q = np.clip(np.rint(x * (np.float32(127) / largest)), -127, 127)
    return {"q": q.astype(np.int64), "scales": wide(largest) / 127}


@adjusting("dequantize_int4")
def _packed_words(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["qweight"][:] = rng.integers(0, 1 << 32, inputs["qweight"].size)
    inputs["zeros"][:] %= 16


def dequantize_int4(shape: Shape, inputs: Arrays) -> Arrays:
    words = inputs["qweight"].astype(np.int64)
    values = (words[:, None] >> (4 * np.arange(8)) & 15).reshape(-1, shape["group"])
    return {"weight": (values - wide(inputs["zeros"], -1, 1)) * wide(inputs["scales"], -1, 1)}


# ---------------------------------------------------------------- stencils and images


def stencil_time_tiled(shape: Shape, inputs: Arrays) -> Arrays:
    u = wide(inputs["before"])
    for _ in range(4):
        u[1:-1] += shape["r"] * (u[:-2] - 2 * u[1:-1] + u[2:])
    return {"after": u}


def bilinear_resize_u8(shape: Shape, inputs: Arrays) -> Arrays:
    """Not rounded: the tolerance has room for the rounding."""

    def weights(source: int, target: int) -> np.ndarray:
        """What each pixel of the source gives to each of the target, along one axis."""
        place = (np.arange(target) + 0.5) * source / target - 0.5
        distance = np.abs(np.clip(place, 0, source - 1)[:, None] - np.arange(source))
        return np.maximum(1 - distance, 0)

    image = wide(inputs["src"], shape["src_h"], shape["src_w"], shape["channels"])
    vertical = weights(shape["src_h"], shape["dst_h"])
    horizontal = weights(shape["src_w"], shape["dst_w"])
    return {"dst": np.einsum("yh,hwc,xw->yxc", vertical, image, horizontal)}


def rgb_to_grey(shape: Shape, inputs: Arrays) -> Arrays:
    grey = wide(inputs["grey"], shape["height"], shape["pitch"])
    rgb = wide(inputs["rgb"], shape["height"], shape["width"], 3)
    grey[:, : shape["width"]] = rgb @ [77, 150, 29] + 128 >> 8
    return {"grey": grey}


def sobel_u8(shape: Shape, inputs: Arrays) -> Arrays:
    image = np.pad(wide(inputs["src"], shape["h"], shape["w"]), 1, "edge")
    windows = sliding_window_view(image, (3, 3))
    kernel = np.outer([1, 2, 1], [-1, 0, 1])
    dx, dy = (np.einsum("hwij,ij->hw", windows, weights) for weights in (kernel, kernel.T))
    return {"dst": np.minimum(np.abs(dx) + np.abs(dy), 255)}


def median_filter_u8(shape: Shape, inputs: Arrays) -> Arrays:
    image = wide(inputs["src"], shape["h"], shape["w"])
    image[1:-1, 1:-1] = np.median(sliding_window_view(image.copy(), (3, 3)), axis=(2, 3))
    return {"dst": image}


@adjusting("game_of_life")
def _half_alive(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["current"][rng.random(inputs["current"].size) < 0.5] = 0


def game_of_life(shape: Shape, inputs: Arrays) -> Arrays:
    alive = (inputs["current"] != 0).reshape(shape["height"], shape["width"])
    shifts = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
    count = sum(np.roll(alive, shift, (0, 1)).astype(np.int64) for shift in shifts)
    return {"next": ((count == 3) | ((count == 2) & alive)).astype(np.int64)}
