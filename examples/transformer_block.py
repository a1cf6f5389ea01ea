"""A small transformer block in Relax whose attention, layer norm and GELU are CUDA kernels.

    python examples/transformer_block.py

The model calls the kernels by name, as a port of a CUDA program would. `ReplaceKernels` puts what
they were lifted to in place of the calls, TVM compiles the module for this CPU, and the result is
held against numpy in double precision. Exit code 1 where it differs.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import tvm
from tvm import relax

import xpiler_tvm as xt

KERNELS = Path(__file__).parents[1] / "tests" / "kernels"
TOKENS, WIDTH, HIDDEN = 24, 16, 64

MODEL = f"""
@I.ir_module
class Module:
    @R.function
    def main(
        x: R.Tensor(({TOKENS}, {WIDTH}), "float32"),
        gamma: R.Tensor(({WIDTH},), "float32"),
        beta: R.Tensor(({WIDTH},), "float32"),
        wq: R.Tensor(({WIDTH}, {WIDTH}), "float32"),
        wk: R.Tensor(({WIDTH}, {WIDTH}), "float32"),
        wv: R.Tensor(({WIDTH}, {WIDTH}), "float32"),
        wo: R.Tensor(({WIDTH}, {WIDTH}), "float32"),
        w1: R.Tensor(({WIDTH}, {HIDDEN}), "float32"),
        w2: R.Tensor(({HIDDEN}, {WIDTH}), "float32"),
    ):
        with R.dataflow():
            first = R.call_dps_packed("layernorm", (x, gamma, beta), out_ty=[
                R.Tensor(({TOKENS}, {WIDTH}), "float32"),
                R.Tensor(({TOKENS},), "float32"), R.Tensor(({TOKENS},), "float32")])
            n1 = first[0]
            q = R.matmul(n1, wq)
            k = R.matmul(n1, wk)
            v = R.matmul(n1, wv)
            a = R.call_dps_packed(
                "attention", (q, k, v), out_ty=R.Tensor(({TOKENS}, {WIDTH}), "float32"))
            h = R.add(x, R.matmul(a, wo))
            second = R.call_dps_packed("layernorm", (h, gamma, beta), out_ty=[
                R.Tensor(({TOKENS}, {WIDTH}), "float32"),
                R.Tensor(({TOKENS},), "float32"), R.Tensor(({TOKENS},), "float32")])
            u = R.matmul(second[0], w1)
            g = R.call_dps_packed("gelu", (u,), out_ty=R.Tensor(({TOKENS}, {HIDDEN}), "float32"))
            y = R.add(h, R.matmul(g, w2))
            R.output(y)
        return y
"""


def model() -> tvm.IRModule:
    """The block as a Relax module that calls its kernels by name."""
    return tvm.script.from_source(MODEL)


def kernels() -> dict[str, xt.Kernel]:
    """The CUDA kernels, each at the sizes of the model."""
    rows = TOKENS * WIDTH
    norm = xt.Kernel(
        (KERNELS / "layernorm_thread.cu").read_text(),
        "cuda",
        "layernorm_forward_kernel1",
        (
            xt.Tensor("out", (rows,), intent="out"),
            xt.Tensor("mean", (TOKENS,), intent="out"),
            xt.Tensor("rstd", (TOKENS,), intent="out"),
            xt.Tensor("inp", (rows,)),
            xt.Tensor("weight", (WIDTH,)),
            xt.Tensor("bias", (WIDTH,)),
            xt.Scalar("N", value=TOKENS),
            xt.Scalar("C", value=WIDTH),
        ),
        xt.Launch((1,), (32,)),
    )
    gelu = xt.Kernel(
        (KERNELS / "gelu_tanh.cu").read_text(),
        "cuda",
        "gelu_forward_kernel",
        (
            xt.Tensor("out", (TOKENS * HIDDEN,), intent="out"),
            xt.Tensor("inp", (TOKENS * HIDDEN,)),
            xt.Scalar("N", value=TOKENS * HIDDEN),
        ),
        xt.Launch((TOKENS * HIDDEN // 128,), (128,)),
    )
    attention = xt.Kernel.from_file(KERNELS / "attention_naive.cu")
    return {"layernorm": norm, "attention": attention, "gelu": gelu}


def inputs(seed: int = 0) -> list[np.ndarray]:
    """Arguments of the model, in order."""
    rng = np.random.default_rng(seed)
    shapes = [
        (TOKENS, WIDTH), (WIDTH,), (WIDTH,),
        *[(WIDTH, WIDTH)] * 4, (WIDTH, HIDDEN), (HIDDEN, WIDTH),
    ]  # fmt: skip
    return [rng.standard_normal(shape, dtype="float32") / len(shape) for shape in shapes]


def reference(*arrays: np.ndarray) -> np.ndarray:
    """What the block computes, in double precision."""
    x, gamma, beta, wq, wk, wv, wo, w1, w2 = (array.astype(np.float64) for array in arrays)

    def norm(rows: np.ndarray) -> np.ndarray:
        centred = rows - rows.mean(1, keepdims=True)
        return centred / np.sqrt(rows.var(1, keepdims=True) + 1e-5) * gamma + beta

    n = norm(x)
    scores = (n @ wq) @ (n @ wk).T / np.sqrt(WIDTH)
    scores = np.where(np.tri(TOKENS, dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    h = x + weights / weights.sum(1, keepdims=True) @ (n @ wv) @ wo
    u = norm(h) @ w1
    cubic = np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)
    return h + 0.5 * u * (1 + np.tanh(cubic)) @ w2


def run(mod: tvm.IRModule, arrays: list[np.ndarray]) -> np.ndarray:
    """Compiles for this CPU, writes the library, loads it again and runs it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "block.so"
        tvm.compile(mod, target="llvm").export_library(str(path))
        machine = relax.VirtualMachine(tvm.runtime.load_module(str(path)), tvm.cpu())
        return machine["main"](*map(tvm.runtime.tensor, arrays)).numpy()


def main() -> int:
    """Prints how far the compiled block is from numpy."""
    lifted = {name: xt.lift(kernel) for name, kernel in kernels().items()}
    for name, one in lifted.items():
        print(f"{name}: {one.rung}, {'; '.join(map(str, one.operators)) or 'no operators'}")
    mod = xt.relax.ReplaceKernels(lifted)(model())
    arrays = inputs()
    expected = reference(*arrays)
    error = np.abs(run(mod, arrays) - expected).max() / np.abs(expected).max()
    print(f"largest error, by the largest element: {error:.2g}")
    return 0 if error < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
