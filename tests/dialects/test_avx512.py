"""The tables of x86's vector intrinsics against the processor, where it has them."""

from __future__ import annotations

import pytest

from xpiler_tvm.dialects.avx512 import Memory, Vector, rows
from xpiler_tvm.dialects.avx512_text import declarations, definitions
from xpiler_tvm.emulation import run_text
from xpiler_tvm.emulation.intrinsics import NATIVE, PORTABLE
from xpiler_tvm.processor import missing_features

from .avx512_rows import Rows, comparable, differing, distinct, inputs

needs_vnni = pytest.mark.skipif(
    bool(missing_features("cascadelake")), reason="this processor has no AVX512-VNNI"
)


def test_rows_are_well_formed() -> None:
    for name, row in rows().items():
        names = [operand.name for operand in row.operands]
        assert len(names) == len(set(names)), name
        assert row.result is not None or row.target, name
        if isinstance(row.result, Vector):
            assert row.result.lanes <= 64, name
        written = [o for o in row.operands if isinstance(o.kind, Memory) and o.kind.written]
        assert bool(written) == (row.result is None), name


def test_only_what_is_mentioned_is_declared() -> None:
    text = "__m512i v = _mm512_add_epi8(a, b);"
    assert "_mm512_add_epi8" in declarations(text)
    assert "_mm512_sub_epi8" not in declarations(text)
    assert "_mm512_sub_epi8" in definitions("#define OP(x) _mm512_##x##_epi8")


@needs_vnni
def test_loops_over_lanes_compute_what_the_processor_does() -> None:
    """One row for each meaning; forms and widths of a family share it."""
    called = Rows()
    for row in distinct(comparable(rows().values())):
        called.add(row)
    kernel, arrays = called.kernel(), inputs(called)
    native = run_text(kernel, arrays, arch=NATIVE, flags=("-O1",))
    portable = run_text(kernel, arrays, arch=PORTABLE, flags=("-O0",))
    assert differing(called, rows(), native.arrays, portable.arrays) == []
