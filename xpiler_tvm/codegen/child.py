"""Compilations by TVM in a forked child: LLVM ends the process on what it does not have."""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from xpiler_tvm.errors import EmitError

Result = TypeVar("Result")


def in_child(work: Callable[[], Result], what: str = "the kernel does not compile") -> Result:
    """What `work()` gives, by way of `pickle`. What it prints is kept from the user.

    Raises `EmitError` XP4001 where the child ends without a result, and where `work` raises
    anything: `what`, and the last line of the error.
    """
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        answer, messages = Path(folder) / "answer", Path(folder) / "messages"
        child = os.fork()
        if child == 0:
            _run(work, answer, messages)
        _, status = os.waitpid(child, 0)
        if not answer.exists():
            said = messages.read_text(errors="replace").strip() if messages.exists() else ""
            last = said.splitlines()[-1] if said else f"status {status}"
            raise EmitError("XP4001", f"LLVM gave up on the kernel: {last}")
        result, error = pickle.loads(answer.read_bytes())
    if error:
        raise EmitError("XP4001", f"{what}: {error}")
    done: Result = result
    return done


def _run(work: Callable[[], Result], answer: Path, messages: Path) -> None:
    status = 1
    try:
        # A crash is an expected outcome here: no stack dump, no core file.
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with messages.open("wb") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        done: tuple[Result | None, str]
        try:
            done = work(), ""
        except Exception as error:  # of any kind: it goes back to the parent as text
            done = None, str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
        answer.write_bytes(pickle.dumps(done))
        status = 0
    finally:
        os._exit(status)
