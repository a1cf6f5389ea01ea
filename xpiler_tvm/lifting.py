"""`lift`: from a kernel's text to TensorIR, each form held against the source by execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from . import frontends
from .conditions import Condition
from .conditions import require as require_conditions
from .errors import CheckError, LiftError, ReadError, located
from .evidence import Check
from .kernel import Kernel
from .oracles import (
    check_bounds,
    check_faults,
    check_module,
    check_reference,
    identity_of_flat,
    require,
)
from .ranges import Distinct
from .stopwatch import Stopwatch
from .trials import Start, Trial, run_source, starts_of, trials_of, trusted

if TYPE_CHECKING:
    import numpy as np
    import tvm

    from .frontends.program import Program
    from .frontends.raising import OutOfPlace, Step
    from .frontends.reading import Reading
    from .frontends.recognition import Operator
    from .lifting_guided import Guidance
    from .llm import Client
    from .recognised import Recognised
    from .verification.proofs import Obligation

Lifter = Literal["auto", "symbolic", "llm"]
LIFTERS: tuple[Lifter, ...] = ("auto", "symbolic", "llm")

NOT_UNDERSTOOD = ("XP1008", "XP1009", "XP1010", "XP1015", "XP2001", "XP2002", "XP2003")
"""Refusals that say something of our reading, not of the kernel: another wording may pass."""


@dataclass(frozen=True, eq=False)
class Lifted:
    """A kernel as TensorIR.

    Attributes
    ----------
    kernel : with entry, parameters and launch filled in.
    program : what was read of it: statements with their places in the source.
    flat : sequential loops over flat buffers, the source statement by statement.
    mod : SBlocks over N-D buffers, what schedules work on.
    rung : `blocks`; `mixed` where some blocks hold statements that were not understood, so that
        their inside cannot be scheduled; `opaque` where one block holds the whole kernel.
    notes : why a better rung was not reached, with the place in the source.
    assumptions : what the lift rests on beside its evidence.
    evidence : one `Check` for each form that was run against the source.
    trials : the runs of the source that later forms are held against too.
    text : the source without its host code, as it is run.
    value_ranges : bounds of the elements of inputs that the kernel trusts as indices.
    obligations : what has to hold of indices and threads, and how each came out.
    seconds : CPU seconds by stage.
    conditions : which symbolic sizes it holds for; none of a kernel without.
    guidance : what a language model had to do with it, where one had.
    """

    kernel: Kernel
    program: Program
    flat: tvm.IRModule
    mod: tvm.IRModule
    rung: str
    notes: tuple[str, ...]
    assumptions: tuple[str, ...]
    evidence: tuple[Check, ...]
    trials: tuple[Trial, ...]
    opaque: tvm.IRModule
    text: str
    value_ranges: Mapping[str, tuple[int, int]]
    obligations: tuple[Obligation, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    guidance: Guidance | None = None

    def __repr__(self) -> str:
        return f"<{self.kernel.entry} of {self.kernel.filename}, lifted: {self.rung}>"

    def _repr_html_(self) -> str:
        from .display import lifted_page

        return lifted_page(self)

    @cached_property
    def recognised(self) -> Recognised:
        """What it computes in TVM's own operators, with their Relax function and its check."""
        from .recognised import Recognised

        return Recognised(self)

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators that it is made of, held against the source; empty where none were
        recognised."""
        return self.recognised.operators

    @cached_property
    def out_of_place(self) -> OutOfPlace:
        """`mod` with an output of its own for each parameter that the kernel updates: the form
        that all of TVM's primitives, and Relax's `call_tir`, take. An opaque block stays as it is.

        Raises `LiftError` XP2007 where sizes are symbolic, and `CheckError` XP5001 where it differs
        from the source.
        """
        from .frontends.raising import OutOfPlace, out_of_place

        if self.kernel.size_names:
            names = ", ".join(self.kernel.size_names)
            raise LiftError(
                "XP2007",
                f"the sizes {names} are symbolic, and the form is checked at one size",
                hint="lift the kernel at sizes: lifted.kernel.at({...})",
            )
        made = OutOfPlace(self.mod) if self.rung == "opaque" else out_of_place(self.mod)
        if made.updated:
            name = "raised, out of place = source"
            require(check_module(name, made.mod, self.kernel, self.trials, updated=made.updated))
        return made

    def require(self, **sizes: int) -> None:
        """Raises `LiftError` XP2007 where the lift does not hold for these sizes."""
        from .symbolic_runs import launch_values

        require_conditions(self.conditions, launch_values(self.kernel, sizes))

    def __call__(self, *arrays: np.ndarray, **scalars: int | float) -> None:
        """Runs `mod` on numpy arrays, one for each tensor in order; those written are filled.

        Sizes and other scalars without a value go by keyword. Raises `LiftError` XP2007 where a
        condition does not hold, and `CheckError` XP5007 where the arguments do not fit.
        """
        from .lifting_symbolic import run

        run(self, arrays, scalars)

    def steps(self) -> tuple[Step, ...]:
        """The forms between the flat program and the raised one, each after a pass that changed
        something. Their `mod` can be run like `flat`. Symbolic sizes are numbers in them."""
        from .frontends.raising import steps_of

        if not self.conditions:
            return steps_of(self.program)
        from .frontends.symbolic.instances import at_point
        from .frontends.symbolic.points import generic

        return steps_of(at_point(self.program, self.kernel, generic(self.kernel, 1)[0]))


def lift(
    kernel: Kernel,
    *,
    seed: int = 0,
    each_pass: bool = False,
    lifter: Lifter = "auto",
    llm: Client | str | None = None,
) -> Lifted:
    """The TensorIR of a kernel, tested against its source on data from `seed`.

    The flat program and the raised one are held against the source; with `each_pass` also what
    every pass between them made.

    `llm` is a language model, by name or as a client of `xpiler_tvm.llm`. In `auto` it proposes a
    program for what is not understood; with the lifter `llm` for every kernel, and with `symbolic`
    for none. Its proposals are held against the source like any other, on more inputs.

    Raises `ReadError` and `LiftError` where the kernel is not understood, `CheckError` where
    the source itself fails (a race, out of bounds, endless, an output never written) or where what
    was read differs from it, and with the lifter `llm` `ModelError` where no proposal holds.
    """
    if lifter not in LIFTERS:
        raise LiftError("XP2008", f"{lifter!r} is no lifter", hint=f"one of {', '.join(LIFTERS)}")
    if lifter == "symbolic" or (lifter == "auto" and llm is None):
        return _lift_symbolically(kernel, seed, each_pass)
    from .lifting_guided import lift_guided

    if lifter == "llm":
        return lift_guided(kernel, llm, seed=seed)
    try:
        return _lift_symbolically(kernel, seed, each_pass)
    except (ReadError, LiftError) as error:
        if error.code not in NOT_UNDERSTOOD:
            raise
        return lift_guided(kernel, llm, seed=seed, refusal=error)


def _lift_symbolically(kernel: Kernel, seed: int, each_pass: bool) -> Lifted:
    """What rules make of a kernel: `lift` without a language model."""
    if kernel.size_names:
        from .lifting_symbolic import lift_symbolic

        return lift_symbolic(kernel, seed=seed)
    watch = Stopwatch()
    with watch("read"):
        resolved = frontends.resolve(kernel)
        text = frontends.device_text(resolved)
    with watch("lift"):
        reading = frontends.read(resolved)
        resolved, program = reading.kernel, reading.program
    ranges: Mapping[str, tuple[int, int]] = reading.value_ranges
    try:
        starts, outputs, checks, doubts = _source_runs(reading, text, seed, ranges, watch)
    except CheckError as error:
        ranges = _distinct_places(reading)
        if error.code != "XP5012" or not error.message.startswith("race") or not ranges:
            raise
        # Threads that store to one place race; whether they do is a matter of the indices.
        starts, outputs, checks, doubts = _source_runs(reading, text, seed, ranges, watch)
    with watch("reference"):
        from .frontends.program import to_module

        flat = to_module(program)
        trials = trials_of(resolved, flat, starts, outputs)
        checks.append(require(check_reference("source", trials, resolved)))
    with watch("raise"):
        from .frontends.raising import opaque_module, raise_program
        from .frontends.threads import NO_RACES

        raised = raise_program(program)
        fallback = raised.mod if raised.rung == "opaque" else opaque_module(program)
    notes = [located(raised.reason, raised.span)] if raised.reason else []
    notes += doubts
    notes += _unwritten_notes(resolved, trials)
    with watch("prove"):
        from .verification.proofs import doubts_of, holds_throughout, obligations, refuted

        proved = obligations(reading, raised.mod, raised.rung)
        if faults := refuted(proved, raised=True):
            notes.append(f"the raised form was dropped: {faults[0]}")
            raised = replace(raised, mod=fallback, rung="opaque")
            proved = obligations(reading, fallback, "opaque")
        notes += doubts_of(proved)
    with watch("check lift"):
        checks.append(require(check_module("flat = source", flat, resolved, trials)))
        scalars = trials[0].scalars
        identity = identity_of_flat(resolved, [text], flat, scalars, seed=seed, ranges=ranges)
        checks += [require(identity)] if identity else []
        mod, rung = raised.mod, raised.rung
        check = check_module(f"raised ({rung}) = source", mod, resolved, trials)
        wrong = not check.ok and rung != "opaque"
        if each_pass or wrong:
            steps = _check_steps(program, resolved, trials)
            checks += [one for one in steps if one.ok]
            blamed = next((f" ({one.name})" for one in steps if not one.ok), "")
        if wrong:
            notes.append(f"the raised form was dropped: {check.detail}{blamed}")
            mod, rung = fallback, "opaque"
            proved = obligations(reading, fallback, rung)
            check = check_module(f"raised ({rung}) = source", mod, resolved, trials)
        checks.append(require(check))
    raceless = holds_throughout(proved, "race")
    return Lifted(
        resolved,
        program,
        flat,
        mod,
        rung,
        tuple(notes),
        (
            *(f"{s.name} is {s.value}" for s in resolved.scalars if s.value is not None),
            *(one for one in program.assumptions if one != NO_RACES or not raceless),
            *trusted(ranges),
            *(raised.assumptions if rung != "opaque" else ()),
        ),
        tuple(checks),
        trials,
        fallback,
        text,
        ranges,
        proved,
        watch.seconds,
    )


def _check_steps(program: Program, kernel: Kernel, trials: Sequence[Trial]) -> list[Check]:
    """What each pass of raising made, against the source; the first that is wrong ends the list.

    Forms whose intermediates do not fit are passed over.
    """
    from .frontends.raising import MEMORY_LIMIT, steps_of

    checks: list[Check] = []
    for step in steps_of(program)[1:]:
        if step.bytes <= MEMORY_LIMIT:
            name = f"after pass {step.name!r} = source"
            checks.append(check_module(name, step.mod, kernel, trials))
            if not checks[-1].ok:
                break
    return checks


def _unwritten_notes(kernel: Kernel, trials: Sequence[Trial]) -> list[str]:
    """What the source leaves of its outputs as it was."""
    from .verification import unwritten_outputs

    counts = unwritten_outputs(kernel, trials[0].outputs)
    sizes = {tensor.name: tensor.size for tensor in kernel.tensors}
    return [
        f"{count} of the {sizes[name]} elements of {name!r} are never written"
        for name, count in counts.items()
        if count
    ]


def _distinct_places(reading: Reading) -> dict[str, tuple[int, int]]:
    """The ranges of a kernel's inputs, those that places are chosen by as `Distinct`; empty where
    there are none."""
    if not reading.thread.placed & reading.value_ranges.keys():
        return {}
    return {
        name: Distinct(bounds) if name in reading.thread.placed else bounds
        for name, bounds in reading.value_ranges.items()
    }


def _source_runs(
    reading: Reading,
    text: str,
    seed: int,
    ranges: Mapping[str, tuple[int, int]],
    watch: Stopwatch,
) -> tuple[list[Start], list[dict[str, np.ndarray]], list[Check], list[str]]:
    """The source from each start: the starts, what it left, the checks that it passed, doubts."""
    kernel = reading.kernel
    with watch("check bounds"):
        starts = starts_of(kernel, seed, ranges)
        checks = [check_bounds(kernel, reading, starts)]
    with watch("run source"):
        outputs, check = run_source(kernel, text, starts)
        checks.append(check)
    with watch("check source"):
        check, doubts = check_faults(kernel, text, starts[0])
        checks.append(check)
    return starts, outputs, checks, doubts
