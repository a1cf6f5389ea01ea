"""Kernels of each class with symbolic sizes."""

from __future__ import annotations

from xpiler_tvm import Kernel, Launch, Scalar, Size, Tensor
from xpiler_tvm.extents import Extent
from xpiler_tvm.kernel import Param


def symbolic(
    text: str,
    *params: Param,
    grid: tuple[Extent, ...],
    block: tuple[int, ...],
    sizes: tuple[Size, ...] = (),
) -> Kernel:
    """A kernel of CUDA with symbolic sizes."""
    return Kernel(text, "cuda", None, params, Launch(grid, block), filename="k.cu", sizes=sizes)


def tensors(**shapes: tuple[Extent, ...]) -> tuple[Tensor, ...]:
    """Inputs, and as the last one the output."""
    *inputs, (name, shape) = shapes.items()
    return (*(Tensor(*one) for one in inputs), Tensor(name, shape, intent="out"))


_SCALE = """
__global__ void scale(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  %s y[i] = 2.0f * x[i];
}
"""


def scale(guard: str = "if (i < n)", grid: Extent = "(n + 127) / 128") -> Kernel:
    params = (*tensors(x=("n",), y=("n",)), Scalar("n"))
    return symbolic(_SCALE % guard, *params, grid=(grid,), block=(128,))


def grid_stride() -> Kernel:
    text = """
__global__ void add(const float* x, const float* z, float* y, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    y[i] = x[i] + z[i];
}
"""
    params = (*tensors(x=("n",), z=("n",), y=("n",)), Scalar("n"))
    return symbolic(text, *params, grid=(3,), block=(64,))


def vectors() -> Kernel:
    text = """
__global__ void negate(const float4* x, float4* y, int quarters) {
  int i = blockIdx.x * 64 + threadIdx.x;
  if (i < quarters) {
    float4 v = x[i];
    y[i] = make_float4(-v.x, -v.y, -v.z, -v.w);
  }
}
"""
    params = (*tensors(x=("n",), y=("n",)), Scalar("quarters", equals="n / 4"))
    return symbolic(text, *params, grid=("(n / 4 + 63) / 64",), block=(64,))


def row_sums() -> Kernel:
    text = """
__global__ void mean(const float* x, float* y, int n) {
  __shared__ float part[64];
  int tid = threadIdx.x;
  float sum = 0.0f;
  for (int i = tid; i < n; i += 64) sum += x[blockIdx.x * n + i];
  part[tid] = sum;
  __syncthreads();
  for (int half = 32; half > 0; half /= 2) {
    if (tid < half) part[tid] += part[tid + half];
    __syncthreads();
  }
  if (tid == 0) y[blockIdx.x] = part[0] / (float)n;
}
"""
    params = (*tensors(x=("rows", "n"), y=("rows",)), Scalar("n"))
    return symbolic(text, *params, grid=("rows",), block=(64,))


def gemm() -> Kernel:
    text = """
__global__ void gemm(const float* a, const float* b, float* c, int m, int n, int k) {
  __shared__ float s[8][8], t[8][8];
  int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * 8 + y, column = blockIdx.x * 8 + x;
  float sum = 0.0f;
  for (int tile = 0; tile < (k + 7) / 8; ++tile) {
    s[y][x] = row < m && tile * 8 + x < k ? a[row * k + tile * 8 + x] : 0.0f;
    t[y][x] = tile * 8 + y < k && column < n ? b[(tile * 8 + y) * n + column] : 0.0f;
    __syncthreads();
    for (int i = 0; i < 8; ++i) sum += s[y][i] * t[i][x];
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}
"""
    params = (*tensors(a=("m * k",), b=("k", "n"), c=("m", "n")), *map(Scalar, "mnk"))
    return symbolic(text, *params, grid=("(n + 7) / 8", "(m + 7) / 8"), block=(8, 8))


def convolution() -> Kernel:
    text = """
__global__ void conv(const float* x, const float* w, float* y, int height, int width) {
  int column = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y;
  if (column >= width) return;
  float sum = 0.0f;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      int r = row + i - 1, c = column + j - 1;
      if (r >= 0 && r < height && c >= 0 && c < width) sum += x[r * width + c] * w[i * 3 + j];
    }
  y[row * width + column] = sum;
}
"""
    plane = ("height", "width")
    params = (*tensors(x=plane, w=(9,), y=plane), Scalar("height"), Scalar("width"))
    return symbolic(text, *params, grid=("(width + 15) / 16", "height"), block=(16,))


def short_k() -> Kernel:
    """A product that drops what is left of k behind whole tiles."""
    text = """
__global__ void dot(const float* a, const float* b, float* c, int k) {
  float sum = 0.0f;
  for (int tile = 0; tile < k / 4; ++tile)
    for (int i = 0; i < 4; ++i) sum += a[threadIdx.x * k + tile * 4 + i] * b[tile * 4 + i];
  c[threadIdx.x] = sum;
}
"""
    params = (*tensors(a=(32, "k"), b=("k",), c=(32,)), Scalar("k"))
    return symbolic(text, *params, grid=(1,), block=(32,))
