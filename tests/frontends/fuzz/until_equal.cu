// A loop that runs until it is equal ends at another step in each thread.
// run: {"params": [["oi", "int32", 32, "inout"]], "grid": [1], "block": [32]}
__global__ void k(int* oi) {
  int t = threadIdx.x;
  int seen[3] = {};
  for (int i = 0; i != (t & 7); ++i) seen[i % 3] = i ^ 16;
  oi[t] = seen[t % 3];
}
