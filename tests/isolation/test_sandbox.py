"""What a process may do in each step of the sandbox, and the functions that run in forked ones."""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xpiler_tvm.isolation import forked, sandbox
from xpiler_tvm.isolation.syscalls import NAMES, NUMBERS

needs_all = pytest.mark.skipif(
    bool(sandbox.missing()), reason="this system has not all of the sandbox"
)
DONE, FAILED = 0, 3


def in_child(*steps: Callable[[], object]) -> int:
    """0, 3 where a step raised, or the negative number of the signal that ended the child."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()  # pytest's own; it calls the system for more
        try:
            for step in steps:
                step()
            os._exit(DONE)
        except BaseException:
            os._exit(FAILED)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_all
@pytest.mark.parametrize(
    ("action", "entered", "sealed"),
    [
        (lambda: bytearray(32 << 20), DONE, DONE),
        (lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE), DONE, DONE),
        (lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC), DONE, -signal.SIGSYS),
        (lambda: Path("/etc/passwd").read_bytes(), DONE, -signal.SIGSYS),
        (lambda: Path(tempfile.gettempdir(), "never").write_text(""), FAILED, -signal.SIGSYS),
        (socket.socket, -signal.SIGSYS, -signal.SIGSYS),
        (os.fork, -signal.SIGSYS, -signal.SIGSYS),
        (lambda: os.execv("/bin/true", ["true"]), -signal.SIGSYS, -signal.SIGSYS),
        (lambda: os.kill(os.getppid(), 0), -signal.SIGSYS, -signal.SIGSYS),
        (os.setsid, -signal.SIGSYS, -signal.SIGSYS),
        (os.abort, -signal.SIGABRT, -signal.SIGABRT),
    ],
)
def test_what_each_step_leaves(action: Callable[[], object], entered: int, sealed: int) -> None:
    assert in_child(sandbox.enter, action) == entered
    assert in_child(sandbox.enter, sandbox.seal, action) == sealed


@needs_all
def test_with_threads_one_folder_can_be_written(tmp_path: Path) -> None:
    def thread() -> None:
        other = threading.Thread(target=lambda: None)
        other.start()
        other.join()

    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()

    def enter() -> None:
        sandbox.enter_with_threads(str(inside))

    assert in_child(enter, thread) == DONE
    assert in_child(enter, lambda: (inside / "file").write_text("")) == DONE
    assert in_child(enter, lambda: outside.write_text("")) == FAILED
    assert in_child(enter, os.fork) == -signal.SIGSYS
    assert in_child(enter, socket.socket) == -signal.SIGSYS


def test_without_landlock_and_seccomp_limits_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "landlock_version", lambda: 0)
    monkeypatch.setattr(sandbox, "has_seccomp", lambda: False)
    assert sandbox.missing() == ["Landlock", "seccomp"]

    def enter() -> None:
        assert not sandbox.enter()
        assert not sandbox.seal()
        sandbox.limit_resources(1.0, 1 << 30)

    assert in_child(enter) == DONE
    assert in_child(enter, lambda: bytearray(4 << 30)) == FAILED


def test_shared_memory_of_the_caller_is_gone_but_for_what_is_kept() -> None:
    import ctypes

    kept, other = mmap.mmap(-1, 4096), mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(kept))

    def enter() -> None:
        sandbox.forget_inheritance([(address, address + 1)])
        kept[0] = 7

    assert in_child(enter) == DONE
    assert kept[0] == 7
    assert in_child(enter, lambda: other.__setitem__(0, 7)) == -signal.SIGSEGV
    assert other[0] == 0


def test_a_forked_function_returns_its_result() -> None:
    assert forked.call(lambda: {"a": [1, 2]}, seconds=5, memory=1 << 30) == {"a": [1, 2]}


def test_a_forked_function_that_does_not_end() -> None:
    def forever() -> None:
        while True:
            pass

    with pytest.raises(forked.Ended):
        forked.call(forever, seconds=0.2, memory=1 << 30)
    with pytest.raises(forked.Ended):
        forked.call(lambda: os.kill(os.getpid(), signal.SIGKILL), seconds=5, memory=1 << 30)
    with pytest.raises(forked.Ended):
        forked.call(lambda: len(bytearray(4 << 30)), seconds=5, memory=1 << 30)


def test_a_defect_in_a_forked_function_is_loud() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        forked.call(lambda: 1 // 0, seconds=5, memory=1 << 30)


@pytest.mark.skipif(not NUMBERS, reason="no system calls are known for this processor")
def test_system_calls_have_names() -> None:
    assert NAMES[NUMBERS["openat"]] == "openat"
    assert len(NAMES) == len(NUMBERS)


def test_a_worker_that_leaves_processes_behind_is_swept() -> None:
    from xpiler_tvm.emulation import worker

    # Other tests in this process may have left helpers of Python's.
    before = _children()
    reading, writing = os.pipe()

    def task(report: worker.Report) -> None:
        if os.fork() == 0:
            time.sleep(60)
        report.seconds = 1e-9

    # Without the filter, as on a system that has none.
    worker.run(task, [], 5.0, watch=False, confine=lambda: None)
    os.close(writing)
    os.close(reading)
    assert not set(_children()) - set(before)


def _children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]
