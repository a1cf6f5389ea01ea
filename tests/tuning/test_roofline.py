"""What devices take at least, by the models of GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest
import tvm
from tvm import te

from xpiler_tvm import schedules
from xpiler_tvm.dialects.peaks import PEAKS
from xpiler_tvm.tuning.profile import profile_of
from xpiler_tvm.tuning.roofline import LAUNCH_SECONDS, TENSOR, highest_clock, roof_of

from .programs import product


def short_product(size: int) -> tvm.IRModule:
    """A matrix product of float16 into float32."""
    a, b = (te.placeholder((size, size), "float16", name=name) for name in "ab")
    k = te.reduce_axis((0, size), name="k")
    c = te.compute(
        (size, size),
        lambda i, j: te.sum(a[i, k].astype("float32") * b[k, j].astype("float32"), axis=k),
        name="c",
    )
    return tvm.IRModule({"main": te.create_prim_func([a, b, c])})


@pytest.mark.parametrize("target", ["cuda", "hip"])
def test_fragments_are_the_work_of_a_warp_on_matrix_units(target: str) -> None:
    scheduled = schedules.apply(short_product(512), target)
    assert scheduled.rule == "gpu.tensor_cores"
    found = profile_of(scheduled.mod)
    products = [work for work in found.works if work.of_warp and work.operations == 2]
    assert [work.times for work in products] == [512**3]
    assert all(work.tensor for work in products)
    least = 2 * 512**3 / (TENSOR * PEAKS[target].operations)
    seconds = roof_of(found, target) - LAUNCH_SECONDS
    assert least <= seconds < 30 * least


def test_threads_share_what_lies_in_registers() -> None:
    found = profile_of(schedules.apply(product(256, 256, 256), "cuda").mod)
    assert not any(work.of_warp for work in found.works)


def test_no_core_is_faster_than_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of bytes at 1.7 times the clock that a virtual machine tells."""
    text = "processor : 0\ncpu MHz\t\t: 2600.000\n"

    def read(path: Path, **_: str) -> str:
        if path.name != "cpuinfo":
            raise FileNotFoundError(path)
        return text

    monkeypatch.setattr(Path, "read_text", read)
    highest_clock.cache_clear()
    try:
        clock = highest_clock()
    finally:
        highest_clock.cache_clear()
    assert clock > 1.7 * 2600e6
