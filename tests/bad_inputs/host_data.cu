__global__ void copy(const float *x, float *y, int n) { y[threadIdx.x] = x[threadIdx.x]; }

void run(const float *x, float *y, const int *sizes) {
    int n = sizes[0];
    copy<<<n / 64, 64>>>(x, y, n);
}
