"""Convolutions: sums of products over windows."""

from __future__ import annotations

import math
from dataclasses import replace

from tvm import relax

from . import terms
from .affine import Affine, Axis
from .contraction import contraction_of, scaled
from .emitter import Axes, Emitter, Value
from .terms import Node, Read, Reduce
from .windows import attributes_of, data_of, over_windows, slidings, worth_saying


def with_channels(node: Reduce) -> Reduce:
    """`node` with channels that lie innermost as an axis of their own.

    Rows of a window and the channels of its elements are neighbours in memory, and so one axis at
    first: x[192 j + k], k < 128, is x[3 j + k_hi, k_lo] with 64 channels.
    """
    for one in terms.walk(node.body):
        if not isinstance(one, Read):
            continue
        factors = {axis: one.address.factor(axis) for axis in one.address.axes}
        for inner in node.over:
            unit = factors.get(inner, 0)
            steps = [f for axis, f in factors.items() if axis not in node.over and f > unit]
            if unit <= 0 or not steps or min(steps) % unit:
                continue
            channels = math.gcd(min(steps) // unit, inner.extent)
            others = [axis.extent for axis in node.over if factors.get(axis, 0) > unit]
            if channels == inner.extent and others and inner.extent % others[-1] == 0:
                # Windows that fill each other's steps hide their width: let them be square.
                channels //= others[-1]
            if 1 < channels < inner.extent:
                high = Axis(inner.name + "k", inner.extent // channels)
                low = Axis(inner.name + "c", channels)
                digits = Affine({high: channels, low: 1})
                over = [each for each in node.over if each is not inner]
                body = terms.substitute(node.body, {inner: digits})
                return with_channels(replace(node, over=(*over, high, low), body=body))
    return node


def convolution(emitter: Emitter, node: Node, axes: Axes) -> Value | None:
    """Convolutions in one to three dimensions, in any layout; grouped and depthwise ones too."""
    if not isinstance(node, Reduce) or node.op != "sum":
        return None
    found = contraction_of(with_channels(node), axes)
    if found is None:
        return None
    for data, weight in ((found.left, found.right), (found.right, found.left)):
        for slid in slidings(data, found.depth, "sum"):
            windows = slid[0].windows
            if any(w.out in weight.axes or w.inner not in weight.axes for w in windows):
                continue
            inner = [window.inner for window in windows]
            count = [axis for axis in slid[0].plain if axis not in weight.axes]
            channels = [axis for axis in slid[0].plain if axis in found.depth]
            groups = list(found.batch)
            filters = [axis for axis in (*found.rows, *found.columns) if axis not in data.axes]
            if len(windows) > 3 or set(count) | set(channels) | set(groups) != set(slid[0].plain):
                continue
            x = data_of(emitter, slid, count, [*groups, *channels])
            w = emitter.grouped(weight, [*groups, *filters], channels, *([axis] for axis in inner))
            convolve = (relax.op.nn.conv1d, relax.op.nn.conv2d, relax.op.nn.conv3d)[
                len(windows) - 1
            ]
            size = math.prod(axis.extent for axis in groups)
            how = {**attributes_of(windows), "groups": size}
            value = emitter.op(convolve(x, w, **how))
            value = over_windows(emitter, axes, value, windows, (count, [*groups, *filters]))
            depthwise = size > 1 and not channels and not filters
            name = f"{'depthwise_' if depthwise else ''}conv{len(windows)}d"
            last = slid[0].read.address.factor(([*channels, *groups] or [windows[0].out])[-1])
            layout = "channels last" if last < windows[-1].unit else "channels first"
            inputs = [emitter.source(x), emitter.source(w)]
            emitter.record(name, inputs, value, **worth_saying(how), layout=layout)
            if found.scale is None:
                return value
            return scaled(emitter, axes, value, found.scale)
    return None
