"""`xpiler translate-all`: every kernel of a folder, with a report, resumable."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ..errors import SetupError
from . import arguments, command
from .ending import FOUND
from .translate import TARGETS, parse_targets

if TYPE_CHECKING:
    from ..batch import Ledger, Result
    from ..batch.many import Progress
    from . import Commands

LEDGER, REPORT = "ledger.sqlite", "report.html"


def add(commands: Commands) -> None:
    """Register the command."""
    all_of = command(
        commands,
        "translate-all",
        _translate_all,
        parents=[arguments.common()],
        summary="write every kernel of a folder for other platforms, with a report",
        description="Translate every kernel below a folder. Results are kept in "
        f"{LEDGER} of the output folder: what is there is not done again, so that a run that was "
        f"interrupted goes on. {REPORT} tells verdicts, refusals by reason and time.",
        examples=("translate-all src/ --to hip,bang --out out/ --jobs 2",),
    )
    all_of.add_argument(
        "folder", metavar="DIR", help="where the kernels are, as .cu, .hip, .mlu and .c"
    )
    all_of.add_argument(
        "--to", required=True, metavar="TARGETS", help=f"any of {', '.join(TARGETS)}; or all"
    )
    all_of.add_argument(
        "-o", "--out", default="build", metavar="DIR", help="where the files go (default: build)"
    )
    all_of.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a core)")
    all_of.add_argument(
        "--seconds",
        type=int,
        default=300,
        metavar="S",
        help="CPU seconds that one kernel may take (default: 300)",
    )


def _translate_all(options: argparse.Namespace) -> int:
    from ..batch import Ledger, transcompile_many
    from ..batch.job import Limits
    from ..batch.report import summary_of, write_report
    from ..batch.sources import kernels_in

    targets, output = parse_targets(options.to), Path(options.out)
    with Ledger(output / LEDGER) as ledger, _progress(quiet=options.json) as told:
        batch = transcompile_many(
            kernels_in(options.folder),
            targets,
            jobs=options.jobs,
            ledger=ledger,
            limits=Limits(seconds=options.seconds),
            progress=told,
        )
        try:
            written = _write(ledger, output)
            write_report(ledger, output / REPORT)
        except OSError as error:
            raise SetupError("XP6004", f"{output} cannot be written to: {error}") from None
        summary = summary_of(ledger)
    if options.json:
        print(json.dumps({"done": batch.done, "known": batch.known, "files": written} | {
            "targets": {target: dict(counts) for target, counts in summary.by_target.items()},
            "refusals": dict(summary.by_code),
            "seconds": round(summary.seconds, 3),
            "report": str(output / REPORT),
        }, indent=2))  # fmt: skip
    else:
        print(f"{batch.done} results, {batch.known} known before, {written} files")
        for target, counts in sorted(summary.by_target.items()):
            said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
            print(f"  {target}: {said}")
        print(f"wrote {output / REPORT}")
    crashed = sum(counts["crashed"] for counts in summary.by_target.values())
    return FOUND if crashed else 0


def _write(ledger: Ledger, output: Path) -> int:
    """Writes every file that was emitted, in the folders of its source; how many."""
    count = 0
    for result in ledger:
        for suffix, data in ledger.files_of(result).items():
            path = output / _place(result, suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            count += 1
    return count


def _place(result: Result, suffix: str) -> PurePath:
    """`rows/softmax.cu:rows` for hip is `hip/rows/softmax.rows.hip`."""
    file, _, entry = result.name.partition(":")
    path = PurePath(file)
    stem = f"{path.stem}.{entry}" if entry else path.stem
    return PurePath(result.target.replace(":", "_")) / path.parent / f"{stem}{suffix}"


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress | None]:
    """A line that counts, on a terminal; nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task, counts = bar.add_task("starting"), dict.fromkeys(("translated", "refused"), 0)

        def tell(result: Result) -> None:
            counts[result.status] = counts.get(result.status, 0) + 1
            said = ", ".join(f"{count} {status}" for status, count in counts.items())
            bar.update(task, description=f"{said}; last: {result.name} -> {result.target}")

        yield tell
