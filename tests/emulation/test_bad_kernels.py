"""Kernels that would hang, crash or fill the memory end with a code, and the caller lives."""

from __future__ import annotations

import pytest

from xpiler_tvm.errors import XpilerError
from xpiler_tvm.isolation import sandbox

from .support import execute, out

LOCAL = "volatile float big[{n}]; big[threadIdx.x] = 1; y[0] = big[threadIdx.x];"
BAD: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "an endless loop": ("", "for (volatile int i = 0;; ++i) {}", ("XP5004",)),
    "an endless loop over barriers": ("", "for (;;) __syncthreads();", ("XP5004",)),
    "a wait for another thread": (
        "",
        "volatile float* p = y; if (threadIdx.x) { p[0] = 1; } else { while (p[1] != 1) {} }",
        ("XP5004",),
    ),
    "deep recursion": (
        "__device__ __noinline__ int f(volatile float* y, int n)"
        " { volatile int a[9]; a[n % 9] = n; return f(y, n + 1) + a[n % 9]; }",
        "y[0] = f(y, 0);",
        ("XP5005",),
    ),
    "a wild pointer": ("", "*(volatile int*)12345 = 1;", ("XP5005",)),
    "a pointer into nowhere": ("", "((volatile float*)y)[1ll << 40] = 1;", ("XP5005",)),
    "a huge local array": ("", LOCAL.format(n="1 << 22"), ("XP5005",)),
    # Its first element would lie in the stack of the thread that waits.
    "a local array as large as a stack": (
        "",
        "if (threadIdx.x) { volatile float local[150000]; local[0] = 1; y[1] = local[0]; } "
        "__syncthreads(); y[0] = 1;",
        ("XP5005",),
    ),
    "a huge shared array": (
        "",
        "__shared__ volatile float s[1 << 24]; s[threadIdx.x] = 1; y[0] = s[1];",
        ("XP1011",),
    ),
    "one huge allocation": ("", "((volatile char*)malloc(1ll << 46))[5] = 1;", ("XP5005",)),
    "a division by zero": ("", "volatile int n = 0; y[0] = 7 / n;", ("XP5006",)),
    "an overflowing division": (
        "",
        "volatile int n = -1; y[0] = (-2147483647 - 1) / n;",
        ("XP5006",),
    ),
    "infinite templates": (
        "template <int N> struct S { static const int v = S<N + 1>::v; };",
        "y[0] = S<0>::v;",
        ("XP1002",),
    ),
    "an endless constant": (
        "constexpr long f(long n) { long s = 0; for (long i = 0; i < n; ++i) s += i; return s; }",
        "constexpr long v = f(1l << 60); y[0] = v;",
        ("XP1002", "XP6003"),
    ),
    "nested parentheses": ("", f"y[0] = {'(' * 100_000}1{')' * 100_000};", ("XP1002",)),
    "nested blocks": ("", "{" * 50_000 + "}" * 50_000, ("XP1002",)),
    "a giant initialiser": (
        "__device__ int big[1ll << 40] = {1};",
        "big[threadIdx.x] = 1; y[0] = big[3];",
        ("XP1002", "XP6003"),
    ),
    "exit": ("", "exit(0);", ("XP1010",)),
    "abort": ("", "abort();", ("XP1010",)),
    "a trap": ("", "__builtin_trap();", ("XP5005",)),
    "a smashed stack": (
        "",
        "volatile char a[8]; for (int i = 0; i < 1 << 30; ++i) a[i] = 7; y[0] = a[1];",
        ("XP5005", "XP5002", "XP5004"),
    ),
    "writing over the runtime": (
        "",
        "for (volatile long* p = (long*)&gridDim;; ++p) *p = -1;",
        ("XP5005", "XP5002"),
    ),
    "printing without end": ("", 'for (;;) printf("%080d\\n", 1);', ("XP5005", "XP5004")),
    "a jump into data": (
        "typedef void (*F)();",
        "F f; F* p = &f; *(volatile long*)p = (long)y; f();",
        ("XP1016",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_it_ends_with_its_code(name: str) -> None:
    before, statement, codes = BAD[name]
    source = f"{before}\n__global__ void k(float* y) {{ {statement} }}"
    with pytest.raises(XpilerError) as caught:
        execute(source, out("y", 4), block=(2,), seconds=1.0)
    assert caught.value.code in codes, caught.value.message[:300]


@pytest.mark.parametrize("step", ["1 << 16", "1 << 28"])
def test_memory_has_a_budget(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "memory_budget", lambda: 256 << 20)
    source = f"""__global__ void k(float* y) {{
      for (;;) {{
        volatile char* p = (char*)malloc({step});
        for (int i = 0; i < ({step}); i += 4096) p[i] = 1;
      }}
    }}"""
    with pytest.raises(XpilerError) as caught:
        execute(source, out("y", 4), block=(1,), seconds=30.0)
    assert caught.value.code == "XP5005"
    assert "GiB of memory" in caught.value.message
