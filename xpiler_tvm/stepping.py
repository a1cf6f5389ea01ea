"""A schedule step by step: the program before and after each primitive.

The trace is replayed on the program that it started from. It is read as the calls that TVM prints
it as; nothing of its text is executed as Python.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .errors import ScheduleError

if TYPE_CHECKING:
    import tvm
    from tvm import s_tir

_LOOKS = ("get_", "sample_", "enter_postproc")


@dataclass(frozen=True, eq=False)
class Step:
    """A primitive that was applied.

    `text` calls loops and blocks by their names at that moment, `mod` is the program after it.
    """

    text: str
    mod: tvm.IRModule

    @property
    def primitive(self) -> str:
        return self.text.partition("(")[0]

    @cached_property
    def script(self) -> str:
        return str(self.mod.script(show_meta=False))


class Steps(Sequence[Step]):
    """The steps of a schedule; `start` is the program before the first, for `target`."""

    def __init__(self, start: tvm.IRModule, steps: Sequence[Step], target: str = "") -> None:
        self.start, self.target = start, target
        self._steps = tuple(steps)

    def __getitem__(self, index: Any) -> Any:
        return self._steps[index]

    def __len__(self) -> int:
        return len(self._steps)

    def __str__(self) -> str:
        return "\n".join(step.text for step in self._steps)

    def __repr__(self) -> str:
        return f"<{len(self)} steps of a schedule>\n{self}"

    def _repr_html_(self) -> str:
        from .display import steps_page

        return steps_page(self)


def steps_of(schedule: s_tir.Schedule, mod: tvm.IRModule, target: str) -> Steps:
    """The steps that made `schedule` of `mod`, by the rules of a target.

    The rules are asked again, as a schedule does not tell what it started from. Raises
    `ScheduleError` XP3002 where none of them starts from what the trace can be replayed on.
    """
    import tvm_ffi

    from . import schedules
    from .schedules.base import beginnings

    with beginnings() as begun:
        schedules.apply(mod, target)
    for start in reversed(begun):
        try:
            found = list(replayed(schedule.trace, start))
        except (RuntimeError, ValueError, TypeError):  # it is about another program
            continue
        last = found[-1].mod if found else start
        if tvm_ffi.structural_equal(last["main"], schedule.mod["main"]):
            return Steps(start, found, target)
    raise ScheduleError("XP3002", "the trace makes another program of this kernel")


def replayed(trace: s_tir.Trace, start: tvm.IRModule) -> Iterator[Step]:
    """Applies a trace to a program, primitive by primitive."""
    from .schedules.base import fresh

    schedule = fresh(start)
    names: dict[str, Any] = {}
    for line in trace.as_python():
        statement = ast.parse(line.strip()).body[0]
        call = getattr(statement, "value", None)
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        given = [_value(each, names) for each in call.args]
        named = {str(each.arg): _value(each.value, names) for each in call.keywords}
        primitive = call.func.attr
        shown = [_shown(schedule, each) for each in given]
        shown += [_shown(schedule, value) for key, value in named.items() if key not in _DEFAULTS]
        results = getattr(schedule, primitive)(*given, **named)
        if isinstance(statement, ast.Assign):
            _bind(statement.targets[0], results, names)
        if not primitive.startswith(_LOOKS):
            made = _shown_results(schedule, results)
            yield Step(f"{primitive}({', '.join(shown)}){made}", schedule.mod)


_DEFAULTS = ("preserve_unit_iters", "disable_predication", "preserve_unit_loops", "index")
"""Options that say nothing to a reader."""


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """An argument: a name that an earlier line has bound, a literal, or a list of these."""
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(each, names) for each in node.elts]
    return ast.literal_eval(node)


def _bind(target: ast.expr, value: Any, names: dict[str, Any]) -> None:
    if isinstance(target, ast.Name):
        # `l1, = ...` and `l1 = ...` are told apart by the tuple.
        names[target.id] = value
    elif isinstance(target, ast.Tuple):
        for each, part in zip(target.elts, value, strict=True):
            _bind(each, part, names)


def _shown(schedule: s_tir.Schedule, value: Any) -> str:
    """A loop or block by its name in the program, anything else as Python has it."""
    from tvm.s_tir.schedule import LoopRV, SBlockRV

    if isinstance(value, LoopRV):
        return str(schedule.get(value).loop_var.name)
    if isinstance(value, SBlockRV):
        return str(schedule.get(value).name_hint)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_shown(schedule, each) for each in value)}]"
    return str(value)


def _shown_results(schedule: s_tir.Schedule, results: Any) -> str:
    if results is None:
        return ""
    many = results if isinstance(results, list | tuple) else [results]
    try:
        return " -> " + ", ".join(_shown(schedule, each) for each in many)
    except TypeError:
        many = list(results)
        return " -> " + ", ".join(_shown(schedule, each) for each in many)
