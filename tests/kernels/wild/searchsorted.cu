// For every query the first position of the sorted table whose value is not less (left), or greater
// (right). A binary search for each, with threads striding over the queries.
#include <cuda_runtime.h>

__device__ int bound(const float *table, int size, float query, bool right)
{
    int lo = 0, hi = size;
    while (true) {
        if (lo >= hi) break;
        const int mid = lo + (hi - lo) / 2;
        const bool before = right ? table[mid] <= query : table[mid] < query;
        if (before)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

__global__ void searchsorted(const float *__restrict__ sorted, const float *__restrict__ queries,
                             int *__restrict__ positions, int table_size, int num_queries, int right)
{
    int q = blockIdx.x * blockDim.x + threadIdx.x;
    while (q < num_queries) {
        positions[q] = bound(sorted, table_size, queries[q], right != 0);
        q += blockDim.x * gridDim.x;
    }
}
