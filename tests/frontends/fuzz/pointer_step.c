// `*p++` reads where the pointer was, also where the pointer is kept in memory.
// run: {"params": [["f", "float32", 32, "in"], ["n", "int32", 7], ["of", "float32", 2, "inout"]]}
void k(const float* f, int n, float* of) {
  short shift = 3;
  shift %= n;
  const float* p = f + ((unsigned)shift) % 31u;
  const float* end = p + 1;
  float last = 0.0f;
  while (p != end) {
    float x = *p++;
    do {
      last = x - last;
      --shift;
    } while (--n > 4);
  }
  of[0] = last;
  of[1] = shift;
}
