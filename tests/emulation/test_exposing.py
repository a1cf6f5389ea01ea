"""Local arrays as parameters: what leaves them, or reads them too early, shows."""

from __future__ import annotations

import numpy as np
import pytest
import tvm

from xpiler_tvm.emulation import is_unwritten, run_module
from xpiler_tvm.emulation.exposing import exposed
from xpiler_tvm.errors import CheckError

TEXT = """
@I.ir_module
class Module:
    @T.prim_func
    def main(x: T.Buffer((48,), "float32"), y: T.Buffer((48,), "float32")):
        for block in range(3):
            tile = T.alloc_buffer((16,), "float32")
            for i in range(WRITTEN):
                tile[i + FROM] = x[block * 16 + i] * 2.0
            for i in range(16):
                total: T.float32 = T.float32(0.0)
                total = tile[15 - i]
                y[block * 16 + i] = total
"""


def program(written: int = 16, start: int = 0) -> tvm.IRModule:
    text = TEXT.replace("WRITTEN", str(written)).replace("FROM", str(start))
    return tvm.script.from_source(text)


def run(mod: tvm.IRModule) -> np.ndarray:
    x = np.arange(48, dtype="float32")
    made, local = exposed(mod)
    assert [array.shape for array in local] == [(16,)]
    assert all(is_unwritten(array).all() for array in local)
    return run_module(made, [x, np.zeros(48, "float32"), *local]).arrays[1]


def test_a_program_does_what_it_did() -> None:
    want = (2 * np.arange(48, dtype="float32")).reshape(3, 16)[:, ::-1]
    np.testing.assert_array_equal(run(program()).reshape(3, 16), want)


def test_an_element_that_is_read_before_it_is_written_is_no_number() -> None:
    assert is_unwritten(run(program(written=15))).any()


@pytest.mark.parametrize(("written", "start"), [(17, 0), (16, 1), (16, -1)])
def test_an_access_outside_a_local_array_ends_the_run(written: int, start: int) -> None:
    with pytest.raises(CheckError) as caught:
        run(program(written, start))
    # A vector store that is no longer aligned is refused by the processor.
    assert caught.value.code in ("XP5002", "XP5005")


BLOCKS = """
@I.ir_module
class Module:
    @T.prim_func(s_tir=True)
    def main(x: T.Buffer((48,), "float32"), y: T.Buffer((48,), "float32")):
        tile = T.sblock_alloc_buffer((48,))
        for i in range(WRITTEN):
            with T.sblock("tile"):
                vi = T.axis.spatial(WRITTEN, i)
                own = T.sblock_alloc_buffer((2,))
                own[0] = x[vi]
                tile[vi] = own[0] * T.float32(2.0)
        for i in range(48):
            with T.sblock("y"):
                vi = T.axis.spatial(48, i)
                y[vi] = tile[47 - vi + FROM]
"""


def run_blocks(written: int = 48, start: int = 0) -> np.ndarray:
    text = BLOCKS.replace("WRITTEN", str(written)).replace("FROM", str(start))
    made, local = exposed(tvm.script.from_source(text))
    assert [array.shape for array in local] == [(48,)]
    x = np.arange(48, dtype="float32")
    return run_module(made, [x, np.zeros(48, "float32"), *local]).arrays[1]


def test_what_the_root_block_allocates_is_watched() -> None:
    np.testing.assert_array_equal(run_blocks(), 2 * np.arange(48, dtype="float32")[::-1])
    assert is_unwritten(run_blocks(written=47)).any()
    with pytest.raises(CheckError) as caught:
        run_blocks(start=1)
    assert caught.value.code in ("XP5002", "XP5005")


def test_a_program_without_local_arrays_stays() -> None:
    text = """
@I.ir_module
class Module:
    @T.prim_func
    def main(x: T.Buffer((4,), "float32"), y: T.Buffer((4,), "float32")):
        for i in range(4):
            y[i] = x[i]
"""
    mod = tvm.script.from_source(text)
    assert exposed(mod) == (mod, [])
