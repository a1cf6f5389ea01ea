// Unsigned differences of 64 bits wrap, and so do conversions that turn out to be of zero.
// run: {"params": [["a", "int32", 32, "in"], ["ol", "int64", 32, "inout"]], "grid": [1], "block": [32]}
__global__ void k(const int* a, long long* ol) {
  int t = threadIdx.x;
  unsigned long long x = 0ull - t, y = (unsigned long long)(long long)0.0;
  long long sum = 0;
  for (int i = 0; i < 3; ++i) sum += (long long)((x - (unsigned long long)a[i]) >> (i * 20));
  ol[t] = sum + (long long)(((unsigned long long)(a[t] & 0) ^ y) * x) + (x > 5ull);
}
