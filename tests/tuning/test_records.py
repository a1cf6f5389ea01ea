"""Records on disk: whole lines or none, whoever writes and whatever happens."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from tests.tuning.programs import product, rows
from xpiler_tvm import targets
from xpiler_tvm.errors import SetupError
from xpiler_tvm.tuning.metaschedule import normalised
from xpiler_tvm.tuning.records import RECORDS, TRIALS, Database, Record
from xpiler_tvm.tuning.space import Space


def record(number: int = 0, seconds: float | None = 1e-3, **other: object) -> Record:
    fields = {"decisions": {"rule": "cpu.rows", "n": number}, "program": f"{number:x}"}
    return Record("k", "w", "vnni", seconds=seconds, kind="measured", **{**fields, **other})  # type: ignore[arg-type]


def test_records_come_back_in_their_order(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    made = [record(0), record(1, None, why="refuted: 1"), record(2, 5e-4)]
    for each in made:
        database.add(each)
    assert Database(tmp_path / "db").records() == made
    best = database.best(workload="w")
    assert best == made[2]
    assert database.best(workload="other") is None


def test_what_a_search_came_to_outweighs_a_lucky_trial(tmp_path: Path) -> None:
    database = Database(tmp_path)
    for each in (record(0, 1e-6), record(1, 2e-6, final=True)):
        database.add(each)
    best = database.best()
    assert best is not None and best.decisions["n"] == 1


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    database = Database(tmp_path)
    database.add(record(0))
    with (tmp_path / TRIALS).open("a") as file:
        file.write('{"kernel": "k", "work')
    assert database.records() == [record(0)]
    database.add(record(1))
    assert database.records() == [record(0), record(1)]
    assert database.skipped == 0


def test_lines_that_say_nothing_are_counted(tmp_path: Path) -> None:
    (tmp_path / TRIALS).write_text('nonsense\n{"kernel": 1}\n')
    database = Database(tmp_path)
    assert database.records() == [] and database.skipped == 2


def _write(folder: Path, first: int, count: int) -> None:
    database = Database(folder)
    for number in range(first, first + count):
        database.add(record(number))


def test_two_tuners_on_one_database(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, n * 100, 60)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    numbers = [each.decisions["n"] for each in Database(tmp_path).records()]
    assert sorted(numbers) == [*range(60), *range(100, 160)]  # type: ignore[type-var]


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("trials.jsonl"))


def test_a_killed_writer_loses_no_record(tmp_path: Path) -> None:
    """What `add` has returned from is there, and lines are whole, wherever the writer died."""
    context = multiprocessing.get_context("fork")
    for round_ in range(20):
        writer = context.Process(target=_write, args=(tmp_path, round_ * 1000, 1000))
        before = _bytes_of(tmp_path)
        writer.start()
        while _bytes_of(tmp_path) == before:
            time.sleep(0.0005)
        time.sleep(0.0007 * round_)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
    database = Database(tmp_path)
    numbers = [int(each.decisions["n"]) for each in database.records()]
    assert database.skipped == 0 and numbers
    for round_ in range(20):
        mine = [number for number in numbers if number // 1000 == round_]
        assert mine == [round_ * 1000 + place for place in range(len(mine))]


def test_a_full_disk_is_told_and_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path)
    database.add(record(0))
    write = os.pwrite

    def half(file: int, data: bytes, place: int) -> int:
        if len(data) > 20:
            return write(file, data[:20], place)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", half)
    with pytest.raises(SetupError, match="No space left") as caught:
        database.add(record(1))
    assert caught.value.code == "XP6004"
    monkeypatch.undo()
    assert database.records() == [record(0)]
    assert (tmp_path / TRIALS).read_bytes().endswith(b"\n")


def test_merging_adds_what_is_new(tmp_path: Path) -> None:
    one, two = Database(tmp_path / "one"), Database(tmp_path / "two")
    one.add(record(0))
    for number in (0, 1):
        two.add(record(number))
    assert one.merge(two) == 1
    assert one.merge(two) == 0
    assert len(one.records()) == 2


def test_metaschedule_finds_what_was_tuned(tmp_path: Path) -> None:
    from tvm.s_tir import meta_schedule as ms

    database, target = Database(tmp_path / "db"), targets.get("vnni").target()
    for mod, seconds in ((product(), 2e-3), (rows(), 1e-3), (product(), 1e-3)):
        assert database.commit(mod, Space(mod, "vnni").default, seconds, target)
    lines = (tmp_path / "db" / RECORDS).read_text().splitlines()
    assert [json.loads(line)[0] for line in lines] == [0, 1, 0]
    database.export(tmp_path / "exported")
    theirs = ms.database.JSONDatabase(work_dir=str(tmp_path / "exported"))
    workload = theirs.commit_workload(normalised(product()))
    assert [float(r.run_secs[0]) for r in theirs.get_top_k(workload, 5)] == [1e-3, 2e-3]
