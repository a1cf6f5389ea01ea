// A pitched matrix: rows of 77 floats at a pitch of 96, byte arithmetic on char pointers.
#include <cuda_runtime.h>

__global__ void scale(const float* src, float* dst, size_t pitch, int w, int h) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (x < w && y < h) {
        const float* row = (const float*)((const char*)src + y * pitch);
        dst[y * w + x] = row[x] * 3.0f;
    }
}

int main() {
    float *s, *host_s = new float[20*96];
    float *d, *host_d = new float[20*77];
    cudaMalloc(&s, (20*96) * sizeof(float));
    cudaMalloc(&d, (20*77) * sizeof(float));
    cudaMemcpy(s, host_s, (20*96) * sizeof(float), cudaMemcpyHostToDevice);
    scale<<<dim3(2, 20), 64>>>(s, d, 96 * sizeof(float), 77, 20);
    cudaMemcpy(host_d, d, (20*77) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
