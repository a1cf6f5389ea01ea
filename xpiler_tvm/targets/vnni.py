"""CPUs with AVX-512 and VNNI: C with intrinsics to read, and a library that LLVM makes to call.

`vnni:haswell` is the same for another processor, by LLVM's name of it (`processor.FEATURES` has
those that are known): a library without the instructions that it lacks, and no C, whose intrinsics
are AVX-512.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from xpiler_tvm.errors import EmitError, ReadError
from xpiler_tvm.processor import FEATURES

from .base import Compiler, Emitted, Limits, Memory, TargetSpec

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule
    from xpiler_tvm.schedules.cpu import CpuLimits

    from .base import Accept, Ranges

MCPU = "cascadelake"


def mcpu_of(target: str) -> str:
    """The processor of a target's name: `haswell` of `vnni:haswell`."""
    return target.partition(":")[2] or MCPU


def _limits(mcpu: str) -> CpuLimits:
    """What schedules count on: AVX-512 has the longest vectors, and twice as many of them."""
    from xpiler_tvm.schedules.cpu import CpuLimits

    features = FEATURES[mcpu]
    if "avx512f" in features:
        return CpuLimits(vnni="avx512_vnni" in features)
    return CpuLimits(vector_bytes=32 if "avx2" in features else 16, registers=16, vnni=False)


def _rules(mcpu: str) -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import cpu

    return cpu.rules(_limits(mcpu)), None


def _target(mcpu: str) -> Target:
    from xpiler_tvm.codegen.vnni import cpu_target

    return cpu_target(mcpu)


def _emit(mcpu: str, mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.c_vnni import emit_c
    from xpiler_tvm.codegen.vnni import compile_vnni

    compiled = compile_vnni(mod, kernel, mcpu)
    libraries = {
        ".so": compiled.library,
        ".ll": compiled.llvm.encode(),
        ".s": compiled.assembly.encode(),
    }
    if not _limits(mcpu).vnni:
        return Emitted(compiled.assembly, None, compiled.entry, libraries)
    try:
        text, written = emit_c(mod, kernel, _target(mcpu))
    except EmitError:
        # Not every C compiler has bfloat16, for one; LLVM's library is the translation then.
        return Emitted(compiled.assembly, None, compiled.entry, libraries)
    return Emitted(text, written, compiled.entry, libraries)


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.c_vnni import C_VNNI
    from xpiler_tvm.codegen.host_main import host_main

    return host_main(kernel, C_VNNI, None, ranges)


def cpu(mcpu: str = "") -> TargetSpec:
    """The target for a processor; `cascadelake` unless another one is named.

    Raises `ReadError` XP1012 where it is not known.
    """
    if mcpu and mcpu not in FEATURES:
        known = ", ".join(sorted(FEATURES))
        raise ReadError("XP1012", f"no processor is named {mcpu!r}", hint=f"one of {known}")
    chosen = mcpu or MCPU
    return TargetSpec(
        f"vnni:{mcpu}" if mcpu else "vnni",
        ".c",
        f"CPUs such as {mcpu}" if mcpu else "CPUs with AVX-512 VNNI",
        Limits(memories=(Memory("local", 256 * 1024, 64),)),
        partial(_target, chosen),
        partial(_rules, chosen),
        partial(_emit, chosen),
        Compiler(("g++", "-O2", "-march={arch}", "-c", "-o", "/dev/null", "{file}"), "__GNUC__"),
        _main,
    )


VNNI = cpu()
