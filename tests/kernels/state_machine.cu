// State machine over a row: nested switch in a loop, with carried state.
#include <cuda_runtime.h>

__global__ void machine(const int* x, int* y, int rows, int cols) {
    int r = threadIdx.x + blockIdx.x * blockDim.x;
    if (r >= rows) return;
    int state = 0, hits = 0;
    for (int c = 0; c < cols; c++) {
        int v = x[r * cols + c];
        switch (state) {
            case 0: if (v > 20) state = 1; break;
            case 1: if (v < -20) { state = 2; hits++; } else if (v == 0) state = 0; break;
            case 2: state = v & 1; hits += state;
        }
    }
    y[r] = hits * 10 + state;
}

int main() {
    int *x, *host_x = new int[50*40];
    int *y, *host_y = new int[50];
    cudaMalloc(&x, (50*40) * sizeof(int));
    cudaMalloc(&y, (50) * sizeof(int));
    cudaMemcpy(x, host_x, (50*40) * sizeof(int), cudaMemcpyHostToDevice);
    machine<<<1, 64>>>(x, y, 50, 40);
    cudaMemcpy(host_y, y, (50) * sizeof(int), cudaMemcpyDeviceToHost);
    return 0;
}
