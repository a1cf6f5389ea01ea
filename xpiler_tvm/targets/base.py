"""What a target is: a name, limits, rules for schedules and an emitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from xpiler_tvm.errors import EmitError

if TYPE_CHECKING:
    import numpy as np
    import tvm
    from tvm.target import Target

    from xpiler_tvm.kernel import Kernel, Launch, Param
    from xpiler_tvm.schedules.base import Declined, Rule


Accept: TypeAlias = "Callable[[tvm.IRModule], Declined | None]"
Arrays: TypeAlias = "Mapping[str, np.ndarray]"
Ranges: TypeAlias = "Mapping[str, tuple[int, int]]"
Runner: TypeAlias = "Callable[[Emitted, Arrays, Mapping[str, int | float]], Arrays]"


@dataclass(frozen=True)
class Memory:
    """A memory that a schedule may put arrays in.

    Attributes
    ----------
    scope : TVM's storage scope (`"shared"`); scopes below it (`"shared.dyn"`) count as it.
    size : bytes that one block, task or thread has of it.
    alignment : bytes on whose multiples arrays begin.
    in_turns : whether its users take turns, which rules arrange: a single step cannot put an array
        there.
    """

    scope: str
    size: int
    alignment: int = 1
    in_turns: bool = False

    def holds(self, scope: str) -> bool:
        return f"{scope}.".startswith(f"{self.scope}.")


@dataclass(frozen=True)
class Axis:
    """A direction of the launch by TVM's thread tag, and the largest extent along it."""

    tag: str
    most: int


@dataclass(frozen=True)
class Limits:
    """What one launch may use; 0 and nothing where the notion does not apply.

    `max_threads` of a block in all directions together, `warp` of them in step.
    """

    max_threads: int = 0
    warp: int = 0
    axes: tuple[Axis, ...] = ()
    memories: tuple[Memory, ...] = ()

    def bytes_of(self, scope: str) -> int:
        """How much of a memory there is; 0 where the device has none."""
        return sum(memory.size for memory in self.memories if memory.scope == scope)


@dataclass(frozen=True)
class Compiler:
    """The vendor's compiler: what it is called with to look at a file, and what it defines.

    In `command`, `{file}` is the emitted file, and `{arch}` the device. `arch` is the device that
    emitted files are compiled for as a check; without one they are not.
    """

    command: tuple[str, ...]
    macro: str
    arch: str = ""

    def command_for(self, file: Path, arch: str) -> list[str]:
        """The command that compiles a file, and leaves nothing behind."""
        return [word.format(file=file, arch=arch) for word in self.command]


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
    launch, params : where there is no kernel, how the entry is launched and what it takes.
    cost : what a model of the target says the kernel costs, as plain data; empty without one.
    """

    text: str
    kernel: Kernel | None
    entry: str
    libraries: Mapping[str, bytes] = field(default_factory=dict)
    cost: Mapping[str, object] = field(default_factory=dict)
    launch: Launch | None = None
    params: tuple[Param, ...] = ()


@dataclass(frozen=True)
class TargetSpec:
    """One target. The callables import TVM when they are called, not before.

    Attributes
    ----------
    name : the target's name on the command line; a dialect's too where its text can be read.
    suffix : the emitted text's file suffix.
    title : the target in words.
    limits : parallel axes and memories of the devices that emitted kernels are for.
    make_target : the TVM target that scheduled modules are lowered for.
    make_rules : the schedule rules in order, and what every schedule must pass.
    emitter : scheduled module and resolved source kernel to text.
    compiler : what compiles the text on a machine that has it.
    host_main : a `main` that runs the emitted kernel on generated data, to stand behind it; the
        ranges are of integers that it uses as indices.
    make_functions : the table of the language's functions that emitted code calls: spelling by the
        operator's name in TIR.
    other_texts : further forms of a scheduled module by name (`asm`), made when they are asked for.
    runner : what runs emitted code to check it, where that is not the emulator: it takes what was
        emitted, arrays and values of scalars, and gives every tensor's array. It raises
        `SetupError` where this machine has nothing to run it.
    """

    name: str
    suffix: str
    title: str
    limits: Limits
    make_target: Callable[[], Target]
    make_rules: Callable[[], tuple[tuple[Rule, ...], Accept | None]]
    emitter: Callable[[tvm.IRModule, Kernel], Emitted]
    compiler: Compiler
    host_main: Callable[[Kernel, Ranges], str]
    make_functions: Callable[[], Mapping[str, str]] = dict
    runner: Runner | None = None
    other_texts: Callable[[tvm.IRModule, Kernel], Mapping[str, str]] | None = None

    def target(self) -> Target:
        return self.make_target()

    def schedule_rules(self) -> tuple[tuple[Rule, ...], Accept | None]:
        """The rules, and the check that has the last word on each schedule."""
        return self.make_rules()

    def emit(self, scheduled_mod: tvm.IRModule, kernel: Kernel) -> Emitted:
        """The text for a scheduled module. Raises `EmitError` where there is none."""
        return self.emitter(scheduled_mod, kernel)

    def with_main(self, emitted: Emitted, ranges: Ranges) -> Emitted:
        """What was emitted, with a `main` behind it.

        Raises `EmitError` XP4001 where what was emitted is no kernel that could be called.
        """
        if emitted.kernel is None:
            raise EmitError("XP4001", f"{self.name} has no text that a main could stand in")
        text = f"{emitted.text}\n{self.host_main(emitted.kernel, ranges)}"
        return replace(emitted, text=text, kernel=replace(emitted.kernel, source=text))
