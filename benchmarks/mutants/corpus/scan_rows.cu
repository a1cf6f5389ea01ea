#define BLOCK 64

// Inclusive sums of a row, in steps that double; a block a row.
__global__ void scan(const int* x, int* y, int cols) {
  __shared__ int sums[BLOCK];
  int t = threadIdx.x;
  sums[t] = t < cols ? x[blockIdx.x * cols + t] : 0;
  __syncthreads();
  for (int step = 1; step < cols; step *= 2) {
    int other = t >= step ? sums[t - step] : 0;
    __syncthreads();
    sums[t] += other;
    __syncthreads();
  }
  if (t < cols) y[blockIdx.x * cols + t] = sums[t];
}
