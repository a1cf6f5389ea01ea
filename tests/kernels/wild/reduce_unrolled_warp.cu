// Tree in shared memory down to one warp, whose steps are unrolled. Since Volta a warp is not in
// lockstep: each step reads, synchronises, writes and synchronises again.
#include <cuda_runtime.h>

static __device__ __forceinline__ void warp_reduce(float* sdata, unsigned tid)
{
    float v = sdata[tid];
    v += sdata[tid + 32]; __syncwarp(); sdata[tid] = v; __syncwarp();
    v += sdata[tid + 16]; __syncwarp(); sdata[tid] = v; __syncwarp();
    v += sdata[tid + 8];  __syncwarp(); sdata[tid] = v; __syncwarp();
    v += sdata[tid + 4];  __syncwarp(); sdata[tid] = v; __syncwarp();
    v += sdata[tid + 2];  __syncwarp(); sdata[tid] = v; __syncwarp();
    v += sdata[tid + 1];  __syncwarp(); sdata[tid] = v;
}

// Sum of squares of each row; one block a row, blockDim.x a power of two and at least 64.
__global__ void row_square_sum(const float* x, float* out, int cols)
{
    extern __shared__ float sdata[];
    const unsigned tid = threadIdx.x;
    const float* row = x + (size_t)blockIdx.x * cols;

    float acc = 0.0f;
    for (int c = tid; c < cols; c += blockDim.x) acc += row[c] * row[c];
    sdata[tid] = acc;
    __syncthreads();

    for (unsigned s = blockDim.x >> 1; s > 32; s >>= 1) {
        if (tid < s) sdata[tid] += sdata[tid + s];
        __syncthreads();
    }

    if (tid < 32) warp_reduce(sdata, tid);
    if (tid == 0) out[blockIdx.x] = sdata[0];
}
