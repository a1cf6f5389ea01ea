"""The one error family: every way in which a user's request can fail has a stable code.

A code's first digit names the stage (`XP1` reading, `XP2` lifting, `XP3` scheduling, `XP4`
emitting, `XP5` checking, `XP6` environment, `XP7` language models). `CODES` is the only list of
them; `docs/errors.md` has a paragraph for each, and a test keeps the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass

CODES: dict[str, str] = {
    "XP1001": "the source file cannot be read",
    "XP1002": "the source is not valid in its dialect",
    "XP1003": "no kernel of that name",
    "XP1004": "several kernels and no entry",
    "XP1005": "no kernel in the file",
    "XP1006": "parameters or launch are missing",
    "XP1007": "the parameters do not fit the kernel's signature",
    "XP1008": "inline assembly",
    "XP1009": "a construct that is not read",
    "XP1010": "an unknown function",
    "XP1011": "a launch outside the hardware's limits",
    "XP1012": "an unknown dialect or target",
    "XP1013": "the host code cannot be evaluated",
    "XP1014": "a malformed argument",
    "XP1015": "an extent that cannot be found",
    "XP1016": "code that no kernel needs",
    "XP2001": "a barrier that not every thread reaches",
    "XP2002": "a loop whose shape is not understood",
    "XP2003": "a scalar that cannot stay symbolic",
    "XP2004": "a division by zero",
    "XP2005": "the kernel writes no output",
    "XP2006": "an access outside its array",
    "XP2007": "a size that a lift does not hold for",
    "XP2008": "an unknown lifter",
    "XP3001": "no schedule rule applies",
    "XP3002": "a schedule that does not fit the kernel",
    "XP3003": "an unknown scheduler",
    "XP4001": "a construct that the target has no form for",
    "XP4002": "a buffer beyond the target's memory",
    "XP4003": "a form that a translation does not have",
    "XP4004": "a kernel that a Relax module cannot call",
    "XP5001": "two forms of the kernel disagree",
    "XP5002": "an access outside its array at run time",
    "XP5003": "an output that is never written",
    "XP5004": "a run that exceeds its time limit",
    "XP5005": "a run that crashed",
    "XP5006": "an integer division by zero at run time",
    "XP5007": "arguments that do not fit the kernel's parameters",
    "XP5008": "threads that wait at different barriers",
    "XP5009": "a kernel that asked the system for something",
    "XP5010": "an operation that a finite field does not have",
    "XP5011": "a mode of an instruction that the emulator does not model",
    "XP5012": "a fault in the source",
    "XP6001": "installed packages that do not fit together",
    "XP6002": "no C++ compiler",
    "XP6003": "the emulator could not compile the kernel",
    "XP6004": "the output folder cannot be written",
    "XP6005": "a GPU that cannot be used",
    "XP6006": "a cost model that cannot be loaded",
    "XP6007": "servers that cannot measure",
    "XP6008": "workers that are gone",
    "XP7001": "no language model is named, or its settings are incomplete",
    "XP7002": "a language model that gives no answer",
    "XP7003": "an answer that is not of the form asked for",
    "XP7004": "a language model that declines",
    "XP7005": "a budget for language models that is spent",
    "XP7006": "an answer that was not recorded",
    "XP7007": "no proposal of the language model holds",
}


@dataclass(frozen=True)
class Span:
    """A place in a source file. `line` and `column` count from 1; `text` is the whole line."""

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def caret(self) -> str:
        """The source line and, under it, carets below the marked columns."""
        if not self.text:
            return ""
        lead = "".join("\t" if c == "\t" else " " for c in self.text[: self.column - 1])
        room = max(1, len(self.text) - self.column + 1)
        return f"{self.text}\n{lead}{'^' * min(max(1, self.length), room)}"


def located(message: str, span: Span | None) -> str:
    """The message behind its place, where it has one."""
    return f"{span}: {message}" if span else message


class XpilerError(Exception):
    """Something a user can act on.

    Attributes
    ----------
    code : a key of `CODES`.
    message : one sentence about this very case.
    span : where in the user's source, if anywhere.
    hint : what to do next; may be empty.
    """

    prefix = "XP"

    def __init__(
        self, code: str, message: str, *, span: Span | None = None, hint: str = ""
    ) -> None:
        if code not in CODES or not code.startswith(self.prefix):
            raise ValueError(f"{code} is no code of {type(self).__name__}")
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.hint = hint

    def __str__(self) -> str:
        """The error as people read it: place, code and message, the line with a caret, the hint."""
        where = f"{self.span}: " if self.span else ""
        parts = [f"{where}error {self.code}: {self.message}"]
        if self.span and self.span.text:
            parts += ["  " + row for row in self.span.caret().splitlines()]
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not pickle on their own; workers send them back.
        return (_rebuild, (type(self), self.code, self.message, self.span, self.hint))


def _rebuild(
    cls: type[XpilerError], code: str, message: str, span: Span | None, hint: str
) -> XpilerError:
    return cls(code, message, span=span, hint=hint)


class ReadError(XpilerError):
    """The source, or what the caller said about it, cannot be understood (`XP1…`)."""

    prefix = "XP1"


class LiftError(XpilerError):
    """The kernel was read but has no sequential or tensor form (`XP2…`)."""

    prefix = "XP2"


class ScheduleError(XpilerError):
    """No schedule for the target (`XP3…`)."""

    prefix = "XP3"


class EmitError(XpilerError):
    """The scheduled program has no text in the target's language (`XP4…`)."""

    prefix = "XP4"


class CheckError(XpilerError):
    """A run found the program wrong, or could not finish (`XP5…`)."""

    prefix = "XP5"


class SetupError(XpilerError):
    """Something on this machine is missing or does not fit (`XP6…`)."""

    prefix = "XP6"


class ModelError(XpilerError):
    """A language model cannot be asked, or its answers are of no use (`XP7…`)."""

    prefix = "XP7"
