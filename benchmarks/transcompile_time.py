"""CPU seconds of a translation, stage by stage, for every example and target.

    python benchmarks/transcompile_time.py
    python benchmarks/transcompile_time.py --to hip,cuda softmax gelu
    python benchmarks/transcompile_time.py --command        # the whole `xpiler translate` process

Times are CPU time of this process and of the processes it starts (the emulator's compiler and
workers), so that they mean the same on a busy machine. The first row pays for `import tvm`; the
emulator keeps what it compiled (`XPILER_CACHE_DIR`), `--cold` starts with an empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"
TARGETS = "hip,bang,vnni,cuda"


def cpu_seconds() -> float:
    """CPU time of this process and of its ended children so far."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def timed(action: Callable[[], object]) -> tuple[object, float]:
    start = cpu_seconds()
    result = action()
    return result, cpu_seconds() - start


def stages(example: Path, targets: list[str]) -> list[dict[str, object]]:
    """A row for the lift and one for each target. A failure is a row with its error."""
    import xpiler_tvm as xt

    rows: list[dict[str, object]] = []

    def row(step: str, action: Callable[[], object]) -> object:
        try:
            result, seconds = timed(action)
        except xt.XpilerError as error:
            rows.append({"example": example.stem, "step": step, "error": str(error)})
            return None
        found = dict(getattr(result, "seconds", {}))
        rows.append({"example": example.stem, "step": step, "seconds": seconds, "stages": found})
        return result

    lifted = row("lift", lambda: xt.lift(xt.Kernel.from_file(example)))
    for target in targets if lifted is not None else []:
        row(target, lambda target=target: xt.transcompile(lifted, target))
    # A translation's stages begin with those of its lift, which has a row of its own.
    done = rows[0].get("stages", {})
    for found in rows[1:]:
        found["stages"] = {
            stage: seconds
            for stage, seconds in dict(found.get("stages", {})).items()
            if stage not in done
        }
    return rows


def command(example: Path, targets: list[str]) -> list[dict[str, object]]:
    """A row for each target: the command in a process of its own."""
    rows: list[dict[str, object]] = []
    for target in targets:
        with tempfile.TemporaryDirectory() as folder:
            argv = ["translate", str(example), "--to", target, "-o", folder]
            done, seconds = timed(
                lambda argv=argv: subprocess.run(
                    [sys.executable, "-m", "xpiler_tvm.cli", *argv],
                    capture_output=True,
                    text=True,
                    check=False,
                )
            )
        row: dict[str, object] = {"example": example.stem, "step": target}
        if done.returncode == 0:
            rows.append({**row, "seconds": seconds, "stages": {}})
        else:
            rows.append({**row, "error": done.stderr})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("examples", nargs="*", help="names of examples (default: all)")
    parser.add_argument("--to", default=TARGETS, help=f"targets (default: {TARGETS})")
    parser.add_argument("--command", action="store_true", help="time the whole command")
    parser.add_argument("--cold", action="store_true", help="start with an empty compile cache")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()

    chosen = sorted(EXAMPLES.glob("*.cu"))
    unknown = set(options.examples) - {path.stem for path in chosen}
    if unknown:
        parser.error(f"no example named {', '.join(sorted(unknown))}")
    chosen = [path for path in chosen if not options.examples or path.stem in options.examples]
    measure = command if options.command else stages

    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as cache:
        if options.cold:
            os.environ["XPILER_CACHE_DIR"] = cache
        for example in chosen:
            found = measure(example, options.to.split(","))
            rows += found
            if not options.json:
                for row in found:
                    print(line(row), flush=True)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        total = sum(float(str(row.get("seconds", 0))) for row in rows)
        print(f"{len(rows)} steps, {total:.1f} s of CPU time together")
    return 1 if any("error" in row for row in rows) else 0


def line(row: dict[str, object]) -> str:
    head = f"{row['example']:<14} {row['step']:<5}"
    if "error" in row:
        return f"{head}  failed: {str(row['error']).splitlines()[0]}"
    parts = row["stages"]
    assert isinstance(parts, dict)
    return f"{head} {row['seconds']:7.2f} s  " + "  ".join(
        f"{stage} {seconds:.2f}" for stage, seconds in parts.items()
    )


if __name__ == "__main__":
    sys.exit(main())
