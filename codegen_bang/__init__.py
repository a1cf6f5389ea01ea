"""BANG C for Cambricon MLUs, from lowered device TIR.

`emit.py` writes the file. `printer.py` prints the kernel, on what `spaces.py` knows of its arrays:

| a loop is | files |
|---|---|
| one instruction with all loops in it | `whole`, `nests`, `matrix`, `copies` |
| vector code for parts of it | `selection`, `choices`, `folds`, `functions`, `pieces` |
| the same, overlapped with its copies | `pipelines` |
| scalar code as any C | `scalars` has its cost |

`loops.py` says what a loop does, `vectors.py` holds vector code, `memory.py` divides the memories
of a core, and `cost.py` is the model by which the printer and schedules choose. Before anything is
printed `jobs.py` tells how tasks are put on cores, and `sharing.py` gives the memory core what a
cluster shares. The facts are in `xpiler_tvm.dialects.bang` and the files beside it.
"""

from .emit import bang_target, emit_bang

__all__ = ["bang_target", "emit_bang"]
