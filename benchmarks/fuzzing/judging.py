"""Whether a program as it was read, and as it was raised, does what its text does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import tvm

from xpiler_tvm import frontends
from xpiler_tvm.emulation import run_module, run_text
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.frontends.raising import raise_program

from .kernels import Program

Outcome = Literal["right", "refused", "wrong", "crash", "timeout", "faulty"]

RUN_SECONDS = 10.0


@dataclass(frozen=True)
class Verdict:
    """What became of a program.

    `code`, `line` and `reason` tell of a refusal, `reason` alone of anything else that is not
    right. A `faulty` program is one that should not have been made. `raised` says whether it became
    blocks.
    """

    outcome: Outcome
    reason: str = ""
    code: str = ""
    line: int = 0
    raised: bool = False


def judge(program: Program, *, checked: bool = True) -> Verdict:
    """Reads and runs a program; one that is wrong, or `checked`, is looked through for faults.

    Results are compared exactly: generated floating-point arithmetic never rounds. What a frontend
    raises beside refusals is let through.
    """
    kernel, refusal = program.kernel, None
    forms: list[tuple[str, tvm.IRModule]] = []
    try:
        read = frontends.read(frontends.resolve(kernel)).program
        forms.append(("flat", to_module(read)))
        raised = raise_program(read)
        if raised.rung != "opaque":
            forms.append(("raised", raised.mod))
    except XpilerError as error:
        line = error.span.line if error.span else 0
        refusal = Verdict("refused", error.message, error.code, line)
    if refusal and not checked:
        return refusal
    try:
        expected = run_text(kernel, program.arrays, seconds=RUN_SECONDS).arrays
    except XpilerError as error:
        return Verdict("faulty", f"the text does not run: {error.message}", "", _line(error))
    wrong = ""
    arrays = [program.arrays[tensor.name] for tensor in kernel.tensors]
    for name, form in forms:
        try:
            found = run_module(form, arrays, seconds=RUN_SECONDS).arrays
        except XpilerError as error:
            wrong = wrong or f"the {name} program does not run: {error.message}"
        else:
            difference = _difference(program, expected, found)
            wrong = wrong or (f"{name} program: {difference}" if difference else "")
    if wrong or checked:
        fault = _fault(program)
        if fault:
            return fault
    if wrong:
        return Verdict("wrong", wrong)
    return refusal or Verdict("right", raised=len(forms) > 1)


def _line(error: XpilerError) -> int:
    return error.span.line if error.span else 0


def _difference(program: Program, expected: dict[str, np.ndarray], found: list[np.ndarray]) -> str:
    for tensor, mine in zip(program.kernel.tensors, found, strict=True):
        theirs = expected[tensor.name].reshape(-1)
        differ = np.flatnonzero(theirs != mine.reshape(-1))
        if differ.size:
            at = int(differ[0])
            return (f"{tensor.name}[{at}] is {mine.reshape(-1)[at]}, the text gives {theirs[at]} "
                    f"({differ.size} of {theirs.size} elements differ)")  # fmt: skip
    return ""


def _fault(program: Program) -> Verdict | None:
    run = run_text(program.kernel, program.arrays, seconds=RUN_SECONDS, build="checked")
    for one in run.findings:
        if one.kind != "time":
            line = one.span.line if one.span else 0
            return Verdict("faulty", f"{one.kind}: {one.message}", "", line)
    return None
