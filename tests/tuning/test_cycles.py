"""The model of a CPU core: instructions of loops, and bytes between memories."""

from __future__ import annotations

import pytest
import tvm
from tvm import s_tir, te

from tests.tuning.programs import product
from xpiler_tvm.tuning.cycles import Core, cycles_of, passed
from xpiler_tvm.tuning.profile import Access, Profile, Work, profile_of
from xpiler_tvm.tuning.space import Space


def tiled(rows: int, vectors: int) -> Profile:
    """A product of 64 x 64 x 64 whose tiles are `rows` x `vectors` registers."""
    sch = s_tir.Schedule(product(64, 64, 64))
    block = sch.get_sblock("c")
    i, j, k = sch.get_loops(block)
    io, ii = sch.split(i, [None, rows])
    jo, ji = sch.split(j, [None, vectors * 16])
    sch.reorder(io, jo, k, ii, ji)
    sch.unroll(ii)
    sch.vectorize(ji)
    sch.decompose_reduction(block, k)
    return profile_of(sch.mod)


def update(found: Profile) -> Core:
    (core,) = (
        core for work, core in zip(found.works, cycles_of(found).cores, strict=True) if work.updates
    )
    return core


PRODUCTS = 64**3 / 16
"""Instructions of the products: each is one for sixteen elements."""


def test_large_tiles_are_bound_by_products() -> None:
    core = update(tiled(8, 2))
    # Two a cycle, and one cycle for each of the 512 steps of `k`.
    assert core.issue == pytest.approx(PRODUCTS / 2 + 8 * 2 * 64, rel=0.05)
    assert core.spilled == 0 and not core.scalar


def test_small_tiles_wait_for_their_sums() -> None:
    core = update(tiled(1, 1))
    assert core.chain == 4 * PRODUCTS and core.cycles == core.chain > core.issue


def test_too_large_tiles_do_not_fit_into_registers() -> None:
    core = update(tiled(16, 4))
    assert core.spilled > 0 and core.issue > update(tiled(8, 2)).issue


def plain(*shape: int) -> Profile:
    x = te.placeholder(shape, name="x")
    y = te.compute(shape, lambda *at: x[at] + 1.0, name="y")
    return profile_of(tvm.IRModule({"main": te.create_prim_func([x, y])}))


def test_compilers_make_vectors_of_simple_loops() -> None:
    (core,) = cycles_of(plain(64, 64)).cores
    assert not core.scalar and core.issue < 64 * 64 / 2


def partial_sums(lanes: int) -> float:
    """Cycles for an element of sums side by side, the loop over which is the innermost."""
    x, k = te.placeholder((64, lanes), name="x"), te.reduce_axis((0, 64), "k")
    s = te.compute((lanes,), lambda lane: te.sum(x[k, lane], axis=k), name="s")
    sch = s_tir.Schedule(tvm.IRModule({"main": te.create_prim_func([x, s])}))
    lane, step = sch.get_loops(sch.get_sblock("s"))
    sch.reorder(step, lane)
    sch.decompose_reduction(sch.get_sblock("s"), step)
    return update(profile_of(sch.mod)).issue / (64 * lanes)


def test_compilers_unroll_short_loops_whole() -> None:
    # The sums then stay in registers from step to step.
    assert partial_sums(64) < 0.75 * partial_sums(1024)


def test_tiles_are_transposed_in_registers() -> None:
    def turned(side: int) -> float:
        load, store = access("x", 256 * 256, 1, 256), access("y", 256 * 256, 256, 1)
        one = Work(
            (side, side), ("serial",) * 2, 1, 0, False, False, (load, store), loops=("i", "j")
        )
        (core,) = cycles_of(Profile([one])).cores
        return core.issue / side**2

    assert turned(16) < turned(32) / 3 and turned(17) > 3 * turned(16)


def test_functions_of_scalars_are_dear() -> None:
    x = te.placeholder((64,), name="x")
    k = te.reduce_axis((0, 64), name="k")
    s = te.compute((1,), lambda _: te.sum(te.exp(x[k]), axis=k), name="s")
    found = profile_of(tvm.IRModule({"main": te.create_prim_func([x, s])}))
    assert update(found).scalar and update(found).issue > 64 * 40


# -- Bytes between memories -----------------------------------------------------------------------


def work(extents: tuple[int, ...], *accesses: Access, loops: tuple[str, ...] = ()) -> Work:
    kinds = ("serial",) * len(extents)
    names = loops or tuple("ijkl"[: len(extents)])
    return Work(extents, kinds, 1, 0, False, False, accesses, loops=names)


def access(array: str, elements: int, *strides: int | None) -> Access:
    return Access(4, "global", elements, strides, True, array)


KIB = 1024


def test_what_fits_is_fetched_once() -> None:
    # x[j] for every i, 16 KB
    found = work((100, 4 * KIB), access("x", 4 * KIB, 0, 1))
    assert passed([found], 32 * KIB) == {"x": 16 * KIB}


def test_what_does_not_fit_is_fetched_again() -> None:
    found = work((100, 16 * KIB), access("x", 16 * KIB, 0, 1))
    assert passed([found], 32 * KIB) == {"x": 100 * 64 * KIB}


def test_what_the_steps_share_stays_while_the_rest_passes() -> None:
    # a[i, k] for every j, b[k, j]: rows of a stay, b is fetched for every i
    a, b = access("a", 64 * KIB, 256, 0, 1), access("b", 64 * KIB, 0, 1, 256)
    traffic = passed([work((256, 256, 256), a, b)], 32 * KIB)
    assert traffic["a"] == 256 * KIB and traffic["b"] == 256 * 256 * KIB


def test_columns_move_whole_lines() -> None:
    found = work((64,), access("x", 64 * 64, 64))
    assert passed([found], 32 * KIB) == {"x": 64 * 64}


def test_stores_under_one_loop_share_what_it_brings() -> None:
    rows = (512, 2 * KIB)
    first = work(rows, access("x", KIB * KIB, 2 * KIB, 1), loops=("i", "j"))
    second = work(rows, access("x", KIB * KIB, 2 * KIB, 1), loops=("i", "k"))
    assert passed([first, second], 32 * KIB)["x"] == 4 * KIB * KIB
    apart = work(rows, access("x", KIB * KIB, 2 * KIB, 1), loops=("h", "k"))
    assert passed([first, apart], 32 * KIB)["x"] == 8 * KIB * KIB


def test_unknown_steps_are_taken_to_move() -> None:
    found = work((100, 4 * KIB), access("x", 400 * KIB, None, 1))
    assert passed([found], 32 * KIB) == {"x": 1600 * KIB}


# -- Profiles -------------------------------------------------------------------------------------


def test_packed_panels_have_steps() -> None:
    """Digits of loops are linear within the loops' ranges."""
    default = Space(product(64, 96, 64), "vnni").default
    found = profile_of(default.scheduled.mod)
    steps = [stride for each in found.works for one in each.accesses for stride in one.strides]
    assert None not in steps


def test_instructions_see_the_arrays_behind_their_parts() -> None:
    a, b = te.placeholder((64, 64), "uint8", name="a"), te.placeholder((64, 64), "int8", name="b")
    k = te.reduce_axis((0, 64), name="k")
    c = te.compute(
        (64, 64),
        lambda i, j: te.sum(a[i, k].astype("int32") * b[k, j].astype("int32"), axis=k),
        name="c",
    )
    mod = tvm.IRModule({"main": te.create_prim_func([a, b, c])})
    default = Space(mod, "vnni").default
    assert default.scheduled.rule == "cpu.vnni"
    found = profile_of(default.scheduled.mod)
    (products,) = (each for each in found.works if each.tensor and each.updates)
    *_, store = products.accesses
    assert store.elements >= 64 * 64 and any(store.strides)
