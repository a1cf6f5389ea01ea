// y = A x, A in compressed rows, LANES threads a row: right where rows have about as many elements
// or more.
#include <cuda_runtime.h>

template <unsigned int LANES, typename Index, typename Value>
__global__ void csr_times_vector(const Index num_rows,
                                 const Index* __restrict__ row_ptr,
                                 const Index* __restrict__ col_idx,
                                 const Value* __restrict__ values,
                                 const Value* __restrict__ x,
                                 Value* __restrict__ y)
{
    const Index lane = threadIdx.x & (LANES - 1);
    const Index first = (blockDim.x * blockIdx.x + threadIdx.x) / LANES;
    const Index teams = (blockDim.x * gridDim.x) / LANES;

    for (Index row = first; row < num_rows; row += teams) {
        const Index begin = row_ptr[row];
        const Index end = row_ptr[row + 1];

        Value sum = 0;
        for (Index k = begin + lane; k < end; k += LANES)
            sum += values[k] * x[col_idx[k]];

        for (unsigned int w = LANES / 2; w > 0; w >>= 1)
            sum += __shfl_down_sync(0xffffffff, sum, w);

        if (lane == 0)
            y[row] = sum;
    }
}
