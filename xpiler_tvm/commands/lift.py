"""`xpiler lift`: print a kernel's TensorIR and its evidence."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from . import arguments, command, models, progress

if TYPE_CHECKING:
    from . import Commands


def add(commands: Commands) -> None:
    """Register the command."""
    lift = command(
        commands,
        "lift",
        _lift,
        summary="print a kernel's TensorIR and its evidence",
        examples=("lift examples/softmax.cu", "lift examples/softmax.cu --explain"),
        parents=[arguments.source(), models.options(), arguments.common()],
    )
    lift.add_argument(
        "--explain", action="store_true", help="show what each pass changed, as differences"
    )


def _lift(options: argparse.Namespace) -> int:
    kernel = arguments.kernel_of(options)

    import xpiler_tvm as xt

    from .. import report
    from ..frontends.raising.steps import differences

    with (
        models.client_of(options) as client,
        progress.shown("lifting", quiet=options.json or client is not None),
    ):
        lifted = xt.lift(kernel, each_pass=options.explain, lifter=options.lifter, llm=client)
    script = lifted.mod.script()
    about = {
        "rung": lifted.rung,
        "operators": [str(operator) for operator in lifted.operators],
        "notes": [*lifted.notes, *lifted.recognised.notes],
        "assumptions": list(lifted.assumptions),
        "conditions": list(map(str, lifted.conditions)),
        **({"llm": lifted.guidance.as_dict()} if lifted.guidance else {}),
    }
    checks = [*lifted.evidence, lifted.recognised.check()]
    changes = list(differences(lifted.steps())) if options.explain else []
    if options.json:
        found = {"file": options.file, "entry": lifted.kernel.entry, "tir": script, **about}
        found["proofs"] = report.proofs_as_dict(lifted.obligations)
        if changes:
            found["passes"] = [{"name": name, "diff": diff} for name, diff in changes]
        print(json.dumps({**found, **report.as_dict(checks, lifted.seconds)}, indent=2))
        return 0
    if changes:
        print(lifted.flat.script())
        report.show_changes(changes, sys.stdout)
    print(script)
    evidence = tuple(checks)
    said = (*report.remarks(about), *report.proofs(lifted.obligations))
    report.show(
        [report.Section(arguments.name_of(options.file), evidence, lifted.seconds, said)],
        sys.stdout,
    )
    return 0
