// Softmax, one block a row: maximum, sum of exponentials, division. The row is read three times.
#include <cuda_runtime.h>
#include <math.h>

// Combines one value of each thread; every thread gets the result. `shared` has blockDim.x floats.
__device__ float block_reduce(float* shared, float value, bool take_max)
{
    int tid = threadIdx.x;
    shared[tid] = value;
    __syncthreads();
    for (int stride = blockDim.x / 2; stride >= 1; stride /= 2) {
        if (tid < stride) {
            float other = shared[tid + stride];
            shared[tid] = take_max ? fmaxf(shared[tid], other) : shared[tid] + other;
        }
        __syncthreads();
    }
    float result = shared[0];
    __syncthreads();
    return result;
}

__global__ void softmax_forward_kernel(float* out, const float* inp, int N, int C)
{
    // inp is (N, C), and so is out
    extern __shared__ float shared[];
    int idx = blockIdx.x;
    int tid = threadIdx.x;
    int block_size = blockDim.x;
    const float* x = inp + idx * C;

    // thread coarsening
    float maxval = -INFINITY;
    for (int i = tid; i < C; i += block_size) {
        maxval = fmaxf(maxval, x[i]);
    }
    float offset = block_reduce(shared, maxval, true);

    for (int i = tid; i < C; i += block_size) {
        out[idx * C + i] = expf(x[i] - offset);
    }

    float sumval = 0.0f;
    float* y = out + idx * C;
    for (int i = tid; i < C; i += block_size) {
        sumval += y[i];
    }
    float sum = block_reduce(shared, sumval, false);

    for (int i = tid; i < C; i += block_size) {
        y[i] = y[i] / sum;
    }
}
