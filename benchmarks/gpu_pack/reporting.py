"""results.json to docs/emulator-vs-gpu.md."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
# Which tool looks for what a kind of finding is; other kinds none of them looks for.
_TOOL_OF = {
    "out of bounds": "memcheck",
    "misaligned access": "memcheck",
    "race": "racecheck",
    "uninitialised read": "initcheck",
    "divergent barrier": "synccheck",
}

_HEAD = """# The emulator against a GPU

The emulator says what a kernel computes and what is wrong with it. Both can be held against NVIDIA
hardware: the values against a run, the findings of the checked build against the four tools of
compute-sanitizer. This page is written by `benchmarks/emulator_vs_gpu.py report`; do not edit it.
"""

_HOW = """## How to compare

1. Here, where the package is installed, make the pack. Every kernel of `examples/` and
   `tests/kernels/` runs in the emulator, and so do the texts of `tests/emulation/test_findings.py`,
   right and wrong:

       python benchmarks/emulator_vs_gpu.py pack -o build/gpu_pack

2. Take the folder to a machine with a GPU. It needs Python 3.10, numpy, and nvcc, or NVRTC as it
   comes with PyTorch; compute-sanitizer where findings are to be compared. Call this until it says
   that it is complete; it goes on where it stopped:

       python build/gpu_pack/run_on_gpu.py

   Without a GPU, `--compile-only --arch sm_80,sm_90` tells whether nvcc takes every kernel.

3. Bring `results.json` back and write this page:

       python benchmarks/emulator_vs_gpu.py report build/gpu_pack/results.json
"""

_REACH = """\
The tools look at less than the checked build does, so a finding counts for a tool only where that
tool could have it: racecheck looks at shared memory and initcheck at global memory; none of them
looks at local variables without a value, at integer arithmetic, or at what an output keeps of what
it started with.
"""

_NONE = """## State

**No GPU has been compared yet.** What the emulator says of CUDA rests on its tests, on numpy and on
the documents of the vendors alone.
"""

Record = dict[str, Any]


def document(results: Path) -> str:
    """The page for what is in `results`; where there is no such file, that nothing is compared."""
    found = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    if not found.get("machine", {}).get("device"):
        return "\n".join([_HEAD, _NONE, _HOW])
    kernels = dict(sorted(found["kernels"].items()))
    parts = [_HEAD, _machine(found["machine"]), _values(kernels), _verdicts(kernels), _HOW]
    return "\n".join(parts)


def _machine(machine: Mapping[str, str]) -> str:
    rows = [
        ("device", f"{machine['device']} ({machine['arch']})"),
        ("driver", machine["driver"]),
        ("compiler", machine["compiler"]),
        ("compute-sanitizer", machine["sanitizer"] or "not there"),
    ]
    return "## State\n\n" + _table(("", ""), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(value) for value in line)} |\n" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


# ---------------------------------------------------------------- values


def _values(kernels: Mapping[str, Record]) -> str:
    verdicts: dict[str, tuple[str, str]] = {}
    worst = 0.0
    for name, record in kernels.items():
        if not record["correct"]:
            continue
        refused = next((error for error in record.get("compile", {}).values() if error), "")
        values = record.get("values")
        if refused:
            verdicts[name] = "refused by the compiler", refused
        elif values is None:
            verdicts[name] = "not run", ""
        elif values["verdict"] == "agrees":
            verdicts[name] = "agrees", ""
            worst = max(worst, values["worst"])
        else:
            verdicts[name] = values["verdict"], values["detail"]
    counts = Counter(verdict for verdict, _ in verdicts.values())
    text = "## Values\n\n" + _table(("verdict", "kernels"), counts.most_common())
    text += f"\nThe largest error of those that agree is {worst:.2g} of its bound.\n"
    others = [(name, *why) for name, why in verdicts.items() if why[0] != "agrees"]
    if others:
        text += "\n" + _table(("kernel", "verdict", "detail"), others)
    return text


# ---------------------------------------------------------------- findings


def tool_of(finding: Record, arrays: Sequence[str]) -> str | None:
    """The tool that could find it; `arrays` are the kernel's parameters in global memory."""
    tool = _TOOL_OF.get(finding["kind"])
    is_global = finding["variable"] in arrays
    if tool == "racecheck" and is_global:
        return None
    if tool == "initcheck" and not is_global:
        return None
    return tool


def agreement(record: Record, tool: str) -> str:
    """How the emulator and a tool stand to each other on a kernel."""
    answer = record["tools"].get(tool, {}).get("verdict", "none")
    if answer == "none":
        return "no verdict"
    mine = any(tool_of(one, record["arrays"]) == tool for one in record["expected"])
    if answer == "found":
        return "both find" if mine else "only the tool finds"
    return "only the emulator finds" if mine else "both are silent"


_STATES = (
    "both find",
    "both are silent",
    "only the emulator finds",
    "only the tool finds",
    "no verdict",
)


def _verdicts(kernels: Mapping[str, Record]) -> str:
    rows = []
    for tool in TOOLS:
        counts = Counter(agreement(record, tool) for record in kernels.values())
        rows.append((tool, *(counts[state] for state in _STATES)))
    beyond: Counter[str] = Counter()
    for record in kernels.values():
        mine = [one for one in record["expected"] if tool_of(one, record["arrays"]) is None]
        beyond.update({one["kind"] for one in mine})
    text = f"## Findings\n\n{_REACH}\n" + _table(("tool", *_STATES), rows)
    listed = ", ".join(f"{kind} in {count}" for kind, count in sorted(beyond.items()))
    text += f"\nBeyond every tool, in so many kernels: {listed or 'nothing'}.\n"
    different = [row for name, record in kernels.items() for row in _disagreements(name, record)]
    if different:
        head = ("kernel", "tool", "state", "emulator", "tool's lines")
        text += "\n" + _table(head, different)
    return text


def _disagreements(name: str, record: Record) -> Iterator[tuple[str, str, str, str, str]]:
    for tool in TOOLS:
        state = agreement(record, tool)
        answer = record["tools"].get(tool)
        if state.startswith("both") or answer is None:
            continue
        mine = [
            f"{one['kind']} in line {one['line']}: {one['message']}" for one in record["expected"]
        ]
        theirs = ", ".join(map(str, answer.get("lines", []))) or answer.get("detail", "")
        yield name, tool, state, "; ".join(mine[:3]) or "nothing", theirs
