// Nearest centroid of each point with its distance, a block a point. Dynamic shared memory is raw
// bytes, from which a float array and an int array are taken.
#include <cuda_runtime.h>
#include <cfloat>

template <typename T>
__device__ T* take(char*& cursor, int count)
{
    T* place = reinterpret_cast<T*>(cursor);
    cursor += count * sizeof(T);
    return place;
}

__global__ void assign_clusters(const float* points, const float* centroids, int* labels,
                                float* distances, int k, int dims)
{
    extern __shared__ __align__(16) char raw[];
    char* cursor = raw;
    float* best = take<float>(cursor, blockDim.x);
    int* which = take<int>(cursor, blockDim.x);
    float* point = take<float>(cursor, dims);

    const int tid = threadIdx.x;
    for (int d = tid; d < dims; d += blockDim.x) point[d] = points[blockIdx.x * dims + d];
    __syncthreads();

    float nearest = FLT_MAX;
    int label = -1;
    for (int c = tid; c < k; c += blockDim.x) {
        float dist = 0.0f;
        for (int d = 0; d < dims; ++d) {
            const float diff = point[d] - centroids[c * dims + d];
            dist += diff * diff;
        }
        if (dist < nearest) {
            nearest = dist;
            label = c;
        }
    }
    best[tid] = nearest;
    which[tid] = label;
    __syncthreads();

    for (int s = blockDim.x / 2; s > 0; s >>= 1) {
        if (tid < s && best[tid + s] < best[tid]) {
            best[tid] = best[tid + s];
            which[tid] = which[tid + s];
        }
        __syncthreads();
    }
    if (tid == 0) {
        labels[blockIdx.x] = which[0];
        distances[blockIdx.x] = best[0];
    }
}
