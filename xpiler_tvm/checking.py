"""`check`: faults of one kernel, and whether two kernels of any dialects do the same.

Nothing has to be lifted. Where a kernel can be lifted without much ado, its flat program gives a
reference in double precision and bounds of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dialects.bang import DEFAULT_ARCH, Mode
from .dialects.simt import DEFAULT_GPUS
from .errors import CheckError, Span, XpilerError
from .evidence import Check
from .kernel import Kernel
from .pairing import Subject, alone, pair
from .stopwatch import cpu_seconds

if TYPE_CHECKING:
    import numpy as np

    from .emulation import Finding
    from .verification.reference import Reference

RUN_SECONDS = 60.0
_ORDINALS = ("first", "second")
SEEDS = (0, 1)


@dataclass(frozen=True, eq=False)
class CheckReport:
    """What `check` found.

    Attributes
    ----------
    kernels : the one or two kernels, with entry, parameters and launch.
    findings : what is wrong with a kernel by itself, with its place.
    checks : comparisons, and how the runs went.
    notes : what the result depends on: devices, the mode of BANG C, what was left out.
    seconds : CPU seconds, all together.
    """

    kernels: tuple[Kernel, ...]
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """No finding, and no check that says no."""
        return not self.findings and all(check.verdict != "refuted" for check in self.checks)

    @property
    def title(self) -> str:
        return " against ".join(Path(kernel.filename).name for kernel in self.kernels)

    def __str__(self) -> str:
        from .report import Section, text

        lines = [f"{finding}\n" for finding in self.findings]
        return "\n".join([*lines, text([Section(self.title, self.checks, {}, self.notes)])])

    def _repr_html_(self) -> str:
        from .display import report_page

        return report_page(self)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        from .report import as_dict, kernel_as_dict, span_as_dict

        return {
            "ok": self.ok,
            "kernels": [kernel_as_dict(kernel) for kernel in self.kernels],
            "findings": [
                {
                    "kind": finding.kind,
                    "message": finding.message,
                    **span_as_dict(finding.span),
                    "who": finding.who,
                    "memory": finding.memory,
                    "other": span_as_dict(finding.other) or None,
                    "times": finding.times,
                }
                for finding in self.findings
            ],
            "checks": as_dict(self.checks, {})["evidence"],
            "notes": list(self.notes),
            "seconds": round(self.seconds, 6),
        }


@dataclass(frozen=True)
class Options:
    """How the kernels run: device by kernel, the mode of BANG C, CPU seconds of a run."""

    archs: tuple[str | None, str | None]
    mode: Mode | None
    seconds: float


@dataclass
class _Found:
    """What has come out so far."""

    findings: list[Finding] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def note(self, found: Sequence[Finding]) -> None:
        """Adds what has not been seen: the same kind at the same line is told once."""
        for one in found:
            place = _place(one.span)
            known = [(other.kind, _place(other.span)) for other in self.findings]
            if (one.kind, place) not in known:
                self.findings.append(one)


def _place(span: Span | None) -> tuple[str, int] | None:
    return (span.file, span.line) if span else None


def check(
    kernel_a: Kernel,
    kernel_b: Kernel | None = None,
    *,
    seeds: Sequence[int] = SEEDS,
    arch: str | None = None,
    arch_b: str | None = None,
    mode: Mode | None = None,
    seconds: float = RUN_SECONDS,
    allow_unwritten: bool = False,
) -> CheckReport:
    """Runs one kernel and looks for faults, or two and compares them too.

    Two kernels may be of different dialects; their parameters are matched in order, and what one
    text does not say (sizes, values of scalars) is taken from the other. Both get the same inputs
    of every family of `verification.inputs`, and outputs are compared within error bounds; where
    they are polynomials, also for identity over a finite field.

    Parameters
    ----------
    seeds : of the inputs; each is one run with every family.
    arch, arch_b : devices, keys of `dialects.simt.GPUS` or `dialects.bang.ARCHS`.
    mode : how BANG C is read: by the hardware's rules, or as public kernels informally mean it;
        by default as each kernel says.
    seconds : CPU seconds that one run may take.
    allow_unwritten : whether elements of an output may be left alone.

    Raises
    ------
    ReadError, SetupError
        Where a kernel cannot be run at all: its text or launch is not understood (XP1…), or the
        emulator's compiler refuses it (XP6003). What goes wrong in a run is a finding.
    """
    begun = cpu_seconds()
    if kernel_b is None:
        subjects: tuple[Subject, ...] = (alone(kernel_a),)
    else:
        subjects = pair(kernel_a, kernel_b)
    options = Options((arch, arch_b), mode, seconds)
    session = _Session(subjects, options, tuple(seeds) or SEEDS, allow_unwritten)
    session.run()
    return CheckReport(
        tuple(subject.kernel for subject in subjects),
        tuple(session.found.findings),
        tuple(session.found.checks),
        tuple(_notes(subjects, options)),
        cpu_seconds() - begun,
    )


def _notes(subjects: Sequence[Subject], options: Options) -> list[str]:
    notes = []
    for subject, arch in zip(subjects, options.archs, strict=False):
        kernel = subject.kernel
        if kernel.dialect == "vnni":
            continue
        default = DEFAULT_ARCH if kernel.dialect == "bang" else DEFAULT_GPUS[kernel.dialect]
        mode = f", {options.mode or kernel.mode} mode" if kernel.dialect == "bang" else ""
        notes.append(f"{_label(kernel)}: emulated as {arch or default}{mode}")
    return notes


def _label(kernel: Kernel) -> str:
    name = Path(kernel.filename).name
    return f"{kernel.dialect} kernel" if name == "<source>" else name


class _Session:
    """The runs of one `check`."""

    def __init__(
        self,
        subjects: tuple[Subject, ...],
        options: Options,
        seeds: tuple[int, ...],
        allow_unwritten: bool,
    ) -> None:
        self.subjects = subjects
        self.options = options
        self.seeds = seeds
        self.allow_unwritten = allow_unwritten
        self.found = _Found()
        self.kernel = subjects[0].kernel
        self.names = tuple(tensor.name for tensor in self.kernel.tensors)
        labels = [_label(subject.kernel) for subject in subjects]
        if len(set(labels)) < len(labels):
            labels = [f"{label} ({where})" for label, where in zip(labels, _ORDINALS, strict=True)]
        self.labels = labels

    def run(self) -> None:
        for number in range(len(self.subjects)):
            self._look_for_faults(number)
        reference = self._reference()
        outputs = self._compare_families(reference)
        if len(self.subjects) == 2 and outputs:
            self._compare_identity()

    # ------------------------------------------------------------ running

    def _execute(
        self, number: int, inputs: dict[str, np.ndarray], build: Any = "fast"
    ) -> tuple[dict[str, np.ndarray], tuple[Finding, ...]]:
        """One run on arrays by the first kernel's names; `checked`: with all that finds faults."""
        from .emulation import find_faults, run_text

        subject = self.subjects[number]
        execute = find_faults if build == "checked" else partial(run_text, build=build)
        run = execute(
            subject.kernel,
            subject.renamed(inputs, self.names),  # type: ignore[arg-type]
            text=subject.text,
            seconds=self.options.seconds,
            arch=self.options.archs[number],
            mode=self.options.mode,
        )
        own = (tensor.name for tensor in subject.kernel.tensors)
        arrays = {name: run.arrays[mine] for mine, name in zip(own, self.names, strict=True)}
        return arrays, run.findings

    def _look_for_faults(self, number: int) -> None:
        """The checked build, on random inputs of the first seed."""
        from .emulation.findings import from_error
        from .verification import inputs_for

        subject, begun = self.subjects[number], cpu_seconds()
        name = f"{self.labels[number]}: checked run"
        inputs = inputs_for(self.kernel, self.seeds[0], "random", self.subjects[0].ranges)
        try:
            _, findings = self._execute(number, inputs, "checked")
        except XpilerError as error:
            one = from_error(error)
            if one is None:
                raise
            findings = (one,)
        self.found.note(findings)
        spent = cpu_seconds() - begun
        if findings:
            kinds = ", ".join(dict.fromkeys(finding.kind for finding in findings))
            check = Check(name, "refuted", f"{len(findings)} findings: {kinds}", None, spent)
        else:
            detail = f"{subject.kernel.dialect} emulated with every access watched: no finding"
            check = Check(name, "tested", detail, None, spent)
        self.found.checks.append(check)

    def _look_for_unwritten(self, number: int, outputs: dict[str, np.ndarray]) -> None:
        """Elements of outputs that no thread has written."""
        import numpy as np

        from .emulation import Finding, is_unwritten
        from .verification import unwritten_outputs

        kernel = self.subjects[number].kernel
        for name, count in unwritten_outputs(self.kernel, outputs).items():
            array = outputs[name]
            if self.allow_unwritten and count < array.size:
                continue
            first = np.argwhere(is_unwritten(array).reshape(array.shape))[0]
            mine = kernel.tensors[self.names.index(name)].name
            place = f"{mine}[{', '.join(str(int(i)) for i in first)}]"
            message = (
                f"{kernel.entry!r} leaves {count} of the {array.size} elements of its output "
                f"{mine!r} as they were, the first is {place}"
            )
            self.found.note([Finding("unwritten output", message, _entry_span(kernel))])

    # ------------------------------------------------------------ comparing

    def _compare_families(self, reference: Reference | None) -> bool:
        """Runs every family of inputs; whether all kernels came through."""
        from .emulation.findings import from_error
        from .verification import inputs_for, rounds, worst_of

        compared: dict[str, list[Check]] = {}
        for family, seed in rounds(self.kernel, self.seeds):
            inputs = inputs_for(self.kernel, seed, family, self.subjects[0].ranges)
            results = []
            for number in range(len(self.subjects)):
                try:
                    outputs, _ = self._execute(number, inputs)
                except CheckError as error:
                    one = from_error(error)
                    if one is None:
                        raise
                    self.found.note([one])
                    return False
                self._look_for_unwritten(number, outputs)
                results.append(outputs)
            for check in self._compare(family, inputs, results, reference):
                compared.setdefault(check.name, []).append(check)
        for checks in compared.values():
            count = f"{len(checks)} runs" if len(checks) > 1 else "1 run"
            worst = worst_of(checks)
            spent = sum(check.seconds for check in checks)
            detail = f"{count}: {worst.detail}" if worst.ok else worst.detail
            self.found.checks.append(replace(worst, detail=detail, seconds=spent))
        return True

    def _compare(
        self,
        family: str,
        inputs: dict[str, np.ndarray],
        results: list[dict[str, np.ndarray]],
        reference: Reference | None,
    ) -> list[Check]:
        """The checks of one set of inputs."""
        from .verification import compare

        checks = []
        limits = reference.limits([(inputs, {})])[0] if reference else None
        if len(results) == 2:
            begun = cpu_seconds()
            name = f"{self.labels[1]} = {self.labels[0]}, {family} inputs"
            bounds = limits.bounds if limits else None
            check = compare(name, results[0], results[1], self.kernel, inputs=inputs, bounds=bounds)
            checks.append(replace(check, seconds=cpu_seconds() - begun))
        if limits is not None and limits.values:
            for label, outputs in zip(self.labels, results, strict=True):
                begun = cpu_seconds()
                check = limits.check(f"{label} = float64 reference", outputs, self.kernel)
                checks.append(replace(check, seconds=cpu_seconds() - begun))
        return checks

    def _reference(self) -> Reference | None:
        """The first kernel that can be read as a program, in double precision."""
        from .frontends import read
        from .frontends.program import to_module
        from .verification.reference import Reference

        for subject in self.subjects:
            if subject.kernel.dialect not in ("cuda", "hip", "vnni"):
                continue
            try:
                reading = read(subject.kernel)
                return Reference.of(to_module(reading.program), self.kernel)
            except XpilerError:
                continue
        return None

    def _compare_identity(self) -> None:
        from .verification.identity import check_identity, exact_scalars

        exact = tuple(
            replace(subject, kernel=exact_scalars(subject.kernel)) for subject in self.subjects
        )
        given, self.subjects = self.subjects, exact

        def runner(number: int) -> Callable[[Any, Any], list[dict[str, np.ndarray]]]:
            return lambda points, build: [
                self._execute(number, dict(inputs), build)[0] for inputs in points
            ]

        begun = cpu_seconds()
        try:
            check = check_identity(
                f"{self.labels[1]} = {self.labels[0]}, identity over F_p",
                self.kernel,
                (runner(0), runner(1)),
                tuple(subject.text for subject in exact),
                seed=self.seeds[0],
                ranges=exact[0].ranges,
            )
        finally:
            self.subjects = given
        if check is not None:
            self.found.checks.append(replace(check, seconds=cpu_seconds() - begun))


def _entry_span(kernel: Kernel) -> Span | None:
    """Where the kernel's name stands first in its text."""
    name = (kernel.entry or "").partition("<")[0]
    for number, line in enumerate(kernel.source.splitlines(), 1):
        column = line.find(f" {name}(") + 1
        if column and not line.lstrip().startswith("//"):
            return Span(kernel.filename, number, column + 1, len(name), line)
    return None
