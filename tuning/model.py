"""The cost model: gradient-boosted trees that rank candidates, with a say in how sure they are.

Times of different programs do not compare, so what is learnt is order: pairs of candidates of one
program (XGBoost's `rank:pairwise`). Scores are therefore without unit; higher is faster. Nor do
features: beside each stands by how much it differs from what is usual among the program's
candidates, the reference, and that carries over from program to program. On CPUs the trees start
from what `cycles` says and learn where it is wrong. Several ensembles see different samples of the
data, and where they disagree the model does not know: that is `Scores.doubt`. What is measured
during a search is learnt on top of what was known before, so that a model brings what it has learnt
from other programs.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from xpiler_tvm.errors import SetupError

from .features import NAMES, SCHEMA

FORMAT = 2
MEMBERS, ROUNDS, MORE_ROUNDS = 4, 150, 30
TRUST = {"vnni": 0.75}
"""What a doubling of the modelled cycles takes off a score to start with."""
GRADES = 31
"""Steps of relevance that times are turned into: what XGBoost can tell apart in a ranking."""

PARAMETERS: dict[str, Any] = {
    "objective": "rank:pairwise",
    "lambdarank_pair_method": "mean",
    "lambdarank_num_pair_per_sample": 8,
    "max_depth": 2,
    "eta": 0.1,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "min_child_weight": 0.5,
    "nthread": 1,
    "verbosity": 0,
}


@dataclass(frozen=True, eq=False)
class Group:
    """Candidates of one program: features a row each, and seconds. `operator` is what it is.

    `reference` are usual features of the program's candidates, by default the medians of these.
    """

    features: np.ndarray
    seconds: np.ndarray
    operator: str = ""
    reference: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Scores:
    """Of candidates: higher is faster, and how far the ensembles are apart."""

    mean: np.ndarray
    doubt: np.ndarray


@dataclass(eq=False)
class CostModel:
    """Boosters that rank; without any, all candidates are alike."""

    target: str
    boosters: list[xgboost.Booster] = field(default_factory=list)

    def fit(self, groups: Sequence[Group], *, seed: int = 0, rounds: int = ROUNDS) -> None:
        """Learn from groups anew."""
        self.boosters = self._fitted(groups, seed, rounds, [None] * MEMBERS)

    def adapted(self, group: Group, *, seed: int = 0) -> CostModel:
        """The model with what one program's trials say on top; itself where they say too little."""
        if len(group.seconds) < 4 or len(set(group.seconds)) < 2:
            return self
        before = self.boosters or [None] * MEMBERS
        return CostModel(self.target, self._fitted([group], seed, MORE_ROUNDS, before))

    def scores(self, features: np.ndarray, reference: np.ndarray | None = None) -> Scores:
        """Of one program's candidates, a row each; see `Group` for the reference."""
        if not self.boosters or not len(features):
            return Scores(np.zeros(len(features)), np.ones(len(features)))
        data = xgboost.DMatrix(**self._seen(features, reference))
        said = np.stack([each.predict(data, output_margin=True) for each in self.boosters])
        scale = said.std() or 1.0
        return Scores(said.mean(axis=0) / scale, said.std(axis=0) / scale)

    def _fitted(
        self, groups: Sequence[Group], seed: int, rounds: int, before: Sequence[Any]
    ) -> list[xgboost.Booster]:
        seen = [self._seen(group.features, group.reference) for group in groups]
        data = xgboost.DMatrix(
            **{name: np.concatenate([each[name] for each in seen]) for name in seen[0]},
            label=np.concatenate([grades(group.seconds) for group in groups]),
        )
        data.set_group([len(group.seconds) for group in groups])
        return [
            xgboost.train({**PARAMETERS, "seed": seed + place}, data, rounds, xgb_model=old)
            for place, old in enumerate(before)
        ]

    def _seen(self, features: np.ndarray, reference: np.ndarray | None) -> dict[str, np.ndarray]:
        """What the boosters see of candidates, and the scores that they start from."""
        usual = np.median(features, axis=0) if reference is None else reference
        relative = features - usual
        trust = TRUST.get(self.target.partition(":")[0], 0.0)
        return {
            "data": np.concatenate([features, relative], axis=1),
            "base_margin": -trust * relative[:, NAMES.index("cycles")],
        }

    # ------------------------------------------------------------ files

    def save(self, path: str | Path) -> None:
        """Write the model with its format, the features' schema and the target, as zipped JSON."""
        about = {"format": FORMAT, "schema": SCHEMA, "features": list(NAMES), "target": self.target}
        boosters = [json.loads(bytes(each.save_raw("json"))) for each in self.boosters]
        text = json.dumps({**about, "boosters": boosters}, separators=(",", ":"))
        Path(path).write_bytes(gzip.compress(text.encode(), mtime=0))

    @classmethod
    def load(cls, path: str | Path) -> CostModel:
        """Read a model. Raises `SetupError` XP6006 where it is none, or of another version."""
        try:
            found = json.loads(gzip.decompress(Path(path).read_bytes()))
            version = found["format"], found["schema"], tuple(found["features"])
            boosters = found["boosters"]
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise SetupError("XP6006", f"{path} is no cost model: {error}") from None
        if version != (FORMAT, SCHEMA, NAMES):
            raise SetupError(
                "XP6006",
                f"{path} is of format {version[0]} and schema {version[1]}, "
                f"not {FORMAT} and {SCHEMA}",
                hint="train it again: benchmarks/train_models.py",
            )
        read = [xgboost.Booster(PARAMETERS) for _ in boosters]
        for booster, said in zip(read, boosters, strict=True):
            booster.load_model(bytearray(json.dumps(said).encode()))
        return cls(str(found["target"]), read)

    @classmethod
    def shipped(cls, target: str) -> CostModel:
        """The model of a target that comes with the package; one that knows nothing without."""
        family = target.partition(":")[0]
        path = resources.files(__package__) / "models" / f"{family}.json.gz"
        with resources.as_file(path) as file:
            return cls.load(file) if file.exists() else cls(family)


def grades(seconds: np.ndarray) -> np.ndarray:
    """Times as relevance, 0 for the slowest: equal steps in the logarithm, most near the best."""
    slowness = np.log2(np.asarray(seconds, float) / np.min(seconds))
    steps = GRADES * np.exp2(-slowness)
    return np.round(steps).astype(np.int32)
