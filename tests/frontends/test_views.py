"""Memory seen as several types: the flat program against the emulated source, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import ReadError, frontends
from xpiler_tvm.frontends.program import Alloc, Program, Statement

from .support import Given, flat_and_source, kernel, out, random

X = random(64)
H = random(64, seed=1, dtype="float16")
N = random(64, seed=2, dtype="int32")
B = random(64, seed=3, dtype="int8")
U = random(64, seed=4, dtype="uint8")

# A body, its parameters, threads of the block, bytes of dynamic shared memory.
VIEWS: dict[str, tuple[str, tuple[Given, ...], int, int]] = {
    "an arena of two types": (
        """extern __shared__ char smem[];
float* f = (float*)smem; int* k = (int*)(f + 64);
int t = threadIdx.x; f[t] = x[t]; k[t] = n[63 - t]; __syncthreads();
y[t] = f[63 - t] + k[t];""",
        (("x", X), ("n", N), out("y", 64)),
        64,
        512,
    ),
    "two names of dynamic shared memory": (
        """extern __shared__ float a[]; float* b = a + 64;
int t = threadIdx.x; a[t] = x[t]; b[t] = 2 * x[t]; __syncthreads(); y[t] = a[63 - t] + b[t];""",
        (("x", X), out("y", 64)),
        64,
        512,
    ),
    "floats reused as integers": (
        """__shared__ float a[64]; int t = threadIdx.x;
a[t] = x[t]; __syncthreads(); int bits = ((int*)a)[63 - t]; __syncthreads(); y[t] = bits ^ 1;""",
        (("x", X), out("y", 64, dtype="int32")),
        64,
        0,
    ),
    "halves moved as int4": (
        """__shared__ __half s[64]; int t = threadIdx.x;
if (t < 8) *(int4*)(s + 8 * t) = *(const int4*)(h + 8 * t);
__syncthreads(); y[t] = __half2float(s[63 - t]);""",
        (("h", H), out("y", 64)),
        64,
        0,
    ),
    "halves held as int4": (
        """int t = threadIdx.x; int4 v = *(const int4*)(h + 8 * t); v.x = v.y;
*(int4*)(y + 8 * t) = v;""",
        (("h", H), out("y", 64, dtype="float16")),
        8,
        0,
    ),
    "pairs of halves in int4": (
        """int t = threadIdx.x;
int4 v = *(const int4*)(h + 8 * t), w = *(const int4*)(h + 56 - 8 * t);
half2* a = (half2*)&v; half2* b = (half2*)&w;
for (int k = 0; k < 4; ++k) b[k] = __hadd2(a[k], b[3 - k]);
*(int4*)(y + 8 * t) = w;""",
        (("h", H), out("y", 64, dtype="float16")),
        8,
        0,
    ),
    "pairs of halves in a word": (
        """int t = threadIdx.x; unsigned r = ((const unsigned*)h)[t]; r ^= 0x80000000u;
half2 v = *(half2*)&r; y[2 * t] = v.y; y[2 * t + 1] = __low2half(v);""",
        (("h", H), out("y", 64, dtype="float16")),
        32,
        0,
    ),
    "bytes packed in a word": (
        """int t = threadIdx.x;
y[t] = __dp4a(*(const int*)(b + 4 * t), ((const int*)b)[15 - t], 3);""",
        (("b", B), out("y", 16, dtype="int32")),
        16,
        0,
    ),
    "unsigned bytes as floats": (
        "int t = threadIdx.x; y[t] = ((const unsigned*)u)[t] >> 8;",
        (("u", U), out("y", 16, dtype="uint32")),
        16,
        0,
    ),
    "the bytes of a float": (
        "int t = threadIdx.x; y[t] = ((const unsigned char*)x)[t];",
        (("x", X), out("y", 256, dtype="uint8")),
        256,
        0,
    ),
    "bytes stored into words": (
        """int t = threadIdx.x; signed char* p = (signed char*)y;
for (int i = 0; i < 4; i++) p[4 * t + i] = b[4 * (15 - t) + i] + i;""",
        (("b", B), out("y", 16, dtype="int32")),
        16,
        0,
    ),
    "halves stored into words": (
        """int t = threadIdx.x; __half* p = (__half*)y;
p[2 * t] = h[t]; p[2 * t + 1] = h[31 - t];""",
        (("h", H), out("y", 32, dtype="uint32")),
        32,
        0,
    ),
    "a class of two types": (
        """struct Best { float value; int index; };
__shared__ Best best[64]; int t = threadIdx.x;
best[t].value = x[t]; best[t].index = n[t]; __syncthreads();
Best mine = best[63 - t], other = best[t];
if (other.value > mine.value) mine = other;
y[t] = mine.value + mine.index;""",
        (("x", X), ("n", N), out("y", 64)),
        64,
        0,
    ),
    "a class with padding": (
        """struct P { signed char tag; double weight; short k; };
P p[3]; int t = threadIdx.x;
for (int i = 0; i < 3; i++) { p[i].tag = b[t]; p[i].weight = x[t] * i; p[i].k = (short)n[t]; }
y[t] = p[2].weight + p[1].tag + p[0].k + sizeof(P);""",
        (("b", B), ("x", X), ("n", N), out("y", 64, dtype="float64")),
        64,
        0,
    ),
    "a class returned": (
        """y[threadIdx.x] = 0; struct Pair { int a; float b; };
auto make = [](int a, float b) { Pair p; p.a = a; p.b = b; return p; };
Pair p = make(n[threadIdx.x], x[threadIdx.x]); y[threadIdx.x] = p.a * p.b;""",
        (("x", X), ("n", N), out("y", 64)),
        64,
        0,
    ),
    "a float's bits changed": (
        """float v = x[threadIdx.x]; unsigned* p = (unsigned*)&v; *p &= 0x7fffffffu;
y[threadIdx.x] = v;""",
        (("x", X), out("y", 64)),
        64,
        0,
    ),
    "a double's words": (
        """double v = x[threadIdx.x]; unsigned* p = (unsigned*)&v; y[threadIdx.x] = p[1] ^ p[0];""",
        (("x", X), out("y", 64, dtype="uint32")),
        64,
        0,
    ),
    "ping-pong halves of an array": (
        """extern __shared__ float s[]; int t = threadIdx.x;
float acc = 0; s[t] = x[t]; __syncthreads();
for (int i = 0; i < 4; i++) { s[((i + 1) & 1) * 64 + t] = s[(i & 1) * 64 + (t + 1) % 64] * 2;
__syncthreads(); acc += s[((i + 1) & 1) * 64 + t]; } y[t] = acc;""",
        (("x", X), out("y", 64)),
        64,
        512,
    ),
    "pointers apart": (
        """const float* p = x + 5; const float* q = x + 40;
y[threadIdx.x] = (q - p) * p[threadIdx.x];""",
        (("x", X), out("y", 8)),
        8,
        0,
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str) -> None:
    text, params, threads, shared = VIEWS[name]
    flat, source = flat_and_source(text, *params, block=(threads,), shared=shared)
    np.testing.assert_array_equal(flat.view(np.uint8), source.view(np.uint8))


def _buffers(program: Program) -> set[tuple[str, str, int]]:
    found: set[tuple[str, str, int]] = set()

    def visit(body: tuple[Statement, ...]) -> None:
        for statement in body:
            if isinstance(statement, Alloc):
                buffer = statement.buffer
                found.add((buffer.name, buffer.dtype, int(buffer.shape[0])))
            for inner in ("body", "then", "other"):
                visit(getattr(statement, inner, ()))

    visit(program.body)
    return found


def test_an_arena_becomes_its_arrays() -> None:
    text, params, threads, shared = VIEWS["an arena of two types"]
    program = frontends.read(kernel(text, *params, block=(threads,), shared=shared)).program
    assert _buffers(program) == {("smem", "float32", 64), ("smem_1", "int32", 64)}


def test_halves_moved_as_words_are_moved_as_halves() -> None:
    text, params, threads, _ = VIEWS["halves moved as int4"]
    program = frontends.read(kernel(text, *params, block=(threads,))).program
    assert _buffers(program) == {("s", "float16", 64)}


def test_the_middle_of_a_word_is_refused() -> None:
    text = "y[0] = *(const int*)((const char*)n + 1);"
    with pytest.raises(ReadError, match="middle of an element") as refusal:
        frontends.read(kernel(text, ("n", N), out("y", 1, dtype="int32")))
    assert refusal.value.code == "XP1009"
