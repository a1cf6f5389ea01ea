"""What the host code of a file says about a kernel: its launch, and what it is launched on.

The host functions are run (`host_run`): from `main` through wrappers to the launch, as the program
would run without arguments, or with the values that the user gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from xpiler_tvm.errors import ReadError, Span
from xpiler_tvm.kernel import Dialect, Kernel

from . import ir
from .host_calls import Calls
from .host_run import Run
from .host_values import Address, Launched, Memory, Place, Unknown, Value, depends, plain

FoundIntent = Literal["in", "out", "inout", "unknown"]
T = TypeVar("T")


@dataclass(frozen=True)
class Argument:
    """What the host code passes for one parameter of the kernel.

    `extent` counts the elements behind a pointer (`None`: not known), `intent` is read from the
    copies (`unknown`: they do not say). `value` is that of a scalar, `None` where it depends on
    data.
    """

    name: str
    value: int | float | None = None
    extent: int | None = None
    intent: FoundIntent = "unknown"


@dataclass(frozen=True)
class HostFacts:
    """The first launch of a kernel. `entry` names the instance: `softmax`, `gemm<16>`."""

    entry: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared_bytes: int
    arguments: tuple[Argument, ...]
    span: Span


def launch_of(unit: ir.Unit, kernel: Kernel) -> HostFacts:
    """How the host code of `unit` launches `kernel.entry`, or its only launched kernel.

    `kernel.args` give values to the parameters and variables of host functions by name. The run
    starts at `main`; where that does not reach the launch, at the function that launches.

    Raises `ReadError`: XP1006 where nothing launches the kernel or an argument is missing, XP1004
    where several kernels are launched and none is named, XP1013 where the code cannot be run.
    """
    args = dict(kernel.args)
    calls = Calls(unit)
    roots = calls.roots(kernel.entry)
    if not roots:
        raise _nothing_launches(calls, kernel)
    _refuse_unknown_args(calls, roots, args)
    return _first(roots, lambda root: _facts(_started(Run(calls, args), root), kernel))


def run_of(unit: ir.Unit, kernel: Kernel, root: str | None = None) -> Run:
    """A run of all the host code from the function `root` on, by default as `launch_of` starts.

    Raises `ReadError`: XP1006 where nothing launches or an argument is missing, XP1014 where there
    is no such function, XP1013 where some of the code cannot be run.
    """
    calls, args = Calls(unit), dict(kernel.args)
    roots = calls.roots(None)
    if not roots:
        raise _nothing_launches(calls, kernel)
    if root is not None:
        names = ", ".join(function.name for function in roots)
        roots = [function for function in roots if function.name == root]
        if not roots:
            raise ReadError(
                "XP1014",
                f"{kernel.filename} has no host function {root!r} that launches",
                hint=f"it has {names}",
            )
    _refuse_unknown_args(calls, roots, args)
    run = _first(roots, lambda function: _started(Run(calls, args, whole=True), function))
    if not run.launches:
        raise ReadError("XP1006", "the host code launches nothing", span=roots[0].span)
    return run


def _started(run: Run, root: ir.Function) -> Run:
    run.start(root)
    return run


def _first(roots: list[ir.Function], attempt: Callable[[ir.Function], T]) -> T:
    """What comes of the first root with which the attempt succeeds."""
    errors = []
    for root in roots:
        try:
            return attempt(root)
        except ReadError as error:
            errors.append(error)
        except RecursionError:
            errors.append(ReadError("XP1013", "the host code is nested too deeply", span=root.span))
    raise min(errors, key=lambda error: "--arg" not in error.hint)  # one to act on, else the first


def _nothing_launches(calls: Calls, kernel: Kernel) -> ReadError:
    """What is missing, and the options and the call that give it, in the kernel's own names."""
    unit = calls.unit
    function = unit.named(kernel.entry.partition("<")[0]) if kernel.entry else None
    function = function or next(iter(unit.kernels), None)
    missing, options, call = [], [], []
    if kernel.params is None and function is not None:
        missing.append("parameters")
        stored = set(calls.stored(function.body))
        kinds = [_described(param, param.ident in stored) for param in function.params]
        options += [f"--param '{option}'" for option, _ in kinds]
        call.append(f"params=[{', '.join(word for _, word in kinds)}]")
    if kernel.launch is None:
        missing.append("launch")
        options.append("--grid 4 --block 128")
        call.append("launch=xt.Launch(grid=(4,), block=(128,))")
    return ReadError(
        "XP1006",
        f"no host function in {kernel.filename} launches "
        f"{repr(function.name) if function else 'a kernel'}, so its "
        f"{' and '.join(missing)} must be given",
        span=function.span if function else None,
        hint=f"for example {' '.join(options)}\nor in Python: {', '.join(call)}",
    )


def _described(param: ir.Variable, stored: bool) -> tuple[str, str]:
    """A parameter as an option and as a word of the API, with examples for what is not known."""
    kind = plain(param.type)
    inner = kind.to if isinstance(kind, ir.Pointer) else kind
    dtype = inner.dtype if isinstance(inner, ir.Arithmetic) else "float32"
    if not isinstance(kind, ir.Pointer):
        return f"{param.name}:{dtype}=512", f'xt.Scalar("{param.name}", "{dtype}", 512)'
    option = f"{param.name}:{dtype}[512]" + ":out" * stored
    intent = ', intent="out"' if stored else ""
    return option, f'xt.Tensor("{param.name}", (512,), "{dtype}"{intent})'


def _refuse_unknown_args(
    calls: Calls, roots: list[ir.Function], args: dict[str, int | float]
) -> None:
    known = calls.settable(roots)
    for name in args:
        if name not in known:
            raise ReadError(
                "XP1014",
                f"the host code has no variable {name!r} to set",
                hint=f"it has {', '.join(known)}" if known else "it has none that can be set",
            )


# ---------------------------------------------------------------- what the run showed


def _facts(run: Run, kernel: Kernel) -> HostFacts:
    entry = kernel.entry
    wanted = [launched for launched in run.launches if _is_instance(launched.entry, entry)]
    if not wanted:
        seen = ", ".join(sorted({launched.entry for launched in run.launches})) or "nothing"
        raise ReadError(
            "XP1006",
            f"the host code does not launch {entry!r}"
            if entry
            else "the host code launches nothing",
            hint=f"it launches {seen}; give params and launch yourself",
        )
    names = sorted({launched.entry for launched in wanted})
    if len(names) > 1:
        raise ReadError(
            "XP1004",
            f"the host code launches several kernels: {', '.join(names)}",
            hint=f"choose one: --entry '{names[0]}'",
        )
    first = wanted[0]
    certain = run.complete and all(
        list(map(id, _targets(other))) == list(map(id, _targets(first))) for other in wanted
    )
    for other in run.launches:
        if other.entry != first.entry:
            for target in _targets(other):
                if isinstance(target, Memory):
                    target.shared = True
    return facts_of(run, first, kernel.dialect, certain)


def facts_of(run: Run, launched: Launched, dialect: Dialect, certain: bool = False) -> HostFacts:
    """What one launch of a run says; `certain` where copies around it say the intents.

    Raises `ReadError` XP1013 where an extent of the launch or of an allocation is not known.
    """
    passed = _Passed(run, launched, certain)
    return HostFacts(
        launched.entry,
        _extents("the grid", launched.config[0], launched.span),
        _extents("the block", launched.config[1], launched.span),
        # A launch of BANG C has a queue there.
        0 if dialect == "bang" else _shared_bytes(launched),
        tuple(
            argument
            for param, value in zip(launched.function.params, launched.values, strict=False)
            for argument in passed.arguments(param.name, param.type, value)
        ),
        launched.span,
    )


def _targets(launched: Launched) -> Iterator[Memory | Place]:
    """What a launch works on: the allocations behind its pointers, also those in classes."""
    pending = list(reversed(launched.values))
    while pending:
        value = pending.pop()
        if isinstance(value, Address):
            yield value.target
        elif isinstance(value, dict):
            pending += reversed(value.values())


def _is_instance(name: str, entry: str | None) -> bool:
    if entry is None:
        return True
    spaceless = "".join(entry.split())
    return spaceless in ("".join(name.split()), name.partition("<")[0])


def _extents(what: str, value: Value, span: Span) -> tuple[int, ...]:
    parts = [value.get(axis, 1) for axis in "xyz"] if isinstance(value, dict) else [value, 1, 1]
    extents = []
    for part in parts:
        if not isinstance(part, (int, float)) or not math.isfinite(part):
            raise depends(what, part if isinstance(part, Unknown) else Unknown("this"), span)
        extents.append(int(part))
    while len(extents) > 1 and extents[-1] == 1:
        extents.pop()
    return tuple(extents)


def _shared_bytes(launched: Launched) -> int:
    value = launched.config[2] if len(launched.config) > 2 else 0
    if isinstance(value, (int, float)):
        return int(value)
    raise depends(
        "the size of the shared memory",
        value if isinstance(value, Unknown) else Unknown("this"),
        launched.span,
    )


@dataclass(frozen=True, eq=False)
class _Passed:
    """What a launch passes; `certain` where the host code was run to its end."""

    run: Run
    launched: Launched
    certain: bool

    def arguments(self, name: str, kind: ir.Type | None, value: Value) -> Iterator[Argument]:
        """Of a parameter; for a class by value one for each number and pointer in it."""
        run, kind = self.run, self._resolved(kind)
        if isinstance(kind, ir.Struct) and isinstance(value, dict):
            for field, of in kind.fields:
                if field.startswith(ir.BASE):
                    yield from self.arguments(name, of, value)
                    continue
                part = value.get(field, Unknown(f"the member {field!r}", self.launched.span))
                yield from self.arguments(f"{name}_{field}", of, part)
        elif isinstance(kind, ir.ArrayType) and isinstance(value, Address):
            whole, step = run.size_of(kind), run.size_of(kind.of)
            if whole and step and isinstance(value.target, Memory):
                for number in range(whole // step):
                    part = value.target.items.get(value.offset + number * step)
                    yield from self.arguments(f"{name}_{number}", kind.of, part)
        else:
            yield self._argument(name, kind, value)

    def _resolved(self, kind: ir.Type | None) -> ir.Type | None:
        return self.run.resolved(self.run.resolved(kind, self.launched.types))

    def _argument(self, name: str, kind: ir.Type | None, value: Value) -> Argument:
        if not isinstance(value, Address):
            return Argument(name, value if isinstance(value, (int, float)) else None)
        memory = value.target
        if not isinstance(memory, Memory):
            return Argument(name)
        step = self.run.size_of(self._resolved(kind.to) if isinstance(kind, ir.Pointer) else None)
        extent = None
        if isinstance(memory.size, Unknown):
            raise depends(f"the size of {name!r}", memory.size, self.launched.span)
        if isinstance(memory.size, (int, float)) and step:
            extent = (int(memory.size) - value.offset) // step
        intent: FoundIntent = "unknown"
        if self.certain and memory.space == "device" and not memory.shared:
            if memory.filled:
                intent = "inout" if memory.fetched else "in"
            elif memory.fetched:
                intent = "out"
        return Argument(name, None, extent, intent)
