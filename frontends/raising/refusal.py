"""How a raising pass says that it does not understand a program."""

from __future__ import annotations

from xpiler_tvm.errors import Span
from xpiler_tvm.tir import Buffer


class Unraisable(Exception):
    """A program that a pass does not understand, and where. Caught by `raise_program`.

    `cause` is the place of what should stay as it is, if that is another one.
    """

    def __init__(self, reason: str, span: Span, cause: Span | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span
        self.cause = cause or span


class Unwritten(Unraisable):
    """A read of what was never stored."""


class Circular(Unraisable):
    """A store that depends on itself, through an earlier iteration of a loop or not at all."""


class TooLarge(Unraisable):
    """A program that takes more steps to follow than it is worth."""


class Kept(Exception):
    """An array of which an iteration needs what an earlier one left, or kept under a condition."""

    def __init__(self, buffer: Buffer) -> None:
        super().__init__(buffer.name)
        self.buffer = buffer
