"""Thread-CPU time of a call, the least of several: what else runs on the machine counts little."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SECONDS, LEAST, MOST = 0.25, 4, 200


def seconds_of(call: Callable[[], Any], seconds: float = SECONDS) -> float:
    """The least CPU seconds of a call on this thread, after one that warms up.

    It is repeated for about `seconds`, `LEAST` times at least and `MOST` times at most.
    """
    call()
    times: list[float] = []
    while len(times) < LEAST or (sum(times) < seconds and len(times) < MOST):
        begun = time.thread_time()
        call()
        times.append(time.thread_time() - begun)
    return max(min(times), 1e-9)
