"""The operators of the grid: shapes, operands, and what is right, in numpy.

36 operators of 8 shapes each; every dialect has a kernel of each. Tensors are flat arrays in
row-major order whose names are the kernels' parameter names. Layouts: images are NHWC and weights
O,KH,KW,I, except in `conv2dnchw`, and nothing is padded. An operator over any number of dimensions
is stated by what it does: elements (N), rows (ROWS, COLS), an axis (OUTER, AXIS, INNER).

A reference takes a shape and the inputs as the kernels get them, whatever their types, and computes
in float64, or in int64 where all operands are integers. Operands have these types, from left to
right on GPUs, in C with VNNI and in BANG C (alternatives are parted by `|`):

=========================  =================================  ====================================
operators                  operands                           results
=========================  =================================  ====================================
most                       float32                            float32
gemm, bmm                  float16; uint8|int8, int8;         float32; int32; float32
                           int8|float16
gemv                       float32; int8|uint8, int8;         float32; int32; float32
                           float32
dense                      float16; int16; float16            float32; int32; float32|float16
gatemlp                    float16; int16; float16            float32; float32; float32|float16
conv2d, conv2dnchw         float32; uint8|int8, int8;         float32; int32; float32
                           float32
mha                        float32; int8 (V: float32);        float32
                           float32
gqa                        float16; int16 (V: float32);       float16|float32; float32; as on GPUs
                           float16
gather, scatter            float32, index int32|int64         float32
deformable                 float32, shapes int32              float32
=========================  =================================  ====================================
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .declaring import (
    OPERATORS,
    Arrays,
    Operand,
    Shape,
    flat,
    last_axis,
    one_axis,
    operator,
    product,
    table,
)

__all__ = ["OPERATORS"]

EPS = 1e-5


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)


def _take(inputs: Arrays, name: str, *extents: int) -> np.ndarray:
    """An input as an array of some extents, in the type that the reference computes in."""
    return _wide(inputs[name]).reshape(extents)


def _out(name: str, extent: str, *dtypes: str) -> Operand:
    return Operand(name, extent, dtypes or ("float32",), "out")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# ---------------------------------------------------------------- elementwise

_SUMS = flat("64; 320; 18x128; 21x192; 1x15x64; 3x3x256; 4x4x4x64; 100x2x10x1024")
_ACTIVATIONS = "3x4x5; 5x128; 45x25; 12x3x128; 8x10x64; 7x1x6x7; 5x7x3x32; 5x12x23x128"
_SINES = "32x64; 32x26; 16x512; 7x1x6x7; 2x16x1024; 64x64x64; 8x16x32x32; 1x3x224x224"

_A, _B, _C = Operand("a", "N"), Operand("b", "N"), _out("c", "N")
_X, _Y = Operand("x", "N", floats=(-4, 4)), _out("y", "N")


@operator(_SUMS, _A, _B, _C, reduce={"N": 1024})
def add(shape: Shape, inputs: Arrays) -> Arrays:
    return {"c": _wide(inputs["a"]) + _wide(inputs["b"])}


@operator(_SUMS, _A, _B, _C, reduce={"N": 1024})
def sub(shape: Shape, inputs: Arrays) -> Arrays:
    return {"c": _wide(inputs["a"]) - _wide(inputs["b"])}


@operator(flat(_ACTIVATIONS), _X, _Y)
def relu(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": np.maximum(_wide(inputs["x"]), 0)}


@operator(flat(_ACTIVATIONS), _X, _Y)
def gelu(shape: Shape, inputs: Arrays) -> Arrays:
    """Exact, by the error function; the usual approximation by tanh is 5e-4 away at most."""
    x = _wide(inputs["x"])
    return {"y": 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))}


@operator(flat(_ACTIVATIONS), _X, _Y)
def sigmoid(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _sigmoid(_wide(inputs["x"]))}


def _some_zeros(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["x"][rng.integers(0, inputs["x"].size, max(1, inputs["x"].size // 8))] = 0


@operator(flat(_ACTIVATIONS), _X, _Y, adjust=_some_zeros)
def sign(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": np.sign(_wide(inputs["x"]))}


@operator(flat(_SINES), _X, _Y)
def sin(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": np.sin(_wide(inputs["x"]))}


# ---------------------------------------------------------------- products of matrices

_LEFT = ("float16", "uint8|int8", "int8|float16")
_RIGHT = ("float16", "int8", "int8|float16")
_PRODUCT = ("float32", "int32", "float32")


@operator(
    table(
        "M K N",
        "32,32,128; 32,32,1024; 32,128,128; 32,128,1024; "
        "1024,16,128; 1024,16,1024; 1024,128,128; 1024,128,4096",
    ),
    Operand("A", "M*K", _LEFT),
    Operand("B", "K*N", _RIGHT),
    _out("C", "M*N", *_PRODUCT),
    reduce={"N": 128, "M": 64},
)
def gemm(shape: Shape, inputs: Arrays) -> Arrays:
    m, k, n = shape["M"], shape["K"], shape["N"]
    return {"C": _take(inputs, "A", m, k) @ _take(inputs, "B", k, n)}


@operator(
    {
        f"{batch}x{m}x{k}x{n}": {"BATCH": batch, "M": m, "K": k, "N": n}
        for batch in (1, 4)
        for m, k, n in ((128, 128, 128), (128, 256, 512), (256, 256, 256), (512, 512, 512))
    },
    Operand("A", "BATCH*M*K", _LEFT),
    Operand("B", "BATCH*K*N", _RIGHT),
    _out("C", "BATCH*M*N", *_PRODUCT),
    reduce={"N": 64, "M": 64, "K": 64},
)
def bmm(shape: Shape, inputs: Arrays) -> Arrays:
    b, m, k, n = shape["BATCH"], shape["M"], shape["K"], shape["N"]
    return {"C": _take(inputs, "A", b, m, k) @ _take(inputs, "B", b, k, n)}


@operator(
    table("M N", "3,16; 3,512; 32,64; 32,512; 112,128; 112,224; 125,128; 125,320"),
    Operand("A", "M*N", ("float32", "int8|uint8", "float32")),
    Operand("x", "N", ("float32", "int8", "float32")),
    _out("y", "M", *_PRODUCT),
)
def gemv(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _take(inputs, "A", shape["M"], shape["N"]) @ _wide(inputs["x"])}


@operator(
    table(
        "M K N",
        "16,64,64; 16,128,128; 16,256,256; 16,512,512; 16,1024,1024; "
        "32,512,512; 64,768,768; 80,1024,1024",
    ),
    Operand("A", "M*K", ("float16", "int16", "float16")),
    Operand("B", "K*N", ("float16", "int16", "float16")),
    Operand("bias", "N", ("float32", "int32", "float32|float16")),
    _out("C", "M*N", "float32", "int32", "float32|float16"),
    reduce={"N": 64, "K": 128, "M": 16},
)
def dense(shape: Shape, inputs: Arrays) -> Arrays:
    m, k, n = shape["M"], shape["K"], shape["N"]
    product = _take(inputs, "A", m, k) @ _take(inputs, "B", k, n)
    return {"C": product + _wide(inputs["bias"])}


_GATE = {"dtypes": ("float16", "int16", "float16"), "integers": ("-2", "2")}


@operator(
    table(
        "M K N",
        "32,64,64; 32,128,128; 32,256,256; 32,512,512; "
        "16,512,512; 16,768,768; 16,1024,1024; 16,4096,4096",
    ),
    Operand("X", "M*K", **_GATE),  # type: ignore[arg-type]
    Operand("A", "K*N", **_GATE, floats=(-0.25, 0.25)),  # type: ignore[arg-type]
    Operand("B", "K*N", **_GATE, floats=(-0.25, 0.25)),  # type: ignore[arg-type]
    _out("Y", "M*N", "float32", "float32", "float32|float16"),
    reduce={"N": 64, "K": 128},
)
def gatemlp(shape: Shape, inputs: Arrays) -> Arrays:
    """silu(X A) * (X B), silu(x) = x / (1 + exp(-x))."""
    m, k, n = shape["M"], shape["K"], shape["N"]
    x = _take(inputs, "X", m, k)
    gate, up = x @ _take(inputs, "A", k, n), x @ _take(inputs, "B", k, n)
    with np.errstate(over="ignore"):
        return {"Y": gate * _sigmoid(gate) * up}


# ---------------------------------------------------------------- windows


@operator(
    table("OUT KW", "5,3; 25,3; 44,3; 126,3; 190,3; 222,3; 256,3; 312,3"),
    Operand("x", "IN"),
    Operand("w", "KW"),
    _out("y", "OUT"),
    derived=lambda s: {"IN": s["OUT"] + s["KW"] - 1},
)
def conv1d(shape: Shape, inputs: Arrays) -> Arrays:
    """y[i] = sum of x[i + k] * w[k]: w is not reversed."""
    return {"y": np.correlate(_wide(inputs["x"]), _wide(inputs["w"]), "valid")}


def _conv_out(s: Shape) -> Shape:
    step = s["STRIDE"]
    return {"OH": (s["H"] - s["KH"]) // step + 1, "OW": (s["W"] - s["KW"]) // step + 1}


def _conv_work(s: Shape) -> int:
    return math.prod(s[name] for name in ("N", "OH", "OW", "CI", "CO", "KH", "KW"))


def _conv_shapes(*channels: tuple[int, int]) -> dict[str, Shape]:
    return {
        f"{n}x8x8x{ci}x{co}x2x2x{stride}": {
            **{"N": n, "H": 8, "W": 8, "CI": ci, "CO": co, "KH": 2, "KW": 2, "STRIDE": stride}
        }
        for n in (16, 32)
        for ci, co in channels
        for stride in (2, 3)
    }


_IMAGE = ("float32", "uint8|int8", "float32")
_WEIGHTS = ("float32", "int8", "float32")


def _windows(x: np.ndarray, kh: int, kw: int, sh: int, sw: int) -> np.ndarray:
    """Of an NHWC image: N, OH, OW, C, KH, KW."""
    return sliding_window_view(x, (kh, kw), (1, 2))[:, ::sh, ::sw]


@operator(
    _conv_shapes((64, 64), (128, 64)),
    Operand("x", "N*H*W*CI", _IMAGE),
    Operand("w", "CO*KH*KW*CI", _WEIGHTS),
    _out("y", "N*OH*OW*CO", *_PRODUCT),
    derived=_conv_out,
    work=_conv_work,
    reduce={"N": 2, "CO": 64},
)
def conv2d(shape: Shape, inputs: Arrays) -> Arrays:
    """NHWC, weights O,KH,KW,I."""
    n, h, w, ci, co, kh, kw, step = shape.values()
    windows = _windows(_take(inputs, "x", n, h, w, ci), kh, kw, step, step)
    return {"y": np.einsum("nhwikl,okli->nhwo", windows, _take(inputs, "w", co, kh, kw, ci))}


@operator(
    _conv_shapes((64, 128), (128, 64)),
    Operand("x", "N*CI*H*W", _IMAGE),
    Operand("w", "CO*CI*KH*KW", _WEIGHTS),
    _out("y", "N*CO*OH*OW", *_PRODUCT),
    derived=_conv_out,
    work=_conv_work,
    reduce={"N": 2, "CO": 64},
)
def conv2dnchw(shape: Shape, inputs: Arrays) -> Arrays:
    """NCHW, weights O,I,KH,KW."""
    n, h, w, ci, co, kh, kw, step = shape.values()
    image = _take(inputs, "x", n, ci, h, w).transpose(0, 2, 3, 1)
    windows = _windows(image, kh, kw, step, step)
    return {"y": np.einsum("nhwikl,oikl->nohw", windows, _take(inputs, "w", co, ci, kh, kw))}


@operator(
    {
        f"{h}x{h}x{c}": {"H": h, "W": h, "C": c, "KH": 3, "KW": 3}
        for h in (6, 128, 192, 256)
        for c in (3, 128)
    },
    Operand("x", "H*W*C"),
    Operand("w", "KH*KW*C"),
    _out("y", "OH*OW*C"),
    derived=lambda s: {"OH": s["H"] - s["KH"] + 1, "OW": s["W"] - s["KW"] + 1},
    work=lambda s: math.prod(s[name] for name in ("OH", "OW", "C", "KH", "KW")),
    reduce={"C": 64, "H": 16, "W": 16},
)
def depthwiseconv(shape: Shape, inputs: Arrays) -> Arrays:
    """HWC, weights KH,KW,C, stride 1."""
    h, w, c, kh, kw = shape.values()
    windows = _windows(_take(inputs, "x", 1, h, w, c), kh, kw, 1, 1)[0]
    return {"y": np.einsum("hwckl,klc->hwc", windows, _take(inputs, "w", kh, kw, c))}


_POOLS = table(
    "N H W C KH KW SH SW",
    "1,5,5,64,5,5,1,1; 4,8,8,64,3,3,1,1; 4,35,35,192,3,3,2,2; 4,56,56,128,3,3,2,2; "
    "5,32,32,64,5,5,1,1; 5,112,112,64,3,3,3,3; 16,64,64,64,5,5,2,2; 16,112,112,64,3,3,3,3",
)


def _pool(reference):  # type: ignore[no-untyped-def]
    return operator(
        _POOLS,
        Operand("x", "N*H*W*C"),
        _out("y", "N*OH*OW*C"),
        derived=lambda s: {
            "OH": (s["H"] - s["KH"]) // s["SH"] + 1,
            "OW": (s["W"] - s["KW"]) // s["SW"] + 1,
        },
        work=lambda s: math.prod(s[name] for name in ("N", "OH", "OW", "C", "KH", "KW")),
        reduce={"N": 1, "C": 64, "H": 8, "W": 8},
    )(reference)


def _pooled(shape: Shape, inputs: Arrays) -> np.ndarray:
    n, h, w, c, kh, kw, sh, sw = shape.values()
    return _windows(_take(inputs, "x", n, h, w, c), kh, kw, sh, sw)


@_pool
def maxpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).max((-1, -2))}


@_pool
def avgpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).mean((-1, -2))}


@_pool
def minpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).min((-1, -2))}


@_pool
def sumpool(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _pooled(shape, inputs).sum((-1, -2))}


# ---------------------------------------------------------------- normalisation


@operator(
    last_axis(_ACTIVATIONS),
    Operand("x", "ROWS*COLS", floats=(-2, 2)),
    _out("y", "ROWS*COLS"),
)
def softmax(shape: Shape, inputs: Arrays) -> Arrays:
    """Over the rows of COLS elements."""
    return {"y": _softmax(_take(inputs, "x", shape["ROWS"], shape["COLS"]))}


@operator(
    product(B=(1, 2), S=(4, 8), D=(32, 128)),
    Operand("x", "B*S*D"),
    Operand("gamma", "D"),
    Operand("beta", "D"),
    _out("y", "B*S*D"),
)
def layernorm(shape: Shape, inputs: Arrays) -> Arrays:
    """(x - mean) / (sqrt(variance) + 1e-5) * gamma + beta over D, the variance that of D terms."""
    x = _take(inputs, "x", shape["B"] * shape["S"], shape["D"])
    normal = (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + EPS)
    return {"y": normal * _wide(inputs["gamma"]) + _wide(inputs["beta"])}


@operator(
    {
        **product(ROWS=(2048, 4096), D=(2048, 4096, 8192)),
        **product(ROWS=(8192,), D=(4096, 8192)),
    },
    Operand("x", "ROWS*D"),
    _out("y", "ROWS*D"),
    reduce={"ROWS": 16},
)
def rmsnorm(shape: Shape, inputs: Arrays) -> Arrays:
    """x / sqrt(mean(x * x) + 1e-5) over D."""
    x = _take(inputs, "x", shape["ROWS"], shape["D"])
    return {"y": x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS)}


@operator(
    table(
        "N C H W",
        "1,512,1,1; 1,64,56,56; 2,128,28,28; 4,256,14,14; "
        "1,32,112,112; 2,16,7,7; 8,512,7,7; 3,3,224,224",
    ),
    Operand("x", "N*C*H*W"),
    Operand("mean", "C"),
    Operand("var", "C", floats=(0.25, 2)),
    Operand("gamma", "C"),
    Operand("beta", "C"),
    _out("y", "N*C*H*W"),
)
def batchnorm(shape: Shape, inputs: Arrays) -> Arrays:
    """Inference: (x - mean) / sqrt(var + 1e-5) * gamma + beta, by channel."""
    x = _take(inputs, "x", shape["N"], shape["C"], shape["H"] * shape["W"])
    mean, var, gamma, beta = (
        _take(inputs, name, shape["C"], 1) for name in ("mean", "var", "gamma", "beta")
    )
    return {"y": (x - mean) / np.sqrt(var + EPS) * gamma + beta}


@operator(
    table(
        "N C H W",
        "1,1,64,64; 1,3,128,128; 2,64,32,32; 2,16,56,56; "
        "1,32,112,112; 4,8,28,28; 3,3,224,224; 4,3,256,256",
    ),
    Operand("x", "N*C*H*W"),
    _out("y", "N*C*H*W"),
)
def instancenorm(shape: Shape, inputs: Arrays) -> Arrays:
    """(x - mean) / sqrt(variance + 1e-5) over H and W, for each image and channel."""
    x = _take(inputs, "x", shape["N"] * shape["C"], shape["H"] * shape["W"])
    return {"y": (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPS)}


# ---------------------------------------------------------------- attention


@operator(
    table(
        "B S H D",
        "1,2048,6,256; 1,2048,12,256; 1,4096,6,256; 1,4096,12,256; 1,4096,12,512; "
        "64,2048,12,256; 64,2048,12,512; 64,4096,12,256",
    ),
    Operand("Q", "B*S*H*D", ("float32", "int8", "float32"), integers=("-2", "2")),
    Operand("K", "B*S*H*D", ("float32", "int8", "float32"), integers=("-2", "2")),
    Operand("V", "B*S*H*D"),
    _out("O", "B*S*H*D"),
    work=lambda s: 2 * s["B"] * s["S"] * s["H"] * s["H"] * s["D"],
    reduce={"B": 2, "S": 4},
)
def mha(shape: Shape, inputs: Arrays) -> Arrays:
    """Attention over the heads of each position: softmax(Q K^T / sqrt(D)) V with H x H scores."""
    dims = [shape[name] for name in ("B", "S", "H", "D")]
    q, k, v = (_take(inputs, name, *dims) for name in ("Q", "K", "V"))
    return {"O": _softmax(q @ k.swapaxes(-1, -2) / math.sqrt(dims[-1])) @ v}


_HALF_RESULT = ("float16|float32", "float32", "float16|float32")


@operator(
    product(B=(1, 2, 4, 8), H=(2, 4), SQ=(16,), D=(16,), SK=(512,)),
    Operand("Q", "B*H*SQ*D", ("float16", "int16", "float16"), integers=("-2", "2")),
    Operand("K", "B*G*SK*D", ("float16", "int16", "float16"), integers=("-2", "2")),
    Operand("V", "B*G*SK*D", ("float16", "float32", "float16")),
    _out("O", "B*H*SQ*D", *_HALF_RESULT),
    derived=lambda s: {"G": s["H"] // 2},
    work=lambda s: 2 * s["B"] * s["H"] * s["SQ"] * s["D"] * s["SK"],
    reduce={"B": 1},
)
def gqa(shape: Shape, inputs: Arrays) -> Arrays:
    """softmax(Q K^T / sqrt(D)) V; G = H / 2 heads of K and V, head h of Q meets h / 2 of them."""
    b, h, sq, d, sk = shape.values()
    q = _take(inputs, "Q", b, h, sq, d)
    k, v = (_take(inputs, name, b, h // 2, sk, d).repeat(2, axis=1) for name in ("K", "V"))
    return {"O": _softmax(q @ k.swapaxes(-1, -2) / math.sqrt(d)) @ v}


LEVELS = ((84, 117), (42, 59), (21, 30), (11, 15))


def _level_shapes(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["shapes"][:] = np.array(LEVELS).ravel()


@operator(
    product(N=(1, 4), M=(8,), D=(256, 512), LQ=(100, 200), L=(4,), P=(4,)),
    Operand("value", "N*LEN*M*D"),
    Operand("shapes", "L*2", ("int32",)),
    Operand("locations", "N*LQ*M*L*P*2", floats=(-0.1, 1.1)),
    Operand("weights", "N*LQ*M*L*P"),
    _out("output", "N*LQ*M*D"),
    derived=lambda s: {"LEN": sum(h * w for h, w in LEVELS)},
    work=lambda s: s["N"] * s["M"] * s["D"] * (s["LQ"] * s["L"] * s["P"] * 4 + s["LEN"]),
    reduce={"N": 1, "D": 32, "M": 1},
    adjust=_level_shapes,
)
def deformable(shape: Shape, inputs: Arrays) -> Arrays:
    """Multi-scale deformable attention over four levels whose pixels lie one behind another.

    A query's head takes P points of each level, (x, y) in units of the level's width and height,
    between pixels by bilinear interpolation, zero outside, and sums them by weight. `shapes` holds
    height and width of each level.
    """
    n, m, d, lq, levels, points = shape.values()
    start = 0
    locations = _take(inputs, "locations", n, lq, m, levels, points, 2)
    weights = _take(inputs, "weights", n, lq, m, levels, points)
    value = _take(inputs, "value", n, -1, m, d)
    image, head = np.arange(n).reshape(n, 1, 1, 1), np.arange(m).reshape(1, 1, m, 1)
    output = np.zeros((n, lq, m, d))
    for level, (height, width) in enumerate(inputs["shapes"].reshape(levels, 2).tolist()):
        x = locations[..., level, :, 0] * width - 0.5
        y = locations[..., level, :, 1] * height - 0.5
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            i, j = top + row, left + column
            part = (1 - abs(y - i)) * (1 - abs(x - j)) * weights[..., level, :]
            part *= (i >= 0) & (i < height) & (j >= 0) & (j < width)
            place = start + i.clip(0, height - 1) * width + j.clip(0, width - 1)
            output += np.einsum("nqmp,nqmpd->nqmd", part, value[image, place, head])
        start += height * width
    return {"output": output}


# ---------------------------------------------------------------- along an axis

_REDUCED = one_axis(
    "1x64(1); 4x64(1); 16x256(1); 64x512(1); 8x32x64(1); 5x128x7(1); 16x128x128(0); 512x1024(0)"
)
_ALONG, _OVER = Operand("x", "OUTER*AXIS*INNER"), _out("y", "OUTER*INNER")


def _axis(shape: Shape, inputs: Arrays, name: str = "x") -> np.ndarray:
    return _take(inputs, name, shape["OUTER"], shape["AXIS"], shape["INNER"])


@operator(_REDUCED, _ALONG, _OVER)
def sum_(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).sum(1)}


@operator(_REDUCED, _ALONG, _OVER)
def mean(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).mean(1)}


@operator(_REDUCED, _ALONG, _OVER)
def max_(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).max(1)}


@operator(_REDUCED, _ALONG, _OVER)
def min_(shape: Shape, inputs: Arrays) -> Arrays:
    return {"y": _axis(shape, inputs).min(1)}


_PICKED = one_axis(
    "32x128x32(1); 128x512x3(0); 1000x2048x8(2); 64x256(0); "
    "16x100x64(1); 4x8x512(2); 50x128x7(1); 8192x64(0)",
    lambda shape: {"COUNT": shape["AXIS"] // 2},
)
_INDEX = Operand("index", "COUNT", ("int32|int64",), integers=("0", "AXIS-1"))
_PICKED_REDUCE = {"OUTER": 1, "INNER": 32}


def _picked_work(s: Shape) -> int:
    return s["OUTER"] * s["AXIS"] * s["INNER"]


@operator(
    _PICKED,
    _ALONG,
    _INDEX,
    _out("y", "OUTER*COUNT*INNER"),
    work=_picked_work,
    reduce=_PICKED_REDUCE,
)
def gather(shape: Shape, inputs: Arrays) -> Arrays:
    """y[o, k, i] = x[o, index[k], i]."""
    return {"y": _axis(shape, inputs)[:, inputs["index"]]}


def _different_indices(shape: Shape, inputs: Arrays, rng: np.random.Generator) -> None:
    inputs["index"][:] = rng.permutation(shape["AXIS"])[: shape["COUNT"]]


@operator(
    _PICKED,
    Operand("updates", "OUTER*COUNT*INNER"),
    _INDEX,
    Operand("y", "OUTER*AXIS*INNER", intent="inout"),
    work=_picked_work,
    reduce=_PICKED_REDUCE,
    adjust=_different_indices,
)
def scatter(shape: Shape, inputs: Arrays) -> Arrays:
    """y[o, index[k], i] = updates[o, k, i]; no index comes twice, the rest of y stays."""
    y = _axis(shape, inputs, "y")
    y[:, inputs["index"]] = _take(inputs, "updates", shape["OUTER"], -1, shape["INNER"])
    return {"y": y}


def _concat_shapes(rows: str) -> dict[str, Shape]:
    """The second operand has half as many channels as the first, where these are even."""
    found = {}
    for name, shape in one_axis(rows).items():
        first = shape.pop("AXIS")
        found[name] = {**shape, "CA": first, "CB": first // 2 if first % 2 == 0 else first}
    return found


@operator(
    _concat_shapes(
        "1x64x56x56(1); 2x32x28x28(1); 1x3x32x32(1); 4x16x14x14(1); "
        "16x128(1); 3x5x7(2); 128x64(0); 8x768x1x1(1)"
    ),
    Operand("a", "OUTER*CA*INNER"),
    Operand("b", "OUTER*CB*INNER"),
    _out("y", "OUTER*(CA+CB)*INNER"),
    work=lambda s: s["OUTER"] * (s["CA"] + s["CB"]) * s["INNER"],
)
def concat(shape: Shape, inputs: Arrays) -> Arrays:
    """Along the middle axis: CA of a, then CB of b."""
    a = _take(inputs, "a", shape["OUTER"], shape["CA"], shape["INNER"])
    b = _take(inputs, "b", shape["OUTER"], shape["CB"], shape["INNER"])
    return {"y": np.concatenate((a, b), 1)}


def _transpose_shapes() -> dict[str, Shape]:
    """Each permutation of the grid swaps two neighbouring groups of axes: 4 extents, 0213."""
    rows = {
        "24x36(10)": (1, 24, 36, 1),
        "33x40x5(021)": (33, 40, 5, 1),
        "36x24x16(102)": (1, 36, 24, 16),
        "36x16x48(021)": (36, 16, 48, 1),
        "42x36x55(102)": (1, 42, 36, 55),
        "24x32x48(201)": (1, 24 * 32, 48, 1),
        "2x32x4x64(0231)": (2, 32, 4 * 64, 1),
        "1x3x224x224(0312)": (1, 3 * 224, 224, 1),
    }
    return {
        name: dict(zip(("D0", "D1", "D2", "D3"), extents, strict=True))
        for name, extents in rows.items()
    }


@operator(_transpose_shapes(), Operand("x", "D0*D1*D2*D3"), _out("y", "D0*D1*D2*D3"))
def transpose(shape: Shape, inputs: Arrays) -> Arrays:
    """y[a, c, b, d] = x[a, b, c, d]."""
    return {"y": _take(inputs, "x", *shape.values()).transpose(0, 2, 1, 3)}
