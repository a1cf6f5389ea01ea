// A remainder by a number beyond those of an int.
// run: {"params": [["oi", "int32", 24, "inout"]], "grid": [3], "block": [8]}
__device__ int low(int a) { return __ffs(a); }
__global__ void k(int* oi) {
  int t = threadIdx.x;
  int rest = (unsigned)t % 4294967280u;
  for (int i = 0; i < 2; ++i) rest += low((int)(__brev((unsigned)rest) % 4294967280u));
  oi[blockIdx.x * 8 + t] = rest;
}
