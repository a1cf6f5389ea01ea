"""How many translations are right, in every direction, beside the numbers that others report.

    python benchmarks/accuracy.py --jobs 2
    python benchmarks/accuracy.py --directions cuda-hip,bang-vnni --operators gemm,softmax
    python benchmarks/accuracy.py --sample 20
    python benchmarks/accuracy.py --kernels suite/ --manifest suite/kernels.json --targets hip,bang

Each kernel of the operator grid, at each shape that makes sense for it, goes to each target; what
the columns say stands in `targets_corpus.py`. Shapes are reduced to what an emulator runs in about
a second. A translation counts as right when it was made, every check of it held, a compiler of the
target's (where there is one) took it, a checked run on inputs that no check had seen found no
fault, and numpy agrees with what it computed there.

`--sample N` takes N cases by chance, the same ones each time, from all operators and dialects in
turn. `--kernels` and `--manifest` score kernels of other people's; `scoring/external.py` says what
a manifest looks like. Rows are kept in `OUT/accuracy.jsonl`, from which an interrupted run goes on;
`OUT/accuracy.md` and `OUT/accuracy.svg` are the table and the heat map. The exit code is 1 where a
result is wrong, which a refusal is not.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from corpus import CorpusError, entries
from scoring import external
from scoring.about import note
from scoring.chart import heat_map
from scoring.rows import Row, Subject, of_corpus
from scoring.running import is_bad, run
from scoring.tables import accuracy, shortfalls, show, totals

from xpiler_tvm.kernel import DIALECTS

OUT = Path("build/accuracy")


def grid(operators: Sequence[str], dialects: Sequence[str]) -> list[Subject]:
    """The kernels of the grid at each of their shapes."""
    return [
        of_corpus(entry.at(name))
        for dialect in dialects
        for entry in entries(dialect, operators=operators)
        for name in entry.shapes
    ]


def sample(subjects: Sequence[Subject], count: int, seed: int) -> list[Subject]:
    """Some subjects: of each operator and dialect one before a second of any."""
    rng = random.Random(seed)
    groups: dict[tuple[str, str], list[Subject]] = {}
    for subject in rng.sample(list(subjects), len(subjects)):
        groups.setdefault((subject.kernel.dialect, subject.operator), []).append(subject)
    rounds = [one for some in zip_longest(*groups.values()) for one in some if one is not None]
    return rounds[:count]


def by_source(directions: Sequence[str]) -> dict[str, list[str]]:
    """Targets by dialect, from words such as `cuda-hip`.

    Raises `ValueError` with the word where there is no such dialect.
    """
    found: dict[str, list[str]] = {}
    for word in directions:
        dialect, _, target = word.partition("-")
        if dialect not in DIALECTS or target not in DIALECTS:
            raise ValueError(f"{word!r} is no direction; one is {DIALECTS[0]}-{DIALECTS[1]}")
        found.setdefault(dialect, []).append(target)
    return found


def write(folder: Path, rows: Sequence[Row]) -> None:
    """The table and the heat map."""
    folder.mkdir(parents=True, exist_ok=True)
    text = [accuracy(rows), *(f"{line}\n" for line in totals(rows)), shortfalls(rows)]
    (folder / "accuracy.md").write_text("\n".join(text), encoding="utf-8")
    (folder / "accuracy.svg").write_text(heat_map(rows), encoding="utf-8")


def main() -> int:
    def names(text: str) -> list[str]:
        return [name for name in text.split(",") if name]

    every = [f"{dialect}-{target}" for dialect in DIALECTS for target in DIALECTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directions", type=names, default=every, help="cuda-hip, with commas")
    parser.add_argument("--operators", type=names, default=[], help="with commas (default: all)")
    parser.add_argument("--sample", type=int, metavar="N", help="so many cases, by chance")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--kernels", type=Path, metavar="DIR", help="kernels of another suite")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="what they are")
    parser.add_argument("--out", type=Path, default=OUT, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time (default: 2)")
    options = parser.parse_args()
    if (options.kernels is None) != (options.manifest is None):
        parser.error("--kernels and --manifest go together")
    try:
        wanted = by_source(options.directions)
        subjects = (
            external.subjects(options.kernels, options.manifest)
            if options.manifest
            else grid(options.operators, list(wanted))
        )
    except (CorpusError, ValueError) as error:
        parser.error(str(error))
    subjects = [one for one in subjects if one.kernel.dialect in wanted]
    if options.sample:
        subjects = sample(subjects, options.sample, options.seed)
    if not subjects:
        parser.error("there is no such kernel")
    targets = {str(one): wanted[one.kernel.dialect] for one in subjects}
    rows = run(subjects, targets, file=options.out / "accuracy.jsonl", at_once=options.jobs)
    write(options.out, rows)
    note(options.out)
    show(rows)
    return int(any(is_bad(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
