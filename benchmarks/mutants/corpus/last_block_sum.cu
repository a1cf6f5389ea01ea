#define BLOCK 32

// Blocks leave partial sums; the one that ends last adds them up.
__global__ void last_block_sum(const float* x, float* partial, int* done, float* y, int n) {
  __shared__ float part[BLOCK];
  __shared__ bool last;
  int t = threadIdx.x;
  int i = blockIdx.x * BLOCK + t;
  part[t] = i < n ? x[i] : 0.0f;
  __syncthreads();
  for (int half = BLOCK / 2; half > 0; half /= 2) {
    if (t < half) part[t] += part[t + half];
    __syncthreads();
  }
  if (t == 0) {
    partial[blockIdx.x] = part[0];
    __threadfence();
    last = atomicAdd(done, 1) == (int)gridDim.x - 1;
  }
  __syncthreads();
  if (last && t == 0) {
    __threadfence();
    float sum = 0.0f;
    for (int b = 0; b < (int)gridDim.x; ++b) sum += partial[b];
    y[0] = sum;
  }
}
