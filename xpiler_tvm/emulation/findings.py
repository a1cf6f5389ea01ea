"""What a run found wrong with a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from xpiler_tvm.errors import Span, XpilerError

from .worker import RawFinding, Report

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "race": "threads access the same bytes, one of them writes, and nothing orders them",
        "divergent barrier": "threads wait at different barriers, or some never come",
        "out of bounds": "an access outside every array and variable",
        "uninitialised read": "memory is read that nothing has written",
        "unwritten output": "an element of an output keeps what it started with",
        "misaligned access": "a vector is accessed at an address that is no multiple of its size",
        "capacity": "more memory or more threads than the device has",
        "division by zero": "an integer is divided by zero",
        "overflow": "signed integer arithmetic leaves its type",
        "asynchronous access": "memory is used while a copy to or from it is under way",
        "memory space": "memory is accessed by something that cannot reach it",
        "range": "an operand outside the interval in which an intrinsic is defined",
        "fragment order": "the result depends on how a matrix fragment is spread over the lanes",
        "time": "the run does not end within its limit",
        "crash": "the run ended its own process",
        "forbidden": "the kernel asked the system for something that no kernel needs",
    }
)
"""Every kind of finding, and what it means."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    `who` is the thread or core that did it, `memory` the variable and the byte in it, `other` the
    place of the access that it collides with; each is empty where it does not apply. `times` is
    how often the same was seen at the same place. An uninitialised read is `filled` where each gave
    the byte that the run was told to fill unwritten memory with.
    """

    kind: str
    message: str
    span: Span | None = None
    who: str = ""
    memory: str = ""
    other: Span | None = None
    times: int = 1
    filled: bool = False

    def __str__(self) -> str:
        """The finding as people read it: place, kind, message, the line with a caret."""
        where = f"{self.span}: " if self.span else ""
        about = ", ".join(part for part in (self.who, self.memory) if part)
        parts = [f"{where}{self.kind}: {self.message}" + (f" ({about})" if about else "")]
        if self.span and self.span.text:
            parts += ["  " + row for row in self.span.caret().splitlines()]
        if self.other:
            parts.append(f"  with {self.other}: {self.other.text.strip()}")
        if self.times > 1:
            parts.append(f"  seen {self.times} times")
        return "\n".join(parts)


# The kind of finding that an error at run time stands for.
_OF_CODE = {
    "XP1011": "capacity",
    "XP5002": "out of bounds",
    "XP5004": "time",
    "XP5005": "crash",
    "XP5006": "division by zero",
    "XP5008": "divergent barrier",
    "XP5009": "forbidden",
}


def from_error(error: XpilerError) -> Finding | None:
    """The finding that an error of a run is; `None` where the error is not about the kernel."""
    kind = _OF_CODE.get(error.code)
    return Finding(kind, error.message, error.span) if kind else None


Places = Callable[[Sequence[int]], Span | None]


def from_report(
    report: Report,
    line: Callable[[int], Span | None],
    stack: Places,
    written_by_user: Callable[[int], bool],
) -> list[Finding]:
    """The findings that native code noted, in their order.

    `line` gives the span of a line, `stack` that of the innermost of some return addresses;
    `written_by_user` says whether one lies in the user's text itself, not in a dialect's header.
    What one line does wrong in one way is one finding, however many instructions it was made of.
    """
    found: dict[tuple[object, ...], Finding] = {}
    for raw in report.finding[: report.findings]:
        if raw.kind == b"memory space" and not written_by_user(raw.stack[0]):
            continue
        span = line(raw.line) if raw.line else stack(list(raw.stack))
        other = line(raw.other_line) if raw.other_line else stack([raw.other])
        one = Finding(
            raw.kind.decode(),
            raw.message.decode(errors="replace"),
            span,
            _who(raw),
            _memory(raw),
            other,
            raw.times,
            bool(raw.filled),
        )
        key = (one.kind, span and span.line, other and other.line, raw.variable or one.message)
        first = found.get(key)
        if first:
            filled = first.filled and one.filled
            one = replace(first, times=first.times + one.times, filled=filled)
        found[key] = one
    return list(found.values())


def _who(raw: RawFinding) -> str:
    block, thread = (", ".join(map(str, triple)) for triple in (raw.block, raw.thread))
    if raw.core >= 0:
        return f"core {raw.core} of job ({block})"
    return f"thread ({thread}) of block ({block})"


def _memory(raw: RawFinding) -> str:
    return f"byte {raw.offset} of {raw.variable.decode()!r}" if raw.variable else ""
