"""What can be chosen: rules, knobs, passes."""

from __future__ import annotations

import random

import pytest

from tests.tuning.programs import product, rows
from xpiler_tvm.errors import ScheduleError
from xpiler_tvm.schedules import apply
from xpiler_tvm.schedules.knobs import asked, choosing, knob
from xpiler_tvm.tuning.evolution import crossed, mutated
from xpiler_tvm.tuning.oracle import Oracle
from xpiler_tvm.tuning.space import DEPTH, RULE, Space, key_of


def test_a_knob_is_its_default_where_nobody_chooses() -> None:
    assert knob("height", 8, (4, 8)) == 8
    assert asked() == 0


def test_a_choice_is_made_once_and_must_be_an_option() -> None:
    with choosing(lambda name, default, options: options[-1]) as knobs:
        assert knob("height", 8, (4, 12)) == 12
        assert knob("height", 6, (4, 12)) == 12
    assert [each.name for each in knobs] == ["height"]
    with choosing(lambda name, default, options: 5) as knobs:
        assert knob("height", 8, (4, 12)) == 8
    assert knobs[0].value == 8


@pytest.mark.parametrize("target", ["vnni", "bang", "cuda", "hip"])
def test_the_default_candidate_is_the_rules_schedule(target: str) -> None:
    mod = product()
    space = Space(mod, target)
    assert space.default.key == key_of(apply(mod, target).mod)
    assert not space.default.deviations


def test_decisions_make_their_candidate_again() -> None:
    space, generator = Space(rows(), "vnni"), random.Random(1)
    found = [one for one in (space.sample(generator) for _ in range(6)) if one]
    assert found
    for candidate in found:
        again = Space(rows(), "vnni").at(candidate.decisions)
        assert again is not None and again.key == candidate.key
        assert len(candidate.knobs) <= DEPTH


def test_samples_are_right() -> None:
    """Whatever is chosen, a schedule computes the same."""
    mod, generator = product(), random.Random(3)
    space, oracle = Space(mod, "vnni"), Oracle.of_module(mod)
    found = {one.key: one for one in (space.sample(generator) for _ in range(8)) if one}
    assert len(found) > 1
    for candidate in list(found.values())[:4]:
        assert oracle.run(candidate.scheduled.mod).ok, str(candidate)


def test_refused_decisions_make_no_candidate() -> None:
    assert Space(rows(), "vnni").at({RULE: "cpu.transpose"}) is None


def test_children_keep_the_rule() -> None:
    space, generator = Space(product(), "vnni"), random.Random(0)
    child = mutated(space.default, generator)
    assert child != space.default.decisions and child[RULE] == space.default.decisions[RULE]
    assert crossed(space.default, space.default, generator) == space.default.decisions


def test_an_unknown_decision_says_nothing() -> None:
    space = Space(product(), "vnni")
    found = space.at({"no such knob": 3})
    assert found is not None and found.key == space.default.key


def test_a_program_without_a_rule_is_refused() -> None:
    from xpiler_tvm.errors import ReadError

    with pytest.raises((ReadError, ScheduleError)) as caught:
        Space(product(), "no such target")
    assert caught.value.code == "XP1012"
