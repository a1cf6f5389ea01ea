"""Everything that runs can tell about what is wrong with a kernel.

A checked build sees each access. Two things it does not see are found by comparing runs: a local
variable that is used before it has a value (the compiler fills such variables, with zeros in one
build and with a pattern in another: the outputs must not tell which), and a result that depends on
the undocumented order of a matrix fragment's elements (the emulator has two).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from xpiler_tvm.errors import CheckError, SetupError
from xpiler_tvm.kernel import Kernel

from .arrays import is_float
from .building import How, uses_before_values
from .findings import Finding
from .text import Run, run_text

_FILLS = ("-ftrivial-auto-var-init=zero",), ("-ftrivial-auto-var-init=pattern",)
_ORDERS = ("-DXP_FRAGMENT_ORDER=0",), ("-DXP_FRAGMENT_ORDER=1",)
# Elements in another order are summed in another order, but not to another value.
_SAME = 1e-2


def find_faults(
    kernel: Kernel,
    arrays: Mapping[str, np.ndarray],
    scalars: Mapping[str, int | float] | None = None,
    **how: Any,
) -> Run:
    """A checked run of `kernel` whose findings hold what further runs tell, too.

    Takes what `run_text` takes, but `build` and `flags`, and raises what it raises.
    """
    run = run_text(kernel, arrays, scalars, build="checked", **how)
    if not run.complete:
        return run
    found = list(run.findings)
    if not any(one.kind == "uninitialised read" for one in found):
        found += _undefined_locals(kernel, arrays, scalars, how)
    if "fragment" in kernel.source:
        found += _fragment_orders(kernel, arrays, scalars, how)
    return replace(run, findings=tuple(found))


def _undefined_locals(kernel: Kernel, arrays: Any, scalars: Any, how: Any) -> list[Finding]:
    try:
        zeros, pattern = (run_text(kernel, arrays, scalars, flags=one, **how) for one in _FILLS)
    except SetupError:
        return []  # a compiler that cannot fill variables
    except CheckError as error:
        # The pattern is no valid index: the plain run, which ended well, used what was there.
        message = f"a local variable is used before it has a value: {error.message}"
        return [Finding("uninitialised read", message, error.span)]
    name = _first_difference(zeros, pattern, 0.0)
    if name is None:
        return []
    message = f"{name!r} depends on a local variable that is used before it has a value"
    about = How(how.get("arch"), how.get("mode") or kernel.mode)
    places = uses_before_values(kernel, how.get("text") or kernel.source, about)
    return [Finding("uninitialised read", message, places[0] if places else None)]


def _fragment_orders(kernel: Kernel, arrays: Any, scalars: Any, how: Any) -> list[Finding]:
    try:
        one, other = (run_text(kernel, arrays, scalars, flags=flag, **how) for flag in _ORDERS)
    except CheckError as error:
        return [
            Finding("fragment order", f"one order of elements fails: {error.message}", error.span)
        ]
    name = _first_difference(one, other, _SAME)
    if name is None:
        return []
    message = f"{name!r} depends on which element of a fragment is where, which is not documented"
    return [Finding("fragment order", message)]


def _first_difference(one: Run, other: Run, relative: float) -> str | None:
    """The first array in which two runs differ by more than `relative` of its size."""
    for name, left in one.arrays.items():
        right = other.arrays[name]
        if left.tobytes() == right.tobytes():
            continue
        if not relative or not is_float(left.dtype):
            return name
        a, b = left.astype(np.float64), right.astype(np.float64)
        if (np.isfinite(a) != np.isfinite(b)).any():
            return name
        plain = np.isfinite(a)
        size = np.abs(a[plain]).max(initial=0.0)
        if (np.abs(a[plain] - b[plain]) > relative * size).any():
            return name
    return None
