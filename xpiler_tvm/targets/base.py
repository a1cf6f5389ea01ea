"""What a target is: a name, limits, rules for schedules and an emitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel
    from xpiler_tvm.schedules.base import Declined, Rule


Accept: TypeAlias = "Callable[[tvm.IRModule], Declined | None]"


@dataclass(frozen=True)
class Limits:
    """What one block (CUDA, HIP) or task (BANG) may use; 0 where the notion does not apply."""

    max_threads: int = 0
    warp: int = 0
    shared_bytes: int = 0


@dataclass(frozen=True)
class Emitted:
    """A kernel in a target's language.

    Attributes
    ----------
    text : what a person reads: source text, or LLVM's assembly for a CPU.
    kernel : the emitted kernel, which the emulator runs; `None` where the target has no text that
        is a kernel again.
    libraries : further files by suffix (`".so"`, `".ll"`), as bytes.
    entry : the name of the kernel in text and libraries.
    """

    text: str
    kernel: Kernel | None
    entry: str
    libraries: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TargetSpec:
    """One target. The callables import TVM when they are called, not before.

    Attributes
    ----------
    name : the target's name on the command line, also a dialect's.
    suffix : the emitted text's file suffix.
    title : the target in words.
    limits : of the devices that emitted kernels are for.
    make_target : the TVM target that scheduled modules are lowered for.
    make_rules : the schedule rules in order, and what every schedule must pass.
    emitter : scheduled module and resolved source kernel to text.
    """

    name: str
    suffix: str
    title: str
    limits: Limits
    make_target: Callable[[], Target]
    make_rules: Callable[[], tuple[tuple[Rule, ...], Accept | None]]
    emitter: Callable[[tvm.IRModule, Kernel], Emitted]

    def target(self) -> Target:
        return self.make_target()

    def schedule_rules(self) -> tuple[tuple[Rule, ...], Accept | None]:
        """The rules, and the check that has the last word on each schedule."""
        return self.make_rules()

    def emit(self, scheduled_mod: tvm.IRModule, kernel: Kernel) -> Emitted:
        """The text for a scheduled module. Raises `EmitError` where there is none."""
        return self.emitter(scheduled_mod, kernel)
