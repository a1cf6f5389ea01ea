"""`xpiler db`: look at the records of `xpiler tune`, put them together, hand them on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ReadError
from ..tuning.records import RECORDS, TRIALS, WORKLOADS, Database, Record
from . import arguments, command
from .tune import in_words

if TYPE_CHECKING:
    from . import Commands


def add(commands: Commands) -> None:
    """Register the command and its words."""
    db = commands.add_parser("db", help="the records of tune: list, best, merge, export")
    words = db.add_subparsers(metavar="WORD", required=True)
    common = [arguments.common()]
    for word, action, text in (
        ("list", _list, "every trial"),
        ("best", _best, "the fastest of each kernel and target"),
    ):
        one = command(
            words, word, action, summary=text, examples=(f"db {word} db/",), parents=common
        )
        one.add_argument("folder", metavar="DIR", help="the --work-dir of a search")
    merge = command(
        words,
        "merge",
        _merge,
        summary="take over the trials of other folders",
        examples=("db merge all/ monday/ tuesday/",),
        parents=common,
    )
    merge.add_argument("folder", metavar="DIR", help="where to")
    merge.add_argument("others", nargs="+", metavar="DIR", help="where from")
    export = command(
        words,
        "export",
        _export,
        summary="MetaSchedule's files, for TVM's MetaScheduleApplyDatabase",
        examples=("db export db/ -o exported/",),
        parents=common,
    )
    export.add_argument("folder", metavar="DIR", help="the --work-dir of a search")
    export.add_argument("-o", "--output", required=True, metavar="DIR", help="where to")


def _opened(folder: str) -> Database:
    if not (Path(folder) / TRIALS).exists():
        raise ReadError("XP1014", f"{folder} has no records", hint="the --work-dir of xpiler tune")
    return Database(Path(folder))


def _list(options: argparse.Namespace) -> int:
    database = _opened(options.folder)
    _print(options, database.records())
    if database.skipped and not options.json:
        print(f"{database.skipped} lines cannot be read")
    return 0


def _best(options: argparse.Namespace) -> int:
    database = _opened(options.folder)
    pairs = dict.fromkeys((record.workload, record.target) for record in database.records())
    found = (database.best(workload=workload, target=target) for workload, target in pairs)
    _print(options, [record for record in found if record is not None])
    return 0


def _print(options: argparse.Namespace, records: Sequence[Record]) -> None:
    if options.json:
        print(json.dumps([asdict(record) for record in records], indent=2))
        return
    for record in records:
        time = f"{in_words(record.seconds)} {record.kind}" if record.ok else f"failed: {record.why}"
        print(f"{record.label}  {record.target}  {record.rule}  {time}")


def _merge(options: argparse.Namespace) -> int:
    into = Database(Path(options.folder))
    counts = {other: into.merge(_opened(other)) for other in options.others}
    if options.json:
        print(json.dumps(counts))
    else:
        for other, count in counts.items():
            print(f"{count} trials of {other}")
    return 0


def _export(options: argparse.Namespace) -> int:
    source = _opened(options.folder)
    paths = source.export(Path(options.output))
    if options.json:
        print(json.dumps([str(path) for path in paths]))
    else:
        for path in paths:
            print(f"wrote {path}")
        if not paths:
            print(f"no record fits {WORKLOADS} and {RECORDS}")
    return 0
