"""What a schedule rule is, and how a list of rules is tried.

A rule looks at a raised program (a PrimFunc `main` of SBlocks) and either gives a schedule or says
why it does not fit. It changes the program through `s_tir.Schedule` primitives alone, so that
TVM checks every step and the trace tells a reader, or the tuner, what was done:

    mod  ──rule 1──►  Declined("there is no reduction")
         ──rule 2──►  Declined("The product of factors is not ...")      a primitive refused
         ──rule 3──►  Schedule                                           the answer

Each rule starts from a fresh schedule, so a rule that gives up half way leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm.errors import ScheduleError

if TYPE_CHECKING:
    from .in_place import Split


RULE_ATTRIBUTE = "xpiler.schedule"
"""The attribute of a scheduled `main` that names the rule."""


@dataclass(frozen=True)
class Declined:
    """A rule's answer where it does not fit. `reason` completes "the rule declined: ..."."""

    reason: str


class Rule(Protocol):
    """One way to schedule a program; a frozen dataclass whose fields are its options."""

    @property
    def name(self) -> str:
        """A stable name, `"gpu.matmul"`."""

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        """The schedule of `mod["main"]`, or the reason why there is none.

        `mod` stays as it is. TVM's refusals may escape: `first_applicable` makes them `Declined`.
        """


@dataclass(frozen=True)
class Scheduled:
    """A scheduled program: by which rule, and why the rules before it declined.

    `mod` is the schedule's program with one name for each array that is updated in place, which
    goes by two while it is scheduled (`in_place.py`).
    """

    schedule: s_tir.Schedule
    rule: str
    mod: tvm.IRModule
    declined: tuple[tuple[str, str], ...] = ()

    @property
    def trace(self) -> s_tir.Trace:
        """The primitives in order; printing it gives Python that replays them."""
        return self.schedule.trace


def fresh(mod: tvm.IRModule) -> s_tir.Schedule:
    """A new schedule of `mod`, whose errors are one line and not a dump of the program."""
    begun = _BEGUN.get()
    if begun is not None:
        begun.append(mod)
    return s_tir.Schedule(mod, error_render_level="fast")


_BEGUN: ContextVar[list[tvm.IRModule] | None] = ContextVar("begun", default=None)


@contextmanager
def beginnings() -> Iterator[list[tvm.IRModule]]:
    """The programs that schedules made inside start from: a schedule does not tell its own."""
    found: list[tvm.IRModule] = []
    token = _BEGUN.set(found)
    try:
        yield found
    finally:
        _BEGUN.reset(token)


def first_applicable(
    rules: Sequence[Rule],
    mod: tvm.IRModule,
    accept: Callable[[tvm.IRModule], Declined | None] | None = None,
) -> Scheduled:
    """The first rule's schedule that is not declined, with the reasons of those before it.

    The rules are tried on each form of the program in turn (`canonical.py`). `accept` has the last
    word on each schedule, for what must hold whatever the rule: one kernel, memory within the
    limits. Raises `ScheduleError` XP3001 with every reason where all declined.
    """
    from .canonical import forms
    from .in_place import split_updates

    declined: list[tuple[str, str]] = []
    for form in forms(mod):
        split = split_updates(form)
        for rule in rules:
            answer = _attempt(rule, split, accept)
            if not isinstance(answer, Declined):
                schedule, made = answer
                main = made["main"].with_attr(RULE_ATTRIBUTE, rule.name)
                named = tvm.IRModule({"main": main}, attrs=made.attrs)
                return Scheduled(schedule, rule.name, named, tuple(declined))
            if (rule.name, answer.reason) not in declined:
                declined.append((rule.name, answer.reason))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in declined)
    raise ScheduleError("XP3001", f"no schedule rule applies ({reasons})")


def _attempt(
    rule: Rule, split: Split, accept: Callable[[tvm.IRModule], Declined | None] | None
) -> tuple[s_tir.Schedule, tvm.IRModule] | Declined:
    from .in_place import join_updates

    try:
        answer = rule.apply(split.mod)
        if isinstance(answer, Declined):
            return answer
        joined = join_updates(answer.mod, split)
    except (s_tir.ScheduleError, tvm.error.InternalError) as error:
        # An InternalError is TVM failing on a program it did not foresee: the next rule's chance.
        lines = str(error).strip().splitlines() or ["refused without a message"]
        return Declined(lines[-1].removeprefix("ScheduleError: "))
    if joined is None:
        return Declined("an array would be written before what it held has been read")
    return (accept(joined) if accept is not None else None) or (answer, joined)


def unbind(mod: tvm.IRModule) -> tvm.IRModule:
    """The scheduled program with every thread-bound loop serial.

        for i in T.thread_binding(64, thread="blockIdx.x"):   ->   for i in range(64):

    What an SBlock computes does not depend on the kinds of the loops around it: the result can be
    compiled for the CPU and must give the values that the scheduled program gives on its device.
    """

    def serial(loop: tirx.For) -> tirx.For:
        if loop.kind != tirx.ForKind.THREAD_BINDING:
            return loop
        kind, notes = tirx.ForKind.SERIAL, loop.annotations
        return tirx.For(loop.loop_var, loop.min, loop.extent, kind, loop.body, None, notes)

    functions = {
        var: tvm_ffi.structural_map(func, (tirx.For, serial), order="post")
        if isinstance(func, tirx.PrimFunc)
        else func
        for var, func in mod.functions.items()
    }
    return tvm.IRModule(functions, attrs=mod.attrs)
