"""Matrix products on MLUs: on the matrix unit where it is exact, else on the vector unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV, SBlockRV

from xpiler_tvm.dialects.bang import ALIGN, CORES_PER_CLUSTER, LANES, Arch

from .bang_common import NRAM, SRAM, WRAM, Model, keep_on_chip, of_tiles, share_out
from .base import Declined, fresh
from .knobs import AS_MODELLED, knob
from .matmul import Contraction, find_contraction, normalize
from .steps import accumulate_in, inline_around

SLOTS = 16 * 1024
"""Bytes of NRAM that are left to what a schedule does not know of: vectors on the way."""


SIZES = ((256, 2, 512), (256, 2, 256), (128, 1, 1024), (64, 1, 512))
"""Rows, groups of columns and bytes of depth that a tile may have at most."""

ALONE = (1, 1)
CLUSTERS = ((4, 1), (2, 2), (1, 4))
"""How many tiles below and beside each other the cores of a cluster work on together."""


def operand_bytes(types: tuple[str, str, str], *, inexact: bool) -> int | Declined:
    """Bytes of an element of both operands where the matrix unit adds up such products exactly.

    `types` are those of the sums, the source and the weights.
    """
    total, left, right = types
    if total == "int32" and left in ("int8", "uint8") and right == "int8":
        return 1
    if total == "float32" and left == right and left in ("float16", "bfloat16"):
        return 2
    if total == "float32" and left == right == "float32" and inexact:
        return 4
    operands = " by ".join(sorted({left, right}))
    return Declined(f"the matrix unit has no exact sum of {operands} in {total}")


@dataclass(frozen=True)
class Tile:
    """A core's piece of the result, `rows` x `groups * LANES`, and `depth` products at a time.

    `cores` tells how many such tiles lie below and beside each other in what shares operands: one
    core's alone, or those of a cluster. Where the tiles of a cluster lie beside each other, too,
    one after the other, their rows of A may be `kept` in SRAM for all of them.
    """

    rows: int
    groups: int
    depth: int
    cores: tuple[int, int] = ALONE
    kept: bool = False

    @property
    def columns(self) -> int:
        return self.groups * LANES

    @property
    def shared(self) -> bool:
        return self.cores != ALONE

    @property
    def all_rows(self) -> int:
        """Rows of all tiles that share operands."""
        return self.rows * self.cores[0]

    @property
    def all_columns(self) -> int:
        return self.columns * self.cores[1]

    def __str__(self) -> str:
        size = f"{self.rows} x {self.columns} x {self.depth}"
        shared = f" on {self.cores[0]} x {self.cores[1]} cores" if self.shared else ""
        return size + shared + (", rows kept" if self.kept else "")


@dataclass(frozen=True)
class Matrix:
    """One sum of products on the matrix unit, a tile of the result at a time.

    for k: A_nram = A[i, k];  W = B[k, j] as WRAM wants it;  C_nram += A_nram @ W

    B goes through NRAM: its rows are turned into columns where memory does not run along them, and
    put in the order of WRAM's banks. All is padded to what the unit takes: 64 columns, 128 bytes of
    depth. Of several tiles the `model` picks one, and it may prefer the vector unit.

    The tiles of a cluster's cores may share their rows of A and columns of B, which the cluster
    then brings into SRAM once; each core takes its own from there:

    for k: A_sram = A[I, k];  B_sram = B[k, J];  A_nram = A_sram[i];  W = B_sram[j];  C_nram += ...

    or, before all tiles of a cluster that have the same rows, A_sram = A[I, :].

    Operands are bytes with int32 sums, of which the weights are signed, or sixteen-bit floats with
    float sums: products that the unit computes without rounding an operand. Others take `inexact`:
    float32 operands, which some chips round.
    """

    arch: Arch
    model: Model | None = None
    inexact: bool = False
    name: str = "bang.matrix"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        found = find_contraction(fresh(mod))
        if isinstance(found, Declined):
            return found
        item = self._item(found)
        if isinstance(item, Declined):
            return item
        tiles = self._tiles(found, item)
        if not tiles:
            return Declined("no tile fits into NRAM and WRAM")
        return of_tiles(
            mod,
            "tile of the matrix unit",
            tiles,
            lambda tile: self._schedule(mod, tile),
            others=[Matmul(self.arch, self.model)],
            model=self.model,
        )

    def _item(self, found: Contraction) -> int | Declined:
        """Bytes of an element of the operands."""
        block = found.stage.block
        total = str(block.writes[0].source.dtype)
        left, right = (str(block.reads[place].source.dtype) for place in (found.left, found.right))
        added = block.body.value
        product = added.b if isinstance(added.b, tirx.Mul) else added.a
        if not isinstance(product, tirx.Mul) or str(product.ty.dtype) != total:
            return Declined("a product is rounded before it is added")
        return operand_bytes((total, left, right), inexact=self.inexact)

    def _tiles(self, found: Contraction, item: int) -> list[Tile]:
        """Tiles that fit the program and the memories, large ones first."""
        tiles: list[Tile] = []
        for cores, most in product((ALONE, *CLUSTERS), SIZES):
            for tile in self._of_size(found, item, cores, most):
                if tile not in tiles and self._fits(tile, item, found):
                    tiles.append(tile)
        return tiles

    def _of_size(
        self, found: Contraction, item: int, cores: tuple[int, int], most: tuple[int, int, int]
    ) -> Iterator[Tile]:
        """Tiles of at most a size, with work for all cores if there is enough."""
        batch, rows, columns, depth = found.extents()
        (below, beside), (most_rows, most_groups, most_bytes) = cores, most
        unit = ALIGN // item
        step = unit * even(-(-depth // unit), most_bytes // ALIGN)
        groups = even(-(-columns // (LANES * beside)), most_groups)
        row = -(-columns // (groups * LANES * beside))
        fair = -(-rows * batch * row * beside // self.arch.cores)
        high = -(-rows // below)
        fewest = -(-high // min(most_rows, fair))
        if cores == ALONE:
            yield Tile(-(-high // fewest), groups, step)
            return
        # The tiles of a cluster are pipelined: it pays if all clusters have equally many.
        for count in (fewest, _whole(fewest, batch * row, self.arch.clusters)):
            tile = Tile(-(-high // count), groups, step, cores)
            yield tile
            every = count * batch * row
            own = every // share_out(every, self.arch, below * beside)
            if own > 1 and row % own == 0:
                yield replace(tile, kept=True)

    def _fits(self, tile: Tile, item: int, found: Contraction) -> bool:
        weights = tile.columns * tile.depth * item
        copies = 1 + (tile.groups > 1) + (not found.right_runs)
        if tile.shared and found.right_runs:
            copies = 0  # from SRAM they go to WRAM as they lie
        sums = tile.rows * tile.columns * 4 * (2 if item == 1 else 1)
        # Unsigned bytes are made signed ones in an array of their own.
        unsigned = str(found.stage.block.reads[found.left].source.dtype) == "uint8"
        used = copies * weights + sums + tile.rows * tile.depth * item * (1 + unsigned)
        # One step is brought in while another is used.
        steps = -(-found.extents()[3] // tile.depth)
        rows = tile.all_rows * (steps if tile.kept else 2)
        panels = (rows + 2 * tile.all_columns) * tile.depth * item
        return (
            used <= self.arch.nram_usable - SLOTS
            and weights <= self.arch.wram
            and (not tile.shared or panels <= self.arch.sram_usable)
        )

    def _schedule(self, mod: tvm.IRModule, tile: Tile) -> s_tir.Schedule:
        sch = fresh(mod)
        found = find_contraction(sch)
        assert not isinstance(found, Declined)  # `apply` has asked the same
        batch, rows, columns, _ = found.extents()

        # Step 1. One form for all: C[b, i, j] += A[b, i, k] * B[b, k, j], sizes padded.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, tile.all_rows, tile.all_columns, tile.depth])

        # Step 2. Tiles to tasks; in a tile, steps of k.
        b, i, j, k = sch.get_loops(main)
        block_i, below, own_i = sch.split(i, [None, tile.cores[0], tile.rows])
        block_j, beside, group, lane = sch.split(j, [None, tile.cores[1], tile.groups, LANES])
        steps, own_k = sch.split(k, [None, tile.depth])
        sch.reorder(b, block_i, block_j, below, beside, steps, own_i, group, lane, own_k)
        tiles, core = sch.fuse(b, block_i, block_j), sch.fuse(below, beside)
        count = batch * -(-rows // tile.all_rows) * -(-columns // tile.all_columns)
        own = _to_cores(sch, tiles, core, count, self.arch, shared=tile.shared)

        # Step 3. Sums and operands on the chip, a step of k at a time.
        accumulate_in(sch, main, own, NRAM)
        staged = sch.cache_read(main, 0, NRAM)
        sch.compute_at(staged, steps, preserve_unit_loops=True)
        if tile.shared:
            whole = sch.cache_read(staged, 0, SRAM)
            sch.compute_at(whole, core if tile.kept else steps, preserve_unit_loops=True)
        turned, as_they_lie = self._weights(sch, main, tile, found.right_runs)
        for copy in (*turned, *as_they_lie):
            sch.compute_at(copy, steps, preserve_unit_loops=True)
        for copy in turned:
            *_, along, across = sch.get_loops(copy)
            if tile.groups > 1:
                group, lane = sch.split(across, [None, LANES])
                sch.reorder(group, lane, along)
            elif found.right_runs:
                sch.reorder(across, along)
        sch.decompose_reduction(main, steps)

        # Step 4. Gathering, padding and the work around the product go into these copies.
        inline_around(sch)
        keep_on_chip(sch)
        return sch

    def _weights(
        self, sch: s_tir.Schedule, main: SBlockRV, tile: Tile, runs: bool
    ) -> tuple[list[SBlockRV], list[SBlockRV]]:
        """The copies of B on its way into WRAM, the last first: those by columns, those by rows."""

        def banks(b: tirx.Var, k: tirx.Var, j: tirx.Var) -> list[tvm.ir.Expr]:
            groups = [j % tile.columns // LANES] if tile.groups > 1 else []
            return [b, j // tile.columns, j % LANES, *groups, k]

        copies = [sch.cache_read(main, 1, WRAM)]
        sch.transform_layout(copies[-1], ("write", 0), banks)
        if tile.shared and runs:
            # The copy from memory off the chip puts the rows in order.
            copies.append(sch.cache_read(copies[-1], 0, SRAM))
            sch.transform_layout(copies[-1], ("write", 0), banks)
            return copies, []
        if tile.groups > 1:
            copies.append(sch.cache_read(copies[-1], 0, NRAM))
            sch.transform_layout(copies[-1], ("write", 0), banks)
        copies.append(sch.cache_read(copies[-1], 0, NRAM))
        sch.transform_layout(copies[-1], ("write", 0), lambda b, k, j: [b, j, k])
        if runs:
            return copies, []
        rows = [sch.cache_read(copies[-1], 0, NRAM)]
        if tile.shared:
            rows.append(sch.cache_read(rows[-1], 0, SRAM))
        return copies, rows


@dataclass(frozen=True)
class Matmul:
    """One sum of products: a tile of the result stays in NRAM while rows of B are added to it.

    for k: for i: C[i, :] += A[i, k] * B[k, :]      vectors along j, A[i, k] a scalar

    This is the vector unit's work, for what the matrix unit does not compute exactly. The cores of
    a cluster share operands where the `model` says that it pays, as in `Matrix`.
    """

    arch: Arch
    model: Model | None = None
    rows: int = 16
    columns: int = 512
    depth: int = 64
    name: str = "bang.matmul"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        found = find_contraction(fresh(mod))
        if isinstance(found, Declined):
            return found
        _, rows, columns, _ = found.extents()
        if columns < 8 or rows < 2:
            return Declined(f"{rows} x {columns} is too thin for tiles")
        named = {f"{below} x {beside}": (below, beside) for below, beside in (ALONE, *CLUSTERS)}
        chosen = knob("cores that share operands", AS_MODELLED, list(named))
        if chosen != AS_MODELLED:
            return self._schedule(mod, named[chosen])
        alone = self._schedule(mod, ALONE)
        least = None if self.model is None else self.model(alone.mod)
        if self.model is None or least is None:
            return alone
        best = alone
        for cores in CLUSTERS:
            shared = self._schedule(mod, cores)
            seconds = self.model(shared.mod)
            if seconds is not None and seconds < least:
                best, least = shared, seconds
        return best

    def _schedule(self, mod: tvm.IRModule, cores: tuple[int, int]) -> s_tir.Schedule:
        sch = fresh(mod)
        found = find_contraction(sch)
        assert not isinstance(found, Declined)  # `apply` has asked the same
        batch, rows, columns, depth = found.extents()
        below, beside = cores
        most_j = knob("columns of a tile", self.columns, (64, 128, 256, 512, 1024))
        tile_j = even(-(-columns // beside), most_j)
        tile_k = even(depth, knob("depth of a step", self.depth, (16, 32, 64, 128, 256)))
        bands = batch * -(-columns // (tile_j * beside))
        fair = -(-rows * bands * beside // self.arch.cores)
        most_i = min(knob("rows of a tile", self.rows, (4, 8, 16, 32, 64, 128)), fair)
        tile_i = even(-(-rows // below), most_i)

        # Step 1. One form for all: C[b, i, j] += A[b, i, k] * B[b, k, j], sizes padded.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, tile_i * below, tile_j * beside, tile_k])

        # Step 2. Tiles to tasks; in a tile, rows of the result under steps of k.
        b, i, j, k = sch.get_loops(main)
        block_i, core_i, own_i = sch.split(i, [None, below, tile_i])
        block_j, core_j, own_j = sch.split(j, [None, beside, tile_j])
        steps, own_k = sch.split(k, [None, tile_k])
        sch.reorder(b, block_i, block_j, core_i, core_j, steps, own_k, own_i, own_j)
        tiles, core = sch.fuse(b, block_i, block_j), sch.fuse(core_i, core_j)
        count = bands * -(-rows // (tile_i * below))
        tile = _to_cores(sch, tiles, core, count, self.arch, shared=cores != ALONE)

        # Step 3. Sum in NRAM; operands in NRAM, a step of k at a time.
        accumulate_in(sch, main, tile, NRAM)
        copies = [sch.cache_read(main, operand, NRAM) for operand in (0, 1)]
        if found.right_runs:
            # Memory runs along depth: rows come in as they lie and are turned on the chip.
            copies.append(sch.cache_read(copies[1], 0, NRAM))
            sch.transform_layout(copies[2], ("write", 0), lambda b, k, j: [b, j, k])
        by_depth = copies[2:]
        if cores != ALONE:
            ends = (copies[0], copies[-1])
            copies += [sch.cache_read(end, 0, SRAM) for end in ends]
            if found.right_runs:
                by_depth.append(copies[-1])
                sch.transform_layout(copies[-1], ("write", 0), lambda b, k, j: [b, j, k])
        for copy in copies:
            sch.compute_at(copy, steps, preserve_unit_loops=True)
        for copy in by_depth:
            *_, along, across = sch.get_loops(copy)
            sch.reorder(across, along)
        sch.decompose_reduction(main, steps)

        # Step 4. Gathering, padding and the work around the product go into these copies.
        inline_around(sch)
        keep_on_chip(sch)
        return sch


def _to_cores(
    sch: s_tir.Schedule, tiles: LoopRV, core: LoopRV, count: int, arch: Arch, *, shared: bool
) -> LoopRV:
    """The loop over a task's own tiles; with `shared` those of a cluster, for each `core` of it."""
    cores = CORES_PER_CLUSTER if shared else 1
    task, own = sch.split(tiles, [share_out(count, arch, cores), None])
    sch.bind(task, "blockIdx.x")
    if shared:
        sch.reorder(core, own)
        sch.bind(core, "threadIdx.x")
    return own


def _whole(fewest: int, bands: int, workers: int) -> int:
    """The least count of rows of tiles, in each of some bands, that workers share evenly."""
    return next(n for n in range(fewest, fewest + workers) if n * bands % workers == 0)


def even(extent: int, most: int) -> int:
    """The tile, up to `most`, that divides `extent` into the fewest tiles of nearly equal size."""
    return -(-extent // -(-extent // most))
