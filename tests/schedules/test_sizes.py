"""Sizes that nobody chose: primes, ones, and just beside a tile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpiler_tvm import schedules, targets
from xpiler_tvm.schedules.base import unbind

from .programs import Program, attention, batched_gemm, column_center, gemm, maxpool, softmax
from .running import check_module, check_text, source_kernel

small, middle, long = st.integers(1, 9), st.integers(1, 140), st.integers(1, 1500)

FAMILIES: dict[str, st.SearchStrategy[Program]] = {
    "gemm": st.builds(gemm, middle, middle, middle),
    "batched_gemm": st.builds(batched_gemm, small, middle, middle, small),
    "softmax": st.builds(softmax, middle, long),
    "column_center": st.builds(column_center, middle, middle),
    "attention": st.builds(attention, small, small, middle, middle),
    "maxpool": st.builds(
        lambda n, size, channels, window: maxpool(n, size, channels, window, 1),
        st.integers(1, 3),
        st.integers(3, 15),
        middle,
        st.integers(2, 3),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=2, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_size(family: str, data: st.DataObject) -> None:
    program = data.draw(FAMILIES[family])
    for target in ("cuda", "hip", "vnni"):
        scheduled = schedules.apply(program.mod, target)
        check_module(unbind(scheduled.mod), program)
        emitted = targets.get(target).emit(scheduled.mod, source_kernel(program, family))
        if emitted.kernel is not None:
            check_text(emitted.kernel, program)
