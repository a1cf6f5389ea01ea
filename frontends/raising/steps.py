"""What each pass made of a kernel: to be read by people, and run against the form before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from functools import cached_property
from itertools import pairwise

import tvm
import tvm_ffi

from ..program import Program, to_module
from .blocks import module_of
from .tensors import Graph

Form = Program | Graph
Watch = Callable[[str, Form], None]

CONTEXT = 2  # lines around a change


def unwatched(name: str, form: Form) -> None:
    """The watch that looks away."""


@dataclass(frozen=True, eq=False)
class Step:
    """The kernel as a pass left it.

    `mod` is executable: plain loops where `flat`, blocks where the pass works on tensors. `bytes`
    are what its intermediates take.
    """

    name: str
    mod: tvm.IRModule
    flat: bool
    bytes: int = 0

    @cached_property
    def script(self) -> str:
        return str(self.mod.script())


class Recorder:
    """A `Watch` that keeps the steps which changed something, the flat program first."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._last: object = None
        self.steps = [Step("flat", to_module(program), True)]

    def __call__(self, name: str, form: Form) -> None:
        state: object = form if isinstance(form, Program) else form.fingerprint()
        if state == self._last:
            return
        self._last = state
        if isinstance(form, Program):
            step = Step(name, to_module(form), True)
        else:
            step = Step(name, module_of(self._program, form), False, bytes_of(form))
        if step.script != self.steps[-1].script:
            self.steps.append(step)


def differences(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """For each step after the first its name, and what it changed as a unified diff."""
    for before, after in pairwise(steps):
        lines = unified_diff(
            before.script.splitlines(), after.script.splitlines(), n=CONTEXT, lineterm=""
        )
        yield after.name, "\n".join(list(lines)[2:])


def bytes_of(graph: Graph) -> int:
    """What the intermediates of a graph take."""
    total = 0
    for tensor in graph.tensors:
        size = tvm_ffi.dtype(tensor.buffer.dtype).bits // 8
        for extent in tensor.buffer.shape:
            size *= int(extent)
        total += size
    return total
