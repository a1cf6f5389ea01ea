"""`xpiler completion`: what a shell needs to complete commands, options, files and targets."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ..errors import CODES
from ..kernel import DIALECTS
from . import arguments, command
from .translate import TARGETS

if TYPE_CHECKING:
    from . import Commands

SHELLS = ("bash", "zsh", "tcsh")


def add(commands: Commands) -> None:
    """Register the command."""
    completion = command(
        commands,
        "completion",
        _completion,
        summary="print a script that completes commands, options, files and targets",
        examples=(
            "completion bash > ~/.local/share/bash-completion/completions/xpiler",
            'completion zsh > "${fpath[1]}/_xpiler"',
        ),
        parents=[arguments.common()],
    )
    completion.add_argument("shell", choices=SHELLS)


def _completion(options: argparse.Namespace) -> int:
    import shtab

    _mark(options.parser)
    preamble: Any = {"bash": "\n".join(_function(name, words) for name, words in _WORDS.items())}
    script = shtab.complete(options.parser, shell=options.shell, preamble=preamble)
    print(json.dumps({"shell": options.shell, "script": script}) if options.json else script)
    return 0


_WORDS = {"targets": (*TARGETS, "all"), "dialects": DIALECTS, "codes": tuple(CODES)}
"""Words that are completed; not `choices`, as targets may be several and codes in small letters."""


def _function(name: str, words: tuple[str, ...]) -> str:
    return f'_xpiler_{name}() {{ compgen -W "{" ".join(words)}" -- "$1"; }}'


def _of_words(name: str) -> dict[str, str]:
    words = " ".join(_WORDS[name])
    return {"bash": f"_xpiler_{name}", "zsh": f"({words})", "tcsh": f"p/*/({words})/"}


def _mark(parser: argparse.ArgumentParser) -> None:
    """Tells each argument what completes it, by the name that stands for its value in the help."""
    import shtab

    kinds: dict[str, Any] = {
        "FILE": shtab.FILE,
        "DIR": shtab.DIRECTORY,
        "TARGET": _of_words("targets"),
        "TARGETS": _of_words("targets"),
        "DIALECT": _of_words("dialects"),
        "CODE": _of_words("codes"),
    }
    for action in parser._actions:
        marked: Any = action
        if isinstance(action, argparse._SubParsersAction):
            for each in set(action.choices.values()):
                _mark(each)
        elif action.metavar in kinds:
            marked.complete = kinds[str(action.metavar)]
