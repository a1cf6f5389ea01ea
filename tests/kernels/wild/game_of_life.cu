// One generation of Conway's game on a torus, a byte a cell; any non-zero byte is alive.
#include <cuda_runtime.h>

typedef unsigned char ubyte;

__global__ void life_step(const ubyte* current, ubyte* next, unsigned width, unsigned height)
{
    const unsigned cells = width * height;
    for (unsigned cell = blockIdx.x * blockDim.x + threadIdx.x; cell < cells;
         cell += blockDim.x * gridDim.x) {
        const unsigned x = cell % width;
        const unsigned y = cell - x;  // offset of the row
        const unsigned left = (x + width - 1) % width;
        const unsigned right = (x + 1) % width;
        const unsigned up = (y + cells - width) % cells;
        const unsigned down = (y + width) % cells;

        int alive = 0;
        alive += !!current[left + up] + !!current[x + up] + !!current[right + up];
        alive += !!current[left + y] + !!current[right + y];
        alive += !!current[left + down] + !!current[x + down] + !!current[right + down];

        next[cell] = alive == 3 || (alive == 2 && current[cell]) ? 1 : 0;
    }
}
