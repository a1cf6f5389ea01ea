"""The eleven transformations by name, each with its arguments, its legality and its words.

| action | before | after | lives in |
|---|---|---|---|
| `loop_recovery` | threads | loops | frontends |
| `bind` | a loop | threads, tasks, cores, lanes, copies | `bind`, `parallel`, … |
| `split` | a loop | two, one in the other | `split` |
| `fuse` | two loops | one | `fuse` |
| `reorder` | a loop | the same further out or in | `reorder` |
| `expansion` | a loop of two statements | two loops | `decompose_reduction` |
| `contraction` | two loops | one of two statements | `compute_at`, `compute_inline` |
| `cache` | far memory | memory on the chip | `cache_read`, `cache_write` |
| `pipeline` | copy, then work | copies under work | annotations of a loop |
| `tensorize` | loops | an instruction | `tensorize` |
| `detensorize` | an instruction | loops | frontends, `intrinsics.portable` |

An action is applied to a `Step`: blocks by name, loops by number from the outermost. TVM checks
each primitive and refuses what would change the result, so a step is legal where it can be applied
to a copy (`refusal`). `options` names those steps that are worth asking about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import tvm
import tvm_ffi
from tvm import s_tir, tirx
from tvm.s_tir.schedule import SBlockRV

from .action_steps import (
    Action,
    Illegal,
    Scene,
    Step,
    block_at,
    checked,
    label_of,
    labelled,
    loop_at,
    loops_of_block,
    nested_pairs,
    serial_loops,
    statements_in,
    three,
    two,
)

if TYPE_CHECKING:
    from xpiler_tvm.frontends.program import Program
    from xpiler_tvm.kernel import Kernel

# ---------------------------------------------------------------- loops


class LoopRecovery(Action):
    """Threads become loops, split where threads wait for each other.

    t = threadIdx.x; a[t] = x[t]; __syncthreads(); y[t] = a[63 - t]
    ->
    for t in 64: a[t] = x[t]
    for t in 64: y[t] = a[63 - t]
    """

    name = "loop_recovery"
    usage = "loop_recovery()"
    summary = "threads to loops, done while a kernel is read"
    knobs = (
        "Nothing: barriers say where loops end. A barrier that not all threads reach is refused."
    )

    def of(self, kernel: Kernel) -> Program:
        """The kernel's program of loops. Raises `ReadError`, and `LiftError` XP2001."""
        from xpiler_tvm import frontends

        return frontends.read(frontends.resolve(kernel)).program

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        raise Illegal("threads became loops when the kernel was read")


class Bind(Action):
    """The iterations of a loop run side by side, in lanes, or are written out.

    for i in 64: y[i] = f(x[i])   ->   for i in threadIdx.x: y[i] = f(x[i])
    """

    name = "bind"
    usage = 'bind(block, loop, "threadIdx.x" | "parallel" | "vectorize" | "unroll" | …)'
    summary = "run a loop's iterations on threads, tasks, cores or lanes"
    knobs = "The loop and the kind. Loops that reduce are not bound; a tag has one extent a kernel."

    longest: ClassVar[dict[str, int]] = {"vectorize": 64, "unroll": 16}

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        nests = {block: _loops(sch, stage.rv) for block, stage in labelled(sch).items()}
        for block, place, extent in serial_loops(sch):
            for kind in scene.kinds:
                nested = _is_nested(nests[block], place, kind)
                if 1 < extent <= self.longest.get(kind, 1 << 30) and not nested:
                    yield Step(self.name, (block, place, kind))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place, kind = three(step)
        loop = loop_at(sch, block, place)
        if _is_nested(_loops(sch, block_at(sch, block)), place, str(kind)):
            raise Illegal(f"a loop around it or in it is {kind} already")
        if kind in ("parallel", "vectorize", "unroll"):
            getattr(sch, str(kind))(loop)
        elif kind in _TAGS:
            sch.bind(loop, kind)
        else:
            raise Illegal(f"{kind!r} is no kind of loop")


def _loops(sch: s_tir.Schedule, block: SBlockRV) -> list[tirx.For]:
    return [sch.get(each) for each in sch.get_loops(block)]


def _is_nested(loops: Sequence[tirx.For], place: int, kind: str) -> bool:
    """Whether a loop around one of a block's loops, or in it, is of a kind with one level.

    TVM's thread pool has one, and a thread has one number along each axis.
    """
    if kind != "parallel" and kind not in _TAGS:
        return False
    found = list(loops)
    tvm_ffi.structural_walk(loops[place], [(tirx.For, found.append)])
    if kind == "parallel":
        return any(loop.kind == tirx.ForKind.PARALLEL for loop in found)
    threads = [loop.thread_binding for loop in found if loop.thread_binding is not None]
    return any(str(each.thread_tag) == kind for each in threads)


_TAGS = tuple(f"{kind}.{axis}" for kind in ("blockIdx", "threadIdx") for axis in "xyz")


class Split(Action):
    """A loop becomes two, the inner one of `factor` iterations.

    for i in 64: S(i)   ->   for o in 4: for k in 16: S(o * 16 + k)
    """

    name = "split"
    usage = "split(block, loop, factor)"
    summary = "cut a loop into pieces of `factor` iterations"
    knobs = "The factor; where it does not divide the extent, a test guards the last piece."

    factors: ClassVar[tuple[int, ...]] = (4, 8, 16, 32, 64, 128, 256)

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, place, extent in serial_loops(sch):
            for factor in self.factors:
                if factor < extent and extent % factor == 0:
                    yield Step(self.name, (block, place, factor))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place, factor = three(step)
        if not isinstance(factor, int) or not 1 < factor < 1 << 20:
            raise Illegal("a factor is a number above 1")
        sch.split(loop_at(sch, block, place), [None, factor])


class Fuse(Action):
    """A loop and the one inside it become one.

    for i in 4: for j in 16: S(i, j)   ->   for f in 64: S(f // 16, f % 16)
    """

    name = "fuse"
    usage = "fuse(block, loop)"
    summary = "join a loop with the one inside it"
    knobs = "Which loop: the next one inside must be its only content."

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, place in nested_pairs(sch):
            yield Step(self.name, (block, place))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place = two(step)
        sch.fuse(loop_at(sch, block, place), loop_at(sch, block, place + 1))


class Reorder(Action):
    """A loop changes places with those between it and its new place.

    for i: for j: for k: S   ->   for k: for i: for j: S        (k to place 0)
    """

    name = "reorder"
    usage = "reorder(block, loop, place)"
    summary = "move a loop to another place in its nest"
    knobs = "Which loop goes where; the innermost should run along memory."

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, place in nested_pairs(sch):
            yield Step(self.name, (block, place, place + 1))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place, target = three(step)
        loops = loops_of_block(sch, block)
        moved = loops.pop(checked(place, loops))
        loops.insert(checked(target, [*loops, moved]), moved)
        sch.reorder(*loops)


# ---------------------------------------------------------------- statements


class Expansion(Action):
    """A reduction's start gets loops of its own, outside of the loop that is named.

    for i: for k: if k == 0: c[i] = 0; c[i] += a[i, k]
    ->
    for i: c[i] = 0; for k: c[i] += a[i, k]
    """

    name = "expansion"
    usage = "expansion(block, loop)"
    summary = "take a reduction's start out of its loops, in front of `loop`"
    knobs = "The loop that the start is put in front of: no loop of the reduction is outside of it."

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, stage in labelled(sch).items():
            if stage.block.init is not None:
                for place in range(len(sch.get_loops(stage.rv))):
                    yield Step(self.name, (block, place))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place = two(step)
        sch.decompose_reduction(block_at(sch, block), loop_at(sch, block, place))


class Contraction(Action):
    """A stage moves into the loops of the stage that reads it, or into its expression.

    for i: b[i] = f(a[i])
    for i: c[i] = g(b[i])      ->      for i: b[i] = f(a[i]); c[i] = g(b[i])
    """

    name = "contraction"
    usage = (
        "contraction(block, into, loop), with loop -1 to put it into the expressions that read it"
    )
    summary = "compute a stage where it is needed"
    knobs = "The loop of the reader below which the stage is computed; -1 stores nothing at all."

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, stage in labelled(sch).items():
            for reader in sch.get_consumers(stage.rv):
                into = label_of(sch, reader)
                for place in range(-1, len(sch.get_loops(reader))):
                    yield Step(self.name, (block, into, place))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        if len(step.arguments) != 3 or not isinstance(step.arguments[2], int):
            raise Illegal(f"it is used as {self.usage}")
        block, into, place = str(step.arguments[0]), str(step.arguments[1]), step.arguments[2]
        if place == -1:
            sch.compute_inline(block_at(sch, block))
        else:
            sch.compute_at(block_at(sch, block), loop_at(sch, into, place))


class Cache(Action):
    """An operand, or the result, goes through memory on the chip.

    for i: y[i] = f(x[i])   ->   for i: n[i] = x[i];  for i: y[i] = f(n[i])
    """

    name = "cache"
    usage = "cache(block, operand, scope), with operand -1 for the result"
    summary = "keep an operand or the result in memory on the chip"
    knobs = "The operand by its place among the block's reads, and the memory."

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, stage in labelled(sch).items():
            for scope in scene.scopes:
                for place in range(-1, len(stage.block.reads)):
                    yield Step(self.name, (block, place, scope))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place, scope = three(step)
        rv = block_at(sch, block)
        if place == -1:
            sch.cache_write(rv, 0, str(scope))
        else:
            sch.cache_read(rv, place, str(scope))


class Pipeline(Action):
    """The copies of the next iteration run under the work of this one.

    for i: copy(i); work(i)   ->   copy(0); for i: copy(i + 1) | work(i);  work(last)
    """

    name = "pipeline"
    usage = "pipeline(block, loop)"
    summary = "overlap the first statement of a loop with the rest of the iteration before"
    knobs = "The loop, which must hold two or more statements, the first of which copies."

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, place, extent in serial_loops(sch) if scene.overlaps else ():
            if extent > 1 and statements_in(sch, block, place) > 1:
                yield Step(self.name, (block, place))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place = two(step)
        count = statements_in(sch, block, place)
        if count < 2:
            raise Illegal("the loop holds one statement: there is nothing to overlap")
        loop = loop_at(sch, block, place)
        sch.annotate(loop, "software_pipeline_stage", [0] + [1] * (count - 1))
        sch.annotate(loop, "software_pipeline_order", list(range(count)))


# ---------------------------------------------------------------- instructions


class Tensorize(Action):
    """Loops become an instruction that computes the same; TVM compares the two.

    for l in 16: for k in 4: c[l] += i32(a[k]) * i32(b[l, k])   ->   vpdpbusd(c, a, b)
    """

    name = "tensorize"
    usage = "tensorize(block, loop, instruction)"
    summary = "put an instruction in place of a loop and all inside it"
    knobs = "The instruction, and the outermost of the loops that it replaces."

    def options(self, sch: s_tir.Schedule, scene: Scene) -> Iterator[Step]:
        for block, stage in labelled(sch).items():
            for place in range(len(sch.get_loops(stage.rv))):
                for instruction in scene.instructions:
                    yield Step(self.name, (block, place, instruction))

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        block, place, instruction = three(step)
        sch.tensorize(loop_at(sch, block, place), str(instruction))


class Detensorize(Action):
    """An instruction becomes the loops, or the expression, that it stands for.

    __bang_add(d, a, b, 64)   ->   for i in 64: d[i] = a[i] + b[i]
    """

    name = "detensorize"
    usage = "detensorize()"
    summary = "instructions to loops, done while a kernel is read"
    knobs = "Nothing: what an instruction means stands in the tables of its dialect."

    def of(self, mod: tvm.IRModule) -> tvm.IRModule:
        """A scheduled module whose instructions are written out, for any processor."""
        from .intrinsics import portable

        return portable(mod)

    def apply(self, sch: s_tir.Schedule, step: Step) -> None:
        raise Illegal("instructions became loops when the kernel was read")


ACTIONS: dict[str, Action] = {
    action.name: action
    for action in (
        LoopRecovery(),
        Bind(),
        Split(),
        Fuse(),
        Reorder(),
        Expansion(),
        Contraction(),
        Cache(),
        Pipeline(),
        Tensorize(),
        Detensorize(),
    )
}
"""The eleven, in the order of the paper (Xpiler)."""

OF_FRONTENDS = (LoopRecovery, Detensorize)
"""What is done while a kernel is read, and is no step of a schedule."""


# ---------------------------------------------------------------- applying


def apply(sch: s_tir.Schedule, step: Step) -> None:
    """Applies a step to a schedule. Raises `Illegal` with the reason, whoever refuses."""
    if step.action not in ACTIONS:
        raise Illegal(f"{step.action!r} is no action: {', '.join(ACTIONS)}")
    try:
        ACTIONS[step.action].apply(sch, step)
    except (s_tir.ScheduleError, tvm.error.InternalError, ValueError, TypeError) as error:
        lines = str(error).strip().splitlines() or ["refused without a message"]
        raise Illegal(lines[-1].removeprefix("ScheduleError: ")) from None


def refusal(sch: s_tir.Schedule, step: Step) -> str | None:
    """Why a step is not legal for a schedule; `None` where it is. The schedule stays as it is."""
    try:
        apply(sch.copy(), step)
    except Illegal as error:
        return str(error)
    return None


def legal_steps(sch: s_tir.Schedule, scene: Scene, most: int = 60) -> tuple[Step, ...]:
    """Up to `most` legal steps, some of each action, always in the same order."""
    waiting = [iter(action.options(sch, scene)) for action in ACTIONS.values()]
    found: list[Step] = []
    while waiting and len(found) < most:
        for steps in list(waiting):
            step = next((one for one in steps if refusal(sch, one) is None), None)
            if step is None:
                waiting.remove(steps)
            else:
                found.append(step)
    order = list(ACTIONS)
    return tuple(sorted(found[:most], key=lambda step: (order.index(step.action), str(step))))
