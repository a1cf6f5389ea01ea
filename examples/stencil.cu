// One step of 2-D heat diffusion: a 5-point stencil, the border keeps its value.
#include <cstdio>
#include <cstdlib>
#include <cuda_runtime.h>

#define WIDTH 500
#define HEIGHT 300
#define IDX(y, x) ((y) * width + (x))

__global__ void heat_step(float *next, const float *now, int height, int width, float rate) {
    int x = threadIdx.x + blockIdx.x * blockDim.x;
    int y = threadIdx.y + blockIdx.y * blockDim.y;
    if (x >= width || y >= height)
        return;

    if (x == 0 || y == 0 || x == width - 1 || y == height - 1) {
        next[IDX(y, x)] = now[IDX(y, x)];
    } else {
        float around = now[IDX(y - 1, x)] + now[IDX(y + 1, x)] +
                       now[IDX(y, x - 1)] + now[IDX(y, x + 1)];
        next[IDX(y, x)] = now[IDX(y, x)] + rate * (around - 4.0f * now[IDX(y, x)]);
    }
}

static void check(cudaError_t code, const char *what) {
    if (code != cudaSuccess) {
        std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(code));
        std::exit(2);
    }
}

int main() {
    const size_t cells = (size_t)WIDTH * HEIGHT;
    float *host = (float *)calloc(cells, sizeof(float));
    for (size_t i = 0; i < cells; ++i) host[i] = (float)(i % 17);

    float *now = NULL, *next = NULL;
    check(cudaMalloc(&now, cells * sizeof(float)), "cudaMalloc");
    check(cudaMalloc(&next, cells * sizeof(float)), "cudaMalloc");
    check(cudaMemcpy(now, host, cells * sizeof(float), cudaMemcpyHostToDevice), "cudaMemcpy");

    dim3 block(32, 8);
    dim3 grid((WIDTH + block.x - 1) / block.x, (HEIGHT + block.y - 1) / block.y);
    heat_step<<<grid, block>>>(next, now, HEIGHT, WIDTH, 0.2f);
    check(cudaPeekAtLastError(), "heat_step");

    check(cudaMemcpy(host, next, cells * sizeof(float), cudaMemcpyDeviceToHost), "cudaMemcpy");
    double total = 0.0;
    for (size_t i = 0; i < cells; ++i) total += host[i];
    std::printf("stencil: checksum %.3f\n", total);

    cudaFree(now);
    cudaFree(next);
    free(host);
    return 0;
}
