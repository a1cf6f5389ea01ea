"""Inline assembly of tensor cores and asynchronous copies, with the layouts of `dialects.ptx`."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.dialects.ptx import COLUMNS, MMA, ROWS, WARP, Mma
from xpiler_tvm.emulation import numpy_dtype
from xpiler_tvm.errors import CheckError, ReadError, SetupError

from .support import execute, first, out, random

NUMPY = {
    "f16": "float16",
    "bf16": "bfloat16",
    "tf32": "float32",
    "s8": "int8",
    "u8": "uint8",
    "f32": "float32",
    "s32": "int32",
}


def numbers(kind: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Numbers whose products sum exactly."""
    low, high = (0, 255) if kind == "u8" else (-8, 8)
    return np.random.default_rng(seed).integers(low, high, shape).astype(numpy_dtype(NUMPY[kind]))


def in_registers(places: dict, registers: int, packed: int, dtype: np.dtype) -> np.ndarray:
    """Words of `WARP` lanes; `places` has values by lane, register and place in it."""
    elements = np.zeros((WARP, registers, packed), dtype)
    for place, value in places.items():
        elements[place] = value
    return elements.reshape(WARP, -1).view("uint32")


def listed(first_number: int, count: int) -> str:
    return ", ".join(f"%{first_number + i}" for i in range(count))


@pytest.mark.parametrize("row", MMA, ids=[row.name.removeprefix("__ptx_") for row in MMA])
def test_products_of_every_type(row: Mma) -> None:
    of_a, of_b = row.operands
    a, b = numbers(of_a, (ROWS, row.k), 1), numbers(of_b, (row.k, COLUMNS), 2)
    c = numbers(row.total, (ROWS, COLUMNS), 3)
    a_words = in_registers(
        {row.a(i, k): a[i, k] for i in range(ROWS) for k in range(row.k)},
        row.a_registers,
        row.packed,
        a.dtype,
    )
    b_words = in_registers(
        {row.b(k, j): b[k, j] for k in range(row.k) for j in range(COLUMNS)},
        row.b_registers,
        row.packed,
        b.dtype,
    )
    held = [[row.held(lane, e) for e in range(4)] for lane in range(WARP)]
    c_words = np.array([[c[place] for place in lane] for lane in held], c.dtype).view("uint32")
    na, nb, nd = row.a_registers, row.b_registers, row.total_registers
    inputs = ", ".join(
        f'"r"({name}[threadIdx.x * {count} + {i}])'
        for name, count in (("a", na), ("b", nb), ("c", nd))
        for i in range(count)
    )
    outputs = ", ".join(f'"=r"(y[threadIdx.x * {nd} + {i}])' for i in range(nd))
    source = f"""typedef const unsigned* Words;
    __global__ void k(Words a, Words b, Words c, unsigned* y) {{
      asm volatile("{row.mnemonic} "
          "{{{listed(0, nd)}}}, {{{listed(nd, na)}}}, {{{listed(nd + na, nb)}}}, "
          "{{{listed(nd + na + nb, nd)}}};\\n" : {outputs} : {inputs});
    }}"""
    arrays = (("a", a_words), ("b", b_words), ("c", c_words))
    run = execute(source, *arrays, out("y", (WARP, nd), "uint32"))
    got = first(run).view(c.dtype).reshape(WARP, 4)
    want = a.astype("float64") @ b.astype("float64") + c.astype("float64")
    for lane in range(WARP):
        for element in range(4):
            assert got[lane, element] == want[held[lane][element]]


PIPELINE = r"""
__device__ inline unsigned shared(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
__global__ void k(const half* A, const half* B, float* y) {
  __shared__ alignas(16) half a[16 * STRIDE], b[16 * STRIDE];
  const int t = threadIdx.x;
  const unsigned to_a = shared(a) + (t / 2 * STRIDE + t % 2 * 8) * 2;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to_a), "l"(&A[t * 8]));
  __pipeline_memcpy_async(&b[t / 2 * STRIDE + t % 2 * 8], &B[t * 8], 16, t < 28 ? 0 : 16);
  asm volatile("cp.async.commit_group;");
  asm volatile("cp.async.wait_group %0;" :: "n"(LEFT));
  SYNC
  unsigned fa[4], fb[4];
  float c[8] = {};
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3])
      : "r"(shared(&a[t % 16 * STRIDE + t / 16 * 8])));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
      : "=r"(fb[0]), "=r"(fb[1]), "=r"(fb[2]), "=r"(fb[3])
      : "r"(shared(&b[t % 16 * STRIDE + t / 16 * 8])));
  for (int h = 0; h < 2; ++h)
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[4 * h]), "+f"(c[4 * h + 1]), "+f"(c[4 * h + 2]), "+f"(c[4 * h + 3])
        : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[2 * h]), "r"(fb[2 * h + 1]));
  for (int r = 0; r < 8; ++r)
    y[(t / 4 + r / 2 % 2 * 8) * 16 + r / 4 * 8 + t % 4 * 2 + r % 2] = c[r];
}
"""


def pipeline(left: int = 0, sync: str = "__syncthreads();", stride: int = 24) -> str:
    given = {"LEFT": str(left), "SYNC": sync, "STRIDE": str(stride)}
    text = PIPELINE
    for name, value in given.items():
        text = text.replace(name, value)
    return text


A, B = random(16, 16, dtype="float16"), random(16, 16, seed=1, dtype="float16")
ARGUMENTS = (("A", A), ("B", B), out("y", (16, 16)))


def test_matrices_through_shared_memory() -> None:
    """The last rows of B are zeros: a copy may read less than it writes."""
    run = execute(pipeline(), *ARGUMENTS, build="checked")
    assert not run.findings
    want = A.astype("float32")[:, :14] @ B.astype("float32")[:14]
    np.testing.assert_allclose(first(run), want, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (pipeline(left=1), "asynchronous access"),
        (pipeline(sync=""), "race"),
        (pipeline(stride=20), "misaligned access"),
    ],
    ids=["no wait", "no barrier", "rows of 40 bytes"],
)
def test_what_goes_wrong_with_them(text: str, kind: str) -> None:
    run = execute(text, *ARGUMENTS, build="checked")
    assert kind in {finding.kind for finding in run.findings}


def test_a_copy_arrives_when_it_is_waited_for() -> None:
    run = execute(pipeline(left=1), *ARGUMENTS)
    assert not np.isfinite(first(run)).any()


def test_what_is_refused() -> None:
    with pytest.raises(ReadError) as unknown:
        execute(pipeline().replace("commit_group", "mbarrier.arrive"), *ARGUMENTS)
    assert unknown.value.code == "XP1008"
    with pytest.raises(SetupError, match="sm_75 has no") as old:
        execute(pipeline(), *ARGUMENTS, arch="sm_75")
    assert old.value.code == "XP6003"
    with pytest.raises(CheckError, match="no address in shared memory"):
        execute(pipeline().replace("shared(a) + (", "40000000 + (", 1), *ARGUMENTS)
