__global__ void copy(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i];
}

void run(const float *x, float *y, int rows, int cols) {
    copy<<<rows, cols>>>(x, y, rows * cols);
}
