__global__ void k(const float* x, float* y, int n) {
  extern __shared__ float s[];
  int t = threadIdx.x; float a = 0;
  for (int i = t; i < n; i += blockDim.x) a += x[i];
  s[t] = a; __syncthreads();
  for (int st = n / 2; st > 0; st >>= 1) { if (t < st) s[t] += s[t + st]; __syncthreads(); }
  if (t == 0) y[0] = s[0];
}
