// A reference stands for the element that it was made for, whatever becomes of the index.
// run: {"params": [["a", "int32", 32, "in"], ["of", "float32", 32, "inout"]], "grid": [1], "block": [32]}
struct Pair {
  float sum;
  int count;
  __device__ void take(int& at, int x) { at = (at + 1) & 3; sum += x; count = at; }
};
__device__ void swap(float& x, float& y, int& i) { i = 3; float z = x; x = y; y = z; }
__global__ void k(const int* a, float* of) {
  int t = threadIdx.x, i = a[t] & 3;
  float list[4] = {1.0f, 2.0f, 3.0f, 4.0f};
  Pair pairs[4] = {};
  float& r = list[i];
  i = a[31 - t] & 3;
  r += 10.0f;
  swap(list[i], list[0], i);
  pairs[i].take(i, t);
  of[t] = r * 1000.0f + list[0] * 100.0f + list[i] + pairs[3].sum + pairs[3].count + i;
}
