"""CPU time by stage, worker processes included."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


def cpu_seconds() -> float:
    """CPU time of this process and of its ended children so far."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


class Stopwatch:
    """`with watch("lift"): …` adds the block's CPU seconds to `watch.seconds["lift"]`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = cpu_seconds()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + cpu_seconds() - start
