"""Each way in which a run can fail is provoked, and has its code."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.emulation import compiler
from xpiler_tvm.errors import CheckError, ReadError, XpilerError

from .support import execute, number, out, random


def failure(source: str, *params: object, **about: object) -> XpilerError:
    with pytest.raises(XpilerError) as caught:
        execute(source, *params, **about)  # type: ignore[arg-type]
    return caught.value


def test_an_endless_loop_meets_its_limit() -> None:
    source = "__global__ void k(volatile int* y) { while (y[0] != 1) {} }"
    error = failure(source, out("y", 1, "int32"), seconds=0.3)
    assert isinstance(error, CheckError)
    assert error.code == "XP5004"


@pytest.mark.parametrize(
    ("statement", "verb", "element"),
    [
        ("y[n] = 1;", "writes", "element 10 of 'y'"),
        ("y[0] = x[n];", "reads", "element 10 of 'x'"),
        ("y[0] = x[-n * 1000];", "reads", "element -10000 of 'x'"),
        ("y[1000 * n] = 1;", "writes", "element 10000 of 'y'"),
    ],
)
def test_an_access_outside_an_array_names_the_array(
    statement: str, verb: str, element: str
) -> None:
    source = f"__global__ void k(const float* x, float* y, int n) {{ {statement} }}"
    error = failure(source, ("x", random(10)), out("y", 10), number("n", 10), block=(1,))
    assert error.code == "XP5002"
    assert verb in error.message
    assert element in error.message


def test_a_write_just_before_an_array_is_seen_too() -> None:
    source = "__global__ void k(float* y) { y[threadIdx.x] = 1; y[-1] = 0; }"
    error = failure(source, out("y", 10), block=(10,))
    assert error.code == "XP5002"
    assert "before the start of 'y'" in error.message


def test_dynamic_shared_memory_ends_where_the_launch_says() -> None:
    source = """__global__ void k(float* y) {
      extern __shared__ float s[];
      s[threadIdx.x + 1] = 1;
      y[threadIdx.x] = s[threadIdx.x];
    }"""
    error = failure(source, out("y", 32), shared=128)
    assert error.code == "XP5002"
    assert "dynamic shared memory" in error.message


def test_an_integer_division_by_zero() -> None:
    source = "__global__ void k(int* y, int n) { y[0] = 7 / n; }"
    assert failure(source, out("y", 1, "int32"), number("n", 0)).code == "XP5006"


def test_a_deep_recursion_overflows_its_stack() -> None:
    source = """
    __device__ __noinline__ int deep(volatile int* p, int n) {
      volatile int local[64];
      local[n & 63] = n;
      return n == 0 ? *p : deep(p, n - 1) + local[n & 63];
    }
    __global__ void k(int* y, int n) { y[0] = 0; y[1] = deep(y, n); }"""
    error = failure(source, out("y", 2, "int32"), number("n", 1 << 30), block=(1,))
    assert error.code == "XP5005"
    assert "stack" in error.message


def test_a_wild_pointer_is_a_crash() -> None:
    source = "__global__ void k(float* y) { *(volatile float*)64 = 1; }"
    error = failure(source, out("y", 1))
    assert error.code == "XP5005"
    assert "0x40" in error.message


def test_an_assertion_is_a_crash_that_says_which() -> None:
    source = "#include <assert.h>\n__global__ void k(float* y) { assert(y[0] == 1); }"
    error = failure(source, out("y", 1))
    assert error.code == "XP5005"
    assert "y[0] == 1" in error.message


def test_barriers_in_different_branches_are_divergent() -> None:
    source = """__global__ void k(float* y) {
      if (threadIdx.x < 16) {
        __syncthreads();
      } else {
        __syncthreads();
      }
      y[threadIdx.x] = 1;
    }"""
    error = failure(source, out("y", 32))
    assert error.code == "XP5008"
    assert "line 3" in error.message
    assert "line 5" in error.message
    assert error.span is not None
    assert "__syncthreads" in error.span.text


def test_a_warp_that_waits_for_lanes_at_a_barrier_is_divergent() -> None:
    source = """__global__ void k(float* y) {
      if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0xffffffff, 1.0f, 0);
      __syncthreads();
    }"""
    error = failure(source, out("y", 32))
    assert error.code == "XP5008"
    assert "line 2" in error.message
    assert "line 3" in error.message


def test_a_lane_outside_its_mask_is_divergent() -> None:
    source = "__global__ void k(float* y) { y[threadIdx.x] = __shfl_sync(0xff, 1.0f, 0); }"
    assert failure(source, out("y", 32)).code == "XP5008"


def test_a_barrier_that_a_loop_reaches_in_one_thread_more_often() -> None:
    source = """__global__ void k(float* y) {
      for (int i = 0; i <= (int)threadIdx.x / 31; ++i)
        __syncthreads();
      __syncthreads();
    }"""
    assert failure(source, out("y", 32)).code == "XP5008"


def test_text_that_is_no_cpp_has_its_first_error_and_its_place() -> None:
    source = """#include <cuda_runtime.h>
__global__ void k(float* y) {
  extern __shared__ float s[];
  y[0] = nosuch(s[0]);
}"""
    error = failure(source, out("y", 1))
    assert isinstance(error, ReadError)
    assert error.code == "XP1010"
    assert "nosuch" in error.message
    assert error.span is not None
    assert (error.span.file, error.span.line, error.span.column) == ("kernel.cu", 4, 10)
    assert error.span.text == "  y[0] = nosuch(s[0]);"


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiler, "find_spec", lambda name: None)
    error = failure("__global__ void k(float* y) {}", out("y", 1))
    assert error.code == "XP6002"


def test_the_caller_is_as_before_after_a_crash() -> None:
    x = random(8)
    kept = x.copy()
    source = "__global__ void k(float* x) { x[threadIdx.x] = 0; x[1 << 16] = 1; }"
    assert failure(source, ("x", x)).code == "XP5002"
    np.testing.assert_array_equal(x, kept)


def test_missing_or_wrong_arrays_are_refused() -> None:
    from xpiler_tvm.emulation import run_text
    from xpiler_tvm.kernel import Kernel, Launch, Scalar, Tensor

    params = (Tensor("x", (4,)), Scalar("n"))
    kernel = Kernel(
        "__global__ void k(float* x, int n) {}", "cuda", "k", params, Launch((1,), (1,))
    )
    good = {"x": random(4)}
    for arrays, scalars in (({}, {"n": 1}), (good, {}), ({"x": random(5)}, {"n": 1})):
        with pytest.raises(CheckError) as caught:
            run_text(kernel, arrays, scalars)
        assert caught.value.code == "XP5007"
    run_text(kernel, good, {"n": 1})
