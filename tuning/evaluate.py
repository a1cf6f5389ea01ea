"""How well cost models order candidates of operators that they have not seen.

    python -m xpiler_tvm.tuning.evaluate
    python -m xpiler_tvm.tuning.evaluate --target bang --trials my.npz --json

One operator family at a time is left out: models are trained on all others and order its programs'
candidates. Beside ours stand the roofline alone, which learns nothing, and TVM's `XGBModel` with
its own features and settings where the trials have them. Figures are means over programs:

    Spearman    rank correlation of scores and speeds
    pairs       share of pairs that are in the right order, of those 5 % and more apart
    top 5       share of programs of whose five best-ranked candidates one is within 5 % of the best
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from .dataset import Trials, load, shipped
from .model import CostModel

NEAR, TOP = 1.05, 5

Ranker: TypeAlias = "Callable[[Trials], np.ndarray]"
"""Scores of a program's candidates; higher is faster."""


@dataclass(frozen=True)
class Figures:
    """What a model reaches on a set of programs; see above."""

    spearman: float
    pairs: float
    top: float
    programs: int

    def __str__(self) -> str:
        return f"{self.spearman:9.2f}{self.pairs:9.2f}{self.top:9.2f}{self.programs:10d}"


def ours(training: Sequence[Trials], target: str) -> Ranker:
    """Our model, trained anew."""
    model = CostModel(target)
    model.fit([trials.group for trials in training])
    return lambda trials: model.scores(trials.features).mean


def roofline(training: Sequence[Trials], target: str) -> Ranker:
    """The roofline: no training."""
    return lambda trials: -trials.roof


def theirs(training: Sequence[Trials], target: str) -> Ranker | None:
    """TVM's model, as it trains itself; `None` where the trials lack its features."""
    if not all(trials.stores for trials in training):
        return None
    from tvm.s_tir.meta_schedule.cost_model.xgb_model import XGBModel

    model = XGBModel(num_tuning_cores=1, verbose_eval=10_000)
    relative = [trials.seconds.min() / trials.seconds for trials in training]
    model._train([rows for trials in training for rows in trials.stores], np.concatenate(relative))
    return lambda trials: np.asarray(model._predict(list(trials.stores)))


MODELS: dict[str, Callable[[Sequence[Trials], str], Ranker | None]] = {
    "ours": ours,
    "roofline": roofline,
    "TVM's": theirs,
}


def evaluate(everything: Sequence[Trials], target: str, model: str = "ours") -> Figures | None:
    """A model's figures, each operator family left out in turn; `None` where it cannot be trained.

    Programs whose candidates are all within 5 % of each other say nothing about order and are left
    out of Spearman and of the pairs.
    """
    spearman, pairs, tops = [], [], []
    for operator in sorted({trials.operator for trials in everything}):
        training = [trials for trials in everything if trials.operator != operator]
        ranker = MODELS[model](training, target)
        if ranker is None:
            return None
        for trials in everything:
            if trials.operator != operator:
                continue
            scores = ranker(trials)
            tops.append(_top(scores, trials.seconds))
            if trials.seconds.max() > NEAR * trials.seconds.min():
                spearman.append(_spearman(scores, -trials.seconds))
                pairs.append(_pairs(scores, trials.seconds))
    return Figures(float(np.mean(spearman)), float(np.mean(pairs)), float(np.mean(tops)), len(tops))


def _spearman(one: np.ndarray, two: np.ndarray) -> float:
    """Correlation of ranks; equal values share the mean of theirs. 0 where all are equal."""
    ranks = [_ranks(each) for each in (one, two)]
    if any(each.std() == 0 for each in ranks):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[place]


def _pairs(scores: np.ndarray, seconds: np.ndarray) -> float:
    """The share of pairs in the right order; a tie is half right."""
    apart = seconds[:, None] * NEAR < seconds[None, :]
    difference = scores[:, None] - scores[None, :]
    right = (difference > 0) + 0.5 * (difference == 0)
    return float(right[apart].mean()) if apart.any() else 1.0


def _top(scores: np.ndarray, seconds: np.ndarray) -> float:
    chosen = np.argsort(-scores, kind="stable")[:TOP]
    return float(seconds[chosen].min() <= NEAR * seconds.min())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", default="vnni", choices=["vnni", "bang", "cuda", "hip"])
    parser.add_argument("--trials", help="a file of benchmarks/train_models.py; else the shipped")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    trials = load(Path(given.trials)) if given.trials else shipped(given.target)
    found = {name: evaluate(trials, given.target, name) for name in MODELS}
    if given.json:
        print(json.dumps({name: one and asdict(one) for name, one in found.items()}, indent=2))
        return 0
    families = len({each.operator for each in trials})
    count = sum(len(each.seconds) for each in trials)
    kind = "measured" if given.target == "vnni" else "modelled"
    print(f"{given.target}: {count} trials ({kind}), {families} operators, one left out at a time")
    print(f"{'':<12}{'Spearman':>9}{'pairs':>9}{'top 5':>9}{'programs':>10}")
    for name, figures in found.items():
        print(f"{name:<12}{figures}" if figures else f"{name:<12}{'-':>9}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
