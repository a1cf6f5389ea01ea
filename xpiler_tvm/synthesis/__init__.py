"""Wrong kernels: where they go wrong, and what of their text makes them right.

    done = repair(broken, like=source)
    if done.ok:
        print(done.diff)

`repair` takes a `Kernel`, or TensorIR: an IRModule or a PrimFunc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from xpiler_tvm.kernel import Kernel

from . import repairing
from .localising import Localisation, localise
from .repairing import Edit, Repair
from .specification import Specification

if TYPE_CHECKING:
    from .programs import ProgramRepair


@overload
def repair(broken: Kernel, like: Kernel, **options: Any) -> Repair: ...


@overload
def repair(broken: Any, like: Kernel, **options: Any) -> ProgramRepair: ...


def repair(broken: Any, like: Kernel, **options: Any) -> Any:
    """Changes integers of `broken` until it does what `like` does.

    A kernel becomes a `Repair`, as `repairing.repair` says; an IRModule or PrimFunc a
    `ProgramRepair`, as `programs.repair_program` does. Nothing is accepted that does not agree with
    `like` on all families of inputs.
    """
    if isinstance(broken, Kernel):
        return repairing.repair(broken, like, **options)
    from .programs import repair_program

    return repair_program(broken, like, **options)


__all__ = ["Edit", "Localisation", "Repair", "Specification", "localise", "repair"]
