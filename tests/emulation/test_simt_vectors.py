"""Vector types: makers, arithmetic of HIP, cached accesses, alignment."""

from __future__ import annotations

import numpy as np
import pytest

from xpiler_tvm.emulation import numpy_dtype
from xpiler_tvm.kernel import Dialect

from .support import execute, first, number, out, random

DTYPES = {
    "char": "int8",
    "uchar": "uint8",
    "short": "int16",
    "ushort": "uint16",
    "int": "int32",
    "uint": "uint32",
    "long": "int64",
    "ulong": "uint64",
    "longlong": "int64",
    "ulonglong": "uint64",
    "float": "float32",
    "double": "float64",
}
VECTORS = [(name, count) for name in DTYPES for count in (1, 2, 3, 4)]


@pytest.mark.parametrize("dialect", ["cuda", "hip"])
def test_vectors_of_every_type_and_size(dialect: Dialect) -> None:
    lines = []
    for i, (name, count) in enumerate(VECTORS):
        values = ", ".join(str(10 * i % 90 + j) for j in range(count))
        lines.append(f"{{ {name}{count} v = make_{name}{count}({values});")
        lines += [f"y[{4 * i + j}] = v.{'xyzw'[j]};" for j in range(count)]
        lines.append(f"y[{4 * len(VECTORS) + i}] = sizeof v; }}")
    source = f"__global__ void k(double* y) {{ {' '.join(lines)} }}"
    got = first(execute(source, out("y", 5 * len(VECTORS), "float64"), block=(1,), dialect=dialect))
    for i, (name, count) in enumerate(VECTORS):
        want = [10 * i % 90 + j for j in range(count)]
        assert got[4 * i : 4 * i + count].tolist() == want
        assert got[4 * len(VECTORS) + i] == count * np.dtype(DTYPES[name]).itemsize


def test_dim3() -> None:
    source = """
    __global__ void k(int* y) {
      dim3 one(7), two(3, 4), all = make_uint3(1, 2, 3);
      uint3 back = all;
      constexpr dim3 fixed(5, 6);
      unsigned values[] = {one.x,  one.y,  one.z,  two.x,  two.y,
                           two.z, back.x, back.y, back.z, fixed.y};
      for (int i = 0; i < 10; ++i) y[i] = values[i];
    }"""
    got = first(execute(source, out("y", 10, "int32"), block=(1,)))
    assert got.tolist() == [7, 1, 1, 3, 4, 1, 1, 2, 3, 6]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["int", "uint", "short", "float", "double"])
def test_arithmetic_of_hip_s_vectors(name: str, count: int) -> None:
    integers = name not in ("float", "double")
    operators = ["+", "-", "*", "/"] + ["%", "&", "|", "^", "<<", ">>"] * integers
    element, vector = {"uint": "unsigned"}.get(name, name), f"{name}{count}"
    lines = [f"w[{i}] = a {op} b;" for i, op in enumerate(operators)]
    lines += ["w[n] = a * (T)3;", "w[n + 1] = (T)3 - a;", "w[n + 2] = -a;", "c = a; c += b;"]
    lines += ["w[n + 3] = c;", "z[0] = a == b; z[1] = a == a; z[2] = a != b;"]
    source = f"""#include <hip/hip_runtime.h>
    typedef {element} T;
    __global__ void k(const T* x, T* y, int* z, int n) {{
      {vector} a = *(const {vector}*)x, b = *(const {vector}*)(x + {count}), c;
      {vector}* w = ({vector}*)y;
      {" ".join(lines)}
    }}"""
    dtype = np.dtype(DTYPES[name])
    x = np.array([9, 7, 14, 100, 2, 3, 1, 5][:count] + [2, 3, 1, 5][:count]).astype(dtype)
    results = out("y", (len(operators) + 4, count), dtype.name), out("z", 3, "int32")
    size = number("n", len(operators))
    run = execute(source, ("x", x), *results, size, block=(1,), dialect="hip")
    a, b = x[:count], x[count:]
    divided = a // b if integers else a / b
    want = [a + b, a - b, a * b, divided]
    want += [a % b, a & b, a | b, a ^ b, a << b, a >> b] if integers else []
    three = dtype.type(3)
    want += [a * three, three - a, np.negative(a), a + b]
    np.testing.assert_array_equal(first(run), np.array(want))
    assert first(run, "z").tolist() == [0, 1, 1]


LOADS = ["__ldg", "__ldca", "__ldcg", "__ldcs", "__ldlu", "__ldcv"]
STORES = ["__stwb", "__stcg", "__stcs", "__stwt"]


@pytest.mark.parametrize("kind", ["float", "int4", "half", "half2", "__nv_bfloat16", "double2"])
def test_accesses_with_a_hint(kind: str) -> None:
    pairs = [(load, STORES[i % len(STORES)]) for i, load in enumerate(LOADS)]
    body = " ".join(
        f"{store}(y + {i} * n + t, {load}(x + t));" for i, (load, store) in enumerate(pairs)
    )
    source = (
        f"__global__ void k(const {kind}* x, {kind}* y) {{ int t = threadIdx.x, n = 32; {body} }}"
    )
    dtype, count = {
        "float": ("float32", 1),
        "int4": ("int32", 4),
        "half": ("float16", 1),
        "half2": ("float16", 2),
        "__nv_bfloat16": ("bfloat16", 1),
        "double2": ("float64", 2),
    }[kind]
    x = (100 * random(32, count, dtype="float64")).astype(numpy_dtype(dtype))
    got = first(execute(source, ("x", x), out("y", (len(pairs), 32, count), dtype)))
    for row in got:
        assert row.tobytes() == x.tobytes()


def test_nontemporal_accesses() -> None:
    source = """
    __global__ void k(const float* x, float* y) {
      float v = __builtin_nontemporal_load(x + threadIdx.x);
      __builtin_nontemporal_store(2 * v, y + threadIdx.x);
    }"""
    x = random(64)
    got = first(execute(source, ("x", x), out("y", 64), block=(64,), dialect="hip"))
    np.testing.assert_array_equal(got, 2 * x)


ALIGNED = ["char4", "short2", "int2", "float2", "float4", "double2", "double4", "float3", "half2"]


@pytest.mark.parametrize(
    ("dialect", "build", "want"),
    [
        ("cuda", "fast", [1, 2, 4, 4, 4, 8, 8, 4, 2]),
        ("cuda", "checked", [4, 4, 8, 8, 16, 16, 16, 4, 4]),
        ("hip", "checked", [4, 4, 8, 8, 16, 16, 32, 4, 4]),
    ],
)
def test_alignment_is_the_hardware_s_where_it_is_checked(
    dialect: Dialect, build: str, want: list[int]
) -> None:
    """Elsewhere it is that of the elements, as arrays may start anywhere."""
    body = " ".join(f"y[{i}] = alignof({kind});" for i, kind in enumerate(ALIGNED))
    source = f"__global__ void k(int* y) {{ {body} }}"
    result = out("y", len(ALIGNED), "int32")
    run = execute(source, result, block=(1,), dialect=dialect, build=build)  # type: ignore[arg-type]
    assert first(run).tolist() == want
