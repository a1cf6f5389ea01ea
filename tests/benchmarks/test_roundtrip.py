"""Round trips: operators, schedules, and who is to blame for what differs."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import tvm

from xpiler_tvm.emulation import run_module

from .support import script

operators = script("roundtrips.operators")
roundtrip = script("roundtrip")
schedules = script("roundtrips.schedules")
trips = script("roundtrips.trips")


def inputs(mod: tvm.IRModule) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(-9, 9, [int(extent) for extent in buffer.shape]).astype(str(buffer.dtype))
        for buffer in mod["main"].params
    ]


@pytest.mark.parametrize("name", operators.NAMES)
def test_operators_are_programs(name: str) -> None:
    made = operators.operator(random.Random(3), name)
    again = operators.operator(random.Random(3), name)
    assert made.mod.script() == again.mod.script()
    assert np.isfinite(run_module(made.mod, inputs(made.mod)).arrays[-1].astype(float)).all()


def test_composed_schedules_keep_the_result() -> None:
    from xpiler_tvm.schedules.base import unbind

    kept = 0
    for seed in range(6):
        made = operators.operator(random.Random(seed), "matmul")
        try:
            scheduled = schedules.composed(made.mod, random.Random(seed), None)
        except tvm.error.InternalError:
            continue
        arrays = inputs(made.mod)
        wanted = run_module(made.mod, arrays).arrays[-1]
        found = run_module(unbind(scheduled), arrays).arrays[-1]
        np.testing.assert_allclose(found, wanted, rtol=1e-3)
        kept += 1
    assert kept


@pytest.mark.parametrize("name", ["cuda-7-7", "hip-7-3", "bang-7-0"])
def test_a_trip(name: str) -> None:
    row = trips.trip(name)
    assert row.outcome == "right", row
    assert trips.trip(name) == row


def test_a_wrong_text_is_the_emitters_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(mod: Any, kernel: Any) -> Any:
        emitted = emit(mod, kernel)
        return trips.replace(emitted, source=emitted.source.replace(" = ", " = 3 + ", 3))

    emit = trips._EMIT["bang"]
    monkeypatch.setitem(trips._EMIT, "bang", wrong)
    outcomes = {trips.trip(f"bang-7-{number}").outcome for number in range(3)}
    assert "emitter wrong" in outcomes
    assert "reader wrong" not in outcomes


def test_a_process_that_ends_is_a_crash() -> None:
    row = roundtrip.row_of(roundtrip.Answer("hip-1-2", None, "the process ended with -11"))
    assert (row.target, row.outcome) == ("hip", "crash")
