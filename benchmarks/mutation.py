"""The mutation score: faults put into correct kernels, and how many of them the oracle catches.

    python benchmarks/mutation.py
    python benchmarks/mutation.py --count 60 --kind barrier,atomic
    python benchmarks/mutation.py --kernel softmax_rows.cu,softmax.mlu --count 200 --json
    python benchmarks/mutation.py --form raised --count 200

The kernels of `mutants/corpus` (CUDA, HIP and BANG C) and their lifted programs get one fault at a
time, a sample of all that `mutants` knows to make; with `--form raised` the faults are those that
a pass of raising could make, put into what each pass made. Each mutant is held against its
original by our oracle and, for comparison, by inputs of ones and `allclose` with 1e-3. Mutants that
the compiler refuses are replaced; those that are proved or known to be equivalent do not count in
the scores.

The default takes seven to eight minutes of CPU time on one core with an empty cache, and half of
that with a full one. Ctrl-C ends it early with the numbers so far. The exit code is 1 where a
kernel of the corpus is not clean or where the oracle refutes an equivalent mutant, else 0.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from mutants import report
from mutants.corpus import cases
from mutants.equivalence import why_equivalent
from mutants.fault import KINDS, ProgramFault
from mutants.judging import Original, Stillborn
from mutants.report import Outcome
from mutants.sampling import FORMS, Mutant, in_turn, mutants_of

from xpiler_tvm.stopwatch import cpu_seconds

COUNT = 500
SEED = 0


def judge(mutant: Mutant) -> Outcome:
    """The fate of a mutant. Raises `Stillborn` where it does not compile."""
    original, fault = mutant.original, mutant.fault
    if isinstance(fault, ProgramFault):
        verdict, ones = original.judge_program(fault), original.ones_catch_program(fault)
    else:
        verdict, ones = original.judge_text(fault), original.ones_catch_text(fault)
    # A proof of equivalence is looked for where it would matter: what differs in value is a fault.
    decided = verdict.by in ("values", "crash")
    return Outcome(mutant, verdict, ones, "" if decided else why_equivalent(original.case, fault))


def calibration() -> float:
    """CPU seconds of a fixed job, for comparing machines."""
    numbers = np.random.default_rng(0).random(4_000_000)
    start = time.process_time()
    np.sort(numbers)
    return time.process_time() - start


def chosen(
    text: str, known: Sequence[str], what: str, parser: argparse.ArgumentParser
) -> list[str]:
    """The names in a list with commas, all of them where it is empty."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            parser.error(f"no {what} named {name!r}; there are: {', '.join(known)}")
    return names or list(known)


@contextmanager
def progress(total: int) -> Iterator[Callable[[int, int], None]]:
    """A function that moves a bar on, or nothing where nobody would see it."""
    if not sys.stderr.isatty():
        yield lambda done, survivors: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("mutants", total=total)

        def move(done: int, survivors: int) -> None:
            bar.update(task, completed=done, description=f"mutants, {survivors} not caught")

        yield move


def originals(names: Sequence[str]) -> tuple[list[Original], dict[str, str]]:
    """The kernels that are clean, and what is wrong with the others."""
    good, bad = [], {}
    for name in names:
        original = Original(cases()[name])
        problem = original.problem()
        if problem:
            bad[name] = problem
        else:
            good.append(original)
    return good, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=COUNT, help=f"mutants (default: {COUNT})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the sample (default: {SEED})")
    parser.add_argument("--kind", default="", help="kinds of faults, with commas (default: all)")
    parser.add_argument("--kernel", default="", help="kernels, with commas (default: all)")
    parser.add_argument(
        "--form", default="text,program", help=f"any of {', '.join(FORMS)} (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    kinds = chosen(options.kind, list(KINDS), "kind", parser)
    names = chosen(options.kernel, list(cases()), "kernel", parser)
    forms = chosen(options.form, FORMS, "form", parser)

    start = cpu_seconds()
    outcomes: list[Outcome] = []
    stillborn, interrupted = 0, False
    unclean: dict[str, str] = {}
    try:
        good, unclean = originals(names)
        found = (mutant for original in good for mutant in mutants_of(original, forms))
        queue = in_turn((mutant for mutant in found if mutant.kind in kinds), options.seed)
        with progress(min(options.count, len(queue))) as move:
            for mutant in queue:
                if len(outcomes) == options.count:
                    break
                try:
                    outcomes.append(judge(mutant))
                except Stillborn:
                    stillborn += 1
                move(len(outcomes), sum(one.survived for one in outcomes))
    except KeyboardInterrupt:
        interrupted = True

    seconds, calibrated = cpu_seconds() - start, calibration()
    survivors = [one for one in outcomes if one.survived]
    equivalent = [one for one in outcomes if one.equivalent]
    alarms = [one for one in outcomes if one.false_alarm]
    if options.json:
        data = {
            "seed": options.seed,
            "kinds": report.rows(outcomes, lambda mutant: mutant.kind),
            "dialects": report.rows(outcomes, lambda mutant: mutant.dialect),
            "survivors": [report.described(one) for one in survivors],
            "equivalent": [report.described(one) for one in equivalent],
            "false alarms": [report.described(one) for one in alarms],
            "unclean": unclean,
            "stillborn": stillborn,
            "interrupted": interrupted,
            "seconds": round(seconds, 1),
            "calibration": round(calibrated, 3),
        }
        print(json.dumps(data, indent=2))
    else:
        print(report.table("kind of fault", outcomes, lambda mutant: mutant.kind), end="\n\n")
        print(report.table("dialect", outcomes, lambda mutant: mutant.dialect), end="\n\n")
        for title, some in (
            ("not caught", survivors),
            ("equivalent", equivalent),
            ("equivalent, and refuted all the same", alarms),
        ):
            if some:
                print(f"{title}: {len(some)}\n{report.listed(some)}\n")
        for name, problem in unclean.items():
            print(f"left out, for it is not clean: {name} {problem}")
        print(f"{len(outcomes)} mutants of seed {options.seed}; {stillborn} more did not compile")
        print(f"CPU seconds: {seconds:.1f}")
        print(f"calibration: 4 million numbers sorted by numpy in {calibrated:.2f} CPU s")
    return 130 if interrupted else int(bool(unclean or alarms))


if __name__ == "__main__":
    sys.exit(main())
