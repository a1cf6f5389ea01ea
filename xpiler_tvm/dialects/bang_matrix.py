"""BANG C's matrix unit: convolution, product with a matrix and with a vector.

The weights lie in WRAM, filter `co` in bank `co % LANES`: as `__bang_reshape_filter` leaves them,
or as a copy with the banks' stride puts them there. Public kernels store them as they come instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .bang import LANES, Mode
from .bang_layouts import Extents, Rules

Types = tuple[tuple[str, str, str], ...]
"""Element types of result, source and weights that belong together."""

_INTEGERS = ("int4", "int8", "int16")
_FLOATS = ("float16", "bfloat16", "float32")
_RESULTS = ("float16", "float32", "int16")

FIXED: Types = tuple(
    (result, source, weight) for result in _RESULTS for source in _INTEGERS for weight in _INTEGERS
)
"""Products of fixed-point numbers; there may be a bias of the result's type."""

FLOATING: Types = tuple(("float32", source, weight) for source in _FLOATS for weight in _FLOATS)
"""Products of floats are added in float, without a bias."""

FIXED_VECTOR: Types = tuple(
    (result, source, weight)
    for result in _RESULTS
    for source, weight in (("int8", "int8"), ("int16", "int8"), ("int16", "int16"))
)

POSITION = 127
"""`fix_pos` lies in -POSITION..POSITION: a product of integers counts 2**fix_pos."""


@dataclass(frozen=True)
class Contraction:
    """`dst[target] = 2**fix_pos * sum of src[source] * weight[…] + bias[filter] + partial[target]`.

    The arguments are `dst, src`, the weights, `parameters…` and then `fix_pos`. A bias stands
    before or behind the weights, where `bias` says; the partial sum stands behind them.

    Attributes
    ----------
    mode : `strict` for the hardware's reading, `lenient` for that of public kernels.
    outputs, reduced : the loops over the results, and those of each sum.
    target, targets : index in `dst`, and how many elements it has; likewise `source`, `sources`.
    filter, filters : which filter a result comes from, and how many there are.
    place, length : index in one filter, and how many elements it has.
    flat : index in the weights where they lie as they come; empty for lanes (see above).
    types : element types; empty for any.
    bias : where the addends of the filters stand; only for types of `FIXED` in strict mode.
    partial : there are as many addends as results, which may take their place.
    position : whether `fix_pos` may be left out, and is 0 then.
    dilated : two or four more arguments follow: `dilation_w, dilation_h`, the distances of the
        pixels that a filter is applied to, and `out_w, out_h`, those of the results' pixels in
        `dst`. Neither is described in public; both readings are ours.
    aligned : how many elements of a filter belong to a pixel: they fill whole `granule`s.
    """

    name: str
    mode: Mode
    parameters: tuple[str, ...]
    outputs: Extents
    reduced: Extents
    target: str
    targets: str
    source: str
    sources: str
    filter: str
    filters: str
    place: str
    length: str
    flat: str = ""
    types: Types = ()
    bias: str = ""
    partial: bool = False
    position: str = "optional"
    dilated: bool = False
    aligned: str = ""
    rules: Rules = ()


EXACT_DEPTH: Mapping[tuple[str, ...], int] = {
    ("int32", "int8", "int8"): 1 << 10,
    ("int32", "uint8", "int8"): 1 << 9,
}
"""Products of bytes that a float adds up without rounding: 2**24 / 2**14, or 2**15."""

MOST_STRIDE = 1023
"""Of the windows of a convolution."""


def granule(source_bytes: int, weight_bytes: int) -> int:
    """Bytes that a pixel's part of a filter fills as a whole (3xx), by the size of an element."""
    return {4: 16, 2: 32}.get(source_bytes // max(1, weight_bytes), 64)


def _multiple(what: str, name: str) -> tuple[str, str]:
    return f"{name} % {LANES} == 0", f"the number of {what} is a multiple of {LANES}"


_HEIGHT = "((h - (kh - 1) * dilation_h - 1) / stride_h + 1)"
_WIDTH = "((w - (kw - 1) * dilation_w - 1) / stride_w + 1)"
_ROW = f"(({_WIDTH} - 1) * out_w + 1)"
_STRIDES = (
    *(
        (f"{name} >= 1 && {name} <= {MOST_STRIDE}", f"a stride is 1 to {MOST_STRIDE}")
        for name in ("stride_w", "stride_h")
    ),
    ("dilation_w >= 1 && dilation_h >= 1 && out_w >= 1 && out_h >= 1", "a dilation is positive"),
    ("h > (kh - 1) * dilation_h && w > (kw - 1) * dilation_w", "the filter is not larger than src"),
)


def _convolution(name: str, mode: Mode, partial: bool) -> Contraction:
    """No padding: src[h][w][ci], filters[co][kh][kw][ci], dst[oh][ow][co]."""
    strict = mode == "strict"
    return Contraction(
        name,
        mode,
        ("ci", "h", "w", "kh", "kw", "stride_w", "stride_h", "co"),
        (("y", _HEIGHT), ("x", _WIDTH), ("c", "co")),
        (("ky", "kh"), ("kx", "kw"), ("k", "ci")),
        f"(y * out_h * {_ROW} + x * out_w) * co + c",
        f"(({_HEIGHT} - 1) * out_h + 1) * {_ROW} * co",
        "((y * stride_h + ky * dilation_h) * w + x * stride_w + kx * dilation_w) * ci + k",
        "h * w * ci",
        "c",
        "co",
        "(ky * kw + kx) * ci + k",
        "kh * kw * ci",
        flat="" if strict else "c * kh * kw * ci + (ky * kw + kx) * ci + k",
        types=(*FIXED, *FLOATING) if strict else (),
        bias="" if partial else "behind",
        partial=partial,
        dilated=True,
        aligned="ci" if strict else "",
        rules=(*_STRIDES, _multiple("output channels", "co")) if strict else _STRIDES,
    )


CONTRACTIONS: tuple[Contraction, ...] = (
    _convolution("__bang_conv", "strict", False),
    _convolution("__bang_conv", "lenient", False),
    _convolution("__bang_conv_partial", "strict", True),
    _convolution("__bang_conv_partial", "lenient", True),
    # dst[m][n] = src[m][k] * B[k][n], where the weights are the n columns of B.
    Contraction(
        "__bang_matmul",
        "strict",
        ("m", "k", "n"),
        (("i", "m"), ("j", "n")),
        (("l", "k"),),
        "i * n + j",
        "m * n",
        "i * k + l",
        "m * k",
        "j",
        "n",
        "l",
        "k",
        types=(*FIXED, *FLOATING),
        aligned="k",
        rules=(_multiple("columns", "n"),),
    ),
    # The weights are the k rows of B.
    Contraction(
        "__bang_matmul",
        "lenient",
        ("m", "k", "n"),
        (("i", "m"), ("j", "n")),
        (("l", "k"),),
        "i * n + j",
        "m * n",
        "i * k + l",
        "m * k",
        "j",
        "n",
        "l",
        "k",
        flat="l * n + j",
    ),
    # dst[height] = weight[height][width] * src[width].
    Contraction(
        "__bang_mlp",
        "strict",
        ("height", "width"),
        (("j", "height"),),
        (("l", "width"),),
        "j",
        "height",
        "l",
        "width",
        "j",
        "height",
        "l",
        "width",
        types=FIXED_VECTOR,
        bias="before",
        position="required",
        rules=(_multiple("outputs", "height"),),
    ),
    # dst[width] = src[height] * weight[height][width].
    Contraction(
        "__bang_mlp",
        "lenient",
        ("height", "width"),
        (("j", "width"),),
        (("l", "height"),),
        "j",
        "width",
        "l",
        "height",
        "j",
        "width",
        "l",
        "height",
        flat="l * width + j",
        bias="before",
        position="required",
    ),
)
