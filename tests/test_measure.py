"""Timing with a clock that only moves when it is told to."""

from __future__ import annotations

import pytest

from xpiler_tvm.tuning.measure import Calibration, Timing, calibrate, measure


class Clock:
    """Calls take the given seconds one after the other, the last one again and again."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)
        self.now = 0.0
        self.calls = 0

    def __call__(self) -> float:
        return self.now

    def work(self) -> None:
        self.now += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1


def test_the_median_of_the_repeats() -> None:
    # Two to warm up, one to see how many calls make a measurement, then three that count.
    clock = Clock(50.0, 50.0, 1.0, 3.0, 2.0, 10.0)
    timing = measure(clock.work, warmup=2, repeats=3, least=0.5, clock=clock)
    assert timing == Timing(median=3.0, best=2.0, worst=10.0, repeats=3)
    assert clock.calls == 6


def test_short_calls_are_measured_together() -> None:
    clock = Clock(0.25)
    timing = measure(clock.work, warmup=0, repeats=2, least=1.0, clock=clock)
    assert timing.median == 0.25
    assert clock.calls == 1 + 2 + 4 + 2 * 4


def test_a_measurement_needs_a_repeat() -> None:
    with pytest.raises(ValueError, match="at least one"):
        measure(lambda: None, repeats=0)


def test_rates() -> None:
    assert Timing(0.5, 0.4, 0.6, 3).rate(1e9) == 2.0
    assert Timing(0.0, 0.0, 0.0, 3).rate(1.0) == float("inf")


def test_calibration() -> None:
    found = calibrate(size=64, megabytes=1)
    assert found.gflops > 0 and found.gbytes > 0
    assert "GFLOP/s" in str(Calibration(100.0, 10.0))
