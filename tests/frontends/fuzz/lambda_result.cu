// What a lambda gives is of its result's type, whichever return gives it.
// run: {"params": [["oi", "int32", 32, "inout"]], "grid": [1], "block": [32]}
template <typename T> __device__ int twice(T x) {
  auto f = [=](int a) -> T { return (x + a) * 2u; };
  return f(3) >> 1;
}
__global__ void k(int* oi) {
  int t = threadIdx.x;
  auto g = [=](int a) -> int { return (unsigned char)a * 1u; };
  auto h = [&](int a) -> short { if (a > t) return a * 4000; return t; };
  oi[t] = ~g(t * 16) % 1001 + h(t ^ 9) + twice(t - 20);
}
