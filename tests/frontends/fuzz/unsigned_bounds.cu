// One comparison of an unsigned number with a constant stands behind another.
// run: {"params": [["u", "uint32", 32, "in"], ["oi", "int32", 32, "inout"]], "grid": [1], "block": [32]}
__global__ void k(const unsigned* u, int* oi) {
  int t = threadIdx.x;
  unsigned x = u[t], y = x << (x < 255u && x < 2147483631u);
  unsigned long long wide = x * 4294967295ull;
  oi[t] = (int)(y & 1023) + (wide < 255ull && wide < 214748363100ull);
}
