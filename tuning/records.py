"""What is known from before: files that are only appended to, in a folder that tuners share.

    trials.jsonl                      every trial, failed ones too: what `tune` reads
    database_workload.json            the same programs and traces as TVM's MetaSchedule keeps
    database_tuning_record.json       them, for `relax.transform.MetaScheduleApplyDatabase`

A line is written at once, under a lock, and reaches the disk before the next trial begins. A tuner
that dies in the middle of one leaves half a line; readers pass it over and the next writer cuts it
off. Trials need no TVM to be read.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpiler_tvm.errors import SetupError

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.schedules.knobs import Value

    from .space import Candidate

TRIALS, WORKLOADS, RECORDS = "trials.jsonl", "database_workload.json", "database_tuning_record.json"
VERSION = 1


@dataclass(frozen=True)
class Record:
    """One trial.

    Attributes
    ----------
    kernel : digest of the kernel as the user gave it (`digest_of`); empty of a bare program.
    workload : structural hash of the raised program.
    target : its name.
    decisions : what makes the candidate (`space.Space.at`).
    program : structural hash of the scheduled program.
    seconds : what it takes; `None` where it failed, and `why` says how.
    kind : `measured` or `modelled`.
    rule : the schedule rule.
    label : the file and entry, for people.
    final : it is what a search came to, after the best were compared again beside the rules' own.
    """

    kernel: str
    workload: str
    target: str
    decisions: Mapping[str, Value]
    program: str
    seconds: float | None
    kind: str
    rule: str = ""
    why: str = ""
    label: str = ""
    final: bool = False
    version: int = VERSION

    @property
    def ok(self) -> bool:
        return self.seconds is not None


@dataclass
class Database:
    """The records of a folder, which is made where there is none.

    Raises `SetupError` XP6004 where the folder cannot be written to, or its disk is full.
    """

    folder: Path
    skipped: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.folder = Path(self.folder)
        with _told(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def records(self, **wanted: str) -> list[Record]:
        """All trials whose fields are as `wanted`, in the order in which they were made.

        `skipped` then counts lines that could not be read.
        """
        found: list[Record] = []
        self.skipped = 0
        for line in _lines(self.folder / TRIALS):
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):
                self.skipped += 1
                continue
            if all(getattr(record, name) == value for name, value in wanted.items()):
                found.append(record)
        return found

    def best(self, **wanted: str) -> Record | None:
        """What the last search among `records(**wanted)` came to; without one, the fastest."""
        known = [record for record in self.records(**wanted) if record.seconds is not None]
        results = [record for record in known if record.final]
        if results:
            return results[-1]
        return min(known, key=lambda record: record.seconds or 0.0, default=None)

    def add(self, record: Record) -> None:
        """Append one trial; it is on the disk when this returns."""
        self._append(TRIALS, json.dumps(asdict(record), sort_keys=True))

    def merge(self, other: Database) -> int:
        """Take over the trials of another folder that are not known here; how many there were."""
        known = {_identity(record) for record in self.records()}
        new = [record for record in other.records() if _identity(record) not in known]
        for record in new:
            self.add(record)
        self._take_metaschedule(other)
        return len(new)

    def export(self, folder: Path) -> list[Path]:
        """Write MetaSchedule's files alone to another folder; their paths, none without records."""
        into = Database(folder)
        into._take_metaschedule(self)
        paths = [into.folder / name for name in (WORKLOADS, RECORDS)]
        return [path for path in paths if path.exists()]

    def _append(self, name: str, line: str) -> None:
        with _told(self.folder), self._locked():
            _append_line(self.folder / name, line)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, of all processes."""
        with open(self.folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # ------------------------------------------------------------ MetaSchedule

    def commit(
        self, mod: tvm.IRModule, candidate: Candidate, seconds: float, target: Target
    ) -> bool:
        """Add a candidate to MetaSchedule's files too; whether its trace fits the program.

        Where a rule starts from another form of the program than the one that was raised, the
        trace says nothing to TVM, and the candidate is in `trials.jsonl` alone.
        """
        from .metaschedule import record_lines

        with _told(self.folder), self._locked():
            places = [self.folder / WORKLOADS, self.folder / RECORDS]
            workloads = list(_lines(places[0]))
            made = record_lines(mod, candidate.scheduled, seconds, target, workloads)
            if made is None:
                return False
            workload, record = made
            if workload is not None:
                _append_line(places[0], workload)
            _append_line(places[1], record)
            return True

    def _take_metaschedule(self, other: Database) -> None:
        """Lines of another folder's MetaSchedule files that are not here, under numbers of ours."""
        theirs = list(_lines(other.folder / WORKLOADS))
        with _told(self.folder), self._locked():
            workloads = list(_lines(self.folder / WORKLOADS))
            records = set(_lines(self.folder / RECORDS))
            for line in _lines(other.folder / RECORDS):
                place, record = json.loads(line)
                workload = theirs[place]
                if workload not in workloads:
                    _append_line(self.folder / WORKLOADS, workload)
                    workloads.append(workload)
                mine = json.dumps([workloads.index(workload), record])
                if mine not in records:
                    _append_line(self.folder / RECORDS, mine)


def _identity(record: Record) -> str:
    return json.dumps(asdict(record), sort_keys=True)


def _lines(path: Path) -> Iterator[str]:
    """The whole lines of a file; none where there is no file. Half a line at its end is no line."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return
    *whole, _ = text.split(b"\n")
    for line in whole:
        if line.strip():
            yield line.decode("utf-8", errors="replace")


def _append_line(path: Path, line: str) -> None:
    """Write a line behind the last whole one, all of it or nothing."""
    data = line.encode() + b"\n"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = _end_of_lines(file)
        os.ftruncate(file, end)
        try:
            while data:
                written = os.pwrite(file, data, os.lseek(file, 0, os.SEEK_END))
                data = data[written:]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, end)
            raise
    finally:
        os.close(file)


def _end_of_lines(file: int) -> int:
    """Where the last whole line ends."""
    size = os.fstat(file).st_size
    step = 1 << 16
    end = size
    while end > 0:
        begin = max(0, end - step)
        place = os.pread(file, end - begin, begin).rfind(b"\n")
        if place >= 0:
            return begin + place + 1
        end = begin
    return 0


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SetupError(
            "XP6004",
            f"{folder} cannot be written to: {error.strerror or error}",
            hint="what was found so far is kept; give another folder, or make room",
        ) from None


def digest_of(kernel: Any, target: str) -> str:
    """What tells a kernel as the user gave it, its target included, from all others."""
    import hashlib

    return hashlib.sha256(repr((kernel, target, VERSION)).encode()).hexdigest()[:16]
