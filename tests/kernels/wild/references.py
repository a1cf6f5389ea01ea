"""What each wild kernel computes, in numpy: a function by the name of its file.

A function takes the kernel's shape and its inputs, flat and in the kernel's types, and returns the
outputs in float64 or int64. Where not every input makes sense, the function's `adjust` changes the
drawn ones in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Shape = dict[str, Any]
Arrays = dict[str, np.ndarray]
Adjust = Callable[[Shape, Arrays, np.random.Generator], None]

ADJUST: dict[str, Adjust] = {}
"""By the name of the file."""


def adjusting(name: str) -> Callable[[Adjust], Adjust]:
    """Notes the decorated function in `ADJUST`."""

    def note(adjust: Adjust) -> Adjust:
        ADJUST[name] = adjust
        return adjust

    return note


def _wide(array: np.ndarray, *extents: int) -> np.ndarray:
    """In the type that references compute in, and of the given extents where there are any."""
    wide = array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)
    return wide.reshape(extents) if extents else wide


def _chunks(x: np.ndarray, length: int) -> np.ndarray:
    """The array in rows of `length`, zeros behind its end."""
    return np.pad(x, (0, -x.size % length)).reshape(-1, length)


# ---------------------------------------------------------------- reductions


def reduce_interleaved(shape: Shape, inputs: Arrays) -> Arrays:
    return {"block_sums": _chunks(_wide(inputs["values"]), 128).sum(1)}


def reduce_sequential(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["in"])
    starts = np.arange(0, x.size, 256)
    return {"lo": np.minimum.reduceat(x, starts), "hi": np.maximum.reduceat(x, starts)}


def reduce_first_add(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": _chunks(_wide(inputs["in"]), 256).sum(1)}


def reduce_unrolled_warp(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": (_wide(inputs["x"], shape["rows"], shape["cols"]) ** 2).sum(1)}


def reduce_template(shape: Shape, inputs: Arrays) -> Arrays:
    """Block b sums every stretch of 256 whose number is b modulo the number of blocks."""
    sums = _chunks(_wide(inputs["x"]), 256).sum(1)
    return {"partial": _chunks(sums, shape["blocks"]).sum(0)}


def reduce_warp_shuffle(shape: Shape, inputs: Arrays) -> Arrays:
    return {"output": np.abs(_wide(inputs["input"], shape["rows"], shape["cols"])).max(1)}


def reduce_block_atomic(shape: Shape, inputs: Arrays) -> Arrays:
    return {"result": _wide(inputs["result"]) + _wide(inputs["x"]) @ _wide(inputs["y"])}


@adjusting("reduce_last_block")
def _no_ticket(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["ticket"][:] = 0


def reduce_last_block(shape: Shape, inputs: Arrays) -> Arrays:
    sums = _chunks(_wide(inputs["in"]), 128).sum(1)
    partial = _chunks(sums, shape["blocks"]).sum(0)
    return {"partial": partial, "out": partial.sum(), "ticket": np.zeros(1, np.int64)}


# ---------------------------------------------------------------- scans


def scan_hillis_steele(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _chunks(_wide(inputs["x"]), 128).cumsum(1).ravel()[: shape["n"]]}


def scan_blelloch_padded(shape: Shape, inputs: Arrays) -> Arrays:
    counts = _chunks(_wide(inputs["counts"]), 256)
    offsets = counts.cumsum(1) - counts
    return {"offsets": offsets.ravel()[: shape["n"]], "totals": counts.sum(1)}


def scan_warp_carry(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": _wide(inputs["in"], shape["rows"], shape["cols"]).cumsum(1)}


def cumsum_columns(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _wide(inputs["x"], shape["outer"], shape["length"], shape["inner"]).cumsum(1)}


# ---------------------------------------------------------------- softmax


def _softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_three_pass(shape: Shape, inputs: Arrays) -> Arrays:
    return {"probs": _softmax(_wide(inputs["logits"], shape["rows"], shape["classes"]))}


def softmax_online_thread(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["rows"], shape["cols"])
    return {"y": _softmax(x / shape["temperature"])}


def softmax_warp_row(shape: Shape, inputs: Arrays) -> Arrays:
    return {"dst": np.log(_softmax(_wide(inputs["src"], shape["rows"], shape["cols"])))}


def softmax_float4(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _softmax(_wide(inputs["x"], shape["rows"], shape["cols"]))}


# ---------------------------------------------------------------- normalisation


def _rstd(x: np.ndarray, eps: float) -> np.ndarray:
    """The reciprocal deviation of the last axis, which stays with extent 1."""
    return 1 / np.sqrt(x.var(-1, keepdims=True) + eps)


def _normalised(x: np.ndarray, eps: float) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) * _rstd(x, eps)


def _rms_normalised(x: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)


def layernorm_thread(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["rows"], shape["width"])
    y = _normalised(x, 1e-5) * _wide(inputs["gain"]) + _wide(inputs["shift"])
    return {"y": y, "mean": x.mean(1), "rstd": _rstd(x, 1e-5)}


def layernorm_cooperative(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["rows"], shape["width"])
    y = _normalised(x, shape["eps"]) * _wide(inputs["gain"]) + _wide(inputs["shift"])
    return {"y": y}


def layernorm_welford(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["X"], shape["rows"], shape["width"])
    y = _normalised(x, shape["eps"]) * _wide(inputs["gamma"]) + _wide(inputs["beta"])
    return {"Y": y}


def rmsnorm_half_block(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["rows"], shape["width"])
    return {"y": _rms_normalised(x, shape["eps"]) * _wide(inputs["gain"])}


def rmsnorm_residual_warp(shape: Shape, inputs: Arrays) -> Arrays:
    total = _wide(inputs["x"], shape["rows"], -1) + _wide(inputs["residual"], shape["rows"], -1)
    return {"residual": total, "y": _rms_normalised(total, shape["eps"]) * _wide(inputs["w"])}


def groupnorm_block(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["n"], shape["groups"], -1)
    y = _normalised(x, shape["eps"]).reshape(shape["n"], shape["channels"], -1)
    return {"y": y * _wide(inputs["gamma"], -1, 1) + _wide(inputs["beta"], -1, 1)}


@adjusting("batchnorm_inference")
def _positive_variance(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    np.abs(inputs["running_var"], out=inputs["running_var"])


def batchnorm_inference(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["input"], shape["N"], shape["C"], shape["HW"])
    mean, var = _wide(inputs["running_mean"], -1, 1), _wide(inputs["running_var"], -1, 1)
    y = (x - mean) / np.sqrt(var + shape["eps"]) * _wide(inputs["weight"], -1, 1)
    return {"output": np.maximum(y + _wide(inputs["bias"], -1, 1), 0)}


# ---------------------------------------------------------------- products of matrices


def _sgemm(shape: Shape, inputs: Arrays) -> Arrays:
    """alpha A B + beta C."""
    m, n, k = shape["m"], shape["n"], shape["k"]
    product = _wide(inputs["A"], m, k) @ _wide(inputs["B"], k, n)
    return {"C": shape["alpha"] * product + shape["beta"] * _wide(inputs["C"], m, n)}


sgemm_naive = _sgemm
sgemm_shared_tile = _sgemm
sgemm_register_tile = _sgemm
sgemm_vectorized = _sgemm
sgemm_warp_tile = _sgemm


def sgemm_double_buffer(shape: Shape, inputs: Arrays) -> Arrays:
    m, n, k = shape["M"], shape["N"], shape["K"]
    product = _wide(inputs["a"], m, k) @ _wide(inputs["b"], k, n)
    return {"c": shape["alpha"] * product + shape["beta"] * _wide(inputs["c"], m, n)}


def hgemm_wmma_staged(shape: Shape, inputs: Arrays) -> Arrays:
    m, n, k = shape["M"], shape["N"], shape["K"]
    return {"C": _wide(inputs["A"], m, k) @ _wide(inputs["B"], k, n)}


def gemm_batched_strided(shape: Shape, inputs: Arrays) -> Arrays:
    batch, m, n, k = shape["batch"], shape["M"], shape["N"], shape["K"]
    a = _wide(inputs["A"], batch, -1)[:, : m * k].reshape(batch, m, k)
    return {"C": a @ _wide(inputs["B"], batch, n, k).transpose(0, 2, 1)}


def gemv_half2_warp(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _wide(inputs["W"], shape["rows"], shape["cols"]) @ _wide(inputs["x"])}


# ---------------------------------------------------------------- attention


def flash_attention(shape: Shape, inputs: Arrays) -> Arrays:
    seq = shape["seq"]
    q, k, v = (_wide(inputs[name], shape["heads"], seq, shape["dim"]) for name in "QKV")
    scores = shape["scale"] * q @ k.transpose(0, 2, 1)
    if shape["causal"]:
        scores = np.where(np.tri(seq, dtype=bool), scores, -np.inf)
    return {"O": _softmax(scores) @ v, "L": np.log(np.exp(scores).sum(-1))}


@adjusting("attention_prefix_mask")
def _lengths(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["lengths"][:] = rng.integers(1, shape["max_len"], shape["batch"], endpoint=True)


def attention_prefix_mask(shape: Shape, inputs: Arrays) -> Arrays:
    batch, heads, dim, length = (shape[name] for name in ("batch", "heads", "dim", "max_len"))
    q = _wide(inputs["q"], batch, heads, 1, dim)
    k, v = (_wide(inputs[name], batch, heads, length, dim) for name in ("k_cache", "v_cache"))
    scores = shape["scale"] * q @ k.transpose(0, 1, 3, 2)
    valid = np.arange(length) < _wide(inputs["lengths"], batch, 1, 1, 1)
    return {"out": _softmax(np.where(valid, scores, -np.inf)) @ v}


# ---------------------------------------------------------------- convolutions


def conv2d_halo(shape: Shape, inputs: Arrays) -> Arrays:
    image = np.pad(_wide(inputs["in"], shape["height"], shape["width"]), 2)
    windows = sliding_window_view(image, (5, 5))
    return {"out": np.einsum("hwij,ij->hw", windows, _wide(inputs["filter"], 5, 5))}


def im2col(shape: Shape, inputs: Arrays) -> Arrays:
    kernel, dilation, pad = shape["kernel"], shape["dilation"], shape["pad"]
    image = _wide(inputs["image"], shape["channels"], shape["height"], shape["width"])
    image = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    reach = dilation * (kernel - 1) + 1
    windows = sliding_window_view(image, (reach, reach), axis=(1, 2))
    windows = windows[:, :: shape["stride"], :: shape["stride"], ::dilation, ::dilation]
    return {"columns": windows.transpose(0, 3, 4, 1, 2)}


def conv1d_constant(shape: Shape, inputs: Arrays) -> Arrays:
    signal = _wide(inputs["signal"], shape["channels"], shape["length"])
    windows = sliding_window_view(np.pad(signal, ((0, 0), (4, 4)), "reflect"), 9, axis=1)
    return {"smooth": windows @ [math.comb(8, tap) / 256 for tap in range(9)]}


# ---------------------------------------------------------------- transposes


def transpose_naive(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": _wide(inputs["in"], shape["rows"], shape["cols"]).T}


def transpose_padded_tile(shape: Shape, inputs: Arrays) -> Arrays:
    return {"dst": _wide(inputs["src"], shape["height"], shape["width"]).T}


def transpose_block_rows(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["input"], shape["batch"], shape["rows"], shape["cols"])
    return {"output": x.transpose(0, 2, 1)}


def permute_4d(shape: Shape, inputs: Arrays) -> Arrays:
    """(a, b, c, d) to (c, a, d, b)."""
    x = _wide(inputs["src"], *(shape[name] for name in "abcd"))
    return {"dst": x.transpose(2, 0, 3, 1)}


# ---------------------------------------------------------------- histograms


def histogram_global(shape: Shape, inputs: Arrays) -> Arrays:
    return {"bins": _wide(inputs["bins"]) + np.bincount(inputs["data"] >> 2, minlength=64)}


def histogram_privatised(shape: Shape, inputs: Arrays) -> Arrays:
    """Bins are found in single precision, as the kernel finds them."""
    low, high, bins = np.float32(shape["lo"]), np.float32(shape["hi"]), shape["num_bins"]
    x = inputs["values"]
    x = x[(x >= low) & (x < high)]
    found = np.minimum(((x - low) * (np.float32(bins) / (high - low))).astype(int), bins - 1)
    return {"bins": _wide(inputs["bins"]) + np.bincount(found, minlength=bins)}


# ---------------------------------------------------------------- indices


def gather_rows(shape: Shape, inputs: Arrays) -> Arrays:
    count = shape["num_rows"]
    table, index = _wide(inputs["table"], count, shape["width"]), inputs["index"]
    valid = (index >= -count) & (index < count)
    return {"out": np.where(valid[:, None], table[index * valid], 0)}


@adjusting("scatter_elements")
def _different_columns(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    """Columns of a row differ; some lie outside."""
    index = inputs["index"].reshape(shape["rows"], shape["index_cols"])
    for row in index:
        row[:] = rng.permutation(shape["self_cols"] + 4)[: row.size] - 2


def scatter_elements(shape: Shape, inputs: Arrays) -> Arrays:
    y = _wide(inputs["self"], shape["rows"], shape["self_cols"])
    index = inputs["index"].reshape(shape["rows"], shape["index_cols"])
    source = _wide(inputs["src"], shape["rows"], shape["index_cols"])
    rows, cols = np.nonzero((index >= 0) & (index < shape["self_cols"]))
    y[rows, index[rows, cols]] = source[rows, cols]
    return {"self": y}


@adjusting("embedding_lookup")
def _tokens(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["tokens"][:] = rng.integers(0, shape["vocab"], inputs["tokens"].size)


def embedding_lookup(shape: Shape, inputs: Arrays) -> Arrays:
    tokens = inputs["tokens"].reshape(shape["B"], shape["T"])
    table = _wide(inputs["wte"], shape["vocab"], shape["d"])
    return {"out": table[tokens] + _wide(inputs["wpe"], shape["T"], shape["d"])}


@adjusting("embedding_backward")
def _ids(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["ids"][:] = rng.integers(0, shape["vocab"], shape["num_ids"])


def embedding_backward(shape: Shape, inputs: Arrays) -> Arrays:
    ids, grad = inputs["ids"], _wide(inputs["grad_out"], shape["num_ids"], shape["dim"])
    weight = _wide(inputs["grad_weight"], shape["vocab"], shape["dim"])
    counted = ids != shape["padding_idx"]
    np.add.at(weight, ids[counted], grad[counted])
    return {"grad_weight": weight}


# ---------------------------------------------------------------- searching and sorting


def topk_rows(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["rows"], shape["cols"])
    indices = np.argsort(-x, axis=1, kind="stable")[:, :5]
    return {"values": np.take_along_axis(x, indices, 1), "indices": indices}


def argmax_warp_pair(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["rows"], shape["cols"])
    return {"index": x.argmax(1), "value": x.max(1)}


def bitonic_sort_block(shape: Shape, inputs: Arrays) -> Arrays:
    keys = _wide(inputs["keys_in"], shape["rows"], shape["n"])
    order = np.argsort(keys if shape["ascending"] else -keys, axis=1)
    return {"keys_out": np.take_along_axis(keys, order, 1), "order": order}


@adjusting("searchsorted")
def _sorted_table(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    """Some queries are in the table, and some of its values come twice."""
    table, queries = inputs["sorted"], inputs["queries"]
    table[1::7] = table[: table[1::7].size]
    table.sort()
    queries[::3] = rng.choice(table, queries[::3].size)


def searchsorted(shape: Shape, inputs: Arrays) -> Arrays:
    side = "right" if shape["right"] else "left"
    return {"positions": np.searchsorted(inputs["sorted"], inputs["queries"], side)}


def compact_ballot(shape: Shape, inputs: Arrays) -> Arrays:
    parts = np.split(_wide(inputs["in"]), range(128, shape["n"], 128))
    kept = [part[part > shape["threshold"]] for part in parts]
    out = [np.pad(part, (0, 128 - part.size), constant_values=-1) for part in kept]
    return {"out": np.concatenate(out), "counts": np.array([part.size for part in kept])}


# ---------------------------------------------------------------- training


@adjusting("cross_entropy")
def _targets(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    targets = inputs["targets"]
    targets[:] = rng.integers(0, shape["classes"], shape["rows"])
    targets[::5] = shape["ignore_index"]


def cross_entropy(shape: Shape, inputs: Arrays) -> Arrays:
    z, targets = _wide(inputs["logits"], shape["rows"], shape["classes"]), inputs["targets"]
    counted = targets != shape["ignore_index"]
    log_p = np.log(_softmax(z))
    hard = -log_p[np.arange(shape["rows"]), targets * counted]
    smoothing = shape["smoothing"]
    return {"losses": counted * ((1 - smoothing) * hard - smoothing * log_p.mean(1))}


@adjusting("adamw")
def _positive_moment(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    np.abs(inputs["v"], out=inputs["v"])


def adamw(shape: Shape, inputs: Arrays) -> Arrays:
    w, g, m, v = (_wide(inputs[name]) for name in "wgmv")
    m = shape["beta1"] * m + (1 - shape["beta1"]) * g
    v = shape["beta2"] * v + (1 - shape["beta2"]) * g**2
    step = m / shape["correction1"] / (np.sqrt(v / shape["correction2"]) + shape["eps"])
    return {"w": w - shape["lr"] * (step + shape["decay"] * w), "m": m, "v": v}


# ---------------------------------------------------------------- quantisation


def quantize_rows_int8(shape: Shape, inputs: Arrays) -> Arrays:
    """Rounded in single precision, as the kernel rounds: halves are close calls."""
    x = inputs["x"].reshape(shape["rows"], shape["cols"])
    largest = np.maximum(np.abs(x).max(1, keepdims=True), np.float32(1e-8))
    q = np.clip(np.rint(x * (np.float32(127) / largest)), -127, 127)
    return {"q": q.astype(np.int64), "scales": _wide(largest) / 127}


@adjusting("dequantize_int4")
def _packed_words(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["qweight"][:] = rng.integers(0, 1 << 32, inputs["qweight"].size)
    inputs["zeros"][:] %= 16


def dequantize_int4(shape: Shape, inputs: Arrays) -> Arrays:
    words = inputs["qweight"].astype(np.int64)
    values = (words[:, None] >> (4 * np.arange(8)) & 15).reshape(-1, shape["group"])
    return {"weight": (values - _wide(inputs["zeros"], -1, 1)) * _wide(inputs["scales"], -1, 1)}


# ---------------------------------------------------------------- transformers


@adjusting("rotary_embedding")
def _positions(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["positions"][:] = rng.integers(0, shape["max_position"], shape["tokens"])


def rotary_embedding(shape: Shape, inputs: Arrays) -> Arrays:
    tokens, half = shape["tokens"], shape["d"] // 2
    angles = _wide(inputs["cos_sin"], shape["max_position"], shape["d"])[inputs["positions"]]
    cos, sin = angles[:, None, :half], angles[:, None, half:]

    def rotated(name: str) -> np.ndarray:
        x = _wide(inputs[name], tokens, -1, shape["d"])
        a, b = x[..., :half], x[..., half:]
        return np.concatenate((a * cos - b * sin, b * cos + a * sin), -1)

    return {"query": rotated("query"), "key": rotated("key")}


def swiglu(shape: Shape, inputs: Arrays) -> Arrays:
    gate, up = _wide(inputs["gate_up"], shape["rows"], 2, shape["d"]).transpose(1, 0, 2)
    return {"out": gate / (1 + np.exp(-gate)) * up}


# ---------------------------------------------------------------- elementwise


def activation_functor(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["in"])
    x = np.where(x >= 0, x, 0.05 * x)
    return {"out": 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))}


def elementwise_lambda(shape: Shape, inputs: Arrays) -> Arrays:
    error, delta = _wide(inputs["pred"]) - _wide(inputs["target"]), shape["delta"]
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
    return {"y": keep * _wide(inputs["x"]) / (1 - shape["p"]), "mask": keep.astype(np.int64)}


@adjusting("elementwise_switch")
def _operations(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["ops"][:] = rng.integers(0, 7, shape["rows"])


def elementwise_switch(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = (_wide(inputs[name], shape["rows"], shape["cols"]) for name in "ab")
    ops = inputs["ops"][:, None]
    results = (a + b, a - b, a * b, a / b, np.maximum(a, b), (a - b) ** 2, np.copysign(a, b))
    return {"out": np.choose(ops, results) + np.choose(ops & 3, (1, 0.5, 0.5, 0))}


def half2_scale_bias(shape: Shape, inputs: Arrays) -> Arrays:
    x = _wide(inputs["x"], shape["pixels"], -1)
    return {"y": np.maximum(x * _wide(inputs["scale"]) + _wide(inputs["bias"]), 0)}


def complex_float2(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = (_wide(inputs[name]).view(np.complex128) for name in "ab")
    return {"out": (shape["scale"] * a.conj() * b).view(np.float64)}


def grid_stride_2d(shape: Shape, inputs: Arrays) -> Arrays:
    rows, cols = shape["rows"], shape["cols"]
    y, x = _wide(inputs["y"], rows, shape["ldy"]), _wide(inputs["x"], rows, shape["ldx"])
    y[:, :cols] += inputs["mask"].reshape(rows, cols) * shape["scale"] * x[:, :cols]
    return {"y": y}


# ---------------------------------------------------------------- stencils and images


def stencil_time_tiled(shape: Shape, inputs: Arrays) -> Arrays:
    u = _wide(inputs["before"])
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

    image = _wide(inputs["src"], shape["src_h"], shape["src_w"], shape["channels"])
    vertical = weights(shape["src_h"], shape["dst_h"])
    horizontal = weights(shape["src_w"], shape["dst_w"])
    return {"dst": np.einsum("yh,hwc,xw->yxc", vertical, image, horizontal)}


def rgb_to_grey(shape: Shape, inputs: Arrays) -> Arrays:
    grey = _wide(inputs["grey"], shape["height"], shape["pitch"])
    rgb = _wide(inputs["rgb"], shape["height"], shape["width"], 3)
    grey[:, : shape["width"]] = rgb @ [77, 150, 29] + 128 >> 8
    return {"grey": grey}


def sobel_u8(shape: Shape, inputs: Arrays) -> Arrays:
    image = np.pad(_wide(inputs["src"], shape["h"], shape["w"]), 1, "edge")
    windows = sliding_window_view(image, (3, 3))
    kernel = np.outer([1, 2, 1], [-1, 0, 1])
    dx, dy = (np.einsum("hwij,ij->hw", windows, weights) for weights in (kernel, kernel.T))
    return {"dst": np.minimum(np.abs(dx) + np.abs(dy), 255)}


# ---------------------------------------------------------------- linear algebra and distances


@adjusting("spmv_csr_warp")
def _compressed_rows(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    ends = np.sort(rng.integers(0, shape["nnz"], shape["num_rows"] - 1, endpoint=True))
    inputs["row_ptr"][:] = np.concatenate(([0], ends, [shape["nnz"]]))
    inputs["col_idx"][:] = rng.integers(0, shape["num_cols"], shape["nnz"])


def spmv_csr_warp(shape: Shape, inputs: Arrays) -> Arrays:
    products = _wide(inputs["values"]) * _wide(inputs["x"])[inputs["col_idx"]]
    sums = np.concatenate(([0.0], products.cumsum()))[inputs["row_ptr"]]
    return {"y": np.diff(sums)}


def pointer_advance(shape: Shape, inputs: Arrays) -> Arrays:
    w, v = _wide(inputs["w"], shape["rows"], shape["cols"]), _wide(inputs["v"])
    return {"out": w - np.outer(v, v @ w)}


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None] - b) ** 2).sum(-1)


def shared_carved_floats(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = (_wide(inputs[name], -1, shape["dims"]) for name in "AB")
    return {"D": _squared_distances(a, b)}


def shared_char_carved(shape: Shape, inputs: Arrays) -> Arrays:
    points, centroids = (_wide(inputs[name], -1, shape["dims"]) for name in ("points", "centroids"))
    distances = _squared_distances(points, centroids)
    return {"labels": distances.argmin(1), "distances": distances.min(1)}
