"""Kernels that the frontend refuses, in other words that are right, and in some that are not.

Each kernel has twelve wrong rewritings, made from the right one by one replacement; `SCRIPT`s are
the same kernels as TVMScript. Nothing here is known to the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xpiler_tvm import Kernel, Launch, Scalar, Tensor


@dataclass(frozen=True)
class Case:
    """`faults` are replacements in `right` by name; `script` is empty where there is none."""

    kernel: Kernel
    right: str
    faults: Mapping[str, tuple[str, str]]
    script: str = ""

    @property
    def name(self) -> str:
        return str(self.kernel.entry)

    def wrong(self, fault: str) -> str:
        """The rewriting with one fault."""
        old, new = self.faults[fault]
        if old not in self.right:
            raise ValueError(f"{self.name}: {fault}: {old!r} does not occur")
        return self.right.replace(old, new, 1)


def _out(name: str, *shape: int, dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype, "out")


SELECT = Case(
    Kernel(
        """
__global__ void select(const float *a, const float *b, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) goto done;
  {
    const float *p = (i & 1) ? a : b;
    y[i] = p[i] * 2.0f + 1.0f;
  }
done:
  return;
}
""",
        "cuda",
        "select",
        (Tensor("a", (1000,)), Tensor("b", (1000,)), _out("y", 1000), Scalar("n", value=1000)),
        Launch((4,), (256,)),
        filename="select.cu",
    ),
    """
__global__ void select(const float *a, const float *b, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    float v = (i & 1) ? a[i] : b[i];
    y[i] = v * 2.0f + 1.0f;
  }
}
""",
    {
        "bound too far": ("i < n", "i <= n"),
        "bound too near": ("i < n", "i < n - 1"),
        "condition turned": ("? a[i] : b[i]", "? b[i] : a[i]"),
        "another bit": ("i & 1", "i & 2"),
        "index off by one": ("a[i] :", "a[i > 0 ? i - 1 : 0] :"),
        "constant": ("+ 1.0f", "+ 1.0001f"),
        "operator": ("v * 2.0f", "v / 2.0f"),
        "order of operations": ("v * 2.0f + 1.0f", "(v + 1.0f) * 2.0f"),
        "only for negative numbers": ("y[i] = v", "v = v < 0.0f ? v * 1.001f : v; y[i] = v"),
        "only for one number": ("y[i] = v", "if (v == 0.3125f) v = 0.0f; y[i] = v"),
        "only for one element": ("y[i] = v", "if (i == 777) v = 0.0f; y[i] = v"),
        "in half precision": ("y[i] = v", "v = (float)(__half)v; y[i] = v"),
    },
    """
@T.prim_func
def select(a: T.Buffer((1000,), "float32"), b: T.Buffer((1000,), "float32"),
           y: T.Buffer((1000,), "float32")):
    for i in range(1000):
        y[i] = T.if_then_else(i % 2 == 1, a[i], b[i]) * T.float32(2) + T.float32(1)
""",
)

APPLY = Case(
    Kernel(
        """
__device__ float relu(float v) { return v > 0.0f ? v : 0.0f; }
__device__ float square(float v) { return v * v; }
__global__ void apply(const float *x, float *y, int rows, int columns) {
  int r = blockIdx.x, c = threadIdx.x;
  float (*f)(float) = r < rows / 2 ? relu : square;
  y[r * columns + c] = f(x[r * columns + c]);
}
""",
        "hip",
        "apply",
        (
            Tensor("x", (32, 64)),
            _out("y", 32, 64),
            Scalar("rows", value=32),
            Scalar("columns", value=64),
        ),
        Launch((32,), (64,)),
        filename="apply.hip",
    ),
    """
__global__ void apply(const float *x, float *y, int rows, int columns) {
  int r = blockIdx.x, c = threadIdx.x;
  float v = x[r * columns + c];
  float positive = v > 0.0f ? v : 0.0f;
  float squared = v * v;
  y[r * columns + c] = r < rows / 2 ? positive : squared;
}
""",
    {
        "bound too far": ("r < rows / 2", "r <= rows / 2"),
        "division": ("rows / 2", "rows / 3"),
        "condition turned": ("? positive : squared", "? squared : positive"),
        "stride of a read": ("x[r * columns + c]", "x[r * rows + c]"),
        "stride of a store": ("y[r * columns + c]", "y[r * (columns - 1) + c]"),
        "transposed": ("x[r * columns + c]", "x[(c * rows + r) % (rows * columns)]"),
        "operator": ("v * v", "v + v"),
        "absolute value": ("v > 0.0f ? v : 0.0f", "v > 0.0f ? v : -v"),
        "leak": ("v > 0.0f ? v : 0.0f", "v > 0.0f ? v : 0.001f * v"),
        "threshold": ("v > 0.0f ? v : 0.0f", "v > 0.0625f ? v : 0.0f"),
        "threads left out": ("float v", "if (c >= 63) return; float v"),
        "through a byte": ("v * v;", "v * v; squared = (float)(signed char)squared;"),
    },
    """
@T.prim_func
def apply(x: T.Buffer((32, 64), "float32"), y: T.Buffer((32, 64), "float32")):
    for r, c in T.grid(32, 64):
        y[r, c] = T.if_then_else(r < 16, T.max(x[r, c], T.float32(0)), x[r, c] * x[r, c])
""",
)

GCD = Case(
    Kernel(
        """
__device__ int divisor(int a, int b) { return b == 0 ? a : divisor(b, a % b); }
__global__ void gcd(const int *a, const int *b, int *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = divisor(abs(a[i]), abs(b[i]));
}
""",
        "cuda",
        "gcd",
        (
            Tensor("a", (500,), "int32"),
            Tensor("b", (500,), "int32"),
            _out("y", 500, dtype="int32"),
            Scalar("n", value=500),
        ),
        Launch((4,), (128,)),
        filename="gcd.cu",
    ),
    """
__global__ void gcd(const int *a, const int *b, int *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    int p = abs(a[i]), q = abs(b[i]);
    while (q != 0) {
      int t = p % q;
      p = q;
      q = t;
    }
    y[i] = p;
  }
}
""",
    {
        "bound too far": ("i < n", "i <= n"),
        "bound too near": ("i < n", "i < n - 3"),
        "another result": ("y[i] = p;", "y[i] = q;"),
        "stops early": ("q != 0", "q > 1"),
        "sign lost": ("abs(a[i])", "a[i]"),
        "order of stores": ("p = q;\n      q = t;", "q = t;\n      p = q;"),
        "division": ("p % q", "p / q"),
        "one operand": ("abs(b[i])", "abs(a[i])"),
        "never zero": ("y[i] = p;", "y[i] = p == 0 ? 1 : p;"),
        "index off by one": ("abs(b[i])", "abs(b[i == n - 1 ? i - 1 : i])"),
        "bounded steps": ("while (q != 0)", "for (int s = 0; s < 4 && q != 0; ++s)"),
        "in a byte": ("int p = abs(a[i])", "int p = (signed char)(2 * abs(a[i])) / 2"),
    },
)

WEIGHTED = Case(
    Kernel(
        """
__global__ void weighted(const float *x, const float *w, float *y) {
  int r = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0.0f;
  int j = 0;
again:
  sum += x[r * 48 + j] * w[j];
  j = j + 1;
  if (j < 48) goto again;
  y[r] = sum / 48.0f;
}
""",
        "cuda",
        "weighted",
        (Tensor("x", (128, 48)), Tensor("w", (48,)), _out("y", 128)),
        Launch((2,), (64,)),
        filename="weighted.cu",
    ),
    """
__global__ void weighted(const float *x, const float *w, float *y) {
  int r = blockIdx.x * blockDim.x + threadIdx.x;
  float sum = 0.0f;
  for (int j = 0; j < 48; ++j) sum += x[r * 48 + j] * w[j];
  y[r] = sum / 48.0f;
}
""",
    {
        "starts late": ("int j = 0", "int j = 1"),
        "ends early": ("j < 48", "j < 47"),
        "ends late": ("j < 48", "j <= 48"),
        "step": ("++j", "j += 2"),
        "stride": ("r * 48", "r * 47"),
        "operand turned": ("w[j]", "w[47 - j]"),
        "divisor": ("/ 48.0f", "/ 47.0f"),
        "start of the sum": ("sum = 0.0f", "sum = 1e-3f"),
        "overwritten": ("sum += x", "sum = x"),
        "operator": ("* w[j]", "+ w[j]"),
        "no mean": ("sum / 48.0f", "sum"),
        "another row": ("y[r] =", "y[127 - r] ="),
    },
    """
@T.prim_func(s_tir=True)
def weighted(x: T.Buffer((128, 48), "float32"), w: T.Buffer((48,), "float32"),
             y: T.Buffer((128,), "float32")):
    total = T.alloc_buffer((128,), "float32")
    for r, j in T.grid(128, 48):
        with T.sblock("total"):
            vr, vj = T.axis.remap("SR", [r, j])
            with T.init():
                total[vr] = T.float32(0)
            total[vr] = total[vr] + x[vr, vj] * w[vj]
    for r in range(128):
        with T.sblock("y"):
            vr = T.axis.spatial(128, r)
            y[vr] = total[vr] / T.float32(48)
""",
)

BLEND = Case(
    Kernel(
        """
__mlu_global__ void blend(const float *a, const float *b, float *y) {
  __nram__ float x[256];
  __nram__ float z[256];
  int start = taskId * 256;
  __memcpy(x, a + start, 256 * sizeof(float), GDRAM2NRAM);
  __memcpy(z, b + start, 256 * sizeof(float), GDRAM2NRAM);
  if (taskId < 2) goto sum;
  __bang_mul(x, x, z, 256);
  goto done;
sum:
  __bang_add(x, x, z, 256);
done:
  __memcpy(y + start, x, 256 * sizeof(float), NRAM2GDRAM);
}
""",
        "bang",
        "blend",
        (Tensor("a", (1024,)), Tensor("b", (1024,)), _out("y", 1024)),
        Launch(tasks=(4,)),
        filename="blend.mlu",
    ),
    """
__mlu_global__ void blend(const float *a, const float *b, float *y) {
  __nram__ float x[256];
  __nram__ float z[256];
  int start = taskId * 256;
  __memcpy(x, a + start, 256 * sizeof(float), GDRAM2NRAM);
  __memcpy(z, b + start, 256 * sizeof(float), GDRAM2NRAM);
  if (taskId < 2) {
    __bang_add(x, x, z, 256);
  } else {
    __bang_mul(x, x, z, 256);
  }
  __memcpy(y + start, x, 256 * sizeof(float), NRAM2GDRAM);
}
""",
    {
        "bound too far": ("taskId < 2", "taskId <= 2"),
        "condition turned": ("taskId < 2", "taskId >= 2"),
        "operator": ("__bang_add", "__bang_sub"),
        "one operand": ("__bang_mul(x, x, z", "__bang_mul(x, x, x"),
        "length of a sum": ("__bang_add(x, x, z, 256)", "__bang_add(x, x, z, 192)"),
        "length of a product": ("__bang_mul(x, x, z, 256)", "__bang_mul(x, x, z, 128)"),
        "bytes of a copy": ("(y + start, x, 256", "(y + start, x, 255"),
        "elements for bytes": ("(x, a + start, 256 * sizeof(float)", "(x, a + start, 256"),
        "offset": ("b + start", "b + (start > 0 ? start - 1 : 0)"),
        "offset of a store": ("y + start", "y + 1024 - 256 - start"),
        "stride of tasks": ("taskId * 256", "taskId * 255"),
        "source of a copy": ("(z, b + start", "(z, a + start"),
    },
    """
@T.prim_func
def blend(a: T.Buffer((1024,), "float32"), b: T.Buffer((1024,), "float32"),
          y: T.Buffer((1024,), "float32")):
    for t, i in T.grid(4, 256):
        if t < 2:
            y[t * 256 + i] = a[t * 256 + i] + b[t * 256 + i]
        else:
            y[t * 256 + i] = a[t * 256 + i] * b[t * 256 + i]
""",
)

CASES = (SELECT, APPLY, GCD, WEIGHTED, BLEND)
