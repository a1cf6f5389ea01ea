"""How many faults are localised and repaired: faults of the paper's kinds in correct kernels.

    python benchmarks/repair.py
    python benchmarks/repair.py --singles 40 --doubles 20 --kernel softmax
    python benchmarks/repair.py --resume build/repair.jsonl

Kernels of four dialects, some written by hand and some translated by this project, get one or two
faults at a time. The repairer gets the faulty text and the source, and nothing of the fault. What
it accepts is then run on inputs that it has not seen: a difference is a wrong repair. Faults that
change nothing are left out. Every fault's outcome is a line of a file from which an interrupted run
goes on. Seconds are CPU seconds, with those of the compilers.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from faults import report
from faults.candidates import Candidate, makers
from faults.injecting import KINDS, Fault, doubles, singles
from faults.judging import difference

from xpiler_tvm.errors import SetupError, XpilerError
from xpiler_tvm.pairing import pair
from xpiler_tvm.stopwatch import cpu_seconds
from xpiler_tvm.synthesis import Specification, localise, repair
from xpiler_tvm.synthesis.specification import accepted

SINGLES, DOUBLES, SEED = 380, 120, 0
_EACH = 4


def sample(candidate: Candidate, seed: int) -> tuple[list[Fault], list[Fault]]:
    """The faults of a kernel in the order in which they are tried: each kind in turn."""
    rng = random.Random(f"{seed} {candidate.name}")
    found = singles(candidate.kernel)
    rng.shuffle(found)
    by_kind = {kind: [one for one in found if one.kind == kind] for kind in KINDS}
    kinds = [kind for kind in KINDS if by_kind[kind]]
    rng.shuffle(kinds)
    longest = max((len(by_kind[kind]) for kind in kinds), default=0)
    order = [
        by_kind[kind][at] for at in range(longest) for kind in kinds if at < len(by_kind[kind])
    ]
    return order, doubles(found, _EACH, rng)


class Judge:
    """The faults of one kernel."""

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        source, subject = pair(candidate.source, candidate.kernel)
        self.specification = Specification(source)
        self.clean = accepted(self.specification.checks(subject))

    def row(self, fault: Fault) -> dict[str, Any] | None:
        """What becomes of a fault; `None` where the faulty text does not compile."""
        broken, source = fault.apply(self.candidate.kernel), self.candidate.source
        text = self.candidate.kernel.source
        try:
            done = repair(broken, source, specification=self.specification)
            begun = cpu_seconds()
            found = (
                ()
                if done.verdict == "equal"
                else localise(broken, source, specification=self.specification)
            )
        except SetupError:
            return None
        except XpilerError as error:
            return None if error.code.startswith("XP1") else self._row(fault, "failed", str(error))
        lines = {one.span.line for one in found[:1] if one.span}
        wrong = difference(source, done.kernel) if done.verdict == "repaired" else ""
        row = self._row(fault, done.verdict, wrong)
        row["seconds"], row["tried"] = round(done.seconds, 2), done.tried
        row["localised"] = bool(lines & set(fault.lines(text)))
        row["localising"] = round(cpu_seconds() - begun, 2)
        row["edits"] = [str(edit) for edit in done.edits]
        return row

    def _row(self, fault: Fault, verdict: str, wrong: str) -> dict[str, Any]:
        return {
            "kernel": self.candidate.name,
            "dialect": self.candidate.kernel.dialect,
            "kind": fault.kind,
            "faults": len(fault.parts),
            "diff": fault.diff(self.candidate.kernel.source),
            "verdict": verdict,
            "wrong": wrong,
            "localised": False,
            "seconds": 0.0,
        }


def rows(options: argparse.Namespace, known: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Outcomes beyond those that are known, a kernel after the other in rounds."""
    kernels = [(name, make) for name, make in makers().items() if options.kernel in name]
    random.Random(options.seed).shuffle(kernels)
    done = {(row["kernel"], row["diff"]) for row in known}
    counts = {
        number: sum(row["faults"] == number and row["verdict"] != "equal" for row in known)
        for number in (1, 2)
    }
    wanted = {1: options.singles, 2: options.doubles}
    share = {
        number: max(2, -(-wanted[number] * 5 // (4 * max(1, len(kernels))))) for number in (1, 2)
    }
    for _, make in kernels:
        if all(counts[number] >= wanted[number] for number in (1, 2)):
            return
        try:
            candidate = make()
            judge = Judge(candidate)
        except XpilerError:
            continue
        if not judge.clean:
            continue
        one, two = sample(candidate, options.seed)
        for number, faults in ((1, one), (2, two)):
            for fault in islice(faults, share[number]):
                key = (candidate.name, fault.diff(candidate.kernel.source))
                if counts[number] >= wanted[number] or key in done:
                    continue
                row = judge.row(fault)
                if row is not None:
                    counts[number] += row["verdict"] != "equal"
                    yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--singles", type=int, default=SINGLES, help="faults of one change")
    parser.add_argument("--doubles", type=int, default=DOUBLES, help="pairs of faults")
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample")
    parser.add_argument("--kernel", default="", help="only kernels with this in their name")
    parser.add_argument("--resume", type=Path, help="a file of outcomes, read and appended to")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    if options.resume and options.resume.exists():
        found = [json.loads(line) for line in options.resume.read_text().splitlines()]
    begun = time.process_time()
    try:
        for row in rows(options, list(found)):
            found.append(row)
            if options.resume:
                options.resume.parent.mkdir(parents=True, exist_ok=True)
                with options.resume.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            if sys.stderr.isatty():
                print(f"\r{len(found)} faults", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    report.show(found)
    print(f"CPU seconds of this process: {time.process_time() - begun:.0f}")
    return int(any(row["wrong"] for row in found))


if __name__ == "__main__":
    sys.exit(main())
