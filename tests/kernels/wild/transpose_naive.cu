// Transpose without any care: reads coalesce, writes are a column apart.
#include <cuda_runtime.h>

template <class T>
__global__ void transpose(const T* in, T* out, unsigned rows, unsigned cols) {
  const unsigned c = blockDim.x * blockIdx.x + threadIdx.x;
  const unsigned r = blockDim.y * blockIdx.y + threadIdx.y;
  if (r < rows && c < cols) {
    out[c * rows + r] = in[r * cols + c];
  }
}
