"""The two-thread argument: which phases race, and which thread meets which."""

import pytest

from xpiler_tvm import Scalar, Tensor
from xpiler_tvm.kernel import Size

from .proving import of, only, out, proofs_of, verdicts

X = Tensor("x", (256,))
TREE = """\
__shared__ float s[256];
s[threadIdx.x] = x[threadIdx.x];
__syncthreads();
for (int stride = 128; stride > 0; stride /= 2) {
  if (threadIdx.x < stride) s[threadIdx.x] += s[threadIdx.x + stride];
  __syncthreads();
}
if (threadIdx.x == 0) y[0] = s[0];"""
SHIFT = """\
__shared__ float s[256];
s[threadIdx.x] = x[threadIdx.x];
__syncthreads();
for (int i = 0; i < n; ++i) {
  float v = s[(threadIdx.x + 1) % 256];
  __syncthreads();
  s[threadIdx.x] = v;
  __syncthreads();
}
y[threadIdx.x] = s[threadIdx.x];"""


def test_a_tree_between_barriers_has_no_race() -> None:
    found = of(proofs_of(TREE, X, out("y", 1), block=(256,)), "race")
    assert len(found) >= 9
    assert verdicts(found) == {"proved"}
    assert {one.by for one in found} == {"analyzer", "z3"}


def test_without_its_barrier_a_tree_has_one() -> None:
    text = TREE.replace("  __syncthreads();\n", "")
    one = only(of(proofs_of(text, X, out("y", 1), block=(256,)), "race", "s,"), "refuted")
    assert one.span is not None and one.span.line == 6
    values = dict(one.counterexample)
    assert values["tx"] != values["tx'"]


def test_a_wider_bound_in_a_tree_races() -> None:
    text = TREE.replace("threadIdx.x < stride)", "threadIdx.x <= stride)")
    found = of(proofs_of(text, X, out("y", 1), block=(256,)), "race", "s,")
    assert "refuted" in verdicts(found)


def test_rounds_of_a_loop_are_ordered_by_its_last_barrier() -> None:
    n = Scalar("n", value=100)
    assert verdicts(of(proofs_of(SHIFT, X, out("y", 256), n, block=(256,)), "race")) == {"proved"}
    last = SHIFT.replace("v;\n  __syncthreads();", "v;")
    one = only(of(proofs_of(last, X, out("y", 256), n, block=(256,)), "race", "s,"), "refuted")
    assert one.span is not None and one.span.line == 8
    assert "meets the read of s[(tx + 1) % 256] in line 6" in one.detail
    first = SHIFT.replace("256];\n  __syncthreads();", "256];")
    assert "refuted" in verdicts(of(proofs_of(first, X, out("y", 256), n, block=(256,)), "race"))


def test_what_stands_before_a_loop_meets_its_first_round_alone() -> None:
    text = """\
__shared__ float s[64];
s[threadIdx.x] = x[threadIdx.x];
for (int i = 0; i < 4; ++i) {
  if (i > 0) s[63 - threadIdx.x] += 1.0f;
  __syncthreads();
}
y[threadIdx.x] = s[threadIdx.x];"""
    found = of(proofs_of(text, X, out("y", 64), block=(64,)), "race")
    assert verdicts(found) == {"proved"}
    found = of(proofs_of(text.replace("i > 0", "i >= 0"), X, out("y", 64), block=(64,)), "race")
    assert only(found, "refuted").counterexample


def test_threads_of_a_warp_are_ordered_by_its_own_barrier() -> None:
    text = """\
__shared__ float s[64];
s[threadIdx.x] = x[threadIdx.x];
__syncwarp();
y[threadIdx.x] = s[threadIdx.x ^ 1];"""
    found = of(proofs_of(text, X, out("y", 64), block=(64,)), "race", "s,")
    assert verdicts(found) == {"proved"}
    across = text.replace("threadIdx.x ^ 1", "threadIdx.x ^ 32")
    one = only(of(proofs_of(across, X, out("y", 64), block=(64,)), "race", "s,"), "refuted")
    assert "threads of different 32" in one.subject
    values = dict(one.counterexample)
    assert values["tx"] ^ values["tx'"] == 32
    some = text.replace("__syncwarp()", "__syncwarp(3)")
    assert "refuted" in verdicts(of(proofs_of(some, X, out("y", 64), block=(64,)), "race"))


def test_a_shuffle_orders_no_memory() -> None:
    text = """\
__shared__ float s[32];
s[threadIdx.x] = x[threadIdx.x];
float v = __shfl_xor_sync(0xffffffff, x[threadIdx.x], 1);
y[threadIdx.x] = v + s[threadIdx.x ^ 1];"""
    assert only(of(proofs_of(text, X, out("y", 32), block=(32,)), "race", "s,"), "refuted")
    found = proofs_of(text.replace("s[threadIdx.x ^", "s[threadIdx.x &"), X, out("y", 32))
    assert "refuted" not in verdicts(of(found, "race"))


def test_no_barrier_orders_blocks() -> None:
    text = "y[blockIdx.x * {} + threadIdx.x] = x[threadIdx.x];"
    y = out("y", 128)
    found = of(proofs_of(text.format(32), X, y, grid=(4,), block=(32,)), "race")
    assert verdicts(found) == {"proved"}
    found = of(proofs_of(text.format(31), X, y, grid=(4,), block=(32,)), "race", "y, threads of d")
    one = only(found, "refuted")
    assert one.span is not None and one.span.line == 2
    values = dict(one.counterexample)
    assert values["bx"] * 31 + values["tx"] == values["bx'"] * 31 + values["tx'"]


def test_atomic_updates_meet_each_other_but_nothing_else() -> None:
    h = Tensor("h", (8,), "int32", "inout")
    text = "atomicAdd(&h[threadIdx.x % 8], 1);"
    assert verdicts(of(proofs_of(text, h, block=(64,)), "race")) == {"proved"}
    fetched = "h[threadIdx.x % 8 + 0] = 0; " + text
    assert "refuted" in verdicts(of(proofs_of(fetched, h, block=(64,)), "race"))
    order = Tensor("order", (64,), "int32", "out")
    text = "order[threadIdx.x] = atomicAdd(&h[0], 1);"
    assert verdicts(of(proofs_of(text, h, order, block=(64,)), "race", "h,")) == {"proved"}


def test_data_as_an_index_leaves_it_open() -> None:
    index = Tensor("index", (64,), "int32")
    text = "y[index[threadIdx.x]] = x[threadIdx.x];"
    one = only(of(proofs_of(text, X, index, out("y", 64), block=(64,)), "race"), "unknown")
    assert one.detail == "it rests on what index holds"
    assert one.span is not None and one.span.line == 2


def test_data_in_an_index_may_make_up_for_the_thread() -> None:
    index = Tensor("index", (64,), "int32")
    text = "y[(index[threadIdx.x]{}) + threadIdx.x * 8] = 1.0f;"
    found = of(proofs_of(text.format(""), index, out("y", 512), block=(64,)), "race")
    assert verdicts(found) == {"unknown"}
    found = of(proofs_of(text.format(" & 7"), index, out("y", 512), block=(64,)), "race")
    assert verdicts(found) == {"proved"}


def test_data_that_does_not_matter_does_no_harm() -> None:
    text = "if (x[threadIdx.x] > 0.0f) y[threadIdx.x * 2 + (x[0] > 1.0f)] = 1.0f;"
    found = of(proofs_of(text, X, out("y", 128), block=(64,)), "race")
    assert verdicts(found) == {"proved"}


def test_hard_indices_are_counted() -> None:
    text = """\
__shared__ float s[256];
int t = threadIdx.x;
s[(t ^ (t >> 3)) & 255] = x[t];
__syncthreads();
y[t] = s[t];"""
    found = of(proofs_of(text, X, out("y", 256), block=(256,)), "race", "s,")
    assert (found[0].verdict, found[0].by) == ("proved", "enumeration")
    one = only(
        of(proofs_of(text.replace("^", "|"), X, out("y", 256), block=(256,)), "race", "s,"),
        "refuted",
    )
    values = dict(one.counterexample)
    first, second = values["tx"], values["tx'"]
    assert first != second and first | first >> 3 == second | second >> 3


def test_hard_indices_of_blocks_are_counted_too() -> None:
    text = "int b = blockIdx.x;\ny[(b ^ (b >> 1)) * 32 + threadIdx.x] = 1.0f;"
    found = of(proofs_of(text, out("y", 512), grid=(16,), block=(32,)), "race", "y, threads of d")
    assert [(one.verdict, one.by) for one in found] == [("proved", "enumeration")]
    text = text.replace("^", "|")
    found = of(proofs_of(text, out("y", 512), grid=(16,), block=(32,)), "race", "y, threads of d")
    values = dict(only(found, "refuted").counterexample)
    first, second = values["bx"], values["bx'"]
    assert first != second and first | first >> 1 == second | second >> 1


@pytest.mark.parametrize(("bound", "verdict"), [("c < n", "proved"), ("c <= n", "refuted")])
def test_rows_of_a_symbolic_size_do_not_meet(bound: str, verdict: str) -> None:
    text = f"""\
int r = blockIdx.y * 16 + threadIdx.y, c = blockIdx.x * 16 + threadIdx.x;
if (r < m && {bound}) y[r * n + c] = 1.0f;"""
    found = proofs_of(
        text,
        Tensor("y", ("2 * m * n",), "float32", "inout"),
        Scalar("m"),
        Scalar("n"),
        grid=("(n + 16) / 16", "(m + 15) / 16"),
        block=(16, 16),
        sizes=(Size("m", 1, 4096), Size("n", 1, 4096)),
    )
    found = of(found, "race", "y, threads of different blocks")
    assert [one.verdict for one in found] == [verdict]
