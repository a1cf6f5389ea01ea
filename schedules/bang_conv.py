"""Convolutions on MLUs: on the matrix unit, from tiles of the image that lie in NRAM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import tvm
from tvm import s_tir, tirx
from tvm.s_tir.schedule import SBlockRV

from xpiler_tvm.dialects.bang import LANES, Arch
from xpiler_tvm.dialects.bang_matrix import EXACT_DEPTH, granule

from .bang_common import (
    NRAM,
    WRAM,
    Model,
    keep_on_chip,
    lie_as,
    of_tiles,
    place_of,
    to_tasks,
    walk_as,
)
from .bang_products import SLOTS, Matmul, Matrix, even, operand_bytes
from .base import Declined, fresh
from .steps import accumulate_in, fused, inline_around
from .windowed import Multiples, windowed
from .windows import Windows, farthest_first, find_windows, size_of

MOST_TILES = 12
"""That are scheduled, of those with the least traffic: to schedule one takes a while."""


@dataclass(frozen=True)
class Window:
    """What one step computes: `rows` x `width` outputs of `groups * LANES` filters, from `taps`
    rows of each filter and `channels` of each pixel."""

    rows: int
    width: int
    groups: int
    taps: int
    channels: int

    @property
    def columns(self) -> int:
        return self.groups * LANES

    def __str__(self) -> str:
        sizes = (self.rows, self.width, self.columns, self.taps, self.channels)
        return " x ".join(map(str, sizes))


@dataclass(frozen=True)
class Convolution:
    """One convolution on the matrix unit, a tile of the result at a time.

    W = filters as WRAM wants them;  for my tiles: I = rows of the image;  C_nram += conv(I, W)

    The tile of the image has its borders, and pixels of as many channels as the unit takes; where
    the image lies channel by channel it is turned in NRAM, and so is the result. Filters that fit
    into WRAM stay there for all tiles of a task. Deep filters are added up in steps, by channels
    and by rows of taps. Of several tiles the `model` picks one, and it may prefer the product of
    `Matrix`, for which windows are gathered one by one, or the vector unit.

    Types are those of `Matrix`.
    """

    arch: Arch
    model: Model | None = None
    inexact: bool = False
    name: str = "bang.conv"

    def apply(self, mod: tvm.IRModule) -> s_tir.Schedule | Declined:
        found = find_windows(mod)
        if isinstance(found, Declined):
            return found
        if not found.columns:
            return Declined("there is one filter only")
        item = operand_bytes(found.types, inexact=self.inexact)
        if isinstance(item, Declined):
            return item
        if str(found.term.ty.dtype) != found.types[0]:
            return Declined("a product is rounded before it is added")
        tiles = self._tiles(found, item)
        if not tiles:
            return Declined("no tile of the image fits into NRAM and WRAM")
        others = (Matrix(self.arch, self.model, self.inexact), Matmul(self.arch))
        return of_tiles(
            mod,
            "tile of a convolution",
            tiles,
            lambda tile: self._schedule(mod, found, tile),
            others=others,
            model=self.model,
        )

    # --- tiles ------------------------------------------------------------------------------------

    def _tiles(self, found: Windows, item: int) -> list[Window]:
        """Tiles that fit the program and the memories, those with the least traffic first."""
        unit = granule(item, item) // item
        groups, pixels = -(-found.filter_count // LANES), -(-found.depth // unit)
        exact = EXACT_DEPTH.get(found.types)
        tiles: dict[Window, float] = {}
        for most_groups in (1, 2, 4, 8):
            for channels in sorted({even(pixels, most) for most in (pixels, 16, 8, 4, 2, 1)}):
                for most, times in product((1024, 64, 16), (1, 2, 4)):
                    width = even(found.width.outputs, most)
                    for taps in sorted({found.height.taps, 1}, reverse=True):
                        if exact is not None and taps * found.width.taps * channels * unit > exact:
                            continue
                        flat = Window(1, width, even(groups, most_groups), taps, channels * unit)
                        tall = self._tallest(found, flat, times, item)
                        if tall is not None:
                            tiles[tall] = self._traffic(found, tall, item)
                            break
        return sorted(tiles, key=lambda tile: (tiles[tile], -tile.channels))[:MOST_TILES]

    def _tallest(self, found: Windows, tile: Window, times: int, item: int) -> Window | None:
        """The tile with as many rows as fit, up to some `times` those of a core's fair share."""
        rows = found.height.outputs
        bands, planes = self._pieces(found, tile)
        fair = -(-rows * bands * planes // self.arch.cores)
        for most in range(min(rows, times * fair), 0, -1):
            tall = replace(tile, rows=even(rows, most))
            if self._fits(found, tall, item):
                return tall
        return None

    def _pieces(self, found: Windows, tile: Window) -> tuple[int, int]:
        """Pieces that need filters of their own, and those of a row of tiles that share them."""
        bands = size_of(found.batch) * -(-found.filter_count // tile.columns)
        return bands, found.image_count * -(-found.width.outputs // tile.width)

    def _fits(self, found: Windows, tile: Window, item: int) -> bool:
        weights, image = self._bytes(found, tile, item)
        steps = 1 + (tile.groups > 1) + (not _in_order(_filter_order(found)))
        # Unsigned bytes are made signed ones in an array of their own.
        images = 1 + (found.types[1] == "uint8") + (not _in_order(_image_order(found)))
        sums = (2 if item == 1 else 1) + (not _in_order(_result_order(found)))
        used = steps * weights + images * image + sums * tile.rows * tile.width * tile.columns * 4
        return used <= self.arch.nram_usable - SLOTS and weights <= self.arch.wram

    def _bytes(self, found: Windows, tile: Window, item: int) -> tuple[int, int]:
        """Of the filters and of the image of a step."""
        pixel = tile.channels * item
        weights = tile.columns * tile.taps * found.width.taps * pixel
        return weights, found.height.span(tile.rows) * found.width.span(tile.width) * pixel

    def _traffic(self, found: Windows, tile: Window, item: int) -> float:
        """Bytes that a core reads."""
        bands, planes = self._pieces(found, tile)
        own = -(-planes * -(-found.height.outputs // tile.rows) * bands // self.arch.cores)
        steps = -(-found.depth // tile.channels)
        slices = steps * -(-found.height.taps // tile.taps)
        weights, image = self._bytes(found, tile, item)
        return own * steps * image + (own * slices if slices > 1 else 1) * weights

    # --- the schedule -----------------------------------------------------------------------------

    def _schedule(self, mod: tvm.IRModule, found: Windows, tile: Window) -> s_tir.Schedule:
        made = windowed(mod, found, Multiples(tile.rows, tile.width, tile.columns, tile.channels))
        sch = fresh(made.mod)
        main = sch.get_sblock(made.name)

        # Step 1. Tiles to tasks; in a tile, steps of channels, and of taps by rows.
        loops = sch.get_loops(main)
        groups, planes = len(found.batch), len(found.images) + len(found.beyond)
        batch, images = loops[:groups], loops[groups : groups + planes]
        y, x, o, *further, r, q, c = loops[groups + planes :]
        tile_y, own_y = sch.split(y, [None, tile.rows])
        tile_x, own_x = sch.split(x, [None, tile.width])
        band, group, lane = sch.split(o, [None, tile.groups, LANES])
        slices, own_r = sch.split(r, [None, tile.taps])
        steps, own_c = sch.split(c, [None, tile.channels])
        outside = [*batch, band, *images, tile_y, tile_x, steps, *further, slices]
        sch.reorder(*outside, own_y, own_x, group, lane, own_r, q, own_c)
        tiles = [*images, tile_y, tile_x]
        task, own = to_tasks(sch, main, [*batch, band], tiles, self.arch)
        steps = fused(sch, main, [steps, *further])

        # Step 2. Sums, the image and the filters on the chip.
        accumulate_in(sch, main, own, NRAM)
        if not _in_order(_result_order(found)):
            (stored,) = sch.get_consumers(main)
            # TVM leaves the copy where the sums are, below the loop over tiles.
            turned = sch.cache_read(stored, 0, NRAM)
            lie_as(sch, turned, _result_order(found))
            walk_as(sch, stored, _result_order(found))
        for copy in self._image(sch, main, found):
            sch.compute_at(copy, steps, preserve_unit_loops=True)
        single = int(sch.get(steps).extent) * int(sch.get(slices).extent) == 1
        for copy in self._filters(sch, main, found, tile):
            sch.compute_at(copy, task if single else slices, preserve_unit_loops=True)
        sch.decompose_reduction(main, steps)

        # Step 3. Gathering, padding and the work around the sums go into these copies.
        inline_around(sch)
        keep_on_chip(sch)
        return sch

    def _image(self, sch: s_tir.Schedule, main: SBlockRV, found: Windows) -> list[SBlockRV]:
        """The copies of the image, the last first."""
        copies = [sch.cache_read(main, place_of(sch, main, "_image"), NRAM)]
        if not _in_order(_image_order(found)):
            copies.append(sch.cache_read(copies[-1], 0, NRAM))
            lie_as(sch, copies[-1], _image_order(found))
        return copies

    def _filters(
        self, sch: s_tir.Schedule, main: SBlockRV, found: Windows, tile: Window
    ) -> list[SBlockRV]:
        """The copies of the filters on their way into WRAM, the last first."""
        first = len(found.batch)

        def banks(*indices: tirx.Var) -> list[tvm.ir.Expr]:
            o, further, (r, q, c) = indices[first], indices[first + 1 : -3], indices[-3:]
            steps = [*further, c // tile.channels, r // tile.taps]
            groups = [o % tile.columns // LANES] if tile.groups > 1 else []
            own = [r % tile.taps, q, c % tile.channels]
            return [*indices[:first], o // tile.columns, *steps, o % LANES, *groups, *own]

        copies = [sch.cache_read(main, place_of(sch, main, "_filters"), WRAM)]
        sch.transform_layout(copies[-1], ("write", 0), banks)
        if tile.groups > 1:
            copies.append(sch.cache_read(copies[-1], 0, NRAM))
            sch.transform_layout(copies[-1], ("write", 0), banks)
        copies.append(sch.cache_read(copies[-1], 0, NRAM))
        sch.transform_layout(copies[-1], ("write", 0), _filters_last(first))
        if not _in_order(_filter_order(found)):
            copies.append(sch.cache_read(copies[-1], 0, NRAM))
            lie_as(sch, copies[-1], _filter_order(found))
        return copies


def _image_order(found: Windows) -> tuple[int, ...]:
    """How (h, w, c) lie in memory."""
    return farthest_first(found.image_steps[-3:])


def _filter_order(found: Windows) -> tuple[int, ...]:
    """How (o, r, q, c) lie in memory."""
    return farthest_first([found.filter_steps[len(found.batch)], *found.filter_steps[-3:]])


def _result_order(found: Windows) -> tuple[int, ...]:
    """How (y, x, o) lie in memory."""
    return farthest_first(found.result_steps[-3:])


def _in_order(order: Sequence[int]) -> bool:
    return list(order) == sorted(order)


def _filters_last(groups: int) -> Callable[..., list[tirx.Var]]:
    """Filters behind the steps over directions that are no rows: `[o, f, r, q, c]`."""

    def order(*indices: tirx.Var) -> list[tirx.Var]:
        further = indices[groups + 1 : -3]
        return [*indices[:groups], *further, indices[groups], *indices[-3:]]

    return order
