"""Classes, templates and what else C++ brings: flat programs against emulated sources."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import Kernel, ReadError, frontends
from xpiler_tvm.emulation import run_module, run_text
from xpiler_tvm.frontends.program import to_module

from .support import Given, flat_and_source, out, random

X = random(64)
N = random(64, seed=2, dtype="int32")

# Declarations in front of a kernel of x, n and y, and its body; thread t has an element.
CLASSES: dict[str, tuple[str, str]] = {
    "methods": (
        """struct Sum { float total; int count;
  __device__ void push(float v) { total += v; ++count; }
  __device__ float mean() const { return total / size(); }
  __device__ int size() const { return this->count; } };""",
        """Sum s; s.total = 0; s.count = 0;
for (int i = 0; i < 5; i++) s.push(x[(t + i) % 64]);
y[t] = s.mean() + s.size();""",
    ),
    "constructors": (
        """struct Line { float a, b; int k = 3;
  __device__ Line() : a(1.f), b(2.f) {}
  __device__ Line(float a_, float b_) : a(a_), b(b_) { k += 1; }
  __device__ float at(float v) const { return a * v + b * k; } };""",
        "Line one; Line two(x[t], 3.f); "
        "y[t] = one.at(2.f) + two.at(x[t]) + Line(1.f, 2.f).at(n[t]);",
    ),
    "arrays in a class, indexed by what data says": (
        """template <int K> struct Best { float v[K]; int at[K]; int used;
  __device__ Best() : used(0) { for (int i = 0; i < K; ++i) { v[i] = -9.f; at[i] = -1; } }
  __device__ void insert(float x, int i) {
    if (x <= v[K - 1]) return;
    int j = K - 1; ++used;
    while (j > 0 && v[j - 1] < x) { v[j] = v[j - 1]; at[j] = at[j - 1]; --j; }
    v[j] = x; at[j] = i; } };""",
        """Best<3> b; Best<2> two[2];
for (int i = 0; i < 9; i++) { b.insert(x[(t + i) % 64], i); two[n[i] & 1].insert(x[t] * i, i); }
y[t] = b.v[0] + 2 * b.v[2] + b.at[1] + b.used + two[0].v[n[t] & 1] + two[n[t] & 1].at[1];""",
    ),
    "partial specialisations": (
        """template <class T, int N> struct V {
  T v[N]; __device__ T last() const { return v[N - 1]; } };
template <class T> struct V<T, 1> { T only; __device__ T last() const { return only; } };
template <int N> struct V<float, N> {
  float w[N]; __device__ float last() const { return -w[N - 1]; } };
template <class T> struct Item { static constexpr int size = 1; using type = T; };
template <class T> struct Item<T*> { static constexpr int size = 2; using type = T; };
template <class T, int N> struct Item<V<T, N>> { static constexpr int size = N; using type = T; };
template <class P> __device__ float of(P p) {
  typename Item<P>::type a = *p; return a * Item<P>::size; }
template <class T> __device__ float width(T) { return Item<T>::size; }""",
        """V<int, 3> a; a.v[2] = n[t]; V<int, 1> b = {n[63 - t]}; V<float, 2> c; c.w[1] = x[t];
y[t] = a.last() + b.last() * 2 + c.last() + of(x + t) + width(a) + width(x[t]);""",
    ),
    "derived classes": (
        """struct Scale { float by; __device__ float scaled(float v) const { return v * by; } };
struct Shift { int k; __device__ Shift(int k_ = 4) : k(k_) {}
  __device__ int twice() { return 2 * k; } };
struct Both : Scale, Shift { double d;
  __device__ float of(float v) { k += 1; return scaled(v) + k; } };
struct Made : Shift { float f; __device__ Made(float f_) : Shift(7), f(f_) {}
  __device__ Made() : f(1.f) {} };
template <class D> struct Act { __device__ float operator()(float v) const {
  return static_cast<const D*>(this)->apply(v) + 1.f; } };
struct Square : Act<Square> { __device__ float apply(float v) const { return v * v; } };
struct Times : Act<Times> { float m; __device__ float apply(float v) const { return v * m; } };
template <class T> struct Holder { T item; __device__ T get() const { return item; } };
template <class T> struct Named : Holder<T> { int id;
  __device__ T both() { return this->get() + id; } };
struct Part { Shift inner; float v; };
struct At { int r, c; };
struct Deep : At { int d; __device__ int flat() const { return r * 8 + c + d; } };""",
        """Both b; b.by = x[t]; b.d = 2; Made m(x[t]), n0; Square s; Times q; q.m = 3.f;
Named<float> h; h.item = x[63 - t]; h.id = 2; Deep e; e.r = t / 8; e.c = t % 8; e.d = 1;
y[t] = b.of(2.f) + b.twice() + m.twice() * m.f + n0.k + s(x[t]) + q(x[t]) + h.both();
Part p; y[t] += x[e.flat() % 64] + p.inner.k;""",
    ),
    "integers kept as values": (
        """struct At { int row, col; __device__ int flat(int n) const { return row * n + col; }
  __device__ void next() { ++col; } };
struct Two { At a; int k; };
__device__ At at(int i) { At one; one.row = i / 8; one.col = i % 8; return one; }
__device__ void swap(At& a, At& b) { At c = a; a = b; b = c; }""",
        """At p = at(t), q = {1, 2}; p.col = 7 - p.col; Two w; w.a = p; w.k = 3; w.a.row ^= 1;
if (t < 32) q.row += 4; else q = at(63 - t);
At r = p; r.next(); swap(p, q); At s = at(n[t] & 63); s.col = s.col;
for (int i = 0; i < 3; ++i) { At u = at(i + t / 2); u.row = (u.row + i) % 8; y[t] = x[u.flat(8)]; }
int* place = &w.k; *place += 1;
y[t] += x[p.flat(8) % 64] + x[q.flat(8)] * w.k + x[w.a.flat(8)] + r.flat(8) + s.flat(9);""",
    ),
    "an aggregate": (
        """struct P { float m; int c; };
__device__ P make(float m, int c) { return {m, c}; }
__device__ P mixed(P a, const P& b) { if (a.c > b.c) return a; return P{b.m, a.c}; }""",
        "P p = make(x[t], n[t]); P q = {x[63 - t]}; p = mixed(p, q); q = {p.m, 2}; "
        "y[t] = p.m * p.c + q.c;",
    ),
    "operators": (
        """struct C { float r, i;
  __device__ C operator*(const C& o) const { return {r * o.r - i * o.i, r * o.i + i * o.r}; }
  __device__ C& operator+=(C o) { r += o.r; i += o.i; return *this; }
  __device__ float operator[](int k) const { return k ? i : r; } };
__device__ C operator+(C a, C b) { return C{a.r + b.r, a.i + b.i}; }
__device__ C operator-(C a) { return C{-a.r, -a.i}; }""",
        """C a{x[t], 2.f}, b{x[63 - t], -1.f}; C c = a * b + -a; c += a * a; (c += b) += a;
y[t] = c[0] + c[1];""",
    ),
    "a functor": (
        """struct Silu { __device__ float operator()(float v) const {
return v / (1.f + expf(-v)); } };
struct Scale { float by; __device__ float operator()(float v) const { return v * by; } };
template <class Op> __device__ float apply(float v, Op op) { return op(v); }
template <class Op> __device__ float twice(float v) { Op op; return op(Op()(v)); }""",
        "y[t] = apply(x[t], Silu()) + apply(x[t], Scale{2.f}) + twice<Silu>(x[t]);",
    ),
    "static members": (
        """struct Shape { static constexpr int M = 3; static const int K = 5; enum { Q = 7 };
  static __device__ int volume() { return M * K; } };
template <class S> __device__ int area() { return S::M * S::K + S::volume() + S::Q; }""",
        "y[t] = area<Shape>() + Shape::volume() + Shape::M + n[t];",
    ),
    "class templates": (
        """template <int N, class T> struct Tile { T v[N];
  __device__ T& at(int i) { return v[i]; }
  __device__ T sum() const { T s = T(0); for (int i = 0; i < N; i++) s += v[i]; return s; } };
template <class S> __device__ float use(float a) {
  Tile<S::M * 2, typename S::type> u;
  for (int i = 0; i < S::M * 2; i++) u.at(i) = a * i;
  return u.sum(); }
struct S { static constexpr int M = 2; using type = float; };
template <class T, int N> __device__ T first(const Tile<N, T>& tile) { return tile.v[0] + N; }""",
        """Tile<3, int> k; for (int i = 0; i < 3; i++) k.at(i) = n[(t + i) % 64]; k.at(1) += 4;
y[t] = use<S>(x[t]) + k.sum() + first(k);""",
    ),
    "specialisations": (
        """template <class T> struct Traits { static constexpr int W = 1; };
template <> struct Traits<int> { static constexpr int W = 2; };
template <class T> __device__ T ld(const T* p) { return *p; }
template <> __device__ int ld<int>(const int* p) { return 2 * *p; }
template <class T> __device__ float both(const T* p) { return ld(p) * Traits<T>::W; }""",
        "y[t] = both(x + t) + both(n + t) + Traits<int>::W + Traits<float>::W;",
    ),
    "overloads": (
        """__device__ float f(float v) { return v * 2; }
__device__ int f(int v) { return v * 3; }
__device__ float f(float a, float b) { return a - b; }
template <class T> __device__ float g(T v) { return f(v) + f(v, v + 1); }""",
        "y[t] = f(x[t]) + f(n[t]) + f(x[t], 1.f) + g(x[t]) + g(n[t]);",
    ),
    "defaults": (
        """__device__ float f(float a, float b = 2.f, int k = 1 + 2) { return a * b + k; }
template <class T> __device__ T g(T a, T b = T(4)) { return a + b; }""",
        "y[t] = f(x[t]) + f(x[t], 1.f) + f(x[t], 1.f, n[t]) + g(x[t]) + g(n[t], 2);",
    ),
    "references": (
        """__device__ void swap2(float& a, float& b) { float c = a; a = b; b = c; }
__device__ float& pick(float* v, int i) { return v[i]; }
__device__ void split(float v, int& whole, float& part) { whole = (int)v; part = v - whole; }""",
        """float v[4] = {x[t], 1.f, x[63 - t], 2.f}; swap2(v[0], v[3]); pick(v, 1) += 5.f;
int whole; float part; split(x[t] * 10, whole, part); auto& r = v[2]; r *= 2;
y[t] = v[0] - v[1] * v[2] + v[3] + whole + part;""",
    ),
    "lambdas": (
        "",
        """float k = x[t]; auto f = [&](float a) { k += a; return k * a; };
auto g = [=](int i) -> float { if (i > 1) return k; return -k; };
auto h = [] (auto a, auto b) { return a < b ? a : b; };
y[t] = f(2.f) + f(3.f) + g(1) + g(2) + h(x[t], x[63 - t]) + h(n[t], 2);""",
    ),
    "constexpr": (
        """constexpr int div_up(int a, int b) { return (a + b - 1) / b; }
template <int A, int B = 3> struct Up { static constexpr int value = (A + B - 1) / B; };
constexpr float table[4] = {1.f, 2.f, 4.f, 8.f};""",
        """constexpr int k = div_up(10, 4); float v[k]; for (int i = 0; i < k;
i++) v[i] = i * table[i];
if constexpr (k > 2) y[t] = v[k - 1] + x[t]; else y[t] = 0;
y[t] += Up<10, 3>::value;""",
    ),
    "null pointers": (
        """__device__ float f(const float* p, int i, const int* k = nullptr) {
  if (!p) return 1.f; if (k != nullptr) return p[i] * k[i]; return k ? 2.f : p[i]; }""",
        "y[t] = f(x, t) + f(nullptr, t) + f(x, t, n) + f(0, t) + (x == NULL) + (nullptr == x);",
    ),
    "choices between objects": (
        "struct P { float a; int k; float v[2]; };",
        """P p = {x[t], 1, {2.f, 3.f}}, q = {x[63 - t], 2, {4.f, x[t]}}; P r = n[t] > 0 ? p : q;
float4 b = n[t] > 5 ? make_float4(1, 2, 3, 4) : make_float4(x[t], x[t], 0, 0);
q = r; r.v[1] += 1; y[t] = r.a * r.k + r.v[1] - q.v[1] * q.v[0] + b.x * b.w;""",
    ),
    "templates' defaults": (
        """template <int N = 3, class T = float> struct V { T a[N];
static constexpr int n = N * 2; };
template <class T, int K = 2> __device__ T f(T v) { return v * K; }""",
        "V<> v; V<4> w; V<1, int> u; v.a[2] = x[t]; w.a[3] = 2; u.a[0] = n[t];"
        "y[t] = v.a[2] * w.a[3] + u.a[0] + f(x[t]) + f<int, 5>(n[t]) + V<>::n;",
    ),
    "template arguments in templates": (
        """template <class To, class From> __device__ To conv(From v) { return (To)v; }
template <int A, int B> __device__ int sum() { return A * 10 + B; }
template <template <class> class Op, class T> __device__ T fold(T a, T b) { return Op<T>()(a, b); }
template <class T> struct Max { __device__ T operator()(T a, T b) { return a < b ? b : a; } };
template <class T> struct Sum { __device__ T operator()(T a, T b) { return a + b; } };
template <class T, int N> __device__ float all(T v) {
  constexpr int half = N / 2; float r = conv<int, T>(v) + conv<float, int>((int)v) * half;
  return r + sum<N / 2, half + 1>() + fold<Max, T>(v, T(1)) + fold<Sum>(v, v); }""",
        "y[t] = all<float, 8>(x[t] * 9) + all<int, 2>(n[t]) + fold<Max>(x[t], 0.f);",
    ),
    "declared in branches": (
        "__device__ float g(float v) { float s = v; for (int i = 0; i < 3; i++) s += v; "
        "return s; }",
        """float v = g(x[t]); if (n[t] > 0) { v = g(v); int k = n[t]; v += k; } else v += g(1.f);
if (t < 20) v = g(v); y[t] = v;""",
    ),
    "range loops": (
        "",
        "float v[5] = {1.f, x[t], 3.f}; float s = 0; for (float& e : v) e += 1; "
        "for (float e : v) s += e; y[t] = s;",
    ),
    "volatile": ("", "volatile float v = x[t]; v += 1.f; volatile int k = n[t]; y[t] = v + k;"),
    "namespaces": (
        """namespace a { namespace b { __device__ float f(float v) { return v + 1; } struct S {
int k; }; }
__device__ float f(float v) { return v * 2; } constexpr int K = 4; }
using a::b::S;""",
        "S s{3}; y[t] = a::f(x[t]) + a::b::f(x[t]) + s.k + a::K;",
    ),
    "a class in a class": (
        "struct In { float a; float b; }; struct Out { In left; In right; float c; };",
        """Out o; o.left.a = x[t]; o.left.b = 1; o.right = o.left; o.c = 2; Out p = o;
p.right.a += 1;
y[t] = p.right.a * p.left.b + p.c;""",
    ),
    "static arrays in device functions": (
        """template <class T> __device__ T pass(T v, int t) { static __shared__ T s[64]; s[t] = v;
__syncthreads(); T r = s[63 - t]; __syncthreads(); return r; }""",
        "y[t] = pass(x[t], t) + pass(n[t], t) + pass(x[t] * 2, t);",
    ),
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name: str) -> None:
    declarations, body = CLASSES[name]
    text = f"""{declarations}
__global__ void k(const float* x, const int* n, float* y) {{ int t = threadIdx.x;
{body} }}"""
    given: tuple[Given, ...] = (("x", X), ("n", N), out("y", 64))
    flat, source = flat_and_source(text, *given, block=(64,))
    np.testing.assert_allclose(flat, source, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("struct A { int k; }; __global__ void k(float* y) { A a; y[0] = a.nothing(); }", "XP1002"),
        ("__device__ float f(float v); __global__ void k(float* y) { y[0] = f(1.f); }", "XP1010"),
        (
            "__device__ int f(int n) { return n < 2 ? n : f(n - 1); }"
            "__global__ void k(float* y) { y[0] = f((int)y[0]); }",
            "XP1009",
        ),
    ],
)
def test_refusals(text: str, code: str) -> None:
    with pytest.raises(ReadError) as refusal:
        flat_and_source(text, out("y", 1))
    assert refusal.value.code == code


SHAPE = """struct Shape {{ int n, step; __host__ __device__ int last() const {{ return n - 1; }} }};
__device__ int twice(const Shape& s) {{ return 2 * s.step; }}
__device__ int copied(Shape s) {{ s.n += 1; return s.n; }}
__global__ void k(const float* x, float* y, Shape p) {{
  int t = threadIdx.x;
  {}
}}
int main() {{
  float *x, *y; cudaMalloc(&x, 256); cudaMalloc(&y, 256);
  Shape p{{64, 3}}; k<<<1, 64>>>(x, y, p);
}}
"""


@pytest.mark.parametrize(
    ("body", "in_memory"),
    [
        ("if (t < p.n) y[t] = x[t * p.step % p.n];", False),
        ("y[t] = x[t] * copied(p) + p.n;", False),
        ("Shape q = p; q.step += t; y[t] = x[t] * q.step + p.step;", False),
        ("p.step += t; y[t] = x[t] * p.step;", False),
        ("if (x[t] > 0) p.step += t; y[t] = x[t] * p.step;", True),
        ("for (int i = 0; i < 99; ++i) p.step += p.step % 3; y[t] = x[t] * p.step;", True),
        ("y[t] = x[t] * twice(p);", False),
        ("y[t] = x[p.last() - t];", False),
        ("y[t] = x[p.last() - t]; p.step = 2;", False),
        ("int* s = &p.step; *s = 5; y[t] = x[t] * p.step;", True),
    ],
)
def test_a_parameter_of_a_class_is_its_fields_while_nobody_asks_for_its_place(
    body: str, in_memory: bool
) -> None:
    known = frontends.resolve(Kernel.from_source(SHAPE.format(body), "cuda"))
    reading = frontends.read(known)
    program = to_module(reading.program)
    assert ("p = T.alloc" in program.script()) == in_memory
    flat = run_module(program, [X, np.zeros(64, np.float32)]).arrays[-1]
    text = frontends.device_text(reading.kernel)
    source = run_text(reading.kernel, {"x": X}, text=text).arrays["y"]
    np.testing.assert_array_equal(flat, source)


# Declarations, the body of a template over T = float, and what it may say of T.
TRAITS = {
    "same": "if constexpr (std::is_same<T, float>::value) y[t] = x[t]; else y[t] = 1;",
    "same, as a variable": "if constexpr (std::is_same_v<T, int>) y[t] = 1; else y[t] = x[t];",
    "several": "if (std::is_integral_v<T> || !std::is_floating_point<T>::value) y[t] = 3; "
    "else y[t] = x[t];",
    "a size": "constexpr int N = std::is_same_v<T, float> ? 4 : 2; y[t] = x[(t * N) % 64];",
    "a choice": "using A = typename std::conditional<sizeof(T) == 4, int, double>::type; "
    "A a = x[t] * 9; y[t] = a * 2;",
    "a choice by a question": "using A = std::conditional_t<std::is_same_v<T, half> && true, "
    "double, int>; A a = x[t] * 9; y[t] = a / 2;",
    "an alias": "typedef typename Accumulator<T>::type A; A a = x[t] * 9; y[t] = a;",
    "a plain type": "std::remove_reference_t<const T&> a = x[t]; y[t] = a + 1;",
}


@pytest.mark.parametrize("name", TRAITS)
def test_what_templates_ask_of_types(name: str) -> None:
    text = f"""template <class T> struct Accumulator {{ using type = T; }};
template <> struct Accumulator<float> {{ using type = int; }};
template <class T> __device__ void body(const T* x, float* y) {{
  int t = threadIdx.x; {TRAITS[name]} }}
__global__ void k(const float* x, float* y) {{ body<float>(x, y); }}"""
    flat, source = flat_and_source(text, ("x", X), out("y", 64), block=(64,))
    np.testing.assert_array_equal(flat, source)


ARGUMENTS = """struct Extent {{ int rows, cols; }};
template <class T, int R> struct View {{
  T* data; int shape[R]; int stride[R];
  __host__ __device__ int size() const {{ return shape[0] * shape[1]; }}
  __device__ T& operator()(int a, int b) const {{
    const int at[R] = {{a, b}}; int o = 0;
    for (int d = 0; d < R; ++d) o += at[d] * stride[d];
    return data[o];
  }}
  __device__ View row(int a) const {{ return {{data + a * stride[0], {{1, shape[1]}}, {{0, 1}}}}; }}
}};
struct Params {{ const float* in; float* out; float scale; Extent extent; int order[2]; }};
__device__ float first(const Params& p) {{ return p.in[p.order[0]]; }}
__device__ float second(Params p) {{ p.scale += 1; return p.in[p.order[1]] * p.scale; }}
__global__ void k(const Params p, View<const float, 2> v) {{
  int t = threadIdx.x;
  {}
}}
int main() {{
  Params p; float* x; float* more;
  cudaMalloc(&x, 256); cudaMalloc((void**)&p.in, 256); cudaMalloc(&p.out, 256);
  p.scale = 1.5f; p.extent = {{8, 8}}; p.order[0] = 3;
  p.order[1] = p.order[0] * 2;
  View<const float, 2> v{{x, {{8, 8}}, {{8, 1}}}};
  k<<<1, 64>>>(p, v);
}}
"""


@pytest.mark.parametrize(
    "body",
    [
        "p.out[t] = p.in[t] * p.scale + p.extent.cols;",
        "if (t < p.extent.rows * p.extent.cols) p.out[t] = p.in[63 - t] + p.order[1];",
        "p.out[t] = v(t / p.extent.cols, t % p.extent.cols) * p.scale;",
        "p.out[t] = v(t % 8, t / 8) + first(p) + second(p);",
        "p.out[t] = v.row(t / 8)(0, t % 8) + v.size();",
        "View<const float, 2> w = v; w.data += 8; p.out[t] = w.data[t % 56] + v.data[t];",
        "Params q = p; q.in = t < 32 ? p.in : p.in + 8; p.out[t] = q.in[t % 32] * q.order[t % 2];",
        "int o[2]; o[0] = p.order[1]; o[1] = 5; p.out[t] = p.in[o[t & 1]] + p.order[t & 1];",
        "View<const float, 2> two[2] = {v, v.row(3)}; p.out[t] = two[0](1, t % 8) + two[1](0, 2);",
    ],
)
def test_parameters_with_pointers_and_arrays(body: str) -> None:
    known = frontends.resolve(Kernel.from_source(ARGUMENTS.format(body), "cuda"))
    assert [t.name for t in known.tensors] == ["p_in", "p_out", "v_data"]
    reading = frontends.read(known)
    inputs = [X, np.zeros(64, np.float32), random(64, seed=5)]
    flat = run_module(to_module(reading.program), inputs).arrays[1]
    text = frontends.device_text(reading.kernel)
    given = dict(zip(("p_in", "p_out", "v_data"), inputs, strict=True))
    source = run_text(reading.kernel, given, text=text).arrays["p_out"]
    np.testing.assert_array_equal(flat, source)


def test_an_array_of_pointers_as_a_parameter_is_refused() -> None:
    text = """struct P { const float* in[2]; float* out; };
__global__ void k(P p) { p.out[threadIdx.x] = p.in[threadIdx.x % 2][0]; }
int main() { P p; cudaMalloc(&p.out, 256); cudaMalloc((void**)&p.in[0], 256); k<<<1, 64>>>(p); }"""
    with pytest.raises(ReadError) as refusal:
        frontends.read(frontends.resolve(Kernel.from_source(text, "cuda")))
    assert refusal.value.code == "XP1009"


def test_an_instance_by_an_enumerator() -> None:
    text = """enum class Kind { twice, square };
enum Sign { PLUS = 1, MINUS = 5 };
template <Kind K, Sign S> __global__ void k(const float* x, float* y) {
  int t = threadIdx.x; float v = x[t];
  if constexpr (K == Kind::square) v = v * v; else v = 2 * v;
  y[t] = S == MINUS ? -v : v;
}
template <Kind K> void launch(const float* x, float* y) { k<K, MINUS><<<1, 64>>>(x, y); }
int main() { float *x, *y; cudaMalloc(&x, 256); cudaMalloc(&y, 256); launch<Kind::square>(x, y); }
"""
    known = frontends.resolve(Kernel.from_source(text, "cuda"))
    assert known.entry == "k<Kind::square, MINUS>"
    reading = frontends.read(known)
    flat = run_module(to_module(reading.program), [X, np.zeros(64, np.float32)]).arrays[1]
    source = run_text(reading.kernel, {"x": X}, text=frontends.device_text(reading.kernel))
    np.testing.assert_array_equal(flat, source.arrays["y"])
    np.testing.assert_array_equal(flat, -X * X)


def test_a_class_template_by_value_from_a_host_template() -> None:
    text = """template <class T, int N> struct Args { const T* x; T* y; T bias[N]; int rows; };
template <class T, int N> __global__ void k(Args<T, N> a) {
  int t = threadIdx.x; if (t < a.rows) a.y[t] = a.x[t] + a.bias[N - 1]; }
template <class T, int N> void launch(Args<T, N> a) { a.rows -= 4; k<T, N><<<1, 64>>>(a); }
int main() {
  Args<float, 2> a{}; a.rows = 64; a.bias[1] = 0.5f;
  cudaMalloc((void**)&a.x, 256); cudaMalloc((void**)&a.y, 256); launch(a);
}
"""
    known = frontends.resolve(Kernel.from_source(text, "cuda"))
    values = {one.name: one.value for one in known.scalars}
    assert values == {"a_bias_0": 0, "a_bias_1": 0.5, "a_rows": 60}
    assert [(one.name, one.shape) for one in known.tensors] == [("a_x", (64,)), ("a_y", (64,))]


def test_a_derived_class_as_a_parameter() -> None:
    text = """struct Base { const float* x; float scale;
  __device__ float at(int i) const { return x[i] * scale; } };
struct Affine : Base { float* y; float shift;
  __device__ void put(int i) const { y[i] = at(i) + shift; } };
__global__ void k(Affine a) { a.put(threadIdx.x); }
int main() { Affine a; a.scale = 2.f; a.shift = -1.f;
  cudaMalloc((void**)&a.x, 256); cudaMalloc(&a.y, 256); k<<<1, 64>>>(a); }"""
    known = frontends.resolve(Kernel.from_source(text, "cuda"))
    assert [(one.name, one.at) for one in known.tensors] == [("a_x", 0), ("a_y", 16)]
    assert {one.name: one.value for one in known.scalars} == {"a_scale": 2.0, "a_shift": -1.0}
    reading = frontends.read(known)
    flat = run_module(to_module(reading.program), [X, np.zeros(64, np.float32)]).arrays[1]
    source = run_text(reading.kernel, {"a_x": X}, text=frontends.device_text(reading.kernel))
    np.testing.assert_array_equal(flat, source.arrays["a_y"])
