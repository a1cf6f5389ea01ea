"""The corpus for every target: is what comes out compiled, right and without faults?

    python benchmarks/targets_corpus.py --jobs 2
    python benchmarks/targets_corpus.py --dialect cuda --targets hip,bang --operators softmax,gemm
    python benchmarks/targets_corpus.py --read-back --json rows.jsonl

Each kernel is lifted once and translated to each target. Shapes are the grid's, reduced to what
the emulator runs in about a second (`--shapes all` takes each of them, not the cheapest alone);
where a reduction has been made the table's last line says so.

| column     | what held                                                                        |
|------------|----------------------------------------------------------------------------------|
| read       | the frontend took the text                                                       |
| lifted     | it became TensorIR that does what the text does                                  |
| emitted    | it was scheduled and written in the target's language                            |
| compiled   | the vendor's compiler took the file (nvcc, g++); `-` where this machine has none |
| right      | every check of the translation held                                              |
| no finding | a checked run in the target's strict mode, on unseen inputs, found no fault      |
| = numpy    | and what it computed there is what numpy says                                    |
| reads back | with `--read-back`: our frontend reads it, and it does what the source does      |

With `--json` rows are kept as they come, and a later run with the same file goes on where this one
ended, and tries crashes again. What was not made stands in a second table with its reason. The exit
code is 1 where a result is wrong, which a refusal is not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from corpus import entries
from scoring.rows import of_corpus
from scoring.running import is_bad, run
from scoring.tables import show

from xpiler_tvm import targets
from xpiler_tvm.kernel import DIALECTS


def main() -> int:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialect", type=names, default=DIALECTS, help="sources, with commas")
    parser.add_argument("--targets", type=names, default=DIALECTS, help="with commas; also opencl")
    parser.add_argument("--operators", type=names, default=[], help="with commas (default: all)")
    parser.add_argument("--wild", action="store_true", help="the wild kernels, not the grid")
    parser.add_argument("--shapes", choices=("cheapest", "all"), default="cheapest")
    parser.add_argument("--read-back", action="store_true", help="read what was emitted, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the rows there, and go on")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time (default: 1)")
    options = parser.parse_args()
    for given, known in ((options.dialect, DIALECTS), (options.targets, targets.TARGETS)):
        if unknown := set(given) - set(known):
            parser.error(f"there is no {', '.join(sorted(unknown))}")
    found = [
        entry
        for dialect in options.dialect
        for entry in entries(dialect, operators=options.operators, wild=options.wild)
    ]
    if not found:
        parser.error("there is no such kernel")
    cases = (
        [entry.at(name) for entry in found for name in entry.shapes]
        if options.shapes == "all"
        else [entry.cheapest() for entry in found]
    )
    subjects = [of_corpus(case) for case in cases]
    rows = run(
        subjects,
        {str(subject): options.targets for subject in subjects},
        file=options.json,
        at_once=options.jobs,
        read_back=options.read_back,
    )
    show(rows)
    return int(any(is_bad(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
