"""One line on a terminal that says what is being done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown(first: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """The line, which the function that this gives writes anew; nothing where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(first)) as status:
        yield lambda text: status.update(escape(text))
