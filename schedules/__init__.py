"""Schedules: which primitives make a raised program fast on a target.

`apply(mod, target)` tries the target's rules in order (`gpu.py` for CUDA and HIP, `cpu.py` for CPUs
with VNNI, `bang.py` for MLUs). `base.py` says what a rule is, `analysis.py` recognises patterns,
`canonical.py` gives the forms of a program that the rules are tried on, and `in_place.py` lets them
schedule what is updated in place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tvm

    from .base import Rule, Scheduled


def apply(mod: tvm.IRModule, target_name: str, given: Rule | None = None) -> Scheduled:
    """Schedule `mod["main"]` for a target, by a `given` rule where there is one.

    Raises
    ------
    ReadError XP1012 : there is no such target.
    ScheduleError XP3001 : every rule declined; the message has each one's reason.
    """
    from xpiler_tvm import targets

    from .base import first_applicable
    from .symbolic import for_any_size, is_symbolic

    rules, accept = targets.get(target_name).schedule_rules()
    if given is not None:
        rules = (given,)
    return first_applicable(for_any_size(rules) if is_symbolic(mod) else rules, mod, accept)
