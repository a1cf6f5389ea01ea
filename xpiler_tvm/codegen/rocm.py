"""GFX assembly of a schedule for AMD GPUs, by TVM's own `rocm` target.

A second opinion beside the HIP text: what LLVM makes of the same schedule, without any of ROCm. The
code object would need ROCm's bitcode and linker; both hooks stand for nothing here. Matrix
instructions have no form in this target. LLVM may end the process, so that a child compiles.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import tempfile
from collections.abc import Mapping
from pathlib import Path

import tvm
from tvm.target import Target

from xpiler_tvm.dialects.simt import GPUS, MAX_THREADS
from xpiler_tvm.errors import EmitError
from xpiler_tvm.kernel import Kernel
from xpiler_tvm.tir import UNSOUND_PASSES

from .c_family import entry_name

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
    with tempfile.TemporaryDirectory(prefix="xpiler-") as folder:
        answer, messages = Path(folder) / "answer", Path(folder) / "messages"
        child = os.fork()
        if child == 0:
            status = 1
            try:
                faulthandler.disable()
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                with messages.open("wb") as log:
                    os.dup2(log.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                answer.write_bytes(pickle.dumps(_compile(mod, rocm_target(arch))))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if not answer.exists():
            raise EmitError("XP4001", f"LLVM gave up on the kernel: status {status}")
        texts = pickle.loads(answer.read_bytes())
    if isinstance(texts, str):
        raise EmitError("XP4001", f"TVM's rocm target has no form for the kernel: {texts}")
    return texts


def _compile(mod: tvm.IRModule, target: Target) -> dict[str, str] | str:
    """The texts, or why there are none."""

    def no_bitcode(*_: object) -> object:
        return tvm.runtime.convert([])

    def unlinked(code: object) -> bytearray:
        return bytearray(bytes(code))  # type: ignore[call-overload]

    tvm.register_global_func("tvm_callback_rocm_bitcode_path", no_bitcode, override=True)
    tvm.register_global_func("tvm_callback_rocm_link", unlinked, override=True)
    try:
        with tvm.transform.PassContext(disabled_pass=list(UNSOUND_PASSES)):
            (device,) = tvm.compile(mod, target=target).mod.imports
        return {ours: str(device.inspect_source(theirs)) for ours, theirs in FORMS.items()}
    except Exception as error:  # of any kind: it goes back to the parent as text
        return str(error).strip().splitlines()[-1] if str(error) else repr(error)
