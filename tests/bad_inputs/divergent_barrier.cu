__global__ void copy(const float *x, float *y, int n) {
    __shared__ float tile[64];
    int i = threadIdx.x;
    tile[i] = x[i];
    if (i < 32) {
        __syncthreads();
    }
    y[i] = tile[63 - i];
}
