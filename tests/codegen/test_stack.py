"""Which arrays of a compiled function are on the stack."""

from __future__ import annotations

import numpy as np
import pytest
import tvm

from xpiler_tvm.codegen.stack import STACK_BYTES
from xpiler_tvm.codegen.vnni import build


def doubled(count: int) -> tvm.IRModule:
    """Twice the argument, by way of an array of its own."""
    text = f"""
@T.prim_func(s_tir=True)
def main(x: T.Buffer(({count},), "float32"), y: T.Buffer(({count},), "float32")):
    own = T.alloc_buffer(({count},), "float32")
    for i in range({count}):
        with T.sblock("first"):
            at = T.axis.spatial({count}, i)
            own[at] = x[at] + x[at]
    for i in range({count}):
        with T.sblock("second"):
            at = T.axis.spatial({count}, i)
            y[at] = own[{count - 1} - at]
"""
    return tvm.IRModule({"main": tvm.script.from_source(text).with_attr("global_symbol", "main")})


@pytest.mark.parametrize("count, heap", [(64, False), (STACK_BYTES // 4 + 1, True)])
def test_small_arrays_are_on_the_stack(count: int, heap: bool) -> None:
    library = build(doubled(count), "x86-64")
    assert ("BackendAllocWorkspace" in library.mod.inspect_source("s")) == heap
    x = np.arange(count, dtype="float32")
    result = tvm.runtime.tensor(np.zeros_like(x))
    library["main"](tvm.runtime.tensor(x), result)
    np.testing.assert_array_equal(result.numpy(), 2 * x[::-1])
