// Work-efficient exclusive scan after Blelloch: sums go up a binary tree, prefixes come down it.
// Two elements a thread. A hole after every 32 words keeps power-of-two strides off a single bank.
#include <cuda_runtime.h>

#define BANK_BITS 5
#define PADDED(i) ((i) + ((i) >> BANK_BITS))

template <int SPAN>
__global__ void exclusive_scan_spans(const int *__restrict__ counts, int *__restrict__ offsets,
                                     int *__restrict__ totals, int n)
{
    __shared__ int tree[PADDED(SPAN)];

    const int t = threadIdx.x;  // blockDim.x == SPAN / 2
    const int low = t, high = t + SPAN / 2;
    const int first = blockIdx.x * SPAN;

    tree[PADDED(low)] = first + low < n ? counts[first + low] : 0;
    tree[PADDED(high)] = first + high < n ? counts[first + high] : 0;

    int gap = 1;
    for (int nodes = SPAN / 2; nodes > 0; nodes /= 2, gap *= 2) {
        __syncthreads();
        if (t < nodes) {
            const int right = 2 * gap * (t + 1) - 1;
            tree[PADDED(right)] += tree[PADDED(right - gap)];
        }
    }

    __syncthreads();
    if (t == 0) {
        totals[blockIdx.x] = tree[PADDED(SPAN - 1)];
        tree[PADDED(SPAN - 1)] = 0;
    }

    for (int nodes = 1; nodes < SPAN; nodes *= 2) {
        gap /= 2;
        __syncthreads();
        if (t < nodes) {
            const int right = 2 * gap * (t + 1) - 1;
            const int left = right - gap;
            const int subtotal = tree[PADDED(left)];
            tree[PADDED(left)] = tree[PADDED(right)];
            tree[PADDED(right)] += subtotal;
        }
    }
    __syncthreads();

    if (first + low < n) offsets[first + low] = tree[PADDED(low)];
    if (first + high < n) offsets[first + high] = tree[PADDED(high)];
}
