"""CUDA C++ as TVM emits it, preamble and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xpiler_tvm.emulation import run_text
from xpiler_tvm.kernel import Kernel, Launch, Tensor

from .support import random

tvm = pytest.importorskip("tvm")

from tvm import s_tir, te, tirx  # noqa: E402


def emitted(*tensors: Any, schedule: Callable[[Any], None]) -> str:
    """CUDA text of the PrimFunc of `tensors` after `schedule`."""
    func = te.create_prim_func(list(tensors)).with_attr("global_symbol", "main")
    sch = s_tir.Schedule(tvm.IRModule({"main": func}))
    schedule(sch)
    target = tvm.target.Target({"kind": "cuda", "arch": "sm_80"}, host="llvm")
    imports = tvm.compile(sch.mod, target=target).mod.imports
    return str(imports[0].inspect_source())


def run(
    text: str, launch: Launch, output: tuple[int, ...], dtype: str, **inputs: np.ndarray
) -> np.ndarray:
    params = [Tensor(name, array.shape, array.dtype.name) for name, array in inputs.items()]
    params.append(Tensor("y", output, dtype, "out"))
    kernel = Kernel(text, "cuda", "main_kernel", tuple(params), launch)
    return run_text(kernel, inputs).arrays["y"]


@pytest.mark.parametrize("threads", [8, 32, 128, 256])
def test_a_cross_thread_reduction_with_warp_shuffles(threads: int) -> None:
    a = te.placeholder((64, 512), name="A")
    k = te.reduce_axis((0, 512), name="k")
    b = te.compute((64,), lambda i: te.sum(te.exp(a[i, k]), axis=k), name="B")

    def schedule(sch: Any) -> None:
        i, kk = sch.get_loops("B")
        sch.bind(i, "blockIdx.x")
        _, inner = sch.split(kk, [None, threads])
        sch.bind(inner, "threadIdx.x")

    text = emitted(a, b, schedule=schedule)
    assert "__shfl_down_sync" in text
    x = random(64, 512)
    got = run(text, Launch((64,), (threads,)), (64,), "float32", x=x)
    np.testing.assert_allclose(got, np.exp(x).sum(1), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "bfloat16"])
def test_vectorized_elementwise_loops(dtype: str) -> None:
    from xpiler_tvm.emulation import numpy_dtype

    a = te.placeholder((1024,), name="A", dtype=dtype)
    zero, two = tirx.const(0, dtype), tirx.const(2, dtype)
    b = te.compute((1024,), lambda i: tirx.max(a[i], zero) * two + a[i], name="B")

    def schedule(sch: Any) -> None:
        x, y, z = sch.split(sch.get_loops("B")[0], [None, 32, 4])
        sch.bind(x, "blockIdx.x")
        sch.bind(y, "threadIdx.x")
        sch.vectorize(z)

    text = emitted(a, b, schedule=schedule)
    x = (random(1024) * 40).astype(numpy_dtype(dtype))
    got = run(text, Launch((8,), (32,)), (1024,), dtype, x=x)
    want = np.maximum(x, x.dtype.type(0)) * x.dtype.type(2) + x
    np.testing.assert_allclose(got.astype("f8"), want.astype("f8"), rtol=1e-2)


@pytest.mark.parametrize("scope", ["shared", "shared.dyn"])
def test_a_tiled_product_through_shared_memory(scope: str) -> None:
    m, n, p = 32, 48, 40
    a, b = te.placeholder((m, p), name="A"), te.placeholder((p, n), name="B")
    k = te.reduce_axis((0, p), name="k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")

    def schedule(sch: Any) -> None:
        block = sch.get_sblock("C")
        i, j, kk = sch.get_loops(block)
        (io, ii), (jo, ji) = sch.split(i, [None, 8]), sch.split(j, [None, 16])
        ko, ki = sch.split(kk, [None, 8])
        sch.reorder(io, jo, ii, ji, ko, ki)
        for loop, tag in (
            (io, "blockIdx.y"),
            (jo, "blockIdx.x"),
            (ii, "threadIdx.y"),
            (ji, "threadIdx.x"),
        ):
            sch.bind(loop, tag)
        for index in (0, 1):
            copy = sch.cache_read(block, index, scope)
            sch.compute_at(copy, ko)
            fused = sch.fuse(*sch.get_loops(copy)[-2:])
            _, ty, tx = sch.split(fused, [None, 8, 16])
            sch.bind(ty, "threadIdx.y")
            sch.bind(tx, "threadIdx.x")

    text = emitted(a, b, c, schedule=schedule)
    dynamic = (8 * 8 + 8 * 16) * 4 if scope == "shared.dyn" else 0
    x, z = random(m, p), random(p, n, seed=1)
    got = run(text, Launch((3, 4), (16, 8), dynamic), (m, n), "float32", x=x, z=z)
    np.testing.assert_allclose(got, x @ z, rtol=1e-4, atol=1e-5)
