"""CPUs with AVX-512 VNNI: LLVM's IR, its assembly and a shared library, all through TVM.

LLVM ends the process on an instruction that a CPU does not have, so everything is compiled in a
forked child; what comes back are bytes. The library is TVM's kind: `tvm.runtime.load_module` gives
a module whose function takes the source kernel's parameters in their order.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tvm
import tvm_ffi
from tvm import tirx
from tvm.target import Target

from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.processor import FEATURES, missing_features
from xpiler_tvm.tir import UNSOUND_PASSES

from .c_family import entry_name
from .child import in_child
from .stack import PIPELINE
from .vector_math import vectorisable

UNROLLED = 40
"""Up to what cost LLVM unrolls a loop whole; its own choice is 300."""


@dataclass(frozen=True)
class Compiled:
    """A kernel for a CPU.

    Attributes
    ----------
    entry : the function's name in the library.
    library : a shared library's bytes, for `load`.
    llvm : LLVM IR, `assembly` what became of it.
    missing : features that the code counts on and this machine lacks. It cannot run here unless
        this is empty; the schedule without its instructions can (`s_tir` programs run anywhere).
    """

    entry: str
    library: bytes
    llvm: str
    assembly: str
    missing: tuple[str, ...] = ()

    def load(self) -> tvm.runtime.Module:
        """The loaded library. Raises `EmitError` XP4001 where this machine cannot run it."""
        if self.missing:
            raise EmitError(
                "XP4001",
                f"this machine has no {', '.join(self.missing)}, which the code counts on",
                hint="copy the library to a machine that has, or emit for another mcpu",
            )
        with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
            path = Path(folder) / f"{self.entry}.so"
            path.write_bytes(self.library)
            return tvm.runtime.load_module(str(path))


def cpu_target(mcpu: str = "cascadelake") -> Target:
    """The TVM target for a CPU by LLVM's name for it."""
    # LLVM would rather not use vectors of 512 bits on the first CPUs that had them. And it unrolls
    # a row's passes whole, and keeps what one has loaded for the next one, on the stack.
    options = [f"-unroll-threshold-aggressive:uint={UNROLLED}"]
    return Target({"kind": "llvm", "mcpu": mcpu, "mattr": ["-prefer-256-bit"], "cl-opt": options})


def compile_vnni(
    scheduled_mod: tvm.IRModule, kernel: Kernel, mcpu: str = "cascadelake"
) -> Compiled:
    """Compile a scheduled module; the function is named after the kernel.

    Raises `EmitError` XP4001 where LLVM or the linker fails, with what they said.
    """
    entry = entry_name(kernel)
    func = unaligned(scheduled_mod["main"].without_attr("target"))
    mod = tvm.IRModule({entry: func.with_attr("global_symbol", entry)})
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        library = Path(folder) / f"{entry}.so"
        llvm, assembly = in_child(lambda: _compile(mod, mcpu, library))
        return Compiled(entry, library.read_bytes(), llvm, assembly, missing_features(mcpu))


def unaligned(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """The function for arrays at any address.

    TVM takes parameters to lie at multiples of 64 bytes and loads vectors accordingly, without a
    check: an array of numpy's, aligned to 16, ends the process. Loads that may be unaligned cost
    nothing on these CPUs when the arrays happen to be aligned.
    """
    renewed = [
        (
            param,
            tirx.decl_buffer(
                param.shape,
                param.dtype,
                param.name,
                data_alignment=max(1, tvm.DataType(str(param.dtype)).bits // 8),
            ),
        )
        for param in func.params
        if tirx.is_buffer_var(param)
    ]

    def new(var: tvm.ir.Var) -> tvm.ir.Var:
        return next((fresh for old, fresh in renewed if old.same_as(var)), var)

    body = tvm_ffi.structural_map(func.body, (tirx.Var, new))
    return tirx.PrimFunc([new(param) for param in func.params], body, func.ret_type, func.attrs)


def build(mod: tvm.IRModule, mcpu: str) -> Any:
    """TVM's executable of a scheduled module. What LLVM does not have ends the process."""
    lowered = vectorisable(mod, scales="avx512f" in FEATURES[mcpu])
    with tvm.transform.PassContext(disabled_pass=list(UNSOUND_PASSES)):
        return tvm.compile(lowered, target=cpu_target(mcpu), tir_pipeline=PIPELINE)


def _compile(mod: tvm.IRModule, mcpu: str, library: Path) -> tuple[str, str]:
    """LLVM IR and assembly; the library is written to its path."""
    compiled = build(mod, mcpu)
    compiled.export_library(str(library))
    return str(compiled.mod.inspect_source("ll")), str(compiled.mod.inspect_source("s"))
