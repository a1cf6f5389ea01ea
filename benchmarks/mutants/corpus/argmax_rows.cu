#define BLOCK 32

// The first largest of each row, through shared memory.
__global__ void argmax(const float* x, int* y, int cols) {
  __shared__ float values[BLOCK];
  __shared__ int places[BLOCK];
  int t = threadIdx.x;
  float best = x[blockIdx.x * cols + t];
  int place = t;
  for (int c = t + BLOCK; c < cols; c += BLOCK) {
    float v = x[blockIdx.x * cols + c];
    if (v > best) {
      best = v;
      place = c;
    }
  }
  values[t] = best;
  places[t] = place;
  __syncthreads();
  for (int half = BLOCK / 2; half > 0; half /= 2) {
    if (t < half) {
      float v = values[t + half];
      int p = places[t + half];
      if (v > values[t] || (v == values[t] && p < places[t])) {
        values[t] = v;
        places[t] = p;
      }
    }
    __syncthreads();
  }
  if (t == 0) y[blockIdx.x] = places[0];
}
