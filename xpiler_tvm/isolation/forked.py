"""Calls a Python function in a process of its own, with limits, for what it returns."""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from . import sandbox


class Ended(Exception):
    """The process came to no result: it crashed, or took more than it may."""


def call(work: Callable[[], Any], *, seconds: float, memory: int) -> Any:
    """What `work()` returns, as JSON gives it back, computed in a forked process.

    Parameters
    ----------
    work : it may read files and start threads, and do nothing else to the system.
    seconds : of CPU time, and four times as many on the clock.
    memory : bytes of addresses that it may take beyond those of this process.

    Raises
    ------
    Ended
        There is no result.
    RuntimeError
        `work` raised an exception, whose traceback is the message.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks in processes with threads; the child needs none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _work(work, writing, seconds, memory)
    os.close(writing)
    try:
        said = _read(reading, time.monotonic() + 4 * seconds + 2)
    finally:
        os.close(reading)
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
    if not said:
        ended = os.waitstatus_to_exitcode(status)
        raise Ended(
            f"the process ended with {ended}" if ended >= 0 else signal.Signals(-ended).name
        )
    outcome = json.loads(said)
    if "defect" in outcome:
        raise RuntimeError(outcome["defect"])
    if "ended" in outcome:
        raise Ended(outcome["ended"])
    return outcome["result"]


def _work(work: Callable[[], Any], writing: int, seconds: float, memory: int) -> None:
    """The forked process. Never returns."""
    try:
        os.setpgid(0, 0)
        silent = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(silent, standard)
        for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT):
            signal.signal(number, signal.SIG_DFL)
        sandbox.limit_resources(seconds, memory)
        sandbox.enter_with_threads()
        answer = json.dumps(_outcome(work)).encode()
        while answer:
            answer = answer[os.write(writing, answer) :]
    finally:
        os._exit(0)


def _outcome(work: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"result": work()}
    except (MemoryError, RecursionError) as error:
        return {"ended": type(error).__name__}
    except Exception:
        return {"defect": traceback.format_exc()}


def _read(reading: int, deadline: float) -> bytes:
    """All that comes until the other side closes; nothing where the deadline passes first."""
    pieces: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return b""
        piece = os.read(reading, 1 << 16)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
