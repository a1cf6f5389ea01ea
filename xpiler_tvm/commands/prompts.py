"""`xpiler prompts`: print what a language model would be asked."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from ..errors import ReadError
from . import arguments, command

if TYPE_CHECKING:
    from ..kernel import Kernel
    from ..llm.wire import Messages
    from . import Commands

STEPS = ("rewrite", "annotate", "schedule", "pass")


def add(commands: Commands) -> None:
    """Register the command."""
    parser = command(
        commands,
        "prompts",
        _prompts,
        summary="print what a language model would be asked; nothing is sent",
        examples=(
            "prompts examples/softmax.cu --step annotate",
            "prompts examples/softmax.cu --step schedule --to bang",
        ),
        parents=[arguments.source(), arguments.common()],
    )
    parser.add_argument(
        "--step",
        default="rewrite",
        help=f"{', '.join(STEPS[:-1])}, or the name of a transformation, as in split",
    )
    parser.add_argument(
        "--to", default="cuda", metavar="TARGET", help="of a schedule (default: cuda)"
    )
    parser.add_argument(
        "--llm-without-comments", action="store_true", help="show kernels without their comments"
    )


def _prompts(options: argparse.Namespace) -> int:
    kernel = arguments.kernel_of(options)
    messages = _messages(kernel, options)
    if options.json:
        print(json.dumps(list(messages), indent=2))
        return 0
    for message in messages:
        print(f"[{message['role']}]\n{message['content']}\n")
    return 0


def _messages(kernel: Kernel, options: argparse.Namespace) -> Messages:
    from ..schedules.actions import ACTIONS

    if options.step in ("rewrite", "annotate"):
        return _of_source(kernel, options)
    if options.step == "schedule":
        return _of_schedule(kernel, options.to)
    if options.step in ACTIONS:
        return _of_pass(kernel, options.to, options.step)
    known = ", ".join((*STEPS[:-1], *ACTIONS))
    raise ReadError("XP1014", f"--step {options.step!r} is none", hint=f"one of {known}")


def _of_source(kernel: Kernel, options: argparse.Namespace) -> Messages:
    from ..errors import LiftError
    from ..frontends import guided, read, resolve
    from ..llm import annotation
    from ..pairing import alone

    subject = alone(kernel)
    bare = options.llm_without_comments
    if options.step == "annotate":
        return annotation.question(subject.kernel, guided.signature_of(subject.kernel), bare)
    why = "nothing is refused; the plainest form is asked for"
    try:
        read(resolve(subject.kernel))
    except (ReadError, LiftError) as error:
        why = error.message
    return guided.question(subject.kernel, why, strip_comments=bare)


def _of_schedule(kernel: Kernel, target: str) -> Messages:
    from .. import lift, schedules, targets
    from ..schedules.chooser import legal_calls, question

    spec, lifted = targets.get(target), lift(kernel)
    base = schedules.apply(lifted.mod, target)
    legal = legal_calls(lifted.mod, base, spec)
    return question(lifted.mod, spec, base, "a cost that is not worked out here", legal=legal)


def _of_pass(kernel: Kernel, target: str, name: str) -> Messages:
    from .. import lift, targets
    from ..schedules.chooser import pass_question

    return pass_question(lift(kernel).mod, targets.get(target), name)
