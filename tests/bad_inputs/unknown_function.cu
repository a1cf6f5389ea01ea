__global__ void copy(const float *x, float *y, int n) {
    y[threadIdx.x] = frobnicate(x[threadIdx.x]);
}
