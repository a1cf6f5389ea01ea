"""Kernels of many styles, every fourth one for a target in turn, and some held against numpy in
float64; all of them for all targets with `--all-targets`.

What a file is expected to end with stands in its first lines: nothing, where it is translated for
all targets; `// expect: XP1009` where it is refused; `// expect bang: XP3001` where one target is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import xpiler_tvm as xt
from xpiler_tvm import frontends
from xpiler_tvm.emulation import numpy_dtype, run_text, unwritten_array

FOLDER = Path(__file__).parent / "kernels"
KERNELS = sorted(path.stem for path in FOLDER.glob("*.cu"))
TARGETS = ("cuda", "hip", "vnni", "bang")
EXPECT = re.compile(r"^// expect(?: (\w+))?: (XP\d{4})$", re.MULTILINE)


@lru_cache(maxsize=1)
def lifted(name: str) -> xt.Lifted:
    return xt.lift(xt.Kernel.from_file(FOLDER / f"{name}.cu"))


def expected(name: str) -> dict[str, str]:
    """The code of the error by target, for all targets under the empty name."""
    return dict(EXPECT.findall((FOLDER / f"{name}.cu").read_text()))


def turn_of(name: str) -> tuple[str, ...]:
    """One target in turn, and those that refuse the kernel."""
    turn = TARGETS[KERNELS.index(name) // 4 % len(TARGETS)]
    return tuple(dict.fromkeys((turn, *expected(name))))


READ = [name for name in KERNELS if "" not in expected(name)]
REFUSED = [name for name in KERNELS if "" in expected(name)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function is not test_kernels:
        return
    every = metafunc.config.getoption("--all-targets")
    pairs = [
        # One process lifts a kernel once, for all targets.
        pytest.param(name, target, marks=pytest.mark.xdist_group(name))
        for name in (READ if every else READ[::4])
        for target in (TARGETS if every else turn_of(name))
    ]
    metafunc.parametrize(("name", "target"), pairs)


def test_kernels(name: str, target: str) -> None:
    found = lifted(name)
    if name in REFERENCES and target == turn_of(name)[0]:
        check_numpy(found, name)
    # A refuted form would hide behind the one that is used in its place.
    assert not [note for note in found.notes if "raised form was dropped" in note]
    code = expected(name).get(target)
    if code:
        with pytest.raises(xt.XpilerError) as refusal:
            xt.transcompile(found, target)
        assert refusal.value.code == code
        return
    result = xt.transcompile(found, target)
    # Without VNNI on this machine the library cannot be run, and says so.
    bad = [check for check in result.evidence if not check.ok and check.verdict != "unknown"]
    assert not bad
    assert not [note for note in result.notes if re.search(r"dropped for \w+: XP5", note)]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_kernels(name: str) -> None:
    with pytest.raises(xt.XpilerError) as refusal:
        lifted(name)
    assert refusal.value.code == expected(name)[""]


# ---------------------------------------------------------------- independent references

Arrays = dict[str, np.ndarray]


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _layernorm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * gamma + beta


def _rmsnorm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight


def saxpy_inout(x: np.ndarray, y: np.ndarray) -> Arrays:
    return {"y": 2.0 * x + y}


def axpby_grid_stride(z: np.ndarray, x: np.ndarray, y: np.ndarray) -> Arrays:
    return {"z": 0.5 * x - 1.25 * y}


def add_float4(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Arrays:
    return {"c": a + b}


def gelu_tanh(out: np.ndarray, inp: np.ndarray) -> Arrays:
    inner = np.sqrt(2 / np.pi) * (inp + 0.044715 * inp**3)
    return {"out": 0.5 * inp * (1 + np.tanh(inner))}


def silu_mul(out: np.ndarray, input: np.ndarray) -> Arrays:
    gate, up = input.reshape(33, 2, 250).transpose(1, 0, 2)
    return {"out": gate / (1 + np.exp(-gate)) * up}


def brighten_uint8(src: np.ndarray, dst: np.ndarray) -> Arrays:
    return {"dst": np.clip((src.astype(np.int64) * 300 >> 8) - 20, 0, 255)}


def int_bits(a: np.ndarray, b: np.ndarray, q: np.ndarray, r: np.ndarray, h: np.ndarray) -> Arrays:
    a = a.astype(np.int64)
    quotient = np.sign(a) * (np.abs(a) // 7)  # towards zero, as in C
    x = b.astype(np.uint32)
    x = x ^ (x << np.uint32(13))
    x = x ^ (x >> np.uint32(17))
    x = x ^ (x << np.uint32(5))
    x = (x & np.uint32(0x0FFFFFFF)) | ((a & 15) << 28).astype(np.uint32)
    return {"q": quotient, "r": a - 7 * quotient, "h": x}


def int8_relu_requant(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Arrays:
    real = (a.astype(np.float32) * 0.5 + b.astype(np.float32) * 0.25) * 1.5
    return {"out": np.clip(np.rint(real), -128, 127)}


def poly_double(x: np.ndarray, y: np.ndarray) -> Arrays:
    return {"y": sum((-0.5) ** k * x**k for k in range(6))}


def casts(*, f: np.ndarray, i: np.ndarray, d: np.ndarray, **_: np.ndarray) -> Arrays:
    product = f.astype(np.float32) * np.float32(1000)
    return {"f2i": np.trunc(product), "i2f": i / 3.0, "d2f": d, "i2b": i.astype(np.int64) & 255}


def softmax_online(inp: np.ndarray, out: np.ndarray) -> Arrays:
    return {"out": _softmax(inp.reshape(70, 120))}


def softmax_online_float(x: np.ndarray, y: np.ndarray) -> Arrays:
    return {"y": _softmax(x.reshape(65, 77))}


def softmax_warp(x: np.ndarray, y: np.ndarray) -> Arrays:
    return {"y": _softmax(x.reshape(50, 200))}


def softmax_block_shuffle(out: np.ndarray, inp: np.ndarray) -> Arrays:
    return {"out": _softmax(inp.reshape(40, 300))}


def softmax_interleaved_tree(scores: np.ndarray, mask: np.ndarray, probs: np.ndarray) -> Arrays:
    masked = np.where(mask > 0, scores * 0.125, -10000.0)
    return {"probs": _softmax(masked.reshape(48, 150))}


def log_softmax(logits: np.ndarray, out: np.ndarray) -> Arrays:
    return {"out": np.log(_softmax(logits.reshape(300, 10)))}


def layernorm_thread(
    *, inp: np.ndarray, weight: np.ndarray, bias: np.ndarray, **_: np.ndarray
) -> Arrays:
    x = inp.reshape(65, 100)
    deviation = 1 / np.sqrt(x.var(-1) + 1e-5)
    return {"out": _layernorm(x, weight, bias, 1e-5), "mean": x.mean(-1), "rstd": deviation}


def layernorm_moments(x: np.ndarray, y: np.ndarray, g: np.ndarray, b: np.ndarray) -> Arrays:
    return {"y": _layernorm(x.reshape(60, 130), g, b, 1e-5)}


def rmsnorm_warp(o: np.ndarray, x: np.ndarray, weight: np.ndarray) -> Arrays:
    return {"o": _rmsnorm(x.reshape(37, 160), weight, 1e-6)}


def rmsnorm_block(out: np.ndarray, x: np.ndarray, w: np.ndarray) -> Arrays:
    return {"out": _rmsnorm(x.reshape(20, 700), w, 1e-6)}


def gemm_tiled32_at(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> Arrays:
    return {"C": 1.5 * A.reshape(50, 70).T @ B.reshape(50, 90) - 0.5 * C.reshape(70, 90)}


def gemm_register_tile(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> Arrays:
    return {"C": A.reshape(128, 40) @ B.reshape(40, 192)}


def gemm_float4_batched(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> Arrays:
    return {"C": A.reshape(3, 33, 21) @ B.reshape(3, 21, 52)}


def gemm_unrolled_k(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Arrays:
    return {"c": a.reshape(41, 38) @ b.reshape(38, 53)}


def gemm_int8(A: np.ndarray, Bt: np.ndarray, C: np.ndarray) -> Arrays:
    return {"C": A.reshape(40, 70).astype(np.int64) @ Bt.reshape(50, 70).astype(np.int64).T}


def gemv_warp(W: np.ndarray, x: np.ndarray, bias: np.ndarray, y: np.ndarray) -> Arrays:
    return {"y": W.reshape(99, 300) @ x + bias}


def stencil2d_border(u: np.ndarray, out: np.ndarray) -> Arrays:
    grid, result = u.reshape(45, 70), out.reshape(45, 70).copy()
    around = grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:]
    result[1:-1, 1:-1] = 4 * (around - 4 * grid[1:-1, 1:-1])
    return {"out": result}


def stencil1d_halo(**arrays: np.ndarray) -> Arrays:
    data = arrays["in"].astype(np.int64)
    return {"out": np.convolve(data, np.ones(7, np.int64), "same")}


def blur_clamped(src: np.ndarray, dst: np.ndarray) -> Arrays:
    image = np.pad(src.reshape(41, 67).astype(np.int64), 1, "edge")
    return {"dst": sum(image[i : i + 41, j : j + 67] for i in range(3) for j in range(3)) // 9}


def sobel_constant(img: np.ndarray, mag: np.ndarray) -> Arrays:
    image, result = img.reshape(37, 61), np.zeros((37, 61))
    smooth = image[:-2] + 2 * image[1:-1] + image[2:]
    slope = image[2:] - image[:-2]
    x = smooth[:, 2:] - smooth[:, :-2]
    y = slope[:, :-2] + 2 * slope[:, 1:-1] + slope[:, 2:]
    result[1:-1, 1:-1] = np.sqrt(x * x + y * y)
    return {"mag": result}


def conv2d_nchw(x: np.ndarray, w: np.ndarray, bias: np.ndarray, y: np.ndarray) -> Arrays:
    padded = np.pad(x.reshape(2, 3, 15, 14), ((0, 0), (0, 0), (1, 1), (1, 1)))
    filters = w.reshape(5, 3, 3, 3)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2]
    return {"y": np.einsum("nchwij,fcij->nfhw", windows, filters) + bias.reshape(1, 5, 1, 1)}


def depthwise_conv(x: np.ndarray, w: np.ndarray, y: np.ndarray) -> Arrays:
    padded = np.pad(x.reshape(2, 4, 19, 23), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    return {"y": np.einsum("nchwij,cij->nchw", windows, w.reshape(4, 3, 3))}


def permute3d(q: np.ndarray, k: np.ndarray, v: np.ndarray, inp: np.ndarray) -> Arrays:
    parts = inp.reshape(2, 11, 3, 3, 20).transpose(2, 0, 3, 1, 4)
    return {"q": parts[0], "k": parts[1], "v": parts[2]}


def minpool_nhwc(x: np.ndarray, lo: np.ndarray, total: np.ndarray) -> Arrays:
    windows = x.reshape(2, 6, 2, 5, 2, 24)
    return {"lo": windows.min((2, 4)), "total": windows.sum((2, 4))}


def argmax_rows(x: np.ndarray, index: np.ndarray, value: np.ndarray) -> Arrays:
    rows = x.reshape(90, 50)
    return {"index": rows.argmax(-1), "value": rows.max(-1)}


def dot_atomic(a: np.ndarray, b: np.ndarray, result: np.ndarray) -> Arrays:
    return {"result": result + a @ b}


def welford(x: np.ndarray, mean_out: np.ndarray, var_out: np.ndarray) -> Arrays:
    rows = x.reshape(40, 64)
    return {"mean_out": rows.mean(-1), "var_out": rows.var(-1, ddof=1)}


def histogram_shared(input: np.ndarray, bins: np.ndarray) -> Arrays:
    return {"bins": bins + np.bincount(input.astype(np.int64) % 16, minlength=16)}


def scatter_add(dst: np.ndarray, index: np.ndarray, src: np.ndarray) -> Arrays:
    result = dst.reshape(32, 50).copy()
    np.add.at(result, index.astype(np.int64) % 32, src.reshape(60, 50))
    return {"dst": result}


def cumsum_rows(x: np.ndarray, y: np.ndarray) -> Arrays:
    return {"y": x.reshape(100, 60).cumsum(-1)}


def scan_block(g_idata: np.ndarray, g_odata: np.ndarray) -> Arrays:
    return {"g_odata": g_idata.reshape(7, 64).astype(np.int64).cumsum(-1)}


def concat_columns(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Arrays:
    return {"out": np.concatenate([a.reshape(31, 20), b.reshape(31, 13)], 1)}


def cross_entropy(logits: np.ndarray, labels: np.ndarray, loss: np.ndarray) -> Arrays:
    chosen = np.abs(labels.astype(np.int64)) % 70
    return {"loss": -np.log(_softmax(logits.reshape(50, 70)))[np.arange(50), chosen]}


def rope(q: np.ndarray) -> Arrays:
    pairs = q.reshape(17, 3, 20, 2)
    angle = np.arange(17)[:, None, None] * 10000.0 ** (-np.arange(20) / 20)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle)
    return {"q": np.stack([turned.real, turned.imag], -1)}


def attention_naive(Q: np.ndarray, K: np.ndarray, V: np.ndarray, O: np.ndarray) -> Arrays:  # noqa: E741
    scores = Q.reshape(24, 16) @ K.reshape(24, 16).T / 4
    scores = np.where(np.tri(24) > 0, scores, -np.inf)
    return {"O": _softmax(scores) @ V.reshape(24, 16)}


def sort_network(values: np.ndarray) -> Arrays:
    return {"values": np.sort(values.reshape(5, 64), -1)}


def local_arrays(out: np.ndarray, det: np.ndarray, **arrays: np.ndarray) -> Arrays:
    matrices = arrays["in"].reshape(200, 3, 3)
    return {"out": matrices @ matrices @ matrices, "det": np.linalg.det(matrices)}


def dequantize(packed: np.ndarray, scale: np.ndarray, out: np.ndarray) -> Arrays:
    values = np.stack([packed & 15, packed >> 4], -1).astype(np.int64) - 8
    return {"out": values.reshape(33, 50) * scale}


def switch_ops(op: np.ndarray, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> Arrays:
    return {"out": np.choose(op & 3, [a + b, a - b, a * b, np.maximum(a, b)])}


def wide_index(x: np.ndarray, y: np.ndarray) -> Arrays:
    i = np.arange(700)
    shifted = np.concatenate([np.full(5, 0.5), x[:-5]])
    return {"y": shifted + 2 * x[::-1] + 3 * x[i * 2654435761 % 700]}


def nbody(bodies: np.ndarray, acc: np.ndarray) -> Arrays:
    place, mass = bodies.reshape(192, 4)[:, :3], bodies.reshape(192, 4)[:, 3]
    between = place[None] - place[:, None]
    inverse = ((between**2).sum(-1) + 0.01) ** -1.5
    force = (between * (mass[None] * inverse)[..., None]).sum(1)
    return {"acc": np.concatenate([force, np.zeros((192, 1))], 1)}


def triangular(L: np.ndarray, B: np.ndarray, C: np.ndarray) -> Arrays:
    return {"C": np.tril(L.reshape(40, 40)) @ B.reshape(40, 30)}


def groupnorm(x: np.ndarray, g: np.ndarray, b: np.ndarray, y: np.ndarray) -> Arrays:
    groups = x.reshape(2, 3, 4 * 35)
    centred = groups - groups.mean(-1, keepdims=True)
    normal = centred / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    return {"y": normal.reshape(2, 12, 35) * g[:, None] + b[:, None]}


def im2col(im: np.ndarray, col: np.ndarray) -> Arrays:
    padded = np.pad(im.reshape(3, 11, 9), ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2]
    return {"col": windows.transpose(0, 3, 4, 1, 2)}


def negative_modulo(x: np.ndarray, y: np.ndarray) -> Arrays:
    shifted = np.arange(301) - 10
    k = np.trunc(shifted / 4).astype(int) + 10
    chosen = np.where((k >= 0) & (k < 301), x[np.clip(k, 0, 300)], -1.0)
    return {"y": 2 * x[shifted % 301] + chosen + np.fmod(shifted, 4)}


def short_wrap(
    *, a: np.ndarray, b: np.ndarray, p: np.ndarray, q: np.ndarray, r: np.ndarray
) -> Arrays:
    assert p.size == q.size == r.size
    a, b = a.astype(np.int64), b.astype(np.int64)
    wide = a * 100000000000 + a * b + (a & 0xFFFFFFFF)
    square = (b * b * 37 - 5).astype(np.uint16)
    return {"p": (a * 1000).astype(np.int16), "q": square, "r": wide}


def complex_mul(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Arrays:
    product = np.conj(a.view(np.complex128) * b.view(np.complex128))
    return {"c": product.view(np.float64)}


def warp_scan(x: np.ndarray, y: np.ndarray) -> Arrays:
    padded = np.pad(x.astype(np.int64), (0, 12)).reshape(4, 128)
    return {"y": padded.cumsum(-1).ravel()[:500]}


def block_argmax(x: np.ndarray, out: np.ndarray) -> Arrays:
    return {"out": x.reshape(20, 150).argmax(-1)}


def forward_substitution(L: np.ndarray, X: np.ndarray) -> Arrays:
    lower, right = L.reshape(20, 20), X.reshape(20, 50)
    return {"X": np.linalg.solve(np.tril(0.1 * lower, -1) + np.diag(2 + np.diag(lower)), right)}


def conv_shared_tile(x: np.ndarray, k: np.ndarray, y: np.ndarray) -> Arrays:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x.reshape(21, 27), 1), (3, 3))
    return {"y": np.einsum("hwij,ij->hw", windows, k.reshape(3, 3))}


REFERENCES: dict[str, Callable[..., Arrays]] = {
    function.__name__: function
    for function in (
        saxpy_inout, axpby_grid_stride, add_float4, gelu_tanh, silu_mul, brighten_uint8, int_bits,
        int8_relu_requant, poly_double, casts, softmax_online, softmax_online_float, softmax_warp,
        softmax_block_shuffle, softmax_interleaved_tree, log_softmax, layernorm_thread,
        layernorm_moments, rmsnorm_warp, rmsnorm_block, gemm_tiled32_at, gemm_register_tile,
        gemm_float4_batched, gemm_unrolled_k, gemm_int8, gemv_warp, stencil2d_border,
        stencil1d_halo, blur_clamped, sobel_constant, conv2d_nchw, depthwise_conv, permute3d,
        minpool_nhwc, argmax_rows, dot_atomic, welford, histogram_shared, scatter_add,
        cumsum_rows, scan_block, concat_columns, cross_entropy, rope, attention_naive,
        sort_network, local_arrays, dequantize, switch_ops, wide_index, nbody, triangular,
        groupnorm, im2col, negative_modulo, short_wrap, complex_mul, warp_scan, block_argmax,
        forward_substitution, conv_shared_tile,
    )
}  # fmt: skip


def arguments(kernel: xt.Kernel) -> Arrays:
    """Inputs that the package did not choose: wider than its own, and from another generator."""
    rng = np.random.default_rng(2024)
    arrays = {}
    for tensor in kernel.tensors:
        dtype = numpy_dtype(tensor.dtype)
        if tensor.intent == "out":
            arrays[tensor.name] = unwritten_array(tensor.shape, dtype)
        elif dtype.kind == "f":
            arrays[tensor.name] = rng.normal(0, 2, tensor.size).astype(dtype)
        else:
            low = -128 if dtype.kind == "i" else 0
            arrays[tensor.name] = rng.integers(low, 128, tensor.size).astype(dtype)
    return arrays


def check_numpy(found: xt.Lifted, name: str) -> None:
    """That the source, as it is run, does what numpy does."""
    given = arguments(found.kernel)
    exact = {
        key: array.astype(np.float64) if array.dtype.kind == "f" else array
        for key, array in given.items()
    }
    wanted = REFERENCES[name](**exact)
    assert set(wanted) == {tensor.name for tensor in found.kernel.tensors if tensor.written}
    outputs = run_text(found.kernel, given, text=frontends.device_text(found.kernel)).arrays
    for key, reference in wanted.items():
        output, flat = outputs[key].ravel(), np.ravel(reference)
        if output.dtype.kind != "f":
            np.testing.assert_array_equal(output, flat, key)
            continue
        unit = 1e-12 if output.dtype == np.float64 else 3e-5
        scale = np.sqrt(np.mean(flat**2))
        np.testing.assert_allclose(output, flat, rtol=unit, atol=unit * scale, err_msg=key)
