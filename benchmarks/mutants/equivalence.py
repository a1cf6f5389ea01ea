"""Mutants that are no faults: proved equal as programs, or known and explained.

That nothing was seen to differ is no reason to count a mutant as equivalent.
"""

from __future__ import annotations

from typing import Any

import tvm
import tvm_ffi

from .corpus import Case
from .equivalents import EQUIVALENTS
from .fault import ProgramFault, TextFault
from .judging import flat_program

# A flat program knows no order of threads but that of its loops: it cannot tell these apart.
_UNDECIDED = ("barrier", "atomic")


def why_equivalent(case: Case, fault: TextFault | ProgramFault) -> str:
    """Why a mutant does what the original does; '' where nobody knows that it does."""
    before, after = difference(case, fault)
    for known in EQUIVALENTS:
        if (known.kernel, known.before, known.after) == (case.name, before, after):
            return known.reason
    if isinstance(fault, ProgramFault):
        return "equal when simplified" if _equal(fault.module, fault.apply()) else ""
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
    simplify = tvm.tirx.transform.StmtSimplify()
    return bool(tvm_ffi.structural_equal(simplify(left)["main"], simplify(right)["main"]))
