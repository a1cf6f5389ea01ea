"""Matrix products on MLUs: on the matrix unit where it is exact, else on the vector unit."""

from __future__ import annotations

from dataclasses import dataclass

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import SBlockRV

from xpiler_tvm.dialects.bang import ALIGN, LANES, Arch

from .bang_common import NRAM, WRAM, Model, keep_on_chip, share_out
from .base import Declined, fresh
from .knobs import AS_MODELLED, knob
from .matmul import Contraction, find_contraction, normalize
from .steps import accumulate_in, inline_around

SLOTS = 16 * 1024
"""Bytes of NRAM that are left to what a schedule does not know of: vectors on the way."""


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
    """A piece of the result, `rows` x `groups * LANES`, and `depth` products at a time."""

    rows: int
    groups: int
    depth: int

    @property
    def columns(self) -> int:
        return self.groups * LANES


@dataclass(frozen=True)
class Matrix:
    """One sum of products on the matrix unit, a tile of the result at a time.

    for k: A_nram = A[i, k];  W = B[k, j] as WRAM wants it;  C_nram += A_nram @ W

    B goes through NRAM: its rows are turned into columns where memory does not run along them, and
    put in the order of WRAM's banks. All is padded to what the unit takes: 64 columns, 128 bytes of
    depth. Of several tiles the `model` picks one, and it may prefer the vector unit.

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
        named = {f"{tile.rows} x {tile.columns} x {tile.depth}": tile for tile in tiles}
        chosen = knob("tile of the matrix unit", AS_MODELLED, list(named))
        if chosen != AS_MODELLED:
            return self._schedule(mod, named[chosen])
        options = [self._schedule(mod, tile) for tile in tiles]
        if self.model is None:
            return options[0]
        seconds = [self.model(each.mod) for each in options]
        known = [(cost, place) for place, cost in enumerate(seconds) if cost is not None]
        if not known:
            return Declined("the matrix unit takes the operands in another form")
        best, place = min(known)
        vectors = Matmul(self.arch).apply(mod)
        instead = None if isinstance(vectors, Declined) else self.model(vectors.mod)
        if instead is not None and instead <= best:
            return Declined(
                f"the vector unit is modelled at {instead * 1e6:.3g} us, this at {best * 1e6:.3g}"
            )
        return options[place]

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
        batch, rows, columns, depth = found.extents()
        unit = ALIGN // item
        tiles: list[Tile] = []
        for most_rows, most_groups, most_bytes in ((256, 2, 512), (128, 1, 1024), (64, 1, 512)):
            groups = even(-(-columns // LANES), most_groups)
            bands = batch * -(-columns // (groups * LANES))
            fair = -(-rows * bands // self.arch.cores)
            tile = Tile(
                even(rows, min(most_rows, fair)),
                groups,
                unit * even(-(-depth // unit), most_bytes // ALIGN),
            )
            if tile not in tiles and self._fits(tile, item, found):
                tiles.append(tile)
        return tiles

    def _fits(self, tile: Tile, item: int, found: Contraction) -> bool:
        weights = tile.columns * tile.depth * item
        steps = 1 + (tile.groups > 1) + (not found.right_runs)
        sums = tile.rows * tile.columns * 4 * (2 if item == 1 else 1)
        # Unsigned bytes are made signed ones in an array of their own.
        unsigned = str(found.stage.block.reads[found.left].source.dtype) == "uint8"
        used = steps * weights + sums + tile.rows * tile.depth * item * (1 + unsigned)
        return used <= self.arch.nram_usable - SLOTS and weights <= self.arch.wram

    def _schedule(self, mod: tvm.IRModule, tile: Tile) -> s_tir.Schedule:
        sch = fresh(mod)
        found = find_contraction(sch)
        assert not isinstance(found, Declined)  # `apply` has asked the same
        batch, rows, columns, _ = found.extents()

        # Step 1. One form for all: C[b, i, j] += A[b, i, k] * B[b, k, j], sizes padded.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, tile.rows, tile.columns, tile.depth])

        # Step 2. Tiles to tasks; in a tile, steps of k.
        b, i, j, k = sch.get_loops(main)
        block_i, own_i = sch.split(i, [None, tile.rows])
        block_j, group, lane = sch.split(j, [None, tile.groups, LANES])
        steps, own_k = sch.split(k, [None, tile.depth])
        sch.reorder(b, block_i, block_j, steps, own_i, group, lane, own_k)
        tiles = sch.fuse(b, block_i, block_j)
        count = batch * -(-rows // tile.rows) * -(-columns // tile.columns)
        task, own = sch.split(tiles, [share_out(count, self.arch), None])
        sch.bind(task, "blockIdx.x")

        # Step 3. Sums and operands on the chip, a step of k at a time.
        accumulate_in(sch, main, own, NRAM)
        staged = sch.cache_read(main, 0, NRAM)
        sch.compute_at(staged, steps, preserve_unit_loops=True)
        for copy in self._weights(sch, main, tile, found.right_runs):
            sch.compute_at(copy, steps, preserve_unit_loops=True)
            *_, along, across = sch.get_loops(copy)
            if tile.groups > 1:
                group, lane = sch.split(across, [tile.groups, LANES])
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
    ) -> list[SBlockRV]:
        """The copies of B on its way into WRAM, the last first."""

        def banks(b: tirx.Var, k: tirx.Var, j: tirx.Var) -> list[tvm.ir.Expr]:
            groups = [j % tile.columns // LANES] if tile.groups > 1 else []
            return [b, j // tile.columns, j % LANES, *groups, k]

        copies = [sch.cache_read(main, 1, WRAM)]
        sch.transform_layout(copies[-1], ("write", 0), banks)
        if tile.groups > 1:
            copies.append(sch.cache_read(copies[-1], 0, NRAM))
            sch.transform_layout(copies[-1], ("write", 0), banks)
        copies.append(sch.cache_read(copies[-1], 0, NRAM))
        sch.transform_layout(copies[-1], ("write", 0), lambda b, k, j: [b, j, k])
        if not runs:
            copies.append(sch.cache_read(copies[-1], 0, NRAM))
        return copies


@dataclass(frozen=True)
class Matmul:
    """One sum of products: a tile of the result stays in NRAM while rows of B are added to it.

    for k: for i: C[i, :] += A[i, k] * B[k, :]      vectors along j, A[i, k] a scalar

    This is the vector unit's work, for what the matrix unit does not compute exactly.
    """

    arch: Arch
    rows: int = 16
    columns: int = 512
    depth: int = 64
    name: str = "bang.matmul"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        sch = fresh(mod)
        found = find_contraction(sch)
        if isinstance(found, Declined):
            return found
        batch, rows, columns, depth = found.extents()
        if columns < 8 or rows < 2:
            return Declined(f"{rows} x {columns} is too thin for tiles")
        tile_j = even(columns, knob("columns of a tile", self.columns, (64, 128, 256, 512, 1024)))
        tile_k = even(depth, knob("depth of a step", self.depth, (16, 32, 64, 128, 256)))
        bands = batch * -(-columns // tile_j)
        fair = -(-rows * bands // self.arch.cores)
        tile_i = even(rows, min(knob("rows of a tile", self.rows, (4, 8, 16, 32, 64, 128)), fair))

        # Step 1. One form for all: C[b, i, j] += A[b, i, k] * B[b, k, j], sizes padded.
        main = normalize(sch, found)
        sch.pad_einsum(main, [1, tile_i, tile_j, tile_k])

        # Step 2. Tiles to tasks; in a tile, rows of the result under steps of k.
        b, i, j, k = sch.get_loops(main)
        block_i, own_i = sch.split(i, [None, tile_i])
        block_j, own_j = sch.split(j, [None, tile_j])
        steps, own_k = sch.split(k, [None, tile_k])
        sch.reorder(b, block_i, block_j, steps, own_k, own_i, own_j)
        tiles = sch.fuse(b, block_i, block_j)
        count = bands * -(-rows // tile_i)
        task, tile = sch.split(tiles, [share_out(count, self.arch), None])
        sch.bind(task, "blockIdx.x")

        # Step 3. Sum in NRAM; operands in NRAM, a step of k at a time.
        accumulate_in(sch, main, tile, NRAM)
        copies = [sch.cache_read(main, operand, NRAM) for operand in (0, 1)]
        if found.right_runs:
            # Memory runs along depth: rows come in as they lie and are turned on the chip.
            copies.append(sch.cache_read(copies[1], 0, NRAM))
            sch.transform_layout(copies[2], ("write", 0), lambda b, k, j: [b, j, k])
        for copy in copies:
            sch.compute_at(copy, steps, preserve_unit_loops=True)
        if found.right_runs:
            *_, along, across = sch.get_loops(copies[2])
            sch.reorder(across, along)
        sch.decompose_reduction(main, steps)

        # Step 4. Gathering, padding and the work around the product go into these copies.
        inline_around(sch)
        keep_on_chip(sch)
        return sch


def even(extent: int, most: int) -> int:
    """The tile, up to `most`, that divides `extent` into the fewest tiles of nearly equal size."""
    return -(-extent // -(-extent // most))
