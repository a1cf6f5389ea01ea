"""The checkers say no: correct programs with one fault put in are refuted, every one of them.

A fault is a change of a program's text: TVM's script for the flat and the raised form, C for what
was emitted. The unchanged text is checked first, so that a mutant fails for its fault alone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest
import tvm

import xpiler_tvm as xt
from xpiler_tvm.emulation import run_text
from xpiler_tvm.frontends import device_text
from xpiler_tvm.oracles import check_module, check_runs
from xpiler_tvm.trials import Arrays, Trial

SOURCE = """__global__ void k(const float* x, const float* w, const float* b, float* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        float s = 0;
        for (int j = 0; j < 10; j++) s += x[i * 10 + j] * w[j];
        y[i] = s - b[i];
    }
}
"""


@lru_cache(maxsize=1)
def lifted() -> xt.Lifted:
    """A product of a matrix and a vector; the last two outputs are left alone."""
    params = (
        xt.Tensor("x", (6, 10)),
        xt.Tensor("w", (10,)),
        xt.Tensor("b", (6,)),
        xt.Tensor("y", (8,), intent="out"),
        xt.Scalar("n", value=6),
    )
    return xt.lift(xt.Kernel(SOURCE, "cuda", "k", params, xt.Launch((1,), (8,)), filename="k.cu"))


def changed(text: str, old: str, new: str, count: int = 1) -> str:
    assert text.count(old) >= 1, f"{old!r} is not in\n{text}"
    return text.replace(old, new, count)


def verdict(text: str) -> str:
    mod = tvm.script.from_source(text)
    return check_module("mutant = source", mod, lifted().kernel, lifted().trials).verdict


Fault = tuple[str, str]

FLAT: dict[str, Fault] = {
    "read one further": ("x[tx * 10 + j]", "x[(tx * 10 + j + 1) % 60]"),
    "written one further": ("y[tx] =", "y[tx + 1] ="),
    "transposed": ("x[tx * 10 + j]", "x[tx + j * 6]"),
    "another operand": ("* w[j]", "* x[j]"),
    "operands swapped": ("s - b[tx]", "b[tx] - s"),
    "a sum for a difference": ("s - b[tx]", "s + b[tx]"),
    "less or equal": ("if tx < 6:", "if tx <= 6:"),
    "a guard short of one": ("if tx < 6:", "if tx < 5:"),
    "no guard": ("if tx < 6:", "if tx < 8:"),
    "the wrong start": ("s: T.float32 = T.float32(0.0)", "s: T.float32 = T.float32(1.0)"),
    "a round too few": ("for j in range(10):", "for j in range(9):"),
    "not accumulated": ("s = s + x[", "s = T.float32(0.0) + x["),
    "the difference of products": ("s = s + x[", "s = s - x["),
    "half precision": ("y[tx] = s", 'y[tx] = T.Cast("float32", T.Cast("float16", s))'),
    "nothing stored": ("y[tx] = s - b[tx]", "y[tx] = y[tx]"),
}
RAISED: dict[str, Fault] = {
    "read one further": ("s[vi0] + x[vi0, vj]", "s[vi0] + x[vi0, (vj + 1) % 10]"),
    "operands swapped": ("= s[vi0] - b[vi0]", "= b[vi0] - s[vi0]"),
    "another operand": ("* w[vj]", "* x[0, vj]"),
    "the wrong start": ("s[vi0] = T.float32(0.0)", "s[vi0] = T.float32(0.5)"),
    "a round too few": ("T.grid(6, 10)", "T.grid(6, 9)"),
    "a maximum for a sum": ("= s[vi0] + x[vi0, vj] * w[vj]", "= T.max(s[vi0], x[vi0, vj] * w[vj])"),
    "written one further": ("y[vi0] = s", "y[vi0 + 1] = s"),
}


@pytest.mark.parametrize("name", FLAT)
def test_faults_in_the_flat_form(name: str) -> None:
    text = lifted().flat.script()
    assert verdict(changed(text, *FLAT[name])) == "refuted"


@pytest.mark.parametrize("name", RAISED)
def test_faults_in_the_raised_form(name: str) -> None:
    text = lifted().mod.script()
    assert verdict(changed(text, *RAISED[name])) == "refuted"


def test_the_forms_as_they_are() -> None:
    assert verdict(lifted().flat.script()) == "tested"
    assert verdict(lifted().mod.script()) == "tested"


@lru_cache(maxsize=2)
def emitted(target: str) -> xt.Kernel:
    kernel = xt.transcompile(lifted(), target).kernel
    assert kernel is not None
    return kernel


def run_verdict(kernel: xt.Kernel) -> str:
    text = device_text(kernel)

    def run(trial: Trial) -> Arrays:
        return run_text(kernel, trial.inputs, trial.scalars, text=text).arrays

    return check_runs("mutant = source", run, lifted().kernel, lifted().trials).verdict


def expression(text: str, array: str) -> str:
    """The first index of an array in the text."""
    start = text.index(array + "[") + len(array) + 1
    return text[start : text.index("]", start)]


@pytest.mark.parametrize("target", ["hip", "cuda"])
def test_faults_in_emitted_text(target: str) -> None:
    kernel = emitted(target)
    assert run_verdict(kernel) == "tested"
    source = kernel.source
    body = source[source.index("{") :]
    index, place = expression(body, "x"), expression(body, "y")
    faults = [
        (f"x[{index}]", f"x[({index}) + 1]"),
        (f"x[{index}]", f"x[{index.replace('+', '-', 1)}]"),
        (f"y[{place}]", f"y[({place}) + 1]"),
        ("w[", "b["),
        (" - b[", " + b["),
        ("0.0f", "1.0f") if "= 0.0f" in body else ("0x0p+0f", "1.0f"),
        ("< 10", "< 9"),
        ("< 10", "<= 10"),
    ]
    for old, new in faults:
        mutant = replace(kernel, source=source[: source.index("{")] + changed(body, old, new))
        assert run_verdict(mutant) == "refuted", f"{old} -> {new}"
