__global__ void copy(const float *x, float *y, int n) {
    unsigned int lane;
    asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
    y[threadIdx.x] = x[threadIdx.x] + lane;
}
