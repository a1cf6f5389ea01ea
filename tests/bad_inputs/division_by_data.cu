__global__ void divide(const int *x, const int *d, int *y) {
    int i = threadIdx.x;
    y[i] = x[i] / (d[i] - d[i]);
}
