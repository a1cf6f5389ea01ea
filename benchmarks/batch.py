"""A library of kernels in one run: its speed, its memory, and what a kill in the middle costs.

    python benchmarks/batch.py --count 1000 --target hip --out build/batch

The kernels are the corpus of all dialects at its different shapes, in a fixed random order. The
first half is translated by two processes; then the run is killed, and a second one goes on with one
process. At the end it prints

* kernels per CPU-minute and per minute on the clock, with two processes and with one;
* the most memory that a job took, and the process that hands out the jobs;
* whether anything was lost or done twice: every kernel has one answer, stored once.

The page about the run is `report.html` in the folder. A run that was interrupted goes on. The exit
code is 1 where something was lost, done twice, or crashed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from corpus import cases

from xpiler_tvm.batch import Ledger, transcompile_many
from xpiler_tvm.batch.job import Limits, digest_of
from xpiler_tvm.batch.report import summary_of, write_report
from xpiler_tvm.kernel import DIALECTS, Kernel

SEED = 0
LIMITS = Limits(seconds=120)


def library(count: int) -> list[tuple[str, Kernel]]:
    """The `count` smallest cases of the corpus that differ, shuffled."""
    found = [case for dialect in DIALECTS for case in cases(dialect)]
    found += cases("cuda", wild=True)
    found.sort(key=lambda case: (sum(tensor.size for tensor in case.kernel.tensors), str(case)))
    distinct = list({digest_of(case.kernel): case for case in found}.values())[:count]
    random.Random(SEED).shuffle(distinct)
    return [(str(case), case.kernel) for case in distinct]


def translate(options: argparse.Namespace) -> None:
    """The part that is killed: translates what is missing, and writes what it took."""
    kernels = library(options.count)
    begun, cpu = time.perf_counter(), os.times()
    batch = transcompile_many(
        kernels,
        options.target,
        jobs=options.jobs,
        ledger=options.out / "ledger.sqlite",
        limits=LIMITS,
    )
    now = os.times()
    print(
        json.dumps(
            {
                "done": batch.done,
                "known": batch.known,
                "wall": time.perf_counter() - begun,
                "cpu": now.children_user + now.children_system - cpu.children_user + now.user,
            }
        )
    )


def run(options: argparse.Namespace, jobs: int, until: int | None) -> dict[str, float]:
    """A run in a process of its own, killed once the ledger has `until` results."""
    path = options.out / "ledger.sqlite"
    command = [sys.executable, __file__, "--translate", "--jobs", str(jobs)]
    command += ["--count", str(options.count), "--target", options.target, "--out", options.out]
    begun, before = time.perf_counter(), _summary(path)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    peak = 0
    killed = False
    while process.poll() is None:
        time.sleep(2)
        peak = max(peak, _resident(process.pid))
        if until is not None and _summary(path)[0] >= until:
            os.kill(process.pid, signal.SIGKILL)
            killed = True
            break
    process.wait()
    if process.returncode and not killed:
        raise SystemExit(f"the run ended with {process.returncode}")
    after = _summary(path)
    return {
        "jobs": jobs,
        "done": after[0] - before[0],
        "cpu": after[1] - before[1],
        "wall": time.perf_counter() - begun,
        "parent": peak,
    }


def _summary(path: Path) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    with Ledger(path) as ledger:
        summary = summary_of(ledger)
    return summary.count, summary.seconds


def _resident(process: int) -> int:
    try:
        words = Path(f"/proc/{process}/statm").read_text().split()
    except OSError:
        return 0
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


def phases(options: argparse.Namespace) -> Iterator[dict[str, float]]:
    """The runs that are still to be made; an earlier call's are in the folder."""
    path = options.out / "phases.json"
    made = json.loads(path.read_text()) if path.exists() else []
    plan = [(2, options.count // 2), (1, None)]
    yield from made
    for jobs, until in plan[len(made) :]:
        made.append(run(options, jobs, until))
        path.write_text(json.dumps(made))
        yield made[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--target", default="hip")
    parser.add_argument("--out", type=Path, default=Path("build/batch"))
    parser.add_argument("--jobs", type=int, default=2, help=argparse.SUPPRESS)
    parser.add_argument("--translate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.translate:
        translate(options)
        return 0
    for phase in phases(options):
        rate, clock = (60 * phase["done"] / max(phase[name], 1e-9) for name in ("cpu", "wall"))
        print(
            f"{phase['jobs']:.0f} processes: {phase['done']:.0f} kernels, {rate:.1f} per "
            f"CPU-minute, {clock:.1f} per minute on the clock; the process that hands out jobs "
            f"took {phase['parent'] / 2**20:.0f} MiB",
            flush=True,
        )
    return _judge(options)


def _judge(options: argparse.Namespace) -> int:
    wanted = {digest_of(kernel) for _, kernel in library(options.count)}
    with Ledger(options.out / "ledger.sqlite") as ledger:
        write_report(ledger, options.out / "report.html")
        answered = {result.kernel for result in ledger}
        repeated, summary = ledger.repeated(), summary_of(ledger)
    for target, counts in summary.by_target.items():
        print(f"{target}: {', '.join(f'{n} {status}' for status, n in sorted(counts.items()))}")
    print(f"refusals: {dict(summary.by_code.most_common())}")
    print(f"a job took at most {summary.peak / 2**20:.0f} MiB")
    lost = len(wanted - answered)
    print(f"after a kill: {lost} lost, {repeated} done twice")
    crashed = sum(counts["crashed"] for counts in summary.by_target.values())
    return 1 if lost or repeated or crashed else 0


if __name__ == "__main__":
    sys.exit(main())
