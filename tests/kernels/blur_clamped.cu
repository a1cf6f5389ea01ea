// 3 x 3 box blur of bytes; indices are clamped at the borders.
#include <cuda_runtime.h>

__global__ void box_blur(const unsigned char* src, unsigned char* dst, int w, int h) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= w || y >= h) return;
    int sum = 0;
    for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx) {
            int sx = min(max(x + dx, 0), w - 1);
            int sy = min(max(y + dy, 0), h - 1);
            sum += src[sy * w + sx];
        }
    dst[y * w + x] = static_cast<unsigned char>(sum / 9);
}

int main() {
    const int w = 67, h = 41;
    unsigned char *a, *b, *host = new unsigned char[w * h];
    cudaMalloc(&a, w * h);
    cudaMalloc(&b, w * h);
    cudaMemcpy(a, host, w * h, cudaMemcpyHostToDevice);
    box_blur<<<dim3((w + 15) / 16, (h + 15) / 16), dim3(16, 16)>>>(a, b, w, h);
    cudaMemcpy(host, b, w * h, cudaMemcpyDeviceToHost);
}
