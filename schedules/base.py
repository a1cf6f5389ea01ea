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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm.errors import ScheduleError


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
    """A scheduled program: by which rule, and why the rules before it declined."""

    schedule: s_tir.Schedule
    rule: str
    declined: tuple[tuple[str, str], ...] = ()

    @property
    def mod(self) -> tvm.IRModule:
        return self.schedule.mod

    @property
    def trace(self) -> s_tir.Trace:
        """The primitives in order; printing it gives Python that replays them."""
        return self.schedule.trace


def fresh(mod: tvm.IRModule) -> s_tir.Schedule:
    """A new schedule of `mod`, whose errors are one line and not a dump of the program."""
    return s_tir.Schedule(mod, error_render_level="fast")


def first_applicable(
    rules: Sequence[Rule],
    mod: tvm.IRModule,
    accept: Callable[[tvm.IRModule], Declined | None] | None = None,
) -> Scheduled:
    """The first rule's schedule that is not declined, with the reasons of those before it.

    `accept` has the last word on each schedule, for what must hold whatever the rule: one kernel,
    memory within the limits. Raises `ScheduleError` XP3001 with every reason where all declined.
    """
    declined: list[tuple[str, str]] = []
    for rule in rules:
        answer = _attempt(rule, mod)
        if isinstance(answer, s_tir.Schedule) and accept is not None:
            answer = accept(answer.mod) or answer
        if isinstance(answer, s_tir.Schedule):
            return Scheduled(answer, rule.name, tuple(declined))
        declined.append((rule.name, answer.reason))
    reasons = "; ".join(f"{name}: {reason}" for name, reason in declined)
    raise ScheduleError("XP3001", f"no schedule rule applies ({reasons})")


def _attempt(rule: Rule, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
    try:
        return rule.apply(mod)
    except (s_tir.ScheduleError, tvm.error.InternalError) as error:
        # An InternalError is TVM failing on a program it did not foresee: the next rule's chance.
        lines = str(error).strip().splitlines() or ["refused without a message"]
        return Declined(lines[-1].removeprefix("ScheduleError: "))


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
