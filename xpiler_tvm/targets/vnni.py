"""CPUs with AVX-512 and VNNI: C with intrinsics to read, and a library that LLVM makes to call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpiler_tvm.errors import EmitError

from .base import Compiler, Emitted, Limits, Memory, TargetSpec

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Rule

    from .base import Accept, Ranges

MCPU = "cascadelake"


def _target() -> Target:
    from xpiler_tvm.codegen.vnni import cpu_target

    return cpu_target(MCPU)


def _rules() -> tuple[tuple[Rule, ...], Accept | None]:
    from xpiler_tvm.schedules import cpu

    return cpu.rules(cpu.CpuLimits()), None


def _emit(mod: tvm.IRModule, kernel: Kernel) -> Emitted:
    from xpiler_tvm.codegen.c_vnni import emit_c
    from xpiler_tvm.codegen.vnni import compile_vnni

    compiled = compile_vnni(mod, kernel, MCPU)
    libraries = {
        ".so": compiled.library,
        ".ll": compiled.llvm.encode(),
        ".s": compiled.assembly.encode(),
    }
    try:
        text, written = emit_c(mod, kernel, _target())
    except EmitError:
        # C has no 16-bit floats, for one; LLVM's library is the translation then.
        return Emitted(compiled.assembly, None, compiled.entry, libraries)
    return Emitted(text, written, compiled.entry, libraries)


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.c_vnni import C_VNNI
    from xpiler_tvm.codegen.host_main import host_main

    return host_main(kernel, C_VNNI, None, ranges)


VNNI = TargetSpec(
    "vnni",
    ".c",
    "CPUs with AVX-512 VNNI",
    Limits(memories=(Memory("local", 256 * 1024, 64),)),
    _target,
    _rules,
    _emit,
    Compiler(("g++", "-O2", "-march={arch}", "-c", "-o", "/dev/null", "{file}"), "__GNUC__"),
    _main,
)
