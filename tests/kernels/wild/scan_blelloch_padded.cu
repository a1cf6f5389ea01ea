// Work-efficient exclusive scan (up-sweep, down-sweep), two elements a thread, indices padded so
// that strides of powers of two do not hit one bank. Also writes each block's total.
#include <cuda_runtime.h>

#define LOG_NUM_BANKS 5
#define CONFLICT_FREE_OFFSET(n) ((n) >> LOG_NUM_BANKS)

template <int ELEMENTS>
__global__ void prescan(const int *__restrict__ g_idata, int *__restrict__ g_odata,
                        int *__restrict__ g_sums, int n)
{
    __shared__ int temp[ELEMENTS + CONFLICT_FREE_OFFSET(ELEMENTS)];

    const int thid = threadIdx.x;
    const int base = blockIdx.x * ELEMENTS;
    int offset = 1;

    int ai = thid;
    int bi = thid + ELEMENTS / 2;
    const int bankOffsetA = CONFLICT_FREE_OFFSET(ai);
    const int bankOffsetB = CONFLICT_FREE_OFFSET(bi);
    temp[ai + bankOffsetA] = base + ai < n ? g_idata[base + ai] : 0;
    temp[bi + bankOffsetB] = base + bi < n ? g_idata[base + bi] : 0;

    // up-sweep
    for (int d = ELEMENTS >> 1; d > 0; d >>= 1) {
        __syncthreads();
        if (thid < d) {
            int i = offset * (2 * thid + 1) - 1;
            int j = offset * (2 * thid + 2) - 1;
            i += CONFLICT_FREE_OFFSET(i);
            j += CONFLICT_FREE_OFFSET(j);
            temp[j] += temp[i];
        }
        offset *= 2;
    }

    if (thid == 0) {
        const int last = ELEMENTS - 1 + CONFLICT_FREE_OFFSET(ELEMENTS - 1);
        g_sums[blockIdx.x] = temp[last];
        temp[last] = 0;
    }

    // down-sweep
    for (int d = 1; d < ELEMENTS; d *= 2) {
        offset >>= 1;
        __syncthreads();
        if (thid < d) {
            int i = offset * (2 * thid + 1) - 1;
            int j = offset * (2 * thid + 2) - 1;
            i += CONFLICT_FREE_OFFSET(i);
            j += CONFLICT_FREE_OFFSET(j);
            const int t = temp[i];
            temp[i] = temp[j];
            temp[j] += t;
        }
    }
    __syncthreads();

    if (base + ai < n) g_odata[base + ai] = temp[ai + bankOffsetA];
    if (base + bi < n) g_odata[base + bi] = temp[bi + bankOffsetB];
}
