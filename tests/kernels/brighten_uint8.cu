// Image brightness on bytes with saturation, 2-D blocks, three channels.
#include <cuda_runtime.h>

typedef unsigned char uchar;

__global__ void brighten(const uchar* src, uchar* dst, int width, int height, int channels,
                         int gain, int offset) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    for (int c = 0; c < channels; ++c) {
        int at = (y * width + x) * channels + c;
        int v = ((src[at] * gain) >> 8) + offset;
        dst[at] = (uchar)(v < 0 ? 0 : (v > 255 ? 255 : v));
    }
}

int main() {
    const int width = 101, height = 45, channels = 3;
    const int bytes = width * height * channels;
    uchar *src, *dst;
    uchar* host = new uchar[bytes];
    cudaMalloc(&src, bytes);
    cudaMalloc(&dst, bytes);
    cudaMemcpy(src, host, bytes, cudaMemcpyHostToDevice);
    dim3 threads(16, 16);
    dim3 blocks((width + threads.x - 1) / threads.x, (height + threads.y - 1) / threads.y);
    brighten<<<blocks, threads>>>(src, dst, width, height, channels, 300, -20);
    cudaMemcpy(host, dst, bytes, cudaMemcpyDeviceToHost);
    delete[] host;
    return 0;
}
