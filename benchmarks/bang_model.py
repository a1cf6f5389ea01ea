"""What the cycle model says of emitted BANG C: bound and share of peak for each operator.

    python benchmarks/bang_model.py
    python benchmarks/bang_model.py --operators gemm,softmax --dialect hip
    python benchmarks/bang_model.py --all            # every shape of the grid, not the largest only

Kernels of the corpus are raised at the grid's full shapes, scheduled and emitted; nothing is run.
All figures are modelled (`codegen_bang/cost.py` says what is assumed), none was measured. What is
left to scalar code stands below a row, with the part of the time that it takes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence

from corpus import Case, CorpusError, entries

from xpiler_tvm import frontends, schedules
from xpiler_tvm.codegen_bang import emit_bang
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.kernel import Dialect

COLUMNS = ("operator", "shape", "rule", "tasks", "us", "bound", "of peak", "busiest pipes")
WIDTHS = (14, 26, 12, 6, 10, 7, 8, 0)


def rows(case: Case) -> Iterator[str]:
    """The cells of a kernel at a shape; the last one says why there is no figure."""
    yield case.entry.operator
    yield ",".join(f"{value}" for value in case.shape.values())
    reading = frontends.read(frontends.resolve(case.kernel))
    scheduled = schedules.apply(raise_program(reading.program).mod, "bang")
    printed = emit_bang(scheduled.mod, reading.kernel.free_standing())
    found = printed.estimate
    yield scheduled.rule
    yield str(found.tasks)
    yield f"{found.seconds * 1e6:.4g}"
    yield found.bound
    yield f"{100 * found.share:.3g} %"
    busy = sorted(found.busy.items(), key=lambda pair: -pair[1])
    pipes = ", ".join(f"{pipe} {100 * one / found.cycles:.0f} %" for pipe, one in busy if one)
    yield "\n    ".join([pipes, *printed.slow])


def line(cells: list[str], widths: Sequence[int] = WIDTHS) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)).rstrip()


def chosen(dialect: Dialect, operators: set[str], every_shape: bool) -> Iterator[Case]:
    """The first kernel of each operator at its largest shape, or at all of them."""
    seen: set[str] = set()
    for entry in entries(dialect, operators=operators, full=True):
        if entry.operator in seen:
            continue
        seen.add(entry.operator)
        cases = [entry.at(name) for name in entry.shapes]
        if not every_shape:
            cases = [max(cases, key=lambda case: sum(t.size for t in case.kernel.tensors))]
        yield from cases


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dialect", default="cuda", choices=["cuda", "hip", "bang", "vnni"])
    parser.add_argument("--operators", default="", help="comma separated; all by default")
    parser.add_argument("--all", action="store_true", help="every shape, not the largest only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    table = []
    if not given.json:
        print("modelled, not measured")
        print(line(list(COLUMNS)))
    for case in chosen(given.dialect, {*filter(None, given.operators.split(","))}, given.all):
        cells: list[str] = []
        try:
            for cell in rows(case):
                cells.append(cell)
        except (XpilerError, CorpusError) as error:
            cells += ["-"] * (len(COLUMNS) - 1 - len(cells))
            cells.append(str(error).splitlines()[0])
        table.append(dict(zip(COLUMNS, cells, strict=True)))
        if not given.json:
            print(line(cells), flush=True)
    if given.json:
        print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
