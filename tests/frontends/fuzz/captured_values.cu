// A lambda that captures values keeps those of its making.
// run: {"params": [["f", "float32", 32, "in"], ["n", "int32", 3], ["of", "float32", 32, "inout"]], "grid": [1], "block": [32]}
__global__ void k(const float* f, int n, float* of) {
  int t = threadIdx.x, shift = n + t;
  float x = f[t], list[2] = {x, 2.0f};
  auto old = [=](int i) { return x + list[i & 1] + shift; };
  auto both = [&, x](int i) -> float { shift += i; return x - list[1]; };
  auto mixed = [=, &x](int i) { return x * shift + i; };
  x = 5.0f;
  list[0] += 1.0f;
  shift += 7;
  float sum = old(t) + both(4);
  of[t] = sum * 2.0f + mixed(shift);
}
