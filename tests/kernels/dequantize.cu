// Per-column dequantisation of packed 4-bit weights: two values a byte, low nibble first.
#include <cuda_runtime.h>
#include <cstdint>

__global__ void dequantize_int4(const uint8_t* packed, const float* scale, float* out, int rows, int cols) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= rows * cols / 2) return;
    const uint8_t byte = packed[i];
    const int lo = (byte & 0x0F) - 8;
    const int hi = (byte >> 4) - 8;
    const int c = (2 * i) % cols;
    out[2 * i] = lo * scale[c];
    out[2 * i + 1] = hi * scale[c + 1];
}

int main() {
    const int rows = 33, cols = 50;
    uint8_t *p, *hp = new uint8_t[rows * cols / 2];
    float *s, *o, *h = new float[rows * cols];
    cudaMalloc(&p, rows * cols / 2);
    cudaMalloc(&s, cols * sizeof(float));
    cudaMalloc(&o, rows * cols * sizeof(float));
    cudaMemcpy(p, hp, rows * cols / 2, cudaMemcpyHostToDevice);
    cudaMemcpy(s, h, cols * sizeof(float), cudaMemcpyHostToDevice);
    dequantize_int4<<<(rows * cols / 2 + 127) / 128, 128>>>(p, s, o, rows, cols);
    cudaMemcpy(h, o, rows * cols * sizeof(float), cudaMemcpyDeviceToHost);
}
