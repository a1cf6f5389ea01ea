// c = a * transposed b, four bytes at a time.
__global__ void gemm_dp4a(const signed char* a, const signed char* b, int* c, int m, int k, int n) {
  int col = blockIdx.x * blockDim.x + threadIdx.x;
  int row = blockIdx.y * blockDim.y + threadIdx.y;
  if (row >= m || col >= n) return;
  const int* left = reinterpret_cast<const int*>(a + row * k);
  const int* right = reinterpret_cast<const int*>(b + col * k);
  int sum = 0;
  for (int i = 0; i < k / 4; ++i) sum = __dp4a(left[i], right[i], sum);
  c[row * n + col] = sum;
}
