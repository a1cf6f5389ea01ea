"""`docs/results.md`, from what `accuracy.py`, `speed_report.py` and `ablation.py` left in `build/`.

    python benchmarks/results.py
    python benchmarks/results.py --from build --to docs

The page and its pictures are written again. A part that was not run stays as the page has it, with
the commit that it is of; the page says so where it has none.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from scoring.rows import Row, kept
from scoring.tables import accuracy, shortfalls, totals

PARTS = {
    "accuracy": ("Accuracy", "make bench-accuracy"),
    "speed": ("Speed", "make bench-speed"),
    "ablation": ("What each part is worth", "make bench-ablation"),
}


def made_by(folder: Path) -> str:
    """A line that says where and with what a part was made."""
    file = folder / "about.json"
    if not file.exists():
        return ""
    about = json.loads(file.read_text(encoding="utf-8"))
    words = [f"{name} {about[name]}" for name in ("commit", "machine", "versions")]
    return f"*{about['date']}, `{about['command']}`: {'; '.join(words)}. All seeds are 0.*\n"


def accuracy_section(rows: Sequence[Row]) -> str:
    operators = len({row.operator for row in rows})
    kernels = len({row.kernel for row in rows})
    median = statistics.median(row.seconds for row in rows if row.seconds)
    return f"""{operators} operators, {kernels} kernels at a shape, {len(rows)} translations. \
`accuracy` counts what is right in every column; what a column says stands at the head of \
`benchmarks/targets_corpus.py`. QiMeng-Xpiler's figures are of its own 168 kernels a direction, \
which take it 1.2 to 7.8 hours each; the median here is {median:.1f} CPU seconds.

![accuracy by operator and direction](results/accuracy.svg)

{accuracy(rows)}
{"".join(f"* {line}{chr(10)}" for line in totals(rows))}"""


def section(part: str, folder: Path, before: str) -> str:
    """What a part has to say, under its heading; where it did not run, what `before` has of it."""
    title, command = PARTS[part]
    head = f"## {title}\n\n{made_by(folder)}\n"
    known = under(title, before) or f"{head}Not run: `{command}`.\n"
    if part == "accuracy":
        rows = sorted(kept(folder / "accuracy.jsonl"), key=lambda row: (row.dialect, row.target))
        return head + accuracy_section(rows) if rows else known
    file = folder / f"{part}.md"
    if not file.exists():
        return known
    picture = (
        "![ratios by operator](results/speed.svg)\n\n" if (folder / "speed.svg").exists() else ""
    )
    return head + picture + file.read_text(encoding="utf-8")


def missing(folder: Path, before: str) -> str:
    """Every cell that failed, with its reason."""
    title = "What is wrong or missing"
    rows = kept(folder / "accuracy" / "accuracy.jsonl")
    if not rows and (known := under(title, before)):
        return known
    said = shortfalls(sorted(rows, key=lambda row: (row.dialect, row.target, row.name)))
    return f"## {title}\n\n{said}"


def under(title: str, page: str) -> str:
    """A page's section of a title, heading included; empty where it has none, or one not run."""
    _, found, rest = page.partition(f"## {title}\n")
    lines = rest.splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if line.startswith("## ")), len(lines))
    body = "".join(lines[:end]).strip("\n")
    return f"## {title}\n\n{body}\n" if found and "Not run: `" not in body else ""


def page(folder: Path, before: str = "") -> str:
    """The whole page; `before` is the one that it takes the place of."""
    parts = "\n".join(section(part, folder / part, before) for part in PARTS)
    return f"""# Results

Written by `benchmarks/results.py` from what the commands below left; not edited by hand. CUDA and
HIP are emulated on a CPU, BANG C too; what is modelled is called so.

{parts}
{missing(folder, before)}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--from", dest="source", type=Path, default=Path("build"))
    parser.add_argument("--to", type=Path, default=Path("docs"))
    options = parser.parse_args()
    pictures = options.to / "results"
    pictures.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        for file in sorted((options.source / part).glob("*.svg")):
            shutil.copy(file, pictures / file.name)
    file = options.to / "results.md"
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    file.write_text(page(options.source, before), encoding="utf-8")
    print(f"wrote {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
