"""References of kernels that reduce, scan or normalise rows."""

from __future__ import annotations

import numpy as np

from .arrays import Arrays, Shape, adjusting, chunks, softmax, wide

# ---------------------------------------------------------------- reductions


def reduce_interleaved(shape: Shape, inputs: Arrays) -> Arrays:
    return {"block_sums": chunks(wide(inputs["values"]), 128).sum(1)}


def reduce_sequential(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["in"])
    starts = np.arange(0, x.size, 256)
    return {"lo": np.minimum.reduceat(x, starts), "hi": np.maximum.reduceat(x, starts)}


def reduce_first_add(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": chunks(wide(inputs["in"]), 256).sum(1)}


def reduce_unrolled_warp(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": (wide(inputs["x"], shape["rows"], shape["cols"]) ** 2).sum(1)}


def reduce_template(shape: Shape, inputs: Arrays) -> Arrays:
    """Block b sums every stretch of 256 whose number is b modulo the number of blocks."""
    sums = chunks(wide(inputs["x"]), 256).sum(1)
    return {"partial": chunks(sums, shape["blocks"]).sum(0)}


def reduce_warp_shuffle(shape: Shape, inputs: Arrays) -> Arrays:
    return {"output": np.abs(wide(inputs["input"], shape["rows"], shape["cols"])).max(1)}


def reduce_block_atomic(shape: Shape, inputs: Arrays) -> Arrays:
    return {"result": wide(inputs["result"]) + wide(inputs["x"]) @ wide(inputs["y"])}


@adjusting("reduce_last_block")
def _no_ticket(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["ticket"][:] = 0


def reduce_last_block(shape: Shape, inputs: Arrays) -> Arrays:
    sums = chunks(wide(inputs["in"]), 128).sum(1)
    partial = chunks(sums, shape["blocks"]).sum(0)
    return {"partial": partial, "out": partial.sum(), "ticket": np.zeros(1, np.int64)}


def cg_block_reduce(shape: Shape, inputs: Arrays) -> Arrays:
    return {"mean": wide(inputs["x"], shape["rows"], shape["cols"]).mean(0)}


def atomic_max_float_bits(shape: Shape, inputs: Arrays) -> Arrays:
    out, segments = wide(inputs["out"]), inputs["segments"]
    valid = (segments >= 0) & (segments < shape["num_segments"])
    np.maximum.at(out, segments[valid], wide(inputs["values"])[valid])
    return {"out": out}


# ---------------------------------------------------------------- scans


def scan_hillis_steele(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": chunks(wide(inputs["x"]), 128).cumsum(1).ravel()[: shape["n"]]}


def scan_blelloch_padded(shape: Shape, inputs: Arrays) -> Arrays:
    counts = chunks(wide(inputs["counts"]), 256)
    offsets = counts.cumsum(1) - counts
    return {"offsets": offsets.ravel()[: shape["n"]], "totals": counts.sum(1)}


def scan_warp_carry(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": wide(inputs["in"], shape["rows"], shape["cols"]).cumsum(1)}


def cumsum_columns(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": wide(inputs["x"], shape["outer"], shape["length"], shape["inner"]).cumsum(1)}


# ---------------------------------------------------------------- softmax


def softmax_three_pass(shape: Shape, inputs: Arrays) -> Arrays:
    return {"probs": softmax(wide(inputs["logits"], shape["rows"], shape["classes"]))}


def softmax_online_thread(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["rows"], shape["cols"])
    return {"y": softmax(x / shape["temperature"])}


def softmax_warp_row(shape: Shape, inputs: Arrays) -> Arrays:
    return {"dst": np.log(softmax(wide(inputs["src"], shape["rows"], shape["cols"])))}


def softmax_float4(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": softmax(wide(inputs["x"], shape["rows"], shape["cols"]))}


def softmax_backward_warp(shape: Shape, inputs: Arrays) -> Arrays:
    dy, y = (wide(inputs[name], shape["rows"], shape["cols"]) for name in ("grad", "output"))
    return {"grad": shape["scale"] * y * (dy - (dy * y).sum(1, keepdims=True))}


# ---------------------------------------------------------------- normalisation


def _rstd(x: np.ndarray, eps: float) -> np.ndarray:
    """The reciprocal deviation of the last axis, which stays with extent 1."""
    return 1 / np.sqrt(x.var(-1, keepdims=True) + eps)


def _normalised(x: np.ndarray, eps: float) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) * _rstd(x, eps)


def _rms_normalised(x: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)


def layernorm_thread(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["rows"], shape["width"])
    y = _normalised(x, 1e-5) * wide(inputs["gain"]) + wide(inputs["shift"])
    return {"y": y, "mean": x.mean(1), "rstd": _rstd(x, 1e-5)}


def layernorm_cooperative(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["rows"], shape["width"])
    y = _normalised(x, shape["eps"]) * wide(inputs["gain"]) + wide(inputs["shift"])
    return {"y": y}


def layernorm_welford(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["X"], shape["rows"], shape["width"])
    y = _normalised(x, shape["eps"]) * wide(inputs["gamma"]) + wide(inputs["beta"])
    return {"Y": y}


def rmsnorm_half_block(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["rows"], shape["width"])
    return {"y": _rms_normalised(x, shape["eps"]) * wide(inputs["gain"])}


def rmsnorm_residual_warp(shape: Shape, inputs: Arrays) -> Arrays:
    total = wide(inputs["x"], shape["rows"], -1) + wide(inputs["residual"], shape["rows"], -1)
    return {"residual": total, "y": _rms_normalised(total, shape["eps"]) * wide(inputs["w"])}


def groupnorm_block(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["n"], shape["groups"], -1)
    y = _normalised(x, shape["eps"]).reshape(shape["n"], shape["channels"], -1)
    return {"y": y * wide(inputs["gamma"], -1, 1) + wide(inputs["beta"], -1, 1)}


@adjusting("batchnorm_inference")
def _positive_variance(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    np.abs(inputs["running_var"], out=inputs["running_var"])


def batchnorm_inference(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["input"], shape["N"], shape["C"], shape["HW"])
    mean, var = wide(inputs["running_mean"], -1, 1), wide(inputs["running_var"], -1, 1)
    y = (x - mean) / np.sqrt(var + shape["eps"]) * wide(inputs["weight"], -1, 1)
    return {"output": np.maximum(y + wide(inputs["bias"], -1, 1), 0)}


def layernorm_backward(shape: Shape, inputs: Arrays) -> Arrays:
    dy, x = (wide(inputs[name], shape["rows"], shape["width"]) for name in ("dy", "x"))
    rstd = wide(inputs["rstd"], -1, 1)
    normalised = (x - wide(inputs["mean"], -1, 1)) * rstd
    g = dy * wide(inputs["gain"])
    mean, slope = g.mean(1, keepdims=True), (g * normalised).mean(1, keepdims=True)
    return {
        "dx": rstd * (g - mean - normalised * slope),
        "dgain": wide(inputs["dgain"]) + (dy * normalised).sum(0),
        "dshift": wide(inputs["dshift"]) + dy.sum(0),
    }


# ---------------------------------------------------------------- training


@adjusting("cross_entropy")
def _targets(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    targets = inputs["targets"]
    targets[:] = rng.integers(0, shape["classes"], shape["rows"])
    targets[::5] = shape["ignore_index"]


def cross_entropy(shape: Shape, inputs: Arrays) -> Arrays:
    z, targets = wide(inputs["logits"], shape["rows"], shape["classes"]), inputs["targets"]
    counted = targets != shape["ignore_index"]
    log_p = np.log(softmax(z))
    hard = -log_p[np.arange(shape["rows"]), targets * counted]
    smoothing = shape["smoothing"]
    return {"losses": counted * ((1 - smoothing) * hard - smoothing * log_p.mean(1))}


@adjusting("adamw")
def _positive_moment(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    np.abs(inputs["v"], out=inputs["v"])


def adamw(shape: Shape, inputs: Arrays) -> Arrays:
    w, g, m, v = (wide(inputs[name]) for name in "wgmv")
    m = shape["beta1"] * m + (1 - shape["beta1"]) * g
    v = shape["beta2"] * v + (1 - shape["beta2"]) * g**2
    step = m / shape["correction1"] / (np.sqrt(v / shape["correction2"]) + shape["eps"])
    return {"w": w - shape["lr"] * (step + shape["decay"] * w), "m": m, "v": v}


# ---------------------------------------------------------------- transformers


@adjusting("rotary_embedding")
def _positions(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["positions"][:] = rng.integers(0, shape["max_position"], shape["tokens"])


def rotary_embedding(shape: Shape, inputs: Arrays) -> Arrays:
    tokens, half = shape["tokens"], shape["d"] // 2
    angles = wide(inputs["cos_sin"], shape["max_position"], shape["d"])[inputs["positions"]]
    cos, sin = angles[:, None, :half], angles[:, None, half:]

    def rotated(name: str) -> np.ndarray:
        x = wide(inputs[name], tokens, -1, shape["d"])
        a, b = x[..., :half], x[..., half:]
        return np.concatenate((a * cos - b * sin, b * cos + a * sin), -1)

    return {"query": rotated("query"), "key": rotated("key")}


def swiglu(shape: Shape, inputs: Arrays) -> Arrays:
    gate, up = wide(inputs["gate_up"], shape["rows"], 2, shape["d"]).transpose(1, 0, 2)
    return {"out": gate / (1 + np.exp(-gate)) * up}


def moe_top2_gate(shape: Shape, inputs: Arrays) -> Arrays:
    logits = wide(inputs["logits"], shape["tokens"], shape["num_experts"])
    experts = np.argsort(-logits, axis=1)[:, :2]
    weights = softmax(np.take_along_axis(logits, experts, 1))
    counts = np.bincount(experts.ravel(), minlength=shape["num_experts"])
    return {"experts": experts, "weights": weights, "load": wide(inputs["load"]) + counts}
