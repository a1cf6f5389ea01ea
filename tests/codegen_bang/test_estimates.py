"""A program is modelled once; one that the device has no form for has no seconds."""

from __future__ import annotations

import pytest

from tests.tuning.programs import product
from xpiler_tvm import schedules
from xpiler_tvm.codegen_bang import emit_bang, estimates
from xpiler_tvm.codegen_bang.estimates import seconds_of
from xpiler_tvm.targets.device import kernel_of


def test_a_program_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "_known", type(estimates._known)())
    scheduled = schedules.apply(product(), "bang").mod
    again = schedules.apply(product(), "bang").mod  # the same, with names of its own
    calls: list[object] = []

    def counted(*given: object) -> object:
        calls.append(given)
        return emit_bang(*given)

    monkeypatch.setattr(estimates, "emit_bang", counted)
    expected = emit_bang(scheduled, kernel_of(scheduled, "bang")).estimate.seconds
    assert seconds_of(scheduled) == seconds_of(again) == expected
    assert len(calls) == 1


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "_known", type(estimates._known)())
    monkeypatch.setattr(estimates, "MOST", 1)
    for size in (32, 64):
        seconds_of(schedules.apply(product(size, size, size), "bang").mod)
    assert len(estimates._known) == 1


def test_what_has_no_form_has_no_seconds() -> None:
    assert seconds_of(product()) is None  # its arrays are in no memory of a core
