"""The cures for what libclang's Python module leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from xpiler_tvm import frontends
from xpiler_tvm.errors import ReadError
from xpiler_tvm.frontends import clang_ast
from xpiler_tvm.kernel import Kernel


def cursors(text: str, kind: str) -> list[Any]:
    """The cursors of a kind in the file, outermost first."""
    unit = clang_ast.parse(text, "cuda", "kernel.cu")
    found: list[Any] = []

    def visit(cursor: Any) -> None:
        for child in cursor.get_children():
            if child.location.file is not None and child.location.file.name == unit.spelling:
                if child.kind.name == kind:
                    found.append((unit, child))
                visit(child)

    visit(unit.cursor)
    return found


def words(cursor: Any) -> str | None:
    return None if cursor is None else "".join(token.spelling for token in cursor.get_tokens())


@pytest.mark.parametrize(
    ("header", "init", "test", "step"),
    [
        ("int i = 0; i < 4; i++", "inti=0;", "i<4", "i++"),
        (";;", None, None, None),
        ("; n < 4;", None, "n<4", None),
        (";; n++", None, None, "n++"),
        ("int i = 0;;", "inti=0;", None, None),
        ("int i = 0; i < 4;", "inti=0;", "i<4", None),
        ("int i = 0;; i++", "inti=0;", None, "i++"),
        ("; n < 4; n++", None, "n<4", "n++"),
        ("n = 0;; n++, n++", "n=0", None, "n++,n++"),
    ],
)
def test_parts_of_for(header: str, init: str | None, test: str | None, step: str | None) -> None:
    text = f"__device__ void f(int n) {{ for ({header}) {{ n = n + (1); break; }} }}"
    ((_, loop),) = cursors(text, "FOR_STMT")
    *parts, body = clang_ast.for_parts(loop)
    assert [words(part) for part in parts] == [init, test, step]
    assert words(body) == "{n=n+(1);break;}"


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("COUNT", "INTEGER_LITERAL", 256),
        ("TWICE(21)", "BINARY_OPERATOR", 42),
        ("0x10", "INTEGER_LITERAL", 16),
        ("4294967295u", "INTEGER_LITERAL", 4294967295),
        ("18446744073709551615ull", "INTEGER_LITERAL", 18446744073709551615),
        ("-7 / 2", "BINARY_OPERATOR", -3),
        ("1e-5f", "FLOATING_LITERAL", pytest.approx(1e-5)),
        ("EPS", "FLOATING_LITERAL", 0.5),
        ("'A'", "CHARACTER_LITERAL", 65),
        ("true", "CXX_BOOL_LITERAL_EXPR", 1),
    ],
)
def test_constants_through_macros(written: str, kind: str, value: float) -> None:
    text = f"""#define COUNT 256
#define EPS .5
#define TWICE(x) ((x) * 2)
__device__ double f() {{ return {written}; }}"""
    assert clang_ast.evaluate(cursors(text, kind)[0][1]) == value


def test_what_is_not_constant_has_no_value() -> None:
    ((_, call),) = cursors("__device__ int f(int n) { return n + 1; }", "BINARY_OPERATOR")
    assert clang_ast.evaluate(call) is None


def test_operators() -> None:
    text = """__device__ int f(int a, int b) {
        a += b; a <<= 2; a = b % 3; return (a && b) || a >= b ^ 1; }"""
    found = [clang_ast.binary_operator(c) for _, c in cursors(text, "BINARY_OPERATOR")]
    assert found == ["=", "%", "||", "&&", "^", ">="]
    updates = cursors(text, "COMPOUND_ASSIGNMENT_OPERATOR")
    compound = [clang_ast.binary_operator(c) for _, c in updates]
    assert compound == ["+=", "<<="]
    unary = cursors("__device__ int f(int* p) { return -*p++ + ~--*p + !p[0]; }", "UNARY_OPERATOR")
    names = [clang_ast.unary_operator(c) for _, c in unary]
    assert names == ["-", "*", "post++", "~", "pre--", "*", "!"]


def test_half_types() -> None:
    text = "__device__ void f(const __half* x, half2 z) { }"
    kinds = [
        clang_ast.cindex.Type.get_canonical(
            c.type.get_pointee() if c.type.kind.name == "POINTER" else c.type
        ).kind.name
        for _, c in cursors(text, "PARM_DECL")
    ]
    assert kinds == ["FLOAT16", "RECORD"]


def test_host_code_may_use_any_library() -> None:
    text = """__global__ void k(float* x) { x[0] = 1; }
int main() { cv::Mat image = cv::imread("a.png"); k<<<1, 1>>>(nullptr); return verdict; }"""
    unit = clang_ast.parse(text, "cuda", "kernel.cu")
    assert [c.spelling for c in unit.cursor.get_children()][-2:] == ["k", "main"]


def test_an_initialiser_is_told_from_an_extent() -> None:
    text = "__device__ void f() { const int n = 3; float v[n] = {1}; float w[n]; }"
    found = [clang_ast.initializer(c) for _, c in cursors(text, "VAR_DECL")]
    assert [words(c) for c in found] == ["3", "{1}", None]


def test_includes_are_emptied_and_lines_stay() -> None:
    text = '#include <a.h>\n  # include "b.h"\n#define include 1\nint x;\n// #include\n'
    assert clang_ast.without_includes(text) == "\n\n#define include 1\nint x;\n// #include\n"


HOST = """#include <stdio.h>
#define N 4
struct Pair { float a, b; };
__constant__ float table[N];
constexpr int twice(int n) { return 2 * n; }
static void helper(int n);
struct Unused { int n; }; std::vector<int> host_only;
__device__ float f(float v) { Pair p; p.a = v; return p.a * table[0]; }
template <typename T> void launch(T* x) { k<<<1, N>>>(x); }
extern "C" void run(float* x) { /* é */ k<<<1, N>>>(x); }
extern "C" { __global__ void k(float* x) { x[threadIdx.x] = f(*x) * twice(N); } void m(); }
static void helper(int n) { printf("%d", n); }
"""


def test_host_code_is_blanked_in_place() -> None:
    text = HOST.replace("template <typename T> void launch(T* x)", "void launch(float* x)").replace(
        "void launch", 'extern "C" __global__ void k(float* x);\nvoid launch'
    )
    found = clang_ast.without_host_code(text, "cuda", "kernel.cu")
    before, after = text.split("\n"), found.split("\n")
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert len(new.encode()) == len(old.encode()) or not new  # the include
        same = [a == b for a, b in zip(old.encode(), new.encode(), strict=False)]
        blank = [byte == ord(" ") for byte in new.encode()]
        assert all(s or b for s, b in zip(same, blank, strict=True)), "nothing moves"
    for kept in ("struct Pair", "__constant__", "constexpr int twice", "float f(", "k(float* x) {"):
        assert kept in found
    for gone in (
        "helper",
        "launch",
        "m()",
        "run",
        "Unused",
        "host_only",
        "<<<",
        "#include",
        "printf",
        "é",
    ):
        assert gone not in found
    assert found.count('extern "C"') == 2, "the launcher's went, the kernel's stayed"


def test_device_text_can_be_read_again() -> None:
    text = HOST.replace("template <typename T> void launch(T* x) { k<<<1, N>>>(x); }\n", "")
    text = text.replace('extern "C" void run(float* x) { /* é */ k<<<1, N>>>(x); }\n', "")
    kernel = Kernel(text, "cuda", "k", filename="kernel.cu")
    again = frontends.device_text(Kernel(frontends.device_text(kernel), "cuda", "k"))
    assert again == frontends.device_text(kernel)


@pytest.mark.parametrize(
    ("text", "code", "place", "message"),
    [
        ("int x = ;", "XP1002", (1, 9), "expected expression"),
        ("\n__device__ float f() { return nope; }", "XP1010", (2, 31), "identifier 'nope'"),
        ("\n\n__device__ void f() { secret_t y; }", "XP1010", (3, 23), "type name 'secret_t'"),
        ("__device__ int f() { return 1 }", "XP1002", (1, 30), "expected ';'"),
    ],
)
def test_errors_have_their_place(
    text: str, code: str, place: tuple[int, int], message: str
) -> None:
    with pytest.raises(ReadError) as refusal:
        clang_ast.parse(text, "cuda", "my.cu")
    error = refusal.value
    assert error.code == code and message in error.message
    assert error.span is not None
    assert (error.span.file, error.span.line, error.span.column) == ("my.cu", *place)
    assert error.span.text == text.split("\n")[place[0] - 1]


def test_nul_bytes_are_refused() -> None:
    with pytest.raises(ReadError) as refusal:
        clang_ast.parse("int x;\0", "cuda", "kernel.mlu")
    assert refusal.value.code == "XP1001"
