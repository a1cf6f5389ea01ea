"""Trials of many programs with their features: what cost models are trained on and judged by.

One compressed file of numpy's for each target. Beside our features stand those of TVM's model, a
row for each store of a candidate, so that both can be judged on the same trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm.target import Target

from xpiler_tvm.errors import SetupError

from .features import NAMES, SCHEMA, features_of
from .metaschedule import without_intrinsics
from .model import Group


@dataclass(frozen=True, eq=False)
class Trials:
    """One program's trials. `operator` is its family, `name` the program within it.

    `stores` has TVM's features of each candidate, where they were asked for.
    """

    operator: str
    name: str
    features: np.ndarray
    seconds: np.ndarray
    stores: tuple[np.ndarray, ...] = ()

    @property
    def group(self) -> Group:
        return Group(self.features, self.seconds, self.operator)

    @property
    def roof(self) -> np.ndarray:
        """The roofline's seconds of each candidate, as a logarithm."""
        return self.features[:, NAMES.index("roof")]


def trials_of(
    operator: str,
    name: str,
    runs: Sequence[tuple[tvm.IRModule, float]],
    target: str,
    tvm_target: Target | None = None,
) -> Trials:
    """The trials of scheduled programs, each with its seconds; with `tvm_target` also TVM's
    features of them."""
    programs = [program for program, _ in runs]
    seconds = [each for _, each in runs]
    rows = np.stack([features_of(program, target) for program in programs])
    stores = tuple(_stores(programs, tvm_target)) if tvm_target is not None else ()
    return Trials(operator, name, rows, np.array(seconds), stores)


def _stores(programs: Sequence[tvm.IRModule], target: Target) -> list[np.ndarray]:
    extractor = ms.feature_extractor.PerStoreFeature()
    found = []
    for program in programs:
        mod = tvm.IRModule({"main": program["main"]})
        with without_intrinsics():
            context = ms.TuneContext(mod=mod, target=target, num_threads=1)
        candidate = ms.MeasureCandidate(Schedule(mod), [])
        (rows,) = extractor.extract_from(context, [candidate])
        found.append(rows.numpy().astype(np.float32))
    return found


def save(path: Path, trials: Sequence[Trials]) -> None:
    """Write trials to a file."""
    counts = [len(each.seconds) for each in trials]
    stores = [rows for each in trials for rows in each.stores]
    arrays: dict[str, Any] = {
        "schema": np.array(SCHEMA),
        "operators": np.array([each.operator for each in trials]),
        "names": np.array([each.name for each in trials]),
        "counts": np.array(counts),
        "features": np.concatenate([each.features for each in trials]).astype(np.float32),
        "seconds": np.concatenate([each.seconds for each in trials]),
        "store_counts": np.array([len(rows) for rows in stores], np.int32),
        "stores": np.concatenate(stores).astype(np.float16) if stores else np.zeros((0, 1)),
    }
    np.savez_compressed(path, **arrays)


def load(path: Path) -> list[Trials]:
    """Read trials. Raises `SetupError` XP6006 where the file is none, or of another version."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
    except (OSError, ValueError) as error:
        raise SetupError("XP6006", f"{path} holds no trials: {error}") from None
    if int(found["schema"]) != SCHEMA:
        raise SetupError(
            "XP6006",
            f"{path} is of schema {found['schema']}, not {SCHEMA}",
            hint="make it again: benchmarks/train_models.py",
        )
    ends = np.cumsum(found["counts"])
    store_ends = np.cumsum(found["store_counts"])
    rows = found["stores"].astype(np.float32)
    stores = np.split(rows, store_ends[:-1]) if len(store_ends) else []
    trials = []
    for place, end in enumerate(ends):
        begin = end - found["counts"][place]
        trials.append(
            Trials(
                str(found["operators"][place]),
                str(found["names"][place]),
                found["features"][begin:end],
                found["seconds"][begin:end],
                tuple(stores[begin:end]),
            )
        )
    return trials


def shipped(target: str) -> list[Trials]:
    """The trials of a target that come with the package. Raises `SetupError` XP6006."""
    path = resources.files(__package__) / "models" / f"{target.partition(':')[0]}.npz"
    with resources.as_file(path) as file:
        return load(Path(file))
