"""Lists of rules, and unbinding."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import tvm
from tvm import s_tir

from xpiler_tvm.errors import ScheduleError
from xpiler_tvm.schedules.base import Declined, first_applicable, fresh, unbind

from .programs import column_sum, vector_add


@dataclass(frozen=True)
class Refused:
    """A rule whose primitive TVM refuses."""

    name: str = "refused"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        _, reduced = sch.get_loops("O")
        sch.parallel(reduced)
        return sch


@dataclass(frozen=True)
class Modest:
    name: str = "modest"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        return Declined("it is not for me")


@dataclass(frozen=True)
class Bound:
    name: str = "bound"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        columns, _ = sch.get_loops("O")
        sch.bind(columns, "blockIdx.x")
        return sch


def test_the_first_that_applies() -> None:
    scheduled = first_applicable([Modest(), Refused(), Bound()], column_sum(8, 16).mod)
    assert scheduled.rule == "bound"
    assert [name for name, _ in scheduled.declined] == ["modest", "refused"]
    assert scheduled.declined[0][1] == "it is not for me"
    assert "parallel" in scheduled.declined[1][1]


def test_all_reasons_when_none_applies() -> None:
    with pytest.raises(ScheduleError) as raised:
        first_applicable([Modest(), Bound()], column_sum(8, 16).mod, lambda _: Declined("too big"))
    assert raised.value.code == "XP3001"
    assert "modest: it is not for me" in raised.value.message
    assert "bound: too big" in raised.value.message


def test_unbind_makes_loops_serial() -> None:
    scheduled = first_applicable([Bound()], column_sum(8, 16).mod)
    assert "thread_binding" in scheduled.mod.script()
    assert "thread_binding" not in unbind(scheduled.mod).script()


def test_unbind_keeps_other_kinds() -> None:
    sch = fresh(vector_add(64).mod)
    _, inner = sch.split(sch.get_loops("C")[0], [None, 16])
    sch.vectorize(inner)
    assert "T.vectorized(16)" in unbind(sch.mod).script()
