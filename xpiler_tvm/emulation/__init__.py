"""Execution on this machine: kernel texts through a C++ compiler, TIR through TVM's LLVM.

`run_text` runs CUDA, HIP, BANG C and C with VNNI as written; `run_module` runs an IRModule without
thread bindings; `run_library` runs a library that TVM made of one. All run in a process of their
own, on arrays between unreadable pages.
"""

from .arrays import is_unwritten, numpy_dtype, unwritten_array
from .findings import KINDS, Finding
from .module import ModuleRun, run_library, run_module, run_module_each
from .probing import find_faults
from .text import Run, run_text

__all__ = [
    "KINDS",
    "Finding",
    "ModuleRun",
    "Run",
    "find_faults",
    "is_unwritten",
    "numpy_dtype",
    "run_library",
    "run_module",
    "run_module_each",
    "run_text",
    "unwritten_array",
]
