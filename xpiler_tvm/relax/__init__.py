"""Lifted kernels in Relax: modules made of CUDA files, and kernels put into modules.

    xt.relax.ImportKernels("block.cu")(tvm.IRModule())    a Relax function that calls its kernels
    xt.relax.ReplaceKernels({"softmax": kernel})(mod)     a kernel in place of a function
    xt.relax.DefaultSchedule("vnni")                      our rules for `dl.ApplyDefaultSchedule`

What comes out are ordinary modules of TVM's. Imports TVM.
"""

from __future__ import annotations

from .dlight import DefaultSchedule
from .importing import ImportKernels
from .replacing import ReplaceKernels

__all__ = ["DefaultSchedule", "ImportKernels", "ReplaceKernels"]
