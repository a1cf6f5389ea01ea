"""What commands ask of a language model: its options, its client, and its progress for people."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ReadError
from . import progress

if TYPE_CHECKING:
    from ..llm import Client
    from ..llm.settings import Mode


def options() -> argparse.ArgumentParser:
    """The options that name a language model and say what it may cost."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("language models (OPENAI_BASE_URL, OPENAI_API_KEY)")
    group.add_argument("--llm", metavar="MODEL", help="ask this model where rules do not help")
    group.add_argument(
        "--lifter",
        choices=("auto", "symbolic", "llm"),
        default="auto",
        help="auto: rules, then the model where they refuse; symbolic: rules; llm: the model",
    )
    group.add_argument("--llm-record", metavar="DIR", help="keep answers there, and use them")
    group.add_argument("--llm-replay", metavar="DIR", help="use the answers there and no server")
    group.add_argument(
        "--llm-calls", type=int, metavar="N", help="the most requests (default: 60)", default=60
    )
    group.add_argument(
        "--llm-tokens",
        type=int,
        metavar="N",
        help="the most tokens, in and out (default: 400000)",
        default=400_000,
    )
    group.add_argument(
        "--llm-without-comments", action="store_true", help="show kernels without their comments"
    )
    return parser


@contextmanager
def client_of(options: argparse.Namespace) -> Iterator[Client | None]:
    """The client that the options describe; `None` where they name no model.

    While it is in use what comes in is shown, where somebody watches. Raises `ReadError` XP1014 for
    options that do not fit together.
    """
    if options.llm is None:
        if options.llm_record or options.llm_replay:
            raise ReadError("XP1014", "answers are recorded of a model: name it with --llm")
        yield None
        return
    from ..llm import Budget, Settings, connect

    if options.llm_record and options.llm_replay:
        raise ReadError("XP1014", "--llm-record and --llm-replay exclude each other")
    mode: Mode = "record" if options.llm_record else "replay" if options.llm_replay else "off"
    folder = options.llm_record or options.llm_replay
    settings = Settings(
        budget=Budget(calls=options.llm_calls, tokens=options.llm_tokens),
        mode=mode,
        folder=Path(folder) if folder else None,
        strip_comments=options.llm_without_comments,
    )
    with progress.shown(f"{options.llm} …", quiet=options.json) as show:

        def told(text: str) -> None:
            show(f"{options.llm}: {len(text)} characters")

        yield connect(options.llm, settings, progress=told)
