"""References of kernels that sum products: matrices, attention, windows, distances."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .arrays import Arrays, Shape, adjusting, softmax, wide

# ---------------------------------------------------------------- products of matrices


def _sgemm(shape: Shape, inputs: Arrays) -> Arrays:
    """alpha A B + beta C."""
    m, n, k = shape["m"], shape["n"], shape["k"]
    product = wide(inputs["A"], m, k) @ wide(inputs["B"], k, n)
    return {"C": shape["alpha"] * product + shape["beta"] * wide(inputs["C"], m, n)}


sgemm_naive = _sgemm
sgemm_shared_tile = _sgemm
sgemm_register_tile = _sgemm
sgemm_vectorized = _sgemm
sgemm_warp_tile = _sgemm


def sgemm_double_buffer(shape: Shape, inputs: Arrays) -> Arrays:
    m, n, k = shape["M"], shape["N"], shape["K"]
    product = wide(inputs["a"], m, k) @ wide(inputs["b"], k, n)
    return {"c": shape["alpha"] * product + shape["beta"] * wide(inputs["c"], m, n)}


def hgemm_wmma_staged(shape: Shape, inputs: Arrays) -> Arrays:
    m, n, k = shape["M"], shape["N"], shape["K"]
    return {"C": wide(inputs["A"], m, k) @ wide(inputs["B"], k, n)}


def gemm_batched_strided(shape: Shape, inputs: Arrays) -> Arrays:
    batch, m, n, k = shape["batch"], shape["M"], shape["N"], shape["K"]
    a = wide(inputs["A"], batch, -1)[:, : m * k].reshape(batch, m, k)
    return {"C": a @ wide(inputs["B"], batch, n, k).transpose(0, 2, 1)}


def gemv_half2_warp(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": wide(inputs["W"], shape["rows"], shape["cols"]) @ wide(inputs["x"])}


def gemm_int8_epilogue(shape: Shape, inputs: Arrays) -> Arrays:
    product = wide(inputs["A"], shape["m"], shape["k"]) @ wide(inputs["B"], shape["n"], -1).T
    scales = wide(inputs["scale_a"], -1, 1) * wide(inputs["scale_b"])
    return {"C": product * scales + wide(inputs["bias"])}


# ---------------------------------------------------------------- attention


def flash_attention(shape: Shape, inputs: Arrays) -> Arrays:
    seq = shape["seq"]
    q, k, v = (wide(inputs[name], shape["heads"], seq, shape["dim"]) for name in "QKV")
    scores = shape["scale"] * q @ k.transpose(0, 2, 1)
    if shape["causal"]:
        scores = np.where(np.tri(seq, dtype=bool), scores, -np.inf)
    return {"O": softmax(scores) @ v, "L": np.log(np.exp(scores).sum(-1))}


@adjusting("attention_prefix_mask")
def _lengths(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["lengths"][:] = rng.integers(1, shape["max_len"], shape["batch"], endpoint=True)


def attention_prefix_mask(shape: Shape, inputs: Arrays) -> Arrays:
    batch, heads, dim, length = (shape[name] for name in ("batch", "heads", "dim", "max_len"))
    q = wide(inputs["q"], batch, heads, 1, dim)
    k, v = (wide(inputs[name], batch, heads, length, dim) for name in ("k_cache", "v_cache"))
    scores = shape["scale"] * q @ k.transpose(0, 1, 3, 2)
    valid = np.arange(length) < wide(inputs["lengths"], batch, 1, 1, 1)
    return {"out": softmax(np.where(valid, scores, -np.inf)) @ v}


@adjusting("paged_kv_append")
def _slots(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    """All different, and one of them padding."""
    slots = inputs["slots"]
    slots[:] = rng.permutation(shape["pages"] * shape["page_size"])[: slots.size]
    slots[rng.integers(slots.size)] = -1


def paged_kv_append(shape: Shape, inputs: Arrays) -> Arrays:
    """Pages of keys are (heads, d / 4, page, 4), of values (heads, d, page)."""
    pages, heads, d, size = (shape[name] for name in ("pages", "heads", "d", "page_size"))
    keys = wide(inputs["key_pages"], pages, heads, d // 4, size, 4)
    values = wide(inputs["value_pages"], pages, heads, d, size)
    for token, slot in enumerate(inputs["slots"]):
        if slot >= 0:
            page, place = divmod(slot, size)
            key = wide(inputs["key"], shape["tokens"], heads, d // 4, 4)[token]
            keys[page, :, :, place] = key
            values[page, :, :, place] = wide(inputs["value"], shape["tokens"], heads, d)[token]
    return {"key_pages": keys, "value_pages": values}


# ---------------------------------------------------------------- convolutions


def conv2d_halo(shape: Shape, inputs: Arrays) -> Arrays:
    image = np.pad(wide(inputs["in"], shape["height"], shape["width"]), 2)
    windows = sliding_window_view(image, (5, 5))
    return {"out": np.einsum("hwij,ij->hw", windows, wide(inputs["filter"], 5, 5))}


def im2col(shape: Shape, inputs: Arrays) -> Arrays:
    kernel, dilation, pad = shape["kernel"], shape["dilation"], shape["pad"]
    image = wide(inputs["image"], shape["channels"], shape["height"], shape["width"])
    image = np.pad(image, ((0, 0), (pad, pad), (pad, pad)))
    reach = dilation * (kernel - 1) + 1
    windows = sliding_window_view(image, (reach, reach), axis=(1, 2))
    windows = windows[:, :: shape["stride"], :: shape["stride"], ::dilation, ::dilation]
    return {"columns": windows.transpose(0, 3, 4, 1, 2)}


def conv1d_constant(shape: Shape, inputs: Arrays) -> Arrays:
    signal = wide(inputs["signal"], shape["channels"], shape["length"])
    windows = sliding_window_view(np.pad(signal, ((0, 0), (4, 4)), "reflect"), 9, axis=1)
    return {"smooth": windows @ [math.comb(8, tap) / 256 for tap in range(9)]}


def depthwise_conv_nhwc(shape: Shape, inputs: Arrays) -> Arrays:
    channels = 4 * shape["c4"]
    x = wide(inputs["in"], shape["images"], shape["height"], shape["width"], channels)
    windows = sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), axis=(1, 2))
    y = np.einsum("nhwcij,ijc->nhwc", windows, wide(inputs["weight"], 3, 3, channels))
    return {"out": y + wide(inputs["bias"])}


def maxpool2d_indices(shape: Shape, inputs: Arrays) -> Arrays:
    kernel, stride, pad, width = (shape[name] for name in ("kernel", "stride", "pad", "width"))
    x = wide(inputs["bottom"], shape["planes"], shape["height"], width)
    margin = ((0, 0), (pad, pad), (pad, pad))
    place = np.pad(np.arange(x[0].size).reshape(1, -1, width), margin)[0]

    def windows(image: np.ndarray) -> np.ndarray:
        view = sliding_window_view(image, (kernel, kernel), axis=(-2, -1))
        return view[..., ::stride, ::stride, :, :].reshape(*image.shape[:-2], -1, kernel**2)

    values = windows(np.pad(x, margin, constant_values=-np.inf))
    best = values.argmax(-1)
    where = np.take_along_axis(windows(place)[None], best[..., None], -1)
    return {"top": values.max(-1), "where": where}


# ---------------------------------------------------------------- linear algebra and distances


@adjusting("spmv_csr_warp")
def _compressed_rows(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    ends = np.sort(rng.integers(0, shape["nnz"], shape["num_rows"] - 1, endpoint=True))
    inputs["row_ptr"][:] = np.concatenate(([0], ends, [shape["nnz"]]))
    inputs["col_idx"][:] = rng.integers(0, shape["num_cols"], shape["nnz"])


def spmv_csr_warp(shape: Shape, inputs: Arrays) -> Arrays:
    products = wide(inputs["values"]) * wide(inputs["x"])[inputs["col_idx"]]
    sums = np.concatenate(([0.0], products.cumsum()))[inputs["row_ptr"]]
    return {"y": np.diff(sums)}


def pointer_advance(shape: Shape, inputs: Arrays) -> Arrays:
    w, v = wide(inputs["w"], shape["rows"], shape["cols"]), wide(inputs["v"])
    return {"out": w - np.outer(v, v @ w)}


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None] - b) ** 2).sum(-1)


def shared_carved_floats(shape: Shape, inputs: Arrays) -> Arrays:
    a, b = (wide(inputs[name], -1, shape["dims"]) for name in "AB")
    return {"D": _squared_distances(a, b)}


def shared_char_carved(shape: Shape, inputs: Arrays) -> Arrays:
    points, centroids = (wide(inputs[name], -1, shape["dims"]) for name in ("points", "centroids"))
    distances = _squared_distances(points, centroids)
    return {"labels": distances.argmin(1), "distances": distances.min(1)}


def nbody_tiles(shape: Shape, inputs: Arrays) -> Arrays:
    bodies = wide(inputs["bodies"], -1, 4)
    apart = bodies[:, :3] - bodies[:, None, :3]
    strength = bodies[:, 3] / ((apart**2).sum(-1) + shape["softening2"]) ** 1.5
    return {"acc": np.pad((apart * strength[..., None]).sum(1), ((0, 0), (0, 1)))}


def fft_shared_radix2(shape: Shape, inputs: Arrays) -> Arrays:
    signals = wide(inputs["in"]).view(np.complex128).reshape(-1, 64)
    return {"out": np.fft.fft(signals).view(np.float64)}
