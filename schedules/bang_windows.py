"""Convolutions on the vector unit of MLUs: for what the matrix unit does not compute exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import tvm
from tvm import s_tir
from tvm.s_tir.schedule import SBlockRV

from xpiler_tvm.dialects.bang import Arch
from xpiler_tvm.dialects.bang_rates import BEAT_BYTES, MOVE_START, NRAM_ACCESS, VECTOR_START

from .bang_common import (
    NRAM,
    Model,
    keep_on_chip,
    lie_as,
    of_tiles,
    place_of,
    to_tasks,
    walk_as,
)
from .bang_products import SLOTS, Matmul, even
from .bang_rows import Rows
from .base import Declined, fresh
from .steps import accumulate_in, fused, inline_around
from .windowed import Multiples, windowed
from .windows import Windows, farthest_first, find_windows, size_of

MOST_TILES = 10
"""That are scheduled: to schedule one takes a while."""


NOMINAL_BYTES = 25
"""That a core reads in a cycle, about, from memory off the chip."""


@dataclass(frozen=True)
class VectorWindow:
    """What one step computes: `rows` x `width` outputs of `columns` filters and `batch` groups,
    from `channels` of each pixel.

    `order` names their axes, the one along which vectors run last: `k` for a row of taps with all
    its channels, which is summed over.
    """

    order: str
    rows: int
    width: int
    columns: int
    batch: int
    channels: int

    @property
    def gathers(self) -> bool:
        """Whether the pixels of a tap are put side by side: several filters use them."""
        return self.order == "boyx"

    def __str__(self) -> str:
        sizes = (self.rows, self.width, self.columns, self.batch, self.channels)
        return f"{' x '.join(map(str, sizes))} as {self.order}"


@dataclass(frozen=True)
class VectorConvolution:
    """One convolution, a tile of the image in NRAM at a time.

    for r, q, c: T[y, x] = I[c, y + r, x + q];  for o: C[o, :, :] += F[o, r, q, c] * T
    for r, q, c: for y, x: C[y, x, :] += I[y + r, x + q, c] * F[r, q, c, :]
    for r: for y, x: for o: C[y, x, o] += sum of I[y + r, x:, :] * F[r, o, :, :]
    for r, q: for y: C[y, :, :] += I[y + r, q:, :] * F[r, q, :]              by depth

    The image lies in NRAM as it does in memory, with its borders, and each of its elements comes in
    once for a tile. Of tiles and of the forms above the `model` picks.
    """

    arch: Arch
    model: Model | None = None
    name: str = "bang.windows"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        found = find_windows(mod)
        if isinstance(found, Declined):
            return found
        tiles = self._tiles(found)
        if not tiles:
            return Declined("no tile of the image fits into NRAM")
        others = (Matmul(self.arch), Rows(self.arch))
        return of_tiles(
            mod,
            "tile of windows",
            tiles,
            lambda tile: self._schedule(mod, found, tile),
            others=others,
            model=self.model,
        )

    # --- tiles ------------------------------------------------------------------------------------

    def _tiles(self, found: Windows) -> list[VectorWindow]:
        """Tiles that fit the program and NRAM, the fastest first, of each order."""
        groups = int(found.batch[-1].dom.extent) if found.batch else 1
        orders = ["boyx", "byxo"] if found.columns else [_result_order(found)]
        if found.columns and found.width.dilation == 1:
            orders.append("byxok")
        tiles: dict[VectorWindow, float] = {}
        sizes = (512, 64, 16, 8, 4, 2, 1)
        for order, most, times, across in product(orders, sizes, (1, 2), (1024, 64, 16)):
            # More steps are only for what does not fit otherwise.
            whole = order[-1] == "k" and found.width.taps > 1
            for channels in (found.depth,) if whole else (found.depth, 64, 16, 4, 1):
                flat = VectorWindow(
                    order,
                    1,
                    even(found.width.outputs, across),
                    even(found.filter_count, most),
                    1 if found.columns else divisor(groups, most),
                    even(found.depth, channels),
                )
                tall = self._tallest(found, flat, times)
                if tall is not None:
                    tiles[tall] = self._cycles(found, tall)
                    break
        ranked = sorted(tiles, key=lambda tile: tiles[tile])
        return [
            tile
            for order in orders
            for tile in [one for one in ranked if one.order == order][: MOST_TILES // len(orders)]
        ]

    def _tallest(self, found: Windows, tile: VectorWindow, times: int) -> VectorWindow | None:
        rows = found.height.outputs
        bands, planes = self._pieces(found, tile)
        fair = -(-rows * bands * planes // self.arch.cores)
        for most in range(min(rows, times * fair), 0, -1):
            tall = replace(tile, rows=even(rows, most))
            if self._bytes(found, tall)[-1] <= self.arch.nram_usable - SLOTS:
                return tall
        return None

    def _pieces(self, found: Windows, tile: VectorWindow) -> tuple[int, int]:
        """Pieces that need filters of their own, and those of a row of tiles that share them."""
        bands = size_of(found.batch) // tile.batch * -(-found.filter_count // tile.columns)
        return bands, found.image_count * -(-found.width.outputs // tile.width)

    def _bytes(self, found: Windows, tile: VectorWindow) -> tuple[int, int, int]:
        """Of the image, of the filters, and of all that a step keeps."""
        total, image, filters = (_item(dtype) for dtype in found.types)
        spans = found.height.span(tile.rows) * found.width.span(tile.width)
        pixels = tile.rows * tile.width
        own = tile.batch * tile.channels
        weights = own * tile.columns * found.height.taps * found.width.taps * filters
        sums = pixels * tile.columns * tile.batch * total
        gathered = pixels * image if tile.gathers else 0
        images = len(_on_the_way(found.image_steps, self._pixels(found, tile)))
        copies = len(_on_the_way(found.filter_steps, self._weights(found, tile)))
        used = images * spans * own * image + copies * weights + 2 * sums + gathered
        return spans * own * image, weights, used

    def _cycles(self, found: Windows, tile: VectorWindow) -> float:
        """What a core takes, about: to order tiles before they are scheduled."""
        bands, planes = self._pieces(found, tile)
        own = -(-planes * -(-found.height.outputs // tile.rows) * bands // self.arch.cores)
        steps = -(-found.depth // tile.channels)
        image, weights, _ = self._bytes(found, tile)
        traffic = own * steps * image + (own * steps if steps > 1 else 1) * weights
        item = _item(found.types[0])

        def vector(count: int) -> int:
            return VECTOR_START + -(-count * item // BEAT_BYTES)

        pixels, one = tile.rows * tile.width, 0.0
        if tile.order[-1] == "k":
            together = tile.columns * found.width.taps
            lanes = BEAT_BYTES // item
            one = 2 * vector(together * tile.channels) + vector(tile.columns * lanes)
            one += MOVE_START + tile.columns + vector(tile.columns)
            one *= pixels / found.width.taps / tile.channels
        elif tile.order == "byxo":
            one = pixels * (vector(tile.columns) + NRAM_ACCESS) + vector(pixels * tile.columns)
        elif tile.gathers:
            runs = found.image_steps[-2] * found.width.stride == 1
            gather = tile.rows * (MOVE_START + (1 if runs else tile.width))
            one = gather + tile.columns * (2 * vector(pixels) + NRAM_ACCESS)
        else:
            one = 2 * tile.rows * vector(tile.width * tile.batch)
        taps = math.prod(each.taps for each in found.directions)
        return own * found.depth * taps * one + traffic / NOMINAL_BYTES

    # --- the schedule -----------------------------------------------------------------------------

    def _schedule(self, mod: tvm.IRModule, found: Windows, tile: VectorWindow) -> s_tir.Schedule:
        sizes = Multiples(tile.rows, tile.width, tile.columns, tile.channels)
        made = windowed(mod, found, sizes)
        sch = fresh(made.mod)
        main = reader = sch.get_sblock(made.name)
        if tile.gathers:
            reader = sch.reindex(main, ("read", place_of(sch, main, "_image")))

        # Step 1. Tiles to tasks; in a tile, steps of channels.
        loops = sch.get_loops(main)
        groups, planes = len(found.batch), len(found.images) + len(found.beyond)
        batch, images = loops[:groups], loops[groups : groups + planes]
        y, x, o, *further, r, q, c = loops[groups + planes :]
        tile_y, own_y = sch.split(y, [None, tile.rows])
        tile_x, own_x = sch.split(x, [None, tile.width])
        band, own_o = sch.split(o, [None, tile.columns])
        steps, own_c = sch.split(c, [None, tile.channels])
        inner = [own_y, own_x, own_o]
        if batch:
            batch[-1], own_b = sch.split(batch[-1], [None, tile.batch])
            inner.insert(0, own_b)
        axes = dict(zip("byxo"[4 - len(inner) :], inner, strict=True))
        within = [axes[name] for name in tile.order if name in axes]
        outside = [*batch, band, *images, tile_y, tile_x, steps, *further]
        if tile.order[-1] == "k":
            *rows, column = within
            sch.reorder(*outside, *rows, r, column, q, own_c)
            own_c = sch.fuse(q, own_c)
        else:
            sch.reorder(*outside, r, q, own_c, *within)
        tiles = [*images, tile_y, tile_x]
        task, own = to_tasks(sch, main, [*batch, band], tiles, self.arch)
        steps = fused(sch, main, [steps, *further])

        # Step 2. Sums, the image and the filters on the chip.
        accumulate_in(sch, main, own, NRAM)
        (stored,) = sch.get_consumers(main)
        lie_as(sch, main, _sums_order(found, tile.order))
        wanted = farthest_first(found.result_steps)
        if _result_order(found) != tile.order[:4]:
            # TVM leaves the copy where the sums are, below the loop over tiles.
            lie_as(sch, sch.cache_read(stored, 0, NRAM), wanted)
        walk_as(sch, stored, wanted)
        if tile.gathers:
            sch.set_scope(reader, 0, NRAM)
            sch.compute_at(reader, own_c, preserve_unit_loops=True)
        at = task if int(sch.get(steps).extent) == 1 else steps
        for copy in _staged(sch, reader, "_image", found.image_steps, self._pixels(found, tile)):
            sch.compute_at(copy, steps, preserve_unit_loops=True)
        for copy in _staged(sch, main, "_filters", found.filter_steps, self._weights(found, tile)):
            sch.compute_at(copy, at, preserve_unit_loops=True)
        sch.decompose_reduction(main, steps)

        # Step 3. Gathering, padding and the work around the sums go into these copies.
        inline_around(sch)
        keep_on_chip(sch)
        return sch

    def _pixels(self, found: Windows, tile: VectorWindow) -> list[int]:
        """How the image has to lie: as it does, unless vectors run along its channels."""
        natural = list(farthest_first(found.image_steps))
        count = len(natural)
        if tile.order[-1] == "k":
            return [*(each for each in natural if each < count - 2), count - 2, count - 1]
        return natural

    def _weights(self, found: Windows, tile: VectorWindow) -> list[int]:
        """How filters have to lie: what vectors run along last."""
        natural = list(farthest_first(found.filter_steps))
        column, count = len(found.batch), len(natural)
        last = {"k": [column, count - 2, count - 1], "o": [column], "b": [column - 1]}
        wanted = last.get(tile.order[-1], [])
        return [*(each for each in natural if each not in wanted), *wanted]


def _staged(
    sch: s_tir.Schedule, block: SBlockRV, ending: str, steps: Sequence[int], order: Sequence[int]
) -> list[SBlockRV]:
    """The copies of an operand, the last first: its elements in `order`, and before that as they
    lie in memory where runs of them would be torn apart."""
    copies = [sch.cache_read(block, place_of(sch, block, ending), NRAM)]
    for lying in _on_the_way(steps, order)[1:]:
        copies.append(sch.cache_read(copies[-1], 0, NRAM))
        lie_as(sch, copies[-1], lying)
    lie_as(sch, copies[0], order)
    return copies


def _on_the_way(steps: Sequence[int], order: Sequence[int]) -> list[Sequence[int]]:
    """The orders in which an operand lies in NRAM, the last first."""
    natural = farthest_first(steps)
    if natural[-1] == order[-1]:
        return [order]
    if order[-1] == len(order) - 1 and list(order) != sorted(order):
        # Rows and columns change places first, then rows as a whole.
        return [order, sorted(order), natural]
    return [order, natural]


def _item(dtype: str) -> int:
    return tvm.DataType(dtype).bits // 8


def divisor(extent: int, most: int) -> int:
    """The largest divisor up to `most`."""
    return max(each for each in range(1, min(extent, most) + 1) if extent % each == 0)


def _result_order(found: Windows) -> str:
    """The axes of a tile as they lie in the result."""
    last = found.result_steps[-3:]
    group = found.result_steps[len(found.batch) - 1] if found.batch else 0
    return "".join("byxo"[place] for place in farthest_first([group, *last]))


def _sums_order(found: Windows, order: str) -> list[int]:
    """Where the dimensions of the sums lie in a tile whose axes are in that order."""
    count = len(found.result_steps)
    places = {"b": len(found.batch) - 1, "y": count - 3, "x": count - 2, "o": count - 1}
    own = [places[name] for name in order[:4] if places[name] >= 0]
    return [*(place for place in range(count) if place not in own), *own]
