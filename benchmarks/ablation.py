"""What each part is worth: the same work without it.

    python benchmarks/ablation.py
    python benchmarks/ablation.py --sample 6 --parts raising,checks

| part      | without                               | what is counted                              |
|-----------|---------------------------------------|----------------------------------------------|
| `raising` | the raised form: one block holds all  | translations made; modelled time, in ours    |
| `checks`  | proofs and bounds, or the checked run | faulty kernels that would have been lifted   |
| `repair`  | repairs of a model's proposals        | wrong proposals that come to a right lift    |
| `model`   | the cost model of the search          | best of `--trials` trials, in ours           |
| `llm`     | a model's hints: none, good, bad      | the same                                     |

Rows are kept in `OUT/ablation.jsonl`, from which an interrupted run goes on; `OUT/ablation.md` is
the table. All samples are seeded.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from corpus import entries
from guided import played, proposal
from guiding.cases import CASES
from mutants.corpus import cases
from mutants.text_faults import text_faults
from scoring.about import note
from scoring.tables import markdown, share
from speed.operators import operators
from speed.tuned import bench_of, raised
from tuning_curves import ARMS

import xpiler_tvm as xt
from xpiler_tvm import lifting
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.evidence import Check
from xpiler_tvm.kernel import DIALECTS
from xpiler_tvm.lifting_guided import _Judge
from xpiler_tvm.tuning.bench import model_of
from xpiler_tvm.tuning.space import Space

OUT = Path("build/ablation")
SEED = 0
MODELLED = ("cuda", "hip", "bang")
SEARCHED = ("softmax", "gemm_f32", "layernorm")

Row = dict[str, Any]
Work = Callable[[], Row]


# ---------------------------------------------------------------- raising


def raising(sample: int | None) -> Iterator[tuple[str, Work]]:
    """Kernels of the corpus as they are raised, and as one opaque block."""
    found = [entry.cheapest() for dialect in DIALECTS for entry in entries(dialect)]
    for case in random.Random(SEED).sample(found, min(sample or len(found), len(found))):
        yield str(case), lambda case=case: _both_forms(case.kernel)


def _both_forms(kernel: xt.Kernel) -> Row:
    try:
        lifted = xt.lift(kernel)
    except XpilerError as error:
        return {"refused": error.code}
    row: Row = {}
    for target in MODELLED:
        seconds = []
        for form in (lifted, replace(lifted, mod=lifted.opaque, rung="opaque")):
            try:
                made = xt.transcompile(form, target)
                seconds.append(model_of(target)(made.mod))
            except XpilerError:
                seconds.append(None)
        row[target] = seconds
    return row


def tell_raising(rows: Sequence[Row]) -> str:
    lines = []
    for target in MODELLED:
        pairs = [row[target] for row in rows if target in row]
        ratios = [flat / ours for ours, flat in pairs if ours and flat]
        mean = statistics.geometric_mean(ratios) if ratios else 0.0
        made = [sum(pair[form] is not None for pair in pairs) for form in (0, 1)]
        lines.append([target, len(pairs), made[0], made[1], f"{mean:.1f}"])
    return markdown(
        ["target", "kernels", "made", "made without raising", "modelled time without, in ours"],
        lines,
    )


# ---------------------------------------------------------------- checks


def _passes(name: str) -> Check:
    return Check(name, "tested", "left out")


PLACES = ("bound", "guard", "comparison", "stride", "count")
"""Kinds of faults that may lead outside an array, or leave a part of one unwritten."""
_BOUNDS: dict[str, Any] = {"check_bounds": lambda *_: _passes("accesses in bounds")}
_FAULTS: dict[str, Any] = {"check_faults": lambda *_: (_passes("source has no faults"), ())}
WITHOUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "proofs and bounds": _BOUNDS,
    "the checked run": _FAULTS,
    "both": _BOUNDS | _FAULTS,
}


def checks(sample: int | None) -> Iterator[tuple[str, Work]]:
    """Faults in sources, and which checks of the lift see them."""
    rng = random.Random(SEED)
    faults = []
    for name, case in sorted(cases().items()):
        found = [one for one in text_faults(case.kernel) if one.kind in PLACES]
        faults += [(name, case.kernel, one) for one in rng.sample(found, min(3, len(found)))]
    for name, kernel, fault in rng.sample(faults, min(sample or len(faults), len(faults))):
        text = kernel.source[: fault.start] + fault.new + kernel.source[fault.end :]
        broken = replace(kernel, source=text)
        key = f"{name}: {' => '.join(fault.diff(kernel.source))}"
        yield key, lambda broken=broken, kernel=kernel: _seen(broken, kernel)


def _seen(broken: xt.Kernel, kernel: xt.Kernel) -> Row:
    """Which lifts accept a faulty kernel; `harmless` where it does what it did."""
    row: Row = {}
    for name, replaced in WITHOUT.items():
        with ExitStack() as stack:
            for function, instead in replaced.items():
                stack.enter_context(patch.object(lifting, function, instead))
            try:
                xt.lift(broken)
                row[name] = "accepted"
            except XpilerError as error:
                row[name] = error.code
    try:
        row["harmless"] = xt.check(kernel, broken).ok
    except XpilerError:
        row["harmless"] = False
    return row


def tell_checks(rows: Sequence[Row]) -> str:
    harmful = [row for row in rows if not row["harmless"]]
    lines = [
        [name, len(harmful), taken, share(len(harmful) - taken, len(harmful))]
        for name in WITHOUT
        for taken in [sum(row[name] == "accepted" for row in harmful)]
    ]
    return (
        markdown(["without", "faulty sources", "lifted as they stand", "refused"], lines)
        + "\nA source whose fault changes its values, and nothing else, is lifted as it stands:\n"
        "what it computes is what it says.\n"
    )


# ---------------------------------------------------------------- repair


def repairs(sample: int | None) -> Iterator[tuple[str, Work]]:
    """A model's wrong proposals, each alone."""
    every = [(case, name) for case in CASES for name in case.faults]
    for case, name in random.Random(SEED).sample(every, min(sample or len(every), len(every))):
        yield f"{case.name}: {name}", lambda case=case, name=name: _proposed(case, name)


def _proposed(case: Any, name: str) -> Row:
    answers = [proposal("source", case.wrong(name))]
    row: Row = {"with": played(case, answers).text is not None}
    with patch.object(_Judge, "_repaired", lambda *_: None):
        row["without"] = played(case, answers).text is not None
    return row


def tell_repairs(rows: Sequence[Row]) -> str:
    lines = [
        [
            name,
            len(rows),
            sum(row[name] for row in rows),
            share(sum(row[name] for row in rows), len(rows)),
        ]
        for name in ("with", "without")
    ]
    return markdown(["repair", "wrong proposals", "lifted in the end", "share"], lines)


# ---------------------------------------------------------------- search


def searches(sample: int | None, arms: Sequence[str], trials: int) -> Iterator[tuple[str, Work]]:
    """The best schedule that a search finds on the model of MLUs, by arm."""
    for operator in operators():
        if operator.name.split("@")[0] in SEARCHED[: sample or None]:
            for arm in arms:
                yield (
                    f"{operator.name} {arm} {trials}",
                    lambda operator=operator, arm=arm: _searched(operator, arm, trials),
                )


def _searched(operator: Any, arm: str, trials: int) -> Row:
    mod = raised(operator)
    bench = bench_of(operator, mod, "bang")
    seconds = ARMS[arm](Space(mod, "bang"), bench, trials, SEED)
    best = float(np.min(seconds)) if seconds else math.inf
    return {"operator": operator.name, "arm": arm, "best": best if math.isfinite(best) else None}


def tell_searches(rows: Sequence[Row]) -> str:
    ours = {row["operator"]: row["best"] for row in rows if row["arm"] == "rules"}
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        ratios = [
            row["best"] / ours[row["operator"]]
            for row in rows
            if row["arm"] == arm and row["best"] and ours.get(row["operator"])
        ]
        mean = statistics.geometric_mean(ratios) if ratios else 0.0
        asked = sum(row["arm"] == arm for row in rows)
        lines.append([arm, asked, len(ratios), f"{mean:.2f}" if ratios else "-"])
    return markdown(
        ["arm", "operators", "with a right one", "best, in that of ours with its rules and model"],
        lines,
    )


# ---------------------------------------------------------------- command


Part = tuple[str, Iterator[tuple[str, Work]], Callable[[Sequence[Row]], str]]


def parts_of(options: argparse.Namespace) -> dict[str, Part]:
    """By part what its rows are kept as, their work, and what tells of them.

    Both parts about the search begin with ours: its rows serve both.
    """
    some, trials = options.sample, options.trials
    return {
        "raising": ("raising", raising(some), tell_raising),
        "checks": ("checks", checks(some), tell_checks),
        "repair": ("repair", repairs(some), tell_repairs),
        "model": ("search", searches(some, ("rules", "no prior", "random"), trials), tell_searches),
        "llm": (
            "search",
            searches(some, ("rules", "scripted model", "adversarial"), trials),
            tell_searches,
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", type=lambda text: text.split(","), help="with commas")
    parser.add_argument("--sample", type=int, metavar="N", help="so many rows a part")
    parser.add_argument("--trials", type=int, default=16, help="of a search (default: 16)")
    parser.add_argument("--out", type=Path, default=OUT, help="default: %(default)s")
    options = parser.parse_args()
    parts = parts_of(options)
    if unknown := set(options.parts or ()) - set(parts):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "ablation.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    known = {(row["kept"], row["key"]): row["row"] for row in map(json.loads, lines)}
    sections = []
    for part, (kept, work, tell) in parts.items():
        if options.parts and part not in options.parts:
            continue
        rows = []
        for key, make in work:
            if (kept, key) not in known:
                print(f"{part}: {key}", file=sys.stderr, flush=True)
                known[kept, key] = make()
                line = json.dumps({"kept": kept, "key": key, "row": known[kept, key]})
                with file.open("a") as out:
                    out.write(line + "\n")
            rows.append(known[kept, key])
        sections.append(f"### Without {part}\n\n{tell(rows)}")
    text = "\n".join(sections)
    (options.out / "ablation.md").write_text(text, encoding="utf-8")
    note(options.out)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
