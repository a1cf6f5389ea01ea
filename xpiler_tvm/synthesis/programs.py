"""Repairs of TensorIR: integers of a PrimFunc, in its indices, extents and tests.

As in a text, every site reads a table when it is run, and the function is compiled once: a site
`e` becomes `e + plus + sum(weight_v * v)` over the variables `v` in it. Indices are kept inside of
their buffers while candidates are looked for; what is accepted runs as it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations, islice
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir
from xpiler_tvm.emulation import run_module_each
from xpiler_tvm.errors import CheckError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.oracles import check_module
from xpiler_tvm.pairing import alone
from xpiler_tvm.stopwatch import cpu_seconds
from xpiler_tvm.trials import Trial

from .repairing import Verdict
from .specification import ORDER, Specification, accepted

_TESTS = (tirx.LT, tirx.LE, tirx.GT, tirx.GE)
_BATCH, _PROMISING = 64, 16
_CANDIDATES = 24
RUNS = 4_000
_STEPS = (1, -1, 2, -2, 4, -4, 8, -8, 16, -16)
_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class ProgramSite:
    """An integer of a program: its number in the order of the walk, and what it is now."""

    number: int
    kind: str
    expr: Any
    variables: tuple[Any, ...]

    @property
    def weights(self) -> tuple[int, ...]:
        """What each variable is multiplied by; nothing where the site is not affine."""
        parts = tvm.sym.detect_linear_equation(self.expr, list(self.variables))
        found = [tir.as_const(part) for part in list(parts)[:-1]]
        return () if None in found or not found else tuple(int(one or 0) for one in found)


@dataclass(frozen=True, eq=False)
class ProgramChange:
    """What is added to a site: a number, and a multiple of each of its variables."""

    site: ProgramSite
    plus: int = 0
    weights: tuple[int, ...] = ()
    cost: float = 1.0

    def of(self, expr: Any) -> Any:
        """The site with the change."""
        dtype = tir.dtype_of(expr)
        changed = expr + tir.const(self.plus, dtype)
        for variable, weight in zip(self.site.variables, self.weights, strict=False):
            changed = changed + variable * tir.const(weight, dtype)
        return tvm.sym.Analyzer().simplify(changed)


Changes = tuple[ProgramChange, ...]


@dataclass(frozen=True, eq=False)
class ProgramRepair:
    """What `repair_program` came to: as `Repair`, with `mod` in place of a kernel."""

    verdict: Verdict
    broken: Any
    mod: Any
    checks: tuple[Check, ...] = ()
    reason: str = ""
    tried: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether `mod` does what the source does."""
        return self.verdict in ("repaired", "equal")

    @property
    def diff(self) -> str:
        """The change of the TVMScript as a unified diff."""
        before, after = (
            mod["main"].script().splitlines(keepends=True) for mod in (self.broken, self.mod)
        )
        return "".join(difflib.unified_diff(before, after, "broken", "repaired"))


def repair_program(
    broken: Any, like: Kernel, *, runs: int = RUNS, specification: Specification | None = None
) -> ProgramRepair:
    """Changes integers of a program until it does what `like` does.

    Parameters
    ----------
    broken : an IRModule with a function `main`, or a PrimFunc, flat or of SBlocks, whose parameters
        are the arrays of `like` in order; it binds no threads.
    like, runs, specification : as of `repair`.

    Raises
    ------
    ReadError, SetupError
        Where `like` cannot be run.
    """
    begun = cpu_seconds()
    mod = broken if isinstance(broken, tvm.IRModule) else tvm.IRModule({"main": broken})
    trials = ProgramTrials(mod, specification or Specification(alone(like)))
    checks = trials.checks(mod)
    done = ProgramRepair("equal", mod, mod, tuple(checks))
    if not accepted(checks):
        done = _searched(trials, runs)
    return replace(done, broken=mod, tried=trials.used, seconds=cpu_seconds() - begun)


def _searched(trials: ProgramTrials, runs: int) -> ProgramRepair:
    refused: list[Check] = []
    for found in islice(solutions(trials, runs), _CANDIDATES):
        mod = trials.changed(found)
        checks = trials.checks(mod)
        if accepted(checks):
            return ProgramRepair("repaired", mod, mod, tuple(checks))
        refused = checks
    spent = trials.used + _BATCH > runs
    verdict: Verdict = "out of budget" if spent else "unsatisfiable"
    reason = (
        f"no repair within {runs} runs"
        if spent
        else f"none of the changes of {len(trials.sites)} integers makes the outputs right"
    )
    return ProgramRepair(verdict, trials.mod, trials.mod, tuple(refused), reason)


@dataclass
class ProgramTrials:
    """A program with holes, run against what is right."""

    mod: Any
    specification: Specification
    used: int = 0
    sites: list[ProgramSite] = field(default_factory=list)

    def __post_init__(self) -> None:
        _rewritten(self.mod["main"], self._note)
        self.width = 1 + max((len(site.variables) for site in self.sites), default=0)

    def _note(self, number: int, kind: str, expr: Any, _: Any) -> Any:
        self.sites.append(ProgramSite(number, kind, expr, tuple(tir.variables(expr))))
        return expr

    @cached_property
    def _with_holes(self) -> Any:
        size = max(1, len(self.sites)) * self.width
        table = tirx.decl_buffer((size,), "int32", "holes")

        def hole(number: int, kind: str, expr: Any, extent: Any) -> Any:
            dtype = tir.dtype_of(expr)
            start = number * self.width

            def read(at: int) -> Any:
                value = table[tir.const(start + at, "int32")]
                return value if dtype == "int32" else tirx.Cast(dtype, value)

            changed = expr + read(0)
            for at, variable in enumerate(self.sites[number].variables):
                changed = changed + variable * read(1 + at)
            if kind != "index":
                return changed
            zero = tir.const(0, dtype)
            most = extent - 1 if not isinstance(extent, int) else tir.const(extent - 1, dtype)
            return tirx.max(zero, tirx.min(changed, most))

        func = _rewritten(self.mod["main"], hole)
        params = [*func.params, table]
        made = tirx.PrimFunc(params, func.body, func.ret_type, func.attrs)
        return tvm.IRModule({"main": made})

    def run(self, tried: Sequence[Changes]) -> list[tuple[int, float]]:
        """How many elements are wrong with each of the changes, and by how much."""
        found: list[tuple[int, float]] = []
        for first in range(0, len(tried), _BATCH):
            found += self._run(tried[first : first + _BATCH])
        self.used += len(tried)
        return found

    def _run(self, tried: Sequence[Changes]) -> list[tuple[int, float]]:
        inputs, outputs, _ = self.specification.runs["indexed", 0]
        names = self.specification.names
        starts = [([*(inputs[name] for name in names), self._table(one)], ()) for one in tried]
        try:
            runs = run_module_each(self._with_holes, starts, seconds=_SECONDS)
        except CheckError:
            if len(tried) == 1:
                return [(1 << 40, np.inf)]
            half = len(tried) // 2
            return [*self._run(tried[:half]), *self._run(tried[half:])]
        return [self._judge(dict(zip(names, run.arrays, strict=False)), outputs) for run in runs]

    def _judge(self, arrays: Any, outputs: Any) -> tuple[int, float]:
        wrong, mass = 0, 0.0
        for tensor in self.specification.kernel.tensors:
            if tensor.written:
                expected = outputs[tensor.name].astype(np.float64).reshape(-1)
                actual = arrays[tensor.name].astype(np.float64).reshape(-1)
                scale = float(np.nanmean(np.abs(expected))) + 1e-30
                with np.errstate(all="ignore"):
                    error = np.nan_to_num(np.abs(actual - expected) / scale, nan=1.0)
                bad = error > (1e-3 if "float" in tensor.dtype else 0.0)
                wrong += int(bad.sum())
                mass += float(np.minimum(error, 1.0)[bad].sum())
        return wrong, mass

    def _table(self, changes: Changes) -> np.ndarray:
        rows = np.zeros((max(1, len(self.sites)), self.width), np.int32)
        for one in changes:
            rows[one.site.number, 0] = one.plus
            rows[one.site.number, 1 : 1 + len(one.weights)] = one.weights
        return rows.reshape(-1)

    # ------------------------------------------------------------ what comes of it

    def changed(self, changes: Changes) -> Any:
        """The module with the changes written out."""
        by_number = {one.site.number: one for one in changes}

        def change(number: int, kind: str, expr: Any, extent: Any) -> Any:
            return by_number[number].of(expr) if number in by_number else expr

        return tvm.IRModule({"main": _rewritten(self.mod["main"], change)})

    def checks(self, mod: Any) -> list[Check]:
        """A program as it is against the source, on all families of inputs.

        An access outside an array, or of local memory that nothing has written, is refuted too.
        """
        kernel = self.specification.kernel
        runs = self.specification.runs
        return [
            check_module(
                f"repaired = source, {family} inputs",
                mod,
                kernel,
                [
                    Trial(dict(inputs), {}, dict(outputs))
                    for (one, _), (inputs, outputs, _) in runs.items()
                    if one == family
                ],
            )
            for family in ORDER
        ]


def solutions(trials: ProgramTrials, runs: int) -> Iterator[Changes]:
    """Sets of changes after which nothing is wrong on the first example, the nearest first."""
    base = trials.run([()])[0]
    singles = sorted(
        (one for site in trials.sites for one in _changes(site)), key=lambda one: one.cost
    )
    outcomes: dict[ProgramChange, tuple[int, float]] = {}
    for first in range(0, len(singles), _BATCH):
        part = singles[first : first + _BATCH]
        if trials.used + len(part) > runs:
            return
        found = trials.run([(one,) for one in part])
        outcomes.update(zip(part, found, strict=True))
        yield from ((one,) for one, out in zip(part, found, strict=True) if not out[0])
    better = [one for one in singles if outcomes[one] < base]
    best: dict[tuple[int, float], ProgramChange] = {}
    for one in better:
        best.setdefault(outcomes[one], one)
    good = sorted(best.values(), key=lambda one: outcomes[one])[:_PROMISING]
    pairs = [pair for pair in combinations(good, 2) if pair[0].site is not pair[1].site]
    if pairs and trials.used + len(pairs) <= runs:
        found = trials.run(pairs)
        yield from (pair for pair, out in zip(pairs, found, strict=True) if not out[0])


def _changes(site: ProgramSite) -> Iterator[ProgramChange]:
    for step in _STEPS:
        yield ProgramChange(site, step, (), 1 + abs(step) / 100)
    if site.kind != "index":
        return
    weights, count = site.weights, len(site.variables)

    def only(at: int, weight: int) -> tuple[int, ...]:
        return tuple(weight if one == at else 0 for one in range(count))

    for at, now in enumerate(weights):
        for step in (1, -1, 2, -2, -now, now):
            yield ProgramChange(site, 0, only(at, step), 1.1)
        for other in sorted(set(weights) - {now}):
            yield ProgramChange(site, 0, only(at, other - now), 1.2)
    for one, other in combinations(range(len(weights)), 2):
        difference = weights[other] - weights[one]
        both = [0] * count
        both[one], both[other] = difference, -difference
        yield ProgramChange(site, 0, tuple(both), 1.15)


def _rewritten(func: Any, change: Callable[[int, str, Any, Any], Any]) -> Any:
    """`func` with what `change` makes of each site: its number, kind, expression, and extent."""
    count = 0

    def next_site(kind: str, expr: Any, extent: Any = None) -> Any:
        nonlocal count
        count += 1
        return change(count - 1, kind, expr, extent)

    def indices(buffer: Any, given: Any) -> list[Any]:
        pairs = zip(given, buffer.shape, strict=True)
        return [
            next_site("index", one, extent) if tir.is_int(one) else one for one, extent in pairs
        ]

    def store(node: Any) -> Any:
        return tirx.BufferStore(node.buffer, node.value, indices(node.buffer, node.indices))

    def load(node: Any) -> Any:
        return node.source[tuple(indices(node.source, node.indices))]

    def loop(node: Any) -> Any:
        extent = next_site("bound", tir.as_expr(node.extent))
        return tirx.For(node.loop_var, node.min, extent, node.kind, node.body, node.thread_binding)

    def test(node: Any) -> Any:
        return type(node)(node.a, next_site("guard", node.b)) if tir.is_int(node.b) else node

    rules = [(tirx.BufferStore, store), (tir.Load, load), (tirx.For, loop)]
    rules += [(kind, test) for kind in _TESTS]
    return tvm_ffi.structural_map(func, rules, order="post")
