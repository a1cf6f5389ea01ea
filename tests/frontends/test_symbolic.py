"""The parts of symbolic sizes: points, expressions, readings, generalised programs."""

from __future__ import annotations

import itertools

import pytest
import symbolic_kernels as kernels
import tvm
from tvm import tirx

from xpiler_tvm import Kernel, Launch, Scalar, Size, Tensor, frontends
from xpiler_tvm.errors import LiftError, ReadError
from xpiler_tvm.extents import value_of
from xpiler_tvm.frontends.program import to_module
from xpiler_tvm.frontends.raising import raise_program
from xpiler_tvm.frontends.symbolic.fitting import Fitting
from xpiler_tvm.frontends.symbolic.generalising import Unlike, generalise
from xpiler_tvm.frontends.symbolic.instances import at_point, choices_of, sizes_of
from xpiler_tvm.frontends.symbolic.points import generic, nasty
from xpiler_tvm.frontends.symbolic.ranges import range_conditions, with_ranges
from xpiler_tvm.frontends.symbolic.restricting import ReadForAll, read_for_all

POINTS = [
    {"m": m, "n": n}
    for m, n in ((1013, 1187), (1097, 1289), (1187, 1381), (1277, 1493), (1373, 1597))
]


def _read(kernel: Kernel) -> ReadForAll:
    return read_for_all(with_ranges(frontends.resolve(kernel)))


# ---------------------------------------------------------------- fitting


@pytest.mark.parametrize(
    "text",
    [
        "7", "m", "n", "m * n", "m - 1", "2 * n + 3", "m + n - 1", "(m + 255) // 256",
        "n // 4 * 4", "(n + 255) // 256 * m", "(m * n + 127) // 128", "m * n - n", "m * m",
        "n - n // 4 * 4",
    ],
)  # fmt: skip
def test_expressions_are_found_again(text: str) -> None:
    fitting = Fitting(POINTS, [256, 128, 4])
    found = fitting.expression([value_of(text, point) for point in POINTS])
    assert found is not None
    for m, n in itertools.product((1, 2, 255, 256, 257, 1000), (1, 3, 4, 128, 999)):
        point = {"m": m, "n": n}
        assert value_of(found, point) == value_of(text, point), found


def test_what_the_program_computes_goes_first() -> None:
    points = [{"n": n} for n in (2131, 2293, 2467)]
    values = [(point["n"] + 255) // 256 for point in points]
    assert (
        Fitting(points, [255, 256], ["(n + 255) // 256"]).expression(values) == "(n + 255) // 256"
    )


def test_numbers_without_a_rule_are_refused() -> None:
    assert Fitting(POINTS, [256, 4]).expression([5, 3, 17, 1, 999]) is None


# ---------------------------------------------------------------- points


def test_generic_points_differ_in_every_size() -> None:
    kernel = with_ranges(kernels.gemm())
    points = generic(kernel, 6)
    assert len(points) == 6
    for name in "mnk":
        assert len({point[name] for point in points}) == 6
    assert all(point["m"] < point["n"] < point["k"] for point in points)


@pytest.mark.parametrize("most", [256, 512, 4096])
def test_sizes_with_narrow_ranges_are_not_taken_for_each_other(most: int) -> None:
    sizes = (Size("m", 1, most), Size("n", 16, most, 16), Size("k", 1, most))
    points = generic(kernels.symbolic("", grid=(), block=(), sizes=sizes), 4)
    assert len(points) > 1
    for point in points:
        assert len(set(point.values())) == 3


def test_generic_points_are_multiples_in_their_range() -> None:
    sizes = (Size("n", 64, 8192, multiple=64),)
    points = generic(
        kernels.symbolic("", Tensor("x", ("n",)), grid=(1,), block=(1,), sizes=sizes), 5
    )
    assert len({point["n"] for point in points}) == 5
    assert all(point["n"] % 64 == 0 and 64 <= point["n"] <= 8192 for point in points)


def test_nasty_points_stand_on_both_sides_of_blocks() -> None:
    values = {point["n"] for point in nasty(with_ranges(kernels.scale()), [128])}
    assert {1, 127, 128, 129} <= values


# ---------------------------------------------------------------- ranges and restrictions


def test_ranges_reach_as_far_as_indices() -> None:
    (size,) = with_ranges(kernels.scale()).sizes
    assert size.most == 1 << 30
    assert {size.most for size in with_ranges(kernels.gemm()).sizes} == {1 << 15}


def test_ranges_that_are_too_wide_are_refused() -> None:
    params = (Tensor("x", ("n", "n")), Scalar("n"))
    kernel = kernels.symbolic("", *params, grid=(1,), block=(1,), sizes=(Size("n", 1, 1 << 20),))
    with pytest.raises(ReadError) as error:
        with_ranges(kernel)
    assert error.value.code == "XP1014"


def test_extents_are_positive() -> None:
    kernel = with_ranges(kernels.scale(grid="n / 128"))
    assert "n / 128 >= 1" in [one.text for one in range_conditions(kernel)]


@pytest.mark.parametrize(
    "make", [kernels.scale, kernels.grid_stride, kernels.row_sums, kernels.gemm]
)
def test_accesses_are_proved_for_all_sizes(make: object) -> None:
    found = _read(make())  # type: ignore[operator]
    assert found.reading.sites == () and found.reading.proved > 0
    assert found.conditions == ()


def test_a_first_element_without_a_guard_asks_for_a_least_size() -> None:
    text = """
__global__ void most(const float* x, float* y, int n) {
  float best = x[threadIdx.x];
  for (int i = threadIdx.x; i < n; i += 32) best = fmaxf(best, x[i]);
  y[threadIdx.x] = best;
}
"""
    params = (*kernels.tensors(x=("n",), y=(32,)), Scalar("n"))
    found = _read(kernels.symbolic(text, *params, grid=(1,), block=(32,)))
    assert [one.text for one in found.conditions] == ["n >= 32"]
    assert found.reading.sites == ()


def test_the_tail_of_a_vector_loop_is_no_restriction() -> None:
    text = """
__global__ void copy(const float* x, float* y, int n) {
  for (int i = threadIdx.x; i < n / 4; i += 32)
    for (int j = 0; j < 4; ++j) y[4 * i + j] = x[4 * i + j];
  for (int i = n / 4 * 4 + threadIdx.x; i < n; i += 32) y[i] = x[i];
}
"""
    params = (*kernels.tensors(x=("n",), y=("n",)), Scalar("n"))
    found = _read(kernels.symbolic(text, *params, grid=(1,), block=(32,)))
    assert found.conditions == ()


def test_shapes_have_to_be_given() -> None:
    kernel = kernels.scale()
    params = (Tensor("x"), *(kernel.params or ())[1:])
    with pytest.raises(ReadError) as error:
        _read(kernel.with_params(params))
    assert error.value.code == "XP1015"


def test_shared_memory_of_symbolic_size_is_refused() -> None:
    text = """
__global__ void keep(const float* x, float* y, int n) {
  extern __shared__ float row[];
  for (int i = threadIdx.x; i < n; i += 32) row[i] = x[i];
  for (int i = threadIdx.x; i < n; i += 32) y[i] = row[i];
}
"""
    params = (*kernels.tensors(x=("n",), y=("n",)), Scalar("n"))
    kernel = Kernel(text, "cuda", None, params, Launch((1,), (32,), "4 * n"), filename="k.cu")
    with pytest.raises(LiftError) as error:
        _read(kernel)
    assert error.value.code == "XP2003"
    assert error.value.span is not None and error.value.span.line == 3


def test_a_launch_has_blocks_of_fixed_size() -> None:
    with pytest.raises(ReadError) as error:
        Launch((1,), ("n",))  # type: ignore[arg-type]
    assert error.value.code == "XP1011"


# ---------------------------------------------------------------- instances and generalisation


def test_a_size_that_is_data_stays_a_parameter() -> None:
    found = _read(kernels.row_sums())
    point = {"n": 1009, "rows": 3}
    script = to_module(at_point(found.reading.program, found.kernel, point)).script()
    assert 'T.Cast("float32", n)' in script
    assert "x: T.Buffer((3027,)" in script and "1009" in script


def test_tests_that_sizes_decide_are_told() -> None:
    text = """
__global__ void pick(const float* x, float* y, int n) {
  int i = threadIdx.x;
  if (n > 100 && i < n) y[i] = n % 3 == 0 ? x[i] : -x[i];
}
"""
    params = (*kernels.tensors(x=("n",), y=("n",)), Scalar("n"))
    found = _read(kernels.symbolic(text, *params, grid=(1,), block=(32,)))
    texts = {str(choice.test) for choice in choices_of(found.reading.program, found.kernel)}
    assert len(texts) == 2 and any("% 3" in text for text in texts)


def test_functions_of_different_form_are_refused() -> None:
    i, x = tirx.Var("i", "int32"), tirx.decl_buffer((8,), "float32", "x")

    def function(extent: int, value: float) -> tirx.PrimFunc:
        store = tirx.BufferStore(x, tirx.const(value, "float32"), [i])
        zero, most = tirx.const(0, "int32"), tirx.const(extent, "int32")
        return tirx.PrimFunc([x], tirx.For(i, zero, most, tirx.ForKind.SERIAL, store))

    points, sizes = [{"n": 5}, {"n": 7}, {"n": 11}], {"n": tirx.Var("n", "int32")}
    alike = [function(point["n"] - 1, 1.0) for point in points]
    general = generalise(alike, points, sizes, [])
    assert "n - 1" in str(general.func)
    assert general.agrees(function(12, 1.0), {"n": 13})
    assert not general.agrees(function(13, 1.0), {"n": 13})
    assert not general.agrees(function(12, 2.0), {"n": 13})
    with pytest.raises(Unlike):
        generalise([*alike[:2], function(10, 2.0)], points, sizes, [])
    with pytest.raises(Unlike):
        generalise([function(number, 1.0) for number in (3, 1, 8)], points, sizes, [])


def test_generalised_programs_are_what_raising_makes() -> None:
    found = _read(kernels.gemm())
    program, kernel = found.reading.program, found.kernel
    *points, last = generic(kernel, 5)
    raised = [raise_program(at_point(program, kernel, point)) for point in (*points, last)]
    funcs = [one.mod["main"] for one in raised]
    general = generalise(funcs[:-1], points, sizes_of(program, kernel), [8])
    assert general.agrees(funcs[-1], last)
    assert not general.agrees(funcs[-1], points[0])
    assert tvm.IRModule({"main": general.func}).script().count("T.grid(m, n, k)") == 1
