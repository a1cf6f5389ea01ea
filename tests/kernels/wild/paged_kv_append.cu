// Writes new keys and values to a paged cache. slots[t] is page * page_size + offset; negative ones
// are padding. Keys are stored with the innermost X elements of the head apart, for 16-byte loads.
#include <cuda_runtime.h>
#include <stdint.h>

template <int X>
__global__ void append_to_pages(const float* __restrict__ key,     // [tokens, heads, d]
                                const float* __restrict__ value,   // [tokens, heads, d]
                                float* __restrict__ key_pages,     // [pages, heads, d/X, page, X]
                                float* __restrict__ value_pages,   // [pages, heads, d, page]
                                const int64_t* __restrict__ slots, // [tokens]
                                int heads, int d, int page_size)
{
    const int64_t slot = slots[blockIdx.x];
    if (slot < 0) return;
    const int64_t page = slot / page_size;
    const int64_t offset = slot % page_size;

    for (int i = threadIdx.x; i < heads * d; i += blockDim.x) {
        const int h = i / d, e = i % d;
        const int64_t from = (int64_t)blockIdx.x * heads * d + i;
        const int64_t k_to =
            (((page * heads + h) * (d / X) + e / X) * page_size + offset) * X + e % X;
        const int64_t v_to = ((page * heads + h) * d + e) * page_size + offset;
        key_pages[k_to] = key[from];
        value_pages[v_to] = value[from];
    }
}
