"""Schedules tried by hand: `Explorer` applies one primitive after another, and can take them back.

    explore = xt.Explorer(kernel, "hip")
    explore.legal("split")                     # what TVM accepts now
    explore.split("y.i1", [None, 64])          # loops go by block and name
    explore.bind("y.i1_1", "threadIdx.x")
    explore.undo()
    explore.compare()                          # with the schedule that the target's rules find
    explore.save("softmax.trace.json")         # for transcompile(..., schedule=...)

Completions (`dir`, Tab) offer the primitives that are legal at the moment.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ScheduleError, SetupError
from .lifting import Lifted, lift

if TYPE_CHECKING:
    import tvm
    from tvm import s_tir

    from .kernel import Kernel
    from .stepping import Steps
    from .translation import Translation

_NO_PRIMITIVES = ("copy", "get", "get_sref", "seed", "fork_seed", "remove_rv", "show", "work_on")
"""What a schedule of TVM's has beside its primitives."""

_FACTORS = (2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Compared:
    """What the explored program asks for beside what the target's rules made.

    Of each: seconds below the device's roofs, bytes of global memory, iterations at a time.
    """

    explored: tuple[float | None, int, int]
    rules: tuple[float | None, int, int]

    def __str__(self) -> str:
        rows = [("explored", self.explored), ("rules", self.rules)]
        lines = []
        for name, (seconds, moved, parallel) in rows:
            roof = "" if seconds is None else f"roof {seconds * 1e6:.4g} us, "
            lines.append(f"{name:<9} {roof}{moved} bytes of global memory, {parallel} at a time")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


class Explorer:
    """A schedule of a kernel for a target, made step by step.

    Attributes
    ----------
    lifted : the kernel; its form with one name for each array that is updated is what is scheduled.
    target : the target's name.
    """

    def __init__(self, kernel: Kernel | Lifted, target: str) -> None:
        from . import targets
        from .schedules.base import fresh
        from .schedules.in_place import split_updates

        self._spec = targets.get(target)
        self.lifted = kernel if isinstance(kernel, Lifted) else lift(kernel)
        self.target = target
        self._start = split_updates(self.lifted.mod).mod
        self._schedules = [fresh(self._start)]

    # ------------------------------------------------------------ what there is

    @property
    def schedule(self) -> s_tir.Schedule:
        """The schedule as it stands."""
        return self._schedules[-1]

    @property
    def mod(self) -> tvm.IRModule:
        """The program as it stands."""
        return self.schedule.mod

    @property
    def blocks(self) -> tuple[str, ...]:
        """The blocks by name, in their order."""
        sch = self.schedule
        return tuple(
            str(sch.get(block).name_hint) for block in sch.get_child_blocks(sch.get_sblock("root"))
        )

    @property
    def loops(self) -> tuple[str, ...]:
        """The loops around each block, from the outermost: `"y.i0"`."""
        return tuple(loop for block in self.blocks for loop in self.loops_of(block))

    def loops_of(self, block: str) -> tuple[str, ...]:
        """The loops around one block, from the outermost.

        Raises `ScheduleError` XP3002 where there is no such block.
        """
        if block not in self.blocks:
            raise ScheduleError("XP3002", f"no block is called {block!r}")
        return tuple(f"{block}.{name}" for name in self._loops_of(block))

    @property
    def steps(self) -> Steps:
        """The primitives so far, each with the program after it."""
        from .stepping import Steps, replayed

        return Steps(self._start, list(replayed(self.schedule.trace, self._start)), self.target)

    # ------------------------------------------------------------ what can be done

    def legal(self, primitive: str = "") -> tuple[str, ...]:
        """Calls that TVM accepts now, as they are written; of one primitive, or of all.

        Each is tried on a copy. Factors and memories are those that are usual on the target: other
        arguments may be legal too.
        """
        kinds = [primitive] if primitive else list(_CANDIDATES)
        found = []
        for kind in kinds:
            for arguments in _CANDIDATES.get(kind, _nothing)(self):
                if self._accepts(kind, arguments):
                    found.append(f"{kind}({', '.join(map(repr, arguments))})")
        return tuple(found)

    def _accepts(self, primitive: str, arguments: Sequence[Any]) -> bool:
        trial = self.schedule.copy()
        try:
            _apply(trial, primitive, arguments, {})
        except ScheduleError:
            return False
        return True

    def __dir__(self) -> list[str]:
        names = [kind for kind in _CANDIDATES if self._has_legal(kind)]
        own = (name for name in object.__dir__(self) if name not in _CANDIDATES)
        return sorted({*own, *names})

    def _has_legal(self, primitive: str) -> bool:
        return any(self._accepts(primitive, each) for each in _CANDIDATES[primitive](self))

    def __getattr__(self, name: str) -> Callable[..., Explorer]:
        from tvm import s_tir

        known = not name.startswith("_") and name not in _NO_PRIMITIVES
        if not known or not callable(getattr(s_tir.Schedule, name, None)):
            raise AttributeError(f"there is no primitive {name!r}")
        return partial(self._step, name)

    def _step(self, primitive: str, *arguments: Any, **options: Any) -> Explorer:
        """Applies a primitive; what TVM refuses leaves everything as it was.

        Raises `ScheduleError` XP3002 with TVM's reason.
        """
        following = self.schedule.copy()
        _apply(following, primitive, arguments, options)
        self._schedules.append(following)
        return self

    def undo(self, steps: int = 1) -> Explorer:
        """Takes back the last steps, or as many as there are."""
        del self._schedules[max(1, len(self._schedules) - steps) :]
        return self

    # ------------------------------------------------------------ what comes of it

    def compare(self) -> Compared:
        """The program as it stands beside the one that the target's rules make."""
        return Compared(self._asked(self.mod), self._asked(self._by_rules))

    @cached_property
    def _by_rules(self) -> tvm.IRModule:
        from . import schedules

        return schedules.apply(self.lifted.mod, self.target).mod

    def _asked(self, mod: tvm.IRModule) -> tuple[float | None, int, int]:
        from .dialects.peaks import PEAKS
        from .display.nest import work_of

        work = work_of(mod, PEAKS.get(self._spec.name.partition(":")[0]))
        return work.seconds, work.traffic.get("global", 0), work.parallel

    def save(self, path: str | Path) -> Path:
        """Writes the trace, for `transcompile(..., schedule=path)`.

        Raises `SetupError` XP6004 where the file cannot be written.
        """
        about = {
            "kernel": self.lifted.kernel.entry,
            "target": self.target,
            "trace": _plain(self.schedule.trace.as_json()),
        }
        path = Path(path)
        try:
            path.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise SetupError(
                "XP6004", f"{path} cannot be written to: {error.strerror or error}"
            ) from None
        return path

    def translate(self) -> Translation:
        """The translation by this schedule, checked like any other."""
        from .translation import transcompile

        return transcompile(self.lifted, self.target, schedule=self.schedule)

    def __repr__(self) -> str:
        return f"<schedule of {self.lifted.kernel.entry} for {self.target}>\n{self.steps}"

    def _repr_html_(self) -> str:
        from .display import explorer_page

        return explorer_page(self)

    def _loops_of(self, block: str) -> Iterator[str]:
        sch = self.schedule
        for loop in sch.get_loops(sch.get_sblock(block)):
            yield str(sch.get(loop).loop_var.name)


def _plain(value: Any) -> Any:
    """TVM's JSON as Python's."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    return getattr(value, "value", value)  # a constant of TVM's is its number


# ---------------------------------------------------------------- names


def _apply(
    sch: s_tir.Schedule, primitive: str, arguments: Sequence[Any], options: dict[str, Any]
) -> Any:
    try:
        given = _resolved(sch, primitive, arguments)
        return getattr(sch, primitive)(*given, **options)
    except ScheduleError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        lines = str(error).strip().splitlines() or ["refused without a message"]
        reason = lines[-1].removeprefix("ScheduleError: ").removeprefix("Error message: ")
        raise ScheduleError("XP3002", f"{primitive}: {reason}") from None


def _resolved(sch: s_tir.Schedule, primitive: str, arguments: Sequence[Any]) -> list[Any]:
    """Arguments with loops and blocks in place of names, as the primitive's signature has them."""
    from tvm import s_tir

    signature = inspect.signature(getattr(s_tir.Schedule, primitive))
    kinds: list[str] = []
    for name, parameter in list(signature.parameters.items())[1:]:
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            kinds += [name] * max(0, len(arguments) - len(kinds))
        else:
            kinds.append(name)
    return [_named(sch, kind, value) for kind, value in zip(kinds, arguments, strict=False)] + list(
        arguments[len(kinds) :]
    )


def _named(sch: s_tir.Schedule, parameter: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_named(sch, parameter, each) for each in value]
    if not isinstance(value, str):
        return value
    if "loop" in parameter or parameter == "ordered_loops":
        return _loop(sch, value)
    if "block" in parameter:
        return sch.get_sblock(value)
    return value


def _loop(sch: s_tir.Schedule, name: str) -> Any:
    """A loop by `block.loop`, or by a name that only one loop has."""
    block, dot, wanted = name.rpartition(".")
    root = sch.get_sblock("root")
    blocks = [sch.get_sblock(block)] if dot else list(sch.get_child_blocks(root))
    found: dict[int, Any] = {}
    for each in blocks:
        for loop in sch.get_loops(each):
            node = sch.get(loop)
            if str(node.loop_var.name) == wanted:
                found.setdefault(hash(node), loop)
    if len(found) != 1:
        count = "no loop is" if not found else f"{len(found)} loops are"
        raise ScheduleError(
            "XP3002",
            f"{count} called {name!r}",
            hint="loops go by block and name, as in 'y.i0'; `explore.loops` lists them",
        )
    return next(iter(found.values()))


# ---------------------------------------------------------------- candidates

Arguments = tuple[Any, ...]
_Candidates = Callable[[Explorer], Iterator[Arguments]]


def _nothing(explorer: Explorer) -> Iterator[Arguments]:
    return iter(())


def _serial_loops(explorer: Explorer) -> Iterator[Arguments]:
    """Loops that no step has bound, vectorised or unrolled yet."""
    from tvm import tirx

    sch = explorer.schedule
    for block in explorer.blocks:
        for loop in sch.get_loops(sch.get_sblock(block)):
            node = sch.get(loop)
            if node.kind == tirx.ForKind.SERIAL:
                yield (f"{block}.{node.loop_var.name}",)


def _each_block(explorer: Explorer) -> Iterator[Arguments]:
    return ((block,) for block in explorer.blocks)


def _splits(explorer: Explorer) -> Iterator[Arguments]:
    for block in explorer.blocks:
        sch = explorer.schedule
        for loop in sch.get_loops(sch.get_sblock(block)):
            node = sch.get(loop)
            extent = getattr(node.extent, "value", 0)
            for factor in _FACTORS:
                if factor < extent and extent % factor == 0:
                    yield f"{block}.{node.loop_var.name}", [None, factor]


def _neighbours(explorer: Explorer) -> Iterator[Arguments]:
    for block in explorer.blocks:
        names = [f"{block}.{name}" for name in explorer._loops_of(block)]
        yield from pairwise(names)


def _swapped(explorer: Explorer) -> Iterator[Arguments]:
    return ((inner, outer) for outer, inner in _neighbours(explorer))


def _bindings(explorer: Explorer) -> Iterator[Arguments]:
    tags = [axis.tag for axis in explorer._spec.limits.axes]
    return ((loop, tag) for (loop,) in _serial_loops(explorer) for tag in tags)


def _memories(explorer: Explorer) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.scope for each in explorer._spec.limits.memories)) or (
        "global",
    )


def _reads(explorer: Explorer) -> Iterator[Arguments]:
    for block in explorer.blocks:
        count = len(explorer.schedule.get(explorer.schedule.get_sblock(block)).reads)
        for scope in _memories(explorer):
            yield from ((block, index, scope) for index in range(count))


def _writes(explorer: Explorer) -> Iterator[Arguments]:
    return ((block, 0, scope) for block in explorer.blocks for scope in _memories(explorer))


def _places(explorer: Explorer) -> Iterator[Arguments]:
    for block in explorer.blocks:
        for loop in explorer.loops:
            if not loop.startswith(f"{block}."):
                yield block, loop


def _reductions(explorer: Explorer) -> Iterator[Arguments]:
    for block in explorer.blocks:
        yield from ((block, f"{block}.{loop}") for loop in explorer._loops_of(block))


_CANDIDATES: dict[str, _Candidates] = {
    "split": _splits,
    "fuse": _neighbours,
    "reorder": _swapped,
    "bind": _bindings,
    "parallel": _serial_loops,
    "vectorize": _serial_loops,
    "unroll": _serial_loops,
    "cache_read": _reads,
    "cache_write": _writes,
    "compute_at": _places,
    "reverse_compute_at": _places,
    "compute_inline": _each_block,
    "reverse_compute_inline": _each_block,
    "decompose_reduction": _reductions,
    "rfactor": lambda explorer: ((loop, 0) for loop in explorer.loops),
}
