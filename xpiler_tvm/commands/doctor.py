"""`xpiler doctor`: say what is installed and what is missing."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from . import arguments, command

if TYPE_CHECKING:
    from . import Commands


def add(commands: Commands) -> None:
    """Register the command."""
    command(
        commands,
        "doctor",
        _doctor,
        summary="say what is installed and what is missing",
        examples=("doctor", "doctor --json"),
        parents=[arguments.common()],
    )


def _doctor(options: argparse.Namespace) -> int:
    from ..doctor import findings

    found = findings()
    if options.json:
        print(json.dumps([vars(finding) for finding in found], indent=2))
    else:
        width = max(len(finding.name) for finding in found)
        for finding in found:
            advice = f"  -> {finding.advice}" if finding.advice else ""
            mark = "ok" if finding.ok else "MISSING" if finding.needed else "absent"
            print(f"{finding.name:<{width}}  {mark:<7}  {finding.detail}{advice}")
    broken = any(finding.needed and not finding.ok for finding in found)
    return 16 if broken else 0
