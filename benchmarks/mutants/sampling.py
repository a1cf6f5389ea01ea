"""Which mutants are tried: some of every kind, dialect and kernel."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .fault import ProgramFault, TextFault
from .judging import Original
from .program_faults import program_faults
from .text_faults import text_faults

PROGRAM, RAISED = "program", "raised"
"""What flat programs, and what passes make of them, count as where texts have a dialect."""

FORMS = ("text", PROGRAM, RAISED)
"""What faults are put into."""


@dataclass(frozen=True, eq=False)
class Mutant:
    original: Original
    fault: TextFault | ProgramFault

    @property
    def kernel(self) -> str:
        return self.original.case.name

    @property
    def kind(self) -> str:
        return self.fault.kind

    @property
    def dialect(self) -> str:
        if not isinstance(self.fault, ProgramFault):
            return self.original.case.dialect
        return PROGRAM if self.fault.flat else RAISED

    @property
    def place(self) -> str:
        if isinstance(self.fault, ProgramFault):
            return f"{self.kernel}: {self.fault.place}"
        return f"{self.kernel}:{self.fault.line(self.original.kernel.source)}"


def mutants_of(original: Original, forms: Collection[str] = FORMS) -> Iterator[Mutant]:
    """Every mutant of a kernel's text, of its flat program, and of what passes make of that."""
    if "text" in forms:
        for fault in text_faults(original.kernel):
            yield Mutant(original, fault)
    if PROGRAM in forms and original.flat is not None:
        for changed in program_faults(original.flat):
            yield Mutant(original, changed)
    if RAISED in forms:
        for step in original.steps:
            if not step.flat:
                of = f"what pass {step.name!r} made"
                for changed in program_faults(step.mod, of, flat=False):
                    yield Mutant(original, changed)


def in_turn(mutants: Iterable[Mutant], seed: int) -> list[Mutant]:
    """The mutants in an order of which every beginning is a stratified sample.

    One of each dialect and kind in turn; within these one of each kernel in turn; which one is
    drawn from `seed`.
    """
    rng = random.Random(seed)
    strata = _groups(mutants, lambda mutant: (mutant.dialect, mutant.kind))
    orders = []
    for stratum in strata:
        kernels = _groups(stratum, lambda mutant: mutant.kernel)
        for kernel in kernels:
            rng.shuffle(kernel)
        rng.shuffle(kernels)
        orders.append(_round_robin(kernels))
    return _round_robin(orders)


def _groups(mutants: Iterable[Mutant], key: Callable[[Mutant], Any]) -> list[list[Mutant]]:
    """Mutants by their key, in the order of the keys."""
    found: dict[Any, list[Mutant]] = {}
    for mutant in mutants:
        found.setdefault(key(mutant), []).append(mutant)
    return [found[name] for name in sorted(found)]


def _round_robin(lists: list[list[Mutant]]) -> list[Mutant]:
    """The first of each list, then the second of each, and so on."""
    longest = max(map(len, lists), default=0)
    return [one[number] for number in range(longest) for one in lists if number < len(one)]
