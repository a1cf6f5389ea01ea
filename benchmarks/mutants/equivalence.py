"""Mutants that are no faults: proved equal as programs, or known and explained.

That nothing was seen to differ is no reason to count a mutant as equivalent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx

from xpiler_tvm import tir

from .corpus import Case
from .equivalents import EQUIVALENTS
from .fault import ProgramFault, TextFault
from .judging import flat_program
from .terms import same_terms

# A flat program knows no order of threads but that of its loops: it cannot tell these apart.
_UNDECIDED = ("barrier", "atomic")


def why_equivalent(case: Case, fault: TextFault | ProgramFault) -> str:
    """Why a mutant does what the original does; '' where nobody knows that it does."""
    before, after = difference(case, fault)
    for known in EQUIVALENTS:
        if (known.kernel, known.before, known.after) == (case.name, before, after):
            return known.reason
    if isinstance(fault, ProgramFault):
        if _equal(fault.module, fault.apply()):
            return "equal when simplified"
        if _differs_in_an_idle_round(fault):
            return "the round does nothing"
        return "all outputs are the same terms" if same_terms(fault.module, fault.apply()) else ""
    if fault.kind in _UNDECIDED:
        return ""
    mine, theirs = flat_program(case.kernel), flat_program(fault.apply(case.kernel))
    proved = mine is not None and theirs is not None and _equal(mine, theirs)
    return "the same flat program" if proved else ""


def difference(case: Case, fault: TextFault | ProgramFault) -> tuple[str, str]:
    """What stands in the table: the changed part before and after."""
    if isinstance(fault, ProgramFault):
        return fault.before, fault.after
    return fault.diff(case.kernel.source)


def _equal(left: Any, right: Any) -> bool:
    return bool(tvm_ffi.structural_equal(_simplified(left), _simplified(right)))


def _simplified(mod: Any) -> Any:
    passes = tvm.tirx.transform
    for simplify in (passes.StmtSimplify(), passes.RemoveNoOp(), passes.StmtSimplify()):
        mod = simplify(mod)
    return mod["main"]


def _differs_in_an_idle_round(fault: ProgramFault) -> bool:
    """Whether a loop has one round more or less, and that round is nothing when simplified."""
    old, new = fault.node, fault.new
    if not (isinstance(old, tirx.For) and isinstance(new, tirx.For)):
        return False
    before, after = tir.as_const(old.extent), tir.as_const(new.extent)
    if before is None or after is None or abs(before - after) != 1:
        return False
    last = tir.const(max(before, after) - 1, tir.dtype_of(old.loop_var))
    round_ = tir.substitute(old.body, {old.loop_var: last})
    nothing = tirx.Evaluate(tir.const(0, "int32"))
    return _equal(replace(fault, new=round_).apply(), replace(fault, new=nothing).apply())
