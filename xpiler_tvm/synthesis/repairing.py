"""`repair`: a broken kernel becomes one that does what another does, or a reason why not."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from xpiler_tvm.errors import Span, XpilerError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.pairing import Subject, pair
from xpiler_tvm.stopwatch import cpu_seconds

from .grammar import Change, numbers_of, ordered
from .holes import patched, rendered
from .localising import span_of
from .search import NEAR, Budget, Changes, Search
from .solving import solve
from .specification import Specification, accepted
from .tracing import wanted_indices
from .trials import TextTrials

Verdict = Literal["repaired", "equal", "unsatisfiable", "out of budget"]

RUNS = 20_000
"""Runs of the emulator that one repair may take, unless told otherwise."""
_CANDIDATES = 12


@dataclass(frozen=True)
class Edit:
    """A place of the text and what stands there instead; `kind` is what was wrong with it."""

    span: Span
    kind: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.span}: {self.kind}: {self.before} -> {self.after}"


@dataclass(frozen=True, eq=False)
class Repair:
    """What `repair` came to.

    Attributes
    ----------
    verdict : `repaired`; `equal` where nothing was wrong; `unsatisfiable` where no change of the
        grammar helps; `out of budget`.
    kernel : the repaired kernel; the broken one where there is none.
    edits : what was changed.
    checks : the evidence: of the repaired kernel, or of what is wrong with the last candidate.
    reason : why there is no repair.
    tried : runs that the search took.
    """

    verdict: Verdict
    broken: Kernel
    kernel: Kernel
    edits: tuple[Edit, ...] = ()
    checks: tuple[Check, ...] = ()
    reason: str = ""
    tried: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether `kernel` does what the other does."""
        return self.verdict in ("repaired", "equal")

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        name = self.broken.filename
        lines = difflib.unified_diff(
            self.broken.source.splitlines(keepends=True),
            self.kernel.source.splitlines(keepends=True),
            name,
            name,
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        from xpiler_tvm.report import as_dict, span_as_dict

        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "edits": [
                {
                    "kind": one.kind,
                    "before": one.before,
                    "after": one.after,
                    **span_as_dict(one.span),
                }
                for one in self.edits
            ],
            "diff": self.diff,
            "evidence": as_dict(self.checks, {})["evidence"],
            "runs": self.tried,
            "seconds": round(self.seconds, 6),
        }


def repair(
    broken: Kernel,
    like: Kernel,
    *,
    runs: int = RUNS,
    arch: str | None = None,
    specification: Specification | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> Repair:
    """Changes integers of `broken` until it does what `like` does.

    Indices, bounds, guards, strides, counts, thread mappings and parameters of intrinsics may be
    changed, several at once. A repair is only accepted when it agrees with `like` on all families
    of inputs and a checked build finds no fault.

    Parameters
    ----------
    broken, like : of any dialects; what one does not say of sizes is taken from the other.
    runs : of the emulator, that the search may take.
    specification : of `like`, from an earlier repair; it saves running `like` again.
    progress : told what is being done.

    Raises
    ------
    ReadError, SetupError
        Where a kernel cannot be run at all, as `xpiler_tvm.check` does.
    """
    begun = cpu_seconds()
    source, subject = pair(like, broken)
    specification = specification or Specification(source)
    progress("running the source")
    examples = specification.examples(subject)
    progress("compiling the broken kernel with holes")
    isolated = specification.isolated(subject)
    trials = TextTrials(subject, examples, isolated=isolated, arch=arch)
    session = _Session(specification, subject, trials, Budget(runs), progress)
    done = session.run()
    return replace(
        done,
        broken=broken,
        kernel=replace(broken, source=done.kernel.source) if done.ok else broken,
        tried=session.budget.used,
        seconds=cpu_seconds() - begun,
    )


class _Session:
    """One repair of a text."""

    def __init__(
        self,
        specification: Specification,
        subject: Subject,
        trials: TextTrials,
        budget: Budget,
        progress: Callable[[str], None],
    ) -> None:
        self.specification, self.subject, self.trials = specification, subject, trials
        self.budget, self.progress = budget, progress
        self.refused: list[Check] = []

    def run(self) -> Repair:
        kernel = self.subject.kernel
        if self.trials.base.right:
            checks = self.specification.checks(self.subject)
            if accepted(checks):
                return Repair("equal", kernel, kernel, (), tuple(checks))
            self.refused = checks
        sizes = [extent for tensor in kernel.tensors for extent in tensor.shape or ()]
        sizes += [int(one.value) for one in kernel.scalars if isinstance(one.value, int)]
        numbers = numbers_of(self.subject.text, sizes)
        changes = ordered(self.trials.sites, numbers)
        search = Search(
            self.trials, changes, self.trials.base, self.budget, lambda: self._solved(numbers)
        )
        self.progress(f"{len(self.trials.sites)} places, {len(changes)} changes")
        for number, found in enumerate(search.solutions()):
            if number == _CANDIDATES:
                break
            repaired = self._accepted(found)
            if repaired is not None:
                return repaired
        return self._refusal(search)

    def _solved(self, numbers: Sequence[int]) -> list[Changes]:
        """What z3 makes of traces: one index each, and all of them together."""
        if self.trials.base.failed:
            return []
        self.progress("solving for indices that traces tell")
        found = []
        for site, samples in wanted_indices(self.specification, self.trials):
            answer = solve(samples, numbers)
            if answer.fill is not None:
                found.append(Change(site, answer.fill, NEAR))
        together = [tuple(found)] if len(found) > 1 else []
        return [*((one,) for one in found), *together]

    def _accepted(self, found: Changes) -> Repair | None:
        """The repair of these changes, where the text with them passes all checks."""
        kernel, pairs = self.subject.kernel, [(one.site, one.fill) for one in found]
        text = patched(self.subject.text, pairs)
        source = _patched_source(kernel.source, self.subject.text, pairs)
        if source is None:
            return None
        candidate = replace(self.subject, kernel=replace(kernel, source=source), text=text)
        self.progress("checking a candidate")
        try:
            checks = self.specification.checks(candidate)
        except XpilerError as error:
            self.refused = [Check("repaired: compiles", "refuted", error.message)]
            return None
        if not accepted(checks):
            self.refused = checks
            return None
        edits = tuple(
            Edit(
                span_of(kernel, one.site.node),
                one.site.kind,
                one.site.text,
                rendered(one.site, one.fill),
            )
            for one in found
        )
        return Repair("repaired", kernel, candidate.kernel, edits, tuple(checks))

    def _refusal(self, search: Search) -> Repair:
        kernel = self.subject.kernel
        if self.budget.left == 0:
            reason = f"no repair within {self.budget.runs} runs"
            verdict: Verdict = "out of budget"
        else:
            verdict = "unsatisfiable"
            reason = (
                f"none of {len(search.changes)} changes of {len(self.trials.sites)} integers, nor "
                "what was tried of several at once, makes the outputs right"
            )
        if self.refused:
            last = next((one for one in self.refused if one.verdict == "refuted"), self.refused[-1])
            reason += f"; the last candidate failed: {last.name}: {last.detail}"
        return Repair(verdict, kernel, kernel, (), tuple(self.refused), reason)


def _patched_source(source: str, text: str, changes: Sequence[Any]) -> str | None:
    """The whole file with the changes; `None` where the text that is compiled differs there."""
    if len(source) != len(text):
        return _by_lines(source, text, changes)
    for site, _ in changes:
        node = site.node
        if source[node.start : node.end] != node.text:
            return None
    return patched(source, changes)


def _by_lines(source: str, text: str, changes: Sequence[Any]) -> str | None:
    """The same where lines, but not characters, of the two correspond."""
    theirs, mine = source.split("\n"), patched(text, changes).split("\n")
    before = text.split("\n")
    if not len(theirs) == len(mine) == len(before):
        return None
    for at, (old, new) in enumerate(zip(before, mine, strict=True)):
        if old != new:
            if theirs[at] != old:
                return None
            theirs[at] = new
    return "\n".join(theirs)
