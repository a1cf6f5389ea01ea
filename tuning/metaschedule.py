"""Lines of MetaSchedule's JSON database, as its own `JSONDatabase` writes them."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import tvm
import tvm_ffi
from tvm.s_tir import Schedule
from tvm.s_tir import meta_schedule as ms
from tvm.target import Target

from xpiler_tvm.tir import UNFUSED

if TYPE_CHECKING:
    from xpiler_tvm.schedules.base import Scheduled


FILES = "database_workload.json", "database_tuning_record.json"
"""Of workloads and of records, in a database's folder."""


@contextmanager
def without_intrinsics() -> Iterator[None]:
    """Within it contexts of MetaSchedule do not load all instructions that TVM knows.

    They would, at the price of 15 seconds of CPU time, and none of our schedules uses one of them.
    """
    name = "tvm.s_tir.tensor_intrin"
    empty = name not in sys.modules
    if empty:
        sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        if empty:
            del sys.modules[name]


def normalised(mod: tvm.IRModule) -> tvm.IRModule:
    """A program as MetaSchedule keeps it: without names and attributes that say nothing of it.

    `relax_integration.extract_tasks` gives kernels of Relax modules in this form, so that what was
    found for one is found again in a module that calls it.
    """
    main = mod["main"]
    plain = tvm.tirx.PrimFunc(list(main.params), main.body, main.ret_type)
    attributes = {"global_symbol": "main", "s_tir": True, "tirx.noalias": True, **UNFUSED}
    return tvm.IRModule({"main": plain.with_attr(attributes)})


def replays(mod: tvm.IRModule, scheduled: Scheduled) -> bool:
    """Whether a schedule's trace makes its program of `mod`.

    It does not where the rule starts from another form of the program than the one it was given.
    """
    replayed = Schedule(mod, error_render_level="none")
    try:
        scheduled.trace.apply_to_schedule(replayed, remove_postproc=False)
    except (RuntimeError, ValueError, TypeError):
        return False
    made = scheduled.schedule.mod["main"].body
    return bool(tvm_ffi.structural_equal(replayed.mod["main"].body, made))


def record_lines(
    mod: tvm.IRModule,
    scheduled: Scheduled,
    seconds: float,
    target: Target,
    workloads: Sequence[str],
) -> tuple[str | None, str] | None:
    """A line for the workload, unless it stands in `workloads` already, and one for the record.

    `None` where the schedule's trace does not make the program of the normalised workload.
    """
    plain = normalised(mod)
    if not replays(plain, scheduled):
        return None
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        # TVM alone knows how to write down all that may stand in a trace.
        database = ms.database.JSONDatabase(work_dir=folder)
        arguments = ms.arg_info.ArgInfo.from_prim_func(plain["main"])
        workload = database.commit_workload(plain)
        database.commit_tuning_record(
            ms.database.TuningRecord(scheduled.trace, workload, [seconds], target, arguments)
        )
        lines = [(Path(folder) / name).read_text().strip() for name in FILES]
    known = [json.loads(each)[0] for each in workloads]
    shash = json.loads(lines[0])[0]
    place = known.index(shash) if shash in known else len(known)
    text = json.dumps([place, json.loads(lines[1])[1]])
    return (None if place < len(known) else lines[0]), text
