"""Compilations in a child: their result, or an error of ours whatever ends them."""

from __future__ import annotations

import os
import signal

import pytest

from xpiler_tvm.codegen.child import in_child
from xpiler_tvm.errors import EmitError


def fails() -> str:
    raise ValueError("first line\nthe last line")


def crashes() -> str:
    os.write(2, b"LLVM ERROR: no such instruction\n")
    os.kill(os.getpid(), signal.SIGABRT)
    return ""


def test_what_the_work_gives() -> None:
    assert in_child(lambda: (b"library", {"ll": "text"})) == (b"library", {"ll": "text"})


@pytest.mark.parametrize(
    ("work", "said"),
    [(fails, "it is so: the last line"), (crashes, "gave up on the kernel: LLVM ERROR: no such")],
)
def test_what_ends_it(work, said: str, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(EmitError, match=said) as refusal:
        in_child(work, "it is so")
    assert refusal.value.code == "XP4001"
    assert capfd.readouterr() == ("", "")
