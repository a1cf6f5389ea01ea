// Bilinear resize with a half-pixel centre and clamped neighbours.
#include <cuda_runtime.h>
#include <math.h>

__global__ void resize(const float* src, float* dst, int ih, int iw, int oh, int ow) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= ow || y >= oh) return;
    float fy = (y + 0.5f) * ih / oh - 0.5f, fx = (x + 0.5f) * iw / ow - 0.5f;
    int y0 = (int)floorf(fy), x0 = (int)floorf(fx);
    float wy = fy - y0, wx = fx - x0;
    int y1 = min(y0 + 1, ih - 1), x1 = min(x0 + 1, iw - 1);
    y0 = max(y0, 0);
    x0 = max(x0, 0);
    float top = src[y0 * iw + x0] * (1 - wx) + src[y0 * iw + x1] * wx;
    float low = src[y1 * iw + x0] * (1 - wx) + src[y1 * iw + x1] * wx;
    dst[y * ow + x] = top * (1 - wy) + low * wy;
}

int main() {
    float *s, *host_s = new float[17*23];
    float *d, *host_d = new float[40*31];
    cudaMalloc(&s, (17*23) * sizeof(float));
    cudaMalloc(&d, (40*31) * sizeof(float));
    cudaMemcpy(s, host_s, (17*23) * sizeof(float), cudaMemcpyHostToDevice);
    resize<<<dim3(4, 5), dim3(8, 8)>>>(s, d, 17, 23, 40, 31);
    cudaMemcpy(host_d, d, (40*31) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
