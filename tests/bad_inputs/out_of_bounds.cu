__global__ void copy(const float *x, float *y, int n) {
    int i = threadIdx.x;
    y[i + 1] = x[i];
}
