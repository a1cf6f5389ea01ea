"""BANG C for Cambricon MLUs, from lowered device TIR.

`emit.py` writes the file and `printer.py` the kernel: scalar code as any C, and loops as vector
instructions, which `selection.py` chooses. `loops.py` says what a loop does, `vectors.py` holds
vector code, `functions.py` builds functions from instructions, `memory.py` divides NRAM. The facts
are in `xpiler_tvm.dialects.bang`.
"""

from .emit import bang_target, emit_bang

__all__ = ["bang_target", "emit_bang"]
