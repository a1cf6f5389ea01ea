"""The subcommands of `xpiler`, one a file; each has `add`, which registers it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Action = Callable[[argparse.Namespace], int]


def command(
    commands: Commands,
    name: str,
    action: Action,
    *,
    summary: str,
    examples: Sequence[str],
    description: str = "",
    parents: Sequence[argparse.ArgumentParser] = (),
) -> argparse.ArgumentParser:
    """Registers a command that `action` carries out; its help ends with the examples."""
    lines = [f"  $ xpiler {example}" for example in examples]
    parser = commands.add_parser(
        name,
        parents=list(parents),
        help=summary,
        description=description or f"{summary[0].upper()}{summary[1:]}.",
        epilog="\n".join(["examples:", *lines]),
        formatter_class=ExamplesFormatter,
    )
    parser.set_defaults(action=action)
    return parser


class ExamplesFormatter(argparse.HelpFormatter):
    """Keeps the lines of a text that begins with examples, and fills those of all others."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)
