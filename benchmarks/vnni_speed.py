"""Speed of what is transcompiled for vnni against CPU libraries, on one thread.

    python benchmarks/vnni_speed.py
    python benchmarks/vnni_speed.py --operators gemm,softmax --json
    python benchmarks/vnni_speed.py --tuned 64 --work-dir build/tuning

Plain C (`speed/operators.py`) is transcompiled by the rules alone, or `--tuned` by trials, 16 an
operator unless told (records are kept, so that a run that was stopped goes on), and runs beside
PyTorch (oneDNN), onnxruntime, numpy and the same C by `g++ -O3 -march=native`. Times are thread-CPU
time, the least of several runs; the first line tells what the machine can do. `ratio` is the time
of the fastest library by ours (above 1 we are faster), `x g++` the same against g++. A library that
is not installed, or has no such operator, is a '-': `pip install 'xpiler-tvm[bench]'`. Every result
is compared with float64 or int64 numpy before it is timed; a wrong one ends with exit code 1.

The libraries are held to the instructions of the target, AVX512-VNNI: oneDNN by its variable
`ONEDNN_MAX_CPU_ISA`, the others by not being granted AMX. Another value of it gives them all.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from speed.calibration import calibration
from speed.contestants import CONTESTANTS, LIBRARIES, agrees, translated
from speed.operators import Operator, operators
from speed.timing import seconds_of


@dataclass(frozen=True)
class Row:
    """An operator's milliseconds by contestant; `wrong` says whose result is, `rule` ours."""

    operator: str
    milliseconds: dict[str, float]
    rate: float
    unit: str
    rule: str
    wrong: str

    @property
    def ratio(self) -> float:
        """The best library's time by ours; 0 where either is missing."""
        ours = self.milliseconds.get("ours")
        best = [self.milliseconds[one] for one in LIBRARIES if one in self.milliseconds]
        return min(best) / ours if ours and best else 0.0

    @property
    def by_gcc(self) -> float:
        ours, gcc = self.milliseconds.get("ours"), self.milliseconds.get("g++")
        return gcc / ours if ours and gcc else 0.0

    def __str__(self) -> str:
        times = "".join(
            f"{self.milliseconds[one]:10.3f}" if one in self.milliseconds else f"{'-':>10}"
            for one in CONTESTANTS
        )
        rate = f"{self.rate:8.1f} {self.unit}"
        ratio = f"{self.ratio:7.2f}" if self.ratio else f"{'-':>7}"
        gcc = f"{self.by_gcc:7.2f}" if self.by_gcc else f"{'-':>7}"
        return f"{self.operator:<27}{times} {rate:<14}{ratio}{gcc}  {self.rule}  {self.wrong}"


def measure(operator: Operator, slow: float) -> Row:
    """One row; `slow` are the seconds above which g++'s plain loops are left out."""
    exact = operator.exact(
        *(a.astype("float64") if a.dtype == "float32" else a for a in operator.inputs())
    )
    times: dict[str, float] = {}
    rule, wrong = "", []
    for name, prepare in CONTESTANTS.items():
        if name == "g++" and operator.work > slow and operator.unit == "op":
            continue
        try:
            prepared = prepare(operator)
        except Exception as error:  # a library may refuse an operator; the table says so
            wrong.append(f"{name}: {str(error).strip().splitlines()[-1][:100]}")
            continue
        if prepared is None:
            continue
        prepared.run()
        rule = prepared.about or rule
        if not agrees(prepared.result(), exact):
            wrong.append(f"{name} is wrong")
        times[name] = seconds_of(prepared.run) * 1e3
    ours = times.get("ours", math.inf)
    unit = "GOP/s" if operator.unit == "op" else "GB/s"
    rate = operator.work / ours / 1e6
    return Row(operator.name, times, rate, unit, rule, "; ".join(wrong))


def geomean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--operators", default="", help="prefixes of names, by commas")
    parser.add_argument("--slow", type=float, default=3e8, help="operations above which g++ rests")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--tuned",
        type=int,
        nargs="?",
        default=0,
        const=16,
        metavar="N",
        help="trials (16) for ours",
    )
    parser.add_argument("--work-dir", default="build/tuning", help="where records of trials are")
    options = parser.parse_args()
    if options.tuned:
        from speed.tuned import tuned_schedule

        by_trials = partial(tuned_schedule, trials=options.tuned, folder=Path(options.work_dir))
        CONTESTANTS["ours"] = partial(translated, schedule=by_trials)

    wanted = tuple(filter(None, options.operators.split(",")))
    chosen = [one for one in operators() if not wanted or one.name.startswith(wanted)]
    if not chosen:
        parser.error(f"no operator begins with {' or '.join(wanted)}")
    peaks = calibration()
    if not options.json:
        print("  ".join(f"{name} {value:.1f}" for name, value in peaks.items()))
        heads = "".join(f"{name:>10}" for name in CONTESTANTS)
        print(f"{'milliseconds':<27}{heads} {'ours':<14}{'ratio':>7}{'x g++':>7}  rule")
    rows = []
    for operator in chosen:
        rows.append(measure(operator, options.slow))
        if not options.json:
            print(rows[-1], flush=True)
    ratios = [row.ratio for row in rows if row.ratio]
    if options.json:
        table = [{**asdict(row), "ratio": row.ratio} for row in rows]
        print(json.dumps({"peaks": peaks, "rows": table, "geomean": geomean(ratios)}, indent=2))
    else:
        print(f"geometric mean of {len(ratios)} ratios to the best library: {geomean(ratios):.2f}")
    return 1 if any("ours" in row.wrong or not row.milliseconds.get("ours") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
