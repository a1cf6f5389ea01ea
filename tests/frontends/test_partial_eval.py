"""What flat programs compute, held against numpy: each kernel is a few lines of C."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.errors import LiftError, ReadError

from .support import flat_and_source, kernel, out, raised, random, run_flat

X = random(24)
N = random(24, seed=1, dtype="int32")

# Each computes y[0..23] of x (float) and n (int), one thread for everything.
TRIANGLE = np.array([X[: i + 1].sum(dtype=np.float64) for i in range(24)], np.float32)
LOOPS: dict[str, tuple[str, np.ndarray]] = {
    "up": ("for (int i = 0; i < 24; i++) y[i] = x[i] * 2;", X * 2),
    "up, inclusive": ("for (int i = 0; i <= 23; ++i) y[i] = x[i] * 2;", X * 2),
    "up, unequal": ("for (int i = 0; i != 24; i++) y[i] = x[i] * 2;", X * 2),
    "up, mirrored test": ("for (int i = 0; 24 > i; i += 1) y[i] = x[i] * 2;", X * 2),
    "down": ("for (int i = 23; i >= 0; i--) y[i] = x[i] * 2;", X * 2),
    "down, exclusive": ("for (int i = 24; i > 0; --i) y[i - 1] = x[i - 1] * 2;", X * 2),
    "unsigned": ("for (unsigned i = 0; i < 24u; i++) y[i] = x[i] * 2;", X * 2),
    "unsigned down": ("for (unsigned i = 24; i != 0; i--) y[i - 1] = x[i - 1] * 2;", X * 2),
    "step": (
        "for (int i = 0; i < 24; i += 3) { y[i] = x[i]; y[i+1] = 1; y[i+2] = 2; }",
        np.where(np.arange(24) % 3 == 0, X, np.arange(24) % 3),
    ),
    "uneven step": (
        "for (int i = 0; i < 24; i++) y[i] = 0; for (int i = 1; i < 24; i += 5) y[i] = x[i];",
        np.where(np.arange(24) % 5 == 1, X, 0),
    ),
    "step down": (
        "for (int i = 0; i < 24; i++) y[i] = 0; for (int i = 23; i > 0; i -= 7) y[i] = x[i];",
        np.where(np.isin(np.arange(24), (23, 16, 9, 2)), X, 0),
    ),
    "doubling": (
        "for (int i = 0; i < 24; i++) y[i] = 0; for (int i = 1; i < 24; i *= 2) y[i] = x[i];",
        np.where(np.isin(np.arange(24), (1, 2, 4, 8, 16)), X, 0),
    ),
    "halving": (
        "for (int i = 0; i < 24; i++) y[i] = 0; for (int i = 20; i > 0; i >>= 1) y[i] = x[i];",
        np.where(np.isin(np.arange(24), (20, 10, 5, 2, 1)), X, 0),
    ),
    "while": ("int i = 0; while (i < 24) { y[i] = x[i] * 2; i++; }", X * 2),
    "do": ("int i = 0; do { y[i] = x[i] * 2; i++; } while (i < 24);", X * 2),
    "do, once": ("for (int i = 1; i < 24; i++) y[i] = 2; do { y[0] = 3; } while (0);", None),
    "endless with break": (
        "int i = 0; for (;;) { if (i == 24) break; y[i] = x[i] * 2; i++; }",
        X * 2,
    ),
    "two variables": ("for (int i = 0, j = 23; i < 24; i++, j--) y[i] = x[j];", X[::-1]),
    "triangle": (
        "for (int i = 0; i < 24; i++) { float s = 0; for (int j = 0; j <= i; j++) s += x[j];"
        " y[i] = s; }",
        TRIANGLE,
    ),
    "triangle, upper": (
        "for (int i = 0; i < 24; i++) { float s = 0; for (int j = i; j < 24; j++) s += x[j];"
        " y[i] = s; }",
        np.array([X[i:].sum(dtype=np.float64) for i in range(24)], np.float32),
    ),
    "pointers": (
        "const float* p = x; float* q = y; for (int i = 0; i < 24; i++) *q++ = *p++ * 2;",
        X * 2,
    ),
    "pointers to the end": ("const float* p = x + 24; float* q = y;"
                            "for (int i = 0; i < 24; i++) { --p; *q = *p; q += 1; }", X[::-1]),
    "pointer bumped twice": (
        "const float* p = x; for (int i = 0; i < 12; i++) { y[2*i] = p[1];"
        "y[2*i+1] = *p; p += 2; }",
        X.reshape(12, 2)[:, ::-1].ravel(),
    ),
    "continue": (
        "for (int i = 0; i < 24; i++) { y[i] = 0; if (i % 3 == 1) continue; y[i] = x[i]; }",
        np.where(np.arange(24) % 3 == 1, 0, X),
    ),
    "continue by data": (
        "for (int i = 0; i < 24; i++) { y[i] = 0; if (x[i] < 0) continue; y[i] = x[i]; }",
        np.where(X < 0, 0, X),
    ),
    "break by data": (
        "int f = 0; for (int i = 0; i < 24; i++) { if (n[i] > 60) break; f++; }"
        "for (int i = 0; i < 24; i++) y[i] = f;",
        np.full(24, int(np.argmax(N > 60)), np.float32),
    ),
    "break out of one": (
        "for (int i = 0; i < 24; i++) { float s = 0;"
        "for (int j = 0; j < 24; j++) { if (j > i) break; s += x[j]; } y[i] = s; }",
        TRIANGLE,
    ),
    "stepping in the test": (
        "int i = 24; while (i-- > 0) y[i] = x[i] * 3; int j = 4; while (j--) y[j] += i + j;",
        X * 3 + np.where(np.arange(24) < 4, np.arange(24) - 1, 0),
    ),
    "steps by data": (
        "for (int i = 0; i < 24; i++) { int v = n[i] < 0 ? -n[i] : n[i]; int c = 0;"
        "while (v > 0) { v /= 2; c++; } y[i] = c; }",
        np.array([int(abs(v)).bit_length() for v in N], np.float32),
    ),
}  # fmt: skip
LOOPS["do, once"] = (LOOPS["do, once"][0], np.array([3] + [2] * 23, np.float32))


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name: str) -> None:
    text, wanted = LOOPS[name]
    found = run_flat(text, ("x", X), ("n", N), out("y", 24))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


# One thread for each of 24 elements: i is its number.
INDEX = "int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
THREADS: dict[str, tuple[str, np.ndarray]] = {
    "guard": (INDEX + "if (i < 24) y[i] = x[i];", X),
    "early return": (INDEX + "if (i >= 24) return; y[i] = x[i];", X),
    "early return by data": (
        INDEX + "if (i >= 24) return; y[i] = 1; if (x[i] < 0) return; y[i] = x[i];",
        np.where(X < 0, 1, X),
    ),
    "return in a loop": (
        INDEX + "if (i >= 24) return; y[i] = -1;"
        "for (int j = 0; j < 24; j++) { if (n[j] > n[i]) { y[i] = j; return; } }",
        np.array([next((j for j in range(24) if N[j] > v), -1) for v in N], np.float32),
    ),
    "if else": (
        INDEX + "if (i < 24) { if (x[i] > 0) y[i] = x[i]; else if (n[i] > 0) y[i] = 2;"
        "else y[i] = 3; }",
        np.where(X > 0, X, np.where(N > 0, 2, 3)),
    ),
    "ternary guards a read": (
        INDEX + "if (i < 24) { float left = i > 0 ? x[i - 1] : 0.0f;"
        "float right = i < 23 ? x[i + 1] : 0.0f; y[i] = left + right; }",
        np.convolve(X, [1, 0, 1], "same"),
    ),
    "and guards a read": (
        INDEX + "if (i < 24) { y[i] = 0; if (i > 0 && x[i - 1] > 0) y[i] = 1; }",
        np.concatenate([[0], X[:-1] > 0]).astype(np.float32),
    ),
    "or guards a read": (
        INDEX + "if (i < 24) { y[i] = 0; if (i == 0 || x[i - 1] > 0) y[i] = 1; }",
        np.concatenate([[1], X[:-1] > 0]).astype(np.float32),
    ),
    "variable of both sides": (
        INDEX + "if (i < 24) { int k; if (x[i] > 0) k = i; else k = 23 - i; y[i] = x[k]; }",
        np.where(X > 0, X, X[::-1]),
    ),
    "grid stride": (
        "for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < 24;"
        "i += blockDim.x * gridDim.x) y[i] = x[i];",
        X,
    ),
    "switch": (
        INDEX + "if (i < 24) switch (i % 4) { case 0: y[i] = 1; break; case 1: case 2: y[i] = 2;"
        "break; default: y[i] = 3; }",
        np.choose(np.arange(24) % 4, [1, 2, 2, 3]).astype(np.float32),
    ),
    "shadowed": (
        INDEX + "if (i < 24) { float v = 1; { float v = 2; v += 1; } y[i] = v + x[i]; }",
        X + 1,
    ),
    "comma and compound": (
        INDEX + "if (i < 24) { int k = 1, m; m = (k += 2, k * 2); y[i] = m + (k <<= 1); }",
        np.full(24, 12, np.float32),
    ),
    "increments in order": (
        INDEX + "if (i < 24) { int k = i; int a = k++; int b = ++k; y[i] = a * 100 + b; }",
        (np.arange(24) * 100 + np.arange(24) + 2).astype(np.float32),
    ),
    "local array": (
        INDEX + "if (i < 24) { float v[3] = {1, x[i]}; v[2] = v[0] + v[1]; float s = 0;"
        "for (int j = 0; j < 3; j++) s += v[j]; y[i] = s; }",
        2 * X + 2,
    ),
    "rows and columns": (
        INDEX + "float v[2][3] = {{1, 2, 3}, {4, 5}}; v[1][2] = 6;"
        "if (i < 24) y[i] = v[i % 2][i / 2 % 3];",
        np.tile(np.array([1, 4, 2, 5, 3, 6], np.float32), 4),
    ),
    "three axes, shared": (
        "__shared__ float v[4][2][3]; int t = threadIdx.x + 8 * blockIdx.x;"
        "for (int i = threadIdx.x; i < 24; i += 8) v[i / 6][i % 6 / 3][i % 3] = x[i];"
        "__syncthreads(); if (t < 24) y[t] = v[t % 4][t / 4 % 2][t / 8];",
        X.reshape(4, 2, 3).transpose(2, 1, 0).ravel(),
    ),
    "local array by data": (
        INDEX + "if (i < 24) { int v[4] = {7, 5, 3, 1}; y[i] = v[n[i] & 3]; }",
        np.array([7, 5, 3, 1])[N & 3].astype(np.float32),
    ),
    "lambda": (
        INDEX + "float a = 2; auto f = [&](float v) { return v * a; }; if (i < 24) y[i] = f(x[i]);",
        X * 2,
    ),
    "float4": (
        "int i = threadIdx.x; if (blockIdx.x == 0 && i < 6) {"
        "float4 v = reinterpret_cast<const float4*>(x)[i];"
        "v.x += 1; float4 w = make_float4(v.w, v.z, v.y, v.x); ((float4*)y)[i] = w; }",
        (X.reshape(6, 4) + np.eye(1, 4))[:, ::-1].ravel().astype(np.float32),
    ),
    "division towards zero": (
        INDEX + "if (i < 24) y[i] = n[i] / 7 * 1000 + n[i] % 7;",
        (np.trunc(N / 7) * 1000 + np.fmod(N, 7)).astype(np.float32),
    ),
}


@pytest.mark.parametrize("name", THREADS)
def test_threads(name: str) -> None:
    text, wanted = THREADS[name]
    found = run_flat(text, ("x", X), ("n", N), out("y", 24), grid=(4,), block=(8,))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


FUNCTIONS: dict[str, tuple[str, str | None, np.ndarray]] = {
    "references": (
        """__device__ void swap(float& a, float& b) { float t = a; a = b; b = t; }
        __global__ void k(const float* x, float* y) {
            int i = threadIdx.x; float a = x[i], b = 2; swap(a, b); y[i] = a - b; }""",
        None,
        2 - X,
    ),
    "references to elements": (
        """__device__ void add(float& a, float b) { a += b; }
        __global__ void k(const float* x, float* y) {
            int i = threadIdx.x; y[i] = 1; add(y[i], x[i]); add(y[i], x[23 - i]); }""",
        None,
        1 + X + X[::-1],
    ),
    "pointer arguments": (
        """__device__ float at(const float* p, int i) { return p[i]; }
        __global__ void k(const float* x, float* y) {
            int i = threadIdx.x; y[i] = at(x + 23, -i); }""",
        None,
        X[::-1],
    ),
    "several returns": (
        """__device__ float clip(float v) {
            if (v < 0) return 0; if (v > .5f) return .5f; return v; }
        __global__ void k(const float* x, float* y) { int i = threadIdx.x; y[i] = clip(x[i]); }""",
        None,
        np.clip(X, 0, 0.5),
    ),
    "return in a loop": (
        """__device__ int first(const float* x, float v) {
            for (int j = 0; j < 24; j++) { if (x[j] > v) return j; } return -1; }
        __global__ void k(const float* x, float* y) {
            int i = threadIdx.x; y[i] = first(x, x[i]); }""",
        None,
        np.array([next((j for j in range(24) if X[j] > v), -1) for v in X], np.float32),
    ),
    "template": (
        """template <typename T, int N> __global__ void k(const T* x, T* y) {
            T s = 0; for (int j = 0; j < N; j++) s += x[(threadIdx.x + j) % 24];
            y[threadIdx.x] = s; }
        template __global__ void k<float, 2>(const float*, float*);""",
        "k<float, 2>",
        X + np.roll(X, -1),
    ),
    "template function": (
        """template <int N, typename T> __device__ T times(T v) { return v * N; }
        __global__ void k(const float* x, float* y) {
            y[threadIdx.x] = times<3>(x[threadIdx.x]); }""",
        None,
        X * 3,
    ),
    "struct by value": (
        """struct Scale { float by; float add; };
        __device__ float apply(Scale s, float v) { return v * s.by + s.add; }
        __global__ void k(const float* x, float* y) {
            Scale s; s.by = 2; s.add = 3; y[threadIdx.x] = apply(s, x[threadIdx.x]); }""",
        None,
        X * 2 + 3,
    ),
    "struct by reference": (
        """struct Pair { float a; float b; };
        __device__ void turn(Pair& p) { float t = p.a; p.a = p.b; p.b = t; }
        __global__ void k(const float* x, float* y) {
            Pair p = {x[threadIdx.x], 5}; turn(p); y[threadIdx.x] = p.a * 10 + p.b; }""",
        None,
        50 + X,
    ),
    "constants": (
        """#define TWO 2
        constexpr int three = TWO + 1; const float half_ = 0.5f; enum { FOUR = 4 };
        __constant__ float table[3] = {1, 10, 100};
        __global__ void k(const float* x, float* y) {
            int i = threadIdx.x; y[i] = x[i] * table[i % three] + half_ * FOUR; }""",
        None,
        X * np.array([1, 10, 100], np.float32)[np.arange(24) % 3] + 2,
    ),
    "recursion of a template": (
        """template <int N> __device__ float power(float v) {
            if constexpr (N == 0) return 1; else return v * power<N - 1>(v); }
        __global__ void k(const float* x, float* y) {
            y[threadIdx.x] = power<3>(x[threadIdx.x]); }""",
        None,
        X**3,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    text, entry, wanted = FUNCTIONS[name]
    found = run_flat(text, ("x", X), out("y", 24), block=(24,), entry=entry)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


INTEGERS: dict[str, tuple[str, np.ndarray]] = {
    "sign from shifts": ("(v << 24) >> 24", (N.astype(np.int8)).astype(np.int32)),
    "nibble": ("(v << 28) >> 28", ((N + 8) % 16 - 8).astype(np.int32)),
    "bits shifted out": ("(int)(((unsigned)v << 3) >> 3)", (N.astype(np.uint32) << 3) >> 3),
    "carry": ("(unsigned)v + 5u < 5u ? 1 : 0", ((N < 0) & (N >= -5)).astype(np.int32)),
    "hash": (
        "(int)(((unsigned)v * 2654435761u) >> 7)",
        (N.astype(np.uint32) * np.uint32(2654435761)) >> 7,
    ),
    "all bits but the sign": ("v & 0x7fffffff", N & 0x7FFFFFFF),
    "as unsigned": ("(unsigned)v > 100u", (N.astype(np.uint32) > 100).astype(np.int32)),
    "narrow": ("(unsigned char)(v * 3)", (N * 3) & 255),
    "char": ("(signed char)(v * 3)", (N * 3).astype(np.int8).astype(np.int32)),
    "rounded shift": ("(v + 3) >> 2", (N + 3) >> 2),
}


WIDE: dict[str, tuple[str, str, np.ndarray]] = {
    "sign from shifts": ("int64", "(v << 56) >> 56", np.array([-56, -5, -1, 7])),
    "bits shifted out": ("uint64", "(v << 3) >> 3", np.array([5, 2**61 - 5, 1, 7])),
    "hash": ("uint64", "v * 6364136223846793005ull + 1ull >> 33", np.array([])),
}
WIDE_DATA = {
    "int64": np.array([200, -5, 2**40 + 255, 7], np.int64),
    "uint64": np.array([2**63 + 5, 2**64 - 5, 2**61 + 1, 7], np.uint64),
}


@pytest.mark.parametrize("name", WIDE)
def test_wide_integers_of_data(name: str) -> None:
    dtype, expr, wanted = WIDE[name]
    data = WIDE_DATA[dtype]
    if not wanted.size:
        wanted = (data * np.uint64(6364136223846793005) + np.uint64(1)) >> np.uint64(33)
    kind = "long long" if dtype == "int64" else "unsigned long long"
    text = f"{kind} v = n[threadIdx.x]; y[threadIdx.x] = {expr};"
    found = run_flat(text, ("n", data), out("y", 4, dtype=dtype), block=(4,))
    np.testing.assert_array_equal(found, wanted.astype(dtype))


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_data(name: str) -> None:
    expr, wanted = INTEGERS[name]
    text = f"int v = n[threadIdx.x]; y[threadIdx.x] = {expr};"
    found = run_flat(text, ("n", N), out("y", 24, dtype="int32"), block=(24,))
    np.testing.assert_array_equal(found, wanted.astype(np.int32))


# text of a kernel of x, n and y; code; line and column in the file
REFUSED: dict[str, tuple[str, str, tuple[int, int]]] = {
    "inline assembly": ('asm("exit;");\ny[0] = 1;', "XP1008", (2, 1)),
    "goto": ("goto end;\nend: y[0] = 1;", "XP1009", (2, 1)),
    "printf": ('y[0] = 1;\nprintf("%f", x[0]);', "XP1009", (3, 1)),
    "unknown function": ("y[0] = 1;\n  y[1] = __nv_secret(x[0]);", "XP1010", (3, 10)),
    "syntax": ("y[0] = 1\ny[1] = 2;", "XP1002", (2, 9)),
    "division by zero": ("int z = 0;\ny[0] = 5 / z;", "XP2004", (3, 8)),
    "no output": ("float v = x[0];", "XP2005", (1, 1)),
    "extent": ("y[0] = 1;\nfloat v[n[0]];\ny[1] = v[0];", "XP1009", (3, 1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, code, place = REFUSED[name]
    with pytest.raises((ReadError, LiftError)) as refusal:
        raised(kernel(text, ("x", X), ("n", N), out("y", 24)))
    error = refusal.value
    assert error.code == code
    assert error.span is not None
    assert (error.span.line, error.span.column) == place
    assert error.span.file == "kernel.cu"


# Pointers and integers that move in ways without a closed form of their own.
WALKS: dict[str, str] = {
    "through an inner loop": (
        "const float* p = x; for (int i = 0; i < 4; i++) { float s = 0;"
        " for (int j = 0; j < 5; j++) s += *p++ * j; y[i] = s; p += 1; }"
    ),
    "in steps": "int k = 0; for (int i = 0; i < 8; i++) { y[k++] = x[k]; y[k] = x[i]; k += 2; }",
    "growing": "int k = 1, i = 0; for (int a = 0; a < 4; a++) { y[i] = x[i]; i += k; k *= 2; }",
    "both ways": (
        "const float* p = x; float* q = y; for (int i = 0; i < 3; i++) {"
        " for (int j = 0; j < 4; j++) *q++ = *p++ + j; p -= 3; }"
    ),
    "by data": (
        "const float* p = x; const float* end = x + 24; int k = 0;"
        " while (p < end) { y[k++] = *p; p += *p > 0 ? 1 : 3; }"
    ),
    "to data": "const float* p = x + 23; while (p > x && *p < 0.5f) --p; y[0] = *p; y[1] = p - x;",
    "chosen by data": (
        "const float* p = x; for (int i = 0; i < 12; i++) { if (n[i] > 0) p = x + i; y[i] = *p; }"
    ),
    "set later": "const float* p; if (n[0] > 0) p = x; else p = x + 5; y[0] = *p; y[1] = p[1];",
    "a switch that falls through": (
        "for (int i = 0; i < 24; i++) { switch (n[i] & 7) { case 0: y[i] = 1; case 1: case 2:"
        " y[i] += 2; break; default: y[i] = 9; case 5: if (x[i] > 0) break; y[i] -= 3; break;"
        " case 6: continue; } y[i] += 100; }"
    ),
    "a switch over what steps": (
        "int k = 0; for (int i = 0; i < 8; i++) switch (n[k++] & 3) {"
        " case 1: { y[i] = k; break; } case 2: y[i] = -k; break; case 3: y[i] = n[k]; }"
    ),
    "a switch that returns": (
        "switch (n[0] & 1) { case 0: y[1] = 1; if (x[0] > 2) break; y[2] = 3; return; case 1:"
        " y[3] = 1; if (x[0] < 2) return; } y[4] = 5;"
    ),
    "a switch in a loop with breaks": (
        "for (int i = 0; i < 24; i++) { y[i] = i; switch (i) { case 3: continue; case 9: break;"
        " case 20: y[i] = -1; } if (i == 21) break; y[i] += 0.5f; }"
    ),
    "effects on one side": (
        "int k = 12; for (int i = 0; i < 8; i++) { y[i] = x[i] > 0 ? x[k++] : k--; "
        "if (n[i] > 0 && k++ > 2) y[i] += 10; if (x[i] > 0.5f || --k < 0) y[i] += 100; }"
    ),
    "effects in a test": (
        "int k = 0, m = 0; while (k < 20 && n[k++] > -50) m += k; y[0] = m; y[1] = k;"
        " int j = 0; do y[2] = j; while (n[j++] < 60 && j < 24); y[3] = j;"
        " for (int a = 0; (m = n[a]) < 70 && a < 20; a++) { if (a == 3) continue; y[4] = m; }"
    ),
    "a choice's type where its test is known": (
        "for (int i = 0; i < 8; i++) { y[i] = (2 > 1 ? 7 : 1.f) / 2 + (i < 9 ? -1 : 3u) / 1000;"
        " y[i] += ((true ? i + 3 : (unsigned long long)i) << 40) >> 38; }"
    ),
    "a list": (
        "int at = 0; for (int i = 0; i < 9; i++) { y[i] = at; at = (at + (n[at] & 7)) % 24; }"
    ),
}


@pytest.mark.parametrize("name", WALKS)
def test_walks(name: str) -> None:
    body = "for (int i = 0; i < 24; i++) y[i] = 0; " + WALKS[name]
    flat, source = flat_and_source(body, ("x", X), ("n", N), out("y", 24))
    np.testing.assert_array_equal(flat, source)
