__global__ void copy(cudaTextureObject_t image, float *y, int n) {
    y[threadIdx.x] = tex1Dfetch<float>(image, threadIdx.x);
}
