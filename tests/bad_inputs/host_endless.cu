__global__ void copy(const float *x, float *y, int n) { y[threadIdx.x] = x[threadIdx.x]; }

void run(const float *x, float *y, int n) {
    int blocks = 1;
    while (blocks < n) {
    }
    copy<<<blocks, 64>>>(x, y, n);
}
