// Softmax, a block a row: maximum, exponentials and their sum, division. Reads the row three times
// from global memory and makes no assumption about its length.
#include <cuda_runtime.h>
#include <math.h>

enum Combine { TAKE_MAX, TAKE_SUM };

// One value of each thread to one value for all. `room` has blockDim.x floats and may be reused
// at once.
__device__ float all_threads(float value, float* room, Combine how)
{
    const int t = threadIdx.x;
    room[t] = value;
    __syncthreads();
    for (int half = blockDim.x / 2; half >= 1; half /= 2) {
        if (t < half)
            room[t] = how == TAKE_MAX ? fmaxf(room[t], room[t + half]) : room[t] + room[t + half];
        __syncthreads();
    }
    value = room[0];
    __syncthreads();
    return value;
}

__global__ void softmax_rows(const float* logits, float* probs, int classes)
{
    extern __shared__ float room[];
    const float* in = logits + blockIdx.x * classes;
    float* out = probs + blockIdx.x * classes;

    float top = -INFINITY;
    for (int c = threadIdx.x; c < classes; c += blockDim.x)
        top = fmaxf(top, in[c]);
    top = all_threads(top, room, TAKE_MAX);

    float mass = 0.0f;
    for (int c = threadIdx.x; c < classes; c += blockDim.x) {
        out[c] = expf(in[c] - top);
        mass += out[c];
    }
    mass = all_threads(mass, room, TAKE_SUM);

    for (int c = threadIdx.x; c < classes; c += blockDim.x)
        out[c] /= mass;
}
