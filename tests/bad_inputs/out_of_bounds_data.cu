__global__ void scatter(const int *index, float *y) {
    y[index[threadIdx.x] * 1000000] = 1.0f;
}
