"""The kernel IR of small files, as compact text."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from xpiler_tvm.errors import Span
from xpiler_tvm.frontends import c_reader, ir


def show(node: Any) -> str:
    """A node as text: types as in C, expressions with every parenthesis, `?` where unreadable."""
    match node:
        case None:
            return ""
        case ir.Arithmetic():
            return node.dtype
        case ir.Pointer():
            return f"{show(node.to)}*"
        case ir.Reference():
            return f"{show(node.to)}&"
        case ir.ArrayType():
            extents = ""
            while isinstance(node, ir.ArrayType):  # outermost first, as in C
                extents += f"[{show(node.extent)}]"
                node = node.of
            return show(node) + extents
        case ir.Struct():
            return node.name
        case ir.Named() | ir.Name():
            return node.name
        case ir.Literal():
            return f"{node.value}" if node.dtype == "int32" else f"{node.value}:{node.dtype}"
        case ir.Unary():
            return f"({node.op} {show(node.value)})"
        case ir.Binary():
            return f"({show(node.left)} {node.op} {show(node.right)})"
        case ir.Assign():
            return f"{show(node.target)} {node.op}= {show(node.value)}"
        case ir.Conditional():
            return f"({show(node.test)} ? {show(node.then)} : {show(node.other)})"
        case ir.Subscript():
            return f"{show(node.base)}[{show(node.index)}]"
        case ir.Member():
            return f"{show(node.base)}.{node.field}"
        case ir.Cast():
            return f"<{show(node.to)}>{show(node.value)}"
        case ir.Call():
            given = f"<{commas(node.template_args)}>" if node.template_args else ""
            return f"{show(node.callee)}{given}({commas(node.args)})"
        case ir.Construct():
            return f"{show(node.to)}{{{commas(node.args)}}}"
        case ir.InitList():
            return f"{{{commas(node.items)}}}"
        case ir.Lambda():
            return f"lambda({commas(node.params)}) {show(node.body)}"
        case ir.LaunchExpr():
            return f"launch<{commas(node.config)}> {show(node.call)}"
        case ir.Unreadable():
            return f"?{node.code}"
        case ir.Variable():
            space = " ".join(filter(None, ("extern" if node.extern else "", node.space)))
            init = "" if node.init is None else f" = {show(node.init)}"
            return f"{space} {show(node.type)} {node.name}{init}".strip()
        case ir.Declare():
            return f"{commas(node.variables)};"
        case ir.Evaluate():
            return f"{show(node.value)};"
        case ir.Block():
            return "{" + " ".join(map(show, node.body)) + "}"
        case ir.If():
            other = f" else {show(node.other)}" if node.other else ""
            return f"if {show(node.test)} {show(node.then)}{other}"
        case ir.Loop():
            head = f"{show(node.init)}|{show(node.test)}|{show(node.step)}"
            return f"{'for' if node.test_first else 'do'}({head}) {show(node.body)}"
        case ir.Switch():
            cases = "; ".join(
                f"{','.join(show(label) or 'default' for label in labels)}: "
                + " ".join(map(show, body))
                for labels, body in node.cases
            )
            return f"switch {show(node.value)} [{cases}]"
        case ir.Return():
            return f"return {show(node.value)};"
        case ir.Break():
            return "break;"
        case ir.Continue():
            return "continue;"
        case ir.Function():
            names = [name for name, _ in node.template_params]
            template = f"<{', '.join(names)}>" if names else ""
            body = f" {show(node.body)}" if node.body else ""
            head = f"{node.kind} {show(node.result)} {node.name}{template}"
            return f"{head}({commas(node.params)}){body}"
    raise TypeError(type(node).__name__)


def commas(nodes: tuple[Any, ...]) -> str:
    return ", ".join(map(show, nodes))


def read(text: str) -> ir.Unit:
    return c_reader.read_unit(text, "cuda", "kernel.cu")


def body(text: str) -> str:
    """The body of a function with some parameters, without its braces."""
    head = "struct Pair { float a; int b; };\n__device__ float g(float v, int n);\n"
    unit = read(f"{head}__device__ void f(float* x, int* p, int n, Pair* q, Pair r) {{ {text} }}")
    found = unit.named("f")
    assert found is not None
    return show(found.body)[1:-1]


BODIES = [
    ("x[n + 1] = -2.5f * n;", "x[(n + 1)] = ((- 2.5:float32) * n);"),
    ("x[0] += (float)n / 3u;", "x[0] += (<float32>n / 3:uint32);"),
    ("*p++ = ~n ? !n : n--;", "(* (post++ p)) = ((~ n) ? (! n) : (post-- n));"),
    ("q->a = r.a; (*q).b = r.b;", "(* q).a = r.a; (* q).b = r.b;"),
    ("float v[2][3] = {{1, 2}, {x[0]}};", "float32[2][3] v = {{1, 2}, {x[0]}};"),
    ("const int m = 4, k = m * 2; int e;", "int32 m = 4, int32 k = (m * 2); int32 e;"),
    ("auto& first = x[0]; first = 1;", "float32& first = x[0]; first = 1;"),
    ("n = (n, 3) + sizeof(float);", "n = ((n , 3) + 4:uint64);"),
    ("float4 v = make_float4(1, 2, 3, 4); v.x = v.w;",
     "float4 v = make_float4(1, 2, 3, 4); v.x = v.w;"),
    ("float4 v = ((float4*)x)[n]; x[0] = v.y;", "float4 v = float4{<float4*>x[n]}; x[0] = v.y;"),
    ("dim3 d(4, n);", "dim3 d = dim3{4, n, 1:uint32};"),
    ("int c = 'a' + true + 0x10;", "int32 c = ((97:int8 + 1:bool) + 16);"),
    ("long long w = 1ll << 40; size_t s = n;", "int64 w = (1:int64 << 40); uint64 s = n;"),
    ("unsigned char b = n; __half h = __float2half(1.0f);",
     "uint8 b = n; float16 h = __float2half(1.0:float32);"),
    ("x[0] = static_cast<double>(n) + float(n) + int{3};",
     "x[0] = ((<float64>n + <float32>n) + <int32>{3});"),
    # control
    ("if (n) x[0] = 1; else if (n > 1) { } else x[1] = 2;",
     "if n x[0] = 1; else if (n > 1) {} else x[1] = 2;"),
    ("if (int e = n + 1; e > 2) x[0] = e;", "{int32 e = (n + 1); if (e > 2) x[0] = e;}"),
    ("for (int i = 0, j = 9; i < j; i++, j -= 2) continue;",
     "for(int32 i = 0, int32 j = 9;|(i < j)|((post++ i) , j -= 2)) continue;"),
    ("for (;;) break;", "for(||) break;"),
    ("while (n > 0) n >>= 1;", "for(|(n > 0)|) n >>= 1;"),
    ("do { n--; } while (n);", "do(|n|) {(post-- n);}"),
    ("\n#pragma unroll\nfor (; n < 4; ++n) ;\n", "for(|(n < 4)|(pre++ n)) {}"),
    ("switch (n) { case 0: x[0] = 1; break; case 1: case 2: { n = 1; } default: return; }",
     "switch n [0: x[0] = 1; break;; 1,2: {n = 1;}; default: return ;]"),
    # functions of the language and of the dialect
    ("auto f2 = [&](float v, int k) { return v * k; }; x[0] = f2(x[1], 3);",
     "auto f2 = lambda(float32 v, int32 k) {return (v * k);}; x[0] = f2(x[1], 3);"),
    ("x[0] = g(x[1], n) + __shfl_xor_sync(0xffffffff, x[2], 1);",
     "x[0] = (g(x[1], n) + __shfl_xor_sync<float32>(4294967295:uint32, x[2], 1, 0));"),
    ("x[threadIdx.x + blockIdx.y * blockDim.z] = n;",
     "x[(threadIdx.x + (blockIdx.y * blockDim.z))] = n;"),
    ("__shared__ float s[4]; __syncthreads(); s[0] = 1;",
     "shared float32[4] s; __syncthreads(); s[0] = 1;"),
    ("extern __shared__ float d[]; d[0] = 1;", "extern shared float32[] d; d[0] = 1;"),
    # what has no reading is kept, and is an error only if the program gets there
    ("if (0) { asm(\"exit;\"); } goto end; end: n = 1;", "if 0 {?XP1008} ?XP1009 ?XP1009"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), BODIES)
def test_bodies(text: str, wanted: str) -> None:
    assert body(text) == wanted


FILES = {
    "kernels and their kinds": (
        """template <typename T, int N> __global__ void k(const T* __restrict__ x, T (&y)[N]) { }
        __device__ __forceinline__ float g(float v) { return v; }
        __host__ __device__ int both(int n);
        int host() { return 1; }""",
        [
            "kernel void k<T, N>(T* x, T[N]& y) {}",
            "device float32 g(float32 v) {return v;}",
            "both int32 both(int32 n)",
            "host int32 host() {return 1;}",
        ],
    ),
    "template arguments": (
        """template <int N, typename T> __device__ T times(T v) { return v * N; }
        template <typename T> __device__ T twice(T v) { return times<2>(v); }
        __device__ float f(float v) { return times<3>(v) + twice<double>(v); }""",
        [
            "device T times<N, T>(T v) {return (v * N);}",
            "device T twice<T>(T v) {return times<2>(v);}",
            "device float32 f(float32 v) {return (times<3, float32>(v) + twice<float64>(v));}",
        ],
    ),
    "launches": (
        """template <int N> __global__ void k(float* x, int n) { }
        void run(float* x, int n) {
            dim3 grid(n, 2);
            k<4><<<grid, 128>>>(x, n);
            k<8><<<(n + 3) / 4, dim3(8, 8), 64 * sizeof(float)>>>(x, n);
        }""",
        [
            "kernel void k<N>(float32* x, int32 n) {}",
            "host void run(float32* x, int32 n) {dim3 grid = dim3{n, 2, 1:uint32}; "
            "launch<dim3{grid}, dim3{128, 1:uint32, 1:uint32}, 0:uint64, void*{}> k<4>(x, n); "
            "launch<dim3{((n + 3) / 4), 1:uint32, 1:uint32}, dim3{8, 8, 1:uint32}, "
            "(64 * 4:uint64), void*{}> k<8>(x, n);}",
        ],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files(name: str) -> None:
    text, wanted = FILES[name]
    assert [show(function) for function in read(text).functions.values()] == wanted


def test_variables_of_the_file() -> None:
    unit = read("""#define N 3
    __constant__ float table[N][2];
    __device__ int counter = 1;
    constexpr int size = N * 2;
    const float half_ = 0.5f;
    namespace inner { __constant__ int k[size]; }""")
    assert [show(variable) for variable in unit.variables.values()] == [
        "constant float32[3][2] table",
        "device int32 counter = 1",
        "int32 size = (3 * 2)",
        "float32 half_ = 0.5:float32",
        "constant int32[size] k",
    ]


def test_a_prototype_and_its_function_are_one() -> None:
    unit = read("__device__ int f(int);\n__device__ int g() { return f(1); }\n"
                "__device__ int f(int n) { return n; }")  # fmt: skip
    assert [show(function) for function in unit.functions.values()] == [
        "device int32 f(int32 n) {return n;}",
        "device int32 g() {return f(1);}",
    ]
    found = unit.named("g")
    assert found is not None and found.body is not None
    call = found.body.body[0].value.callee  # type: ignore[union-attr]
    assert unit.functions[call.ident].name == "f"


def test_kernels_are_those_with_a_body() -> None:
    unit = read("__global__ void b();\n__global__ void c() { }\n__global__ void a() { }")
    assert [kernel.name for kernel in unit.kernels] == ["c", "a"]
    assert unit.named("b") is not None and unit.named("z") is None


def spans(node: Any) -> list[tuple[Any, Span]]:
    """Every node with its span."""
    if isinstance(node, tuple):
        return [pair for part in node for pair in spans(part)]
    if not is_dataclass(node) or isinstance(node, Span):
        return []
    own = [(node, node.span)] if hasattr(node, "span") else []
    return own + [pair for part in fields(node) for pair in spans(getattr(node, part.name))]


def test_spans_are_those_of_the_text() -> None:
    text = """#define PLUS(v) ((v) + 1)
__global__ void k(float* x, int n) {
\tint i = threadIdx.x;
    if (i < n)
        x[i] = PLUS(x[i]) * sqrtf(2.0f);
}"""
    lines = text.split("\n")
    function = read(text).named("k")
    assert function is not None
    found = spans(function.body)
    assert len(found) > 15
    for _, span in found:
        assert span.text == lines[span.line - 1]
        assert 1 <= span.column <= len(span.text)
        assert span.column - 1 + span.length <= len(span.text)
    (call,) = [s for node, s in found if isinstance(node, ir.Call)]
    assert lines[call.line - 1][call.column - 1 :][: call.length] == "sqrtf(2.0f)"
    (test,) = [s for node, s in found if isinstance(node, ir.Binary) and node.op == "<"]
    assert lines[test.line - 1][test.column - 1 :][: test.length] == "i < n"
