"""Times that can be compared: CPU time of one thread, and the machine's own peak beside them.

Wall time on a shared machine says more about the neighbours than about the kernel. What is taken
here is the CPU time of the calling thread, its median over repeats, and a calibration in the same
minute: what a matrix product of numpy's and a copy reach.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of CPU time for one call: the median, the best and the worst of `repeats`."""

    median: float
    best: float
    worst: float
    repeats: int

    def rate(self, work: float) -> float:
        """`work` (operations or bytes of one call) per second, in billions, at the median."""
        return work / self.median / 1e9 if self.median > 0 else float("inf")


def measure(
    call: Callable[[], object],
    *,
    warmup: int = 2,
    repeats: int = 9,
    least: float = 1e-3,
    clock: Callable[[], float] = time.thread_time,
) -> Timing:
    """Time a call that takes no arguments.

    Parameters
    ----------
    call : what is timed; it must do all its work in the calling thread.
    warmup : calls before the first that counts: they fill caches and compile what is compiled
        on first use.
    repeats : measurements. Each consists of as many calls as take `least` seconds together, so
        that short calls are not lost in the clock's resolution.
    least : see `repeats`; the median, best and worst are per call.
    clock : seconds as a float; `time.perf_counter` where the work is done by other threads.
    """
    if repeats < 1:
        raise ValueError("a measurement takes at least one repeat")
    for _ in range(warmup):
        call()
    calls = _calls_in(call, least, clock)
    times = []
    for _ in range(repeats):
        start = clock()
        for _ in range(calls):
            call()
        times.append((clock() - start) / calls)
    return Timing(statistics.median(times), min(times), max(times), repeats)


def _calls_in(call: Callable[[], object], least: float, clock: Callable[[], float]) -> int:
    """How many calls take `least` seconds; found by doubling."""
    calls = 1
    while calls < 1 << 20:
        start = clock()
        for _ in range(calls):
            call()
        if clock() - start >= least:
            break
        calls *= 2
    return calls


@dataclass(frozen=True)
class Calibration:
    """What this machine's thread reaches: GFLOP/s of float32 and GB/s read plus written."""

    gflops: float
    gbytes: float

    def __str__(self) -> str:
        return (
            f"calibration: sgemm {self.gflops:.0f} GFLOP/s, copy {self.gbytes:.1f} GB/s, one thread"
        )


def calibrate(size: int = 512, megabytes: int = 64) -> Calibration:
    """Measure numpy's `float32` matrix product and a copy that does not fit into caches.

    The product runs in as many threads as numpy's BLAS takes; its time is the process's CPU time,
    so that the rate is that of one thread.
    """
    rng = np.random.default_rng(0)
    left, right = rng.random((2, size, size), dtype=np.float32)
    result = np.empty_like(left)
    product = measure(lambda: np.matmul(left, right, out=result), clock=time.process_time)
    source = np.ones(megabytes << 18, dtype=np.float32)
    copy = np.empty_like(source)
    copied = measure(lambda: np.copyto(copy, source), repeats=5)
    return Calibration(product.rate(2.0 * size**3), copied.rate(2.0 * source.nbytes))
