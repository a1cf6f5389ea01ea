__global__ void gather(const float *x, const int *index, float *y) {
    y[threadIdx.x] = x[index[threadIdx.x]];
}
