"""CPUs with AVX-512 and VNNI, through LLVM: assembly to read, a library to call."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from xpiler_tvm.codegen.vnni import compile_vnni

    compiled = compile_vnni(mod, kernel, MCPU)
    libraries = {".so": compiled.library, ".ll": compiled.llvm.encode()}
    return Emitted(compiled.assembly, None, compiled.entry, libraries)


def _main(kernel: Kernel, ranges: Ranges) -> str:
    from xpiler_tvm.codegen.c_family import CDialect
    from xpiler_tvm.codegen.host_main import host_main

    return host_main(kernel, CDialect("C"), None, ranges)


VNNI = TargetSpec(
    "vnni",
    ".s",
    "CPUs with AVX-512 VNNI",
    Limits(memories=(Memory("local", 256 * 1024, 64),)),
    _target,
    _rules,
    _emit,
    Compiler(("g++", "-O2", "-march={arch}", "-c", "-o", "/dev/null", "{file}"), "__GNUC__"),
    _main,
)
