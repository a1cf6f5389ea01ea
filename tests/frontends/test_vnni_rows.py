"""Rows of x86's vector intrinsics as they are read, against what the processor does."""

from __future__ import annotations

import re

import pytest

from tests.dialects.avx512_rows import Rows, comparable, differing, distinct, inputs
from xpiler_tvm import frontends
from xpiler_tvm.dialects.avx512 import rows
from xpiler_tvm.emulation import run_module, run_text
from xpiler_tvm.frontends.program import to_module


@pytest.mark.parametrize("part", range(3))
def test_rows_are_read_as_they_are_executed(part: int) -> None:
    """Every row without a mask, and some with one; widths of a family share their meaning."""
    chosen = distinct(comparable(rows().values()))
    masked = [row for row in chosen if re.search(r"_m?mask[z3]?_", row.name)]
    plain = [row for row in chosen if row not in masked]
    called = Rows()
    for row in [*plain[part::3], *masked[part::30]]:
        called.add(row)
    reading = frontends.read(frontends.resolve(called.kernel()))
    arrays = inputs(called)
    executed = run_text(reading.kernel, arrays, flags=("-O1",)).arrays
    given = [arrays[tensor.name] for tensor in reading.kernel.tensors]
    run = run_module(to_module(reading.program), given)
    read = {t.name: array for t, array in zip(reading.kernel.tensors, run.arrays, strict=True)}
    # A fused multiply-add is read as two operations.
    assert differing(called, rows(), executed, read, floating=1e-5) == []
