"""BANG C's operations whose meaning is a map of indices: layouts, look-ups and pools."""

from __future__ import annotations

from dataclasses import dataclass

from .bang import ALIGN, LANES
from .bang_elementwise import HALF_FLOAT

Extents = tuple[tuple[str, str], ...]
"""Loop variables, the outermost first, and their extents as C expressions of the parameters."""

Rules = tuple[tuple[str, str], ...]
"""Conditions on the parameters (C; `size` is that of an element in bytes), and each in words."""


@dataclass(frozen=True)
class Layout:
    """`name(dst, src, parameters…)`: `dst` in row-major order is `src[source]`. Never in place.

    Attributes
    ----------
    extents : the loops over `dst`.
    source : the index in `src`, a C expression of loop variables and parameters.
    count : how many elements `src` has.
    inside : where it does not hold the element is the fill value, a last argument that may be left
        out and is 0 then; empty where it always holds.
    """

    name: str
    parameters: tuple[str, ...]
    extents: Extents
    source: str
    count: str
    inside: str = ""
    rules: Rules = ()


_PLANE = ("height", "width")
_IMAGE = ("n", "height", "width", "channel")


def _pad(parameters: tuple[str, ...], top: str, bottom: str, left: str, right: str) -> Layout:
    return Layout(
        "__bang_pad",
        ("channel", "height", "width", *parameters),
        (("y", f"height + {top} + {bottom}"), ("x", f"width + {left} + {right}"), ("c", "channel")),
        f"((y - {top}) * width + x - {left}) * channel + c",
        "height * width * channel",
        f"y >= {top} && y < {top} + height && x >= {left} && x < {left} + width",
        tuple((f"{one} >= 0", "a border is not negative") for one in parameters),
    )


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "__bang_transpose",
        _PLANE,
        (("x", "width"), ("y", "height")),
        "y * width + x",
        "height * width",
    ),
    Layout(
        "__bang_rotate90",
        _PLANE,
        (("x", "width"), ("y", "height")),
        "(height - 1 - y) * width + x",
        "height * width",
    ),
    Layout(
        "__bang_rotate180",
        _PLANE,
        (("y", "height"), ("x", "width")),
        "(height - 1 - y) * width + width - 1 - x",
        "height * width",
    ),
    Layout(
        "__bang_rotate270",
        _PLANE,
        (("x", "width"), ("y", "height")),
        "y * width + width - 1 - x",
        "height * width",
    ),
    Layout(
        "__bang_mirror",
        _PLANE,
        (("y", "height"), ("x", "width")),
        "y * width + width - 1 - x",
        "height * width",
    ),
    Layout(
        "__bang_reshape_nchw2nhwc",
        _IMAGE,
        (("image", "n"), ("pixel", "height * width"), ("c", "channel")),
        "(image * channel + c) * height * width + pixel",
        "n * height * width * channel",
    ),
    Layout(
        "__bang_reshape_nhwc2nchw",
        _IMAGE,
        (("image", "n"), ("c", "channel"), ("pixel", "height * width")),
        "(image * height * width + pixel) * channel + c",
        "n * height * width * channel",
    ),
    # Filter `co` goes to bank `co % LANES`: with these before those of the next bank, a copy to
    # WRAM without strides gives each bank its filters.
    Layout(
        "__bang_reshape_filter",
        _IMAGE,
        (("lane", str(LANES)), ("group", f"n / {LANES}"), ("e", "height * width * channel")),
        f"(group * {LANES} + lane) * height * width * channel + e",
        "n * height * width * channel",
        rules=(
            (f"n % {LANES} == 0", f"the number of filters is a multiple of {LANES}"),
            (
                f"height * width * channel * size % {ALIGN} == 0",
                f"a filter's size is a multiple of {ALIGN} bytes",
            ),
        ),
    ),
    _pad(("top", "bottom", "left", "right"), "top", "bottom", "left", "right"),
    _pad(("pad_h", "pad_w"), "pad_h", "pad_h", "pad_w", "pad_w"),
)


@dataclass(frozen=True)
class Lookup:
    """`name(dst, index, table, n, length)`: `dst[i] = table[index[i]]`, 32-bit integers."""

    name: str


LOOKUPS: tuple[Lookup, ...] = (Lookup("__bang_lut_s32"),)


@dataclass(frozen=True)
class MaskedMove:
    """`name(dst, src, mask, n)`: each byte of `dst`, `r`, becomes `meaning` of it, the source's
    byte `a` and the mask's `m`. Through `void*`, `n` counts bytes."""

    name: str
    meaning: str


MASKED_MOVES: tuple[MaskedMove, ...] = (MaskedMove("__bang_maskmove", "(a & m) | (r & ~m)"),)


@dataclass(frozen=True)
class Pool:
    """`name(dst, src, channel, height, width, kernel_h, kernel_w[, stride_w, stride_h])`.

    HWC, one image, no padding; incomplete windows are dropped; never in place. Without strides
    windows lie side by side.

    Attributes
    ----------
    start, step : `step` folds a value `a` into the accumulator `r` that starts as `start`.
    scale : what becomes of `r` at the end, with `k` the size of the window.
    channel_bytes : of which `channel * sizeof(T)` is a multiple.
    index : the result is the place in its window, `ky * kernel_w + kx`, of the first value that
        is the fold's: 16 bits for half, 32 for float. (The vendor does not say where it counts
        from.)
    """

    name: str
    start: str
    step: str
    scale: str = "r"
    dtypes: tuple[str, ...] = HALF_FLOAT
    channel_bytes: int = 1
    index: bool = False


POOLS: tuple[Pool, ...] = (
    Pool("__bang_sumpool", "0.0f", "r + a", channel_bytes=ALIGN),
    Pool("__bang_avgpool", "0.0f", "r + a", "r / k", channel_bytes=ALIGN),
    Pool("__bang_maxpool", "-INFINITY", "a > r ? a : r"),
    Pool("__bang_minpool", "INFINITY", "a < r ? a : r"),
    Pool("__bang_maxpool_index", "-INFINITY", "a > r ? a : r", index=True),
    Pool("__bang_minpool_index", "INFINITY", "a < r ? a : r", index=True),
)
