"""Dot products of bytes in words: what they give, and what memory they make of words."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
import tvm_ffi
from tvm import s_tir

from xpiler_tvm.frontends.raising import Raised

from .support import Given, flat_and_source, kernel, out, random, run_both

N = 32
A, B = (random(N, 64, seed=seed, dtype="int8") for seed in (1, 2))
WORDS = tuple(
    (name, np.ascontiguousarray(values).view("int32").reshape(N, 16))
    for name, values in (("a", A), ("b", B))
)
BYTES = (("a", A), ("b", B))
T = "int t = threadIdx.x, s = 0;\n"
WANTED = (A.astype("int32") * B.astype("int32")).sum(-1)

LOOP = "for (int k = 0; k < 16; ++k) s = __dp4a({left}, {right}, s); y[t] = s;"
A_WORD, B_WORD = "((const int*)a)[t * 16 + k]", "((const int*)b)[t * 16 + k]"
FORMS: dict[str, tuple[str, tuple[Given, ...]]] = {
    "words": (LOOP.format(left="a[t * 16 + k]", right="b[t * 16 + k]"), WORDS),
    "bytes as words": (LOOP.format(left=A_WORD, right=B_WORD), BYTES),
    "char4": (
        LOOP.format(left=A_WORD.replace("int*", "char4*"), right=B_WORD.replace("int*", "char4*")),
        BYTES,
    ),
    "registers": (
        f"for (int k = 0; k < 16; ++k) {{ int u = {A_WORD}, v = {B_WORD}; s = __dp4a(u, v, s); }}"
        " y[t] = s;",
        BYTES,
    ),
    "an array of registers": (
        f"int u[16]; for (int k = 0; k < 16; ++k) u[k] = {A_WORD};"
        + LOOP.format(left="u[k]", right=B_WORD),
        BYTES,
    ),
    "shared memory": (
        f"__shared__ int h[{N}][17]; for (int k = 0; k < 16; ++k) h[t][k] = {A_WORD};"
        " __syncthreads(); " + LOOP.format(left="h[t][k]", right=B_WORD),
        BYTES,
    ),
    "pointers that move on": (
        "const int *p = (const int*)a + t * 16, *q = (const int*)b + t * 16;"
        " for (int k = 0; k < 16; ++k) s = __dp4a(*p++, *q++, s); y[t] = s;",
        BYTES,
    ),
    "parts of vectors": (
        "for (int k = 0; k < 4; ++k) { int4 u = ((const int4*)a)[t * 4 + k],"
        " v = ((const int4*)b)[t * 4 + k]; s = __dp4a(u.x, v.x, s); s = __dp4a(u.y, v.y, s);"
        " s = __dp4a(u.z, v.z, s); s = __dp4a(u.w, v.w, s); } y[t] = s;",
        BYTES,
    ),
    "in a function": (
        "auto add = [](int u, int v, int s) { return __dp4a(u, v, s); };"
        f"for (int k = 0; k < 16; ++k) s = add({A_WORD}, {B_WORD}, s); y[t] = s;",
        BYTES,
    ),
    "zeros beyond the end": (
        f"__shared__ int h[{N}][17];"
        f" for (int k = 0; k < 16; ++k) h[t][k] = t < 40 ? {A_WORD} : 0;"
        " __syncthreads(); " + LOOP.format(left="h[t][k]", right=B_WORD),
        BYTES,
    ),
}


def blocks(form: Raised) -> list[s_tir.SBlock]:
    found: list[s_tir.SBlock] = []
    tvm_ffi.structural_walk(form.mod["main"].body, [(s_tir.SBlock, found.append)])
    return [block for block in found if block.name_hint != "root"]


@pytest.mark.parametrize("name", FORMS)
def test_a_sum_of_products_of_bytes(name: str) -> None:
    text, given = FORMS[name]
    known = kernel(T + text, *given, out("y", N, dtype="int32"), block=(N,))
    form, flat, result = run_both(known, *given)
    np.testing.assert_array_equal(flat, WANTED)
    np.testing.assert_array_equal(result, WANTED)
    (block,) = blocks(form)
    assert block.init is not None
    if given is BYTES:
        assert "reinterpret" not in form.mod["main"].script()


def test_words_that_are_worked_out_give_their_bytes() -> None:
    text = T + "y[t] = __dp4a(a[t * 16] ^ 0x01020304, b[t * 16] + 7, 5);"
    given = (*WORDS, out("y", N, dtype="int32"))
    flat, source = flat_and_source(text, *given, block=(N,))
    np.testing.assert_array_equal(flat, source)


def test_unsigned_words_wrap() -> None:
    a = random(N, 4, dtype="uint8").astype("uint8")
    words = (("a", a.view("uint32").reshape(N)),)
    text = "int t = threadIdx.x; y[t] = __dp4a(a[t], a[t], 0xffffff00u);"
    flat, source = flat_and_source(text, *words, out("y", N, dtype="uint32"), block=(N,))
    np.testing.assert_array_equal(flat, source)
    wanted = (a.astype("uint32") ** 2).sum(-1, dtype="uint32") + np.uint32(0xFFFFFF00)
    np.testing.assert_array_equal(flat, wanted)


def test_the_bytes_of_words_are_an_axis() -> None:
    text, given = FORMS["words"]
    form, *_ = run_both(kernel(T + text, *given, out("y", N, dtype="int32"), block=(N,)), *given)
    (block,) = blocks(form)
    reduced = [each for each in block.iter_vars if int(each.iter_type) == 2]
    assert [int(each.dom.extent) for each in reduced] == [16, 4]
    assert isinstance(block.body.value, tvm.tirx.Add)
