"""Calls in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_fresh_thread(work: Callable[[], T]) -> T:
    """What `work()` gives or raises, run in a new thread.

    TVM's thread pool belongs to a thread: that of the forking thread has lost its workers.
    """
    found: list[T] = []
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            found.append(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]
