// Sobel gradient magnitude, weights in a local constant array; only interior pixels, borders zero.
#include <cuda_runtime.h>

__global__ void sobel(const float* img, float* mag, int width, int height) {
    const float gx[3][3] = {{-1, 0, 1}, {-2, 0, 2}, {-1, 0, 1}};
    const float gy[9] = {-1.f, -2.f, -1.f, 0.f, 0.f, 0.f, 1.f, 2.f, 1.f};
    int col = blockIdx.x * blockDim.x + threadIdx.x;
    int row = blockIdx.y * blockDim.y + threadIdx.y;
    if (col < width && row < height) {
        float sx = 0, sy = 0;
        if (row >= 1 && row < height - 1 && col >= 1 && col < width - 1) {
            for (int i = 0; i < 3; i++) {
                for (int j = 0; j < 3; j++) {
                    float p = img[(row + i - 1) * width + col + j - 1];
                    sx += gx[i][j] * p;
                    sy += gy[i * 3 + j] * p;
                }
            }
        }
        mag[row * width + col] = sqrtf(sx * sx + sy * sy);
    }
}

int main() {
    int width = 61, height = 37;
    float *a, *b, *h = new float[width * height];
    cudaMalloc(&a, width * height * sizeof(float));
    cudaMalloc(&b, width * height * sizeof(float));
    cudaMemcpy(a, h, width * height * sizeof(float), cudaMemcpyHostToDevice);
    dim3 threads(16, 16);
    dim3 blocks((width + threads.x - 1) / threads.x, (height + threads.y - 1) / threads.y);
    sobel<<<blocks, threads>>>(a, b, width, height);
    cudaMemcpy(h, b, width * height * sizeof(float), cudaMemcpyDeviceToHost);
}
