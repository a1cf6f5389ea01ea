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
