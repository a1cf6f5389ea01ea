"""Our search as MetaSchedule's: `ms.tune_tir(..., space=..., strategy=...)`.

    space, strategy = in_metaschedule(mod, "vnni")
    builder, runner = measured_by(bench)
    ms.tune_tir(mod, target, work_dir, 32, space=space, strategy=strategy,
                builder=builder, runner=runner)

MetaSchedule keeps its database and task scheduler, and may keep its builders and runners; which
candidates it measures is decided by `search.Search`. The space generator gives the rules' own
schedule, which other strategies of MetaSchedule's can start from, too. With builder and runner of
ours its own strategies are measured as ours are: verified, in forks of this process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tvm
from tvm.ir.utils import derived_object
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms

from .bench import Bench, Outcome
from .metaschedule import replays
from .model import CostModel
from .search import Options, Search
from .space import Candidate, Space


def in_metaschedule(
    mod: tvm.IRModule,
    target: str,
    *,
    options: Options | None = None,
    model: CostModel | None = None,
) -> tuple[Any, Any]:
    """A space generator and a search strategy for a program, to be handed to MetaSchedule.

    Candidates whose trace does not fit the program as it is, because their rule starts from
    another form of it, are passed over: MetaSchedule could not record them.

    Raises `ScheduleError` XP3001 where no rule applies.
    """
    space = Space(mod, target)
    search = Search(space, model or CostModel.shipped(target), options or Options())
    return _Generator(space), _Strategy(search)


@derived_object
class _Generator(ms.space_generator.PySpaceGenerator):
    """The rules' schedule as a space of one."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.sch_rules: list[Any] = []
        self.postprocs: list[Any] = []
        self.mutator_probs: dict[Any, Any] = {}

    def _initialize_with_tune_context(self, context: ms.TuneContext) -> None:
        pass

    def generate_design_space(self, mod: tvm.IRModule) -> list[Schedule]:
        return [self.space.default.scheduled.schedule]

    def clone(self) -> Any:
        return _Generator(self.space)


@derived_object
class _Strategy(ms.search_strategy.PySearchStrategy):
    """Hands what our search proposes to MetaSchedule, and its results back."""

    def __init__(self, search: Search) -> None:
        super().__init__()
        self.search = search
        self.left = 0
        self.batch = 0
        self.waiting: list[Candidate] = []

    def _initialize_with_tune_context(self, context: ms.TuneContext) -> None:
        pass

    def pre_tuning(
        self,
        max_trials: int,
        num_trials_per_iter: int,
        design_spaces: Sequence[Schedule],
        database: ms.database.Database | None = None,
        cost_model: ms.cost_model.CostModel | None = None,
    ) -> None:
        self.left, self.batch = max_trials, num_trials_per_iter

    def post_tuning(self) -> None:
        self.waiting = []

    def generate_measure_candidates(self) -> list[ms.MeasureCandidate] | None:
        found: list[Candidate] = []
        while self.left > 0 and not found:
            proposed = self.search.propose(min(self.batch, self.left))
            if not proposed:
                return None
            for candidate in proposed:
                if replays(self.search.space.mod, candidate.scheduled):
                    found.append(candidate)
                else:
                    why = "its trace is of another form of the program"
                    self.search.observe(candidate, Outcome(None, "measured", why))
        if not found:
            return None
        self.left -= len(found)
        self.waiting = found
        arguments = ms.arg_info.ArgInfo.from_prim_func(self.search.space.mod["main"])
        return [ms.MeasureCandidate(each.scheduled.schedule, arguments) for each in found]

    def notify_runner_results(
        self, measure_candidates: Sequence[ms.MeasureCandidate], results: Sequence[Any]
    ) -> None:
        for candidate, result in zip(self.waiting, results, strict=True):
            times = [float(each) for each in result.run_secs or ()]
            why = str(result.error_msg or "no time")
            outcome = Outcome(min(times), "measured") if times else Outcome(None, "measured", why)
            self.search.observe(candidate, outcome)
        self.waiting = []

    def clone(self) -> Any:
        return _Strategy(self.search)


# -- Measuring ------------------------------------------------------------------------------------


def measured_by(bench: Bench) -> tuple[Any, Any]:
    """A builder and a runner for MetaSchedule that measure by a bench."""
    return _Builder(), _Runner(bench)


@derived_object
class _Builder(ms.builder.PyBuilder):
    """Writes a program down: it is compiled where it is measured."""

    def build(self, build_inputs: Sequence[Any]) -> list[Any]:
        found = []
        for each in build_inputs:
            # MetaSchedule removes the whole folder of an artifact.
            path = Path(tempfile.mkdtemp(prefix="xpiler-")) / "program.json"
            path.write_text(tvm.ir.save_json(each.mod), encoding="utf-8")
            found.append(ms.builder.BuilderResult(str(path), None))
        return found


@derived_object
class _Runner(ms.runner.PyRunner):
    """Measures what the builder wrote down."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.best: float | None = None

    def run(self, runner_inputs: Sequence[Any]) -> list[Any]:
        return [_Known(self._result(each.artifact_path)) for each in runner_inputs]

    def _result(self, path: str) -> Any:
        program = tvm.ir.load_json(Path(path).read_text(encoding="utf-8"))
        outcome = self.bench.outcome(program, self.best)
        if outcome.seconds is None:
            return ms.runner.RunnerResult(None, outcome.why)
        self.best = min(self.best or outcome.seconds, outcome.seconds)
        return ms.runner.RunnerResult([outcome.seconds], None)


@derived_object
class _Known(ms.runner.PyRunnerFuture):
    """A result that is there already."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found

    def done(self) -> bool:
        return True

    def result(self) -> Any:
        return self.found
