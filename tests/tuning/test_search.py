"""The search: what it proposes, and what it learns."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from tests.tuning.programs import Imagined, product
from xpiler_tvm.errors import SetupError
from xpiler_tvm.schedules.knobs import Knob, Value
from xpiler_tvm.tuning.bench import Outcome
from xpiler_tvm.tuning.features import NAMES, features_of, named
from xpiler_tvm.tuning.model import CostModel, Group, grades
from xpiler_tvm.tuning.search import Options, Search
from xpiler_tvm.tuning.space import Space
from xpiler_tvm.tuning.tree import Tree, by_rule, uniform


def searched(options: Options, trials: int = 10) -> tuple[Search, Imagined]:
    search, bench = Search(Space(product(), "vnni"), CostModel("vnni"), options), Imagined()
    while len(bench.asked) < trials:
        batch = search.propose(min(8, trials - len(bench.asked)))
        if not batch:
            break
        for candidate in batch:
            search.observe(candidate, bench.outcome(candidate.scheduled.mod))
    return search, bench


def test_the_rules_schedule_comes_first_and_no_program_twice() -> None:
    search, bench = searched(Options())
    assert bench.asked[0] == search.space.default.key
    assert len(bench.asked) == len(set(bench.asked)) == 10


def test_a_seed_makes_a_search() -> None:
    (_, one), (_, two), (_, other) = (searched(Options(seed=seed), 4) for seed in (5, 5, 6))
    assert one.asked == two.asked != other.asked


def test_proposals_are_tried_after_the_rules_own() -> None:
    wanted: dict[str, Value] = {"c: vectors of a tile": 1}
    search, bench = searched(Options(starts=(wanted, {"nonsense": "nothing"})), 2)
    proposed = search.space.at(wanted)
    assert proposed is not None and bench.asked[1] == proposed.key


def test_an_adversarial_prior_does_not_hide_the_best() -> None:
    """A prior that gives the rules' choice no weight at all slows the search, and no more."""

    def against(_: Mapping[str, Value], knob: Knob) -> Sequence[float]:
        return [float(option != knob.default) for option in knob.options]

    search, _ = searched(Options(prior=against), 6)
    assert search.best is not None
    assert search.best[1] <= Imagined().seconds(search.space.default.scheduled.mod)


def test_a_prior_that_leads_nowhere_is_mistrusted() -> None:
    """Passes without end are refused: such a search is to go on by chance, not to end."""

    def endless(_: Mapping[str, Value], knob: Knob) -> Sequence[float]:
        return [1e-9 if option == knob.default else 1.0 for option in knob.options]

    search = Search(
        Space(product(), "bang"), CostModel("bang"), Options(prior=endless, default=False)
    )
    found = [candidate for _ in range(2) for candidate in search.propose(4)]
    assert found
    assert search.tree.doubt > 0.5


def test_mistrust_gives_options_equal_parts() -> None:
    knob = Knob("k", ("a", "b", "c", "d"), "a", "a")
    tree = Tree(random.Random(0), lambda _, knob: [1.0, 0.0, 0.0, 0.0])
    assert tree.weights({}, knob) == [1.0, 0.0, 0.0, 0.0]
    tree.mistrust(0.8)
    assert tree.weights({}, knob) == pytest.approx([0.4, 0.2, 0.2, 0.2])


def test_wrong_candidates_never_win() -> None:
    search = Search(Space(product(), "vnni"), CostModel("vnni"))
    (first,) = search.propose(1)
    search.observe(first, Outcome(None, "measured", "refuted"))
    assert search.best is None
    for candidate in search.propose(2):
        search.observe(candidate, Outcome(1.0, "measured"))
    assert search.best is not None and search.best[0].key != first.key


def test_walks_go_where_rewards_are() -> None:
    tree, options = Tree(random.Random(0), uniform), ("a", "b", "c")
    for _ in range(60):
        walk = tree.walk()
        chosen = walk("letter", "a", options)
        tree.reward([Knob("letter", options, "a", chosen)], 1.0 if chosen == "c" else 0.1)
    visits = {name: node.visits for name, node in tree.root.children.items()}
    assert max(visits, key=lambda name: visits[name]) == "c"


def test_children_open_one_by_one() -> None:
    options = tuple(range(100))
    tree = Tree(random.Random(0), by_rule)
    first = tree.walk()("number", 7, options)
    assert first == 7
    for _ in range(9):
        chosen = tree.walk()("number", 7, options)
        tree.reward([Knob("number", options, 7, chosen)], 0.5)
    assert 1 < len(tree.root.children) <= 7


def test_features_are_named_and_finite() -> None:
    mod = Space(product(), "vnni").default.scheduled.mod
    row = features_of(mod, "vnni")
    assert len(row) == len(NAMES) == len(set(NAMES)) and np.isfinite(row).all()
    about = named(mod, "vnni")
    assert about["heaviest vectorized"] > 3
    assert about["parameter bytes"] == pytest.approx(np.log2(1 + 4 * (32 * 48 + 48 * 64 + 32 * 64)))


def made_up(seed: int) -> Group:
    """Candidates whose time is one of their features."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((40, len(NAMES))).astype(np.float32)
    return Group(rows, np.exp2(rows[:, 3]) * 1e-3, f"op{seed}")


def test_a_model_learns_an_order_and_keeps_it(tmp_path: pytest.TempPathFactory) -> None:
    model = CostModel("vnni")
    model.fit([made_up(seed) for seed in range(4)])
    fresh = made_up(9)
    scores = model.scores(fresh.features)
    assert np.corrcoef(scores.mean, -np.log(fresh.seconds))[0, 1] > 0.8
    assert (scores.doubt >= 0).all()
    path = tmp_path / "model.json.gz"  # type: ignore[operator]
    model.save(path)
    again = CostModel.load(path).scores(fresh.features)
    assert np.array_equal(again.mean, scores.mean)


def test_a_model_of_another_version_is_refused(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.json.gz"  # type: ignore[operator]
    CostModel("vnni").save(path)
    monkeypatch.setattr("xpiler_tvm.tuning.model.SCHEMA", 99)
    with pytest.raises(SetupError, match="schema") as caught:
        CostModel.load(path)
    assert caught.value.code == "XP6006"
    path.write_bytes(b"nothing")
    with pytest.raises(SetupError, match="no cost model"):
        CostModel.load(path)


def test_trials_teach_a_model() -> None:
    group = made_up(1)
    adapted = CostModel("vnni").adapted(group)
    scores = adapted.scores(group.features).mean
    assert np.corrcoef(scores, -np.log(group.seconds))[0, 1] > 0.6
    assert CostModel("vnni").adapted(Group(group.features[:2], group.seconds[:2])).boosters == []


def test_grades_follow_speed() -> None:
    found = grades(np.array([1.0, 2.0, 8.0]))
    assert found[0] > found[1] > found[2] >= 0
