"""GFX assembly of a schedule for AMD GPUs, by TVM's own `rocm` target.

A second opinion beside the HIP text: what LLVM makes of the same schedule, without any of ROCm. The
code object would need ROCm's bitcode and linker; both hooks stand for nothing here. Matrix
instructions have no form in this target. LLVM may end the process, so that a child compiles.
"""

from __future__ import annotations

from collections.abc import Mapping

import tvm
from tvm.target import Target

from xpiler_tvm.dialects.simt import GPUS, MAX_THREADS
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tir import UNSOUND_PASSES

from .c_family import entry_name
from .child import in_child

FORMS = {"asm": "asm", "ll": "llvm"}
"""What we call a text, and what TVM does."""


def rocm_target(arch: str) -> Target:
    """TVM's target for an architecture."""
    return Target(
        {
            "kind": "rocm",
            "mcpu": arch,
            "mtriple": "amdgcn-amd-amdhsa-hcc",
            "max_num_threads": MAX_THREADS,
            "max_threads_per_block": MAX_THREADS,
            "thread_warp_size": GPUS[arch].warp,
        },
        host="llvm",
    )


def rocm_texts(scheduled_mod: tvm.IRModule, kernel: Kernel, arch: str) -> Mapping[str, str]:
    """The assembly (`asm`) and LLVM's IR (`ll`) of a scheduled module.

    Raises `EmitError` XP4001 where TVM or LLVM has no form for it, with what they said.
    """
    entry = entry_name(kernel)
    func = scheduled_mod["main"].without_attr("target").with_attr("global_symbol", entry)
    mod = tvm.IRModule({entry: func})
    return in_child(
        lambda: _compile(mod, rocm_target(arch)), "TVM's rocm target has no form for the kernel"
    )


def _compile(mod: tvm.IRModule, target: Target) -> dict[str, str]:
    def no_bitcode(*_: object) -> object:
        return tvm.runtime.convert([])

    def unlinked(code: object) -> bytearray:
        return bytearray(bytes(code))  # type: ignore[call-overload]

    tvm.register_global_func("tvm_callback_rocm_bitcode_path", no_bitcode, override=True)
    tvm.register_global_func("tvm_callback_rocm_link", unlinked, override=True)
    with tvm.transform.PassContext(disabled_pass=list(UNSOUND_PASSES)):
        (device,) = tvm.compile(mod, target=target).mod.imports
    return {ours: str(device.inspect_source(theirs)) for ours, theirs in FORMS.items()}
