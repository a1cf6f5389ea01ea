"""Local arrays of a program become parameters, so that they lie between unreadable pages.

    T.alloc_buffer((100,)); ...  ->  one parameter more, whose array the caller poisons

What reads a local array before it is written, or leaves it, then shows in the values or ends the
run: LLVM may drop an access that leaves an array of the stack. Scalars stay where they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from .arrays import numpy_dtype, unwritten_array


def exposed(mod: tvm.IRModule) -> tuple[tvm.IRModule, list[np.ndarray]]:
    """`mod`, whose function `main` is plain loops, and an array for each parameter that is new."""
    func = mod["main"]
    found: list[Any] = []
    tvm_ffi.structural_walk(func.body, [(tirx.AllocBuffer, lambda node: _note(found, node))])
    moved = {old: _parameter(old, number) for number, old in enumerate(found)}
    if not moved:
        return mod, []
    nothing = tirx.Evaluate(tirx.const(0, "int32"))
    new = set(moved.values())
    # Parts come before the whole: an allocation is met with its new buffer.
    body = tvm_ffi.structural_map(
        func.body,
        [
            (tirx.AllocBuffer, lambda node: nothing if node.buffer in new else node),
            (tvm.ir.Var, lambda var: moved.get(var, var)),
        ],
        order="post",
    )
    made = tirx.PrimFunc([*func.params, *moved.values()], body, attrs=func.attrs)
    return tvm.IRModule({"main": made}), [_poisoned(buffer) for buffer in moved.values()]


def _note(found: list[Any], node: Any) -> None:
    extents = list(node.buffer.shape)
    constant = all(isinstance(extent, tirx.IntImm) for extent in extents)
    if constant and int(np.prod([int(extent) for extent in extents])) > 1:
        found.append(node.buffer)


def _parameter(buffer: Any, number: int) -> Any:
    return tirx.decl_buffer(buffer.shape, buffer.dtype, f"{buffer.name}_{number}")


def _poisoned(buffer: Any) -> np.ndarray:
    shape = tuple(int(extent) for extent in buffer.shape)
    return unwritten_array(shape, numpy_dtype(str(buffer.dtype)))
