__global__ void copy(const float *x, float *y, int n) {
    int i = threadIdx.x;
    int at = (int)(x[i] * 1000.0f);
    if (i < n) y[at] = x[i];
}
