// 3-D 7-point stencil, threads in x and y march along z; borders are copied.
#include <cuda_runtime.h>

__global__ void stencil7(const float* __restrict__ in, float* __restrict__ out, int nx, int ny, int nz,
                         float c0, float c1) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int j = blockIdx.y * blockDim.y + threadIdx.y;
    if (i >= nx || j >= ny) return;
    const int plane = nx * ny;
    for (int k = 0; k < nz; ++k) {
        const int at = k * plane + j * nx + i;
        const bool edge = i == 0 || i == nx - 1 || j == 0 || j == ny - 1 || k == 0 || k == nz - 1;
        if (edge) {
            out[at] = in[at];
            continue;
        }
        out[at] = c0 * in[at] + c1 * (in[at - 1] + in[at + 1] + in[at - nx] + in[at + nx] +
                                      in[at - plane] + in[at + plane]);
    }
}

int main() {
    const int nx = 30, ny = 22, nz = 9;
    const size_t bytes = sizeof(float) * nx * ny * nz;
    float *a, *b, *h = (float*)malloc(bytes);
    cudaMalloc(&a, bytes);
    cudaMalloc(&b, bytes);
    cudaMemcpy(a, h, bytes, cudaMemcpyHostToDevice);
    stencil7<<<dim3(2, 3), dim3(16, 8)>>>(a, b, nx, ny, nz, 0.4f, 0.1f);
    cudaMemcpy(h, b, bytes, cudaMemcpyDeviceToHost);
    return 0;
}
