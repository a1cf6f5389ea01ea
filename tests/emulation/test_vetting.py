"""What is refused before anything runs, each with its code and its place; and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.emulation import compiler, vetting
from xpiler_tvm.emulation.lexing import directive, tokens
from xpiler_tvm.emulation.reaching import device_code
from xpiler_tvm.errors import ReadError, SetupError, XpilerError
from xpiler_tvm.isolation import forked
from xpiler_tvm.kernel import Dialect

from .support import execute, first, out, random

KERNEL = "__global__ void k(float* y) {{ {} }}"


def refused(source: str, dialect: Dialect = "cuda") -> XpilerError:
    with pytest.raises(XpilerError) as caught:
        execute(source, out("y", 1), block=(1,), dialect=dialect)
    return caught.value


@pytest.mark.parametrize(
    ("statement", "code", "column"),
    [
        ('asm volatile("nop");', "XP1008", 31),
        ('__asm__("nop");', "XP1008", 31),
        ('register int r asm("eax"); y[0] = r;', "XP1008", 46),
        ('y[0] = 1; { asm("nop"); }', "XP1008", 43),
        ("try { y[0] = 1; } catch (...) {}", "XP1016", 31),
        ("throw 1;", "XP1016", 31),
        ("void* p = &&there; there: goto *p;", "XP1016", 41),
        ("((void (*)())0x1000)();", "XP1016", 32),
        ("typedef int F(const char*); F* f = (F*)(long)y[0]; f(0);", "XP1016", 66),
        ("union { long n; void (*f)(); } u; u.n = 1; u.f();", "XP1016", 31),
        ("y[0] = __builtin_frame_address(0) != 0;", "XP1016", 38),
        ("__builtin_longjmp((void**)y, 1);", "XP1016", 31),
        ("int __attribute__((cleanup(f))) n = 0;", "XP1016", 50),
        ("xp_fail(0, 0, 0);", "XP1016", 31),
        ("extern int environ_; y[0] = environ_;", "XP1016", 31),
        ("y[0] = system(0);", "XP1010", 38),
        ("y[0] = 1 +;", "XP1002", 41),
        ('y[0] = *R"(a)";', "XP1016", 39),
        ("int f(int); y[0] = f(1);", "XP1010", 50),
    ],
)
def test_a_statement_that_no_kernel_needs(statement: str, code: str, column: int) -> None:
    error = refused(KERNEL.format(statement))
    assert error.code == code, error
    assert error.span is not None
    assert (error.span.line, error.span.column) == (1, column), error


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('asm("nop");', "XP1008"),
        ('int f() asm("system");', "XP1008"),
        ("__attribute__((constructor)) void f() {}", "XP1016"),
        ("__attribute__((destructor)) void f() {}", "XP1016"),
        ("__attribute__((section(\".init_array\"))) void* p = 0;", "XP1016"),
        ("void g() {} __attribute__((alias(\"g\"))) void f();", "XP1016"),
        ("[[gnu::constructor]] void f() {}", "XP1016"),
        ("int g() { return 1; } int n = g();", "XP1016"),
        ("struct S { S() { n = 1; } int n; }; S s;", "XP1016"),
        ('extern "C" int system(const char*); int n = system("true");', "XP1016"),
        ("#include \"/etc/passwd\"", "XP1016"),
        ("#include \"helper.h\"", "XP1016"),
        ("#define FILE_ \"/etc/passwd\"\n#include FILE_", "XP1016"),
        ("#inclu\\\nde \"/etc/passwd\"", "XP1016"),
        ("/*\n*/ #include \"/etc/passwd\"", "XP1016"),
        ("%:include \"/etc/passwd\"", "XP1016"),
        ("int a = 1'0; char c = '/*';\n#include \"/etc/passwd\"\n/* ' */", "XP1016"),
        ("#define A 1'0 '/*'\n#include \"/etc/passwd\"\n/* '*/", "XP1016"),
        ("??=include \"/etc/passwd\"", "XP1016"),
        ("' /*\n#include \"/etc/passwd\"\n*/", "XP1002"),
        ("#include <../../../etc/passwd>", "XP1016"),
        ("#if __has_include(\"/etc/passwd\")\n#endif", "XP1016"),
        ("#line 1 \"other\"", "XP1016"),
        ("# 1 \"other\"", "XP1016"),
        ("#embed \"/etc/passwd\"", "XP1016"),
        ("#pragma GCC optimize(\"O0\")", "XP1016"),
        ("#pragma redefine_extname f system", "XP1016"),
        ("_Pragma(\"weak f = system\")", "XP1016"),
        ("#define xp_fail(...) 0", "XP1016"),
        ("#define return for (;;)", "XP1016"),
        ("} } void f() {} namespace xp { namespace {", "XP1002"),
        ("namespace xp { }", "XP1016"),
        ("int XpReport;", "XP1016"),
        ("int\0n;", "XP1001"),
    ],
)  # fmt: skip
def test_a_declaration_that_no_kernel_needs(text: str, code: str) -> None:
    name = "k"
    body = f"{text}\n__global__ void {name}(float* y) {{ y[0] = n_(); }}"
    # What the kernel cannot reach is not compiled, so all of it is reached here.
    words = [token.text for token in tokens(text) if token.kind == "name"]
    body = body.replace("n_()", "0") + f"\n// {words}"
    with pytest.raises(ReadError) as caught:
        vet_all(body)
    assert caught.value.code == code, caught.value


def vet_all(text: str) -> None:
    """Vets a text as it is, unreachable declarations included."""
    from xpiler_tvm.emulation.source import translation_unit
    from xpiler_tvm.kernel import Kernel

    kernel = Kernel(text, "cuda", "k", filename="kernel.cu")
    unit = translation_unit(text, text, "cuda", "k")
    vetting.vet(kernel, text, unit, ())
    compiler.library(
        unit,
        objects=(compiler.native_object("runtime.cc"),),
        inspect=lambda path: vetting.inspect(kernel, path, (), ()),
    )


def test_assembly_made_by_pasting_is_seen_where_it_is_used() -> None:
    error = refused(f"#define A(x) a##x\n{KERNEL.format('A(sm)(0);')}")
    assert error.code == "XP1008"
    assert error.span is not None
    assert error.span.line == 2


def test_macros_differ_between_compilers_and_the_one_that_compiles_counts() -> None:
    branch = '#ifdef __clang__\n#define S 0\n#else\n#define S asm("nop")\n#endif\n'
    other = branch.replace("__clang__", "__GNUC__X")
    chosen = branch if compiler.family() == "gcc" else other
    assert refused(chosen + KERNEL.format("S;")).code == "XP1008"


def test_a_branch_that_is_not_compiled_may_hold_anything() -> None:
    source = f'#if 0\nasm("nop");\n#endif\n{KERNEL.format("y[0] = 1;")}'
    assert first(execute(source, out("y", 1), block=(1,)))[0] == 1


@pytest.mark.parametrize("entry", ["k, 0) + (1", 'k); system("true"', "k<(f())>", ""])
def test_an_entry_is_a_name(entry: str) -> None:
    with pytest.raises(ReadError) as caught:
        execute(KERNEL.format(""), out("y", 1), entry=entry)
    assert caught.value.code == "XP1003"


GOOD = """
#include <cuda_runtime.h>
#include <stdint.h>
#define SQUARE(x) ((x) * (x))
#define CALL(f, x) f##_of(x)
namespace inner {
constexpr int two = 2;
struct Pair { float a, b; __device__ float sum() const { return a + b; } };
}
template <typename T, int N = 4>
struct Op { __device__ T operator()(T x) const { return x * T(N); } };
template <> struct Op<float, 3> { __device__ float operator()(float x) const { return x + 3; } };
extern "C" { __device__ float twice_of(float x) { return inner::two * x; } }
__device__ float half_of(float x) { return x / 2; }
typedef float (*Function)(float);
__device__ float apply(Function f, float x) { return f(x); }
__constant__ float table[3] = {1, 2, SQUARE(3)};
enum Mode { A, B = 5 };
template <class F> __device__ float call(F f, float x) { return f(x); }
template <class... T> __device__ float all(T... x) { return (x + ... + 0.0f); }
static __device__ const float bias = 0.5f;
__noinline__ __device__ int tail(int n) { return n ? tail(n - 1) + 1 : 0; }
template <typename T>
__global__ void __launch_bounds__(256) k(const T* __restrict__ x, T* y) {
  __shared__ float s[32];
  const int i = threadIdx.x;
  auto plus = [=](float v) { return v + bias; };
  s[i] = x[i];
  __syncthreads();
#pragma unroll
  for (int j = 0; j < 1; ++j) s[i] += table[2] + B;
  inner::Pair pair{s[i], 1};
  y[i] = call(plus, pair.sum()) + CALL(twice, 1.0f) + Op<float, 3>()(1) + Op<float>()(1)
       + apply(half_of, 4.0f) + all(1, 2.0f) + tail(3);
  if (y[i] < -1e30f) printf("%f", y[i]);
}
int main() {
  std::vector<float> v(3); std::cout << v[0];
  k<float><<<1, 32>>>(0, 0); cudaDeviceSynchronize(); system("true"); asm("nop");
}
"""


def test_what_kernels_are_made_of_is_let_through() -> None:
    x = random(32)
    got = first(execute(GOOD, ("x", x), out("y", 32), entry="k<float>"))
    np.testing.assert_allclose(got, x + (9 + 5 + 1 + 0.5 + 2 + 4 + 4 + 2 + 3 + 3), rtol=1e-6)


def test_host_code_and_other_kernels_become_blanks() -> None:
    text = device_code(GOOD, "cuda", "k<float>")
    assert text.count("\n") == GOOD.count("\n")
    for gone in ("system", "vector", "main"):
        assert gone not in text
    assert [len(row) for row in text.split("\n")] == [len(row) for row in GOOD.split("\n")]


def test_bang_host_code_becomes_blanks() -> None:
    source = """#include <bang.h>
__nram__ char other_buffer[64];
__mlu_func__ int helper(int n) { return n + 1; }
__mlu_entry__ void other(int* y) { asm("nop"); }
__mlu_entry__ void k(int* y) { y[taskId] = helper(taskId); }
int main() { cnrtQueue_t q; cnrtDim3_t d = {4, 1, 1}; k<<<d, CNRT_FUNC_TYPE_BLOCK, q>>>(0); }
"""
    got = first(execute(source, out("y", 4, "int32"), tasks=(4, 1, 1)))
    assert got.tolist() == [1, 2, 3, 4]


def test_a_kernel_of_another_name_stays_for_the_compiler_to_miss() -> None:
    text = "__global__ void k(float* y) {}"
    assert device_code(text, "cuda", "other") == text


@pytest.mark.parametrize("text", ["void k() {", "} void k() {}", "void k() { ( ] }"])
def test_braces_that_do_not_match_leave_the_text_alone(text: str) -> None:
    assert device_code(text, "cuda", "k") == text


@pytest.mark.parametrize("statement", ["system(0);", 'asm("nop");', "((void (*)())64)();"])
def test_c_is_vetted_too(statement: str) -> None:
    source = f"#include <immintrin.h>\nvoid k(float* y) {{ {statement} }}"
    error = refused(source, "vnni")
    assert error.code in ("XP1008", "XP1010", "XP1016")
    assert error.span is not None
    assert error.span.line == 2


def test_a_verdict_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    source = KERNEL.format("y[1] = system(0);")
    assert refused(source).code == "XP1010"
    monkeypatch.setattr(forked, "call", lambda *a, **k: pytest.fail("vetted again"))
    assert refused(source).code == "XP1010"


def test_an_object_that_calls_another_library_is_refused() -> None:
    with pytest.raises(ReadError) as caught:
        inspected('extern "C" int system(const char*); int f() { return system(0); }')
    assert caught.value.code == "XP1016"
    assert "system" in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "int f(); int n = f();",
        'extern "C" void* mmap(void*) { return 0; }',
        '__attribute__((section("other"))) void f() {}',
        'extern "C" { static int g() { return 0; } static void* r() { return (void*)g; } }\n'
        'int f() __attribute__((ifunc("r"))); void* (*p)() = r;',
    ],
)
def test_an_object_that_acts_at_loading_or_replaces_a_symbol_is_refused(text: str) -> None:
    with pytest.raises((ReadError, compiler.CompileFailure)) as caught:
        inspected(text)
    if isinstance(caught.value, ReadError):
        assert caught.value.code == "XP1016"


def inspected(text: str) -> None:
    from xpiler_tvm.kernel import Kernel

    kernel = Kernel(text, "cuda", "k", filename="kernel.cu")
    compiler.library(text, inspect=lambda path: vetting.inspect(kernel, path, (), ()))


def test_directives_are_read_as_compilers_read_them() -> None:
    found = [directive(one) for one in tokens("#  define /* a\n b */ N 1 // c\n#if 0 \\\n 1\n")]
    assert found == [("define", "N 1"), ("if", "0  1")]


def test_a_bomb_of_macros_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vetting, "SECONDS", 3.0)
    monkeypatch.setattr(compiler, "LIMIT_CPU_SECONDS", 3)
    lines = ["#define A0 1 +"] + [
        f"#define A{i} {' '.join(4 * [f'A{i - 1}'])}" for i in range(1, 30)
    ]
    error = refused("\n".join(lines) + "\n" + KERNEL.format("y[0] = A29 0;"))
    assert isinstance(error, ReadError | SetupError)
    assert error.code in ("XP1002", "XP6003")
