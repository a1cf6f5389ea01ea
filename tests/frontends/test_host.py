"""What is read from host code: launches, extents, intents, scalars, instances."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpiler_tvm.errors import ReadError
from xpiler_tvm.frontends import c_reader, host
from xpiler_tvm.kernel import Kernel

EXAMPLES = Path(__file__).parents[2] / "examples"


def facts(text: str, entry: str | None = None, **args: float) -> host.HostFacts:
    kernel = Kernel(text, "cuda", entry, args=tuple(sorted(args.items())), filename="k.cu")
    return host.launch_of(c_reader.read_unit(text, "cuda", "k.cu"), kernel)


def arguments(found: host.HostFacts) -> dict[str, object]:
    """Scalars by value, pointers as (extent, intent)."""
    return {
        a.name: a.value if a.value is not None else (a.extent, a.intent) for a in found.arguments
    }


# example: entry, grid, block, bytes of dynamic shared memory, arguments
EXPECTED = {
    "vector_add": (
        "vector_add", (391,), (256,), 0,
        {"a": (100003, "in"), "b": (100003, "in"), "c": (100003, "out"), "n": 100003},
    ),
    "gelu": (
        "gelu_kernel", (500,), (256,), 0,
        {"input": (128000, "in"), "output": (128000, "out"), "count": 128000},
    ),
    "softmax_rows": (
        "softmax_rows", (8,), (64,), 0,
        {"in": (100000, "in"), "out": (100000, "out"), "rows": 500, "cols": 200},
    ),
    "softmax": (
        "softmax", (4096,), (256,), 0,
        {"x": (4096 * 1024, "in"), "y": (4096 * 1024, "out"), "n": 1024},
    ),
    "layernorm": (
        "layernorm_kernel", (512,), (128,), 512,
        {
            "x": (512 * 768, "in"), "gamma": (768, "in"), "beta": (768, "in"),
            "y": (512 * 768, "out"), "hidden": 768, "epsilon": pytest.approx(1e-5),
        },
    ),
    "gemm": (
        "sgemm_naive", (15, 16), (16, 16), 0,
        {
            "M": 256, "N": 240, "K": 224, "alpha": 0.5, "A": (256 * 224, "in"),
            "B": (224 * 240, "in"), "beta": 2.0, "C": (256 * 240, "inout"),
        },
    ),
    "gemm_tiled": (
        "gemm_tiled<16>", (15, 16), (16, 16), 0,
        {
            "A": (250 * 200, "in"), "B": (200 * 230, "in"), "C": (250 * 230, "out"),
            "m": 250, "n": 230, "k": 200,
        },
    ),
    "stencil": (
        "heat_step", (16, 38), (32, 8), 0,
        {
            "next": (150000, "out"), "now": (150000, "in"), "height": 300, "width": 500,
            "rate": pytest.approx(0.2),
        },
    ),
    "transpose": (
        "transpose_padded", (11, 16), (32, 8), 0,
        {"odata": (166500, "inout"), "idata": (166500, "in"), "height": 500, "width": 333},
    ),
    "maxpool": (
        "maxpool_nhwc", (270,), (128,), 0,
        {
            "x": (138240, "in"), "y": (34560, "out"), "batch": 2, "height": 40, "width": 36,
            "channels": 48, "out_height": 20, "out_width": 18,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_examples(name: str) -> None:
    entry, grid, block, shared_bytes, expected = EXPECTED[name]
    found = facts((EXAMPLES / f"{name}.cu").read_text())
    assert (found.entry, found.grid, found.block) == (entry, grid, block)
    assert found.shared_bytes == shared_bytes
    assert arguments(found) == expected


def test_every_example_is_expected() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.cu")} == set(EXPECTED)


SCALE = """
__global__ void scale(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2.0f * x[i];
}
"""


def wrapped(body: str, signature: str = "void run(const float *x, float *y, int n)") -> str:
    return f"{SCALE}\n{signature} {{\n{body}\n}}\n"


COPIES = """
    float *dx, *dy;
    cudaMalloc(&dx, n * sizeof(float));
    cudaMalloc(&dy, n * sizeof(float));
    cudaMemcpy(dx, x, n * sizeof(float), cudaMemcpyHostToDevice);
    scale<<<(n + 127) / 128, 128>>>(dx, dy, n);
    cudaMemcpy(y, dy, n * sizeof(float), cudaMemcpyDeviceToHost);
"""


def test_arguments_of_a_wrapper() -> None:
    found = facts(wrapped(COPIES), n=1000)
    assert found.grid == (8,)
    assert arguments(found) == {"x": (1000, "in"), "y": (1000, "out"), "n": 1000}


def test_missing_argument_is_named() -> None:
    with pytest.raises(ReadError) as error:
        facts(wrapped(COPIES))
    assert error.value.code == "XP1006"
    assert "--arg n=..." in error.value.hint
    assert error.value.span is not None and error.value.span.line == 7


def test_unknown_argument_is_refused() -> None:
    with pytest.raises(ReadError) as error:
        facts(wrapped(COPIES), size=1000)
    assert error.value.code == "XP1014"
    assert "n" in error.value.hint


def test_arguments_override_main() -> None:
    main = "int main() { int n = 64; float *x = 0, *y = 0; run(x, y, n); }"
    assert facts(wrapped(COPIES) + main).grid == (1,)
    assert facts(wrapped(COPIES) + main, n=1000).grid == (8,)


def test_program_arguments_default() -> None:
    main = """
    int main(int argc, char **argv) {
        int n = argc > 1 ? atoi(argv[1]) : 300;
        run(0, 0, n);
    }"""
    assert arguments(facts(wrapped(COPIES) + main))["n"] == 300


def test_wrapper_on_device_pointers_has_no_extents() -> None:
    found = facts(wrapped("scale<<<4, n / 4>>>(x, y, n);"), n=512)
    assert (found.grid, found.block) == ((4,), (128,))
    assert arguments(found) == {"x": (None, "unknown"), "y": (None, "unknown"), "n": 512}


def test_no_host_code_shows_what_to_give() -> None:
    with pytest.raises(ReadError) as error:
        facts(SCALE)
    assert error.value.code == "XP1006"
    assert error.value.hint.splitlines() == [
        "for example --param 'x:float32[512]' --param 'y:float32[512]:out' "
        "--param 'n:int32=512' --grid 4 --block 128",
        'or in Python: params=[xt.Tensor("x", (512,), "float32"), '
        'xt.Tensor("y", (512,), "float32", intent="out"), xt.Scalar("n", "int32", 512)], '
        "launch=xt.Launch(grid=(4,), block=(128,))",
    ]


def test_two_kernels_need_an_entry() -> None:
    body = SCALE.replace("scale", "other") + wrapped(COPIES + "other<<<2, 64>>>(dx, dy, 7);")
    with pytest.raises(ReadError) as error:
        facts(body, n=100)
    assert error.value.code == "XP1004"
    found = facts(body, entry="other", n=100)
    assert (found.grid, found.block) == ((2,), (64,))
    # another kernel works on the same memory, so the copies do not tell this one's directions
    assert arguments(found) == {"x": (100, "unknown"), "y": (100, "unknown"), "n": 7}


def test_warm_up_does_not_hide_intents() -> None:
    loop = "for (int i = 0; i < 10; ++i) scale<<<(n + 127) / 128, 128>>>(dx, dy, n);"
    found = facts(wrapped(COPIES.replace("    cudaMemcpy(y", loop + "\ncudaMemcpy(y")), n=100)
    assert arguments(found)["y"] == (100, "out")


def test_swapped_buffers_leave_intents_open() -> None:
    body = COPIES.replace("cudaMemcpy(y", "scale<<<1, 128>>>(dy, dx, n);\ncudaMemcpy(y")
    assert arguments(facts(wrapped(body), n=100))["y"] == (100, "unknown")


def test_memset_counts_as_input() -> None:
    body = COPIES.replace("scale<<<", "cudaMemset(dy, 0, n * sizeof(float));\nscale<<<")
    assert arguments(facts(wrapped(body), n=100))["y"] == (100, "inout")


def test_pointer_offsets_shorten_the_extent() -> None:
    body = COPIES.replace("(dx, dy, n);", "(dx + 36, &dy[20], n - 36);")
    assert arguments(facts(wrapped(body), n=100)) == {
        "x": (64, "in"), "y": (80, "out"), "n": 64,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "grid"),
    [
        ("int g = 1; while (g * 128 < n) g *= 2;", 8),
        ("int g = 0; do { g++; } while (g < 5);", 5),
        (
            "int g = 0; for (int i = 0;; i++) { if (i == 3) continue; if (i > 6) break; g++; }",
            6,
        ),
        ("int g; switch (n) { case 1000: g = 3; break; default: g = 4; }", 3),
        ("int g = (int)ceil(n / 128.0);", 8),
        ("int g = std::min(n, 5);", 5),
        ("struct S { int blocks; int pad; } s = {6, 0}; int g = s.blocks;", 6),
        ("int sizes[3] = {2, 3, 4}; int g = sizes[0] * sizes[1];", 6),
        ("struct S { int blocks; } s = {5}, t; t = s; s.blocks = 1; int g = t.blocks;", 5),
        ("int g = 4, h = 5; std::swap(g, h);", 5),
        ("dim3 d{3}; int g = d.x * d.y;", 3),
        ("int g{8};", 8),
        ("auto half = [](int v) { return v / 2; }; int g = half(14);", 7),
        ("int g = n; int &r = g; r = 9;", 9),
        ("size_t g = sizeof(double) * 2; g >>= 1;", 8),
        ("int g = 7; for (int i = 0; i < 100000000; ++i) y[i] = 0.0f;", 7),
        ('int g = 7; if (x[0] > 1.0f) { printf("odd"); return; }', 7),
    ],
)
def test_host_language(statements: str, grid: int) -> None:
    text = wrapped(f"{statements}\nscale<<<g, 128>>>(x, y, n);")
    text = text.replace(
        "const float *x, float *y, int n) {\n", "const float *x, float *y, int n) {\n", 1
    )
    assert facts(text, n=1000).grid == (grid,)


def test_three_dimensions_and_template_types() -> None:
    text = """
    template <typename T, int WIDTH> __global__ void fill(T *y) { y[threadIdx.x] = WIDTH; }
    template <typename T> int halved(int n) { return n * sizeof(T) / 16; }
    int main() {
        double *d; cudaMalloc(&d, 64 * sizeof(double));
        dim3 grid; grid.x = 2; grid.z = halved<double>(6);
        fill<double, 32><<<grid, dim3(4, 2)>>>(d);
    }
    """
    found = facts(text)
    assert found.entry == "fill<double, 32>"
    assert (found.grid, found.block) == ((2, 1, 3), (4, 2))
    assert arguments(found) == {"y": (64, "unknown")}
    assert facts(text, entry="fill<double,32>").entry == "fill<double, 32>"


def test_launch_in_a_template() -> None:
    text = """
    template <int WIDTH> __global__ void fill(float *y) { y[threadIdx.x] = WIDTH; }
    template <int W> void run(float *y) { fill<2 * W><<<1, W>>>(y); }
    int main() { float *d; cudaMalloc(&d, 256); run<32>(d); }
    """
    found = facts(text)
    assert (found.entry, found.block) == ("fill<64>", (32,))
    # A type that is written as a keyword has no cursor inside a template; the text has it.
    text = text.replace("<int WIDTH>", "<typename T, int WIDTH>").replace("<2 *", "<float, 2 *")
    assert facts(text).entry == "fill<float, 64>"


@pytest.mark.parametrize(
    ("statements", "line"),
    [
        ("while (1) { }", 8),
        ("int i = 0; while (i < 10) { n = 5; }", 8),
        ("int g = n / (n - n);", 8),
        ("for (;;) cudaDeviceSynchronize(), scale<<<1, 1>>>(x, y, 1 / (n - n));", 8),
        ("n = (int)x[0];", 8),
        ("struct S { int v; S(int k) : v(2 * k) {} } s(4); n = s.v;", 8),
        ("struct S { int v; void set() { v = 9; } } s = {4}; s.set(); n = s.v;", 8),
        ("if (x[0] > 0) scale<<<1, 1>>>(x, y, n);", 8),
        ("goto end; end: ;", 8),
    ],
)  # fmt: skip
def test_what_cannot_be_run(statements: str, line: int) -> None:
    with pytest.raises(ReadError) as error:
        facts(wrapped(f"{statements}\nscale<<<n, 128>>>(x, y, n);"), n=1000)
    assert error.value.code == "XP1013"
    assert error.value.span is not None and error.value.span.line == line


def test_endless_launching_loop_keeps_the_first_launch() -> None:
    found = facts(wrapped("for (;;) scale<<<2, 128>>>(x, y, n);"), n=256)
    assert found.grid == (2,)


def test_recursion_ends() -> None:
    text = SCALE + "void run(int n) { run(n + 1); scale<<<1, n>>>(0, 0, n); }"
    with pytest.raises(ReadError) as error:
        facts(text, n=1)
    assert error.value.code == "XP1013"


def test_main_that_wants_arguments_falls_back_to_the_wrapper() -> None:
    main = "int main(int argc, char **argv) { if (argc < 2) return 1; run(0, 0, atoi(argv[1])); }"
    with pytest.raises(ReadError) as error:
        facts(wrapped(COPIES) + main)
    assert "--arg n=..." in error.value.hint
    assert facts(wrapped(COPIES) + main, n=1000).grid == (8,)


def test_structs_streams_and_events() -> None:
    text = (
        SCALE
        + """
    typedef struct { int width; int height; float *elements; } Matrix;
    static void check(cudaError_t error) { if (error != cudaSuccess) exit(EXIT_FAILURE); }
    void run(const Matrix a, Matrix b) {
        Matrix da = a, db;
        int count = a.width * a.height;
        check(cudaMalloc(&da.elements, count * sizeof(float)));
        check(cudaMemcpy(da.elements, a.elements, count * sizeof(float), cudaMemcpyHostToDevice));
        db = da;
        check(cudaMalloc(&db.elements, count * sizeof(float)));
        cudaStream_t stream;
        check(cudaStreamCreate(&stream));
        cudaEvent_t start, stop;
        cudaEventCreate(&start);
        cudaEventRecord(start, stream);
        for (int i = 0; i < 5; ++i)
            scale<<<dim3((count + 255) / 256), 256, 0, stream>>>(da.elements, db.elements, count);
        float ms = 0;
        cudaEventElapsedTime(&ms, start, stop);
        if (ms > 1000.0f) { printf("slow"); return; }
        cudaMemcpyAsync(b.elements, db.elements, count * 4, cudaMemcpyDeviceToHost, stream);
    }
    int main() {
        Matrix a, b;
        a.width = 64; a.height = 480;
        b = a;
        a.elements = (float *)malloc(a.width * a.height * sizeof(float));
        for (int i = 0; i < a.height; i++)
            for (int j = 0; j < a.width; j++) a.elements[i * a.width + j] = rand() % 3;
        run(a, b);
    }
    """
    )
    found = facts(text)
    assert found.grid == (120,)
    assert arguments(found) == {"x": (30720, "in"), "y": (30720, "out"), "n": 30720}


def test_helpers_that_allocate() -> None:
    text = (
        SCALE
        + """
    const int shape[] = {4, 8, 128};
    float host_x[4096], host_y[4096];
    template <typename T> T *to_device(const T *from, size_t n) {
        T *p;
        cudaMalloc((void **)&p, n * sizeof(T));
        if (from) cudaMemcpy(p, from, n * sizeof(T), cudaMemcpyHostToDevice);
        return p;
    }
    int main() {
        size_t n = 1;
        for (int i = 0; i < 3; ++i) n *= shape[i];
        float *buffers[2];
        buffers[0] = to_device(host_x, n);
        buffers[1] = to_device<float>(nullptr, n);
        auto launch = [&](int threads) {
            scale<<<(n + threads - 1) / threads, threads>>>(buffers[0], buffers[1], n);
        };
        launch(64);
        cudaMemcpy(host_y, buffers[1], sizeof(host_y), cudaMemcpyDeviceToHost);
    }
    """
    )
    found = facts(text)
    assert (found.grid, found.block) == ((64,), (64,))
    assert arguments(found) == {"x": (4096, "in"), "y": (4096, "out"), "n": 4096}


@pytest.mark.parametrize(
    "loop",
    [
        "for (int i = 0; i < 1 << 20; ++i) g = g * 3 + i;",
        "int &r = g; for (int i = 0; i < 1 << 20; ++i) r = r * 3 + i;",
        "for (int i = 0; i < 1 << 20; ++i) { int &r = g; if (x[i] > 0) ++r; }",
        "for (int i = 0; i < 1 << 20; ++i) bump(g);",
        "for (int i = 0; i < 1 << 20; ++i) if (x[i] > 0) bump(g);",
        "auto f = [&](int k) { g += k; }; for (int i = 0; i < 1 << 20; ++i) if (x[i] > 0) f(i);",
        "int *p = &g; for (int i = 0; i < 1 << 20; ++i) if (x[i] > 0) *p = i;",
        "struct S { int v; } s = {1}; for (int i = 0; i < 1 << 20; ++i) s.v += i; g = s.v;",
        "int a[2] = {1, 2}; for (int i = 0; i < 1 << 20; ++i) a[i & 1] += i; g = a[0];",
    ],
)
def test_what_a_given_up_loop_changes_is_unknown(loop: str) -> None:
    text = "void bump(int &v) { v++; }\n" + wrapped(f"int g = 1; {loop}\nscale<<<g, 1>>>(x, y, n);")
    with pytest.raises(ReadError) as error:
        facts(text, n=1000)
    assert error.value.code == "XP1013"
