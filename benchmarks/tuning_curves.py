"""How fast searches find fast schedules: the best so far after 1, 2, 4 … 64 trials.

    python benchmarks/tuning_curves.py
    python benchmarks/tuning_curves.py --target bang --seeds 2 --trials 16 --operators gemm_f32
    python benchmarks/tuning_curves.py --plot build/curves

Arms: random choices; MetaSchedule's own space, evolution and model, measured as ours are (vnni
only: it has no space for MLUs); ours without a prior and without the rules' schedule to start from;
ours as it is; ours with proposals of a scripted language model, some of them nonsense; and ours
with a prior that is against the rules' choices and proposals that are bad.

A run is a line of `--records`, written when it is done, and is not made twice: the script can be
stopped at any time. Times are measured for vnni (thread CPU time) and modelled for bang. A program
is measured once, whoever chooses it and however often: arms differ by what they choose alone.
`--plot` needs matplotlib (`pip install 'xpiler-tvm[plots]'`).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tvm
from speed.operators import operators
from speed.tuned import bench_of, raised

from xpiler_tvm.schedules.knobs import Knob, Value
from xpiler_tvm.tuning.bench import Bench, Kind, Outcome
from xpiler_tvm.tuning.model import CostModel
from xpiler_tvm.tuning.search import Options, Search
from xpiler_tvm.tuning.space import Space, key_of
from xpiler_tvm.tuning.tree import uniform

OPERATORS = "gemm_f32@512,gemm_u8s8@512,conv2d_nhwc_f32,softmax,layernorm,depthwise@"
Curve = list[float]
IN_VAIN = 64
"""Choices by chance, one after the other, that bring nothing new: few programs are left."""


@dataclass(frozen=True, eq=False)
class Remembered:
    """A bench that looks at each program once."""

    bench: Bench
    known: dict[str, Outcome] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return self.bench.kind

    def outcome(self, scheduled: tvm.IRModule, best: float | None = None) -> Outcome:
        key = key_of(scheduled)
        if key not in self.known:
            self.known[key] = self.bench.outcome(scheduled, best)
        return self.known[key]

    def again(self, programs: Sequence[tvm.IRModule]) -> list[float]:
        return self.bench.again(programs)


# -- Arms -----------------------------------------------------------------------------------------


def by_chance(space: Space, bench: Bench, trials: int, seed: int) -> Curve:
    """Every decision any option, programs that were not tried yet."""
    generator, known, seconds = random.Random(seed), set[str](), list[float]()
    in_vain = 0
    while len(seconds) < trials and in_vain < IN_VAIN:
        candidate = space.sample(generator, changes=1.0)
        in_vain += 1
        if candidate is not None and candidate.key not in known:
            in_vain = 0
            known.add(candidate.key)
            found = bench.outcome(candidate.scheduled.mod, min(seconds, default=None))
            seconds.append(float("inf") if found.seconds is None else found.seconds)
    return seconds


def by_metaschedule(space: Space, bench: Bench, trials: int, seed: int) -> Curve | None:
    """MetaSchedule as it comes, with its own space; `None` where it has none."""
    if not space.target.startswith("vnni"):
        return None
    from tvm.s_tir import meta_schedule as ms

    from xpiler_tvm.tuning.strategy import measured_by

    seconds: Curve = []

    class Listening:
        kind = bench.kind

        def outcome(self, program: tvm.IRModule, best: float | None = None):
            found = bench.outcome(program, best)
            seconds.append(float("inf") if found.seconds is None else found.seconds)
            return found

    builder, runner = measured_by(Listening())
    target = tvm.target.Target({"kind": "llvm", "mcpu": "cascadelake", "num-cores": 1})
    with tempfile.TemporaryDirectory() as folder:
        ms.tune_tir(
            space.mod,
            target,
            folder,
            trials,
            num_trials_per_iter=16,
            builder=builder,
            runner=runner,
            num_tuning_cores=1,
            seed=seed + 1,
        )
    return seconds[:trials]


def searched(options: Callable[[Space, int], Options], *, trained: bool = True):
    """An arm that is our search with some options."""

    def arm(space: Space, bench: Bench, trials: int, seed: int) -> Curve:
        model = CostModel.shipped(space.target) if trained else CostModel(space.target)
        search, seconds = Search(space, model, options(space, seed)), list[float]()
        while len(seconds) < trials:
            batch = search.propose(min(8, trials - len(seconds)))
            if not batch:
                break
            for candidate in batch:
                found = bench.outcome(candidate.scheduled.mod, min(seconds, default=None))
                search.observe(candidate, found)
                seconds.append(float("inf") if found.seconds is None else found.seconds)
        return seconds

    return arm


def against(_: Mapping[str, Value], knob: Knob) -> Sequence[float]:
    """Everything but the rules' choices."""
    return [0.05 if each == knob.default else 1.0 for each in knob.options]


def scripted(space: Space, seed: int) -> Options:
    """What a language model might propose: sizes in the middle, a rule it knows, and nonsense."""
    middle = {
        knob.name: sorted(each for each in knob.options if isinstance(each, int))[-2]
        for knob in space.default.knobs
        if sum(isinstance(each, int) for each in knob.options) > 2
    }
    starts: list[dict[str, Value]] = [middle, {"rule": "the best one"}, {"tile": 64}]
    return Options(seed=seed, starts=starts)


def misled(space: Space, seed: int) -> Options:
    """Extremes as proposals, and a prior that keeps away from what is good."""
    extremes = {knob.name: knob.options[-1] for knob in space.default.knobs}
    return Options(seed=seed, starts=[extremes], prior=against, default=False)


ARMS: dict[str, Callable[[Space, Bench, int, int], Curve | None]] = {
    "random": by_chance,
    "MetaSchedule": by_metaschedule,
    "no prior": searched(
        lambda _, seed: Options(seed=seed, prior=uniform, default=False), trained=False
    ),
    "rules": searched(lambda _, seed: Options(seed=seed)),
    "scripted model": searched(scripted),
    "adversarial": searched(misled),
}


# -- Runs -----------------------------------------------------------------------------------------


def steps(trials: int) -> list[int]:
    """1, 2, 4 … up to the number of trials."""
    return [1 << power for power in range(trials.bit_length())]


def known(records: Path) -> dict[tuple[str, str, str, int, int], Curve]:
    """The runs on record, by target, operator, arm, trials and seed."""
    found = {}
    for line in records.read_text().splitlines() if records.exists() else ():
        try:
            run = json.loads(line)
        except ValueError:
            continue  # half a line of a run that was stopped
        key = (run["target"], run["operator"], run["arm"], run["trials"], run["seed"])
        found[key] = [float("inf") if each is None else each for each in run["seconds"]]
    return found


def missing(given: argparse.Namespace, names: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    done = known(Path(given.records))
    for name in names:
        for seed in range(given.seeds):
            for arm in given.arms.split(","):
                if (given.target, name, arm, given.trials, seed) not in done:
                    yield name, arm, seed


def table(given: argparse.Namespace, names: Sequence[str]) -> None:
    """Median and quartiles of the best so far, in microseconds."""
    done = known(Path(given.records))
    columns = steps(given.trials)
    heads = "".join(f"{count:>20}" for count in columns)
    kind = "measured" if given.target == "vnni" else "modelled"
    print(f"{given.target}, us {kind}: median (quartiles) after trials\n{'':<42}{heads}")
    for name in names:
        for arm in given.arms.split(","):
            keys = [(given.target, name, arm, given.trials, seed) for seed in range(given.seeds)]
            curves = [np.minimum.accumulate(done[key]) * 1e6 for key in keys if done.get(key)]
            cells = ""
            for count in columns if curves else ():
                best = [curve[min(count, len(curve)) - 1] for curve in curves]
                low, middle, high = np.percentile(best, [25, 50, 75], method="nearest")
                cells += f"{middle:>8.4g} ({low:.3g}-{high:.3g})".rjust(20)
            print(f"{name:<26}{arm:<16}{cells or '-'}")


def plot(given: argparse.Namespace, names: Sequence[str], folder: Path) -> None:
    """A picture for each operator."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    done = known(Path(given.records))
    for name in names:
        figure, axes = pyplot.subplots(figsize=(6, 4))
        for arm in given.arms.split(","):
            keys = [(given.target, name, arm, given.trials, seed) for seed in range(given.seeds)]
            curves = [np.minimum.accumulate(done[key]) * 1e6 for key in keys if done.get(key)]
            if not curves:
                continue
            length = min(map(len, curves))
            best = np.array([curve[:length] for curve in curves])
            low, middle, high = np.percentile(best, [25, 50, 75], axis=0, method="nearest")
            places = np.arange(1, length + 1)
            axes.plot(places, middle, label=arm)
            axes.fill_between(places, low, high, alpha=0.2)
        axes.set(xscale="log", yscale="log", xlabel="trials", ylabel="best so far (us)", title=name)
        axes.legend()
        figure.tight_layout()
        figure.savefig(folder / f"{given.target}-{name.split('@')[0]}.png", dpi=120)
        pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", default="vnni", choices=["vnni", "bang"])
    parser.add_argument("--operators", default=OPERATORS, help="prefixes, by commas")
    parser.add_argument("--arms", default=",".join(ARMS), help="by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--records", default="build/curves.jsonl", help="the runs, a line each")
    parser.add_argument("--plot", metavar="DIR", help="draw what is on record, run nothing")
    given = parser.parse_args()
    chosen = {
        one.name: one
        for one in operators()
        if one.name.startswith(tuple(given.operators.split(",")))
    }
    if given.plot:
        plot(given, list(chosen), Path(given.plot))
        return
    made: dict[str, tuple[Space, Bench]] = {}
    for name, arm, seed in list(missing(given, list(chosen))):
        if name not in made:
            mod = raised(chosen[name])
            bench = Remembered(bench_of(chosen[name], mod, given.target))
            made[name] = Space(mod, given.target), bench
        seconds = ARMS[arm](*made[name], given.trials, seed)
        run = {
            "target": given.target,
            "operator": name,
            "arm": arm,
            "trials": given.trials,
            "seed": seed,
            "seconds": [each if np.isfinite(each) else None for each in seconds or ()],
        }
        Path(given.records).parent.mkdir(parents=True, exist_ok=True)
        with Path(given.records).open("a") as file:
            file.write(json.dumps(run) + "\n")
    table(given, list(chosen))


if __name__ == "__main__":
    main()
