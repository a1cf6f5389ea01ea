"""Cases in processes of their own, with limits: what ends a process is a result like another."""

from __future__ import annotations

import resource
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from xpiler_tvm.isolation.sandbox import used_bytes

Case = TypeVar("Case")

WALL = 5
"""How much longer than its CPU seconds a case may take on a busy machine."""


@dataclass(frozen=True)
class Answer(Generic[Case]):
    """What became of a case: the value of its work, or the traceback or signal that ended it."""

    case: Case
    value: Any = None
    ended: str = ""


def answers(
    cases: Iterable[Case],
    work: Callable[[Case], Any],
    *,
    seconds: int,
    bytes_: int = 8 << 30,
    jobs: int = 1,
) -> Iterator[Answer[Case]]:
    """`work` of each case as it comes, `jobs` at a time.

    `seconds` of CPU time and `bytes_` of new addresses are what a case may take.
    """
    waiting = iter(cases)
    running: dict[Connection, tuple[Case, BaseProcess]] = {}

    def start(case: Case) -> None:
        context = get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(work, case, sender, seconds, bytes_))
        process.start()
        sender.close()
        running[receiver] = case, process

    for case in islice(waiting, jobs):
        start(case)
    while running:
        ready = wait(list(running), WALL * seconds)
        if not ready:  # asleep: no CPU time ends them
            for _, process in running.values():
                process.kill()
        for receiver in ready:
            assert isinstance(receiver, Connection)
            yield _answer(receiver, *running.pop(receiver))
            for case in islice(waiting, 1):
                start(case)


def _run(
    work: Callable[[Any], Any], case: Any, sender: Connection, seconds: int, bytes_: int
) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    most = used_bytes()[0] + bytes_
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        sender.send((work(case), ""))
    except Exception:
        sender.send((None, traceback.format_exc()))


def _answer(receiver: Connection, case: Case, process: BaseProcess) -> Answer[Case]:
    try:
        value, ended = receiver.recv()
    except EOFError:
        process.join()
        value, ended = None, f"the process ended with {process.exitcode}"
    receiver.close()
    process.join()
    return Answer(case, value, ended)
