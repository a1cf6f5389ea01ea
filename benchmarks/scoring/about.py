"""Where and with what figures were made."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("apache-tvm", "z3-solver", "xgboost", "numpy", "torch", "onnxruntime")


def about() -> dict[str, str]:
    """Date, commit, machine, versions, and the command, for people."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} logical CPUs, {platform.system()}",
        "versions": ", ".join(
            [f"Python {platform.python_version()}", *filter(None, map(_version, PACKAGES))]
        ),
        "command": " ".join(["python", *_relative(sys.argv)]),
    }


def note(folder: Path) -> None:
    """Leaves `about()` beside the figures in a folder."""
    (folder / "about.json").write_text(json.dumps(about(), indent=1) + "\n", encoding="utf-8")


def _commit() -> str:
    here = Path(__file__).parent
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            cwd=here,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _relative(words: list[str]) -> list[str]:
    """The command without places that only this machine has."""
    root = Path(__file__).parent.parent.parent
    found = []
    for word in words:
        path = Path(word)
        inside = path.is_absolute() and path.is_relative_to(root)
        short = str(path.relative_to(root)) if inside else path.name
        found.append(short if path.is_absolute() else word)
    return found
