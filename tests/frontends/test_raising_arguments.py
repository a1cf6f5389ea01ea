"""Places of maxima and minima: whichever way a kernel finds them, they are two reductions."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm import Kernel, Scalar, Tensor, frontends
from xpiler_tvm.frontends.raising import Raised
from xpiler_tvm.frontends.recognition import canonical_form, difference

from .support import kernel, out, raised, run_both

ROWS, COLUMNS = 5, 100
X = np.random.default_rng(0).integers(-5, 5, (ROWS, COLUMNS)).astype(np.float32)  # many ties
X[2] = 3

ROW = "int r = threadIdx.x; "
EACH = "for (int c = 0; c < n; c++) { float v = x[r * n + c]; "
BLOCK = "int t = threadIdx.x; const float* row = x + blockIdx.x * n; "
OWN = BLOCK + (
    "float m = -INFINITY; int k = 0;"
    " for (int c = t; c < n; c += 32) if (row[c] > m) { m = row[c]; k = c; } "
)
SHARED = f"__shared__ float vs[32]; __shared__ int ks[32]; {OWN} vs[t] = m; ks[t] = k;"
SHARED += " __syncthreads(); "
BETTER = "v > m || (v == m && j < k)"
STORE = " if (t == 0) y[blockIdx.x] = k;"


def shuffled(how: str, better: str = BETTER) -> str:
    return (
        f"for (int s = 16; s > 0; s /= 2) {{ float v = __shfl_{how}_sync(-1u, m, s);"
        f" int j = __shfl_{how}_sync(-1u, k, s); if ({better}) {{ m = v; k = j; }} }}"
    )


def tree(better: str) -> str:
    return (
        f"for (int s = 16; s > 0; s /= 2) {{ if (t < s) {{ float v = vs[t + s], m = vs[t];"
        f" int j = ks[t + s], k = ks[t]; if ({better}) {{ vs[t] = v; ks[t] = j; }} }}"
        " __syncthreads(); } if (t == 0) y[blockIdx.x] = ks[0];"
    )


def serial(start: str, each: str) -> tuple[str, int, int]:
    return f"{ROW}{start} {each} y[r] = k;", 1, ROWS


def block(text: str) -> tuple[str, int, int]:
    return text, ROWS, 32


FIRST = "float m = x[r * n]; int k = 0;"
NONE = "float m = -INFINITY; int k = -1;"
PLAIN = serial(FIRST, "for (int c = 1; c < n; c++) if (x[r*n + c] > m) { m = x[r*n + c]; k = c; }")
SAME = {
    "from the first element again": serial(FIRST, EACH + "if (v > m) { m = v; k = c; } }"),
    "from minus infinity": serial(NONE, EACH + "if (v > m) { m = v; k = c; } }"),
    "by choices": serial(NONE, EACH + "k = v > m ? c : k; m = fmaxf(m, v); }"),
    "by the place alone": serial("int k = 0;", EACH + "if (v > x[r * n + k]) k = c; }"),
    "of equal ones the lesser": serial(
        "float m = -INFINITY; int k = n;",
        EACH + "if (v > m || (v == m && c < k)) { k = c; m = v; } }",
    ),
    "a tree": block(SHARED + tree(BETTER)),
    "a tree that asks the other way": block(SHARED + tree("!(m > v || (m == v && k <= j))")),
    "a butterfly": block(OWN + shuffled("xor") + STORE),
    "warps and then one of them": (
        OWN.replace("c += 32", "c += 64")
        + "__shared__ float vs[2]; __shared__ int ks[2];"
        + shuffled("down")
        + "if (t % 32 == 0) { vs[t / 32] = m; ks[t / 32] = k; } __syncthreads();"
        " if (t < 32) { m = t < 2 ? vs[t] : -INFINITY; k = t < 2 ? ks[t] : 0;"
        + shuffled("down")
        + STORE
        + " }",
        ROWS,
        64,
    ),
    "one thread at the end": block(
        SHARED + "if (t == 0) { for (int s = 1; s < 32; s++) { float v = vs[s]; int j = ks[s];"
        f" if ({BETTER}) {{ m = v; k = j; }} }} y[blockIdx.x] = k; }}"
    ),
}


def form_of(program: tuple[str, int, int], x: np.ndarray = X) -> tuple[Raised, np.ndarray]:
    """The raised form, which gives what the flat program does, and that."""
    text, grid, threads = program
    given = (("x", x), ("n", x.shape[1]))
    known = kernel(
        text, *given, out("y", x.shape[0], dtype="int32"), grid=(grid,), block=(threads,)
    )
    form, flat, result = run_both(known, *given)
    np.testing.assert_array_equal(result, flat)
    return form, flat


def test_of_a_loop() -> None:
    form, result = form_of(PLAIN)
    np.testing.assert_array_equal(result, X.argmax(axis=1))
    text = canonical_form(form.mod)
    assert text.count("max=") == 1 and text.count("min=") == 1
    assert len(text.splitlines()) == 3
    assert any("places" in assumption for assumption in form.assumptions)


@pytest.mark.parametrize("name", SAME)
def test_other_ways_end_in_the_same_form(name: str) -> None:
    form, result = form_of(SAME[name])
    np.testing.assert_array_equal(result, X.argmax(axis=1))
    known = kernel(PLAIN[0], ("x", X), ("n", COLUMNS), out("y", ROWS, dtype="int32"), block=(ROWS,))
    assert difference(raised(known)[1].mod, form.mod) == ""


LANES = """#include <immintrin.h>
void k(const float* x, int* y, int rows, int n) {
  for (int r = 0; r < rows; r++) {
    __m512 m = _mm512_set1_ps(-INFINITY);
    __m512i at = _mm512_setzero_si512();
    __m512i c = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int i = 0; i < n; i += 16) {
      __m512 v = _mm512_loadu_ps(x + r * n + i);
      __mmask16 greater = _mm512_cmp_ps_mask(v, m, _CMP_GT_OQ);
      m = _mm512_mask_blend_ps(greater, m, v);
      at = _mm512_mask_blend_epi32(greater, at, c);
      c = _mm512_add_epi32(c, _mm512_set1_epi32(16));
    }
    float vs[16]; int ks[16];
    _mm512_storeu_ps(vs, m); _mm512_storeu_si512(ks, at);
    float best = vs[0]; int k = ks[0];
    for (int l = 1; l < 16; l++)
      if (vs[l] > best || (vs[l] == best && ks[l] < k)) { best = vs[l]; k = ks[l]; }
    y[r] = k;
  }
}"""


def test_lanes_of_a_vector_end_in_the_same_form() -> None:
    x = X[:, :96]
    given = Tensor("x", x.shape, "float32"), out("y", ROWS, dtype="int32")
    sizes = Scalar("rows", "int32", ROWS), Scalar("n", "int32", 96)
    known = frontends.resolve(Kernel(LANES, "vnni", "k", (*given, *sizes), filename="k.c"))
    form, flat, result = run_both(known, ("x", x))
    np.testing.assert_array_equal(flat, x.argmax(axis=1))
    np.testing.assert_array_equal(result, flat)
    assert difference(form_of(PLAIN, x)[0].mod, form.mod) == ""


STAYS = {
    "a tree that keeps its own of equal ones": block(SHARED + tree("v > m")),
    "a tree that takes the other of equal ones": block(SHARED + tree("v >= m")),
    "the greater of equal threads' first": block(SHARED + tree("v > m || (v == m && j > k)")),
    "products that may be added unrounded": serial(
        "float m = -INFINITY; int k = -1;",
        EACH + "v = v * v + x[c] * 0.3f; if (v > m) { m = v; k = c; } }",
    ),
    "a place kept more often than its maximum": serial(
        NONE, EACH + "if (v > m || (v == m && c < k)) k = c; if (c % 3 && v > m) m = v; }"
    ),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_is_none_of_them_is_still_right(name: str) -> None:
    """The order of the elements matters to these, or their values are not exact."""
    form, _ = form_of(STAYS[name])
    assert difference(form_of(PLAIN)[0].mod, form.mod) != ""


@pytest.mark.parametrize(
    ("test", "start", "x", "wanted"),
    [
        ("v < m", "float m = INFINITY; int k = -1;", X, X.argmin(axis=1)),
        ("v >= m", NONE, X, COLUMNS - 1 - X[:, ::-1].argmax(axis=1)),
        ("v > m", "float m = 0; int k = -1;", np.minimum(X, 0), np.full(ROWS, -1)),
        ("v > m", "float m = -1e30f; int k = -1;", X, X.argmax(axis=1)),
    ],
    ids=["least", "last", "none is greater", "from a number"],
)
def test_ties_and_starts(test: str, start: str, x: np.ndarray, wanted: np.ndarray) -> None:
    form, result = form_of(serial(start, EACH + f"if ({test}) {{ m = v; k = c; }} }}"), x)
    np.testing.assert_array_equal(result, wanted)
    assert form.rung == "blocks" and "alloc_buffer((1,)" not in str(form.mod)


def test_threads_without_elements_keep_their_start() -> None:
    """Each thread stores its own place, and some have no columns."""
    text = OWN + "y[t] = k;"
    x = X[:1, :20]
    known = kernel(text, ("x", x), ("n", 20), out("y", 32, dtype="int32"), block=(32,))
    _, flat, result = run_both(known, ("x", x), ("n", 20))
    np.testing.assert_array_equal(result, flat)
    np.testing.assert_array_equal(flat, [*range(20), *[0] * 12])


@pytest.mark.parametrize(
    ("text", "op"),
    [
        ("int k = 0; " + EACH + "if (v > 4) k = 1; }", "max"),
        ("int k = 1; " + EACH + "if (v <= 4) k = 0; }", "min"),
    ],
    ids=["any", "all"],
)
def test_flags(text: str, op: str) -> None:
    x = np.where(X > 3, X, 5 * np.eye(ROWS, COLUMNS, dtype=np.float32))
    x[4] = 5
    form, result = form_of((f"{ROW}{text} y[r] = k;", 1, ROWS), x.astype(np.float32))
    assert f"T.{op}(" in str(form.mod) and str(form.mod).count("T.sblock(") == 2
    assert set(result) <= {0, 1} and result[4] == 1
