"""Arrays that a kernel updates, as an input and an output."""

from __future__ import annotations

import numpy as np
import pytest
from tvm import s_tir

from xpiler_tvm import CheckError, Kernel, Launch, LiftError, Scalar, Size, Tensor, lift
from xpiler_tvm.emulation import run_module
from xpiler_tvm.frontends.raising import out_of_place
from xpiler_tvm.lifting import Lifted

N = 64
T = "int t = threadIdx.x;\n"
# text of 64 threads over x (updated), z and y, and what of it goes by two names
UPDATES = {
    "each element, and a use of it": ("float u = x[t] + z[t]; y[t] = u * u; x[t] = u;", ["x"]),
    "an element that others read": (
        "float u = x[(t + 1) % 64]; __syncthreads(); x[t] = u + z[t]; y[t] = u;", ["x"]),
    "a sum over what is replaced": (
        "float s = 0; for (int k = 0; k < 64; k++) s += x[k] * z[k];\n"
        "__syncthreads(); x[t] = s; y[t] = s + x[t];", ["x"]),
    "a part": ("if (t < 20) x[3 * t] = x[3 * t] + z[t]; y[t] = z[t];", ["x"]),
    "a running sum": (
        "if (t == 0) for (int i = 1; i < 64; i++) x[i] += x[i - 1]; y[t] = z[t];", ["x"]),
    "a sum, which reads what it has stored": (
        "float s = 0; for (int k = 0; k < 64; k++) s += z[k] * z[t]; y[t] = s; x[t] = z[t];", []),
    "nothing": ("x[t] = z[t]; y[t] = z[t] + 1;", []),
}  # fmt: skip


def lifted(text: str) -> Lifted:
    params = (
        Tensor("x", (N,), intent="inout"),
        Tensor("z", (N,)),
        Tensor("y", (N,), intent="out"),
    )
    head = "__global__ void k(float* x, const float* z, float* y) {\n"
    return lift(Kernel(head + T + text + "\n}\n", "cuda", "k", params, Launch((1,), (N,))))


@pytest.mark.parametrize("name", UPDATES)
def test_the_input_stays_and_the_output_is_what_it_becomes(name: str) -> None:
    text, updated = UPDATES[name]
    known = lifted(text)
    made = known.out_of_place  # which is held against the source
    assert known.rung == "blocks", known.notes
    assert list(made.updated) == updated
    trial = known.trials[0]
    given = [trial.inputs[tensor.name] for tensor in known.kernel.tensors]
    run = run_module(made.mod, [*given, *(trial.inputs[name] for name in made.updated)])
    for name_ in updated:
        assert np.array_equal(run.arrays[0], trial.inputs[name_])
        assert np.allclose(run.arrays[-1], trial.outputs[name_], rtol=1e-5, atol=1e-6)


def test_tvm_schedules_what_it_refuses_in_place() -> None:
    known = lifted(UPDATES["a sum over what is replaced"][0])
    with pytest.raises(s_tir.ScheduleError, match="stage pipeline"):
        _copied(s_tir.Schedule(known.mod, error_render_level="fast"))
    _copied(s_tir.Schedule(known.out_of_place.mod, error_render_level="fast"))


def _copied(schedule: s_tir.Schedule) -> None:
    block = schedule.get_sblock("y")
    copy = schedule.cache_read(block, 0, "local", [block])
    schedule.compute_at(copy, schedule.get_loops(block)[0])


def test_updates_at_indices_from_memory_stay_in_place() -> None:
    text = """__global__ void k(const int* at, const float* v, float* bins, float* y) {
      if (threadIdx.x == 0) for (int i = 0; i < 64; i++) bins[at[i]] += v[i];
      y[threadIdx.x] = v[threadIdx.x];
    }
    """
    params = (
        Tensor("at", (N,), "int32"),
        Tensor("v", (N,)),
        Tensor("bins", (16,), intent="inout"),
        Tensor("y", (N,), intent="out"),
    )
    known = lift(Kernel(text, "cuda", "k", params, Launch((1,), (N,))))
    assert known.rung == "blocks", known.notes
    assert known.out_of_place.updated == ()


def test_a_name_that_is_taken() -> None:
    text = """__global__ void k(float* x, float* x_out) {
      x_out[threadIdx.x] = x[threadIdx.x]; x[threadIdx.x] *= 2;
    }
    """
    params = (Tensor("x", (N,), intent="inout"), Tensor("x_out", (N,), intent="out"))
    made = lift(Kernel(text, "cuda", "k", params, Launch((1,), (N,)))).out_of_place
    assert [param.name for param in made.mod["main"].params] == ["x", "x_out", "x_out_"]


def test_what_differs_is_refused() -> None:
    known = lifted(UPDATES["a part"][0])
    other = lifted(UPDATES["each element, and a use of it"][0])
    known.__dict__["mod"] = other.mod
    with pytest.raises(CheckError, match="XP5001"):
        _ = known.out_of_place


def test_symbolic_sizes_are_refused() -> None:
    text = "__global__ void k(float* x, int n) { int i = blockIdx.x * 64 + threadIdx.x;\n"
    text += "if (i < n) x[i] = x[i] * 2; }\n"
    params = (Tensor("x", ("n",), intent="inout"), Scalar("n"))
    launch = Launch(("(n + 63) / 64",), (64,))
    kernel = Kernel(text, "cuda", "k", params, launch, sizes=(Size("n", 1, 4096),))
    with pytest.raises(LiftError, match="XP2007") as caught:
        _ = lift(kernel).out_of_place
    assert "at(" in (caught.value.hint or "")


def test_a_raised_module_without_updates_is_itself() -> None:
    known = lifted(UPDATES["nothing"][0])
    assert out_of_place(known.mod).mod.same_as(known.mod)
