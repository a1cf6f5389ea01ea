"""`xpiler watch`: translate a file each time it is saved."""

from __future__ import annotations

import argparse
import sys
import time
from multiprocessing import get_context
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING

from ..errors import ReadError
from . import arguments, command, models, progress
from .ending import ended
from .translate import add_options, translate_file

if TYPE_CHECKING:
    from . import Commands

PAUSE = 0.2
"""Seconds between two looks at the file."""


def add(commands: Commands) -> None:
    """Register the command."""
    watch = command(
        commands,
        "watch",
        _watch,
        summary="translate a file each time it is saved, until interrupted",
        examples=("watch k.cu --to hip -o build/",),
        description="Do what translate does, once now and once after each change of the file. With "
        "--json each time prints one document.",
        parents=[arguments.source(), models.options(), arguments.common()],
    )
    add_options(watch)


def _watch(options: argparse.Namespace) -> int:
    if options.file == arguments.STDIN:
        raise ReadError("XP1014", "standard input cannot be watched", hint="name a file")
    path, seen = Path(options.file), None
    _load()
    while True:
        state = _state(path)
        if state is not None and state != seen:
            seen = state
            _translate_apart(options)
            continue
        if seen is None and state is None:
            raise ReadError("XP1001", f"{path} cannot be read: there is no such file")
        with progress.shown(f"{path.name} is translated when it changes", quiet=options.json):
            while _state(path) in (None, seen):
                time.sleep(PAUSE)


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is saved; `None` while there is none, as editors write anew."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def _translate_apart(options: argparse.Namespace) -> None:
    """One translation, in a process of its own: what ends it does not end the watching."""
    if sys.stderr.isatty() and not options.json:
        print(f"---- {time.strftime('%H:%M:%S')}", file=sys.stderr)
    child = get_context("fork").Process(target=_child, args=(options,))
    child.start()
    child.join()
    if child.exitcode is not None and child.exitcode < 0:
        print(f"the translation ended with {Signals(-child.exitcode).name}", file=sys.stderr)


def _child(options: argparse.Namespace) -> None:
    sys.exit(ended(translate_file, options))


def _load() -> None:
    """Imports what takes long once, so that every child has it."""
    import xpiler_tvm.translation  # noqa: F401

    from .. import codegen_bang, frontends, schedules  # noqa: F401
