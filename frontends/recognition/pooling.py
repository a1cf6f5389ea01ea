"""Pooling: the greatest, least, sum or mean of windows."""

from __future__ import annotations

import math

from tvm import relax

from .emitter import Axes, Emitter, Value
from .meaning import unary_name
from .terms import Apply, Node, Reduce, parts_of
from .windows import attributes_of, data_of, over_windows, slidings, worth_saying


def pooling(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """The greatest, least, sum or mean of windows."""
    divided = None
    if isinstance(node, Apply):
        parts = parts_of(node)
        if len(parts) != 1 or not isinstance(parts[0], Reduce) or parts[0].op != "sum":
            return None
        divided = unary_name(node, parts[0])
        reduced = parts[0]
    elif isinstance(node, Reduce):
        reduced = node
    else:
        return None
    count = math.prod(axis.extent for axis in reduced.over)
    if divided is not None and (
        divided[0] != "multiply"
        or not math.isclose(divided[1]["constant"], 1 / count, rel_tol=1e-5)
    ):
        return None
    if isinstance(node, Apply) and divided is None:
        return None
    if reduced.op == "prod":
        return None
    slid = next(
        (
            one
            for one in slidings(reduced.body, reduced.over, reduced.op)
            if {window.inner for window in one[0].windows} == set(reduced.over)
        ),
        None,
    )
    if slid is None:
        return None
    if "float" not in reduced.dtype and reduced.op == "sum":
        return None
    windows, plain = slid[0].windows, slid[0].plain
    if len(windows) > 3:
        return None
    x = data_of(emitter, slid, [], plain)
    how = attributes_of(windows)
    how["pool_size"] = [window.inner.extent for window in windows]
    dims = len(windows)
    most = (relax.op.nn.max_pool1d, relax.op.nn.max_pool2d, relax.op.nn.max_pool3d)[dims - 1]
    mean = (relax.op.nn.avg_pool1d, relax.op.nn.avg_pool2d, relax.op.nn.avg_pool3d)[dims - 1]
    if reduced.op == "max":
        name, value = "max_pool", emitter.op(most(x, **how))
    elif reduced.op == "min":
        least = emitter.op(most(emitter.op(relax.op.negative(x)), **how))
        name, value = "min_pool", emitter.op(relax.op.negative(least))
    else:
        name, value = "avg_pool", emitter.op(mean(x, **how, count_include_pad=True))
        if divided is None:
            factor = relax.const(float(count), reduced.dtype)
            name, value = "sum_pool", emitter.op(relax.op.multiply(value, factor))
    value = over_windows(emitter, axes, value, windows, ([], plain))
    emitter.record(f"{name}{dims}d", [emitter.source(x)], value, **worth_saying(how))
    return value
