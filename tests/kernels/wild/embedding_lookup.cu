// Token plus position embedding in half precision; block (d / 2 threads, rounded), grid (T, B).
#include <cuda_fp16.h>
#include <cuda_runtime.h>

__global__ void embed_tokens(const int* __restrict__ tokens, const __half* __restrict__ wte,
                             const __half* __restrict__ wpe, __half* __restrict__ out, int T, int d)
{
    const int t = blockIdx.x;
    const int b = blockIdx.y;
    const int token = tokens[b * T + t];

    const __half2* te = reinterpret_cast<const __half2*>(wte + (size_t)token * d);
    const __half2* pe = reinterpret_cast<const __half2*>(wpe + (size_t)t * d);
    __half2* o = reinterpret_cast<__half2*>(out + ((size_t)b * T + t) * d);

    for (int i = threadIdx.x; i < d / 2; i += blockDim.x) o[i] = __hadd2(te[i], pe[i]);
}
