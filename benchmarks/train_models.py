"""Trials of many operators, and the cost models that are trained on them.

    python benchmarks/train_models.py --target vnni
    python benchmarks/train_models.py --target bang --trials 32 --operators gemm,softmax

Each operator of `speed/operators.py` is searched at random and by evolution, without a model. What
came out within some times of the best is timed once more, all of an operator's candidates beside
each other in several rounds, as times that were taken one after the other are as noisy as the
machine. Trials go into a folder of records and are not made twice: the script can be stopped at any
time and goes on where it was. Then `tuning/models/<target>.npz` (the trials) and `.json.gz` (the
model) are written: those that come with the package.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

import tvm
from speed.operators import Operator, operators
from speed.tuned import bench_of, inputs_of, raised

from xpiler_tvm import targets
from xpiler_tvm.errors import SetupError, XpilerError
from xpiler_tvm.tuning.bench import GIVE_UP, Bench
from xpiler_tvm.tuning.dataset import Trials, load, save, trials_of
from xpiler_tvm.tuning.model import CostModel
from xpiler_tvm.tuning.records import Database
from xpiler_tvm.tuning.search import Options
from xpiler_tvm.tuning.space import Space, key_of
from xpiler_tvm.tuning.tree import uniform
from xpiler_tvm.tuning.tuner import tune

MODELS = Path(__file__).parent.parent / "tuning" / "models"


def collect(operator: Operator, target: str, database: Database, trials: int) -> Trials | None:
    """The operator's trials, those on record and as many new ones as are missing."""
    mod = raised(operator)
    known = database.records(workload=key_of(mod), target=target)
    if sum(not record.final for record in known) < trials:
        tune(
            mod,
            target,
            trials=trials,
            db=database,
            options=Options(use_model=False, prior=uniform),
            model=CostModel(target),
            inputs=inputs_of(operator),
        )
    space = Space(mod, target)
    runs = []
    for record in database.records(workload=key_of(mod), target=target):
        candidate = space.at(record.decisions) if record.ok and not record.final else None
        if candidate is not None and record.seconds is not None:
            runs.append((candidate.scheduled.mod, record.seconds))
    if len(runs) < 8:
        return None
    theirs = targets.get(target).target() if target == "vnni" else None
    again = beside(runs, bench_of(operator, mod, target))
    return trials_of(operator.family, operator.name, again, target, theirs)


def beside(
    runs: list[tuple[tvm.IRModule, float]], bench: Bench
) -> list[tuple[tvm.IRModule, float]]:
    """The same programs, with times that were taken beside each other where they are close."""
    limit = GIVE_UP * min(seconds for _, seconds in runs)
    close = [place for place, (_, seconds) in enumerate(runs) if seconds <= limit]
    times = bench.again([runs[place][0] for place in close])
    found = dict(zip(close, times, strict=True))
    return [(program, found.get(place, first)) for place, (program, first) in enumerate(runs)]


def kept(operator: Operator, given: argparse.Namespace, database: Database) -> Trials | None:
    """What `collect` gives, from a file of the records' folder where it has been there before."""
    file = Path(given.records) / f"{given.target}-{operator.name}.npz"
    if file.exists():
        with suppress(SetupError):  # of another schema
            (trials,) = load(file)
            return trials
    found = collect(operator, given.target, database, given.trials)
    if found is not None:
        save(file, [found])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", default="vnni", choices=["vnni", "bang", "cuda", "hip"])
    parser.add_argument("--operators", default="", help="prefixes of names, by commas")
    parser.add_argument("--trials", type=int, default=48, help="of each operator")
    parser.add_argument("--records", default="build/tuning", help="folder of the records")
    parser.add_argument("-o", "--output", default=str(MODELS), help="where the files go")
    given = parser.parse_args()
    wanted = tuple(filter(None, given.operators.split(",")))
    database = Database(Path(given.records))
    found: list[Trials] = []
    for operator in operators():
        if wanted and not operator.name.startswith(wanted):
            continue
        try:
            trials = kept(operator, given, database)
        except XpilerError as error:
            print(f"{operator.name}: {str(error).splitlines()[0]}", flush=True)
            continue
        if trials is not None:
            found.append(trials)
            spread = trials.seconds.max() / trials.seconds.min()
            count = len(trials.seconds)
            print(f"{operator.name}: {count} trials, {spread:.1f} x apart", flush=True)
    output = Path(given.output)
    output.mkdir(parents=True, exist_ok=True)
    save(output / f"{given.target}.npz", found)
    model = CostModel(given.target)
    model.fit([trials.group for trials in found])
    model.save(output / f"{given.target}.json.gz")
    print(f"{len(found)} operators, {sum(len(each.seconds) for each in found)} trials")


if __name__ == "__main__":
    main()
