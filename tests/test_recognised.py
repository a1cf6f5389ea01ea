"""What `lift` says of operators: held against the source, dropped where they are not borne out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tvm
from tvm import relax

from xpiler_tvm import Kernel, Launch, Tensor, lift
from xpiler_tvm.lifting import Lifted
from xpiler_tvm.recognised import Recognised

TEXT = """__global__ void gemm_nt(const float* a, const float* b, float* c) {
  int i = threadIdx.x, j = threadIdx.y;
  float s = 0;
  for (int k = 0; k < 6; k++) s += a[i * 6 + k] * b[k * 5 + j];
  c[i * 5 + j] = fmaxf(s, 0.f);
}
"""


@pytest.fixture(scope="module")
def lifted() -> Lifted:
    params = (Tensor("a", (4, 6)), Tensor("b", (6, 5)), Tensor("c", (4, 5), intent="out"))
    launch = Launch((1,), (4, 5))
    return lift(Kernel(TEXT, "cuda", "gemm_nt", params, launch, filename="k.cu"))


def test_operators_have_a_place_and_evidence(lifted: Lifted) -> None:
    product, last = lifted.operators
    assert (product.name, last.name) == ("matmul", "relu")
    assert last.span is not None
    assert (last.span.file, last.span.line) == ("k.cu", 5)
    assert product.check().verdict == "proved"


def test_the_relax_function_is_over_the_kernels_tensors(lifted: Lifted) -> None:
    mod = lifted.operators[0].relax()
    a, b = np.full((4, 6), 0.5, "float32"), np.arange(30, dtype="float32").reshape(6, 5)
    machine = relax.VirtualMachine(tvm.compile(mod, target="llvm"), tvm.cpu())
    result = machine["main"](tvm.runtime.tensor(a), tvm.runtime.tensor(b)).numpy()
    assert np.allclose(result, a @ b)


def test_a_name_that_says_otherwise_is_noted(lifted: Lifted) -> None:
    (note,) = lifted.recognised.notes
    assert note.startswith("k.cu:5:")
    assert "'gemm_nt' suggests B transposed" in note


def test_names_without_agreement_are_dropped(lifted: Lifted) -> None:
    trials = tuple(replace(trial, outputs={"c": trial.outputs["c"] + 1}) for trial in lifted.trials)
    flat = tvm.IRModule({"main": lifted.flat["main"]})
    other = Recognised(replace(lifted, trials=trials))
    # The same term would be proof enough: another module than the one that was named.
    other.__dict__["_equivalent"] = lifted.recognised._equivalent
    other.lifted.__dict__["mod"] = flat
    assert other.check().verdict == "refuted"
    assert other.operators == ()
    assert other.notes[0].startswith("recognised as matmul, relu, which was dropped: ")


def test_an_opaque_kernel_has_none(lifted: Lifted) -> None:
    opaque = replace(lifted, rung="opaque")
    assert opaque.operators == ()
    assert opaque.recognised.check().verdict == "unknown"
    assert opaque.recognised.notes == ()
    with pytest.raises(ValueError, match="one opaque block"):
        opaque.recognised.relax()
