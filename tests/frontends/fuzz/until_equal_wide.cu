// The end of the loop is a number of 64 bits that fits into 32.
// run: {"params": [["n", "int32", 5], ["oi", "int32", 96, "inout"]], "grid": [3], "block": [32]}
__global__ void k(int n, int* oi) {
  int t = threadIdx.x, count = 0;
  for (int i = 0; i != (__brev((unsigned)(n >> blockIdx.x)) & 7); ++i) count += t;
  oi[blockIdx.x * 32 + t] = count;
}
