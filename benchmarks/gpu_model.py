"""What a roofline model says of CUDA and HIP schedules: the share of the roof for each operator.

    python benchmarks/gpu_model.py --target hip
    python benchmarks/gpu_model.py --operators gemm,softmax --json

Kernels of the corpus are raised at the grid's full shapes and scheduled by the rules; nothing is
run. `us` is what `tuning/roofline.py` says of the schedule on the target's default device, `roof`
what the device would take at least to move the kernel's tensors once, or to do its products, by the
same data sheet. All figures are modelled, none was measured: `gpu_run.py` measures.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import tvm
from bang_model import chosen, line
from corpus import Case, CorpusError

from xpiler_tvm import frontends, schedules
from xpiler_tvm.dialects.peaks import PEAKS
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.schedules.analysis import stages
from xpiler_tvm.schedules.base import Declined, fresh
from xpiler_tvm.schedules.matmul import contraction
from xpiler_tvm.tuning.bench import model_of
from xpiler_tvm.tuning.roofline import LAUNCH_SECONDS, TENSOR

COLUMNS = ("operator", "shape", "rule", "us", "bound", "of roof", "")
WIDTHS = (14, 26, 18, 10, 7, 8, 0)


@dataclass(frozen=True)
class Row:
    """An operator at a shape: seconds of the schedule and of the roof; `error` where there is no
    schedule."""

    operator: str
    shape: str
    rule: str = ""
    seconds: float = 0.0
    roof: float = 0.0
    bound: str = ""
    error: str = ""

    def cells(self) -> list[str]:
        if self.error:
            return [self.operator, self.shape, "-", "-", "-", "-", self.error]
        share = f"{100 * self.roof / self.seconds:.0f} %"
        return [
            self.operator,
            self.shape,
            self.rule,
            f"{self.seconds * 1e6:.4g}",
            self.bound,
            share,
            "",
        ]


def roof(mod: tvm.IRModule, target: str) -> tuple[float, str]:
    """The least seconds of a raised program on a target's device, and what bounds it."""
    peak, flops, moved = PEAKS[target], 0.0, 0.0
    for stage in stages(fresh(mod)):
        found = contraction(stage)
        if not isinstance(found, Declined):
            narrow = "32" not in str(stage.block.reads[0].source.dtype)
            flops += 2.0 * stage.size() / (TENSOR if narrow else 1.0)
    for param in mod["main"].params:
        if hasattr(param, "shape"):
            bits = tvm.DataType(str(param.dtype)).bits
            moved += math.prod(int(extent) for extent in param.shape) * bits / 8
    compute, memory = flops / peak.operations, moved / peak.bandwidth
    return LAUNCH_SECONDS + max(compute, memory), "compute" if compute > memory else "memory"


def row_of(case: Case, target: str) -> Row:
    """The figures of a kernel at a shape."""
    shape = ",".join(f"{value}" for value in case.shape.values())
    try:
        reading = frontends.read(frontends.resolve(case.kernel))
        raised = raise_program(reading.program).mod
        scheduled = schedules.apply(raised, target)
        least, bound = roof(raised, target)
        seconds = model_of(target)(scheduled.mod) or math.inf
    except (XpilerError, CorpusError) as error:
        return Row(case.entry.operator, shape, error=str(error).splitlines()[0])
    return Row(case.entry.operator, shape, scheduled.rule, seconds, least, bound)


def rows_of(target: str, dialect: str, operators: set[str], every: bool) -> Iterator[Row]:
    for case in chosen(dialect, operators, every):  # type: ignore[arg-type]
        yield row_of(case, target)


def mean_share(rows: Sequence[Row]) -> float:
    """Geometric mean of the shares of the roof."""
    shares = [row.roof / row.seconds for row in rows if not row.error]
    return statistics.geometric_mean(shares) if shares else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", default="cuda", choices=["cuda", "hip"])
    parser.add_argument("--dialect", default="cuda", choices=["cuda", "hip", "bang", "vnni"])
    parser.add_argument("--operators", default="", help="comma separated; all by default")
    parser.add_argument("--all", action="store_true", help="every shape, not the largest only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    found = rows_of(
        given.target, given.dialect, {*filter(None, given.operators.split(","))}, given.all
    )
    if given.json:
        rows = list(found)
        print(
            json.dumps({"rows": [asdict(row) for row in rows], "mean": mean_share(rows)}, indent=1)
        )
        return
    print("modelled, not measured")
    print(line(list(COLUMNS), WIDTHS))
    rows = []
    for row in found:
        rows.append(row)
        print(line(row.cells(), WIDTHS), flush=True)
    print(f"geometric mean of the shares of the roof: {100 * mean_share(rows):.0f} %")


if __name__ == "__main__":
    main()
