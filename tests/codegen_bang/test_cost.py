"""The model of what emitted BANG C costs."""

from __future__ import annotations

import pytest
from codegen import programs

from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.codegen_bang.cost import CopyWork, MatrixWork, Meter, ScalarWork, VectorWork
from xpiler_tvm.dialects.bang import ARCHS
from xpiler_tvm.dialects.bang_rates import COPY_START, RATES, VECTOR_START
from xpiler_tvm.schedules.bang import rules
from xpiler_tvm.schedules.base import first_applicable

ARCH = ARCHS["mtp_592"]


def cycles(*work, tasks: int = 1) -> float:
    meter = Meter(ARCH, tasks)
    for each in work:
        meter.charge(each)
    return meter.estimate(0).cycles


def test_a_vector_takes_whole_beats():
    assert cycles(VectorWork(32, 4)) == VECTOR_START + 1
    assert cycles(VectorWork(33, 4)) == VECTOR_START + 2
    assert cycles(VectorWork(32, 2)) == VECTOR_START + 1


def test_bandwidth_is_shared_by_the_cores_at_work():
    copy = CopyWork("GDRAM2NRAM", 64 * 1024)
    alone, together = cycles(copy), cycles(copy, tasks=ARCH.cores)
    rates = RATES["mtp_592"]
    assert alone == pytest.approx(COPY_START + 65536 * rates.clock / rates.dram_cluster)
    assert together == pytest.approx(COPY_START + 65536 * ARCH.cores * rates.clock / rates.dram)


def test_short_segments_move_whole_lines_and_are_read_before_they_are_written():
    def traffic(direction: str) -> float:
        return cycles(CopyWork(direction, 4, 1000)) - COPY_START

    line = traffic("GDRAM2NRAM")
    assert line == pytest.approx(cycles(CopyWork("GDRAM2NRAM", 64, 1000)) - COPY_START)
    assert traffic("NRAM2GDRAM") == pytest.approx(2 * line)


def test_types_without_a_rate_count_as_wider_ones():
    def products(*types) -> float:
        return cycles(MatrixWork(1 << 20, *types)) - VECTOR_START

    assert products(1, 1, False) == (1 << 20) / 4096
    assert products(1, 2, False) == products(2, 1, False) == (1 << 20) / 2048
    assert products(2, 4, True) == (1 << 20) / 768


def test_pipes_of_an_overlapped_loop_run_side_by_side():
    def loop(overlapped: bool) -> float:
        meter = Meter(ARCH, 1)
        with meter.loop(10, overlapped):
            meter.charge(ScalarWork(100))
            meter.charge(VectorWork(32 * 280, 4))
        return meter.estimate(0).cycles

    assert loop(False) - loop(True) == 9 * 100


def test_the_longer_side_of_a_branch_counts():
    meter = Meter(ARCH, 1)
    with meter.either():
        meter.charge(ScalarWork(10))
        meter.other()
        meter.charge(ScalarWork(70))
    assert meter.estimate(0).cycles == 70


def test_what_is_restored_was_never_charged():
    meter = Meter(ARCH, 1)
    meter.charge(ScalarWork(10))
    saved = meter.snapshot()
    with meter.loop(None):
        meter.charge(VectorWork(64, 4))
    meter.restore(saved)
    estimate = meter.estimate(0)
    assert (estimate.cycles, estimate.open_loops) == (10, 0)


def estimate(program: programs.Program):
    module = first_applicable(rules(ARCH), program.mod).mod
    return emit_bang(module, program.kernel)


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (lambda: programs.add(1 << 24), "io"),
        (lambda: programs.gelu(1 << 24), "vector"),
        (lambda: programs.gemm(512, 512, 512), "vector"),
    ],
    ids=["add", "gelu", "gemm"],
)
def test_large_operators_are_bound_as_their_work_says(make, bound):
    found = estimate(make()).estimate
    assert found.bound == bound
    assert 0.3 < found.share <= 1.0


def test_scalar_loops_are_told_with_what_they_cost():
    printed = estimate(programs.opaque())
    assert printed.slow
    assert printed.estimate.bound == "scalar"


def test_the_memory_core_draws_for_its_cluster():
    meter = Meter(ARCH, ARCH.cores)
    copy = CopyWork("GDRAM2SRAM", 64 * 1024)
    meter.on_memory_core = True
    meter.charge(copy)
    alone = meter.elapsed - COPY_START
    rates = RATES["mtp_592"]
    assert alone == pytest.approx(65536 * ARCH.clusters * rates.clock / rates.dram)
    few = Meter(ARCH, 4, clusters=1)
    few.on_memory_core = True
    few.charge(copy)
    assert few.elapsed - COPY_START == pytest.approx(65536 * rates.clock / rates.dram_cluster)


def rounds(ahead: float, work: float, often: float = 1.0) -> Meter:
    """Ten rounds in which the memory core takes `ahead` cycles and the others `work`."""
    meter = Meter(ARCH, 4, clusters=1)
    with meter.loop(10), meter.beside():
        with meter.sometimes(often):
            meter.charge(ScalarWork(ahead))
        meter.other()
        meter.charge(ScalarWork(work))
    return meter


def test_of_cores_that_meet_the_longer_counts():
    overhead = rounds(0, 0).elapsed
    assert rounds(300, 500).elapsed - overhead == 10 * 500
    assert rounds(700, 500).elapsed - overhead == 10 * 700
    # In the last round nothing is left to be brought.
    assert rounds(700, 500, 0.9).elapsed - overhead == pytest.approx(9 * 700 + 500)
    assert rounds(700, 500, 0.9).frames[0].busy["scalar"] - overhead == pytest.approx(
        10 * (0.9 * 700 + 500)
    )


def test_what_is_under_way_passes_beside_the_next_iteration():
    def loop(later: int, now: float) -> float:
        meter = Meter(ARCH, ARCH.cores)
        with meter.loop(10):
            meter.charge(ScalarWork(now))
            with meter.under_way():
                meter.charge(CopyWork("NRAM2GDRAM", later))
        return meter.elapsed

    store = cycles(CopyWork("NRAM2GDRAM", 65536), tasks=ARCH.cores)
    overhead = loop(64, 10000) - 10 * 10000 - cycles(CopyWork("NRAM2GDRAM", 64), tasks=ARCH.cores)
    assert loop(65536, 10000) == pytest.approx(10 * 10000 + store + overhead)
    assert loop(65536, 100) == pytest.approx(11 * store + overhead)
