"""What becomes of a broken kernel with other numbers in its text: runs against what is right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from xpiler_tvm.emulation.repeated import Ending, Repeated
from xpiler_tvm.errors import SetupError
from xpiler_tvm.pairing import Subject

from . import holes
from .holes import Fill
from .sites import Site, sites_of
from .specification import Example
from .tree import functions

Fills = Mapping[int, Fill]

_FLAGS = ("-O1",)
_MASS = 1 << 20
# Iterations of all loops together, of a kernel that nobody has seen come to its end.
_FUEL = 1 << 17
_EACH = 64  # iterations of a thread of such a kernel


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    `wrong` counts elements of outputs, of a run that `failed` those that it left wrong; `mass` is
    the sum of their errors, each at most one of its output's size, and `mark` a hash of what is
    there.
    """

    wrong: int
    mass: int = 0
    mark: int = 0
    fuel: int = 0
    failed: bool = False

    @property
    def right(self) -> bool:
        return self.wrong == 0 and not self.failed

    @property
    def badness(self) -> tuple[int, bool, int]:
        """What is smaller the more is right."""
        return (self.wrong, self.failed, self.mass)


_LOST = Outcome(1 << 40, failed=True)


class Trials(Protocol):
    """A program with holes."""

    sites: Sequence[Site]
    examples: Sequence[Example]
    isolating: Sequence[int]

    def run(self, fills: Sequence[Fills], example: int = 0) -> list[Outcome]:
        """What becomes of it with each of the `fills`, on one of the examples."""


class TextTrials:
    """A kernel's text with holes.

    `examples` are inputs with what is right for them, under the kernel's own names; the last
    `isolated` of them tell inputs apart and are no part of what is required.
    """

    def __init__(
        self,
        subject: Subject,
        examples: Sequence[Example],
        *,
        isolated: Sequence[Example] = (),
        arch: str | None = None,
    ) -> None:
        self.subject, self._arch = subject, arch
        self.examples: Sequence[Example] = [*examples, *isolated]
        self.isolating: Sequence[int] = range(len(examples), len(self.examples))
        kernel, text = subject.kernel, subject.text
        self.sites: Sequence[Site] = sites_of(functions(kernel, text), kernel.dialect)
        self._runners: dict[int, Repeated] = {}
        self._compile()

    def _compile(self) -> None:
        """Compiles the text with as many holes as the compiler takes.

        Where one must be a constant the compiler says in which line, and the line loses its holes.
        """
        for _ in range(4):
            try:
                self._runners[0] = self._runner(0)
                return
            except SetupError as error:
                line = error.span.line - self._moved if error.span and error.code == "XP6003" else 0
                kept = [site for site in self.sites if not _covers(site, line)]
                if len(kept) == len(self.sites):
                    raise
                self.sites = [replace(site, number=at) for at, site in enumerate(kept)]
        self._runners[0] = self._runner(0)

    @property
    def _moved(self) -> int:
        return holes.prelude(len(self.sites)).count("\n")

    def _runner(self, example: int) -> Repeated:
        if example in self._runners:
            return self._runners[example]
        made = Repeated(
            self.subject.kernel,
            self.examples[example].inputs,
            text=holes.with_holes(self.subject.text, self.sites),
            variables={
                holes.ROWS: holes.table(len(self.sites), {}, 0),
                holes.LOG: np.zeros(1 + holes.LOG_ROOM * holes.LOG_WIDTH, np.int64),
            },
            arch=self._arch,
            flags=_FLAGS,
        )
        self._runners[example] = made
        return made

    @cached_property
    def base(self) -> Outcome:
        """What the text does as it stands."""
        return self._run([{}], 0, 16 * _FUEL)[0]

    @cached_property
    def fuel(self) -> int:
        """How many iterations of loops a repaired text may take."""
        elements = sum(tensor.size for tensor in self.subject.kernel.tensors)
        used = 0 if self.base.failed else min(self.base.fuel, 4 * _FUEL)
        launch = self.subject.kernel.launch
        extents = (*launch.grid, *launch.block) if launch else ()
        threads = math.prod(one for one in extents if isinstance(one, int))
        return max(_FUEL // 4, 32 * elements, _EACH * threads, 8 * used)

    def run(self, fills: Sequence[Fills], example: int = 0) -> list[Outcome]:
        return self._run(fills, example, self.fuel)

    def _run(self, fills: Sequence[Fills], example: int, fuel: int) -> list[Outcome]:
        count = len(self.sites)
        settings = [{holes.ROWS: holes.table(count, one, fuel)} for one in fills]
        judge = _Judge(self.examples[example], fuel)
        rows = self._runner(example).run(settings, judge, 5)
        return [_outcome(row) for row in rows]

    def log(self, sites: Sequence[int]) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
        """What the sites held in a run of the text as it stands, and the outputs it left.

        Lines of the log are site, value, operands (`holes.LOG_WIDTH`). `None` where the run failed.
        """
        setting = {holes.ROWS: holes.table(len(self.sites), {}, self.fuel, sites)}
        names = list(self.examples[0].outputs)
        found = self._runner(0).observe(setting, [holes.LOG, *names])
        if found is None:
            return None
        log = found.pop(holes.LOG)
        return log[1 : 1 + log[0] * holes.LOG_WIDTH].reshape(-1, holes.LOG_WIDTH), found


def _covers(site: Site, line: int) -> bool:
    last = site.line + site.text.count("\n")
    return site.line <= line <= last


def _outcome(ending: Ending | None) -> Outcome:
    if ending is None:
        return _LOST
    wrong, mass, mark, fuel, ended = ending.numbers
    return Outcome(wrong, mass, mark, fuel, failed=not (ending.clean and ended))


class _Judge:
    """Compares outputs with what is right, in the worker."""

    def __init__(self, example: Example, fuel: int) -> None:
        self.example, self.fuel = example, fuel

    def __call__(self, views: Mapping[str, np.ndarray]) -> Sequence[int]:
        wrong, mass, mark = 0, 0.0, 0
        for name, expected in self.example.outputs.items():
            actual = views[name].reshape(-1)
            bad, error = _errors(expected, actual, self.example.limits[name])
            wrong += int(bad.sum())
            mass += float(error.sum())
            mark = hash((mark, actual.tobytes())) & ((1 << 62) - 1)
        left = int(views[holes.ROWS][-1])
        return [wrong, int(mass * _MASS), mark, self.fuel - left, int(left > 0)]


def _errors(
    expected: np.ndarray, actual: np.ndarray, limit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which elements are wrong, and by how much, at most one."""
    with np.errstate(all="ignore"):
        value = actual.astype(np.float64)
        error = np.abs(value - expected)
        same = (error <= limit) | (value == expected) | (np.isnan(value) & np.isnan(expected))
        plain = np.where(np.isfinite(error), error, np.inf)
        scale = max(float(np.nanmean(np.abs(expected))) if expected.size else 0.0, 1e-30)
        return ~same, np.where(same, 0.0, np.minimum(1.0, plain / scale))
