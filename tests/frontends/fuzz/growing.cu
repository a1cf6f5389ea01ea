// What a hash makes of a thread's number doubles with every step.
// run: {"params": [["ol", "int64", 64, "inout"]], "grid": [2], "block": [32]}
__global__ void k(long long* ol) {
  unsigned h = (blockIdx.x * 32 + threadIdx.x) * 2654435761u + 1u;
  for (int i = 0; i < 8; ++i) {
    h ^= h << 13;
    h ^= h >> 17;
    h ^= h << 5;
  }
  ol[blockIdx.x * 32 + threadIdx.x] = h;
}
