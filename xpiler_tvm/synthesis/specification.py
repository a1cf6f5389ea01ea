"""What a repaired kernel has to do: the outputs of the emulated source on all inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from xpiler_tvm.emulation import find_faults, run_text
from xpiler_tvm.emulation.findings import from_error
from xpiler_tvm.errors import CheckError, XpilerError
from xpiler_tvm.evidence import Check
from xpiler_tvm.pairing import Subject
from xpiler_tvm.verification import FAMILIES, compare, inputs_for, rounds, unwritten_outputs
from xpiler_tvm.verification.identity import check_identity, exact_scalars
from xpiler_tvm.verification.inputs import Family
from xpiler_tvm.verification.reference import Reference
from xpiler_tvm.verification.tolerances import bound, likely_terms

Arrays = Mapping[str, np.ndarray]
Sample = tuple[Arrays, Arrays, Arrays | None]
"""Inputs, outputs, and the bounds of errors where these are known."""

SEEDS = (0, 1)
# The order in which candidates see them: the first tells most about indices.
ORDER: tuple[Family, ...] = ("indexed", "random", "peaked", "extreme")
SECONDS = 20.0
# A candidate may take so much more than the source, and at least a second.
_PATIENCE = 20.0
_MOST_ISOLATED = 4


@dataclass(frozen=True, eq=False)
class Example:
    """Inputs by name, and for each output what is right, flat and in float64, and the bound."""

    inputs: Arrays
    outputs: Arrays
    limits: Arrays


class Specification:
    """What a source kernel does.

    Everything of the source is worked out once, so that many candidates may be held against it.
    """

    def __init__(
        self, source: Subject, *, arch: str | None = None, allow_unwritten: bool = True
    ) -> None:
        self.source, self._arch, self._allow = source, arch, allow_unwritten
        self.kernel = source.kernel
        self._spent = 0.0
        self.names = tuple(tensor.name for tensor in self.kernel.tensors)

    @cached_property
    def runs(self) -> dict[tuple[Family, int], Sample]:
        """Inputs, outputs and bounds by family and seed.

        Raises what running the source raises.
        """
        assert set(ORDER) == set(FAMILIES)
        found: dict[tuple[Family, int], Sample] = {}
        for family, seed in rounds(self.kernel, SEEDS, ORDER):
            inputs = inputs_for(self.kernel, seed, family, self.source.ranges)
            outputs = self.run(self.source, inputs)
            limits = self._reference.limits([(inputs, {})])[0] if self._reference else None
            found[family, seed] = inputs, outputs, limits.bounds if limits else None
        return found

    @cached_property
    def _reference(self) -> Reference | None:
        """The source in double precision, where it can be read."""
        from xpiler_tvm.frontends import read
        from xpiler_tvm.frontends.program import to_module

        if self.kernel.dialect == "bang":
            return None
        try:
            return Reference.of(to_module(read(self.kernel).program), self.kernel)
        except XpilerError:
            return None

    def run(self, subject: Subject, inputs: Arrays, build: Any = "fast") -> dict[str, np.ndarray]:
        """The arrays that a kernel leaves, by the source's names."""
        arrays, _ = self._execute(subject, inputs, build)
        return arrays

    def _execute(
        self, subject: Subject, inputs: Arrays, build: Any
    ) -> tuple[dict[str, np.ndarray], tuple[Any, ...]]:
        execute = find_faults if build == "checked" else partial(run_text, build=build)
        given = subject.renamed(inputs, self.names)
        arch = self._arch if subject is self.source else None
        limit = SECONDS
        if subject.kernel.source != self.kernel.source and build != "checked":
            limit = min(limit, 1.0 + _PATIENCE * self._spent)
        done = execute(
            subject.kernel,
            given,  # type: ignore[arg-type]
            text=subject.text,
            seconds=limit,
            arch=arch,
        )
        if subject is self.source:
            self._spent = max(self._spent, done.seconds)
        own = (tensor.name for tensor in subject.kernel.tensors)
        named = {name: done.arrays[mine] for mine, name in zip(own, self.names, strict=True)}
        return named, done.findings

    # ------------------------------------------------------------ for the search

    def examples(self, subject: Subject) -> list[Example]:
        """One of each family, under the names of a candidate."""
        return [self._example(subject, family) for family in ORDER]

    def isolated(self, subject: Subject) -> list[Example]:
        """For each input one example in which all other inputs are constant.

        What goes wrong with the others then does not show: one mistake of several is seen alone.
        """
        return [self._as_example(subject, *one) for one in self._isolated]

    @cached_property
    def _isolated(self) -> list[Sample]:
        inputs, _, _ = self.runs["indexed", 0]
        given = [tensor for tensor in self.kernel.tensors if tensor.intent != "out"]
        found: list[Sample] = []
        for kept in given if len(given) > 1 else []:
            plain = dict(inputs)
            for tensor in given:
                if tensor is not kept and tensor.name not in self.source.ranges:
                    plain[tensor.name] = np.ones_like(inputs[tensor.name])
            with suppress(CheckError):
                found.append((plain, self.run(self.source, plain), None))
        return found[:_MOST_ISOLATED]

    def _example(self, subject: Subject, family: Family) -> Example:
        return self._as_example(subject, *self.runs[family, 0])

    def _as_example(
        self, subject: Subject, inputs: Arrays, outputs: Arrays, bounds: Arrays | None
    ) -> Example:
        right, limits = {}, {}
        for tensor, mine in zip(self.kernel.tensors, subject.kernel.tensors, strict=True):
            if not tensor.written:
                continue
            expected = outputs[tensor.name].astype(np.float64).reshape(-1)
            limit = (bounds or {}).get(tensor.name)
            if "float" not in tensor.dtype:
                limit = np.zeros(expected.shape)
            elif limit is None:
                limit = bound(outputs[tensor.name], tensor.dtype, likely_terms(self.kernel))
            right[mine.name] = expected
            limits[mine.name] = np.asarray(limit, np.float64).reshape(-1)
        given = subject.renamed(inputs, self.names)
        return Example(given, right, limits)  # type: ignore[arg-type]

    # ------------------------------------------------------------ for acceptance

    def checks(self, candidate: Subject) -> list[Check]:
        """Everything that `xpiler_tvm.check` asks of two kernels, up to the first refutation.

        All families of inputs and their seeds within error bounds, a checked build without
        findings, and identity over a finite field where it can be decided.
        """
        found: list[Check] = []
        for (family, seed), (inputs, outputs, bounds) in self.runs.items():
            name = f"repaired = source, {family} inputs of seed {seed}"
            found.append(self._values(name, candidate, inputs, outputs, bounds))
            if not found[-1].ok:
                return found
        found.append(self._faults(candidate))
        if found[-1].ok:
            identity = self._identity(candidate)
            found += [identity] if identity else []
        return found

    def _values(
        self, name: str, candidate: Subject, inputs: Arrays, outputs: Arrays, bounds: Arrays | None
    ) -> Check:
        try:
            mine = self.run(candidate, inputs)
        except CheckError as error:
            return Check(name, "refuted", f"{error.code}: {error.message}")
        check = compare(name, outputs, mine, self.kernel, inputs=inputs, bounds=bounds)
        left = unwritten_outputs(self.kernel, mine)
        if check.ok and left and left != unwritten_outputs(self.kernel, outputs):
            return Check(name, "refuted", f"elements are left unwritten: {left}")
        return check

    def _faults(self, candidate: Subject) -> Check:
        name = "repaired: checked run"
        inputs = self.runs["random", SEEDS[0]][0]
        try:
            _, findings = self._execute(candidate, inputs, "checked")
        except XpilerError as error:
            one = from_error(error)
            if one is None:
                raise
            findings = (one,)
        if findings:
            return Check(name, "refuted", f"{findings[0].kind}: {findings[0].message}")
        return Check(name, "tested", "every access watched: no finding")

    def _identity(self, candidate: Subject) -> Check | None:
        exact = [_exact(self.source), _exact(candidate)]

        def runner(subject: Subject) -> Any:
            return lambda points, build: [
                self.run(subject, dict(inputs), build) for inputs in points
            ]

        return check_identity(
            "repaired = source, identity over F_p",
            self.kernel,
            (runner(exact[0]), runner(exact[1])),
            (exact[0].text, exact[1].text),
            seed=SEEDS[0],
            ranges=self.source.ranges,
        )


def _exact(subject: Subject) -> Subject:
    return replace(subject, kernel=exact_scalars(subject.kernel))


def accepted(checks: Sequence[Check]) -> bool:
    """Whether a candidate passed: nothing says no, and values were compared."""
    compared = [check for check in checks if check.name.startswith("repaired = source")]
    tested = any(check.verdict == "tested" for check in compared)
    return tested and all(check.verdict != "refuted" for check in checks)
