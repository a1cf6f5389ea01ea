"""How fast translations are, on every target, and what a translation itself costs.

    python benchmarks/speed_report.py
    python benchmarks/speed_report.py --sample 4 --parts vnni,bang
    python benchmarks/speed_report.py --tuned 64

Each part is a benchmark of its own, run in a process of its own:

| part          | what it says                                                              |
|---------------|---------------------------------------------------------------------------|
| `vnni`        | measured: ours against PyTorch, onnxruntime, numpy, g++ (`vnni_speed.py`) |
| `vnni-tuned`  | the same after a search of `--tuned` trials an operator                   |
| `cuda`, `hip` | modelled: the share of a roofline (`gpu_model.py`)                        |
| `bang`        | modelled: microseconds and share of peak by cycles (`bang_model.py`)      |
| `gpu`         | measured by `gpu_run.py` against PyTorch, where there is a GPU            |
| `time`        | CPU seconds of a translation by stage (`transcompile_time.py`)            |

What a part printed is kept in `OUT/speed.json`, so that an interrupted run goes on; `OUT/speed.md`
has the tables and `OUT/speed.svg` the ratio of the best library's time to ours by operator.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoring.about import note
from scoring.chart import bars
from scoring.tables import markdown

HERE = Path(__file__).parent
OUT = Path("build/speed")
SAMPLE = ("softmax", "gemm", "transpose", "layernorm", "conv2d", "relu", "sum", "maxpool")
"""Operators of a quick run, the first ones first."""

Data = Mapping[str, Any]


def ask(script: str, *arguments: str) -> Any:
    """What a benchmark prints as JSON. Raises `RuntimeError` with the end of what it said."""
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise RuntimeError(f"{script}: exit code {done.returncode}: {''.join(said)}") from None


def measured_on_gpu(operators: str) -> Any:
    """Times of emitted CUDA on this machine's GPU; nothing where there is none."""
    if not shutil.which("nvidia-smi"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        chosen = ["--operators", operators] if operators else []
        bundle = [sys.executable, str(HERE / "gpu_bundle.py"), "-o", folder, *chosen]
        subprocess.run(bundle, capture_output=True, check=True)
        runner = [sys.executable, str(Path(folder) / "gpu_run.py")]
        subprocess.run(runner, capture_output=True, check=True)
        return json.loads((Path(folder) / "results.json").read_text())


def parts_of(options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """What makes each part."""
    names = ",".join(SAMPLE[: options.sample]) if options.sample else ""
    some = ["--operators", names] if names else []
    tuned = ["--tuned", str(options.tuned), "--work-dir", str(options.out / "records")]
    examples = ["softmax", "gemm"] if options.sample else []
    found: dict[str, Callable[[], Any]] = {
        "vnni": lambda: ask("vnni_speed.py", "--json", *some),
        "cuda": lambda: ask("gpu_model.py", "--target", "cuda", "--json", *some),
        "hip": lambda: ask("gpu_model.py", "--target", "hip", "--json", *some),
        "bang": lambda: ask("bang_model.py", "--json", *some),
        "gpu": lambda: measured_on_gpu(names),
        "time": lambda: ask("transcompile_time.py", "--json", *examples),
    }
    if options.tuned:
        found["vnni-tuned"] = lambda: ask("vnni_speed.py", "--json", *tuned, *some)
    return found


def collect(options: argparse.Namespace) -> dict[str, Any]:
    """All parts; those on file are not made again."""
    file = options.out / "speed.json"
    data: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for name, make in parts_of(options).items():
        if name in data or (options.parts and name not in options.parts):
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            data[name] = make()
        except (RuntimeError, subprocess.CalledProcessError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        file.write_text(json.dumps(data, indent=1) + "\n")
    return data


# ---------------------------------------------------------------- Markdown


def libraries(data: Data, tuned: Data | None) -> str:
    """Ours against libraries, in milliseconds of a thread."""
    after = {row["operator"]: row for row in (tuned or {}).get("rows", ())}
    names = ["ours", "torch", "ort", "numpy", "g++"]
    known = [name for name in names if any(name in row["milliseconds"] for row in data["rows"])]
    lines = []
    for row in data["rows"]:
        times = [row["milliseconds"].get(name) for name in known]
        cells = [f"{one:.3f}" if one else "-" for one in times]
        ratio = f"{row['ratio']:.2f}" if row["ratio"] else "-"
        tried = after.get(row["operator"], {}).get("ratio")
        lines.append([row["operator"], *cells, ratio, *([f"{tried:.2f}"] if tried else ["-"])])
    heads = ["operator", *(f"{name} (ms)" for name in known), "ratio", "ratio, tuned"]
    peaks = ", ".join(f"{name} {value:.1f}" for name, value in data["peaks"].items())
    means = f"Geometric mean of the ratios: {data['geomean']:.2f}"
    means += f"; tuned {tuned['geomean']:.2f}" if tuned else ""
    return f"One thread; {peaks}.\n\n{markdown(heads, lines)}\n{means}.\n"


def modelled_gpu(data: Data) -> str:
    lines = [
        [row["operator"], row["shape"], "-", "-", "-", row["error"]]
        if row["error"]
        else [
            row["operator"],
            row["shape"],
            f"{row['seconds'] * 1e6:.4g}",
            row["bound"],
            f"{100 * row['roof'] / row['seconds']:.0f} %",
            row["rule"],
        ]
        for row in data["rows"]
    ]
    heads = ["operator", "shape", "us (modelled)", "bound", "of the roof", "rule or reason"]
    return f"{markdown(heads, lines)}\nGeometric mean of the shares: {100 * data['mean']:.0f} %.\n"


def modelled_bang(rows: Sequence[Data]) -> str:
    heads = ["operator", "shape", "us (modelled)", "bound", "of peak", "rule or reason"]
    lines = [
        [row["operator"], row["shape"], row["us"], row["bound"], row["of peak"], row["rule"]]
        if row["us"] != "-"
        else [row["operator"], row["shape"], "-", "-", "-", row["busiest pipes"]]
        for row in rows
    ]
    return markdown(heads, lines)


def stages(rows: Sequence[Data]) -> str:
    """Seconds of a translation by stage: the median over examples."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for stage, took in {**row.get("stages", {}), "together": row.get("seconds", 0.0)}.items():
            seconds.setdefault(row["step"], {}).setdefault(stage, []).append(took)
    lines = [
        [
            step,
            f"{statistics.median(found['together']):.2f}",
            ", ".join(
                f"{stage} {statistics.median(took):.2f}"
                for stage, took in found.items()
                if stage != "together"
            ),
        ]
        for step, found in seconds.items()
    ]
    return markdown(["step", "CPU seconds, median", "of which"], lines)


def report(data: Data) -> str:
    """All parts that there are, each under its heading."""
    sections = []
    if "vnni" in data:
        sections.append(("VNNI, measured", libraries(data["vnni"], data.get("vnni-tuned"))))
    for name in ("cuda", "hip"):
        if name in data:
            sections.append((f"{name.upper()}, modelled", modelled_gpu(data[name])))
    if data.get("gpu"):
        sections.append(("CUDA, measured", f"```json\n{json.dumps(data['gpu'], indent=1)}\n```\n"))
    if "bang" in data:
        sections.append(("BANG, modelled", modelled_bang(data["bang"])))
    if "time" in data:
        sections.append(("A translation", stages(data["time"])))
    return "\n".join(f"### {title}\n\n{text}" for title, text in sections)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", type=lambda text: text.split(","), help="with commas")
    parser.add_argument("--sample", type=int, metavar="N", help="N operators, two examples")
    parser.add_argument("--tuned", type=int, default=0, metavar="N", help="trials an operator")
    parser.add_argument("--out", type=Path, default=OUT, help="default: %(default)s")
    options = parser.parse_args()
    known = {*parts_of(options), "vnni-tuned"}
    if unknown := set(options.parts or ()) - known:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    data = collect(options)
    text = report(data)
    (options.out / "speed.md").write_text(text, encoding="utf-8")
    if "vnni" in data:
        ratios = {row["operator"]: row["ratio"] for row in data["vnni"]["rows"] if row["ratio"]}
        picture = bars(ratios, "best library's time / ours, one thread")
        (options.out / "speed.svg").write_text(picture, encoding="utf-8")
    note(options.out)
    print(text)
    return int(bool(set(options.parts or parts_of(options)) - set(data)))


if __name__ == "__main__":
    sys.exit(main())
