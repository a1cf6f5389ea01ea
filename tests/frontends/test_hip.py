"""HIP sources: names that CUDA does not have, and host code that launches by a macro."""

from __future__ import annotations

import xpiler_tvm as xt

SOURCE = """
#include <hip/hip_runtime.h>
__global__ void add(const float* a, const float* b, float* c, int n) {
  int i = hipBlockDim_x * hipBlockIdx_x + hipThreadIdx_x;
  if (i < n) c[i] = a[i] + b[i];
}
int main() {
  const int n = 1000;
  float *a, *b, *c, h[n];
  hipMalloc((void**)&a, n * sizeof(float));
  hipMalloc((void**)&b, n * sizeof(float));
  hipMalloc((void**)&c, n * sizeof(float));
  hipMemcpy(a, h, sizeof h, hipMemcpyHostToDevice);
  hipMemcpy(b, h, sizeof h, hipMemcpyHostToDevice);
  hipLaunchKernelGGL(add, dim3((n + 255) / 256), dim3(256), 0, 0, a, b, c, n);
  hipMemcpy(h, c, sizeof h, hipMemcpyDeviceToHost);
}
"""


def test_names_and_launch_of_hip() -> None:
    lifted = xt.lift(xt.Kernel.from_source(SOURCE, "hip"))
    assert lifted.kernel.launch == xt.Launch((4,), (256,))
    assert [tensor.shape for tensor in lifted.kernel.tensors] == [(1000,)] * 3
    assert [tensor.intent for tensor in lifted.kernel.tensors] == ["in", "in", "out"]
    assert lifted.rung == "blocks"
    assert all(check.ok for check in lifted.evidence)
