"""`xpiler tune`: search for a schedule that is faster than the rules' own."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ReadError
from . import arguments, command, progress
from .translate import parse_targets

if TYPE_CHECKING:
    from ..tuning.tuner import MakeBench, Progress, Tuned
    from . import Commands


def add(commands: Commands) -> None:
    """Register the command."""
    tune = command(
        commands,
        "tune",
        _tune,
        summary="search for a faster schedule, by trial",
        examples=(
            "tune examples/gemm.cu --to vnni --trials 64 --work-dir db/",
            "tune examples/gemm.cu --to vnni --work-dir db/ --resume",
        ),
        parents=[arguments.source(), arguments.common()],
    )
    tune.add_argument("--to", required=True, metavar="TARGET", help="the target to tune for")
    tune.add_argument(
        "--trials", type=int, default=64, metavar="N", help="candidates to try (default: 64)"
    )
    tune.add_argument("--seconds", type=float, metavar="S", help="no new trials after that time")
    tune.add_argument(
        "--work-dir",
        metavar="DIR",
        help="where the records are; what is known there is not tried again",
    )
    tune.add_argument(
        "--resume", action="store_true", help="go on where a search ended: refused without records"
    )
    tune.add_argument("--seed", type=int, default=0, metavar="N", help="of the search (default: 0)")
    tune.add_argument("--tracker", metavar="HOST:PORT", help="measure on servers of TVM's tracker")
    tune.add_argument("--key", default="xpiler", help="of the tracker's servers (default: xpiler)")


def _tune(options: argparse.Namespace) -> int:
    targets = parse_targets(options.to)
    if len(targets) != 1:
        raise ReadError("XP1012", f"--to {options.to!r} is more than one target")
    if options.trials < 1 or (options.seconds is not None and options.seconds <= 0):
        raise ReadError("XP1014", "--trials and --seconds leave no room for a trial")
    kernel = arguments.kernel_of(options)
    if options.resume:
        _require_records(options.work_dir)
    from ..tuning.tuner import tune

    with progress.shown("reading the kernel", quiet=options.json) as show:
        found = tune(
            kernel,
            targets[0],
            trials=options.trials,
            seconds=options.seconds,
            db=options.work_dir,
            seed=options.seed,
            bench=_bench(options),
            progress=lambda now: show(_line(now)),
        )
    if options.json:
        print(json.dumps(as_dict(found), indent=2))
    else:
        print(told(found, arguments.name_of(options.file)))
    return 130 if found.interrupted else 0


def _bench(options: argparse.Namespace) -> MakeBench | None:
    if options.tracker is None:
        return None
    from ..tuning.remote import on_servers

    return on_servers(options.tracker, options.key)


def _require_records(folder: str | None) -> None:
    from ..tuning.records import TRIALS

    if folder is None or not (Path(folder) / TRIALS).exists():
        raise ReadError(
            "XP1014",
            "--resume goes on with records, and there are none",
            hint="give the --work-dir of the search that ended",
        )


def as_dict(found: Tuned) -> dict[str, Any]:
    """What a search came to, as plain data."""
    return {
        "target": found.target,
        "rule": found.rule,
        "decisions": dict(found.decisions),
        "seconds": found.seconds,
        "rule_seconds": found.rule_seconds,
        "kind": found.kind,
        "trials": found.trials,
        "failures": found.failures,
        "curve": [each if math.isfinite(each) else None for each in found.curve],
        "interrupted": found.interrupted,
    }


def told(found: Tuned, name: str) -> str:
    """The same in a few lines."""
    lines = [
        f"{name} -> {found.target}: {in_words(found.seconds)} {found.kind}, the rules' own "
        f"{in_words(found.rule_seconds)}: {found.speedup:.2f} x",
        f"{found.trials} trials, {found.failures} of them failed"
        + (" (interrupted)" if found.interrupted else ""),
        *(f"  {name}: {value}" for name, value in found.decisions.items()),
    ]
    return "\n".join(lines)


def in_words(seconds: float | None) -> str:
    """A time in a unit that suits it."""
    if seconds is None:
        return "-"
    scales = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
    scale, unit = next((pair for pair in scales if seconds >= pair[0]), scales[-1])
    return f"{seconds / scale:.4g} {unit}"


def _line(now: Progress) -> str:
    left = f", {now.left:.0f} s left" if now.left is not None else ""
    return (
        f"trial {now.trials} of {now.of}: best {in_words(now.best)}, "
        f"rules {in_words(now.rule)}, {now.failures} failed{left}"
    )
