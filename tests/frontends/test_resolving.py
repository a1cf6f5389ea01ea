"""Entry, parameters and launch: what the caller gives is held against the file."""

from __future__ import annotations

import pytest

from xpiler_tvm import Kernel, Launch, ReadError, Scalar, Tensor, frontends
from xpiler_tvm.kernel import Param

ONE = """// a file of one kernel
__global__ void scale(const float* x, float* y, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i];
}
"""
TWO = (
    ONE
    + """
  template <typename T, int N>
  __global__ void fill(T* y) { y[threadIdx.x] = N; }
"""
)
X, Y = Tensor("x", (64,)), Tensor("y", (64,), intent="out")
A, N = Scalar("a", "float32", 2.0), Scalar("n", value=64)
LAUNCH = Launch((2,), (32,))


def resolve(
    text: str = ONE,
    params: tuple[Param, ...] | None = (X, Y, A, N),
    launch: Launch | None = LAUNCH,
    entry: str | None = None,
    dialect: str = "cuda",
    **args: float,
) -> Kernel:
    given = tuple(sorted(args.items()))
    kernel = Kernel(text, dialect, entry, params, launch, given, "kernel.cu")  # type: ignore[arg-type]
    return frontends.resolve(kernel)


def test_the_only_kernel_is_meant() -> None:
    found = resolve()
    assert found.entry == "scale"
    assert found.params == (X, Y, A, N) and found.launch == LAUNCH


def test_parameters_by_name_take_the_kernels_order() -> None:
    assert resolve(params=(N, Y, A, X)).params == (X, Y, A, N)


def test_scalars_from_args() -> None:
    found = resolve(params=(X, Y), a=0.5, n=12)
    assert found.params == (X, Y, Scalar("a", "float32", 0.5), Scalar("n", "int32", 12))
    symbolic = resolve(params=(X, Y, A, Scalar("n")))
    assert symbolic.scalars[1].value is None
    assert resolve(params=(X, Y, A, Scalar("n")), n=7).scalars[1].value == 7


def test_an_instance_is_named_in_full() -> None:
    found = resolve(TWO, (Tensor("y", (32,), "float64", "out"),), entry="fill<double, 0x20>")
    assert found.entry == "fill<double, 0x20>"


NOTHING = "__device__ float f(float v) { return v; }"
Y16 = Tensor("y", (64,), "float16", "out")
BIG = Launch((1,), (2048,))

# what is given; code; line and column; parts of message and hint
REFUSED: dict[str, tuple[dict[str, object], str, tuple[int, int] | None, str]] = {
    "no such kernel": ({"entry": "copy"}, "XP1003", None, "it has: scale"),
    "an instance without arguments": (
        {"text": TWO, "entry": "fill", "params": (Y,)},
        "XP1003",
        (7, 3),
        "template over T, N",
    ),
    "an instance of too few arguments": (
        {"text": TWO, "entry": "fill<float>", "params": (Y,)},
        "XP1003",
        (7, 3),
        "template over T, N",
    ),
    "an instance of an unknown type": (
        {"text": TWO, "entry": "fill<quad, 4>", "params": (Y,)},
        "XP1014",
        (7, 3),
        "quad",
    ),
    "two kernels and no entry": ({"text": TWO}, "XP1004", (7, 3), "scale, fill"),
    "no kernel": ({"text": NOTHING}, "XP1005", None, "__global__"),
    "no launch": ({"launch": None}, "XP1006", (2, 1), "--grid"),
    "no parameters": ({"params": None}, "XP1006", (2, 1), "--param"),
    "half a launch": ({"launch": Launch((4,), ())}, "XP1006", (2, 1), "no grid or no block"),
    "a parameter too many": (
        {"params": (X, Y, A, N, Scalar("m"))},
        "XP1007",
        (2, 1),
        "no parameter 'm'",
    ),
    "a parameter missing": ({"params": (X, Y, A)}, "XP1007", (2, 58), "--arg n=512"),
    "a tensor missing": ({"params": (X, A, N)}, "XP1007", (2, 39), "'y:float32[512]'"),
    "a scalar for a pointer": ({"params": (Scalar("x"), Y, A, N)}, "XP1007", (2, 23), "a pointer"),
    "a tensor for a scalar": (
        {"params": (X, Y, Tensor("a", (1,)), N)},
        "XP1007",
        (2, 49),
        "a scalar",
    ),
    "another element type": ({"params": (X, Y16, A, N)}, "XP1007", (2, 39), "holds float32"),
    "another scalar type": (
        {"params": (X, Y, A, Scalar("n", "int64", 4))},
        "XP1007",
        (2, 58),
        "holds int32",
    ),
    "a block too large": ({"launch": BIG}, "XP1011", (2, 1), "2048 threads, the limit is 1024"),
    "a block too deep": ({"launch": Launch((1,), (1, 1, 65))}, "XP1011", (2, 1), "1x1x65"),
    "a grid too high": ({"launch": Launch((1, 65536), (1,))}, "XP1011", (2, 1), "1x65536"),
    "too much shared memory": (
        {"launch": Launch((1,), (1,), 1 << 18)},
        "XP1011",
        (2, 1),
        "262144 bytes",
    ),
    "a value for nothing": ({"m": 4}, "XP1014", None, "it has: x, y, a, n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    given, code, place, words = REFUSED[name]
    with pytest.raises(ReadError) as refusal:
        resolve(**given)  # type: ignore[arg-type]
    error = refusal.value
    assert error.code == code
    assert words in f"{error.message} {error.hint}"
    if place is None:
        assert error.span is None
    else:
        assert error.span is not None
        assert (error.span.line, error.span.column) == place


def test_limits_are_those_of_the_dialect() -> None:
    launch = Launch((2,), (32,), 100 * 1024)
    assert resolve(launch=launch).launch == launch
    with pytest.raises(ReadError) as refusal:
        resolve(launch=launch, dialect="hip")
    assert refusal.value.code == "XP1011" and "65536" in refusal.value.message


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tensor("x", (4,), "float8"),
        lambda: Tensor("x", (4,), intent="both"),  # type: ignore[arg-type]
        lambda: Tensor("x", (4, 0)),
        lambda: Scalar("n", "index"),
        lambda: Kernel(ONE, "cuda", params=(X, X)),
    ],
)
def test_malformed_arguments(make: object) -> None:
    with pytest.raises(ReadError) as refusal:
        make()  # type: ignore[operator]
    assert refusal.value.code == "XP1014"


def read(body: str, *params: Param, launch: Launch = LAUNCH) -> Kernel:
    text = f"__global__ void k(const float* x, float* y, const int* p, int n) {{\n{body}\n}}"
    p = Tensor("p", (64,), "int32")
    names = {param.name for param in params}
    given = (*params, *(d for d in (X, Y, p, N) if d.name not in names))
    return frontends.read(resolve(text, given, launch)).kernel


def test_extents_follow_from_the_accesses() -> None:
    body = "int i = blockIdx.x * 32 + threadIdx.x; y[i] = x[2 * i + 1];"
    found = read(body, Tensor("x"), Tensor("y", intent="out"))
    assert [t.shape for t in found.tensors[:2]] == [(128,), (64,)]
    body = "int i = threadIdx.x; if (i < n / 4) y[i] = x[i + 3];"
    found = read(body, Tensor("x"), Tensor("y", intent="out"))
    assert [t.shape for t in found.tensors[:2]] == [(19,), (16,)]


def test_an_extent_that_does_not_follow() -> None:
    with pytest.raises(ReadError) as refusal:
        read("y[threadIdx.x] = x[p[threadIdx.x]];", Tensor("x"))
    assert refusal.value.code == "XP1015"
    assert "--param 'x:float32[...]'" in refusal.value.hint
    with pytest.raises(ReadError) as unknown:
        _ = Tensor("x").size
    assert unknown.value.code == "XP1015"


def test_an_input_that_is_written() -> None:
    with pytest.raises(ReadError) as refusal:
        read("y[threadIdx.x] = 1;", Tensor("y", (64,)))
    assert refusal.value.code == "XP1007" and "'out' or 'inout'" in refusal.value.hint


FILLED = """__global__ void total(const float* x, float* sum, float* last) {
  atomicAdd(sum, x[threadIdx.x]);
  if (threadIdx.x == 31) last[0] = x[31];
}
int main() {
  float *x, *sum, *last;
  cudaMalloc(&x, 128); cudaMalloc(&sum, 4); cudaMalloc(&last, 4);
  cudaMemset(sum, 0, 4); cudaMemset(last, 0, 4); cudaMemcpy(x, h, 128, cudaMemcpyHostToDevice);
  total<<<1, 32>>>(x, sum, last);
}
"""


def test_what_host_code_fills_and_never_fetches_may_be_written() -> None:
    """The kernel decides: what it leaves alone is an input, and all else starts with values."""
    source = FILLED.replace("float *x,", "float h[32], *x,")
    found = frontends.read(frontends.resolve(Kernel.from_source(source, "cuda"))).kernel
    intents = {tensor.name: tensor.intent for tensor in found.tensors}
    assert intents == {"x": "in", "sum": "inout", "last": "inout"}
