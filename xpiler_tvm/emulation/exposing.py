"""Local arrays of a program become parameters, so that they lie between unreadable pages.

    T.alloc_buffer((100,)); ...  ->  one parameter more, whose array the caller poisons

What reads a local array before it is written, or leaves it, then shows in the values or ends the
run: LLVM may drop an access that leaves an array of the stack. Scalars stay where they are, and so
does what a block inside of the root allocates: each of its rounds has its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import s_tir, tirx

from .arrays import numpy_dtype, unwritten_array


def exposed(mod: tvm.IRModule) -> tuple[tvm.IRModule, list[np.ndarray]]:
    """`mod`, whose function `main` is plain loops or blocks without thread bindings, and an array
    for each parameter that is new."""
    func = mod["main"]
    found = [buffer for buffer in _allocated(func) if _is_array(buffer)]
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
            (s_tir.SBlock, lambda block: _without(block, new)),
            (tvm.ir.Var, lambda var: moved.get(var, var)),
        ],
        order="post",
    )
    made = tirx.PrimFunc([*func.params, *moved.values()], body, attrs=func.attrs)
    return tvm.IRModule({"main": made}), [_poisoned(buffer) for buffer in moved.values()]


def _allocated(func: Any) -> list[Any]:
    """What is allocated by statements, and by the root block."""
    if isinstance(func.body, s_tir.SBlockRealize):
        return list(func.body.block.alloc_buffers)
    found: list[Any] = []
    tvm_ffi.structural_walk(func.body, [(tirx.AllocBuffer, lambda node: found.append(node.buffer))])
    return found


def _is_array(buffer: Any) -> bool:
    extents = list(buffer.shape)
    constant = all(isinstance(extent, tirx.IntImm) for extent in extents)
    return constant and int(np.prod([int(extent) for extent in extents])) > 1


def _without(block: Any, buffers: set[Any]) -> Any:
    """The block, which no longer allocates these."""
    kept = [buffer for buffer in block.alloc_buffers if buffer not in buffers]
    if len(kept) == len(block.alloc_buffers):
        return block
    return s_tir.SBlock(
        block.iter_vars,
        block.reads,
        block.writes,
        block.name_hint,
        block.body,
        block.init,
        kept,
        block.match_buffers,
        block.annotations,
    )


def _parameter(buffer: Any, number: int) -> Any:
    return tirx.decl_buffer(buffer.shape, buffer.dtype, f"{buffer.name}_{number}")


def _poisoned(buffer: Any) -> np.ndarray:
    shape = tuple(int(extent) for extent in buffer.shape)
    return unwritten_array(shape, numpy_dtype(str(buffer.dtype)))
