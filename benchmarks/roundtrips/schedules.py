"""Random schedules of an operator for a target, as one kernel."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from typing import Any

import tvm
import tvm_ffi
from tvm import s_tir, tirx

from xpiler_tvm import tir

Schedule = Any
Block = Any
Loop = Any

THREADS = (1, 2, 4, 8, 16, 32, 33, 64, 128, 256)


class NotMade(Exception):
    """Why a schedule was not made."""


def dlight(mod: tvm.IRModule, rng: random.Random, target: Any) -> tvm.IRModule:
    """One of the default rules of `tvm.s_tir.dlight`."""
    from tvm.s_tir import dlight as dl

    rules = [dl.gpu.Matmul(), dl.gpu.GEMV(), dl.gpu.Reduction(), dl.gpu.GeneralReduction(),
             dl.gpu.Transpose()]  # fmt: skip
    chosen = [rng.choice(rules), dl.gpu.GeneralReduction(), dl.gpu.Fallback()]
    with target:  # the pass changes the module that it is given
        return dl.ApplyDefaultSchedule(*chosen)(tvm.IRModule({"main": mod["main"]}))


def sampled(mod: tvm.IRModule, rng: random.Random, target: Any) -> tvm.IRModule:
    """A sample of MetaSchedule's space for CUDA, with what it does after sampling."""
    from tvm.s_tir import meta_schedule as ms

    context = ms.TuneContext(
        mod=mod,
        target=target,
        space_generator=ms.space_generator.PostOrderApply(sch_rules="cuda", postprocs="cuda",
                                                          mutator_probs="cuda"),
        rand_state=rng.randrange(1, 1 << 30),
        num_threads=1,
    )  # fmt: skip
    space = context.generate_design_space()
    schedule = rng.choice(list(space))
    for after in context.space_generator.postprocs:
        if not after.apply(schedule):
            raise NotMade(f"{type(after).__name__} refused the sample")
    return schedule.mod


def composed(mod: tvm.IRModule, rng: random.Random, target: Any) -> tvm.IRModule:
    """A random sequence of primitives of our own."""
    del target
    schedule = s_tir.Schedule(mod, error_render_level="fast")
    _Composer(schedule, rng).compose()
    return schedule.mod


def tasks(mod: tvm.IRModule, rng: random.Random, target: Any) -> tvm.IRModule:
    """Random tasks and buffers in NRAM for an MLU."""
    del target
    schedule = s_tir.Schedule(mod, error_render_level="fast")
    _Composer(schedule, rng).compose_tasks()
    return schedule.mod


def without_stack(context: int = 1) -> list[Any]:
    """What replaces `inspect.stack` while TVM's intrinsics are imported: it is asked once for each
    of them, and takes 15 seconds in all where it reads the source of every frame."""
    del context
    return STACK(0)


STACK: Callable[[int], list[Any]] = inspect.stack


class _Composer:
    def __init__(self, schedule: Schedule, rng: random.Random) -> None:
        self.s, self.rng = schedule, rng

    def blocks(self) -> list[Block]:
        return list(self.s.get_child_blocks(self.s.get_sblock("root")))

    def chance(self, percent: int) -> bool:
        return self.rng.random() * 100 < percent

    def attempt(self, step: Callable[[], Any]) -> Any:
        """What a primitive gives, or `None` where it refuses."""
        try:
            return step()
        except (s_tir.ScheduleError, tvm.error.InternalError):
            return None

    def reduces(self, block: Block) -> bool:
        return any(var.iter_type == tirx.IterVar.CommReduce for var in self.s.get(block).iter_vars)

    def inline(self, percent: int) -> None:
        for block in self.blocks()[:-1]:
            if not self.reduces(block) and self.chance(percent):
                self.attempt(lambda: self.s.compute_inline(block))  # noqa: B023

    def split_loops(self, block: Block) -> tuple[list[Loop], list[Loop]]:
        """The spatial and the reduction loops around a block, those of one step left out."""
        loops = [one for one in self.s.get_loops(block) if int(self.s.get(one).extent) != 1]
        loops = [one for one in loops if self.s.get(one).thread_binding is None]
        spatial = [one for one in loops if not self._over(block, one)]
        reduction = [one for one in loops if self._over(block, one)]
        if not spatial:
            around = self.s.get_loops(block)
            spatial = [self.s.add_unit_loop(around[0] if around else block)]
        return spatial, reduction

    def _over(self, block: Block, loop: Loop) -> bool:
        """Whether a loop around a block is one of its reduction."""
        found: list[Any] = []
        node, var = self.s.get(self.s.get_loops(block)[-1]), self.s.get(loop).loop_var
        tvm_ffi.structural_walk(node, [(s_tir.SBlockRealize, found.append)])
        realize = found[0]
        return any(
            axis.iter_type == tirx.IterVar.CommReduce
            and any(used.same_as(var) for used in tir.variables(value))
            for axis, value in zip(realize.block.iter_vars, realize.iter_values, strict=True)
        )

    def fused(self, loops: list[Loop]) -> Loop:
        return self.s.fuse(*loops) if len(loops) > 1 else loops[0]

    # ------------------------------------------------------------ GPUs

    def compose(self) -> None:
        self.inline(80)
        blocks = self.blocks()
        if len(blocks) > 1:
            self._together(blocks)
            return
        (block,) = blocks
        spatial, reduction = self.split_loops(block)
        if not reduction:
            self._flat(block)
        elif len(spatial) >= 2 and self.chance(50):
            self._tiled(block, spatial, reduction)
        else:
            self._reduced(block, spatial, reduction)

    def _flat(self, block: Block) -> None:
        """All loops as one, over blocks and threads; what is left serial, unrolled or a vector."""
        fused = self.s.fuse(*self.s.get_loops(block))
        threads, inner = self.rng.choice(THREADS), self.rng.choice([1, 1, 2, 3, 4])
        loops = self.s.split(fused, [None, threads, inner])
        if inner > 1 and self.chance(50):
            if self.chance(50) and inner in (2, 4):
                self.attempt(lambda: self.s.vectorize(loops[2]))
            else:
                self.s.unroll(loops[2])
        if inner > 1 and self.chance(30) and "vector" not in str(self.s.get(loops[2]).kind):
            self.attempt(lambda: self.s.reorder(loops[2], loops[1]))
        self.s.bind(loops[0], "blockIdx.x")
        self.s.bind(loops[1], "threadIdx.x")

    def _reduced(self, block: Block, spatial: list[Loop], reduction: list[Loop]) -> None:
        """Reductions in one thread, over the threads of a block, or in two steps."""
        self.s.reorder(*spatial, *reduction)
        rows, cols = self.fused(spatial), self.fused(reduction)
        parts = [n for n in (2, 3, 4, 8) if int(self.s.get(cols).extent) % n == 0]
        how = self.rng.choice(["serial", "threads", "rfactor" if parts else "serial"])
        if how == "threads":
            _, lanes = self.s.split(cols, [None, self.rng.choice([4, 8, 16, 32, 64])])
            if self.chance(50):
                self.s.reorder(lanes, _)
            many = self.rng.choice([1, 1, 2, 4])
            outer, several = self.s.split(rows, [None, many])
            self.s.bind(outer, "blockIdx.x")
            self.s.bind(several, "threadIdx.y")
            self.s.bind(lanes, "threadIdx.x")
            return
        if how == "rfactor":
            # Of parts that do not divide the whole TVM loses the guard.
            _, part = self.s.split(cols, [None, self.rng.choice(parts)])
            partial = self.attempt(lambda: self.s.rfactor(part, self.rng.choice([0, 1])))
            if partial is not None:
                self._together(self.blocks())
                return
        self._cache(block, rows)
        outer, threads = self.s.split(rows, [None, self.rng.choice(THREADS)])
        self.s.bind(outer, "blockIdx.x")
        self.s.bind(threads, "threadIdx.x")
        if self.chance(40):
            last = self.s.get_loops(block)[-1]
            _, few = self.s.split(last, [None, self.rng.choice([2, 3, 4])])
            if self.chance(60):
                self.s.unroll(few)
        if self.chance(40):
            self.attempt(lambda: self.s.decompose_reduction(block, self.s.get_loops(block)[-1]))

    def _cache(self, block: Block, rows: Loop) -> None:
        """The result in registers until it is complete."""
        if self.chance(50):
            out = self.s.cache_write(block, 0, "local")
            self.s.reverse_compute_at(out, rows)

    def _tiled(self, block: Block, spatial: list[Loop], reduction: list[Loop]) -> None:
        """Tiles of two axes, operands in shared memory, sums in registers."""
        *outer, y, x = spatial
        self.s.reorder(*spatial, *reduction)
        ty, tx = self.rng.choice([(4, 8), (8, 8), (16, 16), (2, 32), (1, 32)])
        ry, rx = self.rng.choice([(1, 1), (2, 2), (1, 4), (4, 1)])
        step = self.rng.choice([4, 8, 16])
        y0, y1, y2 = self.s.split(y, [None, ty, ry])
        x0, x1, x2 = self.s.split(x, [None, tx, rx])
        k0, k1 = self.s.split(self.fused(reduction), [None, step])
        self.s.reorder(*outer, y0, x0, y1, x1, k0, k1, y2, x2)
        grid = self.s.fuse(*outer, y0, x0)
        self.s.bind(grid, "blockIdx.x")
        self.s.bind(y1, "threadIdx.y")
        self.s.bind(x1, "threadIdx.x")
        if self.chance(60):
            out = self.s.cache_write(block, 0, "local")
            self.s.reverse_compute_at(out, x1)
        double = self.chance(20)
        for number in range(len(self.s.get(block).reads)):
            if not self.chance(80):
                continue
            copy = self.s.cache_read(block, number, "shared")
            if self.attempt(lambda: self.s.compute_at(copy, k0) or True) is None:  # noqa: B023
                continue
            loops = self.s.get_loops(copy)
            fused = (
                self.s.fuse(*loops[loops.index(loops[-1]) - 1 :]) if len(loops) > 5 else loops[-1]
            )
            _, a, b = self.s.split(fused, [None, ty, tx])
            self.s.bind(a, "threadIdx.y")
            self.s.bind(b, "threadIdx.x")
            if double:
                self.s.annotate(copy, "double_buffer_scope", 0)
            if self.chance(20):
                self.attempt(lambda: self.s.storage_align(copy, 0, -2, 32, 4))  # noqa: B023
        if self.chance(50):
            self.s.unroll(k1)
        if rx == 4 and self.chance(30):
            self.attempt(lambda: self.s.vectorize(x2))
        if self.chance(60):
            self.attempt(lambda: self.s.decompose_reduction(block, k0))

    def _together(self, blocks: list[Block]) -> None:
        """Several blocks as one kernel: each block of threads does some rows in all of them."""
        spatial, reduction = self.split_loops(blocks[-1])
        if reduction:
            self.s.reorder(*spatial, *reduction)
        row = self.fused(spatial[: self.rng.randint(1, max(1, len(spatial) - 1))])
        threads = self.rng.choice([1, 8, 32, 64])
        scope = "shared" if threads > 1 else "local"
        for block in reversed(blocks[:-1]):
            self.s.compute_at(block, row, preserve_unit_loops=True)
            self.s.set_scope(block, 0, scope)
        self.s.bind(row, "blockIdx.x")
        if threads == 1:
            return
        for block in blocks:
            own, cols = self.split_loops(block)
            if own and cols:
                self.s.reorder(*own, *cols)
            across = cols if cols and self.chance(40) else own
            _, lanes = self.s.split(self.fused(across), [None, threads])
            self.s.bind(lanes, "threadIdx.x")

    # ------------------------------------------------------------ MLUs

    def compose_tasks(self) -> None:
        self.inline(90)
        blocks = self.blocks()
        last = blocks[-1]
        row = self.split_loops(last)[0][0]
        most = int(self.s.get(row).extent)  # TVM loses guards where there are more tasks than steps
        outer, inner = self.s.split(row, [min(most, self.rng.choice([1, 4, 8, 16])), None])
        self.s.bind(outer, "blockIdx.x")
        at = self.rng.choice([outer, inner])
        for block in reversed(blocks[:-1]):
            self.s.compute_at(block, at, preserve_unit_loops=True)
            self.s.set_scope(block, 0, "local.nram")
        if self.chance(80):
            out = self.s.cache_write(last, 0, "local.nram")
            self.attempt(lambda: self.s.reverse_compute_at(out, at))
        for number in range(len(self.s.get(last).reads)):
            if self.chance(80):
                copy = self.s.cache_read(last, number, "local.nram")
                self.attempt(lambda: self.s.compute_at(copy, at))  # noqa: B023
        for block in self.blocks():
            loops = self.s.get_loops(block)
            if self.chance(80) and len(loops) > 1:
                self.attempt(lambda: self.s.vectorize(loops[-1]))  # noqa: B023
