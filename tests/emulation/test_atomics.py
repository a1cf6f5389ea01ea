"""Atomic operations: every row of `dialects.atomics` against its meaning, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.dialects.atomics import ATOMICS, COMPARE_AND_SWAP, SUFFIXES, Atomic
from xpiler_tvm.dialects.simt import GPUS, Gpu
from xpiler_tvm.emulation import numpy_dtype, run_text
from xpiler_tvm.errors import SetupError
from xpiler_tvm.kernel import Dialect, Kernel, Launch, Tensor

from .support import execute, first, out

DTYPES = {
    "int": "int32",
    "unsigned": "uint32",
    "long long": "int64",
    "unsigned long": "uint64",
    "unsigned long long": "uint64",
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "half2": "float16",
    "bfloat162": "bfloat16",
    "float2": "float32",
    "float4": "float32",
}
WIDTHS = {"half2": 2, "bfloat162": 2, "float2": 2, "float4": 4}
COUNT = 40


def reference(name: str, old: int | float, value: int | float) -> int | float:
    """What the programming guide says of the operation."""
    operation = name.lower().replace("unsafe", "").replace("safe", "").removeprefix("atomic")
    if operation == "inc":
        return 0 if old >= value else old + 1
    if operation == "dec":
        return value if old == 0 or old > value else old - 1
    return {
        "add": lambda: old + value,
        "sub": lambda: old - value,
        "exch": lambda: value,
        "min": lambda: min(old, value),
        "max": lambda: max(old, value),
        "and": lambda: int(old) & int(value),
        "or": lambda: int(old) | int(value),
        "xor": lambda: int(old) ^ int(value),
    }[operation]()


def rows(gpu: Gpu) -> list[tuple[Atomic, str]]:
    return [(row, kind) for row in ATOMICS for kind in row.types(gpu)]


@pytest.mark.parametrize("name", ["sm_90", "gfx90a"])
def test_every_operation_on_every_type(name: str) -> None:
    """In global and in shared memory, one after another; small integers are exact in every type."""
    gpu = GPUS[name]
    cases = rows(gpu)
    rng = np.random.default_rng(7)
    parts, params, arrays, wants = [], [], {}, []
    for i, (row, kind) in enumerate(cases):
        dtype, width = numpy_dtype(DTYPES[kind]), WIDTHS.get(kind, 1)
        low = 0 if dtype.kind == "u" else -3
        x = rng.integers(low, 4, (COUNT, width)).astype(dtype)
        start = np.full(width, 2, dtype)
        suffix = SUFFIXES[gpu.dialect][i % len(SUFFIXES[gpu.dialect])]
        if kind not in row.types(gpu, suffix) or row.name[0] != "a":
            suffix = ""
        call = row.name + suffix
        parts.append(f"""
          __shared__ {kind} s{i};
          s{i} = *(const {kind}*)z{i};
          for (int t = 0; t < {COUNT}; ++t) {{
            {call}(&s{i}, ((const {kind}*)x{i})[t]);
            {call}(({kind}*)y{i}, ((const {kind}*)x{i})[t]);
          }}
          *({kind}*)z{i} = s{i};""")
        element = {"half2": "half", "bfloat162": "bfloat16", "float2": "float", "float4": "float"}
        pointer = element.get(kind, kind)
        params += [(f"const {pointer}* x{i}", Tensor(f"x{i}", x.shape, DTYPES[kind]))]
        for role in "yz":
            inout = Tensor(f"{role}{i}", (width,), DTYPES[kind], "inout")
            params.append((f"{pointer}* {role}{i}", inout))
            arrays[f"{role}{i}"] = start
        arrays[f"x{i}"] = x
        total = [float(v) if dtype.kind not in "iu" else int(v) for v in start]
        for line in x:
            total = [
                reference(row.name, old, float(v) if dtype.kind not in "iu" else int(v))
                for old, v in zip(total, line, strict=True)
            ]
        if dtype.kind == "u":
            total = [int(v) % 2 ** (8 * dtype.itemsize) for v in total]
        wants.append(np.array(total).astype(dtype))
    signature = ", ".join(declaration for declaration, _ in params)
    body = "".join(f"{{ {part} }}" for part in parts)
    source = f"__global__ void k({signature}) {{ {body} }}"
    dialect: Dialect = "cuda" if gpu.dialect == "cuda" else "hip"
    kernel = Kernel(source, dialect, "k", tuple(tensor for _, tensor in params), Launch((1,), (1,)))
    run = run_text(kernel, arrays, arch=name)
    for i, ((row, kind), want) in enumerate(zip(cases, wants, strict=True)):
        for role in "yz":
            got = run.arrays[f"{role}{i}"]
            assert got.tobytes() == want.tobytes(), (row.name, kind, got, want)


@pytest.mark.parametrize(("dialect", "name"), [("cuda", "sm_90"), ("hip", "gfx90a")])
def test_compare_and_swap(dialect: Dialect, name: str) -> None:
    kinds = COMPARE_AND_SWAP.types(GPUS[name])
    lines = []
    for i, kind in enumerate(kinds):
        lines.append(f"""{{
          __shared__ {kind} s;
          s = 5;
          {kind} failed = atomicCAS(&s, ({kind})4, ({kind})9);
          {kind} met = atomicCAS(&s, ({kind})5, ({kind})7);
          y[3 * {i}] = (double)failed; y[3 * {i} + 1] = (double)met; y[3 * {i} + 2] = (double)s;
        }}""")
    source = f"__global__ void k(double* y) {{ {' '.join(lines)} }}"
    run = execute(
        source, out("y", (len(kinds), 3), "float64"), block=(1,), dialect=dialect, arch=name
    )
    np.testing.assert_array_equal(first(run), np.tile([5, 5, 7], (len(kinds), 1)))


@pytest.mark.parametrize(
    ("dialect", "arch", "statement", "kinds"),
    [
        ("cuda", "sm_90", "float v; atomicMax(&v, 1.f)", "int, unsigned, long long"),
        ("cuda", "sm_90", "short v; atomicAdd(&v, 1)", "int, unsigned, unsigned long long"),
        ("cuda", "sm_90", "long long v; atomicAdd(&v, 1)", "int, unsigned, unsigned long long"),
        ("cuda", "sm_90", "int v; atomicInc(&v, 1)", "for unsigned only"),
        ("cuda", "sm_75", "__nv_bfloat16 v; atomicAdd(&v, v)", "sm_75 has atomicAdd for"),
        ("cuda", "sm_90", "half v; atomicAdd_block(&v, v)", "sm_90 has atomicAdd_block for"),
        ("hip", "gfx90a", "half v; atomicAdd(&v, v)", "gfx90a has atomicAdd for"),
        ("hip", "gfx90a", "float v; atomicAnd(&v, 1.f)", "int, unsigned, unsigned long"),
    ],
)
def test_types_that_the_hardware_lacks(
    dialect: Dialect, arch: str, statement: str, kinds: str
) -> None:
    source = f"__global__ void k(int* y) {{\n  {statement};\n}}"
    with pytest.raises(SetupError) as caught:
        execute(source, out("y", 1, "int32"), dialect=dialect, arch=arch)
    assert caught.value.code == "XP6003"
    assert kinds in caught.value.message
    assert caught.value.span is not None and caught.value.span.line == 2


def test_hip_s_own_operations() -> None:
    source = """
    __global__ void k(int* y, float* z) {
      __hip_atomic_fetch_add(y, 2, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
      __hip_atomic_fetch_max(y + 1, (int)threadIdx.x, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
      unsafeAtomicAdd(z, 0.5f);
      __syncthreads();
      if (threadIdx.x == 0) {
        int seen = 7;
        y[2] = __hip_atomic_compare_exchange_strong(y, &seen, 3, __ATOMIC_RELAXED, __ATOMIC_RELAXED,
                                                    __HIP_MEMORY_SCOPE_AGENT);
        y[3] = seen;
        __hip_atomic_store(y + 4, __hip_atomic_load(y, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT),
                           __ATOMIC_RELEASE, __HIP_MEMORY_SCOPE_AGENT);
      }
    }"""
    params = (Tensor("y", (5,), "int32", "inout"), Tensor("z", (1,), "float32", "inout"))
    kernel = Kernel(source, "hip", "k", params, Launch((1,), (64,)))
    run = run_text(kernel, {"y": np.zeros(5, "int32"), "z": np.zeros(1, "float32")})
    assert run.arrays["y"].tolist() == [128, 63, 0, 128, 128]
    assert run.arrays["z"][0] == 32
