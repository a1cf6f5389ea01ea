"""What each dialect's reader makes of a construct: snippets, and the verdicts of docs/dialects.md.

A snippet is the body of a kernel of `const float* x, const int* n, float* y` with 64 elements each,
where `t` is the thread (in BANG C and C: the counter of a loop over the 64 elements), after an
optional `declarations ===`. `read` may be followed by the assumption that it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DIALECTS = ("cuda", "hip", "bang", "vnni")
GPU = ("cuda", "hip")


@dataclass(frozen=True)
class Construct:
    """`snippets` by dialect; a dialect without one does not have the construct."""

    name: str
    snippets: dict[str, str]
    verdict: str = "read"
    verdicts: dict[str, str] = field(default_factory=dict)

    def verdict_in(self, dialect: str) -> str:
        return self.verdicts.get(dialect, self.verdict) if dialect in self.snippets else ""


def everywhere(name: str, text: str, verdict: str = "read", **verdicts: str) -> Construct:
    return Construct(name, dict.fromkeys(DIALECTS, text), verdict, verdicts)


def on_gpus(name: str, text: str, verdict: str = "read", **verdicts: str) -> Construct:
    return Construct(name, dict.fromkeys(GPU, text), verdict, verdicts)


def only(name: str, verdict: str = "read", **snippets: str) -> Construct:
    return Construct(name, snippets, verdict)


ATOMICS = "does not depend on the order of the threads"
UNIFORM = "is the same for all threads of a block"
TRUSTED = "lie between"
NO_NAN = "are no NaN"
ASSUMED = {
    ATOMICS: "the threads' order does not matter",
    UNIFORM: "the condition is the same for a block's threads",
    NO_NAN: "they are no NaN",
    TRUSTED: "indices from data are valid",
}
"""What is said of a reading's assumption, in the words of pages."""

SECTIONS: dict[str, tuple[Construct, ...]] = {
    "Control": (
        everywhere("`for`, `while`, `do`", "float s = 0; int i = 0; while (i < 3) s += x[i++];"
                   " do s += 1; while (s < 0); for (;;) { if (i++ > 5) break; } y[t] = s;"),
        everywhere("`break`, `continue`, early `return`", "for (int i = 0; i < 9; i++) {"
                   " if (i == 2) continue; if (x[i] > 5) break; y[t] = i; }"),
        everywhere("loops that data ends", "float v = x[t]; int k = 0;"
                   " while (v > 0.1f) { v *= 0.5f; k++; } y[t] = k;"),
        everywhere("`switch`, cases that fall through", "switch (n[t] & 3) { case 0: y[t] = 1;"
                   " case 1: y[t] = 2; break; default: y[t] = 3; }"),
        everywhere("`?:`, `&&`, `\\|\\|`, comma",
                   "y[t] = x[t] > 0 && n[t] > 1 ? (n[t], 1.f) : 2.f;"),
        everywhere("a side effect on one side of `?:` or `&&`",
                   "int i = 0; y[t] = x[t] > 0 ? i++ : 0; y[0] = i;"),
        everywhere("`goto`", "int i = 0; again: y[t] = i; if (++i < 2) goto again;", "XP1009"),
    ),
    "Values": (
        everywhere("integers of 8 to 64 bits, signed and unsigned, with C's conversions",
                   "unsigned char b = n[t]; short s = b * 3; unsigned long long w = (unsigned)s;"
                   " y[t] = (int)(w >> 3) + (b << 2) % 7;"),
        everywhere("products of 64-bit unsigned numbers that may wrap",
                   "unsigned long long w = (unsigned)n[t]; w = w * w * w; y[t] = w >> 40;"),
        everywhere("`float`, `double`, and C's mathematics",
                   "double d = x[t]; y[t] = sqrtf(x[t] * x[t]) + (float)exp(d);"),
        everywhere("`!=` and negated comparisons of floating-point numbers",
                   "if (!(x[t] > 1)) y[t] = 1; if (x[t] != 2) y[t] += 1;", f"read: {NO_NAN}"),
        on_gpus("`half`, `half2`",
                   "__half h = __float2half(x[t]); __half2 p = __halves2half2(h, h);"
                " y[t] = __half2float(__hadd(h, __low2half(p)));"),
        only("`__nv_bfloat16`, `hip_bfloat16`", cuda="__nv_bfloat16 b = __float2bfloat16(x[t]);"
             " y[t] = __bfloat162float(b * b);", hip="hip_bfloat16 b(x[t]); y[t] = float(b);"),
        on_gpus("`float4` and the like, `make_float4`",
                "float4 v = make_float4(x[t], 1, 2, 3); v.y += v.x; y[t] = v.y;"),
        only("compiler vectors", hip="typedef float f4 __attribute__((ext_vector_type(4))); ==="
             "f4 v = {x[t], 1, 2, 3}; v = v + v; y[t] = v[0] + v[3];",
             vnni="typedef float f4 __attribute__((vector_size(16))); ==="
             "f4 v = {x[t], 1, 2, 3}; v = v + v; y[t] = v[0] + v[3];"),
        everywhere("classes by value, nested, with arrays",
                   "struct P { float a; int k; float v[2]; };"
                   " struct Q { P p; float c; }; ===Q q; q.p.a = x[t]; q.p.v[1] = 2; q.c = 3;"
                   " P r = q.p; r.k = 1; y[t] = r.a * r.v[1] + q.c + r.k;"),
        everywhere("scalar parameters without a value",
                   "for (int i = 0; i < count; i++) y[t] = x[t] * i;"),
    ),
    "Memory": (
        everywhere("local arrays", "float v[4] = {1, 2}; v[2] = x[t]; y[t] = v[2] + v[n[t] & 3];"),
        everywhere("pointers that move, also by data", "const float* p = x; int k = 0;"
                   " while (k < 3) { p += *p > 0 ? 1 : 2; k++; } y[t] = *p;"),
        everywhere("a pointer to one of two arrays", "const float* p; if (n[t] > 0) p = x;"
                   " else p = y; y[t] = *p;", "XP1009"),
        everywhere("arrays of pointers into one array", "const float* p[2]; p[0] = x;"
                   " p[1] = x + 1; y[t] = *p[n[t] & 1];"),
        everywhere("arrays of pointers into several", "const float* p[2] = {x, y};"
                   " y[t] = *p[n[t] & 1];", "XP1009"),
        everywhere("pointers in classes", "struct V { const float* data; int step; }; ==="
                   "V v = {x, 3}; v.data += n[t] & 1; V w = v; y[t] = w.data[t * w.step % 60];"),
        everywhere("memory seen as another type", "float v = x[t]; unsigned b = *(unsigned*)&v;"
                   " y[t] = b >> 31; unsigned char* c = (unsigned char*)&v; y[t] += c[3];"),
        everywhere("an index from data", "y[t] = x[n[t]];", f"read: {TRUSTED}"),
        on_gpus("`__shared__`, static, several dimensions",
                "__shared__ float s[8][8]; s[t / 8][t % 8] = x[t]; __syncthreads();"
                " y[t] = s[t % 8][t / 8];"),
        on_gpus("dynamic shared memory carved into arrays", "extern __shared__ char m[];"
                " float* a = (float*)m; int* b = (int*)(a + 64); a[t] = x[t]; b[t] = n[t];"
                " __syncthreads(); y[t] = a[63 - t] + b[63 - t];"),
        on_gpus("`__constant__`, filled in the file or by the host",
                "__constant__ float c[2] = {1, 2}; __constant__ float h[3]; ==="
                "y[t] = x[t] * c[t & 1] + h[2];"),
        only("NRAM, WRAM, SRAM arrays carved and seen as several types", bang=
             "__nram__ char m[512]; ===float* a = (float*)m; half* h = (half*)(m + 256);"
             " __memcpy(a, x, 256, GDRAM2NRAM); __bang_float2half_rd(h, a, 64);"
             " __bang_half2float(a, h, 64); __memcpy(y, a, 256, NRAM2GDRAM);"),
        only("`malloc` and `free` of a constant size", vnni=
             "float* v = (float*)malloc(16); v[0] = x[t]; y[t] = v[0]; free(v);"),
        on_gpus("textures", "cudaTextureObject_t tex = 0; y[t] = tex1D<float>(tex, t);", "XP1010"),
    ),
    "C++": (
        everywhere("functions, overloads, default arguments, references",
                   "DEV float f(float a, int k = 2) { return a * k; }"
                   "DEV void g(float& a) { a += 1; } ===float v = f(x[t]); g(v); y[t] = v;"),
        everywhere("recursion that data ends", "DEV int f(int k) { return k < 1 ? 0 : f(k - 1); }"
                   "===y[t] = f(n[t]);", "XP1009"),
        everywhere("templates of functions and classes, specialisations, defaults",
                   "template <int N, class T = float> struct V { T v[N]; };"
                   "template <class T> DEV T twice(T a) { return a + a; }"
                   "template <> DEV int twice<int>(int a) { return a * 2; } ==="
                   "V<3> v; v.v[2] = twice(x[t]); y[t] = v.v[2] + twice(n[t]);"),
        on_gpus("`std::is_same`, `std::conditional` and other questions and choices",
                "template <class T> __device__ T twice(T v) { using A = std::conditional_t<"
                "std::is_same_v<T, float>, float, int>; A a = v; return a + a; } ==="
                "y[t] = twice(x[t]) + twice(n[t]);"),
        everywhere("partial specialisations", "template <class T, int N> struct A { int k; };"
                   "template <class T> struct A<T, 1> { float k; }; ==="
                   "A<int, 1> a; a.k = x[t]; A<int, 2> b; b.k = x[t] * 9; y[t] = a.k + b.k;"),
        everywhere("methods, constructors, operators, functors",
                   "struct C { float r; DEV C(float v) : r(v) {}"
                   " DEV C operator+(C o) const { return C(r + o.r); }"
                   " DEV float operator()(float v) const { return v * r; } };"
                   "===C a(x[t]); y[t] = (a + a)(2.f);"),
        everywhere("lambdas", "float k = x[t]; auto f = [&](float a) { k += 1; return a * k; };"
                   " y[t] = f(2.f);"),
        everywhere("`constexpr`, `if constexpr`, `auto`, range-based `for`, namespaces",
                   "namespace a { constexpr int n3 = 3; } ===constexpr int k = a::n3 + 1; "
                   "float v[k];"
                   " for (auto& e : v) e = x[t]; if constexpr (k > 3) y[t] = v[k - 1];"),
        everywhere("inheritance", "struct A { float v; DEV float twice() { return 2 * v; } };"
                   " struct B : A { int k; }; ==="
                   "B b; b.v = x[t]; b.k = 3; y[t] = b.twice() + b.k;"),
        everywhere("virtual functions", "struct A { float v; DEV virtual float f() { return v; } };"
                   "===A a; a.v = x[t]; y[t] = a.f();", "XP1009"),
        everywhere("function pointers", "DEV float f(float a) { return a; } ==="
                   "float (*p)(float) = f; y[t] = p(x[t]);", "XP1009"),
        everywhere("`new`, `delete`, exceptions", "float* p = new float[4]; p[0] = x[t];"
                   " y[t] = p[0]; delete[] p;", "XP1009"),
        everywhere("other inline assembly", 'asm volatile("nop"); y[t] = x[t];', "XP1008"),
    ),
    "Threads": (
        on_gpus("barriers, also in uniform loops and branches",
                "__shared__ float s[64]; for (int i = 0; i < 3; i++) { s[t] = x[t] + i;"
                " __syncthreads(); y[t] = s[63 - t]; __syncthreads(); }"),
        on_gpus("barriers under a condition that data decides alike for all",
                "__shared__ float s[64]; if (n[0] > 3) { s[t] = x[t]; __syncthreads();"
                " y[t] = s[63 - t]; } else y[t] = 0;", f"read: {UNIFORM}"),
        on_gpus("barriers that not all threads reach",
                "if (t < 32) __syncthreads(); y[t] = x[t];", "XP2001"),
        on_gpus("shuffles, votes, matches",
                   "float v = x[t]; unsigned m = __ballot_sync(~0u, v > 0);"
                " v += __shfl_xor_sync(~0u, v, 1); y[t] = v + __popc(m);"),
        on_gpus("shuffles where lanes have parted",
                "float v = x[t]; if (t % 2) v = __shfl_down_sync(~0u, v, 2); y[t] = v;", "XP2001"),
        on_gpus("atomics whose old value nobody reads",
                   "atomicAdd(y, x[t]); atomicMax((int*)y + 1, n[t]);"),
        on_gpus("atomics whose old value is used", "int k = atomicAdd((int*)y, 1); y[k + 1] = 1;",
                f"read: {ATOMICS}"),
        only("`wmma`, rocWMMA", cuda="using namespace nvcuda; ==="
             "wmma::fragment<wmma::accumulator, 16, 16, 16, float> c; wmma::fill_fragment(c, x[0]);"
             " __shared__ float s[256]; if (t < 32) wmma::store_matrix_sync(s, c, 16,"
             " wmma::mem_row_major); __syncthreads(); y[t] = s[t];",
             hip="rocwmma::fragment<rocwmma::accumulator, 16, 16, 16, float> c;"
             " rocwmma::fill_fragment(c, x[0]); __shared__ float s[256];"
             " rocwmma::store_matrix_sync(s, c, 16, rocwmma::mem_row_major); __syncthreads();"
             " y[t] = s[t];"),
        only("inline assembly of `mma`, `ldmatrix`, `cp.async`; `cuda_pipeline.h`", cuda=
             "__shared__ __align__(16) float s[256];"
             ' asm volatile("cp.async.ca.shared.global [%0], [%1], 4;"'
             ' :: "r"((unsigned)__cvta_generic_to_shared(&s[t])), "l"(&x[t]));'
             " __pipeline_commit(); __pipeline_wait_prior(0); y[t] = s[t];"),
        only("`mfma`, DPP and other builtins of AMD", hip=
             "y[t] = __builtin_amdgcn_ds_bpermute(4 * (t ^ 1), n[t]);"),
        on_gpus("cooperative groups: blocks and tiles", "namespace cg = cooperative_groups; ==="
                "auto block = cg::this_thread_block(); auto tile = cg::tiled_partition<32>(block);"
                " float v = x[t]; for (int d = 16; d; d /= 2) v += tile.shfl_down(v, d);"
                " block.sync(); y[t] = v + tile.thread_rank();"),
        on_gpus("cooperative groups: grids", "namespace cg = cooperative_groups; ==="
                "cg::this_grid().sync(); y[t] = x[t];", "XP1009"),
        on_gpus("kernels launched by kernels", "__global__ void c(float* y) { y[0] = 1; } ==="
                "c<<<1, 1>>>(y); y[t] = x[t];", "XP1009"),
        on_gpus("`printf` in a kernel", 'printf("%d", t); y[t] = x[t];', "XP1009"),
        only("tasks, unions, `__sync_cluster`, `__sync_all`", bang=
             "__mlu_shared__ float s[64]; ===y[t] = x[t] * taskId; __sync_cluster();"),
        only("OpenMP `parallel for`, `simd`, `reduction`", vnni=
             "float s = 0;\n#pragma omp parallel for reduction(+ : s)\n"
             "for (int i = 0; i < 64; i++) s += x[i]; y[t] = s;"),
        only("OpenMP tasks and sections", "XP1009", vnni=
             "\n#pragma omp parallel\n{\n#pragma omp sections\n{ y[t] = x[t]; }\n}"),
    ),
    "Libraries": (
        only("BANG's copies, vector, reduction, layout, pool and matrix functions", bang=
             "__nram__ float a[64], b[64]; ===__memcpy_async(a, x, 256, GDRAM2NRAM); __sync();"
             " __bang_active_relu(b, a, 64); __bang_add(b, b, a, 64);"
             " __memcpy(y, b, 256, NRAM2GDRAM);"),
        only("BANG's `tiling`, `pool_bp`, `unpool`", "XP1009", bang=
             "__nram__ float a[64]; ===__bang_unpool(a, a, 32, 1, 2, 1, 2, 1, 1, 0);"),
        only("`_mm*_` intrinsics of AVX-512 and VNNI, masks, gathers", vnni=
             "__m512 v = _mm512_loadu_ps(x); v = _mm512_fmadd_ps(v, v, v);"
             " _mm512_mask_storeu_ps(y, 0x7fff, v);"),
        everywhere("a function that is not known", "y[t] = frobnicate(x[t]);", "XP1010"),
    ),
}  # fmt: skip
