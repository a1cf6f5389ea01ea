"""References of kernels that move, count, find or sort elements."""

from __future__ import annotations

import numpy as np

from .arrays import Arrays, Shape, adjusting, wide

# ---------------------------------------------------------------- transposes


def transpose_naive(shape: Shape, inputs: Arrays) -> Arrays:
    return {"out": wide(inputs["in"], shape["rows"], shape["cols"]).T}


def transpose_padded_tile(shape: Shape, inputs: Arrays) -> Arrays:
    return {"dst": wide(inputs["src"], shape["height"], shape["width"]).T}


def transpose_block_rows(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["input"], shape["batch"], shape["rows"], shape["cols"])
    return {"output": x.transpose(0, 2, 1)}


def permute_4d(shape: Shape, inputs: Arrays) -> Arrays:
    """(a, b, c, d) to (c, a, d, b)."""
    x = wide(inputs["src"], *(shape[name] for name in "abcd"))
    return {"dst": x.transpose(2, 0, 3, 1)}


# ---------------------------------------------------------------- histograms


def histogram_global(shape: Shape, inputs: Arrays) -> Arrays:
    return {"bins": wide(inputs["bins"]) + np.bincount(inputs["data"] >> 2, minlength=64)}


def histogram_privatised(shape: Shape, inputs: Arrays) -> Arrays:
    """Bins are found in single precision, as the kernel finds them."""
    low, high, bins = np.float32(shape["lo"]), np.float32(shape["hi"]), shape["num_bins"]
    x = inputs["values"]
    x = x[(x >= low) & (x < high)]
    found = np.minimum(((x - low) * (np.float32(bins) / (high - low))).astype(int), bins - 1)
    return {"bins": wide(inputs["bins"]) + np.bincount(found, minlength=bins)}


# ---------------------------------------------------------------- indices


def gather_rows(shape: Shape, inputs: Arrays) -> Arrays:
    count = shape["num_rows"]
    table, index = wide(inputs["table"], count, shape["width"]), inputs["index"]
    valid = (index >= -count) & (index < count)
    return {"out": np.where(valid[:, None], table[index * valid], 0)}


@adjusting("scatter_elements")
def _different_columns(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    """Columns of a row differ; some lie outside."""
    index = inputs["index"].reshape(shape["rows"], shape["index_cols"])
    for row in index:
        row[:] = rng.permutation(shape["self_cols"] + 4)[: row.size] - 2


def scatter_elements(shape: Shape, inputs: Arrays) -> Arrays:
    y = wide(inputs["self"], shape["rows"], shape["self_cols"])
    index = inputs["index"].reshape(shape["rows"], shape["index_cols"])
    source = wide(inputs["src"], shape["rows"], shape["index_cols"])
    rows, cols = np.nonzero((index >= 0) & (index < shape["self_cols"]))
    y[rows, index[rows, cols]] = source[rows, cols]
    return {"self": y}


@adjusting("embedding_lookup")
def _tokens(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["tokens"][:] = rng.integers(0, shape["vocab"], inputs["tokens"].size)


def embedding_lookup(shape: Shape, inputs: Arrays) -> Arrays:
    tokens = inputs["tokens"].reshape(shape["B"], shape["T"])
    table = wide(inputs["wte"], shape["vocab"], shape["d"])
    return {"out": table[tokens] + wide(inputs["wpe"], shape["T"], shape["d"])}


@adjusting("embedding_backward")
def _ids(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["ids"][:] = rng.integers(0, shape["vocab"], shape["num_ids"])


def embedding_backward(shape: Shape, inputs: Arrays) -> Arrays:
    ids, grad = inputs["ids"], wide(inputs["grad_out"], shape["num_ids"], shape["dim"])
    weight = wide(inputs["grad_weight"], shape["vocab"], shape["dim"])
    counted = ids != shape["padding_idx"]
    np.add.at(weight, ids[counted], grad[counted])
    return {"grad_weight": weight}


# ---------------------------------------------------------------- searching and sorting


def topk_rows(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["rows"], shape["cols"])
    indices = np.argsort(-x, axis=1, kind="stable")[:, :5]
    return {"values": np.take_along_axis(x, indices, 1), "indices": indices}


def argmax_warp_pair(shape: Shape, inputs: Arrays) -> Arrays:
    x = wide(inputs["x"], shape["rows"], shape["cols"])
    return {"index": x.argmax(1), "value": x.max(1)}


def bitonic_sort_block(shape: Shape, inputs: Arrays) -> Arrays:
    keys = wide(inputs["keys_in"], shape["rows"], shape["n"])
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
    parts = np.split(wide(inputs["in"]), range(128, shape["n"], 128))
    kept = [part[part > shape["threshold"]] for part in parts]
    out = [np.pad(part, (0, 128 - part.size), constant_values=-1) for part in kept]
    return {"out": np.concatenate(out), "counts": np.array([part.size for part in kept])}


def radix_split_block(shape: Shape, inputs: Arrays) -> Arrays:
    parts = np.split(wide(inputs["in"]), range(128, shape["n"], 128))
    return {"out": np.concatenate([np.sort(part) for part in parts])}


# ---------------------------------------------------------------- graphs and boxes


def _iou(boxes: np.ndarray) -> np.ndarray:
    """Of every pair of (x1, y1, x2, y2), in the precision of the boxes."""
    x1, y1, x2, y2 = boxes.T
    width = np.maximum(np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1), 0)
    height = np.maximum(np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1), 0)
    inter, area = width * height, (x2 - x1) * (y2 - y1)
    return inter / (area[:, None] + area - inter)


@adjusting("nms_bitmask")
def _boxes(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    """Corners in order, and sides that are not zero."""
    boxes = inputs["boxes"].reshape(-1, 4)
    boxes[:, 2:] = boxes[:, :2] + np.abs(boxes[:, 2:]) + 0.125


def nms_bitmask(shape: Shape, inputs: Arrays) -> Arrays:
    n, blocks = shape["n"], -(-shape["n"] // 64)
    suppressed = np.triu(_iou(inputs["boxes"].reshape(n, 4)) > np.float32(shape["threshold"]), 1)
    bits = np.pad(suppressed, ((0, 0), (0, 64 * blocks - n))).reshape(n, blocks, 64)
    return {"mask": (bits << np.arange(64, dtype=np.uint64)).sum(-1, dtype=np.uint64)}


@adjusting("floyd_warshall_block")
def _few_edges(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["dist"][rng.random(inputs["dist"].size) < 0.75] = 0


def floyd_warshall_block(shape: Shape, inputs: Arrays) -> Arrays:
    d = wide(inputs["dist"], shape["graphs"], shape["nodes"], shape["nodes"]).astype(np.float64)
    d[d <= 0] = np.inf
    d[:, np.arange(shape["nodes"]), np.arange(shape["nodes"])] = 0
    for k in range(shape["nodes"]):
        d = np.minimum(d, d[:, :, k, None] + d[:, k, None, :])
    return {"dist": np.where(np.isinf(d), -1, d)}


@adjusting("bfs_frontier")
def _graph(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    nodes, edges = shape["nodes"], shape["edges"]
    ends = np.sort(rng.integers(0, edges, nodes - 1, endpoint=True))
    inputs["offsets"][:] = np.concatenate(([0], ends, [edges]))
    inputs["targets"][:] = rng.integers(0, nodes, edges)
    inputs["distance"][:] = rng.integers(-1, shape["level"], nodes, endpoint=True)
    inputs["frontier"][:] = inputs["distance"] == shape["level"]
    inputs["next"][:] = 0


def bfs_frontier(shape: Shape, inputs: Arrays) -> Arrays:
    distance, sources = wide(inputs["distance"]), np.diff(inputs["offsets"])
    reached = inputs["targets"][np.repeat(inputs["frontier"] != 0, sources)]
    new = np.unique(reached[distance[reached] < 0])
    distance[new] = shape["level"] + 1
    found = wide(inputs["found"]) + new.size
    return {
        "next": np.isin(np.arange(shape["nodes"]), new) * 1,
        "distance": distance,
        "found": found,
    }
