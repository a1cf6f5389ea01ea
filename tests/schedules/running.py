"""Runs scheduled programs and emitted texts, and compares with what numpy says."""

from __future__ import annotations

import re

import numpy as np
import tvm
from tvm import tirx

from xpiler_tvm.emulation import run_text
from xpiler_tvm.kernel import Intent, Kernel, Launch, Scalar, Tensor

from .programs import Program


def source_kernel(program: Program, name: str) -> Kernel:
    """A kernel with the program's parameters, as the reader would have resolved it."""
    params = list(program.mod["main"].params)
    resolved: list[Tensor | Scalar] = []
    for place, (param, value) in enumerate(zip(params, program.inputs(), strict=True)):
        if not tirx.is_buffer_var(param):
            resolved.append(Scalar(str(param.name), str(param.ty.dtype), value))
            continue
        shape = tuple(int(extent) for extent in param.shape)
        written: Intent = "inout" if program.in_place else "out"
        intent: Intent = written if place >= len(params) - program.outputs else "in"
        resolved.append(Tensor(str(param.name), shape, str(param.dtype), intent))
    return Kernel("", "cuda", name, tuple(resolved), Launch((1,), (1,)))


def check_module(mod: tvm.IRModule, program: Program, mcpu: str | None = None) -> None:
    """Compile a module without thread bindings for this CPU, run it, compare."""
    target = {"kind": "llvm", "mcpu": mcpu} if mcpu else {"kind": "llvm"}
    values = program.inputs()
    library = tvm.compile(mod, target=tvm.target.Target(target))
    passed = [tvm.runtime.tensor(v) if isinstance(v, np.ndarray) else v for v in values]
    library["main"](*passed)
    got = [value.numpy() for value in passed[len(passed) - program.outputs :]]
    _compare(got, program.expected(values))


def check_text(kernel: Kernel, program: Program) -> None:
    """Run an emitted kernel in the emulator, without its launcher, and compare."""
    values = program.inputs()
    assert kernel.params is not None
    named = dict(zip((param.name for param in kernel.params), values, strict=True))
    arrays = {name: value for name, value in named.items() if isinstance(value, np.ndarray)}
    text = re.split(r'extern "C" \w+ launch_', kernel.source)[0]
    got = run_text(kernel, arrays, text=text).arrays
    outputs = [param.name for param in kernel.params][-program.outputs :]
    _compare([got[name] for name in outputs], program.expected(values))


def _compare(got: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, want in zip(got, expected, strict=True):
        if np.issubdtype(one.dtype, np.integer):
            np.testing.assert_array_equal(one, want)
        else:
            scale = np.maximum(1e-6, np.abs(want).max())
            assert np.abs(one.reshape(want.shape) - want).max() <= 1e-5 * scale
