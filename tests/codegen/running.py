"""Runs emitted text on the CPU and compares what it computes with NumPy."""

from __future__ import annotations

import numpy as np

from xpiler_tvm.emulation.text import run_text
from xpiler_tvm.kernel import Kernel

from .programs import Program


def device_part(kernel: Kernel) -> str:
    """The emitted text without its launcher, which is the last function and needs the vendor."""
    before, _, _ = kernel.source.partition(f"launch_{kernel.entry}(")
    return before[: before.rfind("\n") + 1]


def check_values(kernel: Kernel, program: Program, tolerance: float) -> None:
    """Run `kernel` on the program's inputs.

    `tolerance` bounds the error, relative to the larger of 1 and the largest magnitude of the row.
    """
    values = program.inputs()
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    wanted = program.reference({name: array.copy() for name, array in arrays.items()})
    got = run_text(kernel, arrays, text=device_part(kernel)).arrays
    for name, want in wanted.items():
        assert got[name].shape == want.shape
        if np.issubdtype(got[name].dtype, np.integer):
            np.testing.assert_array_equal(got[name], want.astype(got[name].dtype))
            continue
        scale = np.maximum(np.abs(want), 1.0)
        error = np.max(np.abs(got[name].astype("float64") - want) / scale)
        assert error <= tolerance, f"{name}: {error}"
