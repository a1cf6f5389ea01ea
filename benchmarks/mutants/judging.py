"""Mutants held against two oracles: ours, and inputs of ones with a tolerance.

Ours is what users have, `xpiler_tvm.check(original, mutant)`, and `lifting.check_module` for lifted
programs. As a mutant is caught when anything in a check says no, the cheapest parts of it run
first: values on all families of inputs in a plain build, then a checked build, then the whole
check. What the first two let through is what the last decides.

The other runs both kernels on ones, zeros and nothing else, and asks numpy whether the outputs are
close. A run that the emulator ends, at the page behind an array for instance, counts as caught:
on a device much of that would go unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

import xpiler_tvm as xt
from xpiler_tvm import frontends
from xpiler_tvm.emulation import run_module, run_text
from xpiler_tvm.errors import CheckError, ReadError, SetupError, XpilerError
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.frontends.raising import Step, steps_of
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.oracles import check_module
from xpiler_tvm.trials import Trial
from xpiler_tvm.verification import compare, inputs_for
from xpiler_tvm.verification.inputs import FAMILIES
from xpiler_tvm.verification.proofs import obligations

from .corpus import Case
from .fault import ProgramFault, TextFault

Arrays = Mapping[str, np.ndarray]
By = Literal["values", "findings", "crash", ""]

# CPU seconds of a run. The correct kernels take milliseconds; endless loops take all of it.
SECONDS = 1.0
SEEDS = (0, 1)
TOLERANCE = 1e-3
# More memory or threads than the device has; all else that is refused is no program.
_TOO_LARGE = "XP1011"


class Stillborn(Exception):
    """The compiler refuses the mutant: nobody would have run it."""


@dataclass(frozen=True)
class Verdict:
    """What our oracle says of a mutant: by what it is caught, '' where it is not, and how."""

    by: By
    detail: str = ""

    @property
    def caught(self) -> bool:
        return bool(self.by)


MISSED = Verdict("")


class Original:
    """A correct kernel, and what it makes of the inputs."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.kernel = case.kernel

    def problem(self) -> str:
        """Why the kernel is no basis for mutants: a wrong value or a finding, '' where none."""
        try:
            trials = self.trials
        except XpilerError as error:
            return f"does not run: {error.message}"
        for trial in trials:
            expected = self.case.expected(trial.inputs)
            check = compare("reference", expected, trial.outputs, self.kernel)
            if check.verdict != "tested":
                return f"differs from its reference: {check.detail}"
        found = self._findings(self.kernel)
        return f"has findings: {found.detail}" if found.caught else ""

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Inputs of every family, in the order in which they are tried, and the outputs."""
        starts = [(seed, family) for seed in SEEDS for family in FAMILIES]
        trials = []
        for seed, family in starts:
            inputs = inputs_for(self.kernel, seed, family, self.case.ranges)
            outputs = run_text(self.kernel, inputs, seconds=SECONDS).arrays
            trials.append(Trial(inputs, {}, outputs))
        return tuple(trials)

    @cached_property
    def ones(self) -> Trial:
        """Inputs of ones, where a kernel takes one for an index also."""
        inputs = dict(self.trials[0].inputs)
        for tensor in self.kernel.tensors:
            if tensor.intent != "out":
                low, high = self.case.ranges.get(tensor.name, (1, 1))
                inputs[tensor.name] = np.full_like(inputs[tensor.name], min(max(1, low), high))
        return Trial(inputs, {}, run_text(self.kernel, inputs, seconds=SECONDS).arrays)

    @cached_property
    def flat(self) -> Any:
        """The flat program as an IRModule; `None` where there is none that does the same."""
        flat = flat_program(self.kernel)
        if flat is None:
            return None
        return flat if check_module("flat", flat, self.kernel, self.trials).ok else None

    # ------------------------------------------------------------ texts

    def judge_text(self, fault: TextFault) -> Verdict:
        """What our oracle says. Raises `Stillborn`."""
        mutant = fault.apply(self.kernel)
        for stage in (self._values, self._findings, self._check):
            verdict = stage(mutant)
            if verdict.caught:
                return verdict
        return MISSED

    def _values(self, mutant: Kernel) -> Verdict:
        for trial in self.trials:
            try:
                outputs = run_text(mutant, trial.inputs, seconds=SECONDS).arrays
            except CheckError as error:
                return Verdict("crash", f"{error.code}: {error.message}")
            except (ReadError, SetupError) as error:
                if error.code == _TOO_LARGE:
                    return Verdict("crash", f"{error.code}: {error.message}")
                raise Stillborn(error.message) from None
            check = compare("mutant = original", trial.outputs, outputs, self.kernel)
            if not check.ok:
                return Verdict("values", check.detail)
        return MISSED

    def _findings(self, mutant: Kernel) -> Verdict:
        try:
            run = run_text(mutant, self.trials[0].inputs, seconds=10 * SECONDS, build="checked")
        except (CheckError, ReadError) as error:
            return Verdict("findings", f"{error.code}: {error.message}")
        if run.findings:
            first = run.findings[0]
            return Verdict("findings", f"{first.kind}: {first.message}")
        return MISSED

    def _check(self, mutant: Kernel) -> Verdict:
        """The whole oracle, as users have it."""
        if not self._suits_check:
            return MISSED
        named = replace(mutant, filename=f"mutant-{mutant.filename}")
        try:
            report = xt.check(self.kernel, named, seconds=10 * SECONDS, allow_unwritten=True)
        except (CheckError, ReadError) as error:
            return Verdict("findings", f"{error.code}: {error.message}")
        except SetupError:
            return MISSED  # one of its builds is refused, which says nothing of the mutant
        if report.findings:
            first = report.findings[0]
            return Verdict("findings", f"{first.kind}: {first.message}")
        for check in report.checks:
            if check.verdict == "refuted":
                return Verdict("values", f"{check.name}: {check.detail}")
        return MISSED

    @cached_property
    def _suits_check(self) -> bool:
        """Whether the whole check passes the original.

        It chooses inputs by itself; a kernel that relies on the value of one is not for it.
        """
        return xt.check(self.kernel, seconds=10 * SECONDS, allow_unwritten=True).ok

    def ones_catch_text(self, fault: TextFault) -> bool:
        mutant = fault.apply(self.kernel)
        return self._ones_catch(
            lambda trial: run_text(mutant, trial.inputs, seconds=SECONDS).arrays
        )

    # ------------------------------------------------------------ programs

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What the passes of raising made of the kernel, where it does the same."""
        if self.flat is None:
            return ()
        program = frontends.read(frontends.resolve(self.kernel)).program
        return tuple(
            step
            for step in steps_of(program)[1:]
            if check_module(step.name, step.mod, self.kernel, self.trials).ok
        )

    def judge_program(self, fault: ProgramFault) -> Verdict:
        check = check_module("mutant = source", fault.apply(), self.kernel, self.trials)
        if check.ok:
            return MISSED if fault.flat else self._proofs(fault)
        crashed = check.detail.startswith("XP")
        return Verdict("crash" if crashed else "values", check.detail)

    def _proofs(self, fault: ProgramFault) -> Verdict:
        """What can be shown of a raised form without running it."""
        reading = frontends.read(frontends.resolve(self.kernel))
        for one in obligations(reading, fault.apply(), "blocks"):
            if one.verdict == "refuted":
                return Verdict("findings", str(one))
        return MISSED

    def ones_catch_program(self, fault: ProgramFault) -> bool:
        names = [tensor.name for tensor in self.kernel.tensors]

        def run(trial: Trial) -> Arrays:
            arrays = [trial.inputs[name] for name in names]
            done = run_module(fault.apply(), arrays, seconds=SECONDS)
            return dict(zip(names, done.arrays, strict=True))

        return self._ones_catch(run)

    def _ones_catch(self, run: Callable[[Trial], Arrays]) -> bool:
        trial = self.ones
        try:
            outputs = run(trial)
        except (CheckError, ReadError):
            return True
        return not all(
            np.allclose(
                outputs[tensor.name].astype(np.float64),
                trial.outputs[tensor.name].astype(np.float64),
                TOLERANCE,
                TOLERANCE,
                equal_nan=True,
            )
            for tensor in self.kernel.tensors
            if tensor.written
        )


def flat_program(kernel: Kernel) -> Any:
    """The flat program of a kernel as an IRModule; `None` where it is not read."""
    try:
        return to_module(frontends.read(frontends.resolve(kernel)).program)
    except XpilerError:
        return None
