// Matrix transpose through a padded tile in shared memory; 32x8 threads move a 32x32 tile.
#include <cstdio>

#include <cuda_runtime.h>

constexpr int TILE_DIM = 32;
constexpr int BLOCK_ROWS = 8;

__global__ void transpose_padded(float *odata, const float *idata, int height, int width) {
    // One column of padding keeps the threads of a warp in different banks.
    __shared__ float tile[TILE_DIM][TILE_DIM + 1];

    int x = blockIdx.x * TILE_DIM + threadIdx.x;
    int y = blockIdx.y * TILE_DIM + threadIdx.y;
    for (int j = 0; j < TILE_DIM; j += BLOCK_ROWS) {
        if (x < width && y + j < height) {
            tile[threadIdx.y + j][threadIdx.x] = idata[(y + j) * width + x];
        }
    }

    __syncthreads();

    x = blockIdx.y * TILE_DIM + threadIdx.x;
    y = blockIdx.x * TILE_DIM + threadIdx.y;
    for (int j = 0; j < TILE_DIM; j += BLOCK_ROWS) {
        if (x < height && y + j < width) {
            odata[(y + j) * height + x] = tile[threadIdx.x][threadIdx.y + j];
        }
    }
}

int main() {
    const int height = 500;
    const int width = 333;
    const int bytes = height * width * sizeof(float);

    float *input = new float[height * width];
    float *output = new float[height * width];
    for (int i = 0; i < height * width; ++i) input[i] = static_cast<float>(i);

    float *d_input, *d_output;
    cudaMalloc(&d_input, bytes);
    cudaMalloc(&d_output, bytes);
    cudaMemcpy(d_input, input, bytes, cudaMemcpyHostToDevice);
    cudaMemset(d_output, 0, bytes);

    dim3 grid((width + TILE_DIM - 1) / TILE_DIM, (height + TILE_DIM - 1) / TILE_DIM, 1);
    dim3 block(TILE_DIM, BLOCK_ROWS, 1);
    transpose_padded<<<grid, block>>>(d_output, d_input, height, width);

    cudaMemcpy(output, d_output, bytes, cudaMemcpyDeviceToHost);
    int wrong = 0;
    for (int i = 0; i < height; ++i) {
        for (int j = 0; j < width; ++j) {
            wrong += output[j * height + i] != input[i * width + j];
        }
    }
    printf("transpose: %d elements are wrong\n", wrong);
    cudaFree(d_input);
    cudaFree(d_output);
    delete[] input;
    delete[] output;
    return wrong != 0;
}
